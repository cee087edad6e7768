// The catalogue: all message types at run time, from a FileDescriptorSet that protoc built. Immutable once
// loaded, so threads may share it. Types are compared by pointer.
#pragma once

#include "core/base/buffer.h"
#include "core/base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct catalogue;

enum schema_kind { // protobuf's field types, with the numbers of FieldDescriptorProto.Type
    SCHEMA_DOUBLE = 1,
    SCHEMA_FLOAT = 2,
    SCHEMA_INT64 = 3,
    SCHEMA_UINT64 = 4,
    SCHEMA_INT32 = 5,
    SCHEMA_FIXED64 = 6,
    SCHEMA_FIXED32 = 7,
    SCHEMA_BOOL = 8,
    SCHEMA_STRING = 9,
    SCHEMA_GROUP = 10,
    SCHEMA_MESSAGE = 11,
    SCHEMA_BYTES = 12,
    SCHEMA_UINT32 = 13,
    SCHEMA_ENUM = 14,
    SCHEMA_SFIXED32 = 15,
    SCHEMA_SFIXED64 = 16,
    SCHEMA_SINT32 = 17,
    SCHEMA_SINT64 = 18,
};

struct schema_enum_value {
    const char *name; // as written, such as VISIT
    int32_t number;
};

struct schema_enum {
    const char *full_name;
    const struct schema_enum_value *values; // in the order of the file
    size_t value_count;
    bool closed;               // proto2
    const uint16_t *by_name;   // the look-ups below use these: indexes of values in the order of names,
    const uint16_t *by_number; // and of numbers (of aliases the first of the file comes first)
};

struct schema_message;

struct schema_field {
    const char *name;      // as in the .proto file
    const char *json_name; // lowerCamelCase or as set
    uint32_t number;
    enum schema_kind kind;
    bool repeated;
    bool packed;    // how it is written; both forms are read
    bool map;       // repeated message with key = 1 and value = 2
    bool presence;  // message, oneof member, proto2 or proto3 optional: "set" differs from "default"
    bool required;  // proto2 only: a message without it is refused
    bool needed;    // `required`, or said so by an option: a mapping must fill it. proto/hutong/options.proto
    int32_t oneof;  // index in the message's oneofs; -1: none (synthetic oneofs count as none)
    uint32_t index; // in the message's fields
    const struct schema_message *message;  // of MESSAGE and GROUP
    const struct schema_enum *enumeration; // of ENUM
    const struct schema_message *parent;
};

// What a scan must know of a field, in four bytes; kind 0 for a number that is no field.
struct schema_tag {
    uint8_t flags;  // the wire type in the low three bits, then SCHEMA_TAG_…
    uint8_t kind;   // enum schema_kind
    uint16_t index; // in the message's fields
};
enum {
    SCHEMA_TAG_UNKNOWN = 0x07, // the flags of what is no field: a wire type that never comes
    SCHEMA_TAG_REPEATED = 0x08,
    SCHEMA_TAG_PRESENCE = 0x10,
    SCHEMA_TAG_UTF8 = 0x20,     // a proto3 string
    SCHEMA_TAG_CLOSED = 0x40,   // an enum that knows only its own numbers
    SCHEMA_TAG_PACKABLE = 0x80, // repeated, and not of strings, bytes or messages
};

#define SCHEMA_DENSE_LEAST 16u // all numbers whose tags have one byte

// google.protobuf's own types that mean more than their fields, by name.
enum schema_known {
    SCHEMA_KNOWN_NOT,
    SCHEMA_KNOWN_TIMESTAMP,
    SCHEMA_KNOWN_DURATION,
    SCHEMA_KNOWN_ANY,
    SCHEMA_KNOWN_STRUCT,
    SCHEMA_KNOWN_VALUE,
    SCHEMA_KNOWN_LIST,
    SCHEMA_KNOWN_WRAPPER, // StringValue and the like
};

struct schema_message {
    const char *full_name;             // without a leading dot
    const struct schema_field *fields; // sorted by number
    size_t field_count;
    size_t oneof_count;
    bool map_entry;
    bool proto3;
    enum schema_known known; // by its name alone: ask schema_known()
    const struct catalogue *catalogue;
    const char *const *oneof_names; // oneof_count of them
    bool has_required;              // it, or a message that it may hold, has required fields
    const struct schema_tag
        *dense; // by number, for numbers below dense_size, which is SCHEMA_DENSE_LEAST or more
    uint32_t dense_size;
    const struct schema_tag *tags; // parallel to fields
    const uint16_t *by_name;       // indexes of fields in the order of names, and of JSON names
    const uint16_t *by_json;
};

// A wrapper has one field; a type of that name with others is not Google's.
static inline enum schema_known schema_known(const struct schema_message *message) {
    return message->known == SCHEMA_KNOWN_WRAPPER && message->field_count != 1 ? SCHEMA_KNOWN_NOT
                                                                               : message->known;
}

// A type that is not in any .proto file, such as the row of a table: flat, all fields with presence, numbered
// 1, 2, ….
struct schema_column {
    const char *name;
    enum schema_kind kind; // a scalar kind, not ENUM, GROUP or MESSAGE
    bool repeated;
};

// Limits: 16 MiB, 10,000 messages and enums each, 1,000 fields and 10,000 enum values each, types nested 32
// deep. Every import must be in the set (protoc --include_imports). Extensions are not known: they are read
// as unknown fields. Message sets and editions are refused. Returns 0 and `*out` owned, or -EINVAL with the
// text, -ENOMEM.
int catalogue_load(struct bytes descriptor_set, struct catalogue **out, struct error *error);
int catalogue_load_file(const char *path, struct catalogue **out, struct error *error);
void catalogue_destroy(struct catalogue **self);

// Adds a type made at run time (before anyone shares the catalogue). `full_name` must be free. Borrowed
// result.
int catalogue_define(struct catalogue *catalogue, const char *full_name, const struct schema_column *columns,
    size_t count, const struct schema_message **out, struct error *error);

const struct schema_message *catalogue_message(
    const struct catalogue *catalogue, struct bytes full_name); // or NULL
const struct schema_enum *catalogue_enum(
    const struct catalogue *catalogue, struct bytes full_name);                              // or NULL
const char *catalogue_nearest_message(const struct catalogue *catalogue, struct bytes name); // or NULL
size_t catalogue_message_count(const struct catalogue *catalogue);
const struct schema_message *catalogue_message_at(
    const struct catalogue *catalogue, size_t i); // sorted by name

const struct schema_field *schema_field_named(
    const struct schema_message *message, struct bytes name); // or NULL
// By json_name or by name, as JSON readers accept both.
const struct schema_field *schema_field_json(
    const struct schema_message *message, struct bytes name); // or NULL
const struct schema_field *schema_field_numbered(
    const struct schema_message *message, uint32_t number);                                // or NULL
const char *schema_nearest_field(const struct schema_message *message, struct bytes name); // or NULL
const struct schema_enum_value *schema_enum_named(const struct schema_enum *enumeration, struct bytes name);
const struct schema_enum_value *schema_enum_numbered(const struct schema_enum *enumeration, int32_t number);
