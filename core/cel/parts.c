#include "core/cel/parts.h"

#include "core/cel/compiler.h"
#include "core/cel/program.h"

#include <errno.h>
#include <stdlib.h>

struct cel_parts {
    const struct cel_env *env;
    struct bytes source; // a copy, in the arena
    struct arena arena;
    struct part_program *programs; // all of them, to be freed
    struct cel_part *root;
};

struct part_program {
    struct cel_program *program; // owned
    struct part_program *next;
};

static void *keep(struct cel_parts *parts, size_t size, int *rc) {
    void *memory = arena_alloc(&parts->arena, size);
    if (!memory)
        *rc = -ENOMEM;
    return memory;
}

// Compiles a stretch of the source by itself. NULL with `*rc`.
static struct cel_program *compile(struct cel_parts *parts, size_t offset, size_t length, int *rc) {
    struct part_program *entry = keep(parts, sizeof *entry, rc);
    struct bytes source = bytes_of(parts->source.data + offset, length);
    if (!entry || (*rc = cel_compile(parts->env, source, NULL, &entry->program, NULL)) != 0)
        return NULL;
    entry->next = parts->programs;
    parts->programs = entry;
    return entry->program;
}

// ---- What a part reads ----

struct reads {
    struct cel_parts *parts;
    struct cel_read *items; // in the arena: as many as the part has nodes
    size_t count;
    int rc;
};

static void add_read(struct reads *reads, const struct ast *ast) {
    struct bytes text = bytes_of(reads->parts->source.data + ast->offset, ast->length);
    int rc = 0;
    for (size_t i = 0; i < reads->count; i++)
        if (bytes_equal(reads->items[i].text, text))
            return;
    struct cel_program *program = compile(reads->parts, ast->offset, ast->length, &rc);
    if (program)
        reads->items[reads->count++] = (struct cel_read){.text = text, .program = program};
    else if (rc != CEL_REFUSED) // what is a value only inside of its macro is left out
        reads->rc = rc;
}

static bool is_variable(const struct cel_env *env, struct bytes name) {
    for (size_t i = 0; i < env->count; i++)
        if (bytes_equal_string(name, env->variables[i].name))
            return true;
    return false;
}

// The names that macros around give to their elements.
struct scope {
    struct bytes name;
    const struct scope *outer;
};

static bool is_path(const struct cel_env *env, const struct ast *ast, const struct scope *scope) {
    while (ast->kind == AST_SELECT)
        ast = ast->target;
    for (; scope; scope = scope->outer)
        if (bytes_equal(scope->name, ast->name))
            return false;
    return ast->kind == AST_NAME && is_variable(env, ast->name);
}

static bool is_comparison(const struct ast *ast) {
    static const char *const names[] = {"_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "_in_"};
    for (size_t i = 0; ast->kind == AST_CALL && i < sizeof names / sizeof *names; i++)
        if (bytes_equal_string(ast->name, names[i]))
            return true;
    return false;
}

// NOLINTBEGIN(misc-no-recursion): the tree's height is limited
static void find_reads(struct reads *reads, const struct ast *ast, const struct scope *scope) {
    if (is_path(reads->parts->env, ast, scope)) {
        add_read(reads, ast);
        return;
    }
    struct scope inner = {.name = ast->name, .outer = scope};
    struct scope second = {.name = ast->second, .outer = &inner};
    bool names = ast->kind == AST_MACRO || ast->kind == AST_BIND;
    if (ast->target)
        find_reads(reads, ast->target, scope);
    for (const struct ast *arg = ast->args; arg; arg = arg->next) {
        size_t before = reads->count;
        find_reads(reads, arg, !names ? scope : ast->second.data ? &second : &inner);
        if (arg->kind == AST_CALL && reads->count > before && !scope && is_comparison(ast))
            add_read(reads, arg);
    }
}

static size_t count_nodes(const struct ast *ast) {
    size_t count = 1 + (ast->target ? count_nodes(ast->target) : 0);
    for (const struct ast *arg = ast->args; arg; arg = arg->next)
        count += count_nodes(arg);
    return count;
}

// ---- Taking apart ----

static int make_part(struct cel_parts *parts, const struct ast *ast, struct cel_part *out);

static int make_plain(struct cel_parts *parts, const struct ast *ast, struct cel_part *out) {
    struct reads reads = {.parts = parts};
    reads.items = keep(parts, count_nodes(ast) * sizeof *reads.items, &reads.rc);
    if (reads.items)
        find_reads(&reads, ast, NULL);
    out->reads = reads.items;
    out->read_count = reads.count;
    return reads.rc;
}

static int make_logic(struct cel_parts *parts, const struct ast *ast, struct cel_part *out) {
    int rc = 0;
    struct cel_part *list = keep(parts, ast->count * sizeof *list, &rc);
    out->parts = list;
    for (const struct ast *arg = ast->args; rc == 0 && arg; arg = arg->next)
        rc = make_part(parts, arg, &list[out->part_count++]);
    return rc;
}

static int make_part(struct cel_parts *parts, const struct ast *ast, struct cel_part *out) {
    int rc = 0;
    bool both = ast->kind == AST_CALL && bytes_equal_string(ast->name, "_&&_");
    bool any = ast->kind == AST_CALL && bytes_equal_string(ast->name, "_||_");
    *out = (struct cel_part){.kind = both  ? CEL_PART_AND
                                     : any ? CEL_PART_OR
                                           : CEL_PART_PLAIN,
        .offset = ast->offset,
        .length = ast->length};
    out->program = compile(parts, ast->offset, ast->length, &rc);
    if (rc)
        return rc;
    return both || any ? make_logic(parts, ast, out) : make_plain(parts, ast, out);
}
// NOLINTEND(misc-no-recursion)

// The tree lives as long as the parts are made of it. Its literals lie in a program that goes with it.
static int take_apart(struct cel_parts *parts) {
    struct cel_program *scratch = calloc(1, sizeof *scratch);
    if (!scratch)
        return -ENOMEM;
    scratch->env = parts->env;
    scratch->limits = cel_default_limits;
    struct compiler compiler = {
        .env = parts->env, .source = parts->source, .limits = &scratch->limits, .program = scratch};
    const struct ast *root = parse(&compiler);
    int rc = compiler.failure ? compiler.failure : root ? 0 : CEL_REFUSED;
    parts->root = rc ? NULL : keep(parts, sizeof *parts->root, &rc);
    if (parts->root)
        rc = make_part(parts, root, parts->root);
    arena_destroy(&compiler.tree);
    cel_program_destroy(&scratch);
    return rc;
}

int cel_parts_new(const struct cel_env *env, struct bytes source, struct cel_parts **out) {
    if (source.size > cel_default_limits.source)
        return CEL_REFUSED;
    struct cel_parts *parts = calloc(1, sizeof *parts);
    if (!parts)
        return -ENOMEM;
    parts->env = env;
    parts->source = bytes_of(arena_string(&parts->arena, source), source.size);
    int rc = parts->source.data ? take_apart(parts) : -ENOMEM;
    if (rc)
        cel_parts_destroy(&parts);
    else
        *out = parts;
    return rc;
}

void cel_parts_destroy(struct cel_parts **self) {
    struct cel_parts *parts = *self;
    if (!parts)
        return;
    for (struct part_program *entry = parts->programs; entry; entry = entry->next)
        cel_program_destroy(&entry->program);
    arena_destroy(&parts->arena);
    free(parts);
    *self = NULL;
}

const struct cel_part *cel_parts_root(const struct cel_parts *parts) {
    return parts->root;
}

// ---- What settled it ----

struct blame {
    struct cel_activation *activation;
    cel_part_visit visit;
    void *context;
    int rc;
};

enum verdict {
    VERDICT_TRUE,
    VERDICT_FALSE,
    VERDICT_FAILED,
};

static enum verdict judge(struct blame *blame, const struct cel_part *part, struct error *error) {
    bool value;
    int rc = cel_eval_bool(part->program, blame->activation, &value, error);
    if (rc != 0 && rc != CEL_FAILED)
        blame->rc = rc;
    return rc ? VERDICT_FAILED : value ? VERDICT_TRUE : VERDICT_FALSE;
}

// NOLINTNEXTLINE(misc-no-recursion): the tree's height is limited
static void blame_part(struct blame *blame, const struct cel_part *part) {
    struct error error = {0};
    enum verdict verdict = judge(blame, part, &error);
    if (verdict == VERDICT_TRUE || blame->rc)
        return;
    if (part->kind == CEL_PART_PLAIN)
        blame->visit(blame->context, part, verdict == VERDICT_FAILED ? &error : NULL);
    for (size_t i = 0; i < part->part_count && blame->rc == 0; i++) {
        if (judge(blame, &part->parts[i], &error) != verdict)
            continue;
        blame_part(blame, &part->parts[i]);
        if (part->kind == CEL_PART_AND)
            return;
    }
}

int cel_parts_blame(
    const struct cel_parts *parts, struct cel_activation *activation, cel_part_visit visit, void *context) {
    struct blame blame = {.activation = activation, .visit = visit, .context = context};
    blame_part(&blame, parts->root);
    return blame.rc;
}
