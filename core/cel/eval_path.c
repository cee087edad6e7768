// Fields of a variable, as the scan found them.
#include "core/cel/collections.h"
#include "core/cel/compiler.h"
#include "core/cel/time.h"
#include "core/cel/types.h"

static void fail_unset(const struct node *node, struct cel_activation *activation, struct cel_value *out) {
    value_fail(activation, out, CEL_FAULT_UNSET, "the variable %s has no value",
        activation->program->env->variables[node->path.variable].name);
}

#define PATH(name)                                                                                           \
    static void name(const struct node *node, struct cel_activation *activation, struct cel_value *out)
#define PATH_START                                                                                           \
    const struct view_value *view = path_view(node, activation);                                             \
    if (!view) {                                                                                             \
        fail_unset(node, activation, out);                                                                   \
        return;                                                                                              \
    }
#define PATH_SCAN const struct scan *scan = activation->variables[node->path.variable].scan // the view's

PATH(path_bool) {
    PATH_START
    value_set_bool(out, view->boolean);
}

PATH(path_int) {
    PATH_START
    value_set_int(out, view->i64);
}

PATH(path_uint) {
    PATH_START
    out->kind = CEL_UINT;
    out->u64 = view->u64;
}

PATH(path_double) {
    PATH_START
    out->kind = CEL_DOUBLE;
    out->f64 = view->f64;
}

PATH(path_string) {
    PATH_START
    value_set_bytes(out, CEL_STRING, view->bytes);
}

PATH(path_bytes) {
    PATH_START
    value_set_bytes(out, CEL_BYTES, view->bytes);
}

// In one piece; a message that came in several is put together.
PATH(path_message) {
    PATH_START
    PATH_SCAN;
    struct cel_value message = {
        .kind = CEL_MESSAGE, .message = {.type = node->path.field->message, .view = view, .scan = scan}};
    message_join(activation, &message, out);
}

static inline void read_time(const struct node *node, const struct scan *scan, struct cel_value *out) {
    out->time.seconds = scan->values[node->path.inner[0]].i64;
    out->time.nanos = (int32_t)scan->values[node->path.inner[1]].i64;
    time_check(out);
}

PATH(path_timestamp) {
    PATH_START
    PATH_SCAN;
    (void)view;
    out->kind = CEL_TIMESTAMP;
    read_time(node, scan, out);
}

PATH(path_duration) {
    PATH_START
    PATH_SCAN;
    (void)view;
    out->kind = CEL_DURATION;
    read_time(node, scan, out);
}

PATH(path_wrapper) {
    PATH_START
    PATH_SCAN;
    if (view->present)
        field_value(
            activation, &node->path.field->message->fields[0], scan_value(scan, node->path.inner[0]), out);
    else
        out->kind = CEL_NULL;
}

// Any, Value, Struct, ListValue.
PATH(path_known) {
    PATH_START
    PATH_SCAN;
    struct cel_value message = {
        .kind = CEL_MESSAGE, .message = {.type = node->path.field->message, .view = view, .scan = scan}};
    if (!view->present && known_null(known_of(node->path.field->message))) {
        out->kind = CEL_NULL;
        return;
    }
    message_join(activation, &message, out);
    if (out->kind == CEL_MESSAGE)
        message_value(activation, out->message.type, out->message.bytes, out);
}

PATH(path_list) {
    PATH_START
    PATH_SCAN;
    list_from_scan(activation, scan, node->path.field, view, out);
}

PATH(path_map) {
    PATH_START
    PATH_SCAN;
    map_from_scan(activation, scan, node->path.field, view, out);
}

node_eval path_eval(const struct schema_field *field) {
    if (field->map)
        return path_map;
    if (field->repeated)
        return path_list;
    switch (kind_of_field(field)) {
    case CEL_BOOL:
        return path_bool;
    case CEL_UINT:
        return path_uint;
    case CEL_DOUBLE:
        return path_double;
    case CEL_STRING:
        return path_string;
    case CEL_BYTES:
        return path_bytes;
    case CEL_MESSAGE:
        break;
    default:
        return path_int;
    }
    switch (known_of(field->message)) {
    case KNOWN_TIMESTAMP:
        return path_timestamp;
    case KNOWN_DURATION:
        return path_duration;
    case KNOWN_WRAPPER:
        return path_wrapper;
    case KNOWN_ANY:
    case KNOWN_VALUE:
    case KNOWN_STRUCT:
    case KNOWN_LIST:
        return path_known;
    default:
        return path_message;
    }
}

void eval_path_has(const struct node *node, struct cel_activation *activation, struct cel_value *out) {
    PATH_START
    const struct schema_field *field = node->path.field;
    if (field->repeated)
        value_set_bool(out, view->occurrences > 0);
    else
        value_set_bool(
            out, field->presence ? view->present : view->present && !scalar_is_default(field, view));
}

bool path_is_plain(const struct node *node) {
    static const node_eval plain[] = {path_bool, path_int, path_uint, path_double, path_string, path_bytes};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (node->eval == plain[i])
            return true;
    return false;
}

bool path_tells_absence(const struct node *node) {
    static const node_eval messages[] = {
        path_message, path_timestamp, path_duration, path_wrapper, path_known};
    bool path = path_is_plain(node);
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++)
        path |= node->eval == messages[i];
    return path && node->path.field->presence;
}

bool cel_program_absent(const struct cel_program *program, const struct cel_activation *activation) {
    if (!program->tells_absence)
        return false;
    const struct view_value *view = path_view(program->root, activation);
    return view && !view->present;
}

bool path_is_text(const struct node *node) {
    return node->eval == path_string && node->path.field->parent->proto3;
}

bool cel_program_text(
    const struct cel_program *program, const struct cel_activation *activation, struct bytes *out) {
    const struct view_value *view = program->selects_text ? path_view(program->root, activation) : NULL;
    if (!view || !activation->variables[program->root->path.variable].scan->whole)
        return false;
    *out = view->bytes;
    return true;
}
