#include "adapters/connectors/text/form.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

const char *const form_names[] = {"string", "int", "double", "bool", "date", "time", "yuan", NULL};

#define TEXT_LIMIT 64 // of numbers, dates, times

static const char *pattern_of(const struct form *form) {
    if (form->pattern)
        return form->pattern;
    return form->kind == FORM_DATE ? "%Y-%m-%d" : "%Y-%m-%d %H:%M:%S";
}

enum cel_kind form_value_kind(enum form_kind kind) {
    switch (kind) {
    case FORM_INT:
    case FORM_YUAN:
        return CEL_INT;
    case FORM_DOUBLE:
        return CEL_DOUBLE;
    case FORM_BOOL:
        return CEL_BOOL;
    default:
        return CEL_STRING;
    }
}

// The text with a NUL behind it; false when it is too long or empty.
static bool terminate(struct bytes text, char out[TEXT_LIMIT]) {
    if (text.size == 0 || text.size >= TEXT_LIMIT || memchr(text.data, 0, text.size))
        return false;
    memcpy(out, text.data, text.size);
    out[text.size] = '\0';
    return true;
}

static int read_int(const char *text, struct cel_value *out, struct error *error) {
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (*end || errno || text[0] == ' ' || text[0] == '+')
        return error_set(error, FORM_BAD, "is no whole number");
    *out = (struct cel_value){.kind = CEL_INT, .i64 = value};
    return 0;
}

static int read_double(const char *text, struct cel_value *out, struct error *error) {
    char *end = NULL;
    double value = strtod(text, &end);
    if (*end || text[strspn(text, "0123456789+-.eE")] || !isfinite(value))
        return error_set(error, FORM_BAD, "is no number");
    *out = (struct cel_value){.kind = CEL_DOUBLE, .f64 = value};
    return 0;
}

static int read_bool(const char *text, struct cel_value *out, struct error *error) {
    static const char *const yes[] = {"true", "1", "Y", "y", "是"};
    static const char *const no[] = {"false", "0", "N", "n", "否"};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        if (strcmp(text, yes[i]) != 0 && strcmp(text, no[i]) != 0)
            continue;
        *out = (struct cel_value){.kind = CEL_BOOL, .boolean = strcmp(text, yes[i]) == 0};
        return 0;
    }
    return error_set(error, FORM_BAD, "is neither yes (true 1 Y 是) nor no (false 0 N 否)");
}

// Digits, and at most two more behind a point.
static int read_yuan(const char *text, struct cel_value *out, struct error *error) {
    const char *p = text + (*text == '-');
    size_t whole = strspn(p, "0123456789");
    const char *point = p + whole;
    size_t cents = *point == '.' ? strspn(point + 1, "0123456789") : 0;
    bool ended = *point == '\0' || (*point == '.' && cents >= 1 && cents <= 2 && point[1 + cents] == '\0');
    if (whole == 0 || whole > 15 || !ended)
        return error_set(error, FORM_BAD, "is no amount in yuan, such as 1234.50");
    int64_t fen = strtoll(p, NULL, 10) * 100;
    if (cents)
        fen += (point[1] - '0') * 10 + (cents == 2 ? point[2] - '0' : 0);
    *out = (struct cel_value){.kind = CEL_INT, .i64 = *text == '-' ? -fen : fen};
    return 0;
}

// strptime takes 31 February: only what comes back the same is a date.
static bool parse_time(const char *text, const char *pattern, struct tm *out) {
    struct tm parsed = {.tm_mday = 1, .tm_isdst = -1};
    const char *end = strptime(text, pattern, &parsed);
    if (!end || *end)
        return false;
    struct tm normal = parsed;
    normal.tm_isdst = 0;
    if (timegm(&normal) == (time_t)-1 && normal.tm_year != 69)
        return false;
    if (normal.tm_mday != parsed.tm_mday || normal.tm_mon != parsed.tm_mon || parsed.tm_year < -1900 ||
        parsed.tm_year > 8099)
        return false;
    *out = parsed;
    out->tm_isdst = -1;
    return true;
}

// The pattern is the integrator's, and strftime is safe with any.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static size_t format_time(const char *pattern, const struct tm *time, char out[TEXT_LIMIT * 2]) {
    return strftime(out, (size_t)TEXT_LIMIT * 2, pattern, time);
}
#pragma GCC diagnostic pop

static int append_formatted(const char *pattern, const struct tm *time, struct buffer *out) {
    char text[TEXT_LIMIT * 2];
    size_t size = format_time(pattern, time, text);
    return buffer_append(out, text, size);
}

static int read_time(const struct form *form, const char *text, struct buffer *scratch, struct cel_value *out,
    struct error *error) {
    struct tm time;
    if (!parse_time(text, pattern_of(form), &time)) {
        struct tm example = {.tm_year = 126, .tm_mon = 10, .tm_mday = 24, .tm_hour = 9, .tm_min = 30};
        char sample[TEXT_LIMIT * 2] = "";
        format_time(pattern_of(form), &example, sample);
        return error_set(
            error, FORM_BAD, "is no %s such as %s", form->kind == FORM_DATE ? "date" : "time", sample);
    }
    size_t start = scratch->size;
    if (form->kind == FORM_TIME) {
        time_t seconds = mktime(&time);
        gmtime_r(&seconds, &time);
    }
    const char *pattern = form->kind == FORM_DATE ? "%Y-%m-%d" : "%Y-%m-%dT%H:%M:%SZ";
    if (buffer_reserve(scratch, TEXT_LIMIT) != 0 || append_formatted(pattern, &time, scratch) != 0)
        return error_no_memory(error);
    *out = (struct cel_value){
        .kind = CEL_STRING, .bytes = bytes_of(scratch->data + start, scratch->size - start)};
    return 0;
}

int form_read(const struct form *form, struct bytes text, struct buffer *scratch, struct cel_value *out,
    struct error *error) {
    char copy[TEXT_LIMIT];
    if (form->kind == FORM_STRING) {
        *out = (struct cel_value){.kind = CEL_STRING, .bytes = text};
        return 0;
    }
    if (!terminate(text, copy))
        return error_set(error, FORM_BAD, text.size ? "is too long for a %s" : "is empty, not a %s",
            form_names[form->kind]);
    switch (form->kind) {
    case FORM_INT:
        return read_int(copy, out, error);
    case FORM_DOUBLE:
        return read_double(copy, out, error);
    case FORM_BOOL:
        return read_bool(copy, out, error);
    case FORM_YUAN:
        return read_yuan(copy, out, error);
    default:
        return read_time(form, copy, scratch, out, error);
    }
}

static int write_yuan(const struct cel_value *value, struct buffer *out, struct error *error) {
    if (value->kind != CEL_INT)
        return error_set(error, FORM_BAD, "yuan are written from an integer of fen");
    uint64_t fen = value->i64 < 0 ? 0 - (uint64_t)value->i64 : (uint64_t)value->i64;
    return buffer_append_format(out, "%s%llu.%02llu", value->i64 < 0 ? "-" : "",
               (unsigned long long)(fen / 100), (unsigned long long)(fen % 100))
               ? error_no_memory(error)
               : 0;
}

static int write_time(
    const struct form *form, const struct cel_value *value, struct buffer *out, struct error *error) {
    struct tm time = {0};
    char text[TEXT_LIMIT];
    bool from_text = value->kind == CEL_STRING;
    const char *read_as = form->kind == FORM_DATE ? "%Y-%m-%d" : "%Y-%m-%dT%H:%M:%SZ";
    if (from_text && value->bytes.size == 0)
        return 0;
    if (from_text && (!terminate(value->bytes, text) || !parse_time(text, read_as, &time)))
        return error_set(
            error, FORM_BAD, "is no %s", form->kind == FORM_DATE ? "date YYYY-MM-DD" : "time (RFC 3339)");
    if (!from_text && value->kind != CEL_TIMESTAMP)
        return error_set(error, FORM_BAD, "a date or time is written from a timestamp or a text");
    if (!from_text || form->kind == FORM_TIME) {
        time_t seconds = from_text ? timegm(&time) : (time_t)value->time.seconds;
        localtime_r(&seconds, &time);
    }
    return append_formatted(pattern_of(form), &time, out) ? error_no_memory(error) : 0;
}

static int write_plain(const struct cel_value *value, struct buffer *out) {
    struct tm time;
    time_t seconds = 0;
    switch (value->kind) {
    case CEL_NULL:
        return 0;
    case CEL_STRING:
        return buffer_append_bytes(out, value->bytes);
    case CEL_BOOL:
        return buffer_append_string(out, value->boolean ? "true" : "false");
    case CEL_INT:
        return buffer_append_format(out, "%lld", (long long)value->i64);
    case CEL_UINT:
        return buffer_append_format(out, "%llu", (unsigned long long)value->u64);
    case CEL_DOUBLE:
        return isfinite(value->f64) ? buffer_append_format(out, "%.17g", value->f64) : FORM_BAD;
    case CEL_TIMESTAMP:
        seconds = (time_t)value->time.seconds;
        gmtime_r(&seconds, &time);
        return append_formatted("%Y-%m-%dT%H:%M:%SZ", &time, out);
    default:
        return FORM_BAD;
    }
}

int form_write(
    const struct form *form, const struct cel_value *value, struct buffer *out, struct error *error) {
    if (value->kind == CEL_NULL)
        return 0;
    if (form->kind == FORM_DATE || form->kind == FORM_TIME)
        return write_time(form, value, out, error);
    if (form->kind == FORM_YUAN)
        return write_yuan(value, out, error);
    int rc = write_plain(value, out);
    if (rc == FORM_BAD)
        return error_set(error, FORM_BAD, "has no form as text");
    return rc ? error_no_memory(error) : 0;
}

bool form_takes(enum form_kind form, enum cel_kind kind) {
    if (kind == CEL_DYN || kind == CEL_NULL)
        return true;
    if (form == FORM_DATE || form == FORM_TIME)
        return kind == CEL_STRING || kind == CEL_TIMESTAMP;
    if (form == FORM_YUAN)
        return kind == CEL_INT;
    return kind == CEL_STRING || kind == CEL_BOOL || kind == CEL_INT || kind == CEL_UINT ||
           kind == CEL_DOUBLE || kind == CEL_TIMESTAMP || kind == CEL_ENUM;
}
