// Values that come out of expressions, for those who take them apart: mappings and connectors. Lists, maps
// and messages lie in the activation's arena or in the message's own bytes, and live until the activation's
// reset.
#pragma once

#include "core/cel/cel.h"

struct cel_list {
    size_t size;
    const struct cel_value *items;
};

// Entries in the order they were written; keys differ from each other (bool, int, uint, string).
struct cel_map {
    size_t size;
    const struct cel_value *keys;
    const struct cel_value *values;
    const uint32_t *index; // entries by hash of the key, with 1 added; NULL: few enough to be searched
    size_t index_size;     // a power of two
};

// What kind of error came out.
enum cel_fault {
    CEL_FAULT_MEMORY,
    CEL_FAULT_NO_OVERLOAD,
    CEL_FAULT_NO_KEY,
    CEL_FAULT_NO_FIELD,
    CEL_FAULT_INDEX,
    CEL_FAULT_OVERFLOW,
    CEL_FAULT_DIVISION,
    CEL_FAULT_CONVERSION,
    CEL_FAULT_ARGUMENT,
    CEL_FAULT_UNMAPPED, // codes(): the map has no entry
    CEL_FAULT_LIMIT,    // steps, memory, depth or pattern matching
};

struct cel_error {
    enum cel_fault fault;
    const char *text;
};

static inline size_t cel_list_size(const struct cel_list *list) {
    return list->size;
}

static inline size_t cel_map_size(const struct cel_map *map) {
    return map->size;
}

// The i-th element or entry. 0, -EINVAL (no such one).
int cel_list_get(
    const struct cel_list *list, struct cel_activation *activation, size_t i, struct cel_value *out);
int cel_map_entry(const struct cel_map *map, struct cel_activation *activation, size_t i,
    struct cel_value *key, struct cel_value *value);

// Appends a message value's wire bytes. 0, -ENOMEM, -EMSGSIZE.
int cel_message_append(const struct cel_value *value, struct buffer *out);

// Whether two values are equal in CEL: numbers across their kinds, lists and maps by what they hold, messages
// field by field. `activation`: whose arena may be used.
bool cel_equal(struct cel_activation *activation, const struct cel_value *a, const struct cel_value *b);

// A bare field that tells "set" from "default", and is not set: a mapping leaves it out.
bool cel_program_absent(const struct cel_program *program, const struct cel_activation *activation);

// A kind as people write it: "string", "list".
const char *cel_kind_name(enum cel_kind kind);
