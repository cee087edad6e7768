// Calls and operators: which overloads fit the types of the arguments, and what comes out.
#include "core/cel/check_report.h"

// Stands where there is no argument.
static const struct cel_type untyped = {.kind = CEL_ERROR};
static const struct ast nothing = {.type = &untyped};

static struct arguments arguments_of(const struct ast *node) {
    struct arguments out = {.member = node->target != NULL, .certain = true};
    for (size_t i = 0; i < CALL_ARGUMENTS; i++)
        out.items[i] = &nothing;
    if (node->target)
        out.items[out.count++] = node->target;
    for (const struct ast *arg = node->args; arg; arg = arg->next, out.count++)
        if (out.count < CALL_ARGUMENTS)
            out.items[out.count] = arg;
    for (size_t i = 0; i < out.count && i < CALL_ARGUMENTS; i++) {
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
    case 'C':
        return type_basic(CEL_CITIZEN_NUMBER);
    case 'U':
        return type_basic(CEL_CREDIT_CODE);
    case 'D':
        return type_basic(CEL_DIVISION);
    case 'L':
        return list_of_strings(compiler);
    case 'e':
        return first->kind == CEL_LIST || first->kind == CEL_MAP ? first->element : type_basic(CEL_DYN);
    case '0': // of two lists
        joined = type_join(compiler, first, arguments->items[1]->type);
        return joined ? joined : first;
    case 'j': // of one number, or two
        joined = arguments->count > 1 ? type_join(compiler, first, arguments->items[1]->type) : first;
        return joined && type_number(joined) ? joined : type_basic(CEL_DYN);
    default:
        return type_basic(CEL_DYN);
    }
}

// ---- Choice of the overload ----

static void check_overloads(struct compiler *compiler, struct ast *node, const struct arguments *arguments) {
    const struct overload *first = overload_find(node->name);
    const struct overload *fit = NULL;
    const struct cel_type *result = NULL;
    char sign[8];
    bool one = true;
    for (const struct overload *o = first; o; o = overload_next(o)) {
        if (arguments->count > CALL_ARGUMENTS || !takes(o, arguments))
            continue;
        const struct cel_type *type = result_of(compiler, o, arguments);
        one = one && !fit;
        result = !result || !type ? type : type_equal(result, type) ? result : type_basic(CEL_DYN);
        fit = fit ? fit : o;
    }
    if (!fit && operator_sign(node->name, sign))
        report_operator(compiler, node, sign, arguments);
    else if (!fit)
        report_call(compiler, node, first, arguments);
    // Where a value's kind is only known when evaluating, so is the overload, unless it takes any kind.
    bool any = fit && strspn(fit->shape, "*") == overload_arity(fit);
    node->overload = one && (arguments->certain || any) ? fit : NULL;
    check_set(node, result);
}

static void check_equality(struct compiler *compiler, struct ast *node, const struct arguments *arguments) {
    const struct cel_type *a = arguments->items[0]->type;
    const struct cel_type *b = arguments->items[1]->type;
    if (!arguments->wrong && !type_comparable(a, b))
        report_unequal(compiler, node, arguments);
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
        compiler_mismatch(compiler, node->name_offset, node->name_length, "%s is never in %s",
            check_type_name(arguments->items[0], left), check_type_name(arguments->items[1], right));
    check_overloads(compiler, node, arguments);
}

static void check_index(struct compiler *compiler, struct ast *node, const struct arguments *arguments) {
    const struct cel_type *map = arguments->items[0]->type;
    char left[TYPE_NAME];
    char right[TYPE_NAME];
    const struct cel_type *index = arguments->items[1]->type;
    if (map->kind == CEL_LIST && !type_unknown(index) && !type_number(index)) {
        report_operator(compiler, node, "[]", arguments);
        return;
    }
    if (map->kind == CEL_MAP && !type_comparable(map->key, index))
        compiler_mismatch(compiler, node->name_offset, node->name_length, "%s has no keys of type %s",
            check_type_name(arguments->items[0], left), check_type_name(arguments->items[1], right));
    check_overloads(compiler, node, arguments);
}

static void check_bool(struct compiler *compiler, const struct ast *arg, const char *of) {
    char name[TYPE_NAME];
    if (!type_unknown(arg->type) && arg->type->kind != CEL_BOOL)
        compiler_mismatch(
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
        compiler_mismatch(compiler, node->name_offset, node->name_length,
            "both outcomes of a choice must be of one type, not %s and %s", check_type_name(yes, left),
            check_type_name(no, right));
    check_set(node, type);
}

static void check_unknown(struct compiler *compiler, struct ast *node) {
    if (!check_declared(compiler, node) && !compiler->env->dynamic)
        report_function(compiler, node);
}

static void check_by_name(struct compiler *compiler, struct ast *node) {
    struct arguments arguments = arguments_of(node);
    check_set(node, NULL);
    bool equality = bytes_equal_string(node->name, "_==_") || bytes_equal_string(node->name, "_!=_");
    if (equality)
        check_equality(compiler, node, &arguments);
    else if (!overload_find(node->name))
        check_unknown(compiler, node);
    else if (arguments.wrong)
        return;
    else if (bytes_equal_string(node->name, "_in_"))
        check_membership(compiler, node, &arguments);
    else if (bytes_equal_string(node->name, "_[_]"))
        check_index(compiler, node, &arguments);
    else
        check_overloads(compiler, node, &arguments);
}

// NOLINTNEXTLINE(misc-no-recursion): the tree's height is limited
void check_call(struct compiler *compiler, struct ast *node) {
    check_qualified(compiler, node);
    if (node->target)
        check_node(compiler, node->target);
    if (!overload_find(node->name) && report_means_macro(node)) {
        report_function(compiler, node); // its name for the element would be unknown in the arguments
        check_set(node, NULL);
        return;
    }
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
