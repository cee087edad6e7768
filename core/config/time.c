#include "core/config/internal.h"

#include <stdio.h>

// RFC 3339: 2026-03-01T08:00:00+08:00, or its date alone.

// `count` digits at `*at`, which moves on.
static bool digits(struct bytes text, size_t *at, size_t count, int64_t *out) {
    int64_t value = 0;
    if (text.size - *at < count)
        return false;
    for (size_t i = 0; i < count; i++) {
        uint8_t c = text.data[*at + i];
        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (c - '0');
    }
    *at += count;
    *out = value;
    return true;
}

static bool sign(struct bytes text, size_t *at, char wanted) {
    if (*at >= text.size || text.data[*at] != (uint8_t)wanted)
        return false;
    ++*at;
    return true;
}

static int64_t days_in_month(int64_t year, int64_t month) {
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

// Days since 1970-01-01 in the Gregorian calendar; years count from March, so that the leap day comes last.
static int64_t days_since_epoch(int64_t year, int64_t month, int64_t day) {
    int64_t shifted = month > 2 ? year : year - 1;
    int64_t era = (shifted >= 0 ? shifted : shifted - 399) / 400;
    int64_t year_of_era = shifted - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static bool parse_date(struct bytes text, size_t *at, int64_t *out, bool *no_such_day) {
    int64_t year;
    int64_t month;
    int64_t day;
    if (!digits(text, at, 4, &year) || !sign(text, at, '-') || !digits(text, at, 2, &month) ||
        !sign(text, at, '-') || !digits(text, at, 2, &day))
        return false;
    *no_such_day = month < 1 || month > 12 || day < 1 || day > days_in_month(year, month);
    *out = *no_such_day ? 0 : days_since_epoch(year, month, day) * 86400;
    return true;
}

static bool parse_clock(struct bytes text, size_t *at, int64_t *out) {
    int64_t hour;
    int64_t minute;
    int64_t second;
    int64_t fraction;
    if (!digits(text, at, 2, &hour) || !sign(text, at, ':') || !digits(text, at, 2, &minute) ||
        !sign(text, at, ':') || !digits(text, at, 2, &second))
        return false;
    if (sign(text, at, '.')) {
        if (!digits(text, at, 1, &fraction))
            return false;
        while (digits(text, at, 1, &fraction))
            continue;
    }
    *out = hour * 3600 + minute * 60 + second;
    return hour < 24 && minute < 60 && second < 60;
}

static bool parse_zone(struct bytes text, size_t *at, int64_t *out) {
    int64_t hour;
    int64_t minute;
    *out = 0;
    if (sign(text, at, 'Z'))
        return true;
    bool minus = sign(text, at, '-');
    if (!minus && !sign(text, at, '+'))
        return false;
    if (!digits(text, at, 2, &hour) || !sign(text, at, ':') || !digits(text, at, 2, &minute) || hour > 23 ||
        minute > 59)
        return false;
    *out = (hour * 3600 + minute * 60) * (minus ? -1 : 1);
    return true;
}

static bool parse_time(struct bytes text, int64_t *out, bool *no_such_day) {
    size_t at = 0;
    int64_t clock = 0;
    int64_t zone = 0;
    *no_such_day = false;
    if (!parse_date(text, &at, out, no_such_day))
        return false;
    if (at < text.size &&
        (!sign(text, &at, 'T') || !parse_clock(text, &at, &clock) || !parse_zone(text, &at, &zone)))
        return false;
    *out += clock - zone;
    return at == text.size;
}

#define DATE_SIZE 40 // of three numbers, however large

// "2026/3/1", "2026年3月1日": year, month and day with anything that is no digit between them.
static bool date_meant(struct bytes text, char out[DATE_SIZE]) {
    unsigned parts[3] = {0};
    size_t part = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        bool digit = c >= '0' && c <= '9';
        bool starts = digit && i > 0 && !(text.data[i - 1] >= '0' && text.data[i - 1] <= '9');
        if (starts && ++part > 2)
            return false;
        if (digit && parts[part] < 10000)
            parts[part] = parts[part] * 10 + (c - '0');
    }
    if (part != 2 || parts[0] < 1000 || parts[0] > 9999 || parts[1] < 1 || parts[1] > 12 || parts[2] < 1 ||
        parts[2] > days_in_month(parts[0], parts[1]))
        return false;
    snprintf(out, DATE_SIZE, "%04u-%02u-%02u", parts[0], parts[1], parts[2]);
    return true;
}

static void refuse_time(const struct config_node *node, struct report *report) {
    char meant[DATE_SIZE];
    if (config_full_width(node, report))
        return;
    if (date_meant(node->text, meant))
        config_error(
            node, report, "\"%.*s\" is no date or time; did you mean \"%s\"?", BYTES_ARGS(node->text), meant);
    else
        config_error(node, report,
            "\"%.*s\" is no date or time; write 2026-03-01, or 2026-03-01T08:00:00+08:00",
            BYTES_ARGS(node->text));
}

bool config_read_time(
    const struct config_node *mapping, const char *key, int64_t *out, struct report *report) {
    bool fine;
    bool no_such_day;
    int64_t value;
    const struct config_node *node = read_scalar(mapping, key, "a date or time", &fine, report);
    if (!node)
        return fine;
    if (!parse_time(node->text, &value, &no_such_day)) {
        refuse_time(node, report);
        return false;
    }
    if (no_such_day) {
        config_error(node, report, "there is no such day as %.10s", (const char *)node->text.data);
        return false;
    }
    *out = value;
    return true;
}
