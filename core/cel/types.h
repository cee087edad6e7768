// Static types. Basic ones are constants; lists, maps, messages lie in the program.
#pragma once

#include "core/cel/compiler.h"

// The messages that CEL knows as values of their own.
enum known {
    KNOWN_NOT,
    KNOWN_TIMESTAMP,
    KNOWN_DURATION,
    KNOWN_WRAPPER, // Int64Value and its like
    KNOWN_ANY,     // what is packed in it
    KNOWN_VALUE,   // JSON's values: null, bool, double, string, list, map
    KNOWN_STRUCT,  // map(string, dyn)
    KNOWN_LIST,    // ListValue: list(dyn)
};
enum known known_of(const struct schema_message *message);
bool known_null(enum known known); // whether it is null while it isn't set

const struct cel_type *type_basic(enum cel_kind kind);
const struct cel_type *type_nullable(enum cel_kind kind); // of a plain kind
// The type of nothing: that of the elements of [], which becomes that of any other element.
const struct cel_type *type_nothing(void);
// NULL without memory, as all that follow.
const struct cel_type *type_keep(struct compiler *compiler, const struct cel_type *type); // a copy
const struct cel_type *type_list(struct compiler *compiler, const struct cel_type *element);
const struct cel_type *type_map(
    struct compiler *compiler, const struct cel_type *key, const struct cel_type *value);
const struct cel_type *type_message(struct compiler *compiler, const struct schema_message *message);
const struct cel_type *type_enum(struct compiler *compiler, const struct schema_enum *enumeration);
// What a field's value is: a list or map where it is repeated.
const struct cel_type *type_of_field(struct compiler *compiler, const struct schema_field *field);
enum cel_kind kind_of_field(const struct schema_field *field); // of one element; a wrapper's is what it holds

bool type_unknown(const struct cel_type *type); // dyn, or the type of what has a problem
bool type_equal(const struct cel_type *a, const struct cel_type *b);
// Whether values of both may be the same value.
bool type_comparable(const struct cel_type *a, const struct cel_type *b);
// Whether a value of the type `value` may be given where `wanted` is: to a field, or as an argument.
bool type_accepts(const struct cel_type *wanted, const struct cel_type *value);
// With dyn where nothing more is known; NULL without memory.
const struct cel_type *type_final(struct compiler *compiler, const struct cel_type *type);
bool type_number(const struct cel_type *type);
bool kind_own(enum cel_kind kind); // citizen_number and its like: a text with functions of its own
// The type of what is either of both; NULL where there is none (or without memory).
const struct cel_type *type_join(
    struct compiler *compiler, const struct cel_type *a, const struct cel_type *b);
