// What the steps of one compilation share.
#pragma once

#include "core/cel/ast.h"
#include "core/codes/codes.h"

#include <stdarg.h>

struct cel_variable {
    const char *name;
    struct cel_type type;
    struct paths *paths; // of a message; borrowed
};

// A function that is only declared.
struct cel_signature {
    const struct cel_signature *next;
    const char *name;
    const struct cel_type *const *params; // borrowed
    size_t count;
    const struct cel_type *result;
};

struct cel_env {
    const struct catalogue *catalogue;
    const struct codes *codes; // or NULL
    const char *container;     // "" for none
    const char *zones;         // the folder of the named time zones
    uint8_t hash_key[CEL_HASH_KEY_SIZE];
    bool hashes; // there is a key
    struct arena names;
    struct cel_variable *variables;
    size_t count;
    const struct cel_signature *signatures;
    bool dynamic;
};

struct node;

struct local {
    struct bytes name;
    const struct cel_type *type;
    const struct local *outer;
    size_t index;
};

struct compiler {
    const struct cel_env *env;
    struct bytes source;
    const struct cel_limits *limits;
    struct arena tree;           // goes with the compilation
    struct cel_program *program; // in whose arena the rest lies
    struct cel_problems *problems;
    uint8_t *text;              // where a literal is put together; as long as the source
    const struct local *locals; // of the macros around, the innermost first
    size_t local_count;         // that the program needs
    size_t depth;               // of macros
    size_t nodes;
    struct cel_activation *activation; // for what can be worked out now; owned, made when first needed
    enum cel_problem_kind kind;        // of problems in this phase
    bool refused;
    int failure; // -ENOMEM
};

// Reports a problem at a place of the source.
void compiler_problem(struct compiler *compiler, size_t offset, size_t length, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
// Types that don't fit: a problem, or for the evaluation to find out where the env is dynamic.
void compiler_mismatch(struct compiler *compiler, size_t offset, size_t length, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
// Over a limit of the expression.
void compiler_limit(struct compiler *compiler, size_t offset, size_t length, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
// Memory of the tree, and of the program; NULL without (compiler->failure is then set).
void *compiler_tree(struct compiler *compiler, size_t size);
void *compiler_keep(struct compiler *compiler, size_t size);
struct bytes compiler_keep_bytes(struct compiler *compiler, struct bytes bytes); // data NULL without memory

// Finds types and meanings for the whole tree; all problems are reported.
void check(struct compiler *compiler, struct ast *root);
// The program's nodes; NULL after a problem or without memory.
const struct node *build(struct compiler *compiler, const struct ast *root);
