// The type of what is either of two, and types as they are when all is known.
#include "core/cel/types.h"

static bool plain(enum cel_kind kind) {
    return kind <= CEL_DURATION;
}

// Parameters of which nothing is the join are dyn.
// NOLINTNEXTLINE(misc-no-recursion)
static const struct cel_type *join_abstract(
    struct compiler *compiler, const struct cel_type *a, const struct cel_type *b) {
    if (strcmp(a->name, b->name) != 0 || a->parameter_count != b->parameter_count)
        return NULL;
    const struct cel_type **parameters =
        compiler_keep(compiler, (a->parameter_count + 1) * sizeof *parameters);
    for (size_t i = 0; parameters && i < a->parameter_count; i++) {
        parameters[i] = type_join(compiler, a->parameters[i], b->parameters[i]);
        if (!parameters[i])
            parameters[i] = type_basic(CEL_DYN);
    }
    struct cel_type type = *a;
    type.parameters = parameters;
    return parameters ? type_keep(compiler, &type) : NULL;
}

static const struct cel_type *join_null(const struct cel_type *other) {
    return plain(other->kind) ? type_nullable(other->kind) : other->kind == CEL_MESSAGE ? other : NULL;
}

// NOLINTNEXTLINE(misc-no-recursion)
const struct cel_type *type_join(
    struct compiler *compiler, const struct cel_type *a, const struct cel_type *b) {
    if (type_equal(a, b))
        return a;
    if (a->kind == CEL_ERROR || b->kind == CEL_ERROR)
        return a->kind == CEL_ERROR ? b : a;
    if (a->kind == CEL_PARAM || b->kind == CEL_PARAM)
        return a->kind == CEL_PARAM ? b : a;
    if (type_unknown(a) || type_unknown(b))
        return type_basic(CEL_DYN);
    if (a->kind == CEL_ABSTRACT && b->kind == CEL_ABSTRACT)
        return join_abstract(compiler, a, b);
    if (a->kind == CEL_NULL || b->kind == CEL_NULL)
        return join_null(a->kind == CEL_NULL ? b : a);
    enum cel_kind kind_a = a->kind == CEL_ENUM ? CEL_INT : a->kind;
    enum cel_kind kind_b = b->kind == CEL_ENUM ? CEL_INT : b->kind;
    if (kind_a != kind_b)
        return NULL;
    if (plain(kind_a))
        return a->nullable || b->nullable ? type_nullable(kind_a) : type_basic(kind_a);
    if (kind_a != CEL_LIST && kind_a != CEL_MAP)
        return NULL;
    const struct cel_type *element = type_join(compiler, a->element, b->element);
    element = element ? element : type_basic(CEL_DYN);
    if (kind_a == CEL_LIST)
        return type_list(compiler, element);
    const struct cel_type *key = type_join(compiler, a->key, b->key);
    return type_map(compiler, key ? key : type_basic(CEL_DYN), element);
}

// NOLINTNEXTLINE(misc-no-recursion)
static const struct cel_type *final_abstract(struct compiler *compiler, const struct cel_type *type) {
    struct cel_type final = *type;
    const struct cel_type **parameters =
        compiler_keep(compiler, (type->parameter_count + 1) * sizeof *parameters);
    final.parameters = parameters;
    for (size_t i = 0; parameters && i < type->parameter_count; i++)
        if (!(parameters[i] = type_final(compiler, type->parameters[i])))
            return NULL;
    return parameters ? type_keep(compiler, &final) : NULL;
}

// NOLINTNEXTLINE(misc-no-recursion)
const struct cel_type *type_final(struct compiler *compiler, const struct cel_type *type) {
    switch (type->kind) {
    case CEL_PARAM:
    case CEL_ERROR:
        return type_basic(CEL_DYN);
    case CEL_LIST:
        return type_list(compiler, type_final(compiler, type->element));
    case CEL_MAP:
        return type_map(compiler, type_final(compiler, type->key), type_final(compiler, type->element));
    case CEL_ABSTRACT:
        return final_abstract(compiler, type);
    default:
        return type;
    }
}
