#include "core/cel/compiler.h"

#include "core/base/utf8.h"
#include "core/cel/program.h"
#include "core/cel/types.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

const struct cel_limits cel_default_limits = {.source = 16384,
    .nodes = 10000,
    .depth = 100,
    .matches = 100000,
    .steps = 1000000,
    .memory = (size_t)64 << 20};

void *compiler_tree(struct compiler *compiler, size_t size) {
    void *memory = arena_alloc(&compiler->tree, size);
    if (!memory)
        compiler->failure = -ENOMEM;
    return memory;
}

void *compiler_keep(struct compiler *compiler, size_t size) {
    void *memory = arena_alloc(&compiler->program->arena, size);
    if (!memory)
        compiler->failure = -ENOMEM;
    return memory;
}

struct bytes compiler_keep_bytes(struct compiler *compiler, struct bytes bytes) {
    uint8_t *copy = compiler_keep(compiler, bytes.size + 1);
    if (copy && bytes.size)
        memcpy(copy, bytes.data, bytes.size);
    return bytes_of(copy, copy ? bytes.size : 0);
}

// In the order of their places; the same problem is told once.
static void insert(struct cel_problems *problems, const struct cel_problem *problem) {
    size_t i = problems->count;
    for (size_t j = 0; j < problems->count; j++)
        if (problems->items[j].offset == problem->offset &&
            strcmp(problems->items[j].text, problem->text) == 0)
            return;
    if (problems->count == CEL_PROBLEMS)
        return;
    for (; i > 0 && problems->items[i - 1].offset > problem->offset; i--)
        problems->items[i] = problems->items[i - 1];
    problems->items[i] = *problem;
    problems->count++;
}

__attribute__((format(printf, 5, 0))) static void report(struct compiler *compiler,
    enum cel_problem_kind kind, size_t offset, size_t length, const char *format, va_list args) {
    size_t left = compiler->source.size - offset; // no place is behind the end
    struct cel_problem problem = {.offset = offset, .length = length < left ? length : left, .kind = kind};
    vsnprintf(problem.text, sizeof problem.text, format, args);
    compiler->refused = true;
    if (compiler->problems)
        insert(compiler->problems, &problem);
}

void compiler_problem(struct compiler *compiler, size_t offset, size_t length, const char *format, ...) {
    va_list args;
    va_start(args, format);
    report(compiler, compiler->kind, offset, length, format, args);
    va_end(args);
}

void compiler_mismatch(struct compiler *compiler, size_t offset, size_t length, const char *format, ...) {
    va_list args;
    if (compiler->env->dynamic)
        return;
    va_start(args, format);
    report(compiler, CEL_PROBLEM_TYPE, offset, length, format, args);
    va_end(args);
}

void compiler_limit(struct compiler *compiler, size_t offset, size_t length, const char *format, ...) {
    va_list args;
    va_start(args, format);
    report(compiler, CEL_PROBLEM_LIMIT, offset, length, format, args);
    va_end(args);
}

static size_t or_default(size_t limit, size_t standard) {
    return limit ? limit : standard;
}

static struct cel_limits complete(const struct cel_limits *limits) {
    const struct cel_limits *standard = &cel_default_limits;
    if (!limits)
        return *standard;
    return (struct cel_limits){.source = or_default(limits->source, standard->source),
        .nodes = or_default(limits->nodes, standard->nodes),
        .depth = or_default(limits->depth, standard->depth),
        .matches = or_default(limits->matches, standard->matches),
        .steps = or_default(limits->steps, standard->steps),
        .memory = or_default(limits->memory, standard->memory)};
}

// Where the first thing is that is no UTF-8.
static size_t valid_part(struct bytes source) {
    size_t low = 0;
    while (low < source.size) {
        size_t length = 1;
        while (length <= 4 && low + length <= source.size && !utf8_valid(source.data + low, length))
            length++;
        if (length > 4 || low + length > source.size)
            break;
        low += length;
    }
    return low;
}

static bool fit_source(struct compiler *compiler) {
    struct bytes source = compiler->source;
    if (source.size > compiler->limits->source) {
        compiler_limit(compiler, compiler->limits->source, source.size - compiler->limits->source,
            "the expression is longer than %zu bytes", compiler->limits->source);
        return false;
    }
    if (!utf8_bytes(source)) {
        compiler_problem(compiler, valid_part(source), 1, "the expression is not UTF-8 from here on");
        return false;
    }
    return true;
}

static void run(struct compiler *compiler) {
    struct ast *root = fit_source(compiler) ? parse(compiler) : NULL;
    if (!root)
        return;
    compiler->kind = CEL_PROBLEM_NAME;
    check(compiler, root);
    compiler->kind = CEL_PROBLEM_VALUE;
    if (compiler->refused || compiler->failure)
        return;
    compiler->program->type = type_final(compiler, root->type);
    compiler->program->root = build(compiler, root);
    compiler->program->locals = compiler->local_count;
    compiler->program->tells_absence = compiler->program->root && path_tells_absence(compiler->program->root);
    compiler->program->selects_text = compiler->program->root && path_is_text(compiler->program->root);
}

int cel_compile(const struct cel_env *env, struct bytes source, const struct cel_limits *limits,
    struct cel_program **out, struct cel_problems *problems) {
    struct cel_program *program = calloc(1, sizeof *program);
    if (!program)
        return -ENOMEM;
    program->env = env;
    program->limits = complete(limits);
    struct compiler compiler = {
        .env = env, .source = source, .limits = &program->limits, .program = program, .problems = problems};
    if (problems)
        problems->count = 0;
    run(&compiler);
    arena_destroy(&compiler.tree);
    cel_activation_destroy(&compiler.activation);
    if (compiler.failure || compiler.refused) {
        cel_program_destroy(&program);
        return compiler.failure ? compiler.failure : CEL_REFUSED;
    }
    *out = program;
    return 0;
}

void cel_program_destroy(struct cel_program **self) {
    struct cel_program *program = *self;
    if (!program)
        return;
    for (struct program_match *match = program->matches; match; match = match->next)
        pcre2_code_free(match->code);
    arena_destroy(&program->arena);
    free(program);
    *self = NULL;
}

const struct cel_type *cel_program_type(const struct cel_program *program) {
    return program->type;
}
