// Shorter ways for what filters mostly do: a value of a known kind against a literal.
#include "core/cel/program.h"
#include "core/cel/types.h"

// The value on the left; false with an error in `out`.
static inline bool left_value(const struct node *node, struct cel_activation *activation,
    struct cel_value *value, struct cel_value *out) {
    node_run(node->args[0], activation, value);
    if (value->kind != CEL_ERROR)
        return true;
    *out = *value;
    return false;
}

#define FAST(name, condition)                                                                                \
    static void name(const struct node *node, struct cel_activation *activation, struct cel_value *out) {    \
        struct cel_value value;                                                                              \
        const struct cel_value *literal = &node->args[1]->value;                                             \
        if (left_value(node, activation, &value, out))                                                       \
            value_set_bool(out, condition);                                                                  \
    }

static inline bool starts_with(struct bytes text, struct bytes part) {
    return part.size <= text.size && (part.size == 0 || memcmp(text.data, part.data, part.size) == 0);
}

FAST(fast_equal_int, value.i64 == literal->i64)
FAST(fast_unequal_int, value.i64 != literal->i64)
FAST(fast_less_int, value.i64 < literal->i64)
FAST(fast_less_equal_int, value.i64 <= literal->i64)
FAST(fast_greater_int, value.i64 > literal->i64)
FAST(fast_greater_equal_int, value.i64 >= literal->i64)
FAST(fast_equal_bytes, bytes_equal(value.bytes, literal->bytes))
FAST(fast_unequal_bytes, !bytes_equal(value.bytes, literal->bytes))
FAST(fast_starts_with, starts_with(value.bytes, literal->bytes))

static const struct {
    const char *name;
    enum cel_kind kind; // of both sides
    node_eval eval;
} fast[] = {
    {"_==_", CEL_INT, fast_equal_int},
    {"_!=_", CEL_INT, fast_unequal_int},
    {"_<_", CEL_INT, fast_less_int},
    {"_<=_", CEL_INT, fast_less_equal_int},
    {"_>_", CEL_INT, fast_greater_int},
    {"_>=_", CEL_INT, fast_greater_equal_int},
    {"_==_", CEL_STRING, fast_equal_bytes},
    {"_!=_", CEL_STRING, fast_unequal_bytes},
    {"startsWith", CEL_STRING, fast_starts_with},
};

static enum cel_kind plain_kind(const struct cel_type *type) {
    if (type->nullable)
        return CEL_DYN;
    return type->kind == CEL_ENUM ? CEL_INT : type->kind;
}

void fast_choose(const struct ast *ast, struct node *node) {
    if (node->count != 2 || node->args[1]->eval != eval_literal)
        return;
    const struct ast *left = ast->target ? ast->target : ast->args;
    enum cel_kind kind = plain_kind(left->type);
    if (kind != plain_kind(ast->last->type))
        return;
    for (size_t i = 0; i < sizeof fast / sizeof *fast; i++)
        if (fast[i].kind == kind && bytes_equal_string(ast->name, fast[i].name))
            node->eval = fast[i].eval;
}
