#include "core/schema/json_lex.h"

#include "core/base/utf8.h"
#include "core/schema/json_text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#define JSON_BYTES (8u << 20)
#define JSON_NESTING 130u // twice the depth of messages, for arrays of them
#define JSON_ELEMENTS 1000000u

int json_lex_start(struct json_lex *lex, struct bytes text, struct error *error) {
    *lex = (struct json_lex){
        .start = text.data, .p = text.data, .at = text.data, .error = error, .elements = JSON_ELEMENTS};
    if (text.size == 0)
        return error_set(error, VIEW_REFUSED, "the JSON text is empty");
    lex->end = text.data + text.size;
    if (text.size > JSON_BYTES)
        return error_set(error, VIEW_REFUSED, "the JSON text has %zu bytes; at most %u MiB are allowed",
            text.size, JSON_BYTES >> 20);
    return utf8_bytes(text) ? 0 : error_set(error, VIEW_REFUSED, "the JSON text is not UTF-8");
}

void json_lex_finish(struct json_lex *lex) {
    buffer_destroy(&lex->unescaped);
}

static void place(const struct json_lex *lex, size_t *line, size_t *column) {
    *line = *column = 1;
    for (const uint8_t *p = lex->start; p < lex->at; p++) {
        if (*p == '\n') {
            *line += 1;
            *column = 1;
        } else if ((*p & 0xC0) != 0x80) {
            *column += 1;
        }
    }
}

int json_fail(struct json_lex *lex, const char *format, ...) {
    char what[ERROR_TEXT_SIZE];
    size_t line, column, shown = lex->path_size < sizeof lex->path ? lex->path_size : sizeof lex->path;
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    place(lex, &line, &column);
    while (shown < lex->path_size && shown && (lex->path[shown - 1] & 0x80))
        shown--; // where it is cut, no half character
    if (shown == 0)
        return error_set(lex->error, VIEW_REFUSED, "line %zu, column %zu: %s", line, column, what);
    return error_set(lex->error, VIEW_REFUSED, "at %.*s, line %zu, column %zu: %s", (int)shown, lex->path,
        line, column, what);
}

static void blanks(struct json_lex *lex) {
    while (lex->p < lex->end && (*lex->p == ' ' || *lex->p == '\t' || *lex->p == '\n' || *lex->p == '\r'))
        lex->p++;
    lex->at = lex->p;
}

// A failure inside of a text is where it is read just now.
static int fail_here(struct json_lex *lex, const char *what) {
    lex->at = lex->p;
    return json_fail(lex, "%s", what);
}

static bool take(struct json_lex *lex, char c) {
    blanks(lex);
    if (lex->p == lex->end || *lex->p != (uint8_t)c)
        return false;
    lex->p++;
    return true;
}

char json_peek(struct json_lex *lex) {
    blanks(lex);
    if (lex->p == lex->end)
        return 0;
    char c = (char)*lex->p;
    switch (c) {
    case '{':
    case '[':
    case '"':
    case 't':
    case 'f':
    case 'n':
        return c;
    default:
        return c == '-' || (c >= '0' && c <= '9') ? '0' : 0;
    }
}

const char *json_found(struct json_lex *lex) {
    switch (json_peek(lex)) {
    case '{':
        return "an object";
    case '[':
        return "an array";
    case '"':
        return "a text";
    case '0':
        return "a number";
    case 't':
    case 'f':
        return "true or false";
    case 'n':
        return "null";
    default:
        return lex->p == lex->end ? "the end" : "something that is no JSON";
    }
}

static uint32_t hex_digit(uint8_t c) {
    if (c >= '0' && c <= '9')
        return c - (uint32_t)'0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - (uint32_t)'a' + 10 : 16;
}

static bool hex(struct json_lex *lex, uint32_t *out) {
    if (lex->end - lex->p < 4)
        return false;
    *out = 0;
    for (int i = 0; i < 4; i++) {
        uint32_t digit = hex_digit(*lex->p++);
        if (digit == 16)
            return false;
        *out = *out << 4 | digit;
    }
    return true;
}

// Behind "\u". A high surrogate needs its low one.
static int unicode_escape(struct json_lex *lex) {
    uint32_t c, low;
    uint8_t bytes[4];
    if (!hex(lex, &c))
        return fail_here(lex, "expected four hex digits after \\u");
    if (c >= 0xD800 && c < 0xE000) {
        if (c >= 0xDC00 || lex->end - lex->p < 6 || lex->p[0] != '\\' || lex->p[1] != 'u')
            return fail_here(lex, "half of a surrogate pair stands alone");
        lex->p += 2;
        if (!hex(lex, &low) || low < 0xDC00 || low > 0xDFFF)
            return fail_here(lex, "half of a surrogate pair stands alone");
        c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
    }
    return buffer_append(&lex->unescaped, bytes, utf8_put(c, bytes));
}

static int escape(struct json_lex *lex) {
    static const char names[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
    if (++lex->p == lex->end)
        return json_fail(lex, "the text does not end");
    char c = (char)*lex->p++;
    if (c == 'u')
        return unicode_escape(lex);
    for (size_t i = 0; i + 1 < sizeof names; i += 2)
        if (names[i] == c)
            return buffer_append_byte(&lex->unescaped, (uint8_t)names[i + 1]);
    lex->p--;
    return fail_here(lex, "\\ is followed by no known escape");
}

int json_lex_string(struct json_lex *lex, struct bytes *out) {
    if (!take(lex, '"'))
        return json_fail(lex, "expected a text, found %s", json_found(lex));
    buffer_clear(&lex->unescaped);
    const uint8_t *run = lex->p;
    for (;;) {
        lex->p = json_plain(lex->p, lex->end);
        while (lex->p < lex->end && *lex->p != '"' && *lex->p != '\\' && *lex->p >= 0x20)
            lex->p++;
        if (lex->p == lex->end)
            return json_fail(lex, "the text does not end");
        if (*lex->p < 0x20)
            return fail_here(lex, "a control character in a text must be escaped");
        struct bytes plain = bytes_of(run, (size_t)(lex->p - run));
        if (*lex->p == '"' && lex->unescaped.size == 0) {
            *out = plain;
            break;
        }
        int rc = buffer_append_bytes(&lex->unescaped, plain);
        if (rc == 0 && *lex->p == '"') {
            *out = buffer_bytes(&lex->unescaped);
            break;
        }
        if (rc == 0)
            rc = escape(lex);
        if (rc != 0)
            return rc;
        run = lex->p;
    }
    lex->p++;
    return 0;
}

int json_number(struct json_lex *lex, struct bytes *out) {
    blanks(lex);
    const uint8_t *start = lex->p, *p = start;
    while (p < lex->end && *p && strchr("+-.eE0123456789", *p))
        p++;
    *out = bytes_of(start, (size_t)(p - start));
    lex->p = p;
    return 0; // who wants its value checks its form
}

int json_literal(struct json_lex *lex, const char *word) {
    blanks(lex);
    size_t size = strlen(word);
    if ((size_t)(lex->end - lex->p) < size || memcmp(lex->p, word, size) != 0)
        return json_fail(lex, "expected %s", word);
    lex->p += size;
    return 0;
}

int json_end(struct json_lex *lex) {
    blanks(lex);
    return lex->p == lex->end ? 0 : json_fail(lex, "expected the end, found %s", json_found(lex));
}

int json_open(struct json_lex *lex, char bracket) {
    if (!take(lex, bracket))
        return json_fail(
            lex, "expected %s, found %s", bracket == '{' ? "an object" : "an array", json_found(lex));
    if (++lex->nesting > JSON_NESTING)
        return json_fail(lex, "objects and arrays are nested too deep");
    return 0;
}

int json_next(struct json_lex *lex, char bracket, bool *first, bool *more) {
    char close = bracket == '{' ? '}' : ']';
    *more = !take(lex, close);
    if (!*more) {
        lex->nesting--;
        return 0;
    }
    if (!*first && !take(lex, ','))
        return json_fail(lex, "expected \",\" or \"%c\", found %s", close, json_found(lex));
    *first = false;
    return lex->elements-- ? 0 : json_fail(lex, "there are more than %u values", JSON_ELEMENTS);
}

int json_key(struct json_lex *lex, struct bytes *out) {
    if (json_peek(lex) != '"')
        return json_fail(lex, "expected a key in quotes, found %s", json_found(lex));
    const uint8_t *start = lex->at;
    int rc = json_lex_string(lex, out);
    if (rc == 0 && !take(lex, ':'))
        return json_fail(lex, "expected \":\", found %s", json_found(lex));
    lex->at = start;
    return rc;
}

static int skip_inside(struct json_lex *lex, char bracket) {
    struct bytes key;
    bool first = true, more;
    int rc = json_open(lex, bracket);
    while (rc == 0 && (rc = json_next(lex, bracket, &first, &more)) == 0 && more) {
        rc = bracket == '{' ? json_key(lex, &key) : 0;
        if (rc == 0)
            rc = json_skip(lex);
    }
    return rc;
}

int json_skip(struct json_lex *lex) {
    struct bytes text;
    char c = json_peek(lex);
    switch (c) {
    case '{':
    case '[':
        return skip_inside(lex, c);
    case '"':
        return json_lex_string(lex, &text);
    case '0':
        return json_number(lex, &text);
    case 't':
        return json_literal(lex, "true");
    case 'f':
        return json_literal(lex, "false");
    case 'n':
        return json_literal(lex, "null");
    default:
        return json_fail(lex, "expected a value, found %s", json_found(lex));
    }
}

static size_t enter(struct json_lex *lex, const char *before, struct bytes name, const char *after) {
    size_t mark = lex->path_size, room = sizeof lex->path;
    const struct bytes parts[] = {bytes_of_string(before), name, bytes_of_string(after)};
    for (size_t i = 0; i < 3; i++) {
        size_t at = lex->path_size, size = parts[i].size;
        if (size && at < room)
            memcpy(lex->path + at, parts[i].data, size < room - at ? size : room - at);
        lex->path_size += size;
    }
    return mark;
}

size_t json_enter(struct json_lex *lex, const char *name) {
    return enter(lex, lex->path_size ? "." : "", bytes_of_string(name), "");
}

size_t json_enter_key(struct json_lex *lex, struct bytes key) {
    return enter(lex, "[\"", key, "\"]");
}

size_t json_enter_index(struct json_lex *lex, size_t index) {
    char text[32];
    snprintf(text, sizeof text, "%zu", index);
    return enter(lex, "[", bytes_of_string(text), "]");
}

void json_leave(struct json_lex *lex, size_t mark) {
    lex->path_size = mark;
}
