// Base-128 varints and field tags, as protobuf's encoding has them
// (protobuf.dev/programming-guides/encoding).
#pragma once

#include "core/base/bytes.h"

#define VARINT_SIZE 10 // bytes at most

#define VARINT_WIRE_NUMBER 0u // wire types
#define VARINT_WIRE_BYTES 2u

// Writes to `out` (VARINT_SIZE bytes of room) and returns how many bytes it took.
static inline size_t varint_put(uint8_t *out, uint64_t value) {
    size_t n = 0;
    while (value >= 0x80) {
        out[n++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    out[n++] = (uint8_t)value;
    return n;
}

// One byte for each 7 bits: 9 / 64 is the next larger fraction that gives the same for up to 64 of them.
static inline size_t varint_size(uint64_t value) {
    unsigned bits = 64 - (unsigned)__builtin_clzll(value | 1);
    return (bits * 9 + 64) / 64;
}

// Reads from the front of `rest` and moves it on. False at an overlong or cut one; `rest` is then unchanged.
static inline bool varint_get(struct bytes *rest, uint64_t *out) {
    if (rest->size && rest->data[0] < 0x80) { // most are
        *out = rest->data[0];
        rest->data++;
        rest->size--;
        return true;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < rest->size && i < VARINT_SIZE; i++) {
        uint8_t byte = rest->data[i];
        if (i == VARINT_SIZE - 1 && byte > 1)
            return false;
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (!(byte & 0x80)) {
            *out = value;
            rest->data += i + 1;
            rest->size -= i + 1;
            return true;
        }
    }
    return false;
}
