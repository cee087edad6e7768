// Macros: a condition or value is evaluated for each element of a list or entry of a map.
#include "core/cel/collections.h"

// What a macro walks over: a list's elements or a map's keys.
struct range {
    const struct cel_value *values;
    const struct map_entry *entries;
    size_t size;
};

static bool open_range(struct cel_activation *activation, const struct cel_value *value, struct range *range,
    struct cel_value *out) {
    *range = (struct range){0};
    if (value->kind == CEL_LIST) {
        range->size = value->list->size;
        range->values = list_values(activation, value->list, out);
        return range->size == 0 || range->values != NULL;
    }
    if (value->kind == CEL_MAP) {
        range->size = value->map->size;
        range->entries = value->map->entries;
        return true;
    }
    if (value->kind == CEL_ERROR)
        *out = *value;
    else
        value_no_overload(out);
    return false;
}

// NOLINTBEGIN(misc-no-recursion): the program's depth is limited

// Gives the names their values: the element or key, or the place or key and the value.
static void set_locals(
    const struct node *node, struct cel_value *locals, const struct range *range, size_t i) {
    bool two = node->macro.two;
    if (range->entries) {
        locals[0] = range->entries[i].key;
        if (two)
            locals[1] = range->entries[i].value;
    } else if (range->values) {
        locals[two] = range->values[i];
        if (two)
            value_set_int(&locals[0], (int64_t)i);
    }
}

// Evaluates what stands at `arg` for the i-th element.
static void run_one(const struct node *node, size_t arg, struct cel_activation *activation,
    const struct range *range, size_t i, struct cel_value *out) {
    set_locals(node, activation->locals + node->macro.local, range, i);
    node_run(node->args[arg], activation, out);
}

static void run_condition(const struct node *node, struct cel_activation *activation,
    const struct range *range, size_t i, struct cel_value *out) {
    run_one(node, 1, activation, range, i, out);
    if (out->kind != CEL_BOOL && out->kind != CEL_ERROR)
        value_no_overload(out);
}

// all() is a long &&, exists() a long ||: what decides outweighs errors.
static void run_quantifier(const struct node *node, struct cel_activation *activation,
    const struct range *range, struct cel_value *out) {
    bool decisive = node->macro.kind == MACRO_EXISTS;
    struct cel_value error = {.kind = CEL_NULL};
    for (size_t i = 0; i < range->size; i++) {
        if (!activation_charge(activation, 1, out))
            return;
        run_condition(node, activation, range, i, out);
        if (out->kind == CEL_BOOL && out->boolean == decisive)
            return;
        if (out->kind == CEL_ERROR && error.kind != CEL_ERROR)
            error = *out;
    }
    if (error.kind == CEL_ERROR)
        *out = error;
    else
        value_set_bool(out, !decisive);
}

static void run_exists_one(const struct node *node, struct cel_activation *activation,
    const struct range *range, struct cel_value *out) {
    size_t count = 0;
    for (size_t i = 0; i < range->size; i++) {
        if (!activation_charge(activation, 1, out))
            return;
        run_condition(node, activation, range, i, out);
        if (out->kind == CEL_ERROR)
            return;
        count += out->boolean;
    }
    value_set_bool(out, count == 1);
}

// Whether the macro's condition, where it has one, holds for the i-th element; *failed with an error in
// `out`.
static bool passes(const struct node *node, struct cel_activation *activation, const struct range *range,
    size_t i, bool *failed, struct cel_value *out) {
    enum ast_macro kind = node->macro.kind;
    *failed = !activation_charge(activation, 1, out);
    if (*failed || kind == MACRO_MAP || kind == MACRO_VALUES || kind == MACRO_ENTRIES)
        return !*failed;
    run_condition(node, activation, range, i, out);
    *failed = out->kind == CEL_ERROR;
    return !*failed && out->boolean;
}

// What becomes of each element that passes, and which it was (NULL: not wanted). False with an error in
// `out`.
static bool run_each(const struct node *node, struct cel_activation *activation, const struct range *range,
    struct cel_value *values, size_t *indexes, size_t *count, struct cel_value *out) {
    bool failed;
    *count = 0;
    for (size_t i = 0; i < range->size; i++) {
        if (!passes(node, activation, range, i, &failed, out)) {
            if (failed)
                return false;
            continue;
        }
        if (node->macro.kind == MACRO_FILTER)
            *out = activation->locals[node->macro.local];
        else
            run_one(node, node->count - 1, activation, range, i, out);
        if (out->kind == CEL_ERROR)
            return false;
        if (indexes)
            indexes[*count] = i;
        values[(*count)++] = *out;
    }
    return true;
}

static void run_list(const struct node *node, struct cel_activation *activation, const struct range *range,
    struct cel_value *out) {
    struct cel_value *values = activation_array(activation, range->size + 1, sizeof *values, out);
    size_t count;
    if (values && run_each(node, activation, range, values, NULL, &count, out))
        list_make(activation, values, count, out);
}

// The keys stay: those of the map, or the list's indexes.
static void run_values(const struct node *node, struct cel_activation *activation, const struct range *range,
    struct cel_value *out) {
    struct cel_value *values = activation_array(activation, range->size + 1, sizeof *values, out);
    size_t *indexes = values ? activation_array(activation, range->size + 1, sizeof *indexes, out) : NULL;
    size_t count;
    if (!indexes || !run_each(node, activation, range, values, indexes, &count, out))
        return;
    struct cel_map *map = map_make(activation, count, out);
    if (!map)
        return;
    for (size_t i = 0; i < count; i++) {
        struct cel_value key = {.kind = CEL_INT, .i64 = (int64_t)indexes[i]};
        map_set(map, range->entries ? &range->entries[indexes[i]].key : &key, &values[i]);
    }
    *out = (struct cel_value){.kind = CEL_MAP, .map = map};
}

// The entries of all maps in one, if no key stands twice.
static void run_entries(const struct node *node, struct cel_activation *activation, const struct range *range,
    struct cel_value *out) {
    struct cel_value *values = activation_array(activation, range->size + 1, sizeof *values, out);
    size_t count;
    size_t size = 0;
    if (!values || !run_each(node, activation, range, values, NULL, &count, out))
        return;
    for (size_t i = 0; i < count; i++) {
        if (values[i].kind != CEL_MAP) {
            value_no_overload(out);
            return;
        }
        size += values[i].map->size;
    }
    struct cel_map *map = activation_charge(activation, size, out) ? map_make(activation, size, out) : NULL;
    for (size_t i = 0; map && i < count; i++)
        for (size_t j = 0; j < values[i].map->size; j++) {
            const struct map_entry *entry = &values[i].map->entries[j];
            if (!map_set(map, &entry->key, &entry->value)) {
                value_fail(activation, out, CEL_FAULT_ARGUMENT, "a key stands twice in the map");
                return;
            }
        }
    if (map)
        *out = (struct cel_value){.kind = CEL_MAP, .map = map};
}

void eval_macro(const struct node *node, struct cel_activation *activation, struct cel_value *out) {
    struct cel_value value;
    struct range range;
    node_run(node->args[0], activation, &value);
    if (!open_range(activation, &value, &range, out))
        return;
    switch (node->macro.kind) {
    case MACRO_ALL:
    case MACRO_EXISTS:
        run_quantifier(node, activation, &range, out);
        break;
    case MACRO_EXISTS_ONE:
        run_exists_one(node, activation, &range, out);
        break;
    case MACRO_VALUES:
    case MACRO_VALUES_IF:
        run_values(node, activation, &range, out);
        break;
    case MACRO_ENTRIES:
    case MACRO_ENTRIES_IF:
        run_entries(node, activation, &range, out);
        break;
    default:
        run_list(node, activation, &range, out);
        break;
    }
}

// The value is evaluated once; an error in it is one where the name is used.
void eval_bind(const struct node *node, struct cel_activation *activation, struct cel_value *out) {
    struct cel_value value;
    node_run(node->args[0], activation, &value);
    activation->locals[node->macro.local] = value;
    node_run(node->args[1], activation, out);
}
// NOLINTEND(misc-no-recursion)
