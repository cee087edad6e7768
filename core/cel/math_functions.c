// math.*: https://github.com/google/cel-go/tree/master/ext, math.
#include "core/cel/collections.h"
#include "core/cel/functions.h"

#include <math.h>

static const struct cel_error overflow = {CEL_FAULT_OVERFLOW, "integer overflow"};

// ---- greatest and least ----

// Of those that are equal, the first. Nothing is greater or less than a NaN, nor is a NaN.
static void extreme(const struct cel_value *values, size_t count, int order, struct cel_value *out) {
    const struct cel_value *best = &values[0];
    for (size_t i = 0; i < count; i++) {
        if (!value_number(values[i].kind)) {
            value_no_overload(out);
            return;
        }
        if (value_compare(&values[i], best) == order)
            best = &values[i];
    }
    *out = *best;
}

static void extreme_of_list(
    struct cel_activation *activation, const struct cel_list *list, int order, struct cel_value *out) {
    static const struct cel_error empty = {
        CEL_FAULT_ARGUMENT, "an empty list has neither a greatest nor a least number"};
    if (!activation_charge(activation, list->size, out))
        return;
    const struct cel_value *values = list_values(activation, list, out);
    if (list->size == 0)
        value_fail_static(out, &empty);
    else if (values)
        extreme(values, list->size, order, out);
}

FUNCTION(fn_greatest) {
    if (args[0].kind == CEL_LIST)
        extreme_of_list(activation, args[0].list, 1, out);
    else
        extreme(args, node->count, 1, out);
}

FUNCTION(fn_least) {
    if (args[0].kind == CEL_LIST)
        extreme_of_list(activation, args[0].list, -1, out);
    else
        extreme(args, node->count, -1, out);
}

// ---- Doubles ----

#define OF_DOUBLE(name, setter)                                                                              \
    FUNCTION(name) {                                                                                         \
        (void)node;                                                                                          \
        (void)activation;                                                                                    \
        double x = args[0].f64;                                                                              \
        setter;                                                                                              \
    }
#define DOUBLE(value) (*out = (struct cel_value){.kind = CEL_DOUBLE, .f64 = (value)})

OF_DOUBLE(fn_ceil, DOUBLE(ceil(x)))
OF_DOUBLE(fn_floor, DOUBLE(floor(x)))
OF_DOUBLE(fn_round, DOUBLE(round(x))) // halves away from zero
OF_DOUBLE(fn_trunc, DOUBLE(trunc(x)))
OF_DOUBLE(fn_is_nan, value_set_bool(out, isnan(x)))
OF_DOUBLE(fn_is_inf, value_set_bool(out, isinf(x)))
OF_DOUBLE(fn_is_finite, value_set_bool(out, isfinite(x)))

FUNCTION(fn_sqrt) {
    (void)node;
    (void)activation;
    const struct cel_value *arg = &args[0];
    DOUBLE(sqrt(arg->kind == CEL_INT    ? (double)arg->i64
                : arg->kind == CEL_UINT ? (double)arg->u64
                                        : arg->f64));
}

// ---- Any number ----

FUNCTION(fn_abs) {
    (void)node;
    (void)activation;
    *out = args[0];
    if (out->kind == CEL_DOUBLE)
        out->f64 = fabs(out->f64);
    else if (out->kind == CEL_INT && out->i64 == INT64_MIN)
        value_fail_static(out, &overflow);
    else if (out->kind == CEL_INT && out->i64 < 0)
        out->i64 = -out->i64;
}

FUNCTION(fn_sign) {
    (void)node;
    (void)activation;
    *out = args[0];
    if (out->kind == CEL_DOUBLE)
        out->f64 = out->f64 > 0 ? 1 : out->f64 < 0 ? -1 : out->f64; // a zero and a NaN stay
    else if (out->kind == CEL_INT)
        out->i64 = (out->i64 > 0) - (out->i64 < 0);
    else
        out->u64 = out->u64 > 0;
}

// ---- Bits: an int is taken as its two's complement ----

static uint64_t bits_of(const struct cel_value *value) {
    return value->kind == CEL_INT ? (uint64_t)value->i64 : value->u64;
}

// As a value of the first argument's kind.
static void set_bits(const struct cel_value *like, uint64_t bits, struct cel_value *out) {
    if (like->kind == CEL_INT)
        value_set_int(out, (int64_t)bits);
    else
        *out = (struct cel_value){.kind = CEL_UINT, .u64 = bits};
}

#define OF_BITS(name, value)                                                                                 \
    FUNCTION(name) {                                                                                         \
        (void)node;                                                                                          \
        (void)activation;                                                                                    \
        set_bits(&args[0], value, out);                                                                      \
    }

OF_BITS(fn_bit_and, bits_of(&args[0]) & bits_of(&args[1]))
OF_BITS(fn_bit_or, bits_of(&args[0]) | bits_of(&args[1]))
OF_BITS(fn_bit_xor, bits_of(&args[0]) ^ bits_of(&args[1]))
OF_BITS(fn_bit_not, ~bits_of(&args[0]))

// Zeros come in on either side, and nothing is left behind 63 places.
static void shift(const struct cel_value *args, bool left, struct cel_value *out) {
    static const struct cel_error negative = {
        CEL_FAULT_ARGUMENT, "negative offset: bits are shifted by 0 places or more"};
    uint64_t bits = bits_of(&args[0]);
    int64_t places = args[1].i64;
    if (places < 0)
        value_fail_static(out, &negative);
    else
        set_bits(&args[0], places > 63 ? 0 : left ? bits << places : bits >> places, out);
}

FUNCTION(fn_bit_shift_left) {
    (void)node;
    (void)activation;
    shift(args, true, out);
}

FUNCTION(fn_bit_shift_right) {
    (void)node;
    (void)activation;
    shift(args, false, out);
}
