#include "core/cel/collections.h"
#include "core/cel/functions.h"
#include "core/cel/time.h"

#include <math.h>

static const struct cel_error overflow = {CEL_FAULT_OVERFLOW, "integer overflow"};
static const struct cel_error zero_division = {CEL_FAULT_DIVISION, "division by zero"};
static const struct cel_error zero_modulus = {CEL_FAULT_DIVISION, "modulus by zero"};

#define UNUSED                                                                                               \
    (void)node;                                                                                              \
    (void)activation

#define CHECKED(name, kind_, member, builtin)                                                                \
    FUNCTION(name) {                                                                                         \
        UNUSED;                                                                                              \
        if (builtin(args[0].member, args[1].member, &out->member))                                           \
            value_fail_static(out, &overflow);                                                               \
        else                                                                                                 \
            out->kind = kind_;                                                                               \
    }

CHECKED(op_add_int, CEL_INT, i64, __builtin_add_overflow)
CHECKED(op_add_uint, CEL_UINT, u64, __builtin_add_overflow)
CHECKED(op_subtract_int, CEL_INT, i64, __builtin_sub_overflow)
CHECKED(op_subtract_uint, CEL_UINT, u64, __builtin_sub_overflow)
CHECKED(op_multiply_int, CEL_INT, i64, __builtin_mul_overflow)
CHECKED(op_multiply_uint, CEL_UINT, u64, __builtin_mul_overflow)

#define FLOATING(name, sign)                                                                                 \
    FUNCTION(name) {                                                                                         \
        UNUSED;                                                                                              \
        out->f64 = args[0].f64 sign args[1].f64;                                                             \
        out->kind = CEL_DOUBLE;                                                                              \
    }

FLOATING(op_add_double, +)
FLOATING(op_subtract_double, -)
FLOATING(op_multiply_double, *)

// IEEE 754: x / 0.0 is infinite or not a number, not an error.
__attribute__((no_sanitize("float-divide-by-zero"))) FUNCTION(op_divide_double) {
    UNUSED;
    out->f64 = args[0].f64 / args[1].f64;
    out->kind = CEL_DOUBLE;
}

FUNCTION(op_divide_int) {
    UNUSED;
    if (args[1].i64 == 0)
        value_fail_static(out, &zero_division);
    else if (args[1].i64 == -1 && args[0].i64 == INT64_MIN)
        value_fail_static(out, &overflow);
    else
        value_set_int(out, args[0].i64 / args[1].i64);
}

FUNCTION(op_divide_uint) {
    UNUSED;
    if (args[1].u64 == 0)
        value_fail_static(out, &zero_division);
    else
        *out = (struct cel_value){.kind = CEL_UINT, .u64 = args[0].u64 / args[1].u64};
}

FUNCTION(op_remainder_int) {
    UNUSED;
    if (args[1].i64 == 0)
        value_fail_static(out, &zero_modulus);
    else if (args[1].i64 == -1 && args[0].i64 == INT64_MIN)
        value_fail_static(out, &overflow);
    else
        value_set_int(out, args[0].i64 % args[1].i64);
}

FUNCTION(op_remainder_uint) {
    UNUSED;
    if (args[1].u64 == 0)
        value_fail_static(out, &zero_modulus);
    else
        *out = (struct cel_value){.kind = CEL_UINT, .u64 = args[0].u64 % args[1].u64};
}

FUNCTION(op_negate_int) {
    UNUSED;
    if (args[0].i64 == INT64_MIN)
        value_fail_static(out, &overflow);
    else
        value_set_int(out, -args[0].i64);
}

FUNCTION(op_negate_double) {
    UNUSED;
    *out = (struct cel_value){.kind = CEL_DOUBLE, .f64 = -args[0].f64};
}

FUNCTION(op_not) {
    UNUSED;
    value_set_bool(out, !args[0].boolean);
}

FUNCTION(op_add_bytes) {
    (void)node;
    struct bytes a = args[0].bytes;
    struct bytes b = args[1].bytes;
    uint8_t *data = activation_alloc(activation, a.size + b.size + 1, out);
    if (!data)
        return;
    if (a.size)
        memcpy(data, a.data, a.size);
    if (b.size)
        memcpy(data + a.size, b.data, b.size);
    value_set_bytes(out, args[0].kind, bytes_of(data, a.size + b.size));
}

FUNCTION(op_add_list) {
    (void)node;
    size_t size = args[0].list->size + args[1].list->size;
    struct cel_value *values = activation_array(activation, size + 1, sizeof *values, out);
    size_t n = 0;
    if (!values || !activation_charge(activation, size, out))
        return;
    for (size_t i = 0; i < 2; i++) {
        const struct cel_list *list = args[i].list;
        const struct cel_value *part = list_values(activation, list, out);
        if (!part && list->size)
            return;
        for (size_t j = 0; j < list->size; j++)
            values[n++] = part[j];
    }
    list_make(activation, values, size, out);
}

FUNCTION(op_add_time) {
    (void)node;
    bool timestamp = args[0].kind == CEL_TIMESTAMP || args[1].kind == CEL_TIMESTAMP;
    time_add(activation, &args[0], &args[1], 1, timestamp ? CEL_TIMESTAMP : CEL_DURATION, out);
}

FUNCTION(op_subtract_time) {
    (void)node;
    bool timestamp = args[0].kind == CEL_TIMESTAMP && args[1].kind == CEL_DURATION;
    time_add(activation, &args[0], &args[1], -1, timestamp ? CEL_TIMESTAMP : CEL_DURATION, out);
}

FUNCTION(op_less) {
    UNUSED;
    value_set_bool(out, value_compare(&args[0], &args[1]) == -1);
}

FUNCTION(op_less_equal) {
    UNUSED;
    int order = value_compare(&args[0], &args[1]);
    value_set_bool(out, order == -1 || order == 0);
}

FUNCTION(op_greater) {
    UNUSED;
    value_set_bool(out, value_compare(&args[0], &args[1]) == 1);
}

FUNCTION(op_greater_equal) {
    UNUSED;
    int order = value_compare(&args[0], &args[1]);
    value_set_bool(out, order == 1 || order == 0);
}

FUNCTION(op_equal) {
    (void)node;
    value_equal(activation, &args[0], &args[1], out);
}

FUNCTION(op_unequal) {
    (void)node;
    value_equal(activation, &args[0], &args[1], out);
    if (out->kind == CEL_BOOL)
        out->boolean = !out->boolean;
}

FUNCTION(op_in_list) {
    (void)node;
    const struct cel_list *list = args[1].list;
    if (list->size && !activation_charge(activation, list->size, out))
        return;
    const struct cel_value *values = list_values(activation, list, out);
    if (!values && list->size)
        return;
    for (size_t i = 0; i < list->size; i++) {
        struct cel_value same;
        value_equal(activation, &args[0], &values[i], &same);
        if (same.kind != CEL_BOOL || same.boolean) {
            *out = same;
            return;
        }
    }
    value_set_bool(out, false);
}

FUNCTION(op_in_map) {
    UNUSED;
    value_set_bool(out, map_find(args[1].map, &args[0]) != NULL);
}

FUNCTION(op_index_list) {
    (void)node;
    const struct cel_list *list = args[0].list;
    struct cel_value zero = {.kind = CEL_INT, .i64 = 0};
    struct cel_value size = {.kind = CEL_INT, .i64 = (int64_t)list->size};
    const struct cel_value *index = &args[1];
    if (!value_number(index->kind) || (index->kind == CEL_DOUBLE && index->f64 != floor(index->f64))) {
        value_fail(activation, out, CEL_FAULT_INDEX, "an index must be a whole number");
        return;
    }
    int low = value_compare(index, &zero);
    if (low == -1 || low == 2 || value_compare(index, &size) != -1) {
        value_fail(
            activation, out, CEL_FAULT_INDEX, "index out of range: the list has %zu elements", list->size);
        return;
    }
    size_t i = index->kind == CEL_DOUBLE ? (size_t)index->f64 : (size_t)index->u64;
    const struct cel_value *values = list_values(activation, list, out);
    if (values)
        *out = values[i];
}

FUNCTION(op_index_map) {
    (void)node;
    const struct cel_value *found = map_find(args[0].map, &args[1]);
    if (found)
        *out = *found;
    else if (args[1].kind == CEL_STRING)
        value_fail(activation, out, CEL_FAULT_NO_KEY, "no such key: \"%.*s\"",
            args[1].bytes.size > 60 ? 60 : (int)args[1].bytes.size, (const char *)args[1].bytes.data);
    else
        value_fail(activation, out, CEL_FAULT_NO_KEY, "no such key in the map");
}
