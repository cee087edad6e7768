// Shorter ways for what filters mostly do: a value of a known kind against a literal. Each has a second form
// for a field that a scan holds, which is compared where it lies.
#include "core/cel/collections.h"
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

#define EVAL(name)                                                                                           \
    static void name(const struct node *node, struct cel_activation *activation, struct cel_value *out)

// `condition` is on `left` and `right`, of the C type `type`, in the values' `member`.
#define FAST(name, type, member, condition)                                                                  \
    EVAL(name) {                                                                                             \
        struct cel_value value;                                                                              \
        if (!left_value(node, activation, &value, out))                                                      \
            return;                                                                                          \
        const type left = value.member;                                                                      \
        const type right = node->args[1]->value.member;                                                      \
        value_set_bool(out, condition);                                                                      \
    }                                                                                                        \
    EVAL(name##_path) {                                                                                      \
        const struct view_value *view = path_view(node->args[0], activation);                                \
        if (!view) {                                                                                         \
            node_run(node->args[0], activation, out); /* the error */                                        \
            return;                                                                                          \
        }                                                                                                    \
        const type left = view->member;                                                                      \
        const type right = node->args[1]->value.member;                                                      \
        value_set_bool(out, condition);                                                                      \
    }

#define FAST_ORDERED(kind, type, member)                                                                     \
    FAST(fast_equal_##kind, type, member, left == right)                                                     \
    FAST(fast_unequal_##kind, type, member, left != right)                                                   \
    FAST(fast_less_##kind, type, member, left < right)                                                       \
    FAST(fast_less_equal_##kind, type, member, left <= right)                                                \
    FAST(fast_greater_##kind, type, member, left > right)                                                    \
    FAST(fast_greater_equal_##kind, type, member, left >= right)

FAST_ORDERED(int, int64_t, i64)
FAST_ORDERED(uint, uint64_t, u64)
FAST_ORDERED(double, double, f64) // NaN is unequal to all, as in C

// Literals are short: the bytes are compared here, eight at a time, without a call.
static inline bool same(const uint8_t *a, const uint8_t *b, size_t size) {
    if (size >= 8) {
        for (size_t i = 0; i + 8 < size; i += 8)
            if (load_u64(a + i) != load_u64(b + i))
                return false;
        return load_u64(a + size - 8) == load_u64(b + size - 8);
    }
    if (size >= 4)
        return load_u32(a) == load_u32(b) && load_u32(a + size - 4) == load_u32(b + size - 4);
    return size == 0 || (a[0] == b[0] && a[size / 2] == b[size / 2] && a[size - 1] == b[size - 1]);
}

static inline bool same_bytes(struct bytes a, struct bytes b) {
    return a.size == b.size && same(a.data, b.data, a.size);
}

static inline bool starts_with(struct bytes text, struct bytes part) {
    return part.size <= text.size && same(text.data, part.data, part.size);
}

static inline bool ends_with(struct bytes text, struct bytes part) {
    return part.size <= text.size &&
           (part.size == 0 || same(text.data + text.size - part.size, part.data, part.size));
}

FAST(fast_equal_bytes, struct bytes, bytes, same_bytes(left, right))
FAST(fast_unequal_bytes, struct bytes, bytes, !same_bytes(left, right))
FAST(fast_starts_with, struct bytes, bytes, starts_with(left, right))
FAST(fast_ends_with, struct bytes, bytes, ends_with(left, right))

// ---- Times: their parts are read and checked by the node on the left ----

static inline int time_order(const struct cel_value *a, const struct cel_value *b) {
    if (a->time.seconds != b->time.seconds)
        return a->time.seconds < b->time.seconds ? -1 : 1;
    return (a->time.nanos > b->time.nanos) - (a->time.nanos < b->time.nanos);
}

#define FAST_TIME(name, condition)                                                                           \
    EVAL(name) {                                                                                             \
        struct cel_value value;                                                                              \
        if (!left_value(node, activation, &value, out))                                                      \
            return;                                                                                          \
        const int order = time_order(&value, &node->args[1]->value);                                         \
        value_set_bool(out, condition);                                                                      \
    }

FAST_TIME(fast_equal_time, order == 0)
FAST_TIME(fast_unequal_time, order != 0)
FAST_TIME(fast_less_time, order < 0)
FAST_TIME(fast_less_equal_time, order <= 0)
FAST_TIME(fast_greater_time, order > 0)
FAST_TIME(fast_greater_equal_time, order >= 0)

// ---- Whether one of a list of literals is the value. They are charged for as op_in_list() does. ----

#define FAST_IN(name, member, equal)                                                                         \
    EVAL(name) {                                                                                             \
        struct cel_value value;                                                                              \
        const struct cel_list *list = node->args[1]->value.list;                                             \
        const struct cel_value *values = list->items->values;                                                \
        bool found = false;                                                                                  \
        if (!left_value(node, activation, &value, out) || !activation_charge(activation, list->size, out))   \
            return;                                                                                          \
        for (size_t i = 0; i < list->size && !found; i++)                                                    \
            found = equal(value.member, values[i].member);                                                   \
        value_set_bool(out, found);                                                                          \
    }

#define SAME_INT(a, b) ((a) == (b))
FAST_IN(fast_in_int, i64, SAME_INT)
FAST_IN(fast_in_bytes, bytes, same_bytes)

// ---- Choosing ----

#define WITH_PATH(function) function, function##_path
#define ORDERED(kind, name)                                                                                  \
    {"_==_", kind, WITH_PATH(fast_equal_##name)}, {"_!=_", kind, WITH_PATH(fast_unequal_##name)},            \
        {"_<_", kind, WITH_PATH(fast_less_##name)}, {"_<=_", kind, WITH_PATH(fast_less_equal_##name)},       \
        {"_>_", kind, WITH_PATH(fast_greater_##name)}, {                                                     \
        "_>=_", kind, WITH_PATH(fast_greater_equal_##name)                                                   \
    }
#define TIMES(kind)                                                                                          \
    {"_==_", kind, fast_equal_time, NULL}, {"_!=_", kind, fast_unequal_time, NULL},                          \
        {"_<_", kind, fast_less_time, NULL}, {"_<=_", kind, fast_less_equal_time, NULL},                     \
        {"_>_", kind, fast_greater_time, NULL}, {                                                            \
        "_>=_", kind, fast_greater_equal_time, NULL                                                          \
    }

static const struct {
    const char *name;
    enum cel_kind kind; // of both sides; of a list on the right: of its elements
    node_eval eval;
    node_eval of_path; // or NULL
} fast[] = {
    ORDERED(CEL_INT, int),
    ORDERED(CEL_UINT, uint),
    ORDERED(CEL_DOUBLE, double),
    TIMES(CEL_TIMESTAMP),
    TIMES(CEL_DURATION),
    {"_==_", CEL_STRING, WITH_PATH(fast_equal_bytes)},
    {"_!=_", CEL_STRING, WITH_PATH(fast_unequal_bytes)},
    {"startsWith", CEL_STRING, WITH_PATH(fast_starts_with)},
    {"endsWith", CEL_STRING, WITH_PATH(fast_ends_with)},
    {"_in_", CEL_INT, fast_in_int, NULL},
    {"_in_", CEL_STRING, fast_in_bytes, NULL},
};

static enum cel_kind plain_kind(const struct cel_type *type) {
    if (type->nullable)
        return CEL_DYN;
    return type->kind == CEL_ENUM ? CEL_INT : type->kind;
}

// Of a list: that of all its elements. CEL_DYN where there is none.
static enum cel_kind literal_kind(const struct cel_value *literal) {
    if (literal->kind != CEL_LIST || literal->list->size == 0)
        return literal->kind;
    const struct cel_value *values = literal->list->items->values;
    for (size_t i = 1; i < literal->list->size; i++)
        if (values[i].kind != values[0].kind)
            return CEL_DYN;
    return values[0].kind;
}

void fast_choose(const struct ast *ast, struct node *node) {
    if (node->count != 2 || node->args[1]->eval != eval_literal)
        return;
    const struct ast *left = ast->target ? ast->target : ast->args;
    const struct cel_value *literal = &node->args[1]->value;
    enum cel_kind kind = plain_kind(left->type);
    bool in = bytes_equal_string(ast->name, "_in_");
    if (kind != literal_kind(literal) || in != (literal->kind == CEL_LIST))
        return;
    for (size_t i = 0; i < sizeof fast / sizeof *fast; i++) {
        if (fast[i].kind != kind || !bytes_equal_string(ast->name, fast[i].name))
            continue;
        bool path = fast[i].of_path && path_is_plain(node->args[0]);
        node->eval = path ? fast[i].of_path : fast[i].eval;
    }
}
