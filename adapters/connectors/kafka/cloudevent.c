// The Kafka protocol binding of CloudEvents 1.0.2. Binary mode: attributes in headers ce_NAME, the data in
// the value, its form in the header content-type. Structured mode: content-type
// application/cloudevents+json, and all of it in the value.
#include "adapters/connectors/kafka/record.h"
#include "adapters/runtime/moment.h"
#include "core/schema/json.h"
#include "core/schema/json_lex.h"
#include "core/schema/json_text.h"

#define STRUCTURED "application/cloudevents+json"
#define STRUCTURED_FULL STRUCTURED "; charset=UTF-8"
#define PROTOBUF "application/protobuf"

static int bad(struct error *error) {
    return error ? error->code = CONNECTOR_BAD_ROW : CONNECTOR_BAD_ROW;
}

// ---- Reading ----

struct event { // what isn't in `decoded` yet
    struct decoded *out;
    struct buffer type;
    struct bytes data;
    bool has_data;
    bool json; // the data is
    bool version;
    bool source;
};

static bool is_media(struct bytes text, const char *type) {
    size_t size = strlen(type);
    return text.size >= size && strncasecmp((const char *)text.data, type, size) == 0 &&
           (text.size == size || strchr("; \t", text.data[size]));
}

static bool ends_with(struct bytes text, const char *end) {
    size_t size = strlen(end);
    const uint8_t *stop = text.size ? memchr(text.data, ';', text.size) : NULL;
    size_t length = stop ? (size_t)(stop - text.data) : text.size;
    return length >= size && strncasecmp((const char *)text.data + length - size, end, size) == 0;
}

static int read_media(struct bytes text, bool *json, struct error *error) {
    *json = is_media(text, "application/json") || ends_with(text, "+json");
    if (*json || is_media(text, PROTOBUF) || is_media(text, "application/x-protobuf") ||
        is_media(text, "application/octet-stream"))
        return 0;
    return error_set(error, CONNECTOR_BAD_ROW,
        "content type \"%.*s\": expected application/json or application/protobuf",
        text.size > 100 ? 100 : (int)text.size, (const char *)text.data);
}

static int read_time(struct bytes text, int64_t *out_us, struct error *error) {
    struct moment moment;
    if (!moment_read(text, 0, &moment) || !moment.has_time)
        return error_set(
            error, CONNECTOR_BAD_ROW, "time: expected RFC 3339, such as 2026-11-24T09:30:00+08:00");
    *out_us = moment_seconds(&moment) * 1000000 + moment.nanos / 1000;
    return 0;
}

static int take_version(struct event *event, struct bytes value, struct error *error) {
    event->version = bytes_equal_string(value, "1.0");
    return event->version ? 0 : error_set(error, CONNECTOR_BAD_ROW, "specversion: expected 1.0");
}

static int keep(struct buffer *out, struct bytes value, struct error *error) {
    buffer_clear(out);
    return buffer_append_bytes(out, value) ? error_no_memory(error) : 0;
}

// One attribute. The source stays as an attribute: on the bus the source is who proved to be it.
static int take_attribute(struct event *event, struct bytes name, struct bytes value, struct error *error) {
    struct decoded *out = event->out;
    if (bytes_equal_string(name, "specversion"))
        return take_version(event, value, error);
    if (bytes_equal_string(name, "id"))
        return keep(&out->id, value, error);
    if (bytes_equal_string(name, "type"))
        return keep(&event->type, value, error);
    if (bytes_equal_string(name, "subject"))
        return keep(&out->subject, value, error);
    if (bytes_equal_string(name, "time"))
        return read_time(value, &out->time_us, error);
    if (bytes_equal_string(name, "datacontenttype"))
        return read_media(value, &event->json, error);
    if (bytes_equal_string(name, "dataschema"))
        return 0;
    event->source = event->source || bytes_equal_string(name, "source");
    bool source = bytes_equal_string(name, "source");
    return decoded_attribute(out, source ? bytes_of_string("cesource") : name, value, error);
}

static int read_binary(const struct record *record, struct event *event, struct error *error) {
    int rc = 0;
    event->json = true;
    for (size_t i = 0; i < record->header_count && rc == 0; i++) {
        const struct header *header = &record->headers[i];
        if (strcasecmp(header->name, "content-type") == 0)
            rc = read_media(header->value, &event->json, error);
        else if (strncmp(header->name, "ce_", 3) == 0)
            rc = take_attribute(event, bytes_of_string(header->name + 3), header->value, error);
        else
            rc = decoded_attribute(event->out, bytes_of_string(header->name), header->value, error);
    }
    event->data = record->value;
    event->has_data = true;
    return rc;
}

static int read_base64(struct event *event, struct bytes text, struct error *error) {
    buffer_clear(&event->out->json);
    int rc = json_read_base64(text, &event->out->json);
    if (rc == -ENOMEM)
        return error_no_memory(error);
    event->data = buffer_bytes(&event->out->json);
    event->has_data = true;
    return rc ? error_set(error, CONNECTOR_BAD_ROW, "data_base64: no base64") : 0;
}

// A member: data, data_base64, or an attribute (a text, a number, true or false).
static int read_member(struct json_lex *lex, struct event *event, const char *name, bool *base64) {
    struct bytes text;
    bool is_text = json_peek(lex) == '"';
    const uint8_t *start = lex->p;
    int rc = is_text ? json_lex_string(lex, &text) : json_skip(lex);
    if (rc)
        return rc;
    struct bytes raw = bytes_of(start, (size_t)(lex->p - start));
    if (strcmp(name, "data") == 0) {
        event->data = raw;
        event->has_data = true;
        return 0;
    }
    if (strcmp(name, "data_base64") == 0) {
        *base64 = true;
        return is_text ? read_base64(event, text, lex->error)
                       : error_set(lex->error, CONNECTOR_BAD_ROW, "data_base64: expected a text");
    }
    if (*start == 'n')
        return 0;
    if (*start == '{' || *start == '[')
        return error_set(lex->error, CONNECTOR_BAD_ROW, "%s: expected a text, a number, true or false", name);
    return take_attribute(event, bytes_of_string(name), is_text ? text : raw, lex->error);
}

static int read_members(struct json_lex *lex, struct event *event, bool *base64) {
    bool first = true;
    bool more = false;
    struct bytes key;
    char name[64];
    int rc = json_open(lex, '{');
    while (rc == 0 && (rc = json_next(lex, '{', &first, &more)) == 0 && more) {
        rc = json_key(lex, &key);
        if (rc == 0 && key.size >= sizeof name)
            return error_set(lex->error, CONNECTOR_BAD_ROW, "an attribute's name has %zu bytes", key.size);
        if (rc == 0) {
            memcpy(name, key.data, key.size);
            name[key.size] = '\0';
            rc = read_member(lex, event, name, base64);
        }
    }
    return rc ? rc : json_end(lex);
}

static int read_structured(const struct record *record, struct event *event, struct error *error) {
    struct json_lex lex;
    bool base64 = false;
    int rc = json_lex_start(&lex, record->value, error);
    if (rc == 0)
        rc = read_members(&lex, event, &base64);
    json_lex_finish(&lex);
    event->json = !base64;
    return rc > 0 ? bad(error) : rc;
}

static const struct schema_message *find_type(const struct decoder *decoder, struct bytes name) {
    if (decoder->type)
        return decoder->type;
    for (size_t i = 0; i < decoder->name_count; i++)
        if (bytes_equal_string(name, decoder->names[i].name))
            return decoder->names[i].type;
    return catalogue_message(decoder->catalogue, name);
}

static int conclude(const struct decoder *decoder, struct event *event, struct error *error) {
    struct decoded *out = event->out;
    if (!event->version || !event->source || out->id.size == 0 || event->type.size == 0)
        return error_set(error, CONNECTOR_BAD_ROW,
            "no CloudEvent: it needs ce_specversion, ce_id, ce_source and ce_type, or "
            "content-type " STRUCTURED);
    if (!event->has_data)
        return error_set(error, CONNECTOR_BAD_ROW, "the CloudEvent has no data");
    out->type = find_type(decoder, buffer_bytes(&event->type));
    if (!out->type)
        return error_set(error, CONNECTOR_BAD_ROW, "type: neither \"types\" nor the catalogue has \"%.*s\"",
            event->type.size > 200 ? 200 : (int)event->type.size, (const char *)event->type.data);
    if (event->json)
        return decoded_json(out, event->data, error);
    out->payload = event->data;
    return 0;
}

static bool is_structured(const struct record *record) {
    for (size_t i = 0; i < record->header_count; i++)
        if (strcasecmp(record->headers[i].name, "content-type") == 0)
            return is_media(record->headers[i].value, STRUCTURED);
    return false;
}

// Headers beside a structured event.
static int keep_others(const struct record *record, struct decoded *out, struct error *error) {
    int rc = 0;
    for (size_t i = 0; i < record->header_count && rc == 0; i++) {
        const char *name = record->headers[i].name;
        if (strcasecmp(name, "content-type") != 0 && strncmp(name, "ce_", 3) != 0)
            rc = decoded_attribute(out, bytes_of_string(name), record->headers[i].value, error);
    }
    return rc;
}

int cloudevent_read(
    const struct decoder *decoder, const struct record *record, struct decoded *out, struct error *error) {
    struct event event = {.out = out};
    int rc = 0;
    if (is_structured(record)) {
        rc = read_structured(record, &event, error);
        rc = rc ? rc : keep_others(record, out, error);
    } else {
        rc = read_binary(record, &event, error);
    }
    rc = rc ? rc : conclude(decoder, &event, error);
    buffer_destroy(&event.type);
    return rc;
}

// ---- Writing ----

static int time_text(int64_t time_us, struct buffer *out) {
    int64_t seconds = time_us / 1000000 - (time_us % 1000000 < 0 ? 1 : 0);
    struct moment moment = moment_of(seconds, (int32_t)(time_us - seconds * 1000000) * 1000, 0);
    return moment_write_rfc3339(&moment, out);
}

static int write_headers(
    const struct encoder *encoder, const struct connector_delivery *delivery, struct encoded *out) {
    struct buffer time = {0};
    int rc = encoded_header(out, "ce_", "specversion", bytes_of_string("1.0"));
    rc = rc ? rc : encoded_header(out, "ce_", "id", delivery->id);
    rc = rc ? rc : encoded_header(out, "ce_", "source", delivery->source);
    rc = rc ? rc : encoded_header(out, "ce_", "type", bytes_of_string(delivery->type->full_name));
    if (rc == 0 && delivery->subject.size)
        rc = encoded_header(out, "ce_", "subject", delivery->subject);
    rc = rc ? rc : time_text(delivery->time_us, &time);
    rc = rc ? rc : encoded_header(out, "ce_", "time", buffer_bytes(&time));
    rc = rc ? rc
            : encoded_header(out, "", "content-type",
                  bytes_of_string(encoder->json_data ? "application/json" : PROTOBUF));
    for (const char *const *p = delivery->attributes; p && *p && rc == 0; p += 2)
        rc = encoded_header(out, "ce_", p[0], bytes_of_string(p[1]));
    buffer_destroy(&time);
    return rc;
}

static int put_member(struct buffer *out, const char *name, struct bytes value) {
    int rc = buffer_append_format(out, "%s\"%s\":", out->size > 1 ? "," : "", name);
    return rc ? rc : json_put_string(out, value);
}

static int write_members(const struct connector_delivery *delivery, struct buffer *out) {
    struct buffer time = {0};
    int rc = buffer_append_byte(out, '{');
    rc = rc ? rc : put_member(out, "specversion", bytes_of_string("1.0"));
    rc = rc ? rc : put_member(out, "id", delivery->id);
    rc = rc ? rc : put_member(out, "source", delivery->source);
    rc = rc ? rc : put_member(out, "type", bytes_of_string(delivery->type->full_name));
    if (rc == 0 && delivery->subject.size)
        rc = put_member(out, "subject", delivery->subject);
    rc = rc ? rc : time_text(delivery->time_us, &time);
    rc = rc ? rc : put_member(out, "time", buffer_bytes(&time));
    for (const char *const *p = delivery->attributes; p && *p && rc == 0; p += 2)
        rc = put_member(out, p[0], bytes_of_string(p[1]));
    buffer_destroy(&time);
    return rc;
}

static int write_structured(const struct encoder *encoder, const struct connector_delivery *delivery,
    struct encoded *out, struct error *error) {
    struct buffer *value = &out->value;
    int rc = encoded_header(out, "", "content-type", bytes_of_string(STRUCTURED_FULL));
    rc = rc ? rc : write_members(delivery, value);
    rc = rc ? rc
            : put_member(value, "datacontenttype",
                  bytes_of_string(encoder->json_data ? "application/json" : PROTOBUF));
    rc = rc ? rc : buffer_append_string(value, encoder->json_data ? ",\"data\":" : ",\"data_base64\":\"");
    if (rc)
        return error_no_memory(error);
    rc = encoder->json_data ? json_from_message(delivery->type, delivery->payload, NULL, value, error)
                            : json_put_base64(value, delivery->payload);
    return rc ? rc : buffer_append_string(value, encoder->json_data ? "}" : "\"}");
}

int cloudevent_write(const struct encoder *encoder, const struct connector_delivery *delivery,
    struct encoded *out, struct error *error) {
    if (encoder->structured)
        return write_structured(encoder, delivery, out, error);
    if (write_headers(encoder, delivery, out))
        return error_no_memory(error);
    if (encoder->json_data)
        return json_from_message(delivery->type, delivery->payload, NULL, &out->value, error);
    return buffer_append_bytes(&out->value, delivery->payload) ? error_no_memory(error) : 0;
}
