// The tables behind the look-ups by number and by name.
#include "core/schema/encoding.h"
#include "core/schema/internal.h"

#include <errno.h>
#include <stdlib.h>

#define UNKNOWN {.flags = SCHEMA_TAG_UNKNOWN}
#define FOUR(x) x, x, x, x
static const struct schema_tag no_tags[SCHEMA_DENSE_LEAST] = {
    FOUR(UNKNOWN), FOUR(UNKNOWN), FOUR(UNKNOWN), FOUR(UNKNOWN)};
const struct schema_message schema_unknown = {
    .full_name = "", .dense = no_tags, .dense_size = SCHEMA_DENSE_LEAST};

bool schema_packable(enum schema_kind kind) {
    return kind != SCHEMA_STRING && kind != SCHEMA_BYTES && kind != SCHEMA_MESSAGE && kind != SCHEMA_GROUP;
}

uint32_t schema_wire(enum schema_kind kind) {
    switch (kind) {
    case SCHEMA_DOUBLE:
    case SCHEMA_FIXED64:
    case SCHEMA_SFIXED64:
        return ENCODING_I64;
    case SCHEMA_FLOAT:
    case SCHEMA_FIXED32:
    case SCHEMA_SFIXED32:
        return ENCODING_I32;
    case SCHEMA_STRING:
    case SCHEMA_BYTES:
    case SCHEMA_MESSAGE:
        return ENCODING_LEN;
    case SCHEMA_GROUP:
        return ENCODING_START;
    default:
        return ENCODING_VARINT;
    }
}

static struct schema_tag tag_of(const struct schema_field *field) {
    uint32_t flags = schema_wire(field->kind);
    if (field->repeated)
        flags |= SCHEMA_TAG_REPEATED;
    if (field->presence)
        flags |= SCHEMA_TAG_PRESENCE;
    if (field->kind == SCHEMA_STRING && field->parent->proto3)
        flags |= SCHEMA_TAG_UTF8;
    if (field->kind == SCHEMA_ENUM && field->enumeration->closed)
        flags |= SCHEMA_TAG_CLOSED;
    if (field->repeated && schema_packable(field->kind))
        flags |= SCHEMA_TAG_PACKABLE;
    return (struct schema_tag){
        .index = (uint16_t)field->index, .kind = (uint8_t)field->kind, .flags = (uint8_t)flags};
}

// Numbers from 1 on without large gaps are found in one step, others by search.
static int index_numbers(struct arena *arena, struct schema_message *message) {
    struct schema_tag *tags = arena_alloc(arena, (message->field_count + 1) * sizeof *tags);
    size_t dense_max = message->field_count * 4 + SCHEMA_DENSE_LEAST, size = SCHEMA_DENSE_LEAST;
    for (size_t i = 0; i < message->field_count; i++)
        if (message->fields[i].number < dense_max && message->fields[i].number >= size)
            size = message->fields[i].number + 1;
    struct schema_tag *dense = arena_alloc(arena, size * sizeof *dense);
    if (!tags || !dense)
        return -ENOMEM;
    for (size_t i = 0; i < size; i++)
        dense[i].flags = SCHEMA_TAG_UNKNOWN;
    for (size_t i = 0; i < message->field_count; i++) {
        tags[i] = tag_of(&message->fields[i]);
        if (message->fields[i].number < size)
            dense[message->fields[i].number] = tags[i];
    }
    message->tags = tags;
    message->dense = dense;
    message->dense_size = (uint32_t)size;
    return 0;
}

static int compare_names(const void *a, const void *b, void *context) {
    const struct schema_field *fields = context;
    return strcmp(fields[*(const uint16_t *)a].name, fields[*(const uint16_t *)b].name);
}

static int compare_json(const void *a, const void *b, void *context) {
    const struct schema_field *fields = context;
    return strcmp(fields[*(const uint16_t *)a].json_name, fields[*(const uint16_t *)b].json_name);
}

static int compare_value_names(const void *a, const void *b, void *context) {
    const struct schema_enum_value *values = context;
    return strcmp(values[*(const uint16_t *)a].name, values[*(const uint16_t *)b].name);
}

static int compare_value_numbers(const void *a, const void *b, void *context) {
    const struct schema_enum_value *values = context;
    uint16_t left = *(const uint16_t *)a, right = *(const uint16_t *)b;
    if (values[left].number != values[right].number)
        return values[left].number < values[right].number ? -1 : 1;
    return (left > right) - (left < right);
}

// 0 to count - 1 in the order of `compare`.
static uint16_t *sorted(struct arena *arena, size_t count, int (*compare)(const void *, const void *, void *),
    const void *items) {
    uint16_t *order = arena_alloc(arena, (count + 1) * sizeof *order);
    if (!order)
        return NULL;
    for (size_t i = 0; i < count; i++)
        order[i] = (uint16_t)i;
    union {
        const void *in;
        void *out;
    } context = {.in = items}; // qsort_r has no const; the comparisons only read
    qsort_r(order, count, sizeof *order, compare, context.out);
    return order;
}

int index_message(struct arena *arena, struct schema_message *message) {
    const struct schema_field *fields = message->fields;
    uint16_t *names = sorted(arena, message->field_count, compare_names, fields);
    uint16_t *json = sorted(arena, message->field_count, compare_json, fields);
    if (!names || !json || index_numbers(arena, message) != 0)
        return -ENOMEM;
    message->by_name = names;
    message->by_json = json;
    for (size_t i = 1; i < message->field_count; i++)
        if (strcmp(fields[names[i - 1]].name, fields[names[i]].name) == 0 ||
            fields[i - 1].number == fields[i].number)
            return -EINVAL;
    return 0;
}

int index_enum(struct arena *arena, struct schema_enum *enumeration) {
    const struct schema_enum_value *values = enumeration->values;
    uint16_t *names = sorted(arena, enumeration->value_count, compare_value_names, values);
    uint16_t *numbers = sorted(arena, enumeration->value_count, compare_value_numbers, values);
    if (!names || !numbers)
        return -ENOMEM;
    enumeration->by_name = names;
    enumeration->by_number = numbers;
    for (size_t i = 1; i < enumeration->value_count; i++)
        if (strcmp(values[names[i - 1]].name, values[names[i]].name) == 0)
            return -EINVAL;
    return 0;
}
