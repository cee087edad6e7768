// UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing beyond U+10FFFF; U+0000 is fine.
#pragma once

#include "core/base/bytes.h"

bool utf8_valid_tail(const uint8_t *p, const uint8_t *end);

static inline bool utf8_valid(const uint8_t *p, size_t size) {
    const uint8_t *end = p + size;
    while (end - p >= 8) {
        uint64_t eight;
        memcpy(&eight, p, 8);
        if (eight & 0x8080808080808080u)
            return utf8_valid_tail(p, end);
        p += 8;
    }
    for (; p < end; p++)
        if (*p >= 0x80)
            return utf8_valid_tail(p, end);
    return true;
}

static inline bool utf8_bytes(struct bytes text) {
    return text.size == 0 || utf8_valid(text.data, text.size);
}

// Reads the character at `p` of valid text and moves `p` on.
uint32_t utf8_next(const uint8_t **p);
// Writes a character (not a surrogate) to `out` (4 bytes of room); how many bytes it took.
size_t utf8_put(uint32_t character, uint8_t *out);
