#include "core/cel/collections.h"

#include "core/base/map.h"

#include <errno.h>
#include <math.h>

bool map_key_kind(enum cel_kind kind) {
    return kind == CEL_BOOL || kind == CEL_INT || kind == CEL_UINT || kind == CEL_STRING;
}

// A number that is whole as an int, or as a uint beyond that, so that 1, 1u and 1.0 are one key.
static struct cel_value normal(const struct cel_value *key) {
    struct cel_value out = *key;
    if (key->kind == CEL_UINT && key->u64 <= (uint64_t)INT64_MAX) {
        value_set_int(&out, (int64_t)key->u64);
    } else if (key->kind == CEL_DOUBLE && key->f64 == floor(key->f64)) {
        if (key->f64 >= -0x1p63 && key->f64 < 0x1p63)
            value_set_int(&out, (int64_t)key->f64);
        else if (key->f64 >= 0x1p63 && key->f64 < 0x1p64)
            out = (struct cel_value){.kind = CEL_UINT, .u64 = (uint64_t)key->f64};
    }
    return out;
}

static uint64_t hash_of(const struct cel_value *key) {
    uint64_t number = key->kind == CEL_BOOL ? key->boolean : key->u64;
    if (key->kind == CEL_STRING)
        return hash_bytes(key->bytes);
    return hash_bytes(bytes_of(&number, sizeof number));
}

static bool same(const struct cel_value *a, const struct cel_value *b) {
    if (a->kind != b->kind)
        return false;
    if (a->kind == CEL_STRING)
        return bytes_equal(a->bytes, b->bytes);
    return a->kind == CEL_BOOL ? a->boolean == b->boolean : a->u64 == b->u64;
}

struct cel_map *map_make(struct cel_activation *activation, size_t capacity, struct cel_value *out) {
    size_t slots = 4;
    while (slots < capacity * 2)
        slots *= 2;
    struct cel_map *map = activation_alloc(activation, sizeof *map, out);
    struct map_entry *entries = map ? activation_array(activation, capacity + 1, sizeof *entries, out) : NULL;
    uint32_t *table = entries ? activation_array(activation, slots, sizeof *table, out) : NULL;
    if (!table)
        return NULL;
    memset(table, 0, slots * sizeof *table);
    *map = (struct cel_map){.entries = entries, .slots = table, .mask = slots - 1};
    return map;
}

// The slot of the key, or the empty one where it belongs.
static uint32_t *find_slot(const struct cel_map *map, const struct cel_value *key) {
    size_t i = hash_of(key) & map->mask;
    while (map->slots[i]) {
        struct cel_value other = normal(&map->entries[map->slots[i] - 1].key);
        if (same(&other, key))
            break;
        i = (i + 1) & map->mask;
    }
    return &map->slots[i];
}

bool map_set(struct cel_map *map, const struct cel_value *key, const struct cel_value *value) {
    struct cel_value searched = normal(key);
    uint32_t *slot = find_slot(map, &searched);
    bool new = *slot == 0;
    if (new) {
        *slot = (uint32_t)++map->size;
        map->entries[*slot - 1].key = *key;
    }
    map->entries[*slot - 1].value = *value;
    return new;
}

const struct cel_value *map_find(const struct cel_map *map, const struct cel_value *key) {
    struct cel_value searched = normal(key);
    if (!map_key_kind(searched.kind))
        return NULL;
    const uint32_t *slot = find_slot(map, &searched);
    return *slot ? &map->entries[*slot - 1].value : NULL;
}

void map_from_scan(struct cel_activation *activation, const struct scan *scan,
    const struct schema_field *field, const struct view_value *view, struct cel_value *out) {
    const struct schema_field *fields = field->message->fields;
    struct view_cursor cursor = {0};
    struct view_value element;
    size_t left = view->occurrences;
    struct cel_map *map = map_make(activation, left, out);
    if (!map || !activation_charge(activation, left, out))
        return;
    while (left-- > 0 && scan_next(scan, field, view, &cursor, &element)) {
        struct cel_value key;
        struct cel_value value;
        struct cel_value entry = {
            .kind = CEL_MESSAGE, .message = {.type = field->message, .bytes = element.bytes}};
        message_field(activation, &entry, &fields[0], &key);
        message_field(activation, &entry, &fields[1], &value);
        map_set(map, &key, &value);
    }
    out->kind = CEL_MAP;
    out->map = map;
}

size_t cel_map_size(const struct cel_map *map) {
    return map->size;
}

int cel_map_entry(const struct cel_map *map, struct cel_activation *activation, size_t i,
    struct cel_value *key, struct cel_value *value) {
    (void)activation; // for maps that are read when asked
    if (i >= map->size)
        return -ERANGE;
    *key = map->entries[i].key;
    *value = map->entries[i].value;
    return 0;
}

int cel_map_make(
    struct cel_activation *activation, const struct cel_value *entries, size_t count, struct cel_value *out) {
    struct cel_value error;
    struct cel_map *map = map_make(activation, count, &error);
    if (!map)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        if (!map_key_kind(entries[2 * i].kind) || !map_set(map, &entries[2 * i], &entries[2 * i + 1]))
            return -EINVAL;
    *out = (struct cel_value){.kind = CEL_MAP, .map = map};
    return 0;
}
