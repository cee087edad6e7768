#include "core/schema/gather.h"

#include "core/schema/internal.h"
#include "core/schema/value.h"

#include <errno.h>
#include <stdlib.h>

// Of a message's heads: first and last record of each field, then the index of the member that each oneof
// holds.
#define LAST(type) ((type)->field_count)
#define MEMBER(type) ((type)->field_count * 2)
#define HEADS(type) ((type)->field_count * 2 + (type)->oneof_count)

void gather_destroy(struct gather *gather) {
    free(gather->records);
    free(gather->heads);
    *gather = (struct gather){0};
}

static int push(struct gather *gather, struct bytes raw, uint32_t tag, uint32_t *out) {
    if (gather->record_count >= GATHER_NONE - 1 ||
        schema_grow(&gather->records, &gather->record_capacity, gather->record_count + 1,
            sizeof *gather->records) != 0)
        return -ENOMEM;
    *out = (uint32_t)gather->record_count++;
    gather->records[*out] = (struct gather_record){.raw = raw, .tag = tag, .next = GATHER_NONE};
    return 0;
}

#define ROOT_TAG 0u // its raw bytes are the content itself

int gather_root(struct gather *gather, struct bytes message, uint32_t *out) {
    return push(gather, message, ROOT_TAG, out);
}

int gather_one(struct gather *gather, uint32_t record, uint32_t *out) {
    struct gather_record copy = gather->records[record];
    return push(gather, copy.raw, copy.tag, out);
}

struct bytes gather_content(const struct gather *gather, uint32_t record) {
    const struct gather_record *r = &gather->records[record];
    if (r->tag == ROOT_TAG)
        return r->raw;
    struct view_value value = {0};
    value_read(r->raw.data, r->raw.data + r->raw.size, r->tag, SCHEMA_MESSAGE, &value);
    return value.bytes;
}

// Whether there is anything that the field can hold: numbers that a closed enum does not have are unknown
// fields.
static bool holds(const struct schema_field *field, uint32_t flags, uint32_t tag, struct bytes raw) {
    const uint8_t *p = raw.data, *end = p + raw.size;
    size_t size = raw.size;
    uint64_t number = 0;
    bool packed = (flags & SCHEMA_TAG_PACKABLE) && (tag & 7) == ENCODING_LEN;
    if (packed)
        p = encoding_size(p, end, &size);
    if (!packed && !(flags & SCHEMA_TAG_CLOSED))
        return true;
    if (!(flags & SCHEMA_TAG_CLOSED))
        return size > 0;
    while (p && p < end) {
        p = encoding_varint(p, end, &number);
        if (p && schema_enum_numbered(field->enumeration, (int32_t)(uint32_t)number))
            return true;
    }
    return false;
}

static int add(struct gather *gather, const struct gather_frame *frame, const struct schema_field *field,
    struct bytes raw, uint32_t tag) {
    uint32_t index, *heads = gather->heads + frame->heads;
    int rc = push(gather, raw, tag, &index);
    if (rc != 0)
        return rc;
    if (field->oneof >= 0) {
        uint32_t *member = &heads[MEMBER(frame->type) + (size_t)field->oneof];
        if (*member != GATHER_NONE && *member != field->index)
            heads[*member] = GATHER_NONE;
        *member = field->index;
    }
    bool keep = field->repeated || field->message; // what came before
    if (keep && heads[field->index] != GATHER_NONE)
        gather->records[heads[LAST(frame->type) + field->index]].next = index;
    else
        heads[field->index] = index;
    heads[LAST(frame->type) + field->index] = index;
    return 0;
}

static int add_content(struct gather *gather, const struct gather_frame *frame, struct bytes content) {
    const uint8_t *p = content.data, *end = p + content.size;
    while (p < end) {
        uint32_t tag;
        const uint8_t *start = encoding_tag(p, end, &tag);
        p = start ? encoding_skip(start, end, tag, SIZE_MAX) : NULL;
        if (!p)
            return 0; // not for checked bytes
        const struct schema_field *field = schema_field_numbered(frame->type, tag >> 3);
        uint32_t flags = field ? frame->type->tags[field->index].flags : 7;
        struct bytes raw = bytes_of(start, (size_t)(p - start));
        bool packed = (tag & 7) == ENCODING_LEN && (flags & SCHEMA_TAG_PACKABLE);
        if (!field || ((flags & 7) != (tag & 7) && !packed))
            continue;
        if (!holds(field, flags, tag, raw))
            continue;
        int rc = add(gather, frame, field, raw, tag);
        if (rc != 0)
            return rc;
    }
    return 0;
}

int gather_open(
    struct gather *gather, const struct schema_message *type, uint32_t first, struct gather_frame *out) {
    size_t heads = HEADS(type);
    if (schema_grow(
            &gather->heads, &gather->head_capacity, gather->head_count + heads, sizeof *gather->heads) != 0)
        return -ENOMEM;
    *out = (struct gather_frame){.type = type, .records = gather->record_count, .heads = gather->head_count};
    gather->head_count += heads;
    for (size_t i = 0; i < heads; i++)
        gather->heads[out->heads + i] = GATHER_NONE;
    for (uint32_t i = first; i != GATHER_NONE; i = gather->records[i].next) {
        struct bytes content = gather_content(gather, i);
        int rc = content.size ? add_content(gather, out, content) : 0;
        if (rc != 0) {
            gather_close(gather, out);
            return rc;
        }
    }
    return 0;
}

void gather_close(struct gather *gather, const struct gather_frame *frame) {
    gather->record_count = frame->records;
    gather->head_count = frame->heads;
}

uint32_t gather_field(const struct gather *gather, const struct gather_frame *frame, size_t index) {
    return gather->heads[frame->heads + index];
}
