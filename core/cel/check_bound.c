// What is fixed by a call's literals: time zones, formats, numbers; codes and its like are in check_own.c.
#include "core/cel/check.h"
#include "core/cel/encode.h"
#include "core/cel/format.h"
#include "core/cel/program.h"
#include "core/cel/suggest.h"
#include "core/cel/time.h"
#include "core/cel/zone.h"

#include <errno.h>

bool literal_string(const struct ast *node) {
    return node->kind == AST_LITERAL && node->value.kind == CEL_STRING;
}

static bool takes_zone(const struct ast *node) {
    static const char *const names[] = {"local_date", "local_time", "getFullYear", "getMonth", "getDayOfYear",
        "getDayOfMonth", "getDate", "getDayOfWeek", "getHours", "getMinutes", "getSeconds",
        "getMilliseconds"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (bytes_equal_string(node->name, names[i]))
            return true;
    return false;
}

static const struct zone *find_zone(const struct compiler *compiler, struct bytes name) {
    for (const struct program_zone *zone = compiler->program->zones; zone; zone = zone->next)
        if (bytes_equal_string(name, zone->name))
            return zone->zone;
    return NULL;
}

// Reads the zone, once a program; NULL after a problem or without memory.
static const struct zone *read_zone(struct compiler *compiler, const struct ast *literal) {
    struct error error;
    const struct zone *zone = find_zone(compiler, literal->value.bytes);
    if (zone)
        return zone;
    int rc = zone_load(&compiler->program->arena, compiler->env->zones, literal->value.bytes, &zone, &error);
    if (rc == -ENOMEM)
        compiler->failure = rc;
    else if (rc != 0)
        compiler_problem(compiler, literal->offset, literal->length, "%s", error.text);
    struct program_zone *entry = rc == 0 ? compiler_keep(compiler, sizeof *entry) : NULL;
    struct bytes name = entry ? compiler_keep_bytes(compiler, literal->value.bytes) : (struct bytes){0};
    if (!name.data)
        return NULL;
    *entry = (struct program_zone){
        .name = (const char *)name.data, .zone = zone, .next = compiler->program->zones};
    compiler->program->zones = entry;
    return zone;
}

// The zones of a choice between literals: c ? "Asia/Urumqi" : "Asia/Shanghai".
// NOLINTNEXTLINE(misc-no-recursion): the tree's height is limited
static void read_zones(struct compiler *compiler, const struct ast *node) {
    int64_t seconds;
    if (literal_string(node) && !offset_parse(node->value.bytes, &seconds))
        read_zone(compiler, node);
    if (node->kind == AST_CALL && bytes_equal_string(node->name, "_?_:_"))
        for (const struct ast *arg = node->args->next; arg; arg = arg->next)
            read_zones(compiler, arg);
}

static void bind_zone(struct compiler *compiler, struct ast *node, const struct ast *zone) {
    int64_t seconds;
    if (!literal_string(zone))
        read_zones(compiler, zone);
    else if (!offset_parse(zone->value.bytes, &seconds))
        node->bound = read_zone(compiler, zone);
}

static void check_base64(struct compiler *compiler, const struct ast *text) {
    size_t at;
    if (literal_string(text) && !base64_check(text->value.bytes, &at))
        compiler_problem(
            compiler, text->offset, text->length, "the text is not base64 at its byte %zu", at + 1);
}

// A written list of different types is a list of any values.
static void check_numbers(struct compiler *compiler, const struct ast *node) {
    const struct ast *list = node->args;
    char name[TYPE_NAME];
    for (const struct ast *arg = list->kind == AST_LIST ? list->args : NULL; arg; arg = arg->next)
        if (!type_unknown(arg->type) && !arg->type->nullable && !type_number(arg->type))
            compiler_mismatch(compiler, arg->offset, arg->length, "%.*s() takes numbers, not %s",
                BYTES_ARGS(node->name), check_type_name(arg, name));
}

static void check_literals(struct compiler *compiler, struct ast *node) {
    if (check_own(compiler, node))
        return;
    if (node->last && takes_zone(node))
        bind_zone(compiler, node, node->last);
    else if (bytes_equal_string(node->name, "format"))
        format_check(compiler, node);
    else if (bytes_equal_string(node->name, "base64.decode"))
        check_base64(compiler, node->args);
    else if (bytes_equal_string(node->name, "math.greatest") || bytes_equal_string(node->name, "math.least"))
        check_numbers(compiler, node);
}

void check_bound(struct compiler *compiler, struct ast *node) {
    enum cel_problem_kind before = compiler->kind;
    compiler->kind = CEL_PROBLEM_VALUE;
    check_literals(compiler, node);
    compiler->kind = before;
}
