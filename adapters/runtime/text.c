#include "adapters/runtime/text.h"

#include "adapters/runtime/moment.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define NUMBER_SIZE 64 // characters of a number, at most

const char *const text_type_names[] = {"string", "int", "double", "bool", "decimal", "date", "time", NULL};

static bool read_scale(const struct config_node *mapping, struct text_form *form, struct report *report) {
    int64_t scale = 2;
    const struct config_node *node = config_get(mapping, "scale");
    if (!config_read_int(mapping, "scale", 0, 9, &scale, report))
        return false;
    if (node && form->type != TEXT_DECIMAL) {
        config_error(node, report, "only a decimal has a scale; say type: decimal");
        return false;
    }
    form->scale = (unsigned)scale;
    return true;
}

static bool read_format(const struct config_node *mapping, struct text_form *form, struct report *report) {
    const char *pattern = NULL, *wrong;
    const struct config_node *node = config_get(mapping, "format");
    if (!config_read_string(mapping, "format", &pattern, report))
        return false;
    if (!pattern)
        return true;
    if (form->type != TEXT_DATE && form->type != TEXT_TIME) {
        config_error(node, report, "only a date or time has a format; say type: date or type: time");
        return false;
    }
    wrong = moment_check_pattern(pattern, form->type == TEXT_TIME);
    if (wrong) {
        config_error(node, report, "%s", wrong);
        return false;
    }
    form->pattern = pattern;
    return true;
}

bool text_form_read(const struct config_node *mapping, struct text_form *form, struct report *report) {
    size_t type = form->type;
    struct text_form read = *form;
    if (!config_read_choice(mapping, "type", text_type_names, &type, report))
        return false;
    read.type = (enum text_type)type;
    bool fine = read_scale(mapping, &read, report);
    if (!read_format(mapping, &read, report) || !fine)
        return false;
    *form = read;
    return true;
}

// ---- Reading ----

static bool is_blank(uint8_t c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct bytes trim(struct bytes text) {
    while (text.size > 0 && is_blank(text.data[0])) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && is_blank(text.data[text.size - 1]))
        text.size--;
    return text;
}

// A NUL-terminated copy for the C library; false when it doesn't fit or has a NUL inside.
static bool number_text(struct bytes text, char out[NUMBER_SIZE]) {
    if (text.size == 0 || text.size >= NUMBER_SIZE || memchr(text.data, '\0', text.size))
        return false;
    memcpy(out, text.data, text.size);
    out[text.size] = '\0';
    return true;
}

static int read_int(struct bytes text, int64_t *out, struct error *error) {
    char copy[NUMBER_SIZE], *end;
    if (number_text(text, copy)) {
        errno = 0;
        long long value = strtoll(copy, &end, 10);
        if (*end == '\0' && end != copy && errno == 0) {
            *out = value;
            return 0;
        }
    }
    return error_set(error, TEXT_BAD, "must be a whole number");
}

static int read_double(struct bytes text, double *out, struct error *error) {
    char copy[NUMBER_SIZE], *end;
    if (number_text(text, copy)) {
        double value = strtod(copy, &end);
        if (*end == '\0' && end != copy && isfinite(value)) {
            *out = value;
            return 0;
        }
    }
    return error_set(error, TEXT_BAD, "must be a number");
}

static int read_bool(struct bytes text, int64_t *out, struct error *error) {
    static const char *const words[][2] = {
        {"0", "1"}, {"false", "true"}, {"f", "t"}, {"no", "yes"}, {"n", "y"}, {"否", "是"}};
    char copy[NUMBER_SIZE];
    if (number_text(text, copy))
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
            for (int value = 0; value < 2; value++)
                if (strcasecmp(copy, words[i][value]) == 0) {
                    *out = value;
                    return 0;
                }
    return error_set(error, TEXT_BAD, "must be yes or no (0 1, true false, t f, yes no, y n, 是 否)");
}

// Adds a digit; false when the number gets too large.
static bool push_digit(int64_t *value, int digit) {
    return !__builtin_mul_overflow(*value, (int64_t)10, value) &&
           !__builtin_add_overflow(*value, (int64_t)digit, value);
}

static int bad_decimal(unsigned scale, struct error *error) {
    return error_set(error, TEXT_BAD,
        "must be an amount with at most %u digits behind the point, such as \"1,234%s%.*s\"", scale,
        scale ? "." : "", (int)scale, "500000000");
}

// [+-]digits, with commas between groups of three, then the point and at most `scale` digits.
static int read_decimal(struct bytes text, unsigned scale, int64_t *out, struct error *error) {
    int64_t value = 0;
    size_t i = 0, digits = 0;
    unsigned behind = 0;
    bool point = false, minus = text.size > 0 && text.data[0] == '-';
    if (text.size > 0 && (minus || text.data[0] == '+'))
        i++;
    for (; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (c == '.' && !point) {
            point = true;
        } else if (c == ',' && !point && digits > 0) {
            continue;
        } else if (c >= '0' && c <= '9' && (!point || behind < scale) && push_digit(&value, c - '0')) {
            digits++;
            behind += point;
        } else {
            return bad_decimal(scale, error);
        }
    }
    for (; behind < scale; behind++)
        if (!push_digit(&value, 0))
            return bad_decimal(scale, error);
    if (digits == 0)
        return bad_decimal(scale, error);
    *out = minus ? -value : value;
    return 0;
}

static int bad_moment(const struct text_form *form, struct error *error) {
    const char *what = form->type == TEXT_DATE ? "a date" : "a time";
    if (form->pattern)
        return error_set(error, TEXT_BAD, "must be %s as %s", what, form->pattern);
    return error_set(error, TEXT_BAD, "must be %s, such as %s", what,
        form->type == TEXT_DATE ? "2026-11-24, 2026/11/24 or 20261124"
                                : "2026-11-24 09:30:00 or 20261124093000");
}

static bool read_moment(const struct text_form *form, struct bytes text, struct moment *out) {
    return form->pattern ? moment_read_pattern(text, form->pattern, form->zone, out)
                         : moment_read(text, form->zone, out);
}

static int append_moment(
    const struct text_form *form, struct bytes text, struct buffer *out, struct error *error) {
    struct moment moment;
    if (!read_moment(form, text, &moment))
        return bad_moment(form, error);
    int rc =
        form->type == TEXT_DATE ? moment_write(&moment, "%Y-%m-%d", out) : moment_write_rfc3339(&moment, out);
    return rc ? error_no_memory(error) : 0;
}

int text_read(const struct text_form *form, struct bytes text, int64_t *i64, double *f64, struct buffer *out,
    struct error *error) {
    struct bytes trimmed = trim(text);
    switch (form->type) {
    case TEXT_INT:
        return read_int(trimmed, i64, error);
    case TEXT_DOUBLE:
        return read_double(trimmed, f64, error);
    case TEXT_BOOL:
        return read_bool(trimmed, i64, error);
    case TEXT_DECIMAL:
        return read_decimal(trimmed, form->scale, i64, error);
    case TEXT_DATE:
    case TEXT_TIME:
        return append_moment(form, trimmed, out, error);
    case TEXT_STRING:
        break;
    }
    return buffer_append_bytes(out, text) ? error_no_memory(error) : 0;
}

// ---- Writing ----

static int write_decimal(int64_t value, unsigned scale, struct buffer *out) {
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    uint64_t unit = 1;
    for (unsigned i = 0; i < scale; i++)
        unit *= 10;
    if (scale == 0)
        return buffer_append_format(out, "%s%" PRIu64, value < 0 ? "-" : "", magnitude);
    return buffer_append_format(out, "%s%" PRIu64 ".%0*" PRIu64, value < 0 ? "-" : "", magnitude / unit,
        (int)scale, magnitude % unit);
}

static int write_moment(const struct text_form *form, const struct moment *moment, struct buffer *out) {
    const char *usual = form->type == TEXT_DATE ? "%Y-%m-%d" : "%Y-%m-%d %H:%M:%S";
    return moment_write(moment, form->pattern ? form->pattern : usual, out);
}

// A string that the form reads some other way: dates are respelled, the rest must be what it says.
static int write_string(
    const struct text_form *form, struct bytes text, struct buffer *out, struct error *error) {
    struct moment moment;
    struct bytes trimmed = trim(text);
    if (form->type == TEXT_STRING || trimmed.size == 0)
        return buffer_append_bytes(out, form->type == TEXT_STRING ? text : trimmed);
    if (form->type == TEXT_DATE || form->type == TEXT_TIME) {
        if (!moment_read(trimmed, form->zone, &moment))
            return bad_moment(form, error);
        if (form->type == TEXT_TIME) // in the system's own zone
            moment = moment_of(moment_seconds(&moment), moment.nanos, form->zone);
        return write_moment(form, &moment, out);
    }
    int64_t i64 = 0;
    double f64 = 0;
    int rc = text_read(form, trimmed, &i64, &f64, out, error);
    if (rc)
        return rc;
    return form->type == TEXT_DECIMAL ? write_decimal(i64, form->scale, out)
                                      : buffer_append_bytes(out, trimmed);
}

static int write_int(const struct text_form *form, int64_t value, struct buffer *out) {
    return form->type == TEXT_DECIMAL ? write_decimal(value, form->scale, out)
                                      : buffer_append_format(out, "%" PRId64, value);
}

// The shortest digits that read back as the same number.
static int write_double(double value, struct buffer *out) {
    char digits[40];
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value)
            break;
    }
    return buffer_append_string(out, digits);
}

static int write_value(
    const struct text_form *form, const struct cel_value *value, struct buffer *out, struct error *error) {
    struct moment moment;
    switch (value->kind) {
    case CEL_NULL:
        return 0;
    case CEL_BOOL:
        return buffer_append_string(out, value->boolean ? "1" : "0");
    case CEL_INT:
    case CEL_ENUM:
        return write_int(form, value->i64, out);
    case CEL_UINT:
        return value->u64 <= INT64_MAX ? write_int(form, (int64_t)value->u64, out)
                                       : buffer_append_format(out, "%" PRIu64, value->u64);
    case CEL_DOUBLE:
        return form->type == TEXT_DECIMAL ? buffer_append_format(out, "%.*f", (int)form->scale, value->f64)
                                          : write_double(value->f64, out);
    case CEL_STRING:
        return write_string(form, value->bytes, out, error);
    case CEL_TIMESTAMP:
        moment = moment_of(value->time.seconds, value->time.nanos, form->zone);
        return form->type == TEXT_DATE || form->type == TEXT_TIME ? write_moment(form, &moment, out)
                                                                  : moment_write_rfc3339(&moment, out);
    default:
        return error_set(error, TEXT_BAD, "a list, map, message or bytes can't be written as a text");
    }
}

int text_write(
    const struct text_form *form, const struct cel_value *value, struct buffer *out, struct error *error) {
    size_t before = out->size;
    int rc = write_value(form, value, out, error);
    if (rc)
        out->size = before;
    return rc == -ENOMEM ? error_no_memory(error) : rc;
}
