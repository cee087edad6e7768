#include "core/cel/zone_rule.h"

#include "core/cel/time.h"

#define DAY 86400

static uint8_t look(const struct bytes *rest) {
    return rest->size > 0 ? rest->data[0] : 0;
}

static bool is_letter(uint8_t c) {
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool is_digit(uint8_t c) {
    return c >= '0' && c <= '9';
}

static void skip(struct bytes *rest) {
    *rest = bytes_of(rest->data + 1, rest->size - 1);
}

static bool take(struct bytes *rest, char c) {
    bool there = look(rest) == (uint8_t)c;
    if (there)
        skip(rest);
    return there;
}

static bool take_number(struct bytes *rest, unsigned most, unsigned *out) {
    unsigned value = 0;
    if (!is_digit(look(rest)))
        return false;
    for (; is_digit(look(rest)) && value <= most; skip(rest))
        value = value * 10 + (unsigned)(look(rest) - '0');
    *out = value;
    return value <= most;
}

// "CET", "<+08>"
static bool take_name(struct bytes *rest) {
    size_t count = 0;
    bool quoted = take(rest, '<');
    for (;
        is_letter(look(rest)) || (quoted && (is_digit(look(rest)) || look(rest) == '+' || look(rest) == '-'));
        skip(rest))
        count++;
    return count >= 3 && (!quoted || take(rest, '>'));
}

// "[+-]hh[:mm[:ss]]", up to 167 hours
static bool take_time(struct bytes *rest, int32_t *out) {
    unsigned parts[3] = {0, 0, 0};
    bool negative = take(rest, '-');
    if (!negative)
        take(rest, '+');
    if (!take_number(rest, 167, &parts[0]))
        return false;
    for (size_t i = 1; i < 3 && take(rest, ':'); i++)
        if (!take_number(rest, 59, &parts[i]))
            return false;
    int32_t seconds = (int32_t)(parts[0] * 3600 + parts[1] * 60 + parts[2]);
    *out = negative ? -seconds : seconds;
    return true;
}

// POSIX counts westwards.
static bool take_offset(struct bytes *rest, int32_t *out) {
    int32_t west;
    if (!take_time(rest, &west) || west > 25 * 3600 || west < -25 * 3600)
        return false;
    *out = -west;
    return true;
}

// ",M3.5.0/2"
static bool take_day(struct bytes *rest, struct zone_day *out) {
    *out = (struct zone_day){.kind = ZONE_DAY_COUNT, .time = 2 * 3600};
    bool ok = take(rest, ',');
    if (ok && take(rest, 'M')) {
        out->kind = ZONE_DAY_WEEK;
        ok = take_number(rest, 12, &out->month) && take(rest, '.') && take_number(rest, 5, &out->week) &&
             take(rest, '.') && take_number(rest, 6, &out->day) && out->month > 0 && out->week > 0;
    } else if (ok && take(rest, 'J')) {
        out->kind = ZONE_DAY_JULIAN;
        ok = take_number(rest, 365, &out->day) && out->day > 0;
    } else if (ok) {
        ok = take_number(rest, 365, &out->day);
    }
    return ok && (!take(rest, '/') || take_time(rest, &out->time));
}

bool zone_rule_parse(struct bytes text, struct zone_rule *out) {
    struct zone_rule rule = {0};
    if (!take_name(&text) || !take_offset(&text, &rule.standard))
        return false;
    rule.changes = text.size > 0;
    rule.summer = rule.standard + 3600;
    if (rule.changes) {
        bool standard_hour = true;
        if (!take_name(&text))
            return false;
        standard_hour = look(&text) == ',';
        if ((!standard_hour && !take_offset(&text, &rule.summer)) || !take_day(&text, &rule.start) ||
            !take_day(&text, &rule.end))
            return false;
    }
    if (text.size > 0)
        return false;
    *out = rule;
    return true;
}

static bool is_leap(int64_t year) {
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

// Days since 1970 of the day in a year.
static int64_t day_in(const struct zone_day *day, int64_t year) {
    int64_t first = civil_days(year, 1, 1);
    if (day->kind == ZONE_DAY_COUNT)
        return first + day->day;
    if (day->kind == ZONE_DAY_JULIAN)
        return first + day->day - 1 + (is_leap(year) && day->day >= 60);
    int64_t start = civil_days(year, day->month, 1);
    int64_t next = day->month == 12 ? civil_days(year + 1, 1, 1) : civil_days(year, day->month + 1, 1);
    int64_t weekday = ((start + 4) % 7 + 7) % 7; // 1970-01-01 was a Thursday
    int64_t found = start + (day->day + 7 - weekday) % 7 + 7 * (int64_t)(day->week - 1);
    return found >= next ? found - 7 : found;
}

int32_t zone_rule_offset(const struct zone_rule *rule, int64_t seconds) {
    struct civil civil;
    if (!rule->changes)
        return rule->standard;
    civil_from_seconds(seconds + rule->standard, &civil);
    int64_t start = day_in(&rule->start, civil.year) * DAY + rule->start.time - rule->standard;
    int64_t end = day_in(&rule->end, civil.year) * DAY + rule->end.time - rule->summer;
    bool summer = start < end ? seconds >= start && seconds < end : seconds >= start || seconds < end;
    return summer ? rule->summer : rule->standard;
}
