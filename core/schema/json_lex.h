// JSON as RFC 8259 has it, read from front to back without a tree. A library with a tree
// (jansson) would lose numbers beyond int64 and the places of mistakes, and cost memory many times the text.
// What is wrong is VIEW_REFUSED, with its place.
#pragma once

#include "core/schema/view.h"

struct json_lex {
    const uint8_t *start;
    const uint8_t *p;
    const uint8_t *end;
    const uint8_t *at; // where the last token starts: the place of failures
    struct error *error;
    size_t nesting;          // objects and arrays around
    size_t elements;         // values that may still come
    struct buffer unescaped; // the last string, when it had escapes
    size_t path_size;        // may be larger than what fits in `path`
    char path[256];          // "resident.names[2]"
};

// `text` must be UTF-8 (checked here). 0 or VIEW_REFUSED.
int json_lex_start(struct json_lex *lex, struct bytes text, struct error *error);
void json_lex_finish(struct json_lex *lex);

// Fails at the present path and place. VIEW_REFUSED.
int json_fail(struct json_lex *lex, const char *format, ...) __attribute__((format(printf, 2, 3)));

// What the next value starts with: { [ " 0 (a number) t f n, or 0 at anything else.
char json_peek(struct json_lex *lex);
// What comes next, for messages: "a text", "a number", …
const char *json_found(struct json_lex *lex);

// The text, valid until the next one is read. 0, VIEW_REFUSED, -ENOMEM.
int json_lex_string(struct json_lex *lex, struct bytes *out);
int json_number(struct json_lex *lex, struct bytes *out);
int json_literal(struct json_lex *lex, const char *word); // true false null
int json_skip(struct json_lex *lex);                      // any value
int json_end(struct json_lex *lex);                       // nothing but blanks follows

// '{' or '['. Then json_next() before each member or element, with `*first` true at first; not `*more`: the
// end was passed.
int json_open(struct json_lex *lex, char bracket);
int json_next(struct json_lex *lex, char bracket, bool *first, bool *more);
int json_key(struct json_lex *lex, struct bytes *out); // of a member, with the colon

// The path grows by a field or an index, and goes back to what it was.
size_t json_enter(struct json_lex *lex, const char *name);
size_t json_enter_key(struct json_lex *lex, struct bytes key);
size_t json_enter_index(struct json_lex *lex, size_t index);
void json_leave(struct json_lex *lex, size_t mark);
