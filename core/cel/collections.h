// Lists, maps and messages while evaluating. Private to core/cel.
#pragma once

#include "core/cel/program.h"

struct cel_list {
    size_t size;
    struct list_items *items;
};

// Where the elements are: in `values`, or still in a scan, from which they are read when first asked for.
struct list_items {
    struct cel_value *values;
    const struct scan *scan;
    const struct schema_field *field;
    const struct view_value *view;
};

struct map_entry {
    struct cel_value key;
    struct cel_value value;
};

struct cel_map {
    size_t size;
    struct map_entry *entries;
    uint32_t *slots; // hash table: index of the entry + 1, 0 for empty
    size_t mask;
};

// A list of `values` (in the arena, or otherwise longer-lived).
void list_make(
    struct cel_activation *activation, struct cel_value *values, size_t size, struct cel_value *out);
void list_from_scan(struct cel_activation *activation, const struct scan *scan,
    const struct schema_field *field, const struct view_value *view, struct cel_value *out);
// All elements, size of them; NULL with an error in `out`, or for an empty list (`out` is then untouched).
const struct cel_value *list_values(
    struct cel_activation *activation, const struct cel_list *list, struct cel_value *out);

// An empty map with room for `capacity` entries; NULL with an error in `out`.
struct cel_map *map_make(struct cel_activation *activation, size_t capacity, struct cel_value *out);
// Adds or replaces; true when the key is new.
bool map_set(struct cel_map *map, const struct cel_value *key, const struct cel_value *value);
const struct cel_value *map_find(const struct cel_map *map, const struct cel_value *key); // or NULL
bool map_key_kind(enum cel_kind kind);
void map_from_scan(struct cel_activation *activation, const struct scan *scan,
    const struct schema_field *field, const struct view_value *view, struct cel_value *out);

// What one element of a field is as a value.
void field_value(struct cel_activation *activation, const struct schema_field *field,
    const struct view_value *element, struct cel_value *out);
// A message by its bytes: a Timestamp, wrapper, Struct, Any and so on becomes what it stands for.
void message_value(struct cel_activation *activation, const struct schema_message *type, struct bytes bytes,
    struct cel_value *out);
// The message with its bytes in one piece instead of a view; data is NULL for one that is absent.
void message_join(struct cel_activation *activation, const struct cel_value *message, struct cel_value *out);
// A field of a message value.
void message_field(struct cel_activation *activation, const struct cel_value *message,
    const struct schema_field *field, struct cel_value *out);
// The bytes of a singular message field; false with an error in `out`.
bool message_field_bytes(struct cel_activation *activation, const struct cel_value *message,
    const struct schema_field *field, struct bytes *bytes, struct cel_value *out);
// Whether two Any hold the same, to the byte.
bool any_same(const struct schema_message *type, struct bytes a, struct bytes b);
void message_has(struct cel_activation *activation, const struct cel_value *message,
    const struct schema_field *field, struct cel_value *out);
bool scalar_is_default(const struct schema_field *field, const struct view_value *value);

// Equality as CEL has it: numbers by value, NaN not even to itself, lists and maps by their parts. Sets a
// bool, or an error (too many steps).
void value_equal(struct cel_activation *activation, const struct cel_value *a, const struct cel_value *b,
    struct cel_value *out);
// -1, 0, 1; 2: neither is less (a NaN, or kinds that have no order).
int value_compare(const struct cel_value *a, const struct cel_value *b);
bool value_number(enum cel_kind kind);
