#include "core/schema/utf8.h"

static bool continues(uint8_t byte) {
    return (byte & 0xC0) == 0x80;
}

// Three bytes hold nearly all Chinese text, so they come first.
bool utf8_valid_tail(const uint8_t *p, const uint8_t *end) {
    while (p < end) {
        uint8_t first = *p;
        size_t left = (size_t)(end - p);
        if (first < 0x80) {
            p++;
        } else if ((first & 0xF0) == 0xE0) {
            if (left < 3 || !continues(p[1]) || !continues(p[2]) || (first == 0xE0 && p[1] < 0xA0) ||
                (first == 0xED && p[1] >= 0xA0))
                return false;
            p += 3;
        } else if ((first & 0xE0) == 0xC0) {
            if (left < 2 || first < 0xC2 || !continues(p[1]))
                return false;
            p += 2;
        } else {
            if (left < 4 || first < 0xF0 || first > 0xF4 || !continues(p[1]) || !continues(p[2]) ||
                !continues(p[3]) || (first == 0xF0 && p[1] < 0x90) || (first == 0xF4 && p[1] >= 0x90))
                return false;
            p += 4;
        }
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
