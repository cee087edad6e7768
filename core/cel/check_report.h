// A call's arguments, and what is said of those that fit nothing.
#pragma once

#include "core/cel/check.h"
#include "core/cel/functions.h"

#define CALL_ARGUMENTS 4 // more are told apart as "too many"

struct arguments {
    const struct ast *items[CALL_ARGUMENTS];
    size_t count; // may be more than there is room for
    bool member;
    bool wrong;   // one of them has a problem of its own
    bool certain; // all types are known, none may be null
};

// No overload of the name takes the arguments.
void report_call(struct compiler *compiler, const struct ast *node, const struct overload *overload,
    const struct arguments *arguments);
void report_operator(
    struct compiler *compiler, const struct ast *node, const char *sign, const struct arguments *arguments);
void report_unequal(struct compiler *compiler, const struct ast *node, const struct arguments *arguments);
void report_function(struct compiler *compiler, const struct ast *node); // there is none of the name
// Whether an unknown function looks like a macro that is misspelled, such as list.exist(x, …).
bool report_means_macro(const struct ast *node);
