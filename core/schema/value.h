// One value off the wire.
#pragma once

#include "core/schema/encoding.h"
#include "core/schema/view.h"

// Turns what the wire holds of a number (varint, 64 or 32 bits) into the field's value; too many bits are cut
// as everywhere in protobuf.
static inline void value_set_number(struct view_value *value, enum schema_kind kind, uint64_t raw) {
    float single;
    uint32_t low = (uint32_t)raw;
    value->bytes = (struct bytes){0};
    switch (kind) {
    case SCHEMA_INT32:
    case SCHEMA_ENUM:
    case SCHEMA_SFIXED32:
        value->i64 = (int32_t)low;
        break;
    case SCHEMA_SINT32:
        value->i64 = (int32_t)(low >> 1 ^ -(low & 1));
        break;
    case SCHEMA_SINT64:
        value->i64 = (int64_t)(raw >> 1 ^ -(raw & 1));
        break;
    case SCHEMA_UINT32:
    case SCHEMA_FIXED32:
        value->u64 = low;
        break;
    case SCHEMA_BOOL:
        value->boolean = raw != 0;
        break;
    case SCHEMA_FLOAT:
        memcpy(&single, &low, sizeof single);
        value->f64 = (double)single;
        break;
    case SCHEMA_DOUBLE:
        memcpy(&value->f64, &raw, sizeof raw);
        break;
    default:
        value->u64 = raw;
        break;
    }
}

// Reads a value of the wire type at `p` (a group's content for START), and moves on; NULL at malformed bytes.
const uint8_t *value_read(
    const uint8_t *p, const uint8_t *end, uint32_t tag, enum schema_kind kind, struct view_value *out);
