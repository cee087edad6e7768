// all, exists, exists_one, map, filter: the condition or value is evaluated for each element.
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

// Evaluates what stands at `arg` for the i-th element.
static void run_one(const struct node *node, size_t arg, struct cel_activation *activation,
    const struct range *range, size_t i, struct cel_value *out) {
    activation->locals[node->macro.local] = range->values ? range->values[i] : range->entries[i].key;
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

static void run_list(const struct node *node, struct cel_activation *activation, const struct range *range,
    struct cel_value *out) {
    enum ast_macro kind = node->macro.kind;
    struct cel_value *values = activation_array(activation, range->size + 1, sizeof *values, out);
    size_t count = 0;
    for (size_t i = 0; values && i < range->size; i++) {
        if (!activation_charge(activation, 1, out))
            return;
        if (kind != MACRO_MAP) {
            run_condition(node, activation, range, i, out);
            if (out->kind == CEL_ERROR)
                return;
            if (!out->boolean)
                continue;
        }
        if (kind == MACRO_FILTER)
            *out = activation->locals[node->macro.local];
        else
            run_one(node, node->count - 1, activation, range, i, out);
        if (out->kind == CEL_ERROR)
            return;
        values[count++] = *out;
    }
    if (values)
        list_make(activation, values, count, out);
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
    default:
        run_list(node, activation, &range, out);
        break;
    }
}
// NOLINTEND(misc-no-recursion)
