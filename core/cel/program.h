// A program: a tree of nodes, each with the function that evaluates it. Private to core/cel.
#pragma once

#define PCRE2_CODE_UNIT_WIDTH 8

#include "core/cel/ast.h"
#include "core/cel/value.h"
#include "core/schema/arena.h"
#include "core/schema/scan.h"

#include <pcre2.h>

#define CEL_ARGS 4 // arguments of a function, at most

struct node;
struct zone;

typedef void (*node_eval)(const struct node *node, struct cel_activation *activation, struct cel_value *out);
// `args` hold no error; the node is for what was bound to the call.
typedef void (*cel_function)(const struct node *node, struct cel_activation *activation,
    const struct cel_value *args, struct cel_value *out);

// Where a field's value is found in a scan.
struct node_path {
    uint32_t variable;
    uint32_t slot;
    uint32_t inner[2]; // of a Timestamp or Duration: seconds, nanos; of a wrapper: its value
    const struct schema_field *field;
};

struct node {
    node_eval eval;
    const struct node *const *args;
    size_t count;
    union {
        struct cel_value value;
        struct node_path path;
        size_t index; // of a variable or local
        struct {
            cel_function function;
            const struct overload *overload; // the first of those of the name, when there is a choice
            const void *bound;               // struct code_map, code_list, program_match, zone
            bool member;
        } call;
        struct {
            const struct schema_field *field; // or NULL: by name, when evaluating
            struct bytes name;
        } select;
        struct {          // args: the list, then what is evaluated for each element
            size_t local; // of two names the first; the second's is the next
            enum ast_macro kind;
            bool two;
        } macro;
        struct { // args: the fields' values
            const struct schema_message *type;
            const struct schema_field *const *fields; // NULL: no such field
        } make;
    };
};

// A literal pattern, compiled with the program.
struct program_match {
    pcre2_code *code; // owned
    struct program_match *next;
};

// A time zone that a call names, read with the program.
struct program_zone {
    const char *name;
    const struct zone *zone;
    struct program_zone *next;
};

struct cel_program {
    struct arena arena; // all that follows lies in it, but for PCRE2's
    const struct cel_env *env;
    const struct node *root;
    const struct cel_type *type;
    struct cel_limits limits;
    size_t locals;
    bool tells_absence; // see cel_program_absent()
    bool selects_text;  // see cel_program_text()
    struct program_match *matches;
    struct program_zone *zones;
};

struct activation_block;

struct activation_variable {
    const struct scan *scan;
    struct cel_value value;
    bool set;
};

struct cel_activation {
    const struct cel_env *env;
    struct activation_variable *variables; // owned
    size_t count;
    struct cel_value *locals; // of the program that runs; in the arena
    const struct cel_program *program;
    int64_t time;
    size_t steps;                   // left
    size_t granted;                 // when the evaluation began
    size_t budget;                  // steps for all evaluations until the reset; without what was granted
    int failure;                    // -ENOMEM
    size_t depth;                   // of the values that are being compared
    enum cel_fault fault;           // of the last evaluation that failed
    struct activation_block *first; // the arena: a list of blocks
    struct activation_block *block; // the one that is being filled
    size_t memory;                  // that the blocks take
    size_t memory_limit;
    pcre2_match_data *match_data; // owned, as all of these
    pcre2_match_context *match_context;
    struct digest *digest; // of hash(); owned
    struct buffer scratch; // where a message is put together; owned
};

// Memory until the reset, not zeroed; NULL with an error in `out`.
void *activation_alloc(struct cel_activation *activation, size_t size, struct cel_value *out);
// Room for `count` of `size` bytes each.
void *activation_array(struct cel_activation *activation, size_t count, size_t size, struct cel_value *out);
// Begins an evaluation that may take so many steps, or what the budget has left.
static inline void activation_grant(struct cel_activation *activation, size_t steps) {
    if (activation->granted > activation->steps)
        activation->budget -= activation->granted - activation->steps; // the evaluation before took these
    activation->granted = activation->steps = steps < activation->budget ? steps : activation->budget;
}

// Takes `steps` from what one evaluation may do; false with an error in `out` when that is used up.
bool activation_charge(struct cel_activation *activation, size_t steps, struct cel_value *out);
void activation_no_memory(struct cel_activation *activation, struct cel_value *out);

void value_fail(struct cel_activation *activation, struct cel_value *out, enum cel_fault fault,
    const char *format, ...) __attribute__((format(printf, 4, 5)));
void value_fail_static(struct cel_value *out, const struct cel_error *error);
void value_no_overload(struct cel_value *out);

static inline void value_set_bool(struct cel_value *out, bool value) {
    out->kind = CEL_BOOL;
    out->boolean = value;
}

static inline void value_set_int(struct cel_value *out, int64_t value) {
    out->kind = CEL_INT;
    out->i64 = value;
}

static inline void value_set_bytes(struct cel_value *out, enum cel_kind kind, struct bytes bytes) {
    out->kind = kind;
    out->bytes = bytes;
}

static inline void node_run(
    const struct node *node, struct cel_activation *activation, struct cel_value *out) {
    node->eval(node, activation, out);
}

// eval.c: what a node's `eval` may be.
void eval_literal(const struct node *node, struct cel_activation *activation, struct cel_value *out);
void eval_variable(const struct node *node, struct cel_activation *activation, struct cel_value *out);
void eval_local(const struct node *node, struct cel_activation *activation, struct cel_value *out);
void eval_and(const struct node *node, struct cel_activation *activation, struct cel_value *out);
void eval_or(const struct node *node, struct cel_activation *activation, struct cel_value *out);
void eval_choice(const struct node *node, struct cel_activation *activation, struct cel_value *out);
void eval_call_1(const struct node *node, struct cel_activation *activation, struct cel_value *out);
void eval_call_2(const struct node *node, struct cel_activation *activation, struct cel_value *out);
void eval_call_more(const struct node *node, struct cel_activation *activation, struct cel_value *out);
void eval_call_any(const struct node *node, struct cel_activation *activation, struct cel_value *out);
void eval_select(const struct node *node, struct cel_activation *activation, struct cel_value *out);
void eval_has(const struct node *node, struct cel_activation *activation, struct cel_value *out);
void eval_list(const struct node *node, struct cel_activation *activation, struct cel_value *out);
void eval_map(const struct node *node, struct cel_activation *activation, struct cel_value *out);
void eval_scan(const struct node *node, struct cel_activation *activation, struct cel_value *out);
void eval_unknown(const struct node *node, struct cel_activation *activation, struct cel_value *out);
void eval_no_overload(const struct node *node, struct cel_activation *activation, struct cel_value *out);
void eval_new(const struct node *node, struct cel_activation *activation, struct cel_value *out);
void eval_bind(const struct node *node, struct cel_activation *activation, struct cel_value *out);
void eval_macro(const struct node *node, struct cel_activation *activation, struct cel_value *out);

// What a path's node reads; NULL: its variable has no scan.
static inline const struct view_value *path_view(
    const struct node *node, const struct cel_activation *activation) {
    size_t index = node->path.variable;
    const struct scan *scan = index < activation->count ? activation->variables[index].scan : NULL;
    return scan ? &scan->values[node->path.slot] : NULL;
}

// eval_path.c: the function that reads the path's kind of field, or tells whether it is there.
node_eval path_eval(const struct schema_field *field);
bool path_is_plain(const struct node *node);      // a singular scalar field: its value is the view's
bool path_tells_absence(const struct node *node); // a singular field that tells "set" from "default"
bool path_is_text(const struct node *node);       // a singular string of a proto3 message
void eval_path_has(const struct node *node, struct cel_activation *activation, struct cel_value *out);

// fast.c: puts a shorter evaluation into a call's node where there is one.
void fast_choose(const struct ast *ast, struct node *node);

// match.c
pcre2_code *match_compile(
    struct bytes pattern, size_t *offset, char *why, size_t size); // NULL: why; "": no memory
