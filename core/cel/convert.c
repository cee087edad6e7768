// Conversions between kinds, and type().
#include "core/base/utf8.h"
#include "core/cel/functions.h"
#include "core/cel/number.h"
#include "core/cel/text.h"
#include "core/cel/time.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

static const struct cel_error range = {CEL_FAULT_CONVERSION, "range error: the number doesn't fit"};

#define SHOWN 40 // characters of a wrong text that a message shows

static void wrong_text(
    struct cel_activation *activation, struct bytes text, const char *what, struct cel_value *out) {
    size_t size = text.size;
    if (size > SHOWN)
        for (size = SHOWN; size > 0 && (text.data[size] & 0xc0) == 0x80; size--) {
        }
    value_fail(
        activation, out, CEL_FAULT_CONVERSION, "\"%.*s\" is no %s", (int)size, (const char *)text.data, what);
}

FUNCTION(fn_same) {
    (void)node;
    (void)activation;
    *out = args[0];
}

// Only digits, with a sign where `sign`. False when it is no number or doesn't fit.
static bool parse_digits(struct bytes text, uint64_t limit, uint64_t *out) {
    uint64_t value = 0;
    if (text.size == 0)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (c < '0' || c > '9' || __builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(c - '0'), &value))
            return false;
    }
    *out = value;
    return value <= limit;
}

static bool parse_int(struct bytes text, int64_t *out) {
    uint64_t value;
    bool negative = text.size && text.data[0] == '-';
    if (text.size && (negative || text.data[0] == '+'))
        text = bytes_of(text.data + 1, text.size - 1);
    if (!parse_digits(text, (uint64_t)INT64_MAX + (negative ? 1 : 0), &value))
        return false;
    *out = (int64_t)(negative ? 0 - value : value);
    return true;
}

FUNCTION(fn_int) {
    (void)node;
    int64_t value = 0;
    const struct cel_value *arg = &args[0];
    if (arg->kind == CEL_TIMESTAMP)
        value = arg->time.seconds;
    else if (arg->kind == CEL_UINT && arg->u64 <= (uint64_t)INT64_MAX)
        value = (int64_t)arg->u64;
    else if (arg->kind == CEL_DOUBLE && arg->f64 > -0x1p63 && arg->f64 < 0x1p63)
        value = (int64_t)arg->f64;
    else if (arg->kind != CEL_STRING) {
        value_fail_static(out, &range);
        return;
    } else if (!parse_int(arg->bytes, &value)) {
        wrong_text(activation, arg->bytes, "int", out);
        return;
    }
    value_set_int(out, value);
}

FUNCTION(fn_uint) {
    (void)node;
    uint64_t value = 0;
    const struct cel_value *arg = &args[0];
    if (arg->kind == CEL_INT && arg->i64 >= 0)
        value = (uint64_t)arg->i64;
    else if (arg->kind == CEL_DOUBLE && arg->f64 >= 0 && arg->f64 < 0x1p64)
        value = (uint64_t)arg->f64;
    else if (arg->kind != CEL_STRING) {
        value_fail_static(out, &range);
        return;
    } else if (!parse_digits(arg->bytes, UINT64_MAX, &value)) {
        wrong_text(activation, arg->bytes, "uint", out);
        return;
    }
    *out = (struct cel_value){.kind = CEL_UINT, .u64 = value};
}

FUNCTION(fn_double) {
    (void)node;
    double value = 0;
    const struct cel_value *arg = &args[0];
    if (arg->kind == CEL_INT) {
        value = (double)arg->i64;
    } else if (arg->kind == CEL_UINT) {
        value = (double)arg->u64;
    } else if (!number_parse(arg->bytes, &value)) {
        wrong_text(activation, arg->bytes, "double", out);
        return;
    }
    *out = (struct cel_value){.kind = CEL_DOUBLE, .f64 = value};
}

void value_text(struct cel_activation *activation, const struct cel_value *value, struct cel_value *out) {
    char text[NUMBER_TEXT];
    size_t size = 0;
    switch (value->kind) {
    case CEL_BOOL:
        size = (size_t)snprintf(text, sizeof text, "%s", value->boolean ? "true" : "false");
        break;
    case CEL_INT:
        size = (size_t)snprintf(text, sizeof text, "%" PRId64, value->i64);
        break;
    case CEL_UINT:
        size = (size_t)snprintf(text, sizeof text, "%" PRIu64, value->u64);
        break;
    case CEL_DOUBLE:
        size = number_print(value->f64, text);
        break;
    case CEL_TIMESTAMP:
        size = time_print(value, text);
        break;
    case CEL_DURATION:
        size = duration_print(value, text);
        break;
    default: // bytes, or a text of some kind
        if (value->kind == CEL_BYTES && !utf8_bytes(value->bytes))
            value_fail(activation, out, CEL_FAULT_CONVERSION, "the bytes are not UTF-8: invalid as a string");
        else
            value_set_bytes(out, CEL_STRING, value->bytes);
        return;
    }
    text_copy(activation, text, size, out);
}

FUNCTION(fn_string) {
    (void)node;
    value_text(activation, &args[0], out);
}

FUNCTION(fn_bytes) {
    (void)node;
    (void)activation;
    value_set_bytes(out, CEL_BYTES, args[0].bytes);
}

FUNCTION(fn_bool) {
    (void)node;
    static const char *const words[2][5] = {
        {"0", "f", "false", "FALSE", "False"}, {"1", "t", "true", "TRUE", "True"}};
    for (size_t value = 0; value < 2; value++)
        for (size_t i = 0; i < 5; i++)
            if (bytes_equal_string(args[0].bytes, words[value][i])) {
                value_set_bool(out, value == 1);
                return;
            }
    wrong_text(activation, args[0].bytes, "bool", out);
}

FUNCTION(fn_timestamp) {
    (void)node;
    if (args[0].kind == CEL_INT) {
        if (args[0].i64 < TIME_MIN || args[0].i64 > TIME_MAX)
            value_fail_static(out, &range);
        else
            *out = (struct cel_value){.kind = CEL_TIMESTAMP, .time = {.seconds = args[0].i64}};
    } else if (!time_parse(args[0].bytes, out)) {
        wrong_text(activation, args[0].bytes, "timestamp within range, such as 2026-01-01T00:00:00Z", out);
    }
}

FUNCTION(fn_duration) {
    (void)node;
    if (!duration_parse(args[0].bytes, out))
        wrong_text(activation, args[0].bytes, "duration within range, such as 1h30m or 1.5s", out);
}

static const char *type_of(const struct cel_value *value) {
    switch (value->kind) {
    case CEL_NULL:
        return "null_type";
    case CEL_TIMESTAMP:
        return "google.protobuf.Timestamp";
    case CEL_DURATION:
        return "google.protobuf.Duration";
    case CEL_MESSAGE:
        return value->message.type->full_name;
    default:
        return cel_kind_name(value->kind);
    }
}

FUNCTION(fn_type) {
    (void)node;
    (void)activation;
    value_set_bytes(out, CEL_TYPE, bytes_of_string(type_of(&args[0])));
}
