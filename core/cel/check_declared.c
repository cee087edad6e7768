// Functions that are known by their signature only.
#include "core/cel/check.h"
#include "core/cel/check_report.h"

#define PARAMS 8 // different type parameters of a signature

// What the type parameters of a signature stand for in one call.
struct parameters {
    struct compiler *compiler;
    const char *names[PARAMS];
    const struct cel_type *types[PARAMS];
    size_t count;
};

static size_t find(const struct parameters *parameters, const char *name) {
    size_t i = 0;
    while (i < parameters->count && strcmp(parameters->names[i], name) != 0)
        i++;
    return i;
}

static bool assign_parameter(struct parameters *parameters, const char *name, const struct cel_type *value) {
    size_t i = find(parameters, name);
    if (i == PARAMS)
        return false;
    if (i == parameters->count) {
        parameters->names[i] = name;
        parameters->types[i] = value;
        parameters->count++;
        return true;
    }
    const struct cel_type *joined = type_join(parameters->compiler, parameters->types[i], value);
    if (joined)
        parameters->types[i] = joined;
    return joined != NULL;
}

// NOLINTBEGIN(misc-no-recursion): as deep as the declared types
static bool assign(
    struct parameters *parameters, const struct cel_type *wanted, const struct cel_type *value) {
    if (wanted->kind == CEL_PARAM)
        return assign_parameter(parameters, wanted->name, value);
    if (type_unknown(value) || wanted->kind != value->kind)
        return type_accepts(wanted, value);
    if (wanted->kind == CEL_LIST)
        return assign(parameters, wanted->element, value->element);
    if (wanted->kind == CEL_MAP)
        return assign(parameters, wanted->key, value->key) &&
               assign(parameters, wanted->element, value->element);
    if (wanted->kind != CEL_ABSTRACT)
        return type_accepts(wanted, value);
    bool ok = strcmp(wanted->name, value->name) == 0 && wanted->parameter_count == value->parameter_count;
    for (size_t i = 0; ok && i < wanted->parameter_count; i++)
        ok = assign(parameters, wanted->parameters[i], value->parameters[i]);
    return ok;
}

// The type with what its parameters stand for; NULL without memory.
static const struct cel_type *apply(const struct parameters *parameters, const struct cel_type *type) {
    struct compiler *compiler = parameters->compiler;
    if (type->kind == CEL_LIST)
        return type_list(compiler, apply(parameters, type->element));
    if (type->kind == CEL_MAP)
        return type_map(compiler, apply(parameters, type->key), apply(parameters, type->element));
    if (type->kind == CEL_PARAM) {
        size_t i = find(parameters, type->name);
        return i < parameters->count ? parameters->types[i] : type_nothing();
    }
    if (type->kind != CEL_ABSTRACT)
        return type;
    struct cel_type *out = compiler_keep(compiler, sizeof *out);
    const struct cel_type **inner = compiler_keep(compiler, (type->parameter_count + 1) * sizeof *inner);
    for (size_t i = 0; inner && i < type->parameter_count; i++)
        if (!(inner[i] = apply(parameters, type->parameters[i])))
            return NULL;
    if (!out || !inner)
        return NULL;
    *out = *type;
    out->parameters = inner;
    return out;
}
// NOLINTEND(misc-no-recursion)

static bool fits(
    struct parameters *parameters, const struct cel_signature *signature, const struct ast *node) {
    const struct ast *arg = node->args;
    if (signature->count != node->count)
        return false;
    for (size_t i = 0; i < signature->count; i++, arg = arg->next)
        if (!assign(parameters, signature->params[i], arg->type))
            return false;
    return true;
}

bool check_declared(struct compiler *compiler, struct ast *node) {
    bool found = false;
    for (const struct cel_signature *s = compiler->env->signatures; s; s = s->next) {
        struct parameters parameters = {.compiler = compiler};
        if (node->target || !bytes_equal_string(node->name, s->name))
            continue;
        found = true;
        if (fits(&parameters, s, node)) {
            check_set(node, apply(&parameters, s->result));
            return true;
        }
    }
    if (found)
        compiler_mismatch(compiler, node->name_offset, node->name_length,
            "no function %.*s() takes these arguments", BYTES_ARGS(node->name));
    return found;
}
