// The smallest parts of protobuf's encoding (protobuf.dev/programming-guides/encoding), for bytes from
// anywhere. Readers take `p` and `end` and return where they stopped, or NULL at what is cut short or
// malformed.
#pragma once

#include "core/base/bytes.h"

enum {
    ENCODING_VARINT = 0,
    ENCODING_I64 = 1,
    ENCODING_LEN = 2,
    ENCODING_START = 3,
    ENCODING_END = 4,
    ENCODING_I32 = 5,
};

#define ENCODING_NUMBER_MAX 0x1FFFFFFFu // the largest field number

const uint8_t *encoding_varint_long(const uint8_t *p, const uint8_t *end, uint64_t *out);
const uint8_t *encoding_tag_long(const uint8_t *p, const uint8_t *end, uint32_t *out);
const uint8_t *encoding_size_long(const uint8_t *p, const uint8_t *end, size_t *out);

// At most 10 bytes and 64 bits. A form longer than needed is fine, as for every reader of protobuf.
static inline const uint8_t *encoding_varint(const uint8_t *p, const uint8_t *end, uint64_t *out) {
    if (p < end && *p < 0x80) {
        *out = *p;
        return p + 1;
    }
    uint64_t longer; // so that `*out` need not be in memory
    p = encoding_varint_long(p, end, &longer);
    if (p)
        *out = longer;
    return p;
}

// At most 5 bytes and 32 bits; the field number is not 0.
static inline const uint8_t *encoding_tag(const uint8_t *p, const uint8_t *end, uint32_t *out) {
    if (p < end && *p < 0x80 && *p >= 8) {
        *out = *p;
        return p + 1;
    }
    return encoding_tag_long(p, end, out);
}

// A length of at most 5 bytes, and that many bytes are there behind it.
static inline const uint8_t *encoding_size(const uint8_t *p, const uint8_t *end, size_t *out) {
    size_t left = (size_t)(end - p);
    if (left && *p < left && *p < 0x80) {
        *out = *p;
        return p + 1;
    }
    size_t longer;
    p = encoding_size_long(p, end, &longer);
    if (p)
        *out = longer;
    return p;
}

// Passes the value behind `tag`; a group up to and with its end tag, at most `depth` deep.
const uint8_t *encoding_skip(const uint8_t *p, const uint8_t *end, uint32_t tag, size_t depth);

// Of a group's content at `p`: the start of its end tag in `*content_end`, and behind it as the result.
const uint8_t *encoding_group(
    const uint8_t *p, const uint8_t *end, uint32_t number, size_t depth, const uint8_t **content_end);
