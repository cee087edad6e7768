// Values onto the wire.
#include "core/base/utf8.h"
#include "core/mapping/internal.h"
#include "core/schema/encoding.h"
#include "core/schema/put.h"

#include <errno.h>
#include <math.h>

static int wrong_kind(const struct schema_field *field, const struct cel_value *value, struct error *error) {
    return error_set(error, MAPPING_REFUSED, "a value of kind %s doesn't fit %s.%s",
        cel_kind_name(value->kind), field->parent->full_name, field->name);
}

// ---- Numbers ----

static int raw_number(const struct schema_field *field, const struct cel_value *value, uint64_t *raw) {
    switch (value->kind) {
    case CEL_BOOL:
        return put_raw_int(field, value->boolean, raw);
    case CEL_UINT:
        return put_raw_uint(field, value->u64, raw);
    case CEL_DOUBLE:
        if (field->kind == SCHEMA_FLOAT && isfinite(value->f64) && !isfinite((float)value->f64))
            return -ERANGE;
        return put_raw_double(field, value->f64, raw);
    default:
        return put_raw_int(field, value->i64, raw);
    }
}

static int out_of_range(
    const struct schema_field *field, const struct cel_value *value, struct error *error) {
    if (value->kind == CEL_UINT)
        return error_set(error, MAPPING_REFUSED, "%llu doesn't fit %s.%s", (unsigned long long)value->u64,
            field->parent->full_name, field->name);
    if (value->kind == CEL_DOUBLE)
        return error_set(error, MAPPING_REFUSED, "%g doesn't fit %s.%s", value->f64, field->parent->full_name,
            field->name);
    return error_set(error, MAPPING_REFUSED, "%lld doesn't fit %s.%s", (long long)value->i64,
        field->parent->full_name, field->name);
}

// A number without a name says nothing to the receiver: nobody guesses what it means.
static int check_name(const struct schema_field *field, uint64_t raw, struct error *error) {
    int32_t number = (int32_t)(uint32_t)raw;
    if (field->kind != SCHEMA_ENUM || schema_enum_numbered(field->enumeration, number))
        return 0;
    return error_set(
        error, MAPPING_REFUSED, "%s has no value with the number %d", field->enumeration->full_name, number);
}

static int write_number(const struct schema_field *field, const struct cel_value *value, bool bare,
    struct buffer *out, struct error *error) {
    uint64_t raw;
    int rc = raw_number(field, value, &raw);
    if (rc == -ERANGE)
        return out_of_range(field, value, error);
    if (rc)
        return wrong_kind(field, value, error);
    rc = check_name(field, raw, error);
    return rc ? rc : put_raw(out, field, raw, bare);
}

// ---- Messages: the tag, then the content, and last its length before it ----

static int open_message(const struct schema_field *field, struct buffer *out, size_t *mark) {
    bool group = field->kind == SCHEMA_GROUP;
    int rc = view_put_tag(out, field->number, group ? ENCODING_START : ENCODING_LEN);
    *mark = out->size;
    return rc;
}

static int close_message(const struct schema_field *field, struct buffer *out, size_t mark) {
    if (field->kind == SCHEMA_GROUP)
        return view_put_tag(out, field->number, ENCODING_END);
    return put_length(out, mark);
}

static int write_time(const struct schema_field *field, const struct cel_value *value, struct buffer *out) {
    const struct schema_field *seconds = schema_field_numbered(field->message, 1);
    const struct schema_field *nanos = schema_field_numbered(field->message, 2);
    if (value->time.seconds) {
        int rc = view_put_int(out, seconds, value->time.seconds);
        if (rc)
            return rc;
    }
    return value->time.nanos ? view_put_int(out, nanos, value->time.nanos) : 0;
}

static int write_scalar(const struct schema_field *field, const struct cel_value *value, bool bare,
    struct buffer *out, struct error *error) {
    if (value->kind == CEL_STRING && field->parent->proto3 &&
        !utf8_bytes(value->bytes)) // from proto2, or a row
        return error_set(error, MAPPING_REFUSED, "the text is not UTF-8, as %s.%s must be",
            field->parent->full_name, field->name);
    if (value->kind == CEL_STRING || value->kind == CEL_BYTES)
        return view_put_bytes(out, field, value->bytes);
    return write_number(field, value, bare, out, error);
}

static int write_content(const struct schema_field *field, const struct cel_value *value,
    struct cel_activation *activation, struct buffer *out, struct error *error) {
    if (value->kind == CEL_MESSAGE)
        return cel_message_append(value, out);
    switch (mapping_special(field->message)) {
    case MAPPING_TIMESTAMP:
    case MAPPING_DURATION:
        return write_time(field, value, out);
    case MAPPING_WRAPPER:
        if (cel_field_default(&field->message->fields[0], value))
            return 0;
        return write_scalar(&field->message->fields[0], value, false, out, error);
    default:
        return mapping_write_json(field->message, value, activation, out, error);
    }
}

static int write_any(const struct schema_field *field, const struct cel_value *value,
    struct cel_activation *activation, struct buffer *out, struct error *error) {
    int rc = cel_put_element(activation, field, value, out, error);
    return rc == CEL_FAILED ? MAPPING_REFUSED : rc;
}

int mapping_write_one(const struct schema_field *field, const struct cel_value *value, bool bare,
    struct cel_activation *activation, struct buffer *out, struct error *error) {
    if (value->kind == CEL_ERROR)
        return error_set(error, MAPPING_REFUSED, "%s", value->error->text);
    if (!mapping_takes(field, value))
        return wrong_kind(field, value, error);
    if (!field->message)
        return write_scalar(field, value, bare, out, error);
    if (mapping_special(field->message) == MAPPING_ANY)
        return write_any(field, value, activation, out, error);
    size_t mark;
    int rc = open_message(field, out, &mark);
    rc = rc ? rc : write_content(field, value, activation, out, error);
    return rc ? rc : close_message(field, out, mark);
}

// ---- Repeated fields ----

static int write_elements(const struct schema_field *field, const struct cel_value *value, bool bare,
    struct cel_activation *activation, struct buffer *out, struct error *error) {
    size_t count = cel_list_size(value->list);
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        struct cel_value element;
        rc = cel_list_get(value->list, activation, i, &element);
        rc = rc ? rc : mapping_write_one(field, &element, bare, activation, out, error);
    }
    return rc;
}

static int write_list(const struct schema_field *field, const struct cel_value *value,
    struct cel_activation *activation, struct buffer *out, struct error *error) {
    size_t mark = 0;
    if (value->kind != CEL_LIST)
        return wrong_kind(field, value, error);
    if (!field->packed || cel_list_size(value->list) == 0)
        return write_elements(field, value, false, activation, out, error);
    int rc = view_put_tag(out, field->number, ENCODING_LEN);
    mark = out->size;
    rc = rc ? rc : write_elements(field, value, true, activation, out, error);
    return rc ? rc : put_length(out, mark);
}

static int write_entry(const struct schema_field *field, const struct cel_value *key,
    const struct cel_value *value, struct cel_activation *activation, struct buffer *out,
    struct error *error) {
    size_t mark;
    int rc = open_message(field, out, &mark);
    rc = rc ? rc : mapping_write_one(&field->message->fields[0], key, false, activation, out, error);
    rc = rc ? rc : mapping_write_one(&field->message->fields[1], value, false, activation, out, error);
    return rc ? rc : close_message(field, out, mark);
}

static int write_map(const struct schema_field *field, const struct cel_value *value,
    struct cel_activation *activation, struct buffer *out, struct error *error) {
    if (value->kind != CEL_MAP)
        return wrong_kind(field, value, error);
    size_t count = cel_map_size(value->map);
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        struct cel_value key;
        struct cel_value one;
        rc = cel_map_entry(value->map, activation, i, &key, &one);
        rc = rc ? rc : write_entry(field, &key, &one, activation, out, error);
    }
    return rc;
}

int mapping_write(const struct schema_field *field, const struct cel_value *value,
    struct cel_activation *activation, struct buffer *out, struct error *error) {
    if (value->kind == CEL_NULL)
        return 0;
    if (field->map)
        return write_map(field, value, activation, out, error);
    if (field->repeated)
        return write_list(field, value, activation, out, error);
    if (cel_field_default(field, value) && mapping_takes(field, value))
        return 0;
    return mapping_write_one(field, value, false, activation, out, error);
}
