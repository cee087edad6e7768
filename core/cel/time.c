#include "core/cel/time.h"

#include <stdio.h>

#define DAY ((int64_t)86400)
#define SECOND_NS ((int64_t)1000000000)

// Howard Hinnant's algorithm: eras of 400 years that start in March.
int64_t civil_days(int64_t year, unsigned month, unsigned day) {
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (int64_t)(month > 2 ? month - 3 : month + 9) + 2) / 5 + (int64_t)day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

void civil_from_seconds(int64_t seconds, struct civil *out) {
    int64_t days = seconds / DAY - (seconds % DAY < 0);
    int64_t rest = seconds - days * DAY;
    int64_t shifted = days + 719468;
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int64_t doe = shifted - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t month = (5 * doy + 2) / 153;
    out->day = (unsigned)(doy - (153 * month + 2) / 5 + 1);
    out->month = (unsigned)(month < 10 ? month + 3 : month - 9);
    out->year = yoe + era * 400 + (out->month <= 2);
    out->hour = (unsigned)(rest / 3600);
    out->minute = (unsigned)(rest % 3600 / 60);
    out->second = (unsigned)(rest % 60);
    out->day_of_year = (unsigned)(days - civil_days(out->year, 1, 1));
    out->day_of_week = (unsigned)(((days + 4) % 7 + 7) % 7); // 1970-01-01 was a Thursday
}

static const struct cel_error out_of_range = {
    CEL_FAULT_OVERFLOW, "range error: a timestamp lies in the years 1 to 9999"};
static const struct cel_error too_long = {
    CEL_FAULT_OVERFLOW, "range error: a duration that is worked out is at most 292 years"};

// CEL works durations out in 64-bit nanoseconds.
static bool fits_nanoseconds(int64_t seconds, int64_t nanos) {
    __int128 whole = (__int128)seconds * SECOND_NS + nanos;
    return whole >= INT64_MIN && whole <= INT64_MAX;
}

void time_add(struct cel_activation *activation, const struct cel_value *a, const struct cel_value *b,
    int sign, enum cel_kind kind, struct cel_value *out) {
    (void)activation;
    int64_t seconds;
    int64_t nanos = a->time.nanos + (int64_t)sign * b->time.nanos;
    bool timestamp = kind == CEL_TIMESTAMP;
    bool overflow = sign > 0 ? __builtin_add_overflow(a->time.seconds, b->time.seconds, &seconds)
                             : __builtin_sub_overflow(a->time.seconds, b->time.seconds, &seconds);
    if (overflow || seconds > INT64_MAX - 4 || seconds < INT64_MIN + 4) {
        value_fail_static(out, timestamp ? &out_of_range : &too_long);
        return;
    }
    seconds += nanos / SECOND_NS;
    nanos %= SECOND_NS;
    // A timestamp's nanos count forward; a duration's have the sign of its seconds.
    if (nanos < 0 && (timestamp || seconds > 0)) {
        seconds--;
        nanos += SECOND_NS;
    } else if (nanos > 0 && !timestamp && seconds < 0) {
        seconds++;
        nanos -= SECOND_NS;
    }
    if (timestamp && (seconds < TIME_MIN || seconds > TIME_MAX))
        value_fail_static(out, &out_of_range);
    else if (!timestamp && !fits_nanoseconds(seconds, nanos))
        value_fail_static(out, &too_long);
    else
        *out = (struct cel_value){.kind = kind, .time = {.seconds = seconds, .nanos = (int32_t)nanos}};
}

// ---- Texts ----

static bool take_digits(struct bytes *rest, size_t count, unsigned *out) {
    unsigned value = 0;
    if (rest->size < count)
        return false;
    for (size_t i = 0; i < count; i++) {
        uint8_t c = rest->data[i];
        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (unsigned)(c - '0');
    }
    *rest = bytes_of(rest->data + count, rest->size - count);
    *out = value;
    return true;
}

static bool take(struct bytes *rest, char c) {
    if (rest->size == 0 || rest->data[0] != (uint8_t)c)
        return false;
    *rest = bytes_of(rest->data + 1, rest->size - 1);
    return true;
}

// Digits behind a dot, as nanoseconds; those beyond nine are cut.
static bool take_fraction(struct bytes *rest, int32_t *nanos) {
    int32_t unit = 100000000;
    unsigned digit;
    *nanos = 0;
    if (!take_digits(rest, 1, &digit))
        return false;
    do {
        *nanos += (int32_t)digit * unit;
        unit /= 10;
    } while (take_digits(rest, 1, &digit));
    return true;
}

static bool take_offset(struct bytes *rest, int64_t *seconds) {
    unsigned hours;
    unsigned minutes;
    bool west = take(rest, '-');
    if (!west)
        take(rest, '+');
    if (!take_digits(rest, 2, &hours) || !take(rest, ':') || !take_digits(rest, 2, &minutes) || hours > 23 ||
        minutes > 59)
        return false;
    *seconds = (int64_t)hours * 3600 + (int64_t)minutes * 60;
    if (west)
        *seconds = -*seconds;
    return true;
}

bool offset_parse(struct bytes text, int64_t *out) {
    if (bytes_equal_string(text, "UTC") || bytes_equal_string(text, "Z")) {
        *out = 0;
        return true;
    }
    return take_offset(&text, out) && text.size == 0;
}

static unsigned days_in(unsigned year, unsigned month) {
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap ? 1u : 0u);
}

bool time_parse(struct bytes text, struct cel_value *out) {
    unsigned year, month, day, hour, minute, second;
    int32_t nanos = 0;
    int64_t offset = 0;
    if (!take_digits(&text, 4, &year) || !take(&text, '-') || !take_digits(&text, 2, &month) ||
        !take(&text, '-') || !take_digits(&text, 2, &day) || !take(&text, 'T') ||
        !take_digits(&text, 2, &hour) || !take(&text, ':') || !take_digits(&text, 2, &minute) ||
        !take(&text, ':') || !take_digits(&text, 2, &second))
        return false;
    if (month < 1 || month > 12 || day < 1 || day > days_in(year, month) || hour > 23 || minute > 59 ||
        second > 59)
        return false;
    if (take(&text, '.') && !take_fraction(&text, &nanos))
        return false;
    bool zulu = take(&text, 'Z');
    if (!zulu &&
        (text.size == 0 || (text.data[0] != '+' && text.data[0] != '-') || !take_offset(&text, &offset)))
        return false;
    int64_t seconds = civil_days(year, month, day) * DAY + (int64_t)hour * 3600 + (int64_t)minute * 60 +
                      (int64_t)second - offset;
    if (text.size != 0 || seconds < TIME_MIN || seconds > TIME_MAX)
        return false;
    *out = (struct cel_value){.kind = CEL_TIMESTAMP, .time = {.seconds = seconds, .nanos = nanos}};
    return true;
}

// Nanoseconds of a unit, which is passed; 0: no unit.
static int64_t take_unit(struct bytes *rest) {
    static const struct {
        const char *name;
        int64_t nanos;
    } units[] = {{"ns", 1}, {"us", 1000}, {"\u00b5s", 1000}, {"\u03bcs", 1000}, {"ms", 1000000},
        {"s", SECOND_NS}, {"m", 60 * SECOND_NS}, {"h", 3600 * SECOND_NS}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        size_t size = strlen(units[i].name);
        if (rest->size >= size && memcmp(rest->data, units[i].name, size) == 0) {
            *rest = bytes_of(rest->data + size, rest->size - size);
            return units[i].nanos;
        }
    }
    return 0;
}

// "1.5h": adds to `*total`. More digits than 128 bits hold are refused.
static bool take_part(struct bytes *rest, __int128 *total) {
    __int128 whole = 0;
    int32_t billionths = 0;
    unsigned digit;
    bool digits = false;
    while (take_digits(rest, 1, &digit)) {
        digits = true;
        whole = whole * 10 + (int)digit;
        if (whole > (__int128)DURATION_MAX * SECOND_NS)
            return false;
    }
    if (take(rest, '.') && !(take_fraction(rest, &billionths) || digits))
        return false;
    if (!digits && billionths == 0)
        return false;
    int64_t unit = take_unit(rest);
    *total += whole * unit + (__int128)billionths * unit / SECOND_NS;
    return unit != 0 && *total <= (__int128)DURATION_MAX * SECOND_NS;
}

// Seconds and nanos of a duration have the same sign.
static bool valid(const struct cel_value *value) {
    int64_t seconds = value->time.seconds;
    int32_t nanos = value->time.nanos;
    if (value->kind == CEL_TIMESTAMP)
        return seconds >= TIME_MIN && seconds <= TIME_MAX && nanos >= 0 && nanos < SECOND_NS;
    return seconds >= -DURATION_MAX && seconds <= DURATION_MAX && nanos > -SECOND_NS && nanos < SECOND_NS &&
           (seconds <= 0 || nanos >= 0) && (seconds >= 0 || nanos <= 0);
}

void time_check(struct cel_value *value) {
    static const struct cel_error no_timestamp = {
        CEL_FAULT_ARGUMENT, "the timestamp is outside of the years 1 to 9999, or its nanos are wrong"};
    static const struct cel_error no_duration = {
        CEL_FAULT_ARGUMENT, "the duration is longer than 10,000 years, or its nanos are wrong"};
    if (!valid(value))
        value_fail_static(value, value->kind == CEL_TIMESTAMP ? &no_timestamp : &no_duration);
}

bool duration_parse(struct bytes text, struct cel_value *out) {
    __int128 total = 0;
    bool negative = take(&text, '-');
    if (!negative)
        take(&text, '+');
    if (text.size == 0)
        return false;
    if (!bytes_equal_string(text, "0"))
        while (text.size > 0)
            if (!take_part(&text, &total))
                return false;
    if (negative)
        total = -total;
    *out = (struct cel_value){.kind = CEL_DURATION,
        .time = {.seconds = (int64_t)(total / SECOND_NS), .nanos = (int32_t)(total % SECOND_NS)}};
    return true;
}

// ".5", or nothing.
static size_t print_fraction(int32_t nanos, char *out, size_t size) {
    int n = 0;
    out[0] = '\0';
    if (nanos == 0)
        return 0;
    n = snprintf(out, size, ".%09d", nanos < 0 ? -nanos : nanos);
    while (out[n - 1] == '0')
        n--;
    return (size_t)n;
}

size_t time_print(const struct cel_value *timestamp, char out[TIME_TEXT]) {
    struct civil civil;
    civil_from_seconds(timestamp->time.seconds, &civil);
    int n = snprintf(out, TIME_TEXT, "%04lld-%02u-%02uT%02u:%02u:%02u", (long long)civil.year % 10000,
        civil.month, civil.day, civil.hour, civil.minute, civil.second);
    size_t size = (size_t)n;
    size += print_fraction(timestamp->time.nanos, out + size, TIME_TEXT - size);
    out[size] = 'Z';
    return size + 1;
}

size_t duration_print(const struct cel_value *duration, char out[TIME_TEXT]) {
    bool negative = duration->time.seconds < 0 || duration->time.nanos < 0;
    uint64_t seconds = (uint64_t)duration->time.seconds;
    int n = snprintf(out, TIME_TEXT, "%s%llu", negative ? "-" : "",
        (unsigned long long)(negative ? 0 - seconds : seconds));
    size_t size = (size_t)n;
    size += print_fraction(duration->time.nanos, out + size, TIME_TEXT - size);
    out[size] = 's';
    return size + 1;
}
