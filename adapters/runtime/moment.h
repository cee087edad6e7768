// Dates and times as legacy systems write them (text.h lists the spellings). Proleptic Gregorian calendar,
// years 1 to 9999.
#pragma once

#include "core/base/buffer.h"

struct moment {
    int year;
    int month;
    int day;
    int hour;
    int minute;
    int second;
    int32_t nanos;
    int32_t zone;  // seconds east of UTC
    bool has_time; // false: a date alone, its midnight
};

// Reads any of the usual spellings; `zone` holds where the text has none. False: it is none of them, or no
// such day or time.
bool moment_read(struct bytes text, int32_t zone, struct moment *out);
// Reads exactly a pattern of %Y %m %d %H %M %S %%.
bool moment_read_pattern(struct bytes text, const char *pattern, int32_t zone, struct moment *out);
// NULL, or what is wrong with the pattern.
const char *moment_check_pattern(const char *pattern, bool with_time);

struct moment moment_of(int64_t seconds, int32_t nanos, int32_t zone); // seconds since 1970 UTC
int64_t moment_seconds(const struct moment *moment);                   // since 1970 UTC

// Appends. 0, -ENOMEM.
int moment_write(const struct moment *moment, const char *pattern, struct buffer *out);
int moment_write_rfc3339(const struct moment *moment, struct buffer *out);
