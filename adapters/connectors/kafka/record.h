// A Kafka record and what the bus makes of it, both ways. Formats:
//   cloudevents   the CloudEvents Kafka binding 1.0.2: read in binary and structured mode; written in one of
//                 them, with the data as protobuf or JSON
//   protobuf      the message's wire bytes
//   confluent     a zero byte, the schema's id, the message's index in its file, wire bytes
//   json          the proto3 JSON mapping
#pragma once

#include "adapters/runtime/connector.h"
#include "core/wire/wire.h"

#define INDEX_LIMIT 8u // levels of a message inside messages

enum format {
    FORMAT_CLOUDEVENTS,
    FORMAT_PROTOBUF,
    FORMAT_CONFLUENT,
    FORMAT_JSON,
};
extern const char *const format_names[]; // in the order of format, ends with NULL

struct header {
    const char *name;
    struct bytes value;
};

struct record {       // borrowed
    struct bytes key; // data NULL: none
    struct bytes value;
    const struct header *headers;
    size_t header_count;
    int64_t time_us; // 0: none
};

// What a schema registry's id stands for.
struct schema_entry {
    uint32_t id;
    uint32_t index[INDEX_LIMIT]; // of the message in its file, then inside that message, …
    size_t depth;
    const struct schema_message *type;
};
struct schema_table {
    struct schema_entry *items; // owned
    size_t count;
};

struct named_type { // a CloudEvent's type that isn't the name in the catalogue
    const char *name;
    const struct schema_message *type;
};

// ---- From Kafka ----

struct decoder {
    enum format format;
    const struct catalogue *catalogue;
    const struct schema_table *schemas;
    const struct schema_message *type; // protobuf, json; for CloudEvents NULL: as they say
    struct named_type *names;          // owned
    size_t name_count;
};

// Reused from record to record.
struct decoded {
    const struct schema_message *type;
    struct buffer id;
    struct buffer subject; // of a CloudEvent; empty: none
    struct buffer json;    // data in JSON, before it is a message
    struct buffer owned;   // a payload that had to be made
    struct bytes payload;  // may point into the record
    int64_t time_us;
    size_t attribute_count;
    const char *attributes[2 * WIRE_ATTRIBUTE_LIMIT + 1]; // name, value, …, NULL; in `texts`
    size_t places[2 * WIRE_ATTRIBUTE_LIMIT];
    struct buffer texts;
};
void decoded_destroy(struct decoded *decoded);

// 0, CONNECTOR_BAD_ROW with what is wrong, -ENOMEM. Whether the payload is a message of its type is checked
// where it is published.
int kafka_record_decode(
    const struct decoder *decoder, const struct record *record, struct decoded *out, struct error *error);

// ---- To Kafka ----

struct encoder {
    enum format format;
    bool structured; // CloudEvents: one JSON document
    bool json_data;  // CloudEvents: the data is JSON
    const struct schema_table *schemas;
};

#define HEADERS_LIMIT (WIRE_ATTRIBUTE_LIMIT + 8u)

struct encoded { // reused
    struct buffer value;
    struct buffer texts;
    size_t header_count;
    struct header headers[HEADERS_LIMIT]; // in `texts`
    size_t places[HEADERS_LIMIT][3];      // of name and value, and the value's size
};
void encoded_destroy(struct encoded *encoded);

// 0, CONNECTOR_REJECT (no schema's id for the type, no JSON form), -ENOMEM.
int kafka_record_encode(const struct encoder *encoder, const struct connector_delivery *delivery,
    struct encoded *out, struct error *error);

// ---- Parts ----

// The Confluent wire format's head. BAD_ROW when it has none, or no entry is of that id and index.
int confluent_read(const struct schema_table *schemas, struct bytes *value,
    const struct schema_message **type, struct error *error);
int confluent_write(const struct schema_table *schemas, const struct schema_message *type, struct buffer *out,
    struct error *error); // 0, CONNECTOR_REJECT, -ENOMEM

int cloudevent_read(
    const struct decoder *decoder, const struct record *record, struct decoded *out, struct error *error);
int cloudevent_write(const struct encoder *encoder, const struct connector_delivery *delivery,
    struct encoded *out, struct error *error);

// An attribute of the bus: its name in lower case without what an attribute's name can't have ("X-Trace-Id":
// xtraceid). 0, CONNECTOR_BAD_ROW (too many, too long, twice, no UTF-8), -ENOMEM.
int decoded_attribute(struct decoded *out, struct bytes name, struct bytes value, struct error *error);
int decoded_json(struct decoded *out, struct bytes json, struct error *error); // data of out->type
int encoded_header(struct encoded *out, const char *prefix, const char *name, struct bytes value);
