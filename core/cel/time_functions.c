// Parts of timestamps and durations, in UTC or at an offset.
#include "core/cel/functions.h"
#include "core/cel/text.h"
#include "core/cel/time.h"
#include "core/cel/zone.h"

#include <stdio.h>

// The zone of the name, if some call of the program loaded it.
static const struct zone *loaded_zone(const struct cel_program *program, struct bytes name) {
    for (const struct program_zone *zone = program->zones; zone; zone = zone->next)
        if (bytes_equal_string(name, zone->name))
            return zone->zone;
    return NULL;
}

// Seconds east of UTC by the call's zone. No file is read while evaluating: a zone's name that is no literal
// must be one that the expression writes elsewhere.
static bool zone_at(const struct node *node, struct cel_activation *activation, const struct cel_value *args,
    int64_t *offset, struct cel_value *out) {
    struct bytes name = args[1].bytes;
    const struct zone *zone = node->call.bound;
    if (!zone && offset_parse(name, offset))
        return true;
    zone = zone ? zone : loaded_zone(activation->program, name);
    if (zone)
        *offset = zone_offset(zone, args[0].time.seconds);
    else
        value_fail(activation, out, CEL_FAULT_ARGUMENT,
            "\"%.*s\" is no time zone here: it is \"UTC\", an offset such as \"+08:00\", or a name that "
            "stands in the expression",
            name.size > 40 ? 40 : (int)name.size, (const char *)name.data);
    return zone != NULL;
}

// The calendar's view of a timestamp at the zone in the second argument, if there is one. False with an
// error.
static bool local_civil(const struct node *node, struct cel_activation *activation,
    const struct cel_value *args, struct civil *civil, int64_t *offset, struct cel_value *out) {
    *offset = 0;
    int64_t seconds = args[0].time.seconds;
    // Fields of a message hold any number: the calendar starts and ends where timestamps do.
    if (seconds < TIME_MIN - 86400 || seconds > TIME_MAX + 86400) {
        value_fail(
            activation, out, CEL_FAULT_OVERFLOW, "range error: a timestamp lies in the years 1 to 9999");
        return false;
    }
    if (node->count == 2 && !zone_at(node, activation, args, offset, out))
        return false;
    civil_from_seconds(seconds + *offset, civil);
    return true;
}

#define PART(name, value)                                                                                    \
    FUNCTION(name) {                                                                                         \
        struct civil civil;                                                                                  \
        int64_t offset;                                                                                      \
        if (local_civil(node, activation, args, &civil, &offset, out))                                       \
            value_set_int(out, (int64_t)(value));                                                            \
    }

PART(fn_full_year, civil.year)
PART(fn_month, civil.month - 1)
PART(fn_day_of_year, civil.day_of_year)
PART(fn_day_of_month, civil.day - 1)
PART(fn_date, civil.day)
PART(fn_day_of_week, civil.day_of_week)

// A duration gives itself in whole units, but its milliseconds as the part behind the seconds.
#define PART_OR_WHOLE(name, value, whole)                                                                    \
    FUNCTION(name) {                                                                                         \
        struct civil civil;                                                                                  \
        int64_t offset;                                                                                      \
        if (args[0].kind == CEL_DURATION)                                                                    \
            value_set_int(out, whole);                                                                       \
        else if (local_civil(node, activation, args, &civil, &offset, out))                                  \
            value_set_int(out, (int64_t)(value));                                                            \
    }

PART_OR_WHOLE(fn_hours, civil.hour, args[0].time.seconds / 3600)
PART_OR_WHOLE(fn_minutes, civil.minute, args[0].time.seconds / 60)
PART_OR_WHOLE(fn_seconds, civil.second, args[0].time.seconds)
PART_OR_WHOLE(fn_milliseconds, args[0].time.nanos / 1000000, args[0].time.nanos / 1000000)

FUNCTION(fn_local_date) {
    struct civil civil;
    int64_t offset;
    char text[64];
    if (!local_civil(node, activation, args, &civil, &offset, out))
        return;
    int n = snprintf(text, sizeof text, "%04lld-%02u-%02u", (long long)civil.year, civil.month, civil.day);
    text_copy(activation, text, (size_t)n, out);
}

FUNCTION(fn_local_time) {
    struct civil civil;
    int64_t offset;
    char text[96];
    if (!local_civil(node, activation, args, &civil, &offset, out))
        return;
    long long minutes = (long long)(offset < 0 ? -offset : offset) / 60;
    int n = snprintf(text, sizeof text, "%04lld-%02u-%02uT%02u:%02u:%02u%c%02lld:%02lld",
        (long long)civil.year, civil.month, civil.day, civil.hour, civil.minute, civil.second,
        offset < 0 ? '-' : '+', minutes / 60, minutes % 60);
    text_copy(activation, text, (size_t)n, out);
}
