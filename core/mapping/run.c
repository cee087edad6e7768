#include "core/mapping/internal.h"

#include <errno.h>
#include <stdlib.h>

static int refuse(struct error *error, const char *text) {
    return error_set(error, MAPPING_REFUSED, "%s", text);
}

static int wrong_kind(const struct schema_field *field, struct error *error) {
    return error_set(
        error, MAPPING_REFUSED, "the value has not the type of %s.%s", field->parent->full_name, field->name);
}

// Whether a proto3 field without presence would only repeat its default.
static bool is_default(const struct schema_field *field, const struct cel_value *value) {
    if (field->presence || field->repeated)
        return false;
    switch (value->kind) {
    case CEL_BOOL:
        return !value->boolean;
    case CEL_INT:
        return value->i64 == 0;
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

static int write_int(
    const struct schema_field *field, int64_t value, struct buffer *out, struct error *error) {
    bool narrow = field->kind == SCHEMA_INT32 || field->kind == SCHEMA_SINT32 ||
                  field->kind == SCHEMA_SFIXED32 || field->kind == SCHEMA_ENUM;
    if (narrow && (value < INT32_MIN || value > INT32_MAX))
        return refuse(error, "the value does not fit 32 bits");
    return view_put_int(out, field, value);
}

static int write_uint(
    const struct schema_field *field, uint64_t value, struct buffer *out, struct error *error) {
    bool narrow = field->kind == SCHEMA_UINT32 || field->kind == SCHEMA_FIXED32;
    if (narrow && value > UINT32_MAX)
        return refuse(error, "the value does not fit 32 bits");
    return view_put_uint(out, field, value);
}

static bool takes(const struct schema_field *field, enum cel_kind kind) {
    char unused[8];
    struct schema_field single = *field;
    single.repeated = single.map = false;
    struct cel_type type = {.kind = kind};
    return mapping_fits(&single, &type, unused, sizeof unused);
}

static int write_time(const struct schema_field *field, const struct cel_value *value, struct buffer *out) {
    struct buffer inner = {0};
    int rc = 0;
    if (value->time.seconds)
        rc = view_put_int(&inner, schema_field_numbered(field->message, 1), value->time.seconds);
    if (rc == 0 && value->time.nanos)
        rc = view_put_int(&inner, schema_field_numbered(field->message, 2), value->time.nanos);
    rc = rc ? rc : view_put_bytes(out, field, buffer_bytes(&inner));
    buffer_destroy(&inner);
    return rc;
}

static int write_single(const struct schema_field *field, const struct cel_value *value,
    struct cel_activation *activation, struct buffer *out, struct error *error);

static int write_wrapped(const struct schema_field *field, const struct cel_value *value,
    struct cel_activation *activation, struct buffer *out, struct error *error) {
    struct buffer inner = {0};
    int rc = is_default(&field->message->fields[0], value)
                 ? 0
                 : write_single(&field->message->fields[0], value, activation, &inner, error);
    rc = rc ? rc : view_put_bytes(out, field, buffer_bytes(&inner));
    buffer_destroy(&inner);
    return rc;
}

static int write_message(
    const struct schema_field *field, const struct cel_value *value, struct buffer *out) {
    struct buffer inner = {0};
    int rc = cel_message_append(value, &inner);
    rc = rc ? rc : view_put_bytes(out, field, buffer_bytes(&inner));
    buffer_destroy(&inner);
    return rc;
}

static int write_message_kind(const struct schema_field *field, const struct cel_value *value,
    struct cel_activation *activation, struct buffer *out, struct error *error) {
    switch (mapping_special(field->message)) {
    case MAPPING_TIMESTAMP:
        return value->kind == CEL_TIMESTAMP ? write_time(field, value, out) : wrong_kind(field, error);
    case MAPPING_DURATION:
        return value->kind == CEL_DURATION ? write_time(field, value, out) : wrong_kind(field, error);
    case MAPPING_WRAPPER:
        return write_wrapped(field, value, activation, out, error);
    default:
        return value->kind == CEL_MESSAGE && value->message.type == field->message
                   ? write_message(field, value, out)
                   : wrong_kind(field, error);
    }
}

static int write_single(const struct schema_field *field, const struct cel_value *value,
    struct cel_activation *activation, struct buffer *out, struct error *error) {
    if (field->kind == SCHEMA_MESSAGE)
        return write_message_kind(field, value, activation, out, error);
    if (!takes(field, value->kind))
        return wrong_kind(field, error);
    switch (value->kind) {
    case CEL_BOOL:
        return view_put_int(out, field, value->boolean);
    case CEL_INT:
        return write_int(field, value->i64, out, error);
    case CEL_UINT:
        return write_uint(field, value->u64, out, error);
    case CEL_DOUBLE:
        return view_put_double(out, field, value->f64);
    case CEL_STRING:
    case CEL_BYTES:
        return view_put_bytes(out, field, value->bytes);
    default:
        return wrong_kind(field, error);
    }
}

static int write_list(const struct schema_field *field, const struct cel_value *value,
    struct cel_activation *activation, struct buffer *out, struct error *error) {
    if (value->kind != CEL_LIST)
        return wrong_kind(field, error);
    size_t count = cel_list_size(value->list);
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        struct cel_value element;
        rc = cel_list_get(value->list, activation, i, &element);
        rc = rc ? rc : write_single(field, &element, activation, out, error);
    }
    return rc;
}

static int write_map(const struct schema_field *field, const struct cel_value *value,
    struct cel_activation *activation, struct buffer *out, struct error *error) {
    if (value->kind != CEL_MAP)
        return wrong_kind(field, error);
    size_t count = cel_map_size(value->map);
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        struct cel_value key;
        struct cel_value one;
        struct buffer entry = {0};
        rc = cel_map_entry(value->map, activation, i, &key, &one);
        rc = rc ? rc : write_single(&field->message->fields[0], &key, activation, &entry, error);
        rc = rc ? rc : write_single(&field->message->fields[1], &one, activation, &entry, error);
        rc = rc ? rc : view_put_bytes(out, field, buffer_bytes(&entry));
        buffer_destroy(&entry);
    }
    return rc;
}

int mapping_write(const struct schema_field *field, const struct cel_value *value,
    struct cel_activation *activation, struct buffer *out, struct error *error) {
    if (value->kind == CEL_NULL || is_default(field, value))
        return 0;
    if (field->map)
        return write_map(field, value, activation, out, error);
    if (field->repeated)
        return write_list(field, value, activation, out, error);
    return write_single(field, value, activation, out, error);
}

static int run_nested(const struct mapped_field *mapped, struct cel_activation *activation,
    struct buffer *out, struct error *error) {
    struct buffer inner = {0};
    int rc = mapping_run(mapped->nested, activation, &inner, error);
    if (rc == 0 && inner.size) // nothing to say leaves the message out
        rc = view_put_bytes(out, mapped->field, buffer_bytes(&inner));
    buffer_destroy(&inner);
    return rc;
}

static int run_field(const struct mapped_field *mapped, struct cel_activation *activation, struct buffer *out,
    struct error *error) {
    if (mapped->nested)
        return run_nested(mapped, activation, out, error);
    bool present = true;
    int rc = mapped->guard ? cel_eval_bool(mapped->guard, activation, &present, error) : 0;
    if (rc == 0 && !present)
        return 0;
    struct cel_value value;
    rc = rc ? rc : cel_eval(mapped->program, activation, &value, error);
    rc = rc ? rc : mapping_write(mapped->field, &value, activation, out, error);
    return rc > 0 ? MAPPING_REFUSED : rc;
}

int mapping_run(const struct mapping *mapping, struct cel_activation *activation, struct buffer *out,
    struct error *error) {
    for (size_t i = 0; i < mapping->count; i++) {
        int rc = run_field(&mapping->fields[i], activation, out, error);
        if (rc == MAPPING_REFUSED)
            error_prefix(error, "%s: ", mapping->fields[i].field->name);
        if (rc)
            return rc;
    }
    return 0;
}
