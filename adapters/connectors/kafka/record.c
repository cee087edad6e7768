#include "adapters/connectors/kafka/record.h"

#include "core/base/utf8.h"
#include "core/schema/json.h"

const char *const format_names[] = {"cloudevents", "protobuf", "confluent", "json", NULL};

void decoded_destroy(struct decoded *decoded) {
    buffer_destroy(&decoded->id);
    buffer_destroy(&decoded->subject);
    buffer_destroy(&decoded->json);
    buffer_destroy(&decoded->owned);
    buffer_destroy(&decoded->texts);
}

void encoded_destroy(struct encoded *encoded) {
    buffer_destroy(&encoded->value);
    buffer_destroy(&encoded->texts);
}

// ---- Attributes and headers ----

static bool has_attribute(const struct decoded *decoded, const char *name) {
    for (size_t i = 0; i < decoded->attribute_count; i++)
        if (strcmp((const char *)decoded->texts.data + decoded->places[2 * i], name) == 0)
            return true;
    return false;
}

static size_t plain_name(struct bytes name, char out[32]) {
    size_t size = 0;
    for (size_t i = 0; i < name.size && size < 31; i++) {
        uint8_t c = name.data[i];
        c = c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
            out[size++] = (char)c;
    }
    out[size] = '\0';
    return size;
}

static int put_text(struct buffer *out, struct bytes text, size_t *place) {
    *place = out->size;
    int rc = buffer_append_bytes(out, text);
    return rc ? rc : buffer_append_byte(out, 0);
}

int decoded_attribute(struct decoded *out, struct bytes name, struct bytes value, struct error *error) {
    char plain[32];
    size_t size = plain_name(name, plain);
    if (out->attribute_count == WIRE_ATTRIBUTE_LIMIT)
        return error_set(error, CONNECTOR_BAD_ROW, "more than %u headers", WIRE_ATTRIBUTE_LIMIT);
    if (!wire_attribute_valid(bytes_of(plain, size), value) || memchr(value.data, 0, value.size))
        return error_set(error, CONNECTOR_BAD_ROW,
            "header %.*s: expected a name of 1 to 20 letters and digits, and at most 1,024 bytes of UTF-8",
            name.size > 64 ? 64 : (int)name.size, (const char *)name.data);
    if (has_attribute(out, plain))
        return error_set(error, CONNECTOR_BAD_ROW, "header %s is there twice", plain);
    size_t *places = &out->places[2 * out->attribute_count];
    if (put_text(&out->texts, bytes_of(plain, size), &places[0]) || put_text(&out->texts, value, &places[1]))
        return error_no_memory(error);
    out->attribute_count++;
    return 0;
}

int encoded_header(struct encoded *out, const char *prefix, const char *name, struct bytes value) {
    size_t *place = out->places[out->header_count];
    place[0] = out->texts.size;
    int rc = buffer_append_string(&out->texts, prefix);
    rc = rc ? rc : buffer_append_string(&out->texts, name);
    rc = rc ? rc : buffer_append_byte(&out->texts, 0);
    rc = rc ? rc : put_text(&out->texts, value, &place[1]);
    place[2] = value.size;
    out->header_count += rc == 0;
    return rc;
}

// The texts have stopped growing: what points to them may be made.
static void settle_headers(struct encoded *out) {
    for (size_t i = 0; i < out->header_count; i++)
        out->headers[i] = (struct header){.name = (const char *)out->texts.data + out->places[i][0],
            .value = bytes_of(out->texts.data + out->places[i][1], out->places[i][2])};
}

static void settle_attributes(struct decoded *out) {
    for (size_t i = 0; i < 2 * out->attribute_count; i++)
        out->attributes[i] = (const char *)out->texts.data + out->places[i];
    out->attributes[2 * out->attribute_count] = NULL;
}

// ---- From Kafka ----

static int keep_headers(const struct record *record, struct decoded *out, struct error *error) {
    int rc = 0;
    for (size_t i = 0; i < record->header_count && rc == 0; i++) {
        const struct header *header = &record->headers[i];
        if (strcasecmp(header->name, "content-type") != 0)
            rc = decoded_attribute(out, bytes_of_string(header->name), header->value, error);
    }
    return rc;
}

int decoded_json(struct decoded *out, struct bytes json, struct error *error) {
    buffer_clear(&out->owned);
    int rc = json_to_message(out->type, json, &out->owned, error);
    out->payload = buffer_bytes(&out->owned);
    return rc > 0 ? (error ? error->code = CONNECTOR_BAD_ROW : CONNECTOR_BAD_ROW) : rc;
}

static int decode_plain(
    const struct decoder *decoder, const struct record *record, struct decoded *out, struct error *error) {
    int rc = keep_headers(record, out, error);
    out->type = decoder->type;
    out->payload = record->value;
    if (rc == 0 && decoder->format == FORMAT_CONFLUENT)
        rc = confluent_read(decoder->schemas, &out->payload, &out->type, error);
    if (rc == 0 && decoder->format == FORMAT_JSON)
        rc = decoded_json(out, record->value, error);
    return rc;
}

int kafka_record_decode(
    const struct decoder *decoder, const struct record *record, struct decoded *out, struct error *error) {
    buffer_clear(&out->id);
    buffer_clear(&out->subject);
    buffer_clear(&out->texts);
    out->attribute_count = 0;
    out->time_us = record->time_us;
    if (!record->value.data)
        return error_set(error, CONNECTOR_BAD_ROW, "the record has no value (a tombstone)");
    int rc = decoder->format == FORMAT_CLOUDEVENTS ? cloudevent_read(decoder, record, out, error)
                                                   : decode_plain(decoder, record, out, error);
    if (rc == 0)
        settle_attributes(out);
    return rc;
}

// ---- To Kafka ----

static int encode_plain(const struct encoder *encoder, const struct connector_delivery *delivery,
    struct encoded *out, struct error *error) {
    int rc = 0;
    for (const char *const *p = delivery->attributes; p && *p && rc == 0; p += 2)
        rc = encoded_header(out, "", p[0], bytes_of_string(p[1]));
    if (rc)
        return error_no_memory(error);
    if (encoder->format == FORMAT_JSON)
        return json_from_message(delivery->type, delivery->payload, NULL, &out->value, error);
    if (encoder->format == FORMAT_CONFLUENT)
        rc = confluent_write(encoder->schemas, delivery->type, &out->value, error);
    if (rc == 0 && buffer_append_bytes(&out->value, delivery->payload))
        return error_no_memory(error);
    return rc;
}

int kafka_record_encode(const struct encoder *encoder, const struct connector_delivery *delivery,
    struct encoded *out, struct error *error) {
    buffer_clear(&out->value);
    buffer_clear(&out->texts);
    out->header_count = 0;
    int rc = encoder->format == FORMAT_CLOUDEVENTS ? cloudevent_write(encoder, delivery, out, error)
                                                   : encode_plain(encoder, delivery, out, error);
    settle_headers(out);
    if (rc == 0 || rc == -ENOMEM)
        return rc;
    return error ? error->code = CONNECTOR_REJECT : CONNECTOR_REJECT;
}
