#include "broker/delivery/record.h"

#include "broker/delivery/queue.h"
#include "core/base/varint.h"

#include <errno.h>
#include <stdlib.h>

static int put_number(struct buffer *out, uint32_t field, uint64_t value) {
    if (value == 0)
        return 0;
    uint8_t bytes[2 * VARINT_SIZE];
    size_t n = varint_put(bytes, field << 3 | VARINT_WIRE_NUMBER);
    n += varint_put(bytes + n, value);
    return buffer_append(out, bytes, n);
}

static int put_prefix(struct buffer *out, uint32_t field, size_t size) {
    uint8_t bytes[2 * VARINT_SIZE];
    size_t n = varint_put(bytes, field << 3 | VARINT_WIRE_BYTES);
    n += varint_put(bytes + n, size);
    return buffer_append(out, bytes, n);
}

static int put_bytes(struct buffer *out, uint32_t field, struct bytes value) {
    if (value.size == 0)
        return 0;
    int rc = put_prefix(out, field, value.size);
    return rc ? rc : buffer_append_bytes(out, value);
}

static int put_delivery_fields(struct buffer *out, const struct record_delivery *delivery) {
    const struct delivery_rule *rule = &delivery->rule;
    int rc = put_number(out, 1, delivery->queue);
    rc = rc ? rc : put_number(out, 2, delivery->position);
    rc = rc ? rc : put_bytes(out, 3, bytes_of_string(rule->route));
    rc = rc ? rc : put_bytes(out, 4, bytes_of_string(rule->agreement));
    rc = rc ? rc : put_number(out, 5, delivery->subject_hash);
    rc = rc ? rc : put_number(out, 6, (uint64_t)rule->expires_us);
    rc = rc ? rc : put_number(out, 7, rule->retries);
    rc = rc ? rc : put_number(out, 8, rule->backoff_min_ms);
    rc = rc ? rc : put_number(out, 9, rule->backoff_max_ms);
    rc = rc ? rc : put_number(out, 10, delivery->replay);
    return rc ? rc : put_bytes(out, 15, delivery->envelope);
}

// The length stands before the content, whose size is only known behind it: five bytes are kept free and
// closed up after.
static int put_delivery(struct buffer *out, const struct record_delivery *delivery) {
    enum { ROOM = 6 };
    size_t start = out->size;
    if (!buffer_extend(out, ROOM))
        return -ENOMEM;
    int rc = put_delivery_fields(out, delivery);
    if (rc)
        return rc;
    size_t size = out->size - start - ROOM;
    uint8_t prefix[2 * VARINT_SIZE];
    size_t n = varint_put(prefix, 4u << 3 | VARINT_WIRE_BYTES);
    n += varint_put(prefix + n, size);
    memmove(out->data + start + n, out->data + start + ROOM, size);
    memcpy(out->data + start, prefix, n);
    out->size = start + n + size;
    return 0;
}

int record_message_front(const struct record_message *message, const struct record_delivery *deliveries,
    size_t count, struct buffer *out) {
    int rc = put_number(out, 1, message->publisher);
    rc = rc ? rc : put_number(out, 2, message->sequence);
    rc = rc ? rc : put_bytes(out, 3, message->source);
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = put_delivery(out, &deliveries[i]);
    rc = rc ? rc : put_number(out, 5, message->replay_of);
    return rc ? rc : put_prefix(out, 15, message->envelope.size);
}

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
