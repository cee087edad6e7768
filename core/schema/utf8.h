// UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing beyond U+10FFFF; U+0000 is fine.
#pragma once

#include "core/base/bytes.h"

bool utf8_valid_tail(const uint8_t *p, const uint8_t *end);

// Eight bytes at a time while they are ASCII; the last ones overlap those before.
static inline bool utf8_valid(const uint8_t *p, size_t size) {
    const uint8_t *end = p + size;
    uint64_t eight;
    uint32_t head = 0, tail = 0;
    if (size >= 8) {
        for (; end - p > 8; p += 8) {
            memcpy(&eight, p, 8);
            if (eight & 0x8080808080808080u)
                return utf8_valid_tail(p, end);
        }
        memcpy(&eight, end - 8, 8);
        return !(eight & 0x8080808080808080u) || utf8_valid_tail(p, end);
    }
    if (size >= 4) {
        memcpy(&head, p, 4);
        memcpy(&tail, end - 4, 4);
    } else if (size > 0) {
        head = (uint32_t)(p[0] | p[size / 2] | p[size - 1]);
    }
    return !((head | tail) & 0x80808080u) || utf8_valid_tail(p, end);
}

static inline bool utf8_bytes(struct bytes text) {
    return text.size == 0 || utf8_valid(text.data, text.size);
}

// Reads the character at `p` of valid text and moves `p` on.
uint32_t utf8_next(const uint8_t **p);
// Writes a character (not a surrogate) to `out` (4 bytes of room); how many bytes it took.
size_t utf8_put(uint32_t character, uint8_t *out);
