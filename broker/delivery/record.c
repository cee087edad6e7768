#include "broker/delivery/record.h"

#include "broker/delivery/queue.h"
#include "core/base/varint.h"
#include "core/wire/wire.h"

#include <errno.h>
#include <stdlib.h>

// ---- Writing ----

// All fields here have tags of one byte.
#define FIELD_ROOM ((size_t)1 + VARINT_SIZE)

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

static size_t copied_size(const struct record_delivery *delivery) {
    size_t size = 0;
    for (size_t i = 0; i < delivery->copy_count; i++)
        size += delivery->copies[3 * i + 2];
    return size;
}

static uint8_t *put_copies(uint8_t *at, const struct record_delivery *delivery) {
    size_t size = 0;
    const size_t count = 3 * delivery->copy_count;
    for (size_t i = 0; i < count; i++)
        size += varint_size(delivery->copies[i]);
    if (count)
        at = put_prefix(at, 11, size);
    for (size_t i = 0; i < count; i++)
        at += varint_put(at, delivery->copies[i]);
    return at;
}

// All but the envelope's own bytes, which are the last. `own`: how many.
static uint8_t *put_delivery_fields(uint8_t *at, const struct record_delivery *delivery, size_t own) {
    const struct delivery_rule *rule = &delivery->rule;
    at = put_number(at, 1, delivery->queue);
    at = put_number(at, 2, delivery->position);
    at = put_bytes(at, 3, delivery->route);
    at = put_bytes(at, 4, delivery->agreement);
    at = put_number(at, 5, delivery->subject_hash);
    at = put_number(at, 6, (uint64_t)rule->expires_us);
    at = put_number(at, 7, rule->retries);
    at = put_number(at, 8, rule->backoff_min_ms);
    at = put_number(at, 9, rule->backoff_max_ms);
    at = put_number(at, 10, delivery->replay);
    at = put_copies(at, delivery);
    return own ? put_prefix(at, 15, own) : at;
}

// The length stands before the content, whose size is only known behind it: room is kept free for it, and
// closed up after.
static uint8_t *put_delivery(uint8_t *at, const struct record_delivery *delivery) {
    uint8_t *fields = at + FIELD_ROOM;
    size_t own = delivery->envelope.size - copied_size(delivery);
    size_t size = (size_t)(put_delivery_fields(fields, delivery, own) - fields);
    at = put_prefix(at, 4, size + own);
    memmove(at, fields, size);
    return at + size;
}

static size_t delivery_room(const struct record_delivery *delivery) {
    enum { FIELDS = 13 };
    return (FIELDS + 3 * delivery->copy_count) * FIELD_ROOM + delivery->route.size + delivery->agreement.size;
}

static int reserve(const struct record_message *message, const struct record_delivery *deliveries,
    size_t count, struct buffer *out) {
    enum { FIELDS = 5 };
    size_t room = FIELDS * FIELD_ROOM + message->source.size;
    for (size_t i = 0; i < count; i++)
        room += delivery_room(&deliveries[i]);
    return buffer_reserve(out, room);
}

// The envelope but for its copies.
static struct bytes *put_own(struct bytes *part, const struct record_delivery *delivery) {
    struct bytes rest = delivery->envelope;
    for (size_t i = 0; i < delivery->copy_count; i++) {
        const uint32_t *copy = &delivery->copies[3 * i];
        *part++ = bytes_of(rest.data, copy[0]);
        size_t behind = (size_t)copy[0] + copy[2];
        rest = bytes_of(rest.data + behind, rest.size - behind);
    }
    *part++ = rest;
    return part;
}

int record_message_parts(const struct record_message *message, const struct record_delivery *deliveries,
    size_t count, struct buffer *room, struct bytes *parts, size_t *part_count) {
    int rc = reserve(message, deliveries, count, room);
    if (rc)
        return rc;
    struct bytes *part = parts;
    const uint8_t *from = room->data + room->size;
    uint8_t *at = room->data + room->size;
    at = put_number(at, 1, message->publisher);
    at = put_number(at, 2, message->sequence);
    at = put_bytes(at, 3, message->source);
    for (size_t i = 0; i < count; i++) {
        at = put_delivery(at, &deliveries[i]);
        if (deliveries[i].envelope.size == 0)
            continue;
        *part++ = bytes_of(from, (size_t)(at - from));
        part = put_own(part, &deliveries[i]);
        from = at;
    }
    at = put_number(at, 5, message->replay_of);
    at = put_prefix(at, 15, message->envelope.size);
    *part++ = bytes_of(from, (size_t)(at - from));
    *part++ = message->envelope;
    *part_count = (size_t)(part - parts);
    room->size = (size_t)(at - room->data);
    return 0;
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
        case 11:
            out->packed = field.bytes;
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

// ---- The envelope of a delivery that was read ----

struct copies {
    uint32_t numbers[3 * WIRE_COPIES_LIMIT];
    size_t count;
};

static int unpack_copies(struct bytes packed, struct copies *out) {
    const size_t limit = sizeof out->numbers / sizeof out->numbers[0];
    out->count = 0;
    for (uint64_t value; packed.size; out->numbers[out->count++] = (uint32_t)value)
        if (out->count == limit || !varint_get(&packed, &value) || value > UINT32_MAX)
            return -EBADMSG;
    if (out->count % 3)
        return -EBADMSG;
    out->count /= 3;
    return 0;
}

int record_own_size(const struct record_delivery *delivery, size_t *size) {
    struct copies copies;
    int rc = unpack_copies(delivery->packed, &copies);
    const struct wire_spliced spliced = {
        .own = delivery->envelope, .copies = copies.numbers, .count = copies.count};
    *size = rc ? 0 : wire_spliced_size(&spliced);
    return rc;
}

static int splice(const struct record_message *message, const struct record_delivery *delivery,
    struct copies *copies, struct wire_spliced *out) {
    int rc = unpack_copies(delivery->packed, copies);
    *out =
        (struct wire_spliced){.own = delivery->envelope, .copies = copies->numbers, .count = copies->count};
    if (out->own.size == 0 && out->count == 0)
        out->own = message->envelope;
    return rc || !wire_spliced_fits(out, message->envelope.size) ? -EBADMSG : 0;
}

int record_envelope_size(
    const struct record_message *message, const struct record_delivery *delivery, size_t *size) {
    struct copies copies;
    struct wire_spliced spliced;
    int rc = splice(message, delivery, &copies, &spliced);
    *size = rc ? 0 : wire_spliced_size(&spliced);
    return rc;
}

int record_envelope_put(
    const struct record_message *message, const struct record_delivery *delivery, uint8_t *out) {
    struct copies copies;
    struct wire_spliced spliced;
    int rc = splice(message, delivery, &copies, &spliced);
    return rc || wire_spliced_put(&spliced, message->envelope, out) ? -EBADMSG : 0;
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
    return rc || !wanted.found ? -EBADMSG : 0;
}

static int pick_only(void *context, const struct record_delivery *delivery) {
    struct wanted *wanted = context;
    if (wanted->found)
        return -EBADMSG;
    *wanted->out = *delivery;
    wanted->found = true;
    return 0;
}

int record_message_only(struct bytes body, struct record_message *message, struct record_delivery *delivery) {
    struct wanted wanted = {.out = delivery};
    int rc = record_message_each(body, message, pick_only, &wanted);
    return rc || !wanted.found ? -EBADMSG : 0;
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
