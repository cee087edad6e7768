// Timestamps and durations: the calendar, RFC 3339, Go's duration texts. Private to core/cel.
#pragma once

#include "core/cel/program.h"

#define TIME_MIN ((int64_t)-62135596800)     // 0001-01-01T00:00:00Z
#define TIME_MAX ((int64_t)253402300799)     // 9999-12-31T23:59:59Z
#define DURATION_MAX ((int64_t)315576000000) // seconds: 10,000 years

struct civil {
    int64_t year;
    unsigned month; // from 1
    unsigned day;   // from 1
    unsigned hour;
    unsigned minute;
    unsigned second;
    unsigned day_of_year; // from 0
    unsigned day_of_week; // Sunday is 0
};

void civil_from_seconds(int64_t seconds, struct civil *out);
int64_t civil_days(int64_t year, unsigned month, unsigned day); // since 1970-01-01

// The sum, or difference where `sign` is -1, as a value of `kind`; an error out of its range.
void time_add(struct cel_activation *activation, const struct cel_value *a, const struct cel_value *b,
    int sign, enum cel_kind kind, struct cel_value *out);
// A timestamp or duration from outside: becomes an error where it is none by protobuf's definition.
void time_check(struct cel_value *value);
bool time_parse(struct bytes text, struct cel_value *out);     // RFC 3339, within the years 1 to 9999
bool duration_parse(struct bytes text, struct cel_value *out); // "1h30m", "-1.5s", "10ms", "1us", "1ns"
// Seconds east of UTC of "UTC", "Z", "+08:00", "-02:30", "08:00".
bool offset_parse(struct bytes text, int64_t *out);

#define TIME_TEXT 40
size_t time_print(const struct cel_value *timestamp, char out[TIME_TEXT]);    // "2026-11-24T01:02:03.5Z"
size_t duration_print(const struct cel_value *duration, char out[TIME_TEXT]); // "3600.5s"
