#include "broker/delivery/carried.h"

#include "broker/delivery/record.h"
#include "core/base/varint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// ---- The map ----

void carried_destroy(struct carried *carried) {
    free(carried->runs);
    *carried = (struct carried){0};
}

// Index of the first run that ends at or behind `position`.
static size_t lower_bound(const struct carried *carried, uint64_t position) {
    size_t low = 0;
    size_t high = carried->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (carried->runs[middle].first + carried->runs[middle].count <= position)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

// Room for two runs more: one that is new, and one that a split makes.
static int reserve(struct carried *carried) {
    if (carried->runs && carried->count + 2 <= carried->capacity)
        return 0;
    size_t capacity = carried->capacity ? 2 * carried->capacity : 8;
    struct carried_run *runs = realloc(carried->runs, capacity * sizeof *runs);
    if (!runs)
        return -ENOMEM;
    carried->runs = runs;
    carried->capacity = capacity;
    return 0;
}

static void insert_at(struct carried *carried, size_t i, struct carried_run run) {
    memmove(carried->runs + i + 1, carried->runs + i, (carried->count - i) * sizeof run);
    carried->runs[i] = run;
    carried->count++;
}

static void remove_at(struct carried *carried, size_t i) {
    carried->count--;
    memmove(carried->runs + i, carried->runs + i + 1, (carried->count - i) * sizeof *carried->runs);
}

// Takes `position` out of run `i`, which has it. The index where a run of it alone would stand.
static size_t take_out(struct carried *carried, size_t i, uint64_t position) {
    struct carried_run *run = &carried->runs[i];
    uint64_t before = position - run->first;
    uint64_t behind = run->count - before - 1;
    if (before && behind)
        insert_at(carried, i + 1, (struct carried_run){position + 1, behind, run->at + before + 1});
    run = &carried->runs[i];
    if (before) {
        run->count = before;
        return i + 1;
    }
    if (behind)
        *run = (struct carried_run){position + 1, behind, run->at + 1};
    else
        remove_at(carried, i);
    return i;
}

int carried_add(struct carried *carried, uint64_t position, uint64_t at) {
    int rc = reserve(carried);
    if (rc)
        return rc;
    size_t i = lower_bound(carried, position);
    if (i < carried->count && carried->runs[i].first <= position)
        i = take_out(carried, i, position);
    struct carried_run *before = i > 0 ? &carried->runs[i - 1] : NULL;
    if (before && before->first + before->count == position && before->at + before->count == at)
        before->count++;
    else
        insert_at(carried, i, (struct carried_run){position, 1, at});
    return 0;
}

bool carried_find(const struct carried *carried, uint64_t position, uint64_t *at, uint64_t *rest) {
    size_t i = lower_bound(carried, position);
    if (i == carried->count || carried->runs[i].first > position)
        return false;
    const struct carried_run *run = &carried->runs[i];
    *at = run->at + (position - run->first);
    *rest = run->count - (position - run->first);
    return true;
}

void carried_drop(struct carried *carried, uint64_t up_to) {
    size_t gone = lower_bound(carried, up_to + 1);
    carried->count -= gone;
    if (gone)
        memmove(carried->runs, carried->runs + gone, carried->count * sizeof *carried->runs);
    struct carried_run *run = carried->runs;
    if (carried->count && run->first <= up_to) {
        uint64_t cut = up_to + 1 - run->first;
        *run = (struct carried_run){run->first + cut, run->count - cut, run->at + cut};
    }
}

uint64_t carried_total(const struct carried *carried) {
    uint64_t total = 0;
    for (size_t i = 0; i < carried->count; i++)
        total += carried->runs[i].count;
    return total;
}

// ---- The record: CarriedRecord of journal.proto ----

static int put_number(struct buffer *out, uint32_t field, uint64_t value) {
    uint8_t bytes[2 * VARINT_SIZE];
    size_t n = varint_put(bytes, field << 3 | VARINT_WIRE_NUMBER);
    n += varint_put(bytes + n, value);
    return value ? buffer_append(out, bytes, n) : 0;
}

int carried_front(const struct carried_record *record, struct buffer *out) {
    uint8_t bytes[2 * VARINT_SIZE];
    size_t n = varint_put(bytes, 15 << 3 | VARINT_WIRE_BYTES);
    n += varint_put(bytes + n, record->body.size);
    int rc = put_number(out, 1, record->queue);
    rc = rc ? rc : put_number(out, 2, record->position);
    rc = rc ? rc : put_number(out, 3, record->kind);
    rc = rc ? rc : put_number(out, 4, record->sequence);
    rc = rc ? rc : put_number(out, 5, (uint64_t)record->time_ns);
    return rc ? rc : buffer_append(out, bytes, n);
}

struct field {
    uint32_t number;
    uint64_t value;
    struct bytes bytes;
    struct bytes whole; // with its tag
};

static bool next_field(struct bytes *rest, struct field *out) {
    const uint8_t *start = rest->data;
    uint64_t tag;
    uint64_t value;
    if (!varint_get(rest, &tag) || !varint_get(rest, &value))
        return false;
    *out = (struct field){.number = (uint32_t)(tag >> 3), .value = value};
    if ((tag & 7) == VARINT_WIRE_BYTES) {
        if (value > rest->size)
            return false;
        out->bytes = bytes_of(rest->data, (size_t)value);
        rest->data += value;
        rest->size -= (size_t)value;
    } else if ((tag & 7) != VARINT_WIRE_NUMBER) {
        return false;
    }
    out->whole = bytes_of(start, (size_t)(rest->data - start));
    return true;
}

int carried_read(struct bytes body, struct carried_record *out) {
    struct carried_record record = {0};
    for (struct field field; body.size;) {
        if (!next_field(&body, &field))
            return -EBADMSG;
        if (field.number == 1)
            record.queue = (uint32_t)field.value;
        else if (field.number == 2)
            record.position = field.value;
        else if (field.number == 3)
            record.kind = (uint8_t)field.value;
        else if (field.number == 4)
            record.sequence = field.value;
        else if (field.number == 5)
            record.time_ns = (int64_t)field.value;
        else if (field.number == 15)
            record.body = field.bytes;
    }
    if (record.queue == 0 || record.position == 0)
        return -EBADMSG;
    *out = record;
    return 0;
}

// Whether a delivery's bytes are those of (queue, position).
static int look_at_delivery(struct bytes delivery, uint32_t queue, uint64_t position, bool *wanted) {
    uint64_t has_queue = 0;
    uint64_t has_position = 0;
    for (struct field field; delivery.size;) {
        if (!next_field(&delivery, &field))
            return -EBADMSG;
        if (field.number == 1)
            has_queue = field.value;
        else if (field.number == 2)
            has_position = field.value;
    }
    *wanted = has_queue == queue && has_position == position;
    return 0;
}

static int append_prefix(struct buffer *out, uint32_t field, size_t size) {
    uint8_t prefix[1 + VARINT_SIZE] = {(uint8_t)(field << 3 | VARINT_WIRE_BYTES)};
    return buffer_append(out, prefix, 1 + varint_put(prefix + 1, size));
}

// The delivery's fields but for its envelope.
static int append_rest(struct bytes fields, struct buffer *out) {
    for (struct field field; fields.size;) {
        if (!next_field(&fields, &field))
            return -EBADMSG;
        if (field.number != 11 && field.number != 15 && buffer_append_bytes(out, field.whole))
            return -ENOMEM;
    }
    return 0;
}

// The delivery with all of its envelope's bytes, since the original that some stand in is left behind.
static int append_whole(const struct record_message *message, const struct record_delivery *delivery,
    struct bytes fields, struct buffer *out) {
    struct buffer rest = {0};
    size_t size;
    int rc = record_own_size(delivery, &size);
    rc = rc ? rc : append_rest(fields, &rest);
    rc = rc ? rc : append_prefix(&rest, 15, size);
    rc = rc ? rc : append_prefix(out, 4, rest.size + size);
    rc = rc ? rc : buffer_append_bytes(out, buffer_bytes(&rest));
    buffer_destroy(&rest);
    if (rc)
        return rc;
    uint8_t *at = buffer_extend(out, size);
    return at ? record_envelope_put(message, delivery, at) : -ENOMEM;
}

int carried_reduce(struct bytes body, uint32_t queue, uint64_t position, struct buffer *out) {
    struct record_message message;
    struct record_delivery delivery;
    int rc = record_message_read(body, queue, position, &message, &delivery);
    for (struct field field; rc == 0 && body.size;) {
        if (!next_field(&body, &field))
            return -EBADMSG;
        bool wanted = field.number != 15 || delivery.envelope.size == 0;
        if (field.number == 4)
            rc = look_at_delivery(field.bytes, queue, position, &wanted);
        if (rc || !wanted)
            continue;
        if (field.number == 4 && delivery.packed.size)
            rc = append_whole(&message, &delivery, field.bytes, out);
        else
            rc = buffer_append_bytes(out, field.whole);
    }
    return rc;
}
