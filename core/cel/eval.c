#include "core/cel/collections.h"
#include "core/cel/compiler.h"
#include "core/cel/functions.h"

#include <errno.h>

// ---- Nodes. The program's tree is as deep as the source's, which has a limit. ----

void eval_literal(const struct node *node, struct cel_activation *activation, struct cel_value *out) {
    (void)activation;
    *out = node->value;
}

static void unset(struct cel_activation *activation, size_t index, struct cel_value *out) {
    const struct cel_env *env = activation->program->env;
    value_fail(activation, out, CEL_FAULT_UNSET, "the variable %s has no value", env->variables[index].name);
}

void eval_variable(const struct node *node, struct cel_activation *activation, struct cel_value *out) {
    if (node->index < activation->count && activation->variables[node->index].set)
        *out = activation->variables[node->index].value;
    else
        unset(activation, node->index, out);
}

// A message as a whole.
void eval_scan(const struct node *node, struct cel_activation *activation, struct cel_value *out) {
    const struct cel_env *env = activation->program->env;
    const struct scan *scan =
        node->index < activation->count ? activation->variables[node->index].scan : NULL;
    if (!scan) {
        unset(activation, node->index, out);
        return;
    }
    struct bytes bytes = scan_message(scan);
    message_value(
        activation, env->variables[node->index].type.message, bytes.data ? bytes : bytes_of("", 0), out);
}

void eval_unknown(const struct node *node, struct cel_activation *activation, struct cel_value *out) {
    value_fail(activation, out, CEL_FAULT_UNSET, "unknown name: %.*s", BYTES_ARGS(node->select.name));
}

void eval_no_overload(const struct node *node, struct cel_activation *activation, struct cel_value *out) {
    (void)node;
    (void)activation;
    value_no_overload(out);
}

void eval_local(const struct node *node, struct cel_activation *activation, struct cel_value *out) {
    *out = activation->locals[node->index];
}

// NOLINTBEGIN(misc-no-recursion)

// `decisive` settles it, whatever the other operands are, errors too; otherwise the first error is the
// result.
static inline void eval_logic(
    const struct node *node, struct cel_activation *activation, bool decisive, struct cel_value *out) {
    struct cel_value error;
    error.kind = CEL_NULL;
    for (size_t i = 0; i < node->count; i++) {
        node_run(node->args[i], activation, out);
        if (out->kind == CEL_BOOL && out->boolean == decisive)
            return;
        if (out->kind == CEL_BOOL || error.kind == CEL_ERROR)
            continue;
        if (out->kind != CEL_ERROR)
            value_no_overload(out);
        error = *out;
    }
    if (error.kind == CEL_ERROR)
        *out = error;
    else
        value_set_bool(out, !decisive);
}

void eval_and(const struct node *node, struct cel_activation *activation, struct cel_value *out) {
    eval_logic(node, activation, false, out);
}

void eval_or(const struct node *node, struct cel_activation *activation, struct cel_value *out) {
    eval_logic(node, activation, true, out);
}

void eval_choice(const struct node *node, struct cel_activation *activation, struct cel_value *out) {
    node_run(node->args[0], activation, out);
    if (out->kind == CEL_BOOL)
        node_run(node->args[out->boolean ? 1 : 2], activation, out);
    else if (out->kind != CEL_ERROR)
        value_no_overload(out);
}

void eval_call_1(const struct node *node, struct cel_activation *activation, struct cel_value *out) {
    struct cel_value arg;
    node_run(node->args[0], activation, &arg);
    if (arg.kind == CEL_ERROR)
        *out = arg;
    else
        node->call.function(node, activation, &arg, out);
}

void eval_call_2(const struct node *node, struct cel_activation *activation, struct cel_value *out) {
    struct cel_value args[2];
    for (size_t i = 0; i < 2; i++) {
        node_run(node->args[i], activation, &args[i]);
        if (args[i].kind == CEL_ERROR) {
            *out = args[i];
            return;
        }
    }
    node->call.function(node, activation, args, out);
}

static bool eval_args(const struct node *node, struct cel_activation *activation, struct cel_value *args,
    struct cel_value *out) {
    for (size_t i = 0; i < node->count; i++) {
        node_run(node->args[i], activation, &args[i]);
        if (args[i].kind == CEL_ERROR) {
            *out = args[i];
            return false;
        }
    }
    return true;
}

void eval_call_more(const struct node *node, struct cel_activation *activation, struct cel_value *out) {
    struct cel_value args[CEL_ARGS];
    if (eval_args(node, activation, args, out))
        node->call.function(node, activation, args, out);
}

static bool fits(const struct overload *overload, const struct node *node, const struct cel_value *args) {
    if (overload_is_member(overload) != node->call.member || overload_arity(overload) != node->count)
        return false;
    for (size_t i = 0; i < node->count; i++)
        if (!letter_takes_kind(overload_letter(overload, i), args[i].kind))
            return false;
    return true;
}

// The overload is found by the kinds that the values have now.
void eval_call_any(const struct node *node, struct cel_activation *activation, struct cel_value *out) {
    struct cel_value args[CEL_ARGS];
    if (!eval_args(node, activation, args, out))
        return;
    for (const struct overload *o = node->call.overload; o; o = overload_next(o))
        if (fits(o, node, args)) {
            o->function(node, activation, args, out);
            return;
        }
    value_no_overload(out);
}

// ---- Selection where no slot holds the field ----

static const struct schema_field *field_of(const struct node *node, struct cel_activation *activation,
    const struct cel_value *message, struct cel_value *out) {
    const struct schema_message *type = message->message.type;
    if (node->select.field && node->select.field->parent == type)
        return node->select.field;
    const struct schema_field *field = schema_field_named(type, node->select.name);
    if (!field)
        value_fail(activation, out, CEL_FAULT_NO_FIELD, "no such field: %s has no %.*s", type->full_name,
            BYTES_ARGS(node->select.name));
    return field;
}

void eval_select(const struct node *node, struct cel_activation *activation, struct cel_value *out) {
    struct cel_value target;
    node_run(node->args[0], activation, &target);
    if (target.kind == CEL_MESSAGE) {
        const struct schema_field *field = field_of(node, activation, &target, out);
        if (field)
            message_field(activation, &target, field, out);
    } else if (target.kind == CEL_MAP) {
        struct cel_value key = {.kind = CEL_STRING, .bytes = node->select.name};
        const struct cel_value *found = map_find(target.map, &key);
        if (found)
            *out = *found;
        else
            value_fail(
                activation, out, CEL_FAULT_NO_KEY, "no such key: \"%.*s\"", BYTES_ARGS(node->select.name));
    } else if (target.kind == CEL_ERROR) {
        *out = target;
    } else {
        value_no_overload(out);
    }
}

void eval_has(const struct node *node, struct cel_activation *activation, struct cel_value *out) {
    struct cel_value target;
    node_run(node->args[0], activation, &target);
    if (target.kind == CEL_MESSAGE) {
        const struct schema_field *field = field_of(node, activation, &target, out);
        if (field)
            message_has(activation, &target, field, out);
    } else if (target.kind == CEL_MAP) {
        struct cel_value key = {.kind = CEL_STRING, .bytes = node->select.name};
        value_set_bool(out, map_find(target.map, &key) != NULL);
    } else if (target.kind == CEL_ERROR) {
        *out = target;
    } else {
        value_no_overload(out);
    }
}

// ---- Lists and maps that are written ----

void eval_list(const struct node *node, struct cel_activation *activation, struct cel_value *out) {
    struct cel_value *values = activation_array(activation, node->count + 1, sizeof *values, out);
    if (values && eval_args(node, activation, values, out))
        list_make(activation, values, node->count, out);
}

static bool add_entry(const struct node *node, size_t i, struct cel_activation *activation,
    struct cel_map *map, struct cel_value *out) {
    struct cel_value entry[2];
    for (size_t j = 0; j < 2; j++) {
        node_run(node->args[i + j], activation, &entry[j]);
        if (entry[j].kind == CEL_ERROR) {
            *out = entry[j];
            return false;
        }
    }
    if (!map_key_kind(entry[0].kind)) {
        value_fail(activation, out, CEL_FAULT_ARGUMENT, "unsupported key type: a map's key is no %s",
            cel_kind_name(entry[0].kind));
        return false;
    }
    if (!map_set(map, &entry[0], &entry[1])) {
        value_fail(activation, out, CEL_FAULT_ARGUMENT, "a key stands twice in the map");
        return false;
    }
    return true;
}

void eval_map(const struct node *node, struct cel_activation *activation, struct cel_value *out) {
    struct cel_map *map = map_make(activation, node->count / 2, out);
    for (size_t i = 0; map && i < node->count; i += 2)
        if (!add_entry(node, i, activation, map, out))
            return;
    if (map) {
        out->kind = CEL_MAP;
        out->map = map;
    }
}
// NOLINTEND(misc-no-recursion)

// ---- Programs ----

static int start(
    const struct cel_program *program, struct cel_activation *activation, struct cel_value *out) {
    activation->program = program;
    activation_grant(activation, program->limits.steps);
    activation->memory_limit = program->limits.memory;
    activation->failure = 0;
    if (program->locals == 0)
        return 0;
    activation->locals = activation_array(activation, program->locals, sizeof *activation->locals, out);
    return activation->locals ? 0 : -ENOMEM;
}

__attribute__((cold)) static int failed(
    struct cel_activation *activation, const struct cel_value *value, struct error *error) {
    activation->fault = activation->failure ? CEL_FAULT_MEMORY : value->error->fault;
    if (activation->failure)
        return error_no_memory(error);
    return error_set(error, CEL_FAILED, "%s", value->error->text);
}

int cel_eval(const struct cel_program *program, struct cel_activation *activation, struct cel_value *out,
    struct error *error) {
    struct cel_value value;
    if (start(program, activation, &value) == 0)
        node_run(program->root, activation, &value);
    if (activation->failure || value.kind == CEL_ERROR)
        return failed(activation, &value, error);
    *out = value;
    return 0;
}

int cel_eval_bool(
    const struct cel_program *program, struct cel_activation *activation, bool *out, struct error *error) {
    struct cel_value value;
    if (start(program, activation, &value) == 0)
        node_run(program->root, activation, &value);
    if (!activation->failure && value.kind == CEL_BOOL) {
        *out = value.boolean;
        return 0;
    }
    if (!activation->failure && value.kind != CEL_ERROR)
        value_no_overload(&value); // a dyn that is none
    return failed(activation, &value, error);
}

enum cel_fault cel_activation_fault(const struct cel_activation *activation) {
    return activation->fault;
}
