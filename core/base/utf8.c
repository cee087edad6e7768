#include "core/base/utf8.h"

static bool continues(uint8_t byte) {
    return (byte & 0xC0) == 0x80;
}

// A character of three bytes, read as four: nearly all Chinese text. Not overlong (E0 with a low second
// byte), and no surrogate (ED with a high one).
static inline bool three(uint32_t word) {
    uint32_t first = word & 0x200F;
    return (word & 0x00C0C0F0) == 0x008080E0 && first != 0 && first != 0x200D;
}

// The length of the character at `p`, or 0.
static size_t character(const uint8_t *p, size_t left) {
    uint8_t first = p[0];
    if (first < 0x80)
        return 1;
    if ((first & 0xE0) == 0xC0)
        return left >= 2 && first >= 0xC2 && continues(p[1]) ? 2 : 0;
    if ((first & 0xF0) == 0xE0)
        return left >= 3 && three((uint32_t)(p[0] | p[1] << 8 | p[2] << 16)) ? 3 : 0;
    if (left < 4 || first < 0xF0 || first > 0xF4 || !continues(p[1]) || !continues(p[2]) || !continues(p[3]))
        return 0;
    return (first == 0xF0 && p[1] < 0x90) || (first == 0xF4 && p[1] >= 0x90) ? 0 : 4;
}

bool utf8_valid_long(const uint8_t *p, const uint8_t *end) {
    while (p < end) {
        while (end - p >= 8 && three(load_u32(p)) && three(load_u32(p + 3)))
            p += 6;
        while (end - p >= 4 && three(load_u32(p)))
            p += 3;
        while (end - p >= 8 && !(utf8_eight(p) & 0x8080808080808080u))
            p += 8;
        if (p == end)
            break;
        size_t size = character(p, (size_t)(end - p));
        if (size == 0)
            return false;
        p += size;
    }
    return true;
}

uint32_t utf8_next(const uint8_t **p) {
    const uint8_t *c = *p;
    if (c[0] < 0x80) {
        *p += 1;
        return c[0];
    }
    if (c[0] < 0xE0) {
        *p += 2;
        return (uint32_t)(c[0] & 0x1F) << 6 | (c[1] & 0x3F);
    }
    if (c[0] < 0xF0) {
        *p += 3;
        return (uint32_t)(c[0] & 0x0F) << 12 | (uint32_t)(c[1] & 0x3F) << 6 | (c[2] & 0x3F);
    }
    *p += 4;
    return (uint32_t)(c[0] & 0x07) << 18 | (uint32_t)(c[1] & 0x3F) << 12 | (uint32_t)(c[2] & 0x3F) << 6 |
           (c[3] & 0x3F);
}

size_t utf8_put(uint32_t character, uint8_t *out) {
    if (character < 0x80) {
        out[0] = (uint8_t)character;
        return 1;
    }
    if (character < 0x800) {
        out[0] = (uint8_t)(0xC0 | character >> 6);
        out[1] = (uint8_t)(0x80 | (character & 0x3F));
        return 2;
    }
    if (character < 0x10000) {
        out[0] = (uint8_t)(0xE0 | character >> 12);
        out[1] = (uint8_t)(0x80 | (character >> 6 & 0x3F));
        out[2] = (uint8_t)(0x80 | (character & 0x3F));
        return 3;
    }
    out[0] = (uint8_t)(0xF0 | character >> 18);
    out[1] = (uint8_t)(0x80 | (character >> 12 & 0x3F));
    out[2] = (uint8_t)(0x80 | (character >> 6 & 0x3F));
    out[3] = (uint8_t)(0x80 | (character & 0x3F));
    return 4;
}
