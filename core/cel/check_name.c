// What names mean: variables, locals of macros, enum values and types, in the scopes where they may be found.
#include "core/cel/check.h"

#include "core/cel/suggest.h"

#include <errno.h>
#include <stdio.h>

static const char *const type_names[] = {
    "bool", "int", "uint", "double", "string", "bytes", "list", "map", "null_type", "type"};

static void set_constant(struct ast *node, struct cel_value value, const struct cel_type *type) {
    node->meaning = MEANS_CONSTANT;
    node->value = value;
    check_set(node, type);
}

static bool find_variable(struct compiler *compiler, struct bytes full, struct ast *node) {
    const struct cel_env *env = compiler->env;
    for (size_t i = 0; i < env->count; i++) {
        if (!bytes_equal_string(full, env->variables[i].name))
            continue;
        node->meaning = MEANS_VARIABLE;
        node->index = i;
        check_set(node, &env->variables[i].type);
        return true;
    }
    return false;
}

// Position of the last dot, or the size when there is none.
static size_t last_dot(struct bytes name) {
    for (size_t i = name.size; i > 0; i--)
        if (name.data[i - 1] == '.')
            return i - 1;
    return name.size;
}

static const struct schema_enum *enum_of(struct compiler *compiler, struct bytes full, struct bytes *value) {
    size_t dot = last_dot(full);
    if (dot == full.size || !compiler->env->catalogue)
        return NULL;
    *value = bytes_of(full.data + dot + 1, full.size - dot - 1);
    return catalogue_enum(compiler->env->catalogue, bytes_of(full.data, dot));
}

static bool find_enum(struct compiler *compiler, struct bytes full, struct ast *node) {
    struct bytes name;
    const struct schema_enum *enumeration = enum_of(compiler, full, &name);
    const struct schema_enum_value *value = enumeration ? schema_enum_named(enumeration, name) : NULL;
    if (!value)
        return false;
    set_constant(
        node, (struct cel_value){.kind = CEL_INT, .i64 = value->number}, type_enum(compiler, enumeration));
    return true;
}

static bool find_type(struct compiler *compiler, struct bytes full, struct ast *node) {
    const struct cel_env *env = compiler->env;
    const struct schema_message *message = env->catalogue ? catalogue_message(env->catalogue, full) : NULL;
    const char *name = message ? message->full_name : NULL;
    for (size_t i = 0; i < sizeof type_names / sizeof *type_names && !name; i++)
        if (bytes_equal_string(full, type_names[i]))
            name = type_names[i];
    if (!name)
        return false;
    set_constant(
        node, (struct cel_value){.kind = CEL_TYPE, .bytes = bytes_of_string(name)}, type_basic(CEL_TYPE));
    return true;
}

// ---- Scopes: in each the visitor is asked; true ends the walk ----

typedef bool (*name_visitor)(struct compiler *compiler, struct bytes full, struct ast *node);

static bool visit(struct compiler *compiler, struct bytes scope, struct bytes name, name_visitor visitor,
    struct ast *node) {
    const char *full = arena_join(&compiler->tree, scope, name);
    if (!full) {
        compiler->failure = -ENOMEM;
        return true;
    }
    return visitor(compiler, bytes_of_string(full), node);
}

// The scope and those around it, but not the root.
static bool visit_outwards(struct compiler *compiler, struct bytes scope, struct bytes name,
    name_visitor visitor, struct ast *node) {
    while (scope.size > 0) {
        if (visit(compiler, scope, name, visitor, node))
            return true;
        size_t dot = last_dot(scope);
        scope.size = dot == scope.size ? 0 : dot;
    }
    return false;
}

// Nested types of the variables' messages first, then the container, then the messages' packages, the root.
static bool walk_scopes(
    struct compiler *compiler, struct bytes name, bool rooted, name_visitor visitor, struct ast *node) {
    const struct cel_env *env = compiler->env;
    for (size_t i = 0; i < env->count && !rooted; i++)
        if (env->variables[i].type.kind == CEL_MESSAGE &&
            visit(compiler, bytes_of_string(env->variables[i].type.message->full_name), name, visitor, node))
            return true;
    if (!rooted && visit_outwards(compiler, bytes_of_string(env->container), name, visitor, node))
        return true;
    for (size_t i = 0; i < env->count && !rooted; i++)
        if (env->variables[i].type.kind == CEL_MESSAGE &&
            visit_outwards(
                compiler, bytes_of_string(env->variables[i].type.message->full_name), name, visitor, node))
            return true;
    return visit(compiler, (struct bytes){0}, name, visitor, node);
}

static bool find_any(struct compiler *compiler, struct bytes full, struct ast *node) {
    return find_variable(compiler, full, node) || find_enum(compiler, full, node) ||
           find_type(compiler, full, node);
}

// ---- Chains of names: a.b.c ----

static struct ast *chain_base(struct ast *node) {
    while (node->kind == AST_SELECT && !node->test)
        node = node->target;
    return node->kind == AST_NAME ? node : NULL;
}

// "a.b.c"; data NULL without memory.
static struct bytes chain_text(struct compiler *compiler, const struct ast *node) {
    if (node->kind == AST_NAME)
        return node->name;
    struct bytes left = chain_text(compiler, node->target);
    const char *text = left.data ? arena_join(&compiler->tree, left, node->name) : NULL;
    return text ? bytes_of_string(text) : (struct bytes){0};
}

static const struct local *find_local(const struct compiler *compiler, const struct ast *base) {
    for (const struct local *local = compiler->locals; local && !base->rooted; local = local->outer)
        if (bytes_equal(local->name, base->name))
            return local;
    return NULL;
}

// True too when memory ran out: then there is no more to be said.
static bool resolve(struct compiler *compiler, struct ast *node, const struct ast *base) {
    struct bytes text = chain_text(compiler, node);
    check_set(node, NULL);
    if (!text.data)
        compiler->failure = -ENOMEM;
    return !text.data || walk_scopes(compiler, text, base->rooted, find_any, node);
}

// ---- What is said of a name that means nothing ----

// An enum that is there, but not its value.
static bool wrong_value(struct compiler *compiler, struct bytes full, struct ast *node) {
    struct bytes name;
    const struct schema_enum *enumeration = enum_of(compiler, full, &name);
    if (!enumeration)
        return false;
    struct nearest nearest = nearest_start(name);
    char suggestion[SUGGEST_SIZE];
    for (size_t i = 0; i < enumeration->value_count; i++)
        nearest_offer(&nearest, enumeration->values[i].name);
    compiler_problem(compiler, node->name_offset, node->name_length, "%s has no value %.*s%s",
        enumeration->full_name, BYTES_ARGS(name), suggest_text(&nearest, "", "", suggestion));
    return true;
}

static const char *short_name(const char *full) {
    const char *dot = strrchr(full, '.');
    return dot ? dot + 1 : full;
}

static void offer_names(struct compiler *compiler, struct nearest *nearest) {
    const struct cel_env *env = compiler->env;
    for (const struct local *local = compiler->locals; local; local = local->outer) {
        const char *name = arena_join(&compiler->tree, (struct bytes){0}, local->name);
        if (name)
            nearest_offer(nearest, name);
    }
    for (size_t i = 0; i < env->count; i++) {
        nearest_offer(nearest, env->variables[i].name);
        const struct schema_message *message = env->variables[i].type.message;
        for (size_t j = 0; message && j < message->field_count; j++)
            if (message->fields[j].enumeration)
                nearest_offer(nearest, short_name(message->fields[j].enumeration->full_name));
    }
    for (size_t i = 0; i < sizeof type_names / sizeof *type_names; i++)
        nearest_offer(nearest, type_names[i]);
}

// A field's name without the variable before it.
static struct bytes variable_with_field(const struct compiler *compiler, struct bytes name) {
    const struct cel_env *env = compiler->env;
    for (const struct local *local = compiler->locals; local; local = local->outer)
        if (local->type->kind == CEL_MESSAGE && schema_field_named(local->type->message, name))
            return local->name;
    for (size_t i = 0; i < env->count; i++)
        if (env->variables[i].type.kind == CEL_MESSAGE &&
            schema_field_named(env->variables[i].type.message, name))
            return bytes_of_string(env->variables[i].name);
    return (struct bytes){0};
}

// An enum of this short name that some message of the catalogue uses.
static const char *enum_elsewhere(const struct compiler *compiler, struct bytes name) {
    const struct catalogue *catalogue = compiler->env->catalogue;
    for (size_t i = 0; catalogue && i < catalogue_message_count(catalogue); i++) {
        const struct schema_message *message = catalogue_message_at(catalogue, i);
        for (size_t j = 0; j < message->field_count; j++) {
            const struct schema_enum *enumeration = message->fields[j].enumeration;
            if (enumeration && bytes_equal_string(name, short_name(enumeration->full_name)))
                return enumeration->full_name;
        }
    }
    return NULL;
}

static size_t list_name(char out[SUGGEST_SIZE], size_t used, struct bytes name) {
    if (used + name.size + 16 >= SUGGEST_SIZE)
        return used;
    int n =
        snprintf(out + used, SUGGEST_SIZE - used, "%s%.*s", used ? ", " : "; there is ", BYTES_ARGS(name));
    return used + (size_t)n;
}

// "; there is x, msg, id", as far as there is room.
static void list_variables(const struct compiler *compiler, char out[SUGGEST_SIZE]) {
    const struct cel_env *env = compiler->env;
    size_t used = 0;
    out[0] = '\0';
    for (const struct local *local = compiler->locals; local; local = local->outer)
        used = list_name(out, used, local->name);
    for (size_t i = 0; i < env->count; i++)
        used = list_name(out, used, bytes_of_string(env->variables[i].name));
}

static void report_unknown(struct compiler *compiler, struct ast *node, const struct ast *base) {
    struct ast *part = node->test ? node->target : node;
    struct bytes text = chain_text(compiler, part);
    char suggestion[SUGGEST_SIZE];
    check_set(node, NULL);
    if (compiler->env->dynamic) {
        node->meaning = MEANS_UNKNOWN;
        node->name = text;
        return;
    }
    if (!text.data || walk_scopes(compiler, text, base->rooted, wrong_value, part))
        return;
    struct nearest nearest = nearest_start(base->name);
    struct bytes variable = variable_with_field(compiler, base->name);
    const char *elsewhere = enum_elsewhere(compiler, base->name);
    offer_names(compiler, &nearest);
    if (variable.size)
        snprintf(suggestion, sizeof suggestion, "; did you mean %.*s.%.*s?", BYTES_ARGS(variable),
            BYTES_ARGS(base->name));
    else if (elsewhere)
        snprintf(suggestion, sizeof suggestion, "; did you mean %s?", elsewhere);
    else if (nearest.best)
        suggest_text(&nearest, "", "", suggestion);
    else
        list_variables(compiler, suggestion);
    compiler_problem(
        compiler, base->offset, base->length, "unknown name \"%.*s\"%s", BYTES_ARGS(base->name), suggestion);
}

void check_name(struct compiler *compiler, struct ast *node) {
    const struct local *local = find_local(compiler, node);
    if (local) {
        node->meaning = MEANS_LOCAL;
        node->index = local->index;
        check_set(node, local->type);
    } else if (!resolve(compiler, node, node)) {
        report_unknown(compiler, node, node);
    }
}

// ---- Selection ----

static void wrong_field(struct compiler *compiler, struct ast *node) {
    const struct schema_message *message = node->target->type->message;
    struct nearest nearest = nearest_start(node->name);
    char suggestion[SUGGEST_SIZE];
    for (size_t i = 0; i < message->field_count; i++)
        nearest_offer(&nearest, message->fields[i].name);
    compiler_problem(compiler, node->name_offset, node->name_length, "%s has no field %.*s%s",
        message->full_name, BYTES_ARGS(node->name), suggest_text(&nearest, "", "", suggestion));
    check_set(node, NULL);
}

static const char *instead_of_field(const struct cel_type *type) {
    if (type->kind == CEL_LIST)
        return "; take an element with [0], or ask with a macro such as exists()";
    if (type->kind == CEL_TIMESTAMP || type->kind == CEL_DURATION)
        return "; ask with functions such as getHours()";
    return "";
}

static void select_field(struct compiler *compiler, struct ast *node) {
    const struct cel_type *type = node->target->type;
    char name[TYPE_NAME];
    check_set(node, NULL);
    if (type->kind == CEL_MESSAGE) {
        node->field = schema_field_named(type->message, node->name);
        node->meaning = node->field ? MEANS_FIELD : MEANS_NOTHING;
        if (node->field)
            check_set(node, type_of_field(compiler, node->field));
        else if (!compiler->env->dynamic)
            wrong_field(compiler, node);
    } else if (type->kind == CEL_MAP && (type->key->kind == CEL_STRING || type_unknown(type->key))) {
        check_set(node, type->element);
    } else if (type_unknown(type)) {
        check_set(node, type);
    } else {
        compiler_mismatch(compiler, node->name_offset, node->name_length, "%s has no fields%s",
            check_type_name(node->target, name), instead_of_field(type));
        check_set(node, NULL);
    }
    if (node->test && node->type->kind != CEL_ERROR)
        check_set(node, type_basic(CEL_BOOL));
}

// Whether some beginning of the chain means something that may have fields.
static bool starts_known(struct compiler *compiler, struct ast *node, const struct ast *base) {
    for (struct ast *part = node;; part = part->target) {
        if (resolve(compiler, part, base))
            return part->type->kind != CEL_TYPE;
        if (part == base)
            return false;
    }
}

// The target's chain was resolved before.
// NOLINTNEXTLINE(misc-no-recursion)
void check_select(struct compiler *compiler, struct ast *node) {
    struct ast *base = chain_base(node->test ? node->target : node);
    if (base && !find_local(compiler, base)) {
        if (!node->test && resolve(compiler, node, base))
            return;
        if (!starts_known(compiler, node->target, base)) {
            report_unknown(compiler, node, base);
            check_set(node, NULL);
            return;
        }
    }
    check_node(compiler, node->target);
    select_field(compiler, node);
}

// ---- Types to be built ----

static bool find_message(struct compiler *compiler, struct bytes full, struct ast *node) {
    const struct cel_env *env = compiler->env;
    const struct schema_message *message = env->catalogue ? catalogue_message(env->catalogue, full) : NULL;
    if (!message || message->map_entry)
        return false;
    const struct cel_type *type = type_message(compiler, message);
    check_set(node, type);
    node->message = message;
    return true;
}

const struct schema_message *check_type(struct compiler *compiler, struct ast *node) {
    struct ast *base = chain_base(node);
    struct bytes text = chain_text(compiler, node);
    check_set(node, NULL);
    if (!text.data)
        compiler->failure = -ENOMEM;
    else if (base && !walk_scopes(compiler, text, base->rooted, find_message, node) &&
             !compiler->env->dynamic) {
        const char *nearest =
            compiler->env->catalogue ? catalogue_nearest_message(compiler->env->catalogue, text) : NULL;
        compiler_problem(compiler, node->offset, node->length, "there is no message type %.*s%s%s%s",
            BYTES_ARGS(text), nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
    }
    return node->message;
}
