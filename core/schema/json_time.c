// Timestamp and Duration as texts (RFC 3339; seconds with a fraction).
#include "core/schema/json_text.h"

#include <errno.h>

#define SECONDS_MIN (-62135596800) // 0001-01-01T00:00:00Z
#define SECONDS_MAX 253402300799   // 9999-12-31T23:59:59Z
#define DURATION_MAX 315576000000  // 10,000 years
#define DAY 86400

// Days since 1970-01-01 of a day in the proleptic Gregorian calendar: years start in March, so that leap days
// come last.
static int64_t days_of(int64_t year, int64_t month, int64_t day) {
    year -= month <= 2;
    int64_t era = year / 400, of_era = year % 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void day_of(int64_t days, int64_t *year, int64_t *month, int64_t *day) {
    days += 719468; // never negative here
    int64_t era = days / 146097, of_era = days % 146097;
    int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * y + y / 4 - y / 100);
    int64_t m = (5 * of_year + 2) / 153;
    *day = of_year - (153 * m + 2) / 5 + 1;
    *month = m < 10 ? m + 3 : m - 9;
    *year = y + era * 400 + (*month <= 2);
}

static int64_t days_in(int64_t year, int64_t month) {
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap);
}

// Exactly `count` digits off the front.
static bool digits(struct bytes *text, size_t count, int64_t *out) {
    if (text->size < count)
        return false;
    *out = 0;
    for (size_t i = 0; i < count; i++) {
        if (text->data[i] < '0' || text->data[i] > '9')
            return false;
        *out = *out * 10 + (text->data[i] - '0');
    }
    *text = bytes_of(text->data + count, text->size - count);
    return true;
}

static bool literal(struct bytes *text, char c) {
    if (text->size == 0 || text->data[0] != (uint8_t)c)
        return false;
    *text = bytes_of(text->data + 1, text->size - 1);
    return true;
}

// ".5" as nanoseconds; nothing is fine.
static bool fraction(struct bytes *text, int32_t *nanos) {
    *nanos = 0;
    if (!literal(text, '.'))
        return true;
    int32_t unit = 100000000;
    size_t count = 0;
    int64_t digit;
    while (text->size && text->data[0] >= '0' && text->data[0] <= '9' && digits(text, 1, &digit)) {
        if (++count > 9)
            return false;
        *nanos += (int32_t)digit * unit;
        unit /= 10;
    }
    return count > 0;
}

static bool zone(struct bytes *text, int64_t *offset) {
    int64_t hours, minutes;
    *offset = 0;
    if (literal(text, 'Z'))
        return true;
    bool minus = text->size && text->data[0] == '-';
    if (!literal(text, '+') && !literal(text, '-'))
        return false;
    if (!digits(text, 2, &hours) || !literal(text, ':') || !digits(text, 2, &minutes) || hours > 23 ||
        minutes > 59)
        return false;
    *offset = (hours * 60 + minutes) * (minus ? -60 : 60);
    return true;
}

int json_read_timestamp(struct bytes text, struct json_time *out) {
    int64_t year, month, day, hour, minute, second, offset;
    int32_t nanos;
    if (!digits(&text, 4, &year) || !literal(&text, '-') || !digits(&text, 2, &month) ||
        !literal(&text, '-') || !digits(&text, 2, &day) || !literal(&text, 'T') || !digits(&text, 2, &hour) ||
        !literal(&text, ':') || !digits(&text, 2, &minute) || !literal(&text, ':') ||
        !digits(&text, 2, &second) || !fraction(&text, &nanos) || !zone(&text, &offset) || text.size != 0)
        return -EINVAL;
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > days_in(year, month) || hour > 23 ||
        minute > 59 || second > 59)
        return -ERANGE;
    int64_t seconds = days_of(year, month, day) * DAY + hour * 3600 + minute * 60 + second - offset;
    if (seconds < SECONDS_MIN || seconds > SECONDS_MAX)
        return -ERANGE;
    *out = (struct json_time){.seconds = seconds, .nanos = nanos};
    return 0;
}

int json_read_duration(struct bytes text, struct json_time *out) {
    bool minus = literal(&text, '-');
    int64_t seconds = 0, digit;
    int32_t nanos;
    size_t count = 0;
    while (text.size && text.data[0] >= '0' && text.data[0] <= '9' && digits(&text, 1, &digit)) {
        count++;
        seconds = seconds > DURATION_MAX ? seconds : seconds * 10 + digit;
    }
    if (count == 0 || !fraction(&text, &nanos) || !literal(&text, 's') || text.size != 0)
        return -EINVAL;
    if (seconds > DURATION_MAX || (seconds == DURATION_MAX && nanos))
        return -ERANGE;
    *out = (struct json_time){.seconds = minus ? -seconds : seconds, .nanos = minus ? -nanos : nanos};
    return 0;
}

// None, three, six or nine digits.
static int put_fraction(struct buffer *out, int32_t nanos) {
    if (nanos == 0)
        return 0;
    if (nanos % 1000000 == 0)
        return buffer_append_format(out, ".%03d", nanos / 1000000);
    if (nanos % 1000 == 0)
        return buffer_append_format(out, ".%06d", nanos / 1000);
    return buffer_append_format(out, ".%09d", nanos);
}

// The digits that end before `end`, where zeros stand.
static void put_digits(char *end, int64_t value) {
    for (; value; value /= 10)
        *--end = (char)('0' + value % 10);
}

int json_put_timestamp(struct buffer *out, struct json_time time) {
    if (time.seconds < SECONDS_MIN || time.seconds > SECONDS_MAX || time.nanos < 0 || time.nanos > 999999999)
        return -ERANGE;
    int64_t year, month, day, from_first = time.seconds - SECONDS_MIN;
    int64_t of_day = from_first % DAY;
    day_of(from_first / DAY + SECONDS_MIN / DAY, &year, &month, &day);
    char text[] =
        "\"0000-00-00T00:00:00"; // by hand: printf() would take a third of what a short message takes
    put_digits(text + 5, year);
    put_digits(text + 8, month);
    put_digits(text + 11, day);
    put_digits(text + 14, of_day / 3600);
    put_digits(text + 17, of_day / 60 % 60);
    put_digits(text + 20, of_day % 60);
    int rc = buffer_append(out, text, sizeof text - 1);
    if (rc == 0)
        rc = put_fraction(out, time.nanos);
    return rc == 0 ? buffer_append_string(out, "Z\"") : rc;
}

int json_put_duration(struct buffer *out, struct json_time time) {
    if (time.seconds < -DURATION_MAX || time.seconds > DURATION_MAX || time.nanos < -999999999 ||
        time.nanos > 999999999 || (time.seconds > 0 && time.nanos < 0) ||
        (time.seconds < 0 && time.nanos > 0))
        return -ERANGE;
    bool minus = time.seconds < 0 || time.nanos < 0;
    long long seconds = minus ? -time.seconds : time.seconds;
    int rc = buffer_append_format(out, "\"%s%lld", minus ? "-" : "", seconds);
    if (rc == 0)
        rc = put_fraction(out, minus ? -time.nanos : time.nanos);
    return rc == 0 ? buffer_append_string(out, "s\"") : rc;
}
