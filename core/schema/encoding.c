#include "core/schema/encoding.h"

#include "core/base/varint.h"

const uint8_t *encoding_varint_long(const uint8_t *p, const uint8_t *end, uint64_t *out) {
    uint64_t value = 0;
    size_t left = (size_t)(end - p);
    for (size_t i = 0; i < left && i < VARINT_SIZE; i++) {
        uint8_t byte = p[i];
        if (i == VARINT_SIZE - 1 && byte > 1)
            return NULL;
        value |= (uint64_t)(byte & 0x7F) << (7 * i);
        if (byte < 0x80) {
            *out = value;
            return p + i + 1;
        }
    }
    return NULL;
}

static const uint8_t *varint32(const uint8_t *p, const uint8_t *end, uint64_t *out) {
    if (end - p >= 2 && p[1] < 0x80 && p[0] >= 0x80) { // as the next after the shortest are
        *out = (uint64_t)(p[0] & 0x7F) | (uint64_t)p[1] << 7;
        return p + 2;
    }
    const uint8_t *next = encoding_varint_long(p, end, out);
    return next && next - p <= 5 && *out <= UINT32_MAX ? next : NULL;
}

const uint8_t *encoding_tag_long(const uint8_t *p, const uint8_t *end, uint32_t *out) {
    uint64_t value;
    p = varint32(p, end, &value);
    if (!p || value < 8)
        return NULL;
    *out = (uint32_t)value;
    return p;
}

const uint8_t *encoding_size_long(const uint8_t *p, const uint8_t *end, size_t *out) {
    uint64_t value;
    p = varint32(p, end, &value);
    if (!p || value > (size_t)(end - p))
        return NULL;
    *out = value;
    return p;
}

const uint8_t *encoding_skip(const uint8_t *p, const uint8_t *end, uint32_t tag, size_t depth) {
    uint64_t number;
    size_t size;
    switch (tag & 7) {
    case ENCODING_VARINT:
        return encoding_varint(p, end, &number);
    case ENCODING_I64:
        return end - p >= 8 ? p + 8 : NULL;
    case ENCODING_I32:
        return end - p >= 4 ? p + 4 : NULL;
    case ENCODING_LEN:
        p = encoding_size(p, end, &size);
        return p ? p + size : NULL;
    case ENCODING_START: {
        const uint8_t *content_end;
        return encoding_group(p, end, tag >> 3, depth, &content_end);
    }
    default:
        return NULL;
    }
}

const uint8_t *encoding_group(
    const uint8_t *p, const uint8_t *end, uint32_t number, size_t depth, const uint8_t **content_end) {
    if (depth == 0)
        return NULL;
    while (p < end) {
        const uint8_t *start = p;
        uint32_t tag;
        p = encoding_tag(p, end, &tag);
        if (!p)
            return NULL;
        if ((tag & 7) == ENCODING_END) {
            *content_end = start;
            return tag >> 3 == number ? p : NULL;
        }
        p = encoding_skip(p, end, tag, depth - 1);
        if (!p)
            return NULL;
    }
    return NULL;
}
