// CEL, the Common Expression Language (github.com/google/cel-spec), typed against the catalogue and evaluated
// on wire bytes. parse -> check -> compile happen once, at load; a program is immutable and may be shared by
// threads, an activation not.
#pragma once

#include "core/schema/view.h"

struct codes; // core/codes

enum cel_kind {
    CEL_NULL,
    CEL_BOOL,
    CEL_INT,  // int64
    CEL_UINT, // uint64
    CEL_DOUBLE,
    CEL_STRING,
    CEL_BYTES,
    CEL_TIMESTAMP, // google.protobuf.Timestamp
    CEL_DURATION,  // google.protobuf.Duration
    CEL_LIST,
    CEL_MAP,
    CEL_MESSAGE,
    CEL_ENUM, // static type only: values are CEL_INT
    CEL_TYPE,
    CEL_CITIZEN_NUMBER, // of GB 11643, right or wrong: `bytes`
    CEL_CREDIT_CODE,    // of GB 32100
    CEL_DIVISION,       // of GB/T 2260 and below
    CEL_ERROR,
    CEL_DYN,      // static type only
    CEL_PARAM,    // static type only: any type, but the same one in all of a function's signature; `name`
    CEL_ABSTRACT, // static type only: what a declared function gives; `name` and `parameters`
};

// A static type. `element` of a list, or value of a map (`key` its key); `message`/`enumeration` where of
// that kind.
struct cel_type {
    enum cel_kind kind;
    bool nullable; // null, or a value of the kind: google.protobuf.Int64Value and its like
    const struct cel_type *element;
    const struct cel_type *key;
    const struct schema_message *message;
    const struct schema_enum *enumeration;
    const char *name;
    const struct cel_type *const *parameters;
    size_t parameter_count;
};

enum cel_problem_kind {
    CEL_PROBLEM_SYNTAX,
    CEL_PROBLEM_NAME,  // a variable, function, type or field that isn't there
    CEL_PROBLEM_TYPE,  // values of types that don't fit
    CEL_PROBLEM_VALUE, // a literal that is none of what it should be: a time, a pattern
    CEL_PROBLEM_LIMIT,
};

// What is wrong with an expression: `offset` and `length` in bytes of the source. At most CEL_PROBLEMS are
// kept.
#define CEL_PROBLEMS 16
struct cel_problem {
    size_t offset;
    size_t length;
    enum cel_problem_kind kind;
    char text[256]; // with a suggestion where there is one
};
struct cel_problems {
    size_t count;
    struct cel_problem items[CEL_PROBLEMS]; // in the order of their places
};

// 0 means the default.
struct cel_limits {
    size_t source;  // bytes of an expression: 16 KiB
    size_t nodes;   // 10,000
    size_t depth;   // 100
    size_t matches; // items of its pattern that one matches() tries: 100,000; ten are one step
    size_t steps;   // elements, and kilobytes of long texts, that one evaluation walks over: 1,000,000
    size_t memory;  // bytes that one evaluation may take: 64 MiB
};
extern const struct cel_limits cel_default_limits;

// The names that an expression may use. Built at load time; borrowed by programs, which it must outlive.
struct cel_env;

// `catalogue` and `codes` (may be NULL: then codes() is an error at check) are borrowed. `container` is the
// package in which short type names resolve ("gov.public_security.v1"; NULL: none), besides that of the
// variable's own message. Returns owned.
struct cel_env *cel_env_new(
    const struct catalogue *catalogue, const struct codes *codes, const char *container);
void cel_env_destroy(struct cel_env **self);

// The key of hash(), which is copied. Without one hash() is an error at check.
#define CEL_HASH_KEY_SIZE 32
void cel_env_set_hash_key(struct cel_env *env, const uint8_t key[CEL_HASH_KEY_SIZE]);

// A variable of a message type: its fields are read on wire bytes through `paths` (borrowed, grows as
// expressions are compiled; its root is the type). Nested type names of the message resolve too: Kind.VISIT
// under ResidenceRegistered. `index` (from 0, in order of declaration) is where an activation holds the scan.
// 0 or negative.
int cel_env_declare_message(struct cel_env *env, const char *name, struct paths *paths, size_t *index);
// A variable of a plain kind (BOOL INT UINT DOUBLE STRING BYTES TIMESTAMP DURATION).
int cel_env_declare(struct cel_env *env, const char *name, enum cel_kind kind, size_t *index);
// A variable of any type that an expression may have (copied), CEL_DYN too: the element of a list. A
// message's fields are read off its bytes, and the names nested in its type resolve too.
int cel_env_declare_typed(struct cel_env *env, const char *name, const struct cel_type *type, size_t *index);
// An env with all that `outer` knows (borrowed, complete), to which more variables may be declared. Programs
// of both may run with one activation, in which the shared variables are the same. Returns owned, or NULL.
struct cel_env *cel_env_new_inside(const struct cel_env *outer);
size_t cel_env_count(const struct cel_env *env); // variables
// A function that is known by its signature only: a call of it is checked, and fails when evaluated. The
// types, in which CEL_PARAM may stand, are borrowed for the env's life; a name may have several signatures.
int cel_env_declare_function(struct cel_env *env, const char *name, const struct cel_type *const *params,
    size_t count, const struct cel_type *result);
// Takes expressions as they are: what doesn't fit by its type, and names that mean nothing, are errors of the
// evaluation, which && and || may absorb. Routes never want it.
void cel_env_set_dynamic(struct cel_env *env, bool dynamic);

struct cel_program;

// 0, or CEL_REFUSED with problems (NULL: not wanted), or -ENOMEM. Returns `*out` owned.
enum {
    CEL_REFUSED = 1, // the source is wrong (at compile)
    CEL_FAILED =
        2, // an error value came out (at evaluation): no such key, division by zero, unmapped code, …
};
int cel_compile(const struct cel_env *env, struct bytes source, const struct cel_limits *limits,
    struct cel_program **out, struct cel_problems *problems);
void cel_program_destroy(struct cel_program **self);
const struct cel_type *cel_program_type(const struct cel_program *program);
// A type's name as people write it ("string", "list(int)", "gov.common.v1.Address"), into `out`; returns
// `out`.
const char *cel_type_name(const struct cel_type *type, char *out, size_t size);

struct cel_value {
    enum cel_kind kind;
    union {
        bool boolean;
        int64_t i64;
        uint64_t u64;
        double f64;
        struct bytes bytes; // STRING, BYTES, TYPE (its name), CITIZEN_NUMBER, CREDIT_CODE, DIVISION: borrowed
                            // from the message, the program or the activation's arena
        struct {
            int64_t seconds;
            int32_t nanos;
        } time; // TIMESTAMP, DURATION
        struct {
            const struct schema_message *type;
            const struct view_value *view; // of `scan`; NULL in all that comes out of cel_eval()
            const struct scan *scan;
            struct bytes bytes; // whole message, when `view` is NULL
        } message;
        const struct cel_list *list; // in the arena; see value.h
        const struct cel_map *map;
        const struct cel_error *error;
    };
};

// The values of one evaluation; reused. Owns an arena that is emptied at each cel_activation_reset().
struct cel_activation;
struct cel_activation *cel_activation_new(const struct cel_env *env); // returns owned, or NULL
void cel_activation_destroy(struct cel_activation **self);
void cel_activation_reset(struct cel_activation *activation);
// All evaluations until the reset share this many steps, so that a loop around them has an end too.
#define CEL_BUDGET 10000000
// Takes from these what the caller does between evaluations, as one step for an element. 0, or CEL_FAILED.
int cel_activation_spend(struct cel_activation *activation, size_t steps, struct error *error);
// Makes room for programs of an env inside its own, with `count` variables. 0 or -ENOMEM.
int cel_activation_reserve(struct cel_activation *activation, size_t count);
// Borrows `scan`. It must have run after the last expression on its paths was compiled.
void cel_activation_set_scan(struct cel_activation *activation, size_t index, const struct scan *scan);
void cel_activation_set(struct cel_activation *activation, size_t index, const struct cel_value *value);
// The date by which codes() maps: seconds since 1970. Set it before evaluating (default: 0 maps by the newest
// entries).
void cel_activation_set_time(struct cel_activation *activation, int64_t seconds);

// A message that comes out, read or built, has all its wire bytes in `message.bytes`, and they are valid for
// its type; what CEL knows as another value (Timestamp, Int64Value, Struct, Any, …) comes out as that.
// value.h takes lists and maps apart, and writes any value into a field of a message: cel_put_field().
//
// 0 with `*out` (valid until the reset); CEL_FAILED with the text in `error`; -ENOMEM.
int cel_eval(const struct cel_program *program, struct cel_activation *activation, struct cel_value *out,
    struct error *error);
// For a program of type bool: 0 with `*out`; no allocation for simple filters.
int cel_eval_bool(
    const struct cel_program *program, struct cel_activation *activation, bool *out, struct error *error);
