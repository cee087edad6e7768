#include "core/config/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit duration_units[] = {
    // the largest first
    {"d", 86400000000000u},
    {"h", 3600000000000u},
    {"m", 60000000000u},
    {"s", 1000000000u},
    {"ms", 1000000u},
    {"us", 1000u},
    {"ns", 1u},
    {NULL, 0},
};

static const struct unit size_units[] = {
    {"TiB", 1ull << 40},
    {"GiB", 1ull << 30},
    {"MiB", 1ull << 20},
    {"KiB", 1ull << 10},
    {"TB", 1000000000000u},
    {"GB", 1000000000u},
    {"MB", 1000000u},
    {"KB", 1000u},
    {"B", 1u},
    {NULL, 0},
};

enum outcome {
    GOOD,
    BAD_NUMBER,
    BAD_UNIT,
    NO_UNIT,
    BAD_ORDER,
    TOO_LARGE,
};

static bool is_digit(uint8_t c) {
    return c >= '0' && c <= '9';
}

static enum outcome take_number(struct bytes *rest, uint64_t *out) {
    uint64_t value = 0;
    size_t at = 0;
    bool overflow = false;
    for (; at < rest->size && is_digit(rest->data[at]); at++)
        overflow = overflow || __builtin_mul_overflow(value, 10u, &value) ||
                   __builtin_add_overflow(value, rest->data[at] - '0', &value);
    if (at == 0)
        return BAD_NUMBER;
    *rest = bytes_of(rest->data + at, rest->size - at);
    *out = value;
    return overflow ? TOO_LARGE : GOOD;
}

// Takes the letters up to the next digit, which must be a unit.
static const struct unit *take_unit(struct bytes *rest, const struct unit *units) {
    size_t size = 0;
    while (size < rest->size && !is_digit(rest->data[size]))
        size++;
    struct bytes name = bytes_of(rest->data, size);
    *rest = bytes_of(rest->data + size, rest->size - size);
    for (const struct unit *unit = units; unit->name; unit++)
        if (bytes_equal_string(name, unit->name))
            return unit;
    return NULL;
}

static enum outcome parse_duration(struct bytes text, uint64_t *out) {
    uint64_t sum = 0;
    uint64_t last = UINT64_MAX;
    if (bytes_equal_string(text, "0")) {
        *out = 0;
        return GOOD;
    }
    do {
        uint64_t number;
        enum outcome outcome = take_number(&text, &number);
        if (outcome != GOOD)
            return outcome;
        if (text.size == 0)
            return NO_UNIT;
        const struct unit *unit = take_unit(&text, duration_units);
        if (!unit)
            return BAD_UNIT;
        if (unit->factor >= last)
            return BAD_ORDER;
        last = unit->factor;
        if (__builtin_mul_overflow(number, unit->factor, &number) ||
            __builtin_add_overflow(sum, number, &sum))
            return TOO_LARGE;
    } while (text.size);
    *out = sum;
    return GOOD;
}

static enum outcome parse_size(struct bytes text, uint64_t *out) {
    uint64_t number;
    enum outcome outcome = take_number(&text, &number);
    if (outcome != GOOD)
        return outcome;
    *out = number;
    if (text.size == 0)
        return GOOD;
    const struct unit *unit = take_unit(&text, size_units);
    if (!unit || text.size)
        return BAD_UNIT;
    return __builtin_mul_overflow(number, unit->factor, out) ? TOO_LARGE : GOOD;
}

// The largest unit that leaves no fraction.
static const char *format_quantity(uint64_t value, const struct unit *units, char out[32]) {
    const struct unit *unit = units;
    while (unit[1].name && (value == 0 || value % unit->factor != 0))
        unit++;
    bool bare = value == 0 || unit->factor == 1;
    snprintf(out, 32, "%llu%s", (unsigned long long)(value / unit->factor),
        bare && (units == size_units || value == 0) ? "" : unit->name);
    return out;
}

static bool in_range(const struct config_node *node, const char *key, uint64_t value, uint64_t min,
    uint64_t max, const struct unit *units, struct report *report) {
    char low[32];
    char high[32];
    if (value >= min && value <= max)
        return true;
    format_quantity(min, units, low);
    format_quantity(max, units, high);
    if (max == UINT64_MAX)
        config_error(node, report, "\"%s\" is at least %s, not %.*s", key, low, BYTES_ARGS(node->text));
    else
        config_error(
            node, report, "\"%s\" is from %s to %s, not %.*s", key, low, high, BYTES_ARGS(node->text));
    return false;
}

static const char *duration_words(enum outcome outcome) {
    switch (outcome) {
    case NO_UNIT:
        return "has no unit; write ms, s, m, h or d behind the number, as in 30s";
    case BAD_UNIT:
        return "has an unknown unit; the units are ms, s, m, h and d, as in 1h30m";
    case BAD_ORDER:
        return "has its units in the wrong order; write the largest first, as in 1h30m";
    case TOO_LARGE:
        return "is too long";
    case GOOD:
    case BAD_NUMBER:
        break;
    }
    return "is no duration; write a whole number and a unit (ms, s, m, h or d), as in 30s or 1h30m";
}

// ---- What was meant ----

static const struct {
    const char *word;
    uint64_t factor;
} other_units[] = {{"sec", 1000000000u}, {"secs", 1000000000u}, {"second", 1000000000u},
    {"seconds", 1000000000u}, {"秒", 1000000000u}, {"min", 60000000000u}, {"mins", 60000000000u},
    {"minute", 60000000000u}, {"minutes", 60000000000u}, {"分", 60000000000u}, {"分钟", 60000000000u},
    {"hr", 3600000000000u}, {"hrs", 3600000000000u}, {"hour", 3600000000000u}, {"hours", 3600000000000u},
    {"时", 3600000000000u}, {"小时", 3600000000000u}, {"day", 86400000000000u}, {"days", 86400000000000u},
    {"天", 86400000000000u}, {"日", 86400000000000u}, {"week", 604800000000000u}, {"weeks", 604800000000000u},
    {"w", 604800000000000u}, {"msec", 1000000u}, {"millis", 1000000u}, {"毫秒", 1000000u}};

static bool same_word(struct bytes a, const char *b) {
    return strlen(b) == a.size && strncasecmp((const char *)a.data, b, a.size) == 0;
}

static uint64_t unit_meant(struct bytes word) {
    for (const struct unit *unit = duration_units; unit->name; unit++)
        if (same_word(word, unit->name))
            return unit->factor;
    for (size_t i = 0; i < sizeof other_units / sizeof *other_units; i++)
        if (same_word(word, other_units[i].word))
            return other_units[i].factor;
    return 0;
}

// "1.5 hours": one number, with or without a fraction, and one unit.
static bool duration_meant(struct bytes text, uint64_t *out) {
    uint64_t number;
    uint64_t tenths = 0;
    if (take_number(&text, &number) != GOOD)
        return false;
    if (text.size > 1 && text.data[0] == '.' && is_digit(text.data[1])) {
        tenths = text.data[1] - '0';
        text = bytes_of(text.data + 2, text.size - 2);
    }
    while (text.size && text.data[0] == ' ')
        text = bytes_of(text.data + 1, text.size - 1);
    uint64_t factor = unit_meant(text);
    return factor && !__builtin_mul_overflow(number, factor, &number) &&
           !__builtin_add_overflow(number, factor / 10 * tenths, out);
}

// As it is written: the largest units first.
static void write_duration(uint64_t value, char out[64]) {
    size_t used = 0;
    out[0] = '\0';
    for (const struct unit *unit = duration_units; unit->name && value; unit++) {
        if (value >= unit->factor)
            used += (size_t)snprintf(
                out + used, 64 - used, "%llu%s", (unsigned long long)(value / unit->factor), unit->name);
        value %= unit->factor;
    }
}

// At a part of the node's text, with what was meant where that can be told.
static void refuse_duration(
    const struct config_node *node, struct bytes text, enum outcome outcome, struct report *report) {
    uint64_t meant;
    char right[64];
    size_t at = (size_t)(text.data - node->text.data);
    if (config_full_width(node, report))
        return;
    if (outcome == BAD_UNIT && duration_meant(text, &meant) && meant) {
        write_duration(meant, right);
        config_error_inside(node, at, text.size, report, "\"%.*s\" %s; did you mean \"%s\"?",
            BYTES_ARGS(text), memchr(text.data, '.', text.size) ? "has a fraction" : "has an unknown unit",
            right);
    } else if (text.size) {
        config_error_inside(
            node, at, text.size, report, "\"%.*s\" %s", BYTES_ARGS(text), duration_words(outcome));
    } else {
        config_error(node, report, "\"%.*s\" %s", BYTES_ARGS(text), duration_words(outcome));
    }
}

bool config_read_duration(const struct config_node *mapping, const char *key, uint64_t min, uint64_t max,
    uint64_t *out, struct report *report) {
    bool fine;
    uint64_t value = 0;
    const struct config_node *node = read_scalar(mapping, key, "a duration", &fine, report);
    if (!node)
        return fine;
    enum outcome outcome = parse_duration(node->text, &value);
    if (outcome != GOOD) {
        refuse_duration(node, node->text, outcome, report);
        return false;
    }
    if (!in_range(node, key, value, min, max, duration_units, report))
        return false;
    *out = value;
    return true;
}

// One end of a range: `text` is a part of the node's text.
static bool read_end(
    const struct config_node *node, struct bytes text, uint64_t *out, struct report *report) {
    enum outcome outcome = parse_duration(text, out);
    if (outcome == GOOD)
        return true;
    refuse_duration(node, text, outcome, report);
    return false;
}

bool config_read_duration_range(const struct config_node *mapping, const char *key, uint64_t *low,
    uint64_t *high, struct report *report) {
    bool fine;
    uint64_t from = 0;
    uint64_t to = 0;
    const struct config_node *node = read_scalar(mapping, key, "a range of durations", &fine, report);
    if (!node)
        return fine;
    const char *text = (const char *)node->text.data;
    const char *dots = strstr(text, "..");
    if (!dots) {
        config_error(node, report, "\"%s\" is a range of two durations, as in 1s..10m", key);
        return false;
    }
    size_t first = (size_t)(dots - text);
    fine = read_end(node, bytes_of(text, first), &from, report);
    fine &= read_end(node, bytes_of(dots + 2, node->text.size - first - 2), &to, report);
    if (fine && from > to) {
        config_error(node, report, "the first duration is larger than the second; write \"%s..%.*s\"",
            dots + 2, (int)first, text);
        fine = false;
    }
    if (!fine)
        return false;
    *low = from;
    *high = to;
    return true;
}

// "64K" and "64kib" are KiB, "8mb" is MB.
static const char *size_unit_meant(struct bytes text) {
    static const char *const letters[][2] = {{"K", "KiB"}, {"M", "MiB"}, {"G", "GiB"}, {"T", "TiB"}};
    while (text.size && (is_digit(text.data[0]) || text.data[0] == ' '))
        text = bytes_of(text.data + 1, text.size - 1);
    for (const struct unit *unit = size_units; unit->name; unit++)
        if (same_word(text, unit->name))
            return unit->name;
    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
        if (same_word(text, letters[i][0]))
            return letters[i][1];
    return NULL;
}

static void refuse_size(const struct config_node *node, enum outcome outcome, struct report *report) {
    struct bytes text = node->text;
    const char *unit = outcome == BAD_UNIT ? size_unit_meant(text) : NULL;
    if (config_full_width(node, report))
        return;
    if (unit)
        config_error(node, report, "\"%.*s\" has an unknown unit; did you mean \"%llu%s\"?", BYTES_ARGS(text),
            strtoull((const char *)text.data, NULL, 10), unit);
    else
        config_error(node, report, "\"%.*s\" %s", BYTES_ARGS(text),
            outcome == BAD_UNIT
                ? "has an unknown unit; the units are KiB, MiB, GiB (1024) and KB, MB, GB (1000)"
            : outcome == TOO_LARGE ? "is too large"
                                   : "is no size; write a whole number and a unit, as in 64KiB or 8MiB");
}

bool config_read_size(const struct config_node *mapping, const char *key, uint64_t min, uint64_t max,
    uint64_t *out, struct report *report) {
    bool fine;
    uint64_t value = 0;
    const struct config_node *node = read_scalar(mapping, key, "a size", &fine, report);
    if (!node)
        return fine;
    enum outcome outcome = parse_size(node->text, &value);
    if (outcome != GOOD) {
        refuse_size(node, outcome, report);
        return false;
    }
    if (!in_range(node, key, value, min, max, size_units, report))
        return false;
    *out = value;
    return true;
}
