#include "core/cel/collections.h"
#include "core/cel/types.h"

#include <math.h>

bool value_number(enum cel_kind kind) {
    return kind == CEL_INT || kind == CEL_UINT || kind == CEL_DOUBLE;
}

static int order(bool less, bool greater) {
    return less ? -1 : greater ? 1 : 0;
}

static int compare_int_uint(int64_t a, uint64_t b) {
    if (a < 0)
        return -1;
    return order((uint64_t)a<b, (uint64_t)a> b);
}

// As doubles, as CEL has it: beyond 2^53 a number stands for its neighbours too.
static int compare_doubles(double a, double b) {
    return isnan(a) || isnan(b) ? 2 : order(a<b, a> b);
}

static int turn(int result) {
    return result == 2 ? 2 : -result;
}

static int compare_numbers(const struct cel_value *a, const struct cel_value *b) {
    if (a->kind == b->kind) {
        if (a->kind == CEL_INT)
            return order(a->i64<b->i64, a->i64> b->i64);
        if (a->kind == CEL_UINT)
            return order(a->u64<b->u64, a->u64> b->u64);
        return compare_doubles(a->f64, b->f64);
    }
    if (a->kind == CEL_DOUBLE || (a->kind == CEL_UINT && b->kind == CEL_INT))
        return turn(compare_numbers(b, a));
    if (b->kind == CEL_DOUBLE)
        return compare_doubles(a->kind == CEL_INT ? (double)a->i64 : (double)a->u64, b->f64);
    return compare_int_uint(a->i64, b->u64);
}

static int compare_bytes(struct bytes a, struct bytes b) {
    size_t size = a.size < b.size ? a.size : b.size;
    int first = size ? memcmp(a.data, b.data, size) : 0;
    return first ? order(first < 0, first > 0) : order(a.size<b.size, a.size> b.size);
}

int value_compare(const struct cel_value *a, const struct cel_value *b) {
    if (value_number(a->kind) && value_number(b->kind))
        return compare_numbers(a, b);
    if (a->kind != b->kind)
        return 2;
    switch (a->kind) {
    case CEL_BOOL:
        return order(a->boolean<b->boolean, a->boolean> b->boolean);
    case CEL_STRING: // UTF-8 sorts as its characters do
    case CEL_BYTES:
        return compare_bytes(a->bytes, b->bytes);
    case CEL_TIMESTAMP:
    case CEL_DURATION:
        if (a->time.seconds != b->time.seconds)
            return order(a->time.seconds<b->time.seconds, a->time.seconds> b->time.seconds);
        return order(a->time.nanos<b->time.nanos, a->time.nanos> b->time.nanos);
    default:
        return 2;
    }
}

#define VALUE_DEPTH 1000

static const struct cel_error too_deep = {CEL_FAULT_LIMIT, "the values are nested deeper than 1000 levels"};

// ---- Equality of what has parts: false at the first part that differs, or with an error ----

// NOLINTBEGIN(misc-no-recursion): as deep as the values are, which has a limit
static bool equal_part(struct cel_activation *activation, const struct cel_value *a,
    const struct cel_value *b, struct cel_value *out) {
    if (a->kind == CEL_ERROR || b->kind == CEL_ERROR) {
        *out = a->kind == CEL_ERROR ? *a : *b;
        return false;
    }
    if (activation->depth == VALUE_DEPTH) {
        value_fail_static(out, &too_deep);
        return false;
    }
    activation->depth++;
    value_equal(activation, a, b, out);
    activation->depth--;
    return out->kind == CEL_BOOL && out->boolean;
}

static void equal_lists(struct cel_activation *activation, const struct cel_list *a, const struct cel_list *b,
    struct cel_value *out) {
    value_set_bool(out, false);
    if (a->size != b->size || (a->size && !activation_charge(activation, a->size, out)))
        return;
    const struct cel_value *left = list_values(activation, a, out);
    const struct cel_value *right = left ? list_values(activation, b, out) : NULL;
    if (a->size && (!left || !right))
        return;
    for (size_t i = 0; i < a->size; i++)
        if (!equal_part(activation, &left[i], &right[i], out))
            return;
    value_set_bool(out, true);
}

static void equal_maps(struct cel_activation *activation, const struct cel_map *a, const struct cel_map *b,
    struct cel_value *out) {
    value_set_bool(out, false);
    if (a->size != b->size || (a->size && !activation_charge(activation, a->size, out)))
        return;
    for (size_t i = 0; i < a->size; i++) {
        const struct cel_value *other = map_find(b, &a->entries[i].key);
        if (!other || !equal_part(activation, &a->entries[i].value, other, out))
            return;
    }
    value_set_bool(out, true);
}

// What is in an Any, or where that isn't known its bytes.
static bool equal_any(struct cel_activation *activation, const struct cel_value messages[2],
    const struct schema_field *field, struct cel_value *out) {
    struct bytes bytes[2];
    for (size_t i = 0; i < 2; i++)
        if (!message_field_bytes(activation, &messages[i], field, &bytes[i], out))
            return false;
    value_set_bool(out, any_same(field->message, bytes[0], bytes[1]));
    return out->boolean;
}

// A field that both have. False too with an error in `out`.
static bool equal_field(struct cel_activation *activation, const struct cel_value messages[2],
    const struct schema_field *field, struct cel_value *out) {
    struct cel_value part[2];
    bool any = field->message && !field->repeated && known_of(field->message) == KNOWN_ANY;
    for (size_t i = 0; i < 2; i++) {
        message_field(activation, &messages[i], field, &part[i]);
        if (any && part[i].kind == CEL_ERROR && part[i].error->fault == CEL_FAULT_CONVERSION)
            return equal_any(activation, messages, field, out);
    }
    return equal_part(activation, &part[0], &part[1], out);
}

// Field by field: the same message can have different bytes.
static void equal_messages(struct cel_activation *activation, const struct cel_value *a,
    const struct cel_value *b, struct cel_value *out) {
    const struct schema_message *type = a->message.type;
    const struct cel_value messages[2] = {*a, *b};
    value_set_bool(out, false);
    if (type != b->message.type || !activation_charge(activation, type->field_count + 1, out))
        return;
    for (size_t i = 0; i < type->field_count; i++) {
        struct cel_value has[2];
        message_has(activation, a, &type->fields[i], &has[0]);
        message_has(activation, b, &type->fields[i], &has[1]);
        if (!equal_part(activation, &has[0], &has[1], out))
            return;
        if (has[0].boolean && !equal_field(activation, messages, &type->fields[i], out))
            return;
    }
    value_set_bool(out, true);
}

void value_equal(struct cel_activation *activation, const struct cel_value *a, const struct cel_value *b,
    struct cel_value *out) {
    if (a->kind == CEL_LIST && b->kind == CEL_LIST)
        equal_lists(activation, a->list, b->list, out);
    else if (a->kind == CEL_MAP && b->kind == CEL_MAP)
        equal_maps(activation, a->map, b->map, out);
    else if (a->kind == CEL_MESSAGE && b->kind == CEL_MESSAGE)
        equal_messages(activation, a, b, out);
    else if (a->kind == b->kind && (a->kind == CEL_TYPE || kind_own(a->kind)))
        value_set_bool(out, bytes_equal(a->bytes, b->bytes));
    else if (a->kind == CEL_NULL && b->kind == CEL_NULL)
        value_set_bool(out, true);
    else
        value_set_bool(out, value_compare(a, b) == 0);
}
// NOLINTEND(misc-no-recursion)

bool cel_equal(struct cel_activation *activation, const struct cel_value *a, const struct cel_value *b) {
    struct cel_value out;
    value_equal(activation, a, b, &out);
    return out.kind == CEL_BOOL && out.boolean;
}
