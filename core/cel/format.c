// format(): https://github.com/google/cel-go/tree/master/ext, strings.
#include "core/cel/format.h"

#include "core/base/buffer.h"
#include "core/cel/collections.h"
#include "core/cel/functions.h"
#include "core/cel/number.h"
#include "core/cel/text.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

// ---- The format's parts ----

static enum format_step wrong(struct format_part *part, const char *problem) {
    part->problem = problem;
    return FORMAT_WRONG;
}

// Behind a "%": "s", ".3f".
static enum format_step clause(struct bytes format, size_t *at, struct format_part *part) {
    size_t p = *at + 1;
    bool precise = p < format.size && format.data[p] == '.';
    part->precision = precise ? 0 : 6;
    if (precise)
        for (p++; p < format.size && format.data[p] >= '0' && format.data[p] <= '9'; p++)
            if ((part->precision = part->precision * 10 + (format.data[p] - '0')) > NUMBER_PRECISION)
                return wrong(part, "a precision is at most 100");
    size_t step = p < format.size ? text_step(format, p) : 0;
    part->text = bytes_of(format.data + *at, p + step - *at);
    if (step == 0)
        return wrong(part, "could not parse formatting clause: the text ends behind \"%\"");
    part->verb = step == 1 ? (char)format.data[p] : '?';
    if (!strchr("sdfebxXo", part->verb) || part->verb == '\0')
        return wrong(part, "could not parse formatting clause: unrecognized formatting clause");
    if (precise && part->verb != 'f' && part->verb != 'e')
        return wrong(part, "a precision stands only before f and e");
    *at = p + step;
    return FORMAT_VERB;
}

enum format_step format_next(struct bytes format, size_t *at, struct format_part *part) {
    size_t start = *at;
    *part = (struct format_part){.at = start};
    if (start == format.size)
        return FORMAT_END;
    part->text = bytes_of(format.data + start, 1);
    if (format.data[start] == '%' && !(start + 1 < format.size && format.data[start + 1] == '%'))
        return clause(format, at, part);
    if (format.data[start] == '%') {
        *at = start + 2;
        return FORMAT_TEXT;
    }
    const uint8_t *percent = memchr(format.data + start, '%', format.size - start);
    *at = percent ? (size_t)(percent - format.data) : format.size;
    part->text.size = *at - start;
    return FORMAT_TEXT;
}

bool format_takes(char verb, enum cel_kind kind) {
    bool whole = kind == CEL_INT || kind == CEL_UINT || kind == CEL_ENUM;
    switch (verb) {
    case 's':
        return kind != CEL_MESSAGE && kind != CEL_ERROR;
    case 'd':
    case 'f':
    case 'e':
        return whole || kind == CEL_DOUBLE;
    case 'x':
    case 'X':
        return whole || kind == CEL_STRING || kind == CEL_BYTES;
    case 'b':
        return whole || kind == CEL_BOOL;
    default: // o
        return whole;
    }
}

const char *format_wanted(char verb) {
    switch (verb) {
    case 's':
        return "any value but a message";
    case 'd':
    case 'f':
    case 'e':
        return "a number";
    case 'x':
    case 'X':
        return "an int, uint, string or bytes";
    case 'b':
        return "an int, uint or bool";
    default:
        return "an int or uint";
    }
}

// ---- Values as texts ----

struct formatting {
    struct cel_activation *activation;
    struct buffer text; // owned
    struct cel_value *error;
};

// False with an error; so are all that follow.
static bool put(struct formatting *f, struct bytes part) {
    static const struct cel_error too_large = {
        CEL_FAULT_LIMIT, "the expression makes more values than its memory limit allows"};
    int rc = buffer_append_bytes(&f->text, part);
    if (rc == -ENOMEM)
        activation_no_memory(f->activation, f->error);
    else if (rc != 0)
        value_fail_static(f->error, &too_large);
    return rc == 0 && text_charge(f->activation, part.size, f->error);
}

static bool put_string(struct formatting *f, const char *text) {
    return put(f, bytes_of_string(text));
}

static bool put_special(struct formatting *f, double value) {
    return put_string(f, isnan(value) ? "NaN" : value < 0 ? "-Infinity" : "Infinity");
}

static bool put_double(struct formatting *f, double value, char verb, int precision) {
    char text[NUMBER_TEXT];
    if (!isfinite(value))
        return put_special(f, value);
    size_t size = verb == 'f' || verb == 'e' ? number_print_fixed(value, verb, precision, text)
                                             : number_print(value, text);
    return put(f, bytes_of(text, size));
}

static bool put_value(struct formatting *f, const struct cel_value *value);

// NOLINTBEGIN(misc-no-recursion): a value is nested as deep as the expression that made it
static bool put_list(struct formatting *f, const struct cel_list *list) {
    if (!activation_charge(f->activation, list->size, f->error))
        return false;
    const struct cel_value *values = list_values(f->activation, list, f->error);
    if ((!values && list->size > 0) || !put_string(f, "["))
        return false;
    for (size_t i = 0; i < list->size; i++)
        if (!put_string(f, i ? ", " : "") || !put_value(f, &values[i]))
            return false;
    return put_string(f, "]");
}

struct keyed {
    struct cel_value key; // as a text
    const struct cel_value *value;
};

static int by_key(const void *a, const void *b) {
    struct bytes left = ((const struct keyed *)a)->key.bytes;
    struct bytes right = ((const struct keyed *)b)->key.bytes;
    size_t common = left.size < right.size ? left.size : right.size;
    int order = common ? memcmp(left.data, right.data, common) : 0;
    return order ? order : left.size < right.size ? -1 : left.size > right.size;
}

// In the order of the keys' texts.
static bool put_map(struct formatting *f, const struct cel_map *map) {
    struct keyed *entries = NULL;
    if (activation_charge(f->activation, map->size, f->error))
        entries = activation_array(f->activation, map->size + 1, sizeof *entries, f->error);
    for (size_t i = 0; entries && i < map->size; i++) {
        entries[i].value = &map->entries[i].value;
        value_text(f->activation, &map->entries[i].key, &entries[i].key);
        if (entries[i].key.kind == CEL_ERROR) {
            *f->error = entries[i].key;
            return false;
        }
    }
    if (!entries || !put_string(f, "{"))
        return false;
    qsort(entries, map->size, sizeof *entries, by_key);
    for (size_t i = 0; i < map->size; i++)
        if (!put_string(f, i ? ", " : "") || !put(f, entries[i].key.bytes) || !put_string(f, ": ") ||
            !put_value(f, entries[i].value))
            return false;
    return put_string(f, "}");
}

static bool fail_verb(struct formatting *f, char verb, enum cel_kind kind) {
    value_fail(f->activation, f->error, CEL_FAULT_ARGUMENT,
        "error during formatting: %%%c takes %s, not a value of type %s", verb, format_wanted(verb),
        cel_kind_name(kind));
    return false;
}

static bool put_value(struct formatting *f, const struct cel_value *value) {
    struct cel_value text;
    switch (value->kind) {
    case CEL_NULL:
        return put_string(f, "null");
    case CEL_LIST:
        return put_list(f, value->list);
    case CEL_MAP:
        return put_map(f, value->map);
    case CEL_DOUBLE:
        return put_double(f, value->f64, 's', 0);
    case CEL_ERROR: // of a list in a message: a time that is none
        *f->error = *value;
        return false;
    case CEL_MESSAGE:
        return fail_verb(f, 's', CEL_MESSAGE);
    default:
        value_text(f->activation, value, &text);
        if (text.kind == CEL_ERROR)
            *f->error = text;
        return text.kind != CEL_ERROR && put(f, text.bytes);
    }
}
// NOLINTEND(misc-no-recursion)

static bool put_hex(struct formatting *f, struct bytes bytes, bool upper) {
    const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    for (size_t i = 0; i < bytes.size; i++) {
        char pair[2] = {digits[bytes.data[i] >> 4], digits[bytes.data[i] & 15]};
        if (!put(f, bytes_of(pair, 2)))
            return false;
    }
    return text_charge(f->activation, bytes.size, f->error);
}

static bool put_whole(struct formatting *f, const struct cel_value *value, char verb) {
    char digits[66];
    size_t at = sizeof digits;
    uint64_t base = verb == 'b' ? 2 : verb == 'o' ? 8 : verb == 'd' ? 10 : 16;
    bool negative = value->kind == CEL_INT && value->i64 < 0;
    uint64_t rest = value->kind == CEL_BOOL ? value->boolean : value->u64;
    if (negative)
        rest = 0 - (uint64_t)value->i64;
    do {
        digits[--at] = (verb == 'X' ? "0123456789ABCDEF" : "0123456789abcdef")[rest % base];
        rest /= base;
    } while (rest > 0);
    if (negative)
        digits[--at] = '-';
    return put(f, bytes_of(digits + at, sizeof digits - at));
}

static double as_double(const struct cel_value *value) {
    return value->kind == CEL_INT    ? (double)value->i64
           : value->kind == CEL_UINT ? (double)value->u64
                                     : value->f64;
}

static bool put_by_verb(struct formatting *f, const struct format_part *part, const struct cel_value *value) {
    if (!format_takes(part->verb, value->kind))
        return value->kind == CEL_ERROR ? put_value(f, value) : fail_verb(f, part->verb, value->kind);
    switch (part->verb) {
    case 's':
        return put_value(f, value);
    case 'f':
    case 'e':
        return put_double(f, as_double(value), part->verb, part->precision);
    default:
        if (value->kind == CEL_DOUBLE)
            return put_double(f, value->f64, 'd', 0);
        if (value->kind == CEL_STRING || value->kind == CEL_BYTES)
            return put_hex(f, value->bytes, part->verb == 'X');
        return put_whole(f, value, part->verb);
    }
}

// ---- The function ----

static bool fail_part(struct formatting *f, const struct format_part *part) {
    value_fail(f->activation, f->error, CEL_FAULT_ARGUMENT,
        "the format is wrong at its byte %zu: %s \"%.*s\"", part->at + 1, part->problem,
        part->text.size > 40 ? 40 : (int)part->text.size, part->text.data);
    return false;
}

// The value that the format asks for next; NULL with an error.
static const struct cel_value *take(
    struct formatting *f, const struct cel_value *values, size_t size, size_t *next) {
    if (values && *next < size)
        return &values[(*next)++];
    value_fail(f->activation, f->error, CEL_FAULT_INDEX,
        "index %zu out of range: the format asks for more values than the list has", *next);
    return NULL;
}

static bool format_all(struct formatting *f, struct bytes format, const struct cel_list *list) {
    struct format_part part;
    enum format_step step;
    size_t at = 0;
    size_t next = 0;
    const struct cel_value *value;
    const struct cel_value *values = list_values(f->activation, list, f->error);
    bool fine = values || list->size == 0;
    while (fine && (step = format_next(format, &at, &part)) != FORMAT_END) {
        if (step == FORMAT_WRONG)
            fine = fail_part(f, &part);
        else if (step == FORMAT_TEXT)
            fine = put(f, part.text);
        else
            fine = (value = take(f, values, list->size, &next)) && put_by_verb(f, &part, value);
    }
    return fine;
}

FUNCTION(fn_format) {
    (void)node;
    struct formatting f = {
        .activation = activation, .error = out, .text = {.limit = activation->memory_limit}};
    if (format_all(&f, args[0].bytes, args[1].list))
        text_copy(activation, (const char *)f.text.data, f.text.size, out);
    buffer_destroy(&f.text);
}
