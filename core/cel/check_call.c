// Calls and operators: which overloads fit the types of the arguments, and what comes out.
#include "core/cel/check.h"

#include "core/cel/functions.h"

#include <stdio.h>

#define ARGUMENTS 4 // more are told apart as "too many"

// Stands where there is no argument.
static const struct cel_type untyped = {.kind = CEL_ERROR};
static const struct ast nothing = {.type = &untyped};

struct arguments {
    const struct ast *items[ARGUMENTS];
    size_t count; // may be more than there is room for
    bool member;
    bool wrong;   // one of them has a problem of its own
    bool certain; // all types are known, none may be null
};

static struct arguments arguments_of(const struct ast *node) {
    struct arguments out = {.member = node->target != NULL, .certain = true};
    for (size_t i = 0; i < ARGUMENTS; i++)
        out.items[i] = &nothing;
    if (node->target)
        out.items[out.count++] = node->target;
    for (const struct ast *arg = node->args; arg; arg = arg->next, out.count++)
        if (out.count < ARGUMENTS)
            out.items[out.count] = arg;
    for (size_t i = 0; i < out.count && i < ARGUMENTS; i++) {
        const struct cel_type *type = out.items[i]->type;
        out.wrong |= type->kind == CEL_ERROR;
        out.certain &= !type_unknown(type) && !type->nullable;
    }
    return out;
}

static bool takes(const struct overload *overload, const struct arguments *arguments) {
    if (overload_is_member(overload) != arguments->member || overload_arity(overload) != arguments->count)
        return false;
    for (size_t i = 0; i < arguments->count; i++)
        if (!letter_takes(overload_letter(overload, i), arguments->items[i]->type))
            return false;
    return true;
}

static const struct cel_type *list_of_strings(struct compiler *compiler) {
    return type_list(compiler, type_basic(CEL_STRING));
}

static const struct cel_type *result_of(
    struct compiler *compiler, const struct overload *overload, const struct arguments *arguments) {
    const struct cel_type *first = arguments->items[0]->type;
    const struct cel_type *joined;
    switch (overload_result(overload)) {
    case 'b':
        return type_basic(CEL_BOOL);
    case 'i':
        return type_basic(CEL_INT);
    case 'u':
        return type_basic(CEL_UINT);
    case 'd':
        return type_basic(CEL_DOUBLE);
    case 's':
        return type_basic(CEL_STRING);
    case 'y':
        return type_basic(CEL_BYTES);
    case 't':
        return type_basic(CEL_TIMESTAMP);
    case 'r':
        return type_basic(CEL_DURATION);
    case 'T':
        return type_basic(CEL_TYPE);
    case 'L':
        return list_of_strings(compiler);
    case 'e':
        return first->kind == CEL_LIST || first->kind == CEL_MAP ? first->element : type_basic(CEL_DYN);
    case '0': // of two lists
        joined = type_join(compiler, first, arguments->items[1]->type);
        return joined ? joined : first;
    default:
        return type_basic(CEL_DYN);
    }
}

// ---- What is said of arguments that fit no overload ----

struct text {
    char *out;
    size_t size;
    size_t at;
};

static void put(struct text *text, const char *part) {
    int n = snprintf(text->out + text->at, text->size - text->at, "%s", part);
    text->at += (size_t)n < text->size - text->at ? (size_t)n : text->size - text->at - 1;
}

// "string.startsWith(int)"
static void describe_call(const struct ast *node, const struct arguments *arguments, char *out, size_t size) {
    struct text text = {.out = out, .size = size};
    char name[TYPE_NAME];
    put(&text, "");
    size_t first = arguments->member ? 1 : 0;
    if (arguments->member) {
        put(&text, check_type_name(arguments->items[0], name));
        put(&text, ".");
    }
    snprintf(name, sizeof name, "%.*s(", BYTES_ARGS(node->name));
    put(&text, name);
    for (size_t i = first; i < arguments->count && i < ARGUMENTS; i++) {
        put(&text, i > first ? ", " : "");
        put(&text, check_type_name(arguments->items[i], name));
    }
    put(&text, arguments->count > ARGUMENTS ? ", ...)" : ")");
}

// Those of the same form and number of arguments, or else all, as far as there is room.
static void describe_usages(
    const struct overload *overload, const struct arguments *arguments, bool all, char *out, size_t size) {
    struct text text = {.out = out, .size = size};
    char usage[80];
    put(&text, "");
    for (const struct overload *o = overload; o; o = overload_next(o)) {
        bool near = overload_is_member(o) == arguments->member && overload_arity(o) == arguments->count;
        if (!near && !all)
            continue;
        overload_usage(o, usage, sizeof usage);
        if (text.at + strlen(usage) + 5 > size)
            break;
        put(&text, text.at ? ", " : "");
        put(&text, usage);
    }
}

static void wrong_call(struct compiler *compiler, struct ast *node, const struct overload *overload,
    const struct arguments *arguments) {
    char call[160];
    char usages[140];
    describe_call(node, arguments, call, sizeof call);
    describe_usages(overload, arguments, false, usages, sizeof usages);
    if (!usages[0])
        describe_usages(overload, arguments, true, usages, sizeof usages);
    compiler_problem(
        compiler, node->name_offset, node->name_length, "no function %s; there is %s", call, usages);
}

// The value that a text most likely means, or the first that is not "unspecified".
static const char *value_for(const struct schema_enum *enumeration, const struct ast *text) {
    struct nearest nearest = nearest_start(text->kind == AST_LITERAL ? text->value.bytes : (struct bytes){0});
    for (size_t i = 0; i < enumeration->value_count; i++)
        suggest_offer(&nearest, enumeration->values[i].name);
    return nearest.best ? nearest.best : enumeration->values[enumeration->value_count > 1 ? 1 : 0].name;
}

static const char *enum_hint(const struct ast *value, const struct ast *other, char *out, size_t size) {
    const struct schema_enum *enumeration = value->type->enumeration;
    const char *dot = strrchr(enumeration->full_name, '.');
    if (other->type->kind != CEL_STRING || enumeration->value_count == 0)
        return "";
    snprintf(out, size, "; name its value, such as %s.%s", dot ? dot + 1 : enumeration->full_name,
        value_for(enumeration, other));
    return out;
}

static const char *compare_hint(const struct ast *left, const struct ast *right, char *out, size_t size) {
    const struct cel_type *a = left->type;
    const struct cel_type *b = right->type;
    if (a->kind == CEL_ENUM || b->kind == CEL_ENUM)
        return a->kind == CEL_ENUM ? enum_hint(left, right, out, size) : enum_hint(right, left, out, size);
    if (a->kind == CEL_NULL || b->kind == CEL_NULL)
        return "; a plain field is never null: ask has(), or compare with its default";
    if ((type_number(a) && b->kind == CEL_STRING) || (type_number(b) && a->kind == CEL_STRING))
        return "; convert with string() or int()";
    if ((a->kind == CEL_TIMESTAMP && b->kind == CEL_STRING) ||
        (b->kind == CEL_TIMESTAMP && a->kind == CEL_STRING))
        return "; write the time as timestamp(\"2026-01-01T00:00:00Z\")";
    return "";
}

static const char *operator_hint(
    const char *sign, const struct ast *left, const struct ast *right, char *out, size_t size) {
    bool string = left->type->kind == CEL_STRING || right->type->kind == CEL_STRING;
    if (strcmp(sign, "+") == 0 && string)
        return "; turn the other into a string with string()";
    if (type_number(left->type) && type_number(right->type))
        return "; convert one of them with int(), uint() or double()";
    if (strcmp(sign, "in") == 0)
        return "; on the right stands a list or a map";
    return sign[0] == '<' || sign[0] == '>' ? compare_hint(left, right, out, size) : "";
}

static void wrong_operator(
    struct compiler *compiler, struct ast *node, const char *sign, const struct arguments *arguments) {
    char left[TYPE_NAME];
    char right[TYPE_NAME];
    char hint[100];
    check_type_name(arguments->items[0], left);
    if (arguments->count == 1) {
        compiler_problem(compiler, node->name_offset, node->name_length, "\"%s\" has no meaning for %s%s",
            sign, left, strcmp(sign, "!") == 0 ? "; it takes a bool" : "");
        return;
    }
    check_type_name(arguments->items[1], right);
    if (strcmp(sign, "[]") == 0)
        compiler_problem(
            compiler, node->name_offset, node->name_length, "%s can't be indexed by %s", left, right);
    else
        compiler_problem(compiler, node->name_offset, node->name_length,
            "\"%s\" has no meaning for %s and %s%s", sign, left, right,
            operator_hint(sign, arguments->items[0], arguments->items[1], hint, sizeof hint));
}

// ---- Choice of the overload ----

static void check_overloads(struct compiler *compiler, struct ast *node, const struct arguments *arguments) {
    const struct overload *first = overload_find(node->name);
    const struct overload *fit = NULL;
    const struct cel_type *result = NULL;
    char sign[8];
    bool one = true;
    for (const struct overload *o = first; o; o = overload_next(o)) {
        if (arguments->count > ARGUMENTS || !takes(o, arguments))
            continue;
        const struct cel_type *type = result_of(compiler, o, arguments);
        one = one && !fit;
        result = !result || !type ? type : type_equal(result, type) ? result : type_basic(CEL_DYN);
        fit = fit ? fit : o;
    }
    if (!fit && operator_sign(node->name, sign))
        wrong_operator(compiler, node, sign, arguments);
    else if (!fit)
        wrong_call(compiler, node, first, arguments);
    // Where a value's kind is only known when evaluating, so is the overload, unless it takes any kind.
    bool any = fit && strspn(fit->shape, "*") == overload_arity(fit);
    node->overload = one && (arguments->certain || any) ? fit : NULL;
    check_set(node, result);
}

static void check_equality(struct compiler *compiler, struct ast *node, const struct arguments *arguments) {
    const struct cel_type *a = arguments->items[0]->type;
    const struct cel_type *b = arguments->items[1]->type;
    char left[TYPE_NAME];
    char right[TYPE_NAME];
    char hint[100];
    if (!arguments->wrong && !type_comparable(a, b))
        compiler_problem(compiler, node->name_offset, node->name_length, "%s can't be compared with %s%s",
            check_type_name(arguments->items[0], left), check_type_name(arguments->items[1], right),
            compare_hint(arguments->items[0], arguments->items[1], hint, sizeof hint));
    node->overload = overload_find(node->name);
    check_set(node, type_basic(CEL_BOOL));
}

// The element that is looked for must be one that the list or map may hold.
static void check_membership(struct compiler *compiler, struct ast *node, const struct arguments *arguments) {
    const struct cel_type *element = arguments->items[0]->type;
    const struct cel_type *in = arguments->items[1]->type;
    const struct cel_type *held = in->kind == CEL_LIST ? in->element : in->kind == CEL_MAP ? in->key : NULL;
    char left[TYPE_NAME];
    char right[TYPE_NAME];
    if (held && !type_comparable(element, held))
        compiler_problem(compiler, node->name_offset, node->name_length, "%s is never in %s",
            check_type_name(arguments->items[0], left), check_type_name(arguments->items[1], right));
    check_overloads(compiler, node, arguments);
}

static void check_index(struct compiler *compiler, struct ast *node, const struct arguments *arguments) {
    const struct cel_type *map = arguments->items[0]->type;
    char left[TYPE_NAME];
    char right[TYPE_NAME];
    if (map->kind == CEL_MAP && !type_comparable(map->key, arguments->items[1]->type))
        compiler_problem(compiler, node->name_offset, node->name_length, "%s has no keys of type %s",
            check_type_name(arguments->items[0], left), check_type_name(arguments->items[1], right));
    check_overloads(compiler, node, arguments);
}

static void check_bool(struct compiler *compiler, const struct ast *arg, const char *of) {
    char name[TYPE_NAME];
    if (!type_unknown(arg->type) && arg->type->kind != CEL_BOOL)
        compiler_problem(
            compiler, arg->offset, arg->length, "%s takes a bool, not %s", of, check_type_name(arg, name));
}

static void check_logic(struct compiler *compiler, struct ast *node) {
    for (const struct ast *arg = node->args; arg; arg = arg->next)
        check_bool(compiler, arg, bytes_equal_string(node->name, "_&&_") ? "&&" : "||");
    check_set(node, type_basic(CEL_BOOL));
}

static void check_choice(struct compiler *compiler, struct ast *node) {
    const struct ast *yes = node->args->next;
    const struct ast *no = yes->next;
    char left[TYPE_NAME];
    char right[TYPE_NAME];
    check_bool(compiler, node->args, "the condition before \"?\"");
    const struct cel_type *type = type_join(compiler, yes->type, no->type);
    if (!type && !compiler->failure)
        compiler_problem(compiler, node->name_offset, node->name_length,
            "both outcomes of a choice must be of one type, not %s and %s", check_type_name(yes, left),
            check_type_name(no, right));
    check_set(node, type);
}

static void unknown_function(struct compiler *compiler, struct ast *node) {
    struct nearest nearest = nearest_start(node->name);
    char suggestion[SUGGEST_SIZE];
    overload_offer(&nearest);
    compiler_problem(compiler, node->name_offset, node->name_length, "unknown function \"%.*s\"%s",
        BYTES_ARGS(node->name), suggest_text(&nearest, "", "()", suggestion));
    check_set(node, NULL);
}

static void check_by_name(struct compiler *compiler, struct ast *node) {
    struct arguments arguments = arguments_of(node);
    bool equality = bytes_equal_string(node->name, "_==_") || bytes_equal_string(node->name, "_!=_");
    if (equality)
        check_equality(compiler, node, &arguments);
    else if (!overload_find(node->name))
        unknown_function(compiler, node);
    else if (arguments.wrong)
        check_set(node, NULL);
    else if (bytes_equal_string(node->name, "_in_"))
        check_membership(compiler, node, &arguments);
    else if (bytes_equal_string(node->name, "_[_]"))
        check_index(compiler, node, &arguments);
    else
        check_overloads(compiler, node, &arguments);
}

// NOLINTNEXTLINE(misc-no-recursion): the tree's height is limited
void check_call(struct compiler *compiler, struct ast *node) {
    if (node->target)
        check_node(compiler, node->target);
    for (struct ast *arg = node->args; arg; arg = arg->next)
        check_node(compiler, arg);
    if (bytes_equal_string(node->name, "_&&_") || bytes_equal_string(node->name, "_||_"))
        check_logic(compiler, node);
    else if (bytes_equal_string(node->name, "_?_:_"))
        check_choice(compiler, node);
    else
        check_by_name(compiler, node);
    if (node->type->kind != CEL_ERROR)
        check_bound(compiler, node);
}
