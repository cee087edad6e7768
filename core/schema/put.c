// Writing wire bytes.
#include "core/base/varint.h"
#include "core/schema/encoding.h"
#include "core/schema/internal.h"
#include "core/schema/view.h"

#include <errno.h>

int view_put_varint(struct buffer *out, uint64_t value) {
    uint8_t bytes[VARINT_SIZE];
    return buffer_append(out, bytes, varint_put(bytes, value));
}

int view_put_tag(struct buffer *out, uint32_t number, uint32_t wire_type) {
    return view_put_varint(out, (uint64_t)number << 3 | wire_type);
}

// A record is written whole or not at all.
static int put_record(
    struct buffer *out, const struct schema_field *field, const uint8_t *value, size_t size) {
    uint8_t record[VARINT_SIZE * 2];
    size_t tag = varint_put(record, (uint64_t)field->number << 3 | schema_wire(field->kind));
    memcpy(record + tag, value, size);
    return buffer_append(out, record, tag + size);
}

static int put_number(struct buffer *out, const struct schema_field *field, uint64_t raw) {
    uint8_t value[VARINT_SIZE];
    size_t size;
    switch (schema_wire(field->kind)) {
    case ENCODING_I64:
        store_u64(value, raw);
        size = 8;
        break;
    case ENCODING_I32:
        store_u32(value, (uint32_t)raw);
        size = 4;
        break;
    default:
        size = varint_put(value, raw);
        break;
    }
    return put_record(out, field, value, size);
}

int view_put_int(struct buffer *out, const struct schema_field *field, int64_t value) {
    switch (field->kind) {
    case SCHEMA_INT32:
    case SCHEMA_ENUM:
    case SCHEMA_SFIXED32:
        return value < INT32_MIN || value > INT32_MAX ? -ERANGE : put_number(out, field, (uint64_t)value);
    case SCHEMA_SINT32:
        if (value < INT32_MIN || value > INT32_MAX)
            return -ERANGE;
        return put_number(out, field, (uint64_t)value << 1 ^ (uint64_t)(value < 0 ? -1 : 0));
    case SCHEMA_SINT64:
        return put_number(out, field, (uint64_t)value << 1 ^ (uint64_t)(value < 0 ? -1 : 0));
    case SCHEMA_BOOL:
        return put_number(out, field, value != 0);
    case SCHEMA_INT64:
    case SCHEMA_SFIXED64:
        return put_number(out, field, (uint64_t)value);
    default:
        return value < 0 ? -ERANGE : view_put_uint(out, field, (uint64_t)value);
    }
}

int view_put_uint(struct buffer *out, const struct schema_field *field, uint64_t value) {
    switch (field->kind) {
    case SCHEMA_UINT32:
    case SCHEMA_FIXED32:
        return value > UINT32_MAX ? -ERANGE : put_number(out, field, value);
    case SCHEMA_UINT64:
    case SCHEMA_FIXED64:
        return put_number(out, field, value);
    case SCHEMA_INT32:
    case SCHEMA_INT64:
    case SCHEMA_SINT32:
    case SCHEMA_SINT64:
    case SCHEMA_SFIXED32:
    case SCHEMA_SFIXED64:
    case SCHEMA_BOOL:
    case SCHEMA_ENUM:
        return value > INT64_MAX ? -ERANGE : view_put_int(out, field, (int64_t)value);
    default:
        return -EINVAL;
    }
}

int view_put_double(struct buffer *out, const struct schema_field *field, double value) {
    if (field->kind == SCHEMA_DOUBLE) {
        uint64_t raw;
        memcpy(&raw, &value, sizeof raw);
        return put_number(out, field, raw);
    }
    if (field->kind != SCHEMA_FLOAT)
        return -EINVAL;
    float single = (float)value;
    uint32_t raw;
    memcpy(&raw, &single, sizeof raw);
    return put_number(out, field, raw);
}

int view_put_bytes(struct buffer *out, const struct schema_field *field, struct bytes value) {
    if (schema_packable(field->kind))
        return -EINVAL;
    if (value.size > UINT32_MAX)
        return -EMSGSIZE;
    uint8_t head[VARINT_SIZE * 2], tail[VARINT_SIZE];
    size_t head_size = varint_put(head, (uint64_t)field->number << 3 | schema_wire(field->kind)),
           tail_size = 0;
    if (field->kind == SCHEMA_GROUP)
        tail_size = varint_put(tail, (uint64_t)field->number << 3 | ENCODING_END);
    else
        head_size += varint_put(head + head_size, value.size);
    int rc =
        buffer_reserve(out, head_size + value.size + tail_size); // so that the record is written whole or not
    if (rc == 0)
        rc = buffer_append(out, head, head_size);
    if (rc == 0)
        rc = buffer_append_bytes(out, value);
    return rc == 0 ? buffer_append(out, tail, tail_size) : rc;
}
