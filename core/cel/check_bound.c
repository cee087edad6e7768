// What is fixed by a call's literals: code maps and lists, time zones.
#include "core/cel/check.h"
#include "core/cel/suggest.h"
#include "core/cel/time.h"

static bool literal_string(const struct ast *node) {
    return node->kind == AST_LITERAL && node->value.kind == CEL_STRING;
}

static void bind_codes(struct compiler *compiler, struct ast *node, bool map) {
    const struct codes *codes = compiler->env->codes;
    const struct ast *arg = node->args;
    const char *what = map ? "map" : "list";
    if (!codes) {
        compiler_problem(compiler, node->name_offset, node->name_length, "there are no code lists here");
        return;
    }
    if (!literal_string(arg)) {
        compiler_problem(
            compiler, arg->offset, arg->length, "the code %s's name must be a literal string", what);
        return;
    }
    struct bytes name = arg->value.bytes;
    if (map)
        node->bound = codes_find_map(codes, name);
    else
        node->bound = codes_find_list(codes, name);
    if (node->bound)
        return;
    size_t count;
    const char *const *names = map ? codes_map_names(codes, &count) : codes_list_names(codes, &count);
    struct nearest nearest = nearest_start(name);
    char suggestion[SUGGEST_SIZE];
    for (size_t i = 0; i < count; i++)
        suggest_offer(&nearest, names[i]);
    compiler_problem(compiler, arg->offset, arg->length, "there is no code %s \"%.*s\"%s", what,
        BYTES_ARGS(name), suggest_text(&nearest, "\"", "\"", suggestion));
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

static void check_zone(struct compiler *compiler, const struct ast *zone) {
    int64_t seconds;
    if (literal_string(zone) && !zone_parse(zone->value.bytes, &seconds))
        compiler_problem(compiler, zone->offset, zone->length,
            "a time zone is \"UTC\" or an offset such as \"+08:00\", not \"%.*s\"",
            BYTES_ARGS(zone->value.bytes));
}

void check_bound(struct compiler *compiler, struct ast *node) {
    if (bytes_equal_string(node->name, "codes"))
        bind_codes(compiler, node, true);
    else if (bytes_equal_string(node->name, "in_codes"))
        bind_codes(compiler, node, false);
    else if (node->last && takes_zone(node))
        check_zone(compiler, node->last);
}
