#include "core/cel/construct.h"
#include "core/cel/text.h"
#include "core/cel/types.h"
#include "core/schema/encoding.h"
#include "core/schema/put.h"

#include <errno.h>

static const struct cel_error too_large = {
    CEL_FAULT_LIMIT, "the expression makes more values than its memory limit allows"};

bool construct_wrote(struct construct *construct, int rc) {
    if (rc == -EMSGSIZE)
        value_fail_static(construct->error, &too_large);
    else if (rc != 0)
        activation_no_memory(construct->activation, construct->error);
    return rc == 0;
}

bool construct_refuse(
    struct construct *construct, const struct schema_field *field, const struct cel_value *value) {
    value_fail(construct->activation, construct->error, CEL_FAULT_NO_OVERLOAD,
        "unsupported field type: %s.%s takes no %s", field->parent->full_name, field->name,
        cel_kind_name(value->kind));
    return false;
}

static bool out_of_range(struct construct *construct, const struct schema_field *field) {
    value_fail(construct->activation, construct->error, CEL_FAULT_CONVERSION,
        "range error: the number doesn't fit %s.%s", field->parent->full_name, field->name);
    return false;
}

bool construct_begin(struct construct *construct, uint32_t number, size_t *mark) {
    int rc = view_put_tag(construct->out, number, ENCODING_LEN);
    *mark = construct->out->size;
    return construct_wrote(construct, rc);
}

bool construct_end(struct construct *construct, size_t mark) {
    return construct_wrote(construct, put_length(construct->out, mark));
}

bool construct_bytes(struct construct *construct, uint32_t number, struct bytes bytes) {
    size_t mark;
    return text_charge(construct->activation, bytes.size, construct->error) &&
           construct_begin(construct, number, &mark) &&
           construct_wrote(construct, buffer_append_bytes(construct->out, bytes)) &&
           construct_end(construct, mark);
}

bool construct_append(struct construct *construct, const struct cel_value *message) {
    return text_charge(construct->activation, message->message.bytes.size, construct->error) &&
           construct_wrote(construct, cel_message_append(message, construct->out));
}

// ---- Scalars ----

bool cel_field_default(const struct schema_field *field, const struct cel_value *value) {
    if (field->presence)
        return false;
    switch (value->kind) {
    case CEL_BOOL:
        return !value->boolean;
    case CEL_INT:
    case CEL_UINT:
        return value->u64 == 0;
    case CEL_DOUBLE:
        return load_u64(&value->f64) == 0; // -0.0 is no default
    case CEL_STRING:
    case CEL_BYTES:
        return value->bytes.size == 0;
    default:
        return false;
    }
}

static bool takes(const struct schema_field *field, enum cel_kind kind) {
    enum cel_kind wanted = kind_of_field(field);
    return kind == (wanted == CEL_ENUM ? CEL_INT : wanted);
}

static int raw_of(const struct schema_field *field, const struct cel_value *value, uint64_t *raw) {
    switch (value->kind) {
    case CEL_BOOL:
        *raw = value->boolean;
        return 0;
    case CEL_UINT:
        return put_raw_uint(field, value->u64, raw);
    case CEL_DOUBLE:
        return put_raw_double(field, value->f64, raw);
    default:
        return put_raw_int(field, value->i64, raw);
    }
}

static bool put_scalar(
    struct construct *construct, const struct schema_field *field, const struct cel_value *value, bool bare) {
    uint64_t raw = 0;
    if (!takes(field, value->kind))
        return construct_refuse(construct, field, value);
    if (value->kind == CEL_STRING || value->kind == CEL_BYTES)
        return construct_bytes(construct, field->number, value->bytes);
    if (raw_of(field, value, &raw) != 0)
        return out_of_range(construct, field);
    return construct_wrote(construct, put_raw(construct->out, field, raw, bare));
}

// ---- Messages ----

bool construct_time(struct construct *construct, const struct cel_value *value) {
    int rc = 0;
    if (value->time.seconds) {
        rc = view_put_tag(construct->out, 1, ENCODING_VARINT);
        rc = rc ? rc : view_put_varint(construct->out, (uint64_t)value->time.seconds);
    }
    if (rc == 0 && value->time.nanos) {
        rc = view_put_tag(construct->out, 2, ENCODING_VARINT);
        rc = rc ? rc : view_put_varint(construct->out, (uint64_t)(int64_t)value->time.nanos);
    }
    return construct_wrote(construct, rc);
}

static bool put_plain(
    struct construct *construct, const struct schema_field *field, const struct cel_value *value) {
    if (value->kind != CEL_MESSAGE || value->message.type != field->message)
        return construct_refuse(construct, field, value);
    return construct_append(construct, value);
}

static bool put_content(
    struct construct *construct, const struct schema_field *field, const struct cel_value *value) {
    const struct schema_message *type = field->message;
    switch (known_of(type)) {
    case KNOWN_ANY:
        return construct_any(construct, value);
    case KNOWN_VALUE:
        return construct_json(construct, value);
    case KNOWN_STRUCT:
        return value->kind == CEL_MAP ? construct_struct(construct, value->map)
                                      : construct_refuse(construct, field, value);
    case KNOWN_LIST:
        return value->kind == CEL_LIST ? construct_list(construct, value->list)
                                       : construct_refuse(construct, field, value);
    case KNOWN_TIMESTAMP:
    case KNOWN_DURATION:
        if (value->kind != (known_of(type) == KNOWN_TIMESTAMP ? CEL_TIMESTAMP : CEL_DURATION))
            return construct_refuse(construct, field, value);
        return construct_time(construct, value);
    case KNOWN_WRAPPER:
        return (takes(&type->fields[0], value->kind) && cel_field_default(&type->fields[0], value)) ||
               put_scalar(construct, &type->fields[0], value, false);
    default:
        return put_plain(construct, field, value);
    }
}

bool construct_single(
    struct construct *construct, const struct schema_field *field, const struct cel_value *value, bool bare) {
    size_t mark;
    bool group = field->kind == SCHEMA_GROUP;
    if (!field->message)
        return put_scalar(construct, field, value, bare);
    if (!construct_wrote(
            construct, view_put_tag(construct->out, field->number, group ? ENCODING_START : ENCODING_LEN)))
        return false;
    mark = construct->out->size;
    if (!put_content(construct, field, value))
        return false;
    if (group)
        return construct_wrote(construct, view_put_tag(construct->out, field->number, ENCODING_END));
    return construct_end(construct, mark);
}

// ---- Fields ----

static bool put_list(
    struct construct *construct, const struct schema_field *field, const struct cel_value *value) {
    size_t mark = 0;
    if (value->kind != CEL_LIST)
        return construct_refuse(construct, field, value);
    size_t size = value->list->size;
    if (!activation_charge(construct->activation, size, construct->error))
        return false;
    const struct cel_value *values = list_values(construct->activation, value->list, construct->error);
    if (size == 0 || !values)
        return size == 0;
    if (field->packed && !construct_begin(construct, field->number, &mark))
        return false;
    for (size_t i = 0; i < size; i++)
        if (!construct_single(construct, field, &values[i], field->packed))
            return false;
    return !field->packed || construct_end(construct, mark);
}

static bool put_map(
    struct construct *construct, const struct schema_field *field, const struct cel_value *value) {
    size_t mark;
    if (value->kind != CEL_MAP)
        return construct_refuse(construct, field, value);
    if (!activation_charge(construct->activation, value->map->size, construct->error))
        return false;
    for (size_t i = 0; i < value->map->size; i++) {
        const struct map_entry *entry = &value->map->entries[i];
        if (!construct_begin(construct, field->number, &mark) ||
            !construct_single(construct, &field->message->fields[0], &entry->key, false) ||
            !construct_single(construct, &field->message->fields[1], &entry->value, false) ||
            !construct_end(construct, mark))
            return false;
    }
    return true;
}

// Whether null says that the field isn't set; otherwise it is written like any value, or refused.
static bool null_leaves_out(const struct schema_field *field) {
    if (field->repeated)
        return false;
    if (!field->message)
        return field->kind == SCHEMA_ENUM &&
               strcmp(field->enumeration->full_name, "google.protobuf.NullValue") == 0;
    enum known known = known_of(field->message);
    return known == KNOWN_NOT || known == KNOWN_WRAPPER || known == KNOWN_TIMESTAMP ||
           known == KNOWN_DURATION;
}

bool construct_field(
    struct construct *construct, const struct schema_field *field, const struct cel_value *value) {
    if (value->kind == CEL_ERROR) {
        *construct->error = *value;
        return false;
    }
    if (value->kind == CEL_NULL && null_leaves_out(field))
        return true;
    if (field->map)
        return put_map(construct, field, value);
    if (field->repeated)
        return put_list(construct, field, value);
    if (!field->message && takes(field, value->kind) && cel_field_default(field, value))
        return true;
    return construct_single(construct, field, value, false);
}

static int put(struct cel_activation *activation, const struct schema_field *field,
    const struct cel_value *value, bool one, struct buffer *out, struct error *error) {
    struct cel_value failure = {.kind = CEL_NULL};
    struct construct construct = {.activation = activation, .out = out, .error = &failure};
    size_t size = out->size;
    activation->failure = 0;
    if (one ? construct_single(&construct, field, value, false) : construct_field(&construct, field, value))
        return 0;
    out->size = size;
    if (activation->failure)
        return error_no_memory(error);
    return error_set(error, CEL_FAILED, "%s", failure.error->text);
}

int cel_put_field(struct cel_activation *activation, const struct schema_field *field,
    const struct cel_value *value, struct buffer *out, struct error *error) {
    return put(activation, field, value, false, out, error);
}

int cel_put_element(struct cel_activation *activation, const struct schema_field *field,
    const struct cel_value *value, struct buffer *out, struct error *error) {
    return put(activation, field, value, true, out, error);
}

// ---- Type{field: value} ----

static bool put_fields(struct construct *construct, const struct node *node, const struct cel_value *values) {
    for (size_t i = 0; i < node->count; i++) {
        if (!node->make.fields[i]) {
            value_fail(construct->activation, construct->error, CEL_FAULT_NO_FIELD, "no such field in %s",
                node->make.type->full_name);
            return false;
        }
        if (!construct_field(construct, node->make.fields[i], &values[i]))
            return false;
    }
    return true;
}

// What was put together, as a value. It is checked like a message that came in: it may be nested too deep, or
// miss what a type of proto2 requires.
static void finish(
    struct cel_activation *activation, const struct schema_message *type, struct cel_value *out) {
    const struct buffer *scratch = &activation->scratch;
    struct error error = {0};
    if (!activation_charge(activation, 1 + scratch->size / 1024, out))
        return;
    uint8_t *data = activation_alloc(activation, scratch->size + 1, out);
    if (!data)
        return;
    if (scratch->size)
        memcpy(data, scratch->data, scratch->size);
    struct bytes bytes = bytes_of(data, scratch->size);
    int rc = view_check(type, bytes, NULL, &error);
    if (rc == -ENOMEM)
        activation_no_memory(activation, out);
    else if (rc != 0)
        value_fail(activation, out, CEL_FAULT_LIMIT, "the message can't be built: %s", error.text);
    else
        message_value(activation, type, bytes, out);
}

// NOLINTNEXTLINE(misc-no-recursion): the program's depth is limited
void eval_new(const struct node *node, struct cel_activation *activation, struct cel_value *out) {
    struct cel_value *values = activation_array(activation, node->count + 1, sizeof *values, out);
    for (size_t i = 0; values && i < node->count; i++) {
        node_run(node->args[i], activation, &values[i]);
        if (values[i].kind == CEL_ERROR) {
            *out = values[i];
            return;
        }
    }
    struct buffer *scratch = &activation->scratch;
    struct construct construct = {.activation = activation, .out = scratch, .error = out};
    buffer_clear(scratch);
    scratch->limit = activation->memory_limit;
    if (values && put_fields(&construct, node, values))
        finish(activation, node->make.type, out);
}
