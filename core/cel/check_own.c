// Hutong's own functions: code maps and lists are bound, and literals that can't be right are told.
#include "core/cel/check.h"
#include "core/cel/suggest.h"
#include "core/codes/divisions.h"
#include "core/codes/numbers.h"

static void problem(struct compiler *compiler, const struct ast *at, const char *what, const char *why) {
    compiler_problem(compiler, at->offset, at->length, "%s %s", what, why);
}

// ---- codes() and in_codes() ----

static void unknown_name(struct compiler *compiler, const struct ast *arg, bool map) {
    const struct codes *codes = compiler->env->codes;
    size_t count;
    const char *const *names = map ? codes_map_names(codes, &count) : codes_list_names(codes, &count);
    struct nearest nearest = nearest_start(arg->value.bytes);
    char suggestion[SUGGEST_SIZE];
    for (size_t i = 0; i < count; i++)
        nearest_offer(&nearest, names[i]);
    compiler_problem(compiler, arg->offset, arg->length, "there is no code %s \"%.*s\"%s",
        map ? "map" : "list", BYTES_ARGS(arg->value.bytes), suggest_text(&nearest, "\"", "\"", suggestion));
}

// A literal code that never was in the map or list.
static void check_code(struct compiler *compiler, const struct ast *node, bool map) {
    const struct ast *code = node->args->next;
    struct bytes to;
    bool known = true;
    if (!literal_string(code))
        return;
    if (map)
        known = code_map_get(node->bound, code->value.bytes, CODES_EVER, &to) == 0;
    else
        known = code_list_contains(node->bound, code->value.bytes, CODES_EVER);
    if (!known)
        compiler_problem(compiler, code->offset, code->length,
            "the code %s \"%.*s\" never had a code \"%.*s\"", map ? "map" : "list",
            BYTES_ARGS(node->args->value.bytes), BYTES_ARGS(code->value.bytes));
}

static void bind_codes(struct compiler *compiler, struct ast *node, bool map) {
    const struct codes *codes = compiler->env->codes;
    const struct ast *arg = node->args;
    if (!codes) {
        compiler_problem(compiler, node->name_offset, node->name_length, "there are no code lists here");
        return;
    }
    if (!literal_string(arg)) {
        compiler_problem(compiler, arg->offset, arg->length, "the code %s's name must be a literal string",
            map ? "map" : "list");
        return;
    }
    if (map)
        node->bound = codes_find_map(codes, arg->value.bytes);
    else
        node->bound = codes_find_list(codes, arg->value.bytes);
    if (node->bound)
        check_code(compiler, node, map);
    else if (codes_may_have(codes))
        compiler->refused = true; // why, was said of the file that could not be read
    else
        unknown_name(compiler, arg, map);
}

// ---- Numbers and divisions ----

static void check_number(struct compiler *compiler, const struct ast *arg, bool citizen) {
    if (!literal_string(arg))
        return;
    struct bytes text = arg->value.bytes;
    enum number_fault fault = citizen ? citizen_number_check(text) : credit_code_check(text);
    if (fault != NUMBER_OK)
        problem(compiler, arg, citizen ? "the citizen number" : "the credit code", number_fault_text(fault));
}

// Where the list of divisions is there, also whether it ever had this one.
static void check_division(struct compiler *compiler, const struct ast *arg) {
    const struct codes *codes = compiler->env->codes;
    const struct code_list *list = codes ? codes_find_list(codes, bytes_of_string("gb2260")) : NULL;
    if (!arg || !literal_string(arg))
        return;
    struct bytes code = arg->value.bytes;
    if (!division_well_formed(code))
        problem(compiler, arg, "a division", "is a text of 2, 4, 6, 9 or 12 digits");
    else if (list && code.size >= 6 && !division_known(list, code, CODES_EVER))
        problem(compiler, arg, "the division", "never was one by the code list gb2260");
}

static void check_hash(struct compiler *compiler, const struct ast *node) {
    if (!compiler->env->hashes)
        compiler_problem(compiler, node->name_offset, node->name_length,
            "hash() has no key here: in routes it is the file that hash_key_file in broker.yaml names");
}

static void check_mask(struct compiler *compiler, const struct ast *node) {
    for (const struct ast *arg = node->args->next; arg; arg = arg->next)
        if (arg->kind == AST_LITERAL && arg->value.kind == CEL_INT && arg->value.i64 < 0)
            problem(compiler, arg, "mask()", "keeps 0 characters or more at either end");
}

bool check_own(struct compiler *compiler, struct ast *node) {
    struct bytes name = node->name;
    if (bytes_equal_string(name, "codes") || bytes_equal_string(name, "in_codes"))
        bind_codes(compiler, node, name.size == 5);
    else if (bytes_equal_string(name, "citizen_number") || bytes_equal_string(name, "credit_code"))
        check_number(compiler, node->args, name.data[1] == 'i');
    else if (bytes_equal_string(name, "division") || bytes_equal_string(name, "within"))
        check_division(compiler, node->args);
    else if (bytes_equal_string(name, "hash"))
        check_hash(compiler, node);
    else if (bytes_equal_string(name, "mask"))
        check_mask(compiler, node);
    else
        return false;
    return true;
}
