#include "core/schema/put.h"

#include "core/base/varint.h"
#include "core/schema/encoding.h"
#include "core/schema/internal.h"

#include <errno.h>

// As buffer_append() makes it, for who writes there directly.
static inline int make_room(struct buffer *out, size_t size) {
    if (out->limit && size > out->limit - out->size)
        return -EMSGSIZE;
    return buffer_reserve(out, size);
}

int view_put_varint(struct buffer *out, uint64_t value) {
    int rc = make_room(out, varint_size(value));
    if (rc == 0)
        out->size += varint_put(out->data + out->size, value);
    return rc;
}

int view_put_tag(struct buffer *out, uint32_t number, uint32_t wire_type) {
    return view_put_varint(out, (uint64_t)number << 3 | wire_type);
}

int put_raw(struct buffer *out, const struct schema_field *field, uint64_t raw, bool bare) {
    uint32_t wire = schema_wire(field->kind);
    uint64_t tag = (uint64_t)field->number << 3 | wire;
    size_t size = wire == ENCODING_I64 ? 8 : wire == ENCODING_I32 ? 4 : varint_size(raw);
    int rc = make_room(out, size + (bare ? 0 : varint_size(tag)));
    if (rc != 0)
        return rc;
    uint8_t *p = out->data + out->size;
    if (!bare)
        p += varint_put(p, tag);
    if (wire == ENCODING_I64)
        store_u64(p, raw);
    else if (wire == ENCODING_I32)
        store_u32(p, (uint32_t)raw);
    else
        varint_put(p, raw);
    out->size = (size_t)(p - out->data) + size;
    return 0;
}

int put_length(struct buffer *out, size_t at) {
    size_t content = out->size - at, size = varint_size(content);
    int rc = make_room(out, size);
    if (rc != 0)
        return rc;
    memmove(out->data + at + size, out->data + at, content);
    varint_put(out->data + at, content);
    out->size += size;
    return 0;
}

static uint64_t zigzag(int64_t value) {
    return (uint64_t)value << 1 ^ (uint64_t)(value < 0 ? -1 : 0);
}

int put_raw_int(const struct schema_field *field, int64_t value, uint64_t *raw) {
    bool small = value >= INT32_MIN && value <= INT32_MAX;
    switch (field->kind) {
    case SCHEMA_INT32:
    case SCHEMA_ENUM:
    case SCHEMA_SFIXED32:
        *raw = (uint64_t)value;
        return small ? 0 : -ERANGE;
    case SCHEMA_SINT32:
        *raw = zigzag(value);
        return small ? 0 : -ERANGE;
    case SCHEMA_SINT64:
        *raw = zigzag(value);
        return 0;
    case SCHEMA_BOOL:
        *raw = value != 0;
        return 0;
    case SCHEMA_INT64:
    case SCHEMA_SFIXED64:
        *raw = (uint64_t)value;
        return 0;
    case SCHEMA_UINT32:
    case SCHEMA_FIXED32:
        *raw = (uint64_t)value;
        return value >= 0 && value <= UINT32_MAX ? 0 : -ERANGE;
    case SCHEMA_UINT64:
    case SCHEMA_FIXED64:
        *raw = (uint64_t)value;
        return value >= 0 ? 0 : -ERANGE;
    default:
        return -EINVAL;
    }
}

int put_raw_uint(const struct schema_field *field, uint64_t value, uint64_t *raw) {
    if (field->kind == SCHEMA_UINT64 || field->kind == SCHEMA_FIXED64) {
        *raw = value;
        return 0;
    }
    return value > INT64_MAX ? -ERANGE : put_raw_int(field, (int64_t)value, raw);
}

int put_raw_double(const struct schema_field *field, double value, uint64_t *raw) {
    float single = (float)value;
    uint32_t low;
    switch (field->kind) {
    case SCHEMA_DOUBLE:
        memcpy(raw, &value, sizeof *raw);
        return 0;
    case SCHEMA_FLOAT:
        memcpy(&low, &single, sizeof low);
        *raw = low;
        return 0;
    default:
        return -EINVAL;
    }
}

int view_put_int(struct buffer *out, const struct schema_field *field, int64_t value) {
    uint64_t raw;
    int rc = put_raw_int(field, value, &raw);
    return rc == 0 ? put_raw(out, field, raw, false) : rc;
}

int view_put_uint(struct buffer *out, const struct schema_field *field, uint64_t value) {
    uint64_t raw;
    int rc = put_raw_uint(field, value, &raw);
    return rc == 0 ? put_raw(out, field, raw, false) : rc;
}

int view_put_double(struct buffer *out, const struct schema_field *field, double value) {
    uint64_t raw;
    int rc = put_raw_double(field, value, &raw);
    return rc == 0 ? put_raw(out, field, raw, false) : rc;
}

int view_put_bytes(struct buffer *out, const struct schema_field *field, struct bytes value) {
    if (schema_packable(field->kind))
        return -EINVAL;
    if (value.size > UINT32_MAX)
        return -EMSGSIZE;
    bool group = field->kind == SCHEMA_GROUP;
    uint64_t tag = (uint64_t)field->number << 3 | schema_wire(field->kind);
    size_t around = varint_size(tag) + (group ? varint_size(tag) : varint_size(value.size));
    int rc = make_room(out, around + value.size); // so that the record is written whole or not
    if (rc != 0)
        return rc;
    uint8_t *p = out->data + out->size;
    p += varint_put(p, tag);
    if (!group)
        p += varint_put(p, value.size);
    if (value.size)
        memcpy(p, value.data, value.size);
    p += value.size;
    if (group)
        varint_put(p, tag - ENCODING_START + ENCODING_END);
    out->size += around + value.size;
    return 0;
}
