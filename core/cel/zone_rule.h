// What holds behind a zone's last change: a POSIX TZ text such as "CET-1CEST,M3.5.0,M10.5.0/3" (RFC 9636,
// section 3.3.1). Private to core/cel.
#pragma once

#include "core/base/bytes.h"

// The day in a year on which a change falls, and the local time of it.
struct zone_day {
    enum zone_day_kind {
        ZONE_DAY_JULIAN, // "J60": 1 to 365, February 29 is never counted
        ZONE_DAY_COUNT,  // "59": 0 to 365, February 29 is counted
        ZONE_DAY_WEEK,   // "M3.5.0": month, week (5: the last), day of the week (Sunday 0)
    } kind;
    unsigned month;
    unsigned week;
    unsigned day;
    int32_t time; // seconds behind midnight; may be negative, or days long
};

struct zone_rule {
    int32_t standard; // seconds east of UTC
    int32_t summer;
    bool changes; // has summer time
    struct zone_day start;
    struct zone_day end;
};

// False when the text is no such rule.
bool zone_rule_parse(struct bytes text, struct zone_rule *out);
int32_t zone_rule_offset(const struct zone_rule *rule, int64_t seconds);
