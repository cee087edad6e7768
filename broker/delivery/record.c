#include "broker/delivery/record.h"

#include "broker/delivery/queue.h"
#include "core/base/varint.h"

#include <errno.h>
#include <stdlib.h>

// ---- Writing: what has room for the sizes that these functions say ----

// All fields have numbers below 16, so their tags take a byte.
static size_t number_size(uint64_t value) {
    return value ? 1 + varint_size(value) : 0;
}

static size_t prefix_size(size_t size) {
    return 1 + varint_size(size);
}

static size_t bytes_size(struct bytes value) {
    return value.size ? prefix_size(value.size) + value.size : 0;
}

static uint8_t *put_number(uint8_t *at, uint32_t field, uint64_t value) {
    if (value == 0)
        return at;
    *at++ = (uint8_t)(field << 3 | VARINT_WIRE_NUMBER);
    return at + varint_put(at, value);
}

static uint8_t *put_prefix(uint8_t *at, uint32_t field, size_t size) {
    *at++ = (uint8_t)(field << 3 | VARINT_WIRE_BYTES);
    return at + varint_put(at, size);
}

static uint8_t *put_bytes(uint8_t *at, uint32_t field, struct bytes value) {
    if (value.size == 0)
        return at;
    at = put_prefix(at, field, value.size);
    memcpy(at, value.data, value.size);
    return at + value.size;
}

static size_t delivery_size(
    const struct record_delivery *delivery, struct bytes route, struct bytes agreement) {
    const struct delivery_rule *rule = &delivery->rule;
    return number_size(delivery->queue) + number_size(delivery->position) + bytes_size(route) +
           bytes_size(agreement) + number_size(delivery->subject_hash) +
           number_size((uint64_t)rule->expires_us) + number_size(rule->retries) +
           number_size(rule->backoff_min_ms) + number_size(rule->backoff_max_ms) +
           number_size(delivery->replay) + bytes_size(delivery->envelope);
}

static int put_delivery(struct buffer *out, const struct record_delivery *delivery) {
    const struct delivery_rule *rule = &delivery->rule;
    struct bytes route = bytes_of_string(rule->route);
    struct bytes agreement = bytes_of_string(rule->agreement);
    size_t size = delivery_size(delivery, route, agreement);
    int rc = buffer_reserve(out, prefix_size(size) + size);
    if (rc)
        return rc;
    uint8_t *at = put_prefix(out->data + out->size, 4, size);
    at = put_number(at, 1, delivery->queue);
    at = put_number(at, 2, delivery->position);
    at = put_bytes(at, 3, route);
    at = put_bytes(at, 4, agreement);
    at = put_number(at, 5, delivery->subject_hash);
    at = put_number(at, 6, (uint64_t)rule->expires_us);
    at = put_number(at, 7, rule->retries);
    at = put_number(at, 8, rule->backoff_min_ms);
    at = put_number(at, 9, rule->backoff_max_ms);
    at = put_number(at, 10, delivery->replay);
    put_bytes(at, 15, delivery->envelope);
    out->size += prefix_size(size) + size;
    return 0;
}

static int put_message(struct buffer *out, const struct record_message *message) {
    int rc = buffer_reserve(
        out, number_size(message->publisher) + number_size(message->sequence) + bytes_size(message->source));
    if (rc)
        return rc;
    uint8_t *at = put_number(out->data + out->size, 1, message->publisher);
    at = put_number(at, 2, message->sequence);
    at = put_bytes(at, 3, message->source);
    out->size = (size_t)(at - out->data);
    return 0;
}

// What stands behind the deliveries, but for the envelope itself.
static int put_end(struct buffer *out, const struct record_message *message) {
    int rc = buffer_reserve(out, number_size(message->replay_of) + prefix_size(message->envelope.size));
    if (rc)
        return rc;
    uint8_t *at = put_number(out->data + out->size, 5, message->replay_of);
    at = put_prefix(at, 15, message->envelope.size);
    out->size = (size_t)(at - out->data);
    return 0;
}

int record_message_front(const struct record_message *message, const struct record_delivery *deliveries,
    size_t count, struct buffer *out) {
    int rc = put_message(out, message);
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = put_delivery(out, &deliveries[i]);
    return rc ? rc : put_end(out, message);
}

// ---- Reading ----

struct field {
    uint32_t number;
    uint64_t value;
    struct bytes bytes;
};

// Our own records only: numbers and bytes; anything else is damage.
static bool next_field(struct bytes *rest, struct field *out) {
    uint64_t tag;
    uint64_t value;
    if (!varint_get(rest, &tag) || !varint_get(rest, &value))
        return false;
    *out = (struct field){.number = (uint32_t)(tag >> 3), .value = value};
    if ((tag & 7) == VARINT_WIRE_NUMBER)
        return true;
    if ((tag & 7) != VARINT_WIRE_BYTES || value > rest->size)
        return false;
    out->bytes = bytes_of(rest->data, value);
    rest->data += value;
    rest->size -= value;
    return true;
}

static int read_delivery(struct bytes body, struct record_delivery *out) {
    *out = (struct record_delivery){0};
    for (struct field field; body.size;) {
        if (!next_field(&body, &field))
            return -EBADMSG;
        switch (field.number) {
        case 1:
            out->queue = (uint32_t)field.value;
            break;
        case 2:
            out->position = field.value;
            break;
        case 3:
            out->route = field.bytes;
            break;
        case 5:
            out->subject_hash = field.value;
            break;
        case 6:
            out->rule.expires_us = (int64_t)field.value;
            break;
        case 7:
            out->rule.retries = (uint32_t)field.value;
            break;
        case 8:
            out->rule.backoff_min_ms = (uint32_t)field.value;
            break;
        case 9:
            out->rule.backoff_max_ms = (uint32_t)field.value;
            break;
        case 10:
            out->replay = field.value != 0;
            break;
        case 15:
            out->envelope = field.bytes;
            break;
        default:
            break;
        }
    }
    return 0;
}

int record_message_each(struct bytes body, struct record_message *message,
    int (*visit)(void *context, const struct record_delivery *delivery), void *context) {
    *message = (struct record_message){0};
    for (struct field field; body.size;) {
        if (!next_field(&body, &field))
            return -EBADMSG;
        struct record_delivery delivery;
        int rc = 0;
        switch (field.number) {
        case 1:
            message->publisher = (uint32_t)field.value;
            break;
        case 2:
            message->sequence = field.value;
            break;
        case 3:
            message->source = field.bytes;
            break;
        case 5:
            message->replay_of = field.value;
            break;
        case 15:
            message->envelope = field.bytes;
            break;
        case 4:
            rc = read_delivery(field.bytes, &delivery);
            rc = rc ? rc : visit(context, &delivery);
            break;
        default:
            break;
        }
        if (rc)
            return rc;
    }
    return 0;
}

struct wanted {
    uint32_t queue;
    uint64_t position;
    struct record_delivery *out;
    bool found;
};

static int pick_wanted(void *context, const struct record_delivery *delivery) {
    struct wanted *wanted = context;
    if (delivery->queue == wanted->queue && delivery->position == wanted->position) {
        *wanted->out = *delivery;
        wanted->found = true;
    }
    return 0;
}

int record_message_read(struct bytes body, uint32_t queue, uint64_t position, struct record_message *message,
    struct record_delivery *delivery) {
    struct wanted wanted = {.queue = queue, .position = position, .out = delivery};
    int rc = record_message_each(body, message, pick_wanted, &wanted);
    if (rc || !wanted.found)
        return -EBADMSG;
    if (delivery->envelope.size == 0)
        delivery->envelope = message->envelope;
    return 0;
}

int record_add_packed(struct journal_batch *batch, Hutong__Bus__V1__RecordKind kind,
    const ProtobufCMessage *message, const struct journal_entry *entry) {
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *packed = malloc(size ? size : 1);
    if (!packed)
        return -ENOMEM;
    protobuf_c_message_pack(message, packed);
    struct bytes part = bytes_of(packed, size);
    int rc = journal_batch_add(batch, (uint8_t)kind, entry, entry ? 1 : 0, &part, 1);
    free(packed);
    return rc;
}

void record_failure(const struct failure *failure, Hutong__Bus__V1__FailedDelivery *out) {
    hutong__bus__v1__failed_delivery__init(out);
    out->position = failure->position;
    out->attempt = failure->attempt;
    out->failures = failure->failures;
    out->due_us = failure->due_us;
    out->delay_ms = failure->delay_ms;
    out->reason = failure->reason;
    out->text = failure->text ? failure->text : (char *)(uintptr_t)"";
}

struct failure record_failure_read(const Hutong__Bus__V1__FailedDelivery *from) {
    return (struct failure){.position = from->position,
        .attempt = from->attempt,
        .failures = from->failures,
        .due_us = from->due_us,
        .delay_ms = from->delay_ms,
        .reason = (wire_reason)from->reason,
        .text = from->text};
}
