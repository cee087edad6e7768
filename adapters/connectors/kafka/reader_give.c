// One record of Kafka to the bus.
#include "adapters/connectors/kafka/kafka.h"

#include "core/schema/json_text.h"

#include <stdlib.h>

#define HEADERS_READ 64u // of a record; more are refused

static struct read_topic *find_topic(const struct reader *reader, const char *name) {
    for (size_t i = 0; i < reader->topic_count; i++)
        if (strcmp(reader->topics[i].topic, name) == 0)
            return &reader->topics[i];
    return NULL;
}

static size_t read_headers(const rd_kafka_message_t *message, struct header out[HEADERS_READ]) {
    rd_kafka_headers_t *headers;
    size_t count = 0;
    if (rd_kafka_message_headers(message, &headers))
        return 0;
    for (const void *value; count < HEADERS_READ; count++) {
        size_t size;
        if (rd_kafka_header_get_all(headers, count, &out[count].name, &value, &size))
            break;
        out[count].value = bytes_of(value ? value : "", size);
    }
    return count;
}

static struct record record_of(const rd_kafka_message_t *message, struct header *headers) {
    rd_kafka_timestamp_type_t kind;
    int64_t time_ms = rd_kafka_message_timestamp(message, &kind);
    return (struct record){.key = bytes_of(message->key, message->key_len),
        .value = bytes_of(message->payload, message->len),
        .headers = headers,
        .header_count = read_headers(message, headers),
        .time_us = time_ms > 0 ? time_ms * 1000 : 0};
}

static int eval_subject(
    struct read_topic *topic, const struct decoded *decoded, struct bytes *out, struct error *error) {
    struct cel_value value;
    int rc = scan_run(topic->scan, decoded->payload, false, error);
    cel_activation_reset(topic->activation);
    cel_activation_set_scan(topic->activation, topic->variable, topic->scan);
    if (rc == 0)
        rc = cel_eval(topic->subject, topic->activation, &value, error);
    if (rc)
        return rc < 0 ? rc : (error ? error->code = CONNECTOR_BAD_ROW : CONNECTOR_BAD_ROW);
    *out = value.bytes;
    return 0;
}

static int subject_of(struct read_topic *topic, const struct record *record, const struct decoded *decoded,
    struct bytes *out, struct error *error) {
    *out = record->key;
    if (topic->subject) {
        int rc = eval_subject(topic, decoded, out, error);
        if (rc)
            return rc;
    } else if (!record->key.data) {
        *out = buffer_bytes(&decoded->subject);
    }
    if (out->size == 0 || out->size > WIRE_SUBJECT_LIMIT || memchr(out->data, 0, out->size))
        return error_set(error, CONNECTOR_BAD_ROW,
            "the subject (the key, or what \"subject\" says) has %zu bytes; expected 1 to %u, without NUL",
            out->size, WIRE_SUBJECT_LIMIT);
    return 0;
}

// The record goes into the file of the refused, with what it holds in base64.
static int refuse(struct reader *reader, const rd_kafka_message_t *message, const struct record *record,
    const char *reason, struct error *error) {
    const struct connector_host *host = reader->common->host;
    struct buffer key = {0};
    struct buffer value = {0};
    buffer_clear(&reader->place);
    int rc = buffer_append_format(&reader->place, "%s[%d]@%lld", rd_kafka_topic_name(message->rkt),
        message->partition, (long long)message->offset);
    rc = rc ? rc : json_put_base64(&key, record->key);
    if (rc == 0 && record->value.size <= reader->common->record_limit)
        rc = json_put_base64(&value, record->value);
    const char *place = rc ? NULL : buffer_text(&reader->place);
    if (place) {
        struct refused_value values[] = {
            {"key_base64", buffer_bytes(&key)}, {"value_base64", buffer_bytes(&value)}};
        rc = refused_file_add(reader->refused, place, reason, values, 2, error);
    } else {
        rc = error_no_memory(error);
    }
    if (rc == 0)
        host->refused(host->runtime, place, reason);
    buffer_destroy(&key);
    buffer_destroy(&value);
    return rc == -ENOSPC || rc == -EDQUOT ? CONNECTOR_RETRY : rc;
}

static int decode(
    struct reader *reader, struct read_topic *topic, const struct record *record, struct error *error) {
    if (record->value.size > reader->common->record_limit)
        return error_set(error, CONNECTOR_BAD_ROW, "the record has %zu bytes; \"record\" allows %llu",
            record->value.size, (unsigned long long)reader->common->record_limit);
    if (record->header_count == HEADERS_READ)
        return error_set(error, CONNECTOR_BAD_ROW, "the record has too many headers");
    return kafka_record_decode(&topic->decoder, record, &reader->decoded, error);
}

static int publish(
    struct reader *reader, struct read_topic *topic, const struct record *record, struct error *error) {
    const struct connector_host *host = reader->common->host;
    struct decoded *decoded = &reader->decoded;
    struct bytes position = {0};
    struct connector_event event = {.time_us = record->time_us};
    if (!topic)
        return error_set(error, CONNECTOR_BAD_ROW, "no topic of this name is read here");
    int rc = decode(reader, topic, record, error);
    rc = rc ? rc : subject_of(topic, record, decoded, &event.subject, error);
    rc = rc ? rc : kafka_reader_position(reader, &position, error);
    rc = rc ? rc : refused_file_sync(reader->refused, error); // the position is behind them too
    if (rc)
        return rc;
    event.type = decoded->type;
    event.id = buffer_bytes(&decoded->id);
    event.time_us = decoded->time_us;
    event.payload = decoded->payload;
    event.attributes = decoded->attribute_count ? decoded->attributes : NULL;
    return host->publish_event(host->runtime, &event, position, error);
}

int kafka_reader_give(struct reader *reader, const rd_kafka_message_t *message, struct error *error) {
    struct header headers[HEADERS_READ];
    struct record record = record_of(message, headers);
    struct error why = {0};
    const char *name = rd_kafka_topic_name(message->rkt);
    int64_t before = offsets_get(&reader->offsets, name, message->partition);
    if (offsets_set(&reader->offsets, name, message->partition, message->offset + 1))
        return error_no_memory(error);
    int rc = publish(reader, find_topic(reader, name), &record, &why);
    bool bad = rc == CONNECTOR_BAD_ROW;
    if (bad)
        rc = refuse(reader, message, &record, why.text, &why);
    if (rc == 0) {
        reader->refused_last = bad;
        reader->dirty = true;
        reader->taken++;
        return 0;
    }
    if (before == OFFSET_NONE)
        offsets_remove(&reader->offsets, name, message->partition);
    else
        offsets_set(&reader->offsets, name, message->partition, before);
    return error_set(error, rc, "%s", why.text);
}
