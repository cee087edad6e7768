// One field of a protobuf message at a time. Private to core/wire.
#pragma once

#include "core/base/varint.h"

#define WIRE_TYPE_FIXED64 1u
#define WIRE_TYPE_FIXED32 5u

struct wire_field {
    uint32_t number;
    uint32_t type;      // VARINT_WIRE_NUMBER, VARINT_WIRE_BYTES, WIRE_TYPE_FIXED64, WIRE_TYPE_FIXED32
    uint64_t value;     // of a number
    struct bytes bytes; // of bytes
};

// Tags and lengths take at most 5 bytes, as in protobuf's own parsers.
static inline bool wire_short_varint(struct bytes *rest, uint64_t *out) {
    if (rest->size && rest->data[0] < 0x80) // most are
        return varint_get(rest, out);
    struct bytes at = *rest;
    if (!varint_get(&at, out) || rest->size - at.size > 5 || *out > UINT32_MAX)
        return false;
    *rest = at;
    return true;
}

// Reads the field at the front of `rest` (not empty) and moves on behind it. NULL, or what is wrong with it.
// Groups are refused: nothing of this protocol has them.
static inline const char *wire_field_next(struct bytes *rest, struct wire_field *out) {
    uint64_t key;
    if (!wire_short_varint(rest, &key) || key >> 3 == 0)
        return "a field tag that can't be read";
    out->number = (uint32_t)(key >> 3);
    out->type = (uint32_t)(key & 7);
    uint64_t skip = 0;
    if (out->type == VARINT_WIRE_NUMBER)
        return varint_get(rest, &out->value) ? NULL
                                             : "a number that ends too early or takes more than 10 bytes";
    if (out->type == VARINT_WIRE_BYTES) {
        if (!wire_short_varint(rest, &skip) || skip > rest->size)
            return "a length beyond the end";
        out->bytes = bytes_of(rest->data, (size_t)skip);
    } else if (out->type == WIRE_TYPE_FIXED64 || out->type == WIRE_TYPE_FIXED32) {
        skip = out->type == WIRE_TYPE_FIXED64 ? 8 : 4;
        if (skip > rest->size)
            return "a fixed-size number that ends too early";
    } else {
        return "a group or an unknown wire type";
    }
    rest->data += skip;
    rest->size -= (size_t)skip;
    return NULL;
}
