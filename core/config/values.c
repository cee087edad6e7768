#include "core/config/internal.h"

#include <stdio.h>
#include <stdlib.h>

#define WORD 48 // bytes of a number or the like

const struct config_node *read_scalar(
    const struct config_node *mapping, const char *key, const char *what, bool *fine, struct report *report) {
    const struct config_node *node = config_get(mapping, key);
    *fine = true;
    if (config_is_null(node))
        return NULL;
    if (node->kind == CONFIG_SCALAR)
        return node;
    config_error(node, report, "\"%s\" is %s, not a %s", key, what,
        node->kind == CONFIG_SEQUENCE ? "list" : "mapping");
    *fine = false;
    return NULL;
}

bool config_read_string(
    const struct config_node *mapping, const char *key, const char **out, struct report *report) {
    bool fine;
    const struct config_node *node = read_scalar(mapping, key, "a text", &fine, report);
    if (node)
        *out = (const char *)node->text.data;
    return fine;
}

bool config_string(const struct config_node *node, const char **out, struct report *report) {
    if (config_is_null(node) || node->kind != CONFIG_SCALAR) {
        config_error(node, report, "this is a text, not %s",
            config_is_null(node)            ? "nothing"
            : node->kind == CONFIG_SEQUENCE ? "a list"
                                            : "a mapping");
        return false;
    }
    *out = (const char *)node->text.data;
    return true;
}

bool config_read_bool(const struct config_node *mapping, const char *key, bool *out, struct report *report) {
    static const char *const yes[] = {"true", "True", "TRUE", NULL};
    static const char *const no[] = {"false", "False", "FALSE", NULL};
    static const char *const meant_yes[] = {"yes", "Yes", "YES", "on", "On", "ON", "y", "Y", "1", NULL};
    static const char *const meant_no[] = {"no", "No", "NO", "off", "Off", "OFF", "n", "N", "0", NULL};
    bool fine;
    const struct config_node *node = read_scalar(mapping, key, "true or false", &fine, report);
    if (!node)
        return fine;
    if (scalar_equals_any(node, yes) || scalar_equals_any(node, no)) {
        *out = scalar_equals_any(node, yes);
        return true;
    }
    const char *meant = scalar_equals_any(node, meant_yes)  ? "true"
                        : scalar_equals_any(node, meant_no) ? "false"
                                                            : NULL;
    if (meant)
        config_error(
            node, report, "\"%.*s\" is only a text in YAML 1.2; write %s", BYTES_ARGS(node->text), meant);
    else
        config_error(node, report, "\"%s\" is true or false%s", key, node->quoted ? ", without quotes" : "");
    return false;
}

// ---- Integers ----

static int digit_of(uint8_t c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    uint8_t lower = c | 32;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 99;
}

// The integers of YAML 1.2's core schema: -12, 0o14, 0xC. False: no integer; `*overflow` where it is one
// beyond 64 bits.
static bool parse_int(struct bytes text, int64_t *out, bool *overflow) {
    bool negative = text.size > 1 && text.data[0] == '-';
    size_t at = text.size > 1 && (text.data[0] == '-' || text.data[0] == '+');
    int base = 10;
    if (at == 0 && text.size > 2 && text.data[0] == '0' && (text.data[1] == 'x' || text.data[1] == 'o')) {
        base = text.data[1] == 'x' ? 16 : 8;
        at = 2;
    }
    int64_t value = 0;
    *overflow = false;
    if (at == text.size)
        return false;
    for (; at < text.size; at++) {
        int digit = digit_of(text.data[at]);
        if (digit >= base)
            return false;
        *overflow = *overflow || __builtin_mul_overflow(value, base, &value) ||
                    __builtin_sub_overflow(value, digit, &value); // downwards, so that the least number fits
    }
    if (!negative)
        *overflow = *overflow || __builtin_sub_overflow((int64_t)0, value, &value);
    *out = value;
    return true;
}

static bool starts_with_zero(struct bytes text) {
    return text.size > 1 && text.data[0] == '0' && text.data[1] >= '0' && text.data[1] <= '9';
}

static bool not_an_int(const struct config_node *node, const char *key, struct report *report) {
    struct bytes text = node->text;
    int64_t value;
    bool overflow;
    if (config_full_width(node, report))
        return false;
    if (node->quoted && parse_int(text, &value, &overflow))
        config_error(node, report, "\"%s\" is a number: write it without quotes", key);
    else if (memchr(text.data, '_', text.size) || memchr(text.data, ',', text.size))
        config_error(node, report, "\"%s\" is a whole number: write only its digits", key);
    else
        config_error(node, report, "\"%s\" is a whole number, not \"%.*s\"", key, BYTES_ARGS(text));
    return false;
}

bool config_read_int(const struct config_node *mapping, const char *key, int64_t min, int64_t max,
    int64_t *out, struct report *report) {
    bool fine;
    bool overflow = false;
    int64_t value = 0;
    const struct config_node *node = read_scalar(mapping, key, "a whole number", &fine, report);
    if (!node)
        return fine;
    if (node->quoted || !parse_int(node->text, &value, &overflow))
        return not_an_int(node, key, report);
    if (starts_with_zero(node->text)) {
        config_error(node, report,
            "a number that starts with 0 is octal for some; write %lld, or 0o%.*s for octal",
            (long long)value, (int)node->text.size - 1, (const char *)node->text.data + 1);
        return false;
    }
    if (overflow || value < min || value > max) {
        config_error(node, report, "\"%s\" is from %lld to %lld, not %.*s", key, (long long)min,
            (long long)max, BYTES_ARGS(node->text));
        return false;
    }
    *out = value;
    return true;
}

// ---- One of several words ----

bool config_read_choice(const struct config_node *mapping, const char *key, const char *const *names,
    size_t *out, struct report *report) {
    bool fine;
    char list[512] = "";
    size_t used = 0;
    size_t count = 0;
    const struct config_node *node = read_scalar(mapping, key, "one word", &fine, report);
    if (!node)
        return fine;
    for (; names[count]; count++) {
        if (bytes_equal_string(node->text, names[count])) {
            *out = count;
            return true;
        }
        int n = used < sizeof list
                    ? snprintf(list + used, sizeof list - used, "%s%s", count ? ", " : "", names[count])
                    : 0;
        used += n > 0 ? (size_t)n : 0;
    }
    const char *nearest = report_nearest(node->text, names, count);
    if (nearest)
        config_error(node, report, "\"%s\" can't be \"%.*s\"; did you mean \"%s\"?", key,
            BYTES_ARGS(node->text), nearest);
    else
        config_error(
            node, report, "\"%s\" can't be \"%.*s\"; it is one of %s", key, BYTES_ARGS(node->text), list);
    return false;
}
