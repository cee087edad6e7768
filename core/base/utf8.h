// UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing beyond U+10FFFF; U+0000 is fine.
#pragma once

#include "core/base/bytes.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

bool utf8_valid_long(const uint8_t *p, size_t size);     // of any length
bool utf8_valid_short(const uint8_t *p, size_t size);    // at most 15, and 16 bytes may be read
bool utf8_valid_portable(const uint8_t *p, size_t size); // what runs where there are no vectors; for tests

static inline uint64_t utf8_eight(const uint8_t *p) {
    uint64_t eight;
    memcpy(&eight, p, sizeof eight);
    return eight;
}

// Short ASCII texts, as most are, take one test: loads from both ends overlap in the middle.
static inline bool utf8_valid(const uint8_t *p, size_t size) {
    const uint8_t *end = p + size;
    uint64_t bits = 0;
    if (size > 32)
        return utf8_valid_long(p, size);
    if (size >= 8) {
        bits = utf8_eight(p) | utf8_eight(end - 8);
        if (size > 16)
            bits |= utf8_eight(p + 8) | utf8_eight(end - 16);
    } else if (size >= 4) {
        uint32_t head, tail;
        memcpy(&head, p, sizeof head);
        memcpy(&tail, end - 4, sizeof tail);
        bits = head | tail;
    } else if (size > 0) {
        bits = (uint64_t)(p[0] | p[size / 2] | p[size - 1]);
    }
    return !(bits & 0x8080808080808080u) || utf8_valid_long(p, size);
}

// The same for a text inside of more bytes: sixteen may be read at `sixteen` and before (NULL: nowhere).
static inline bool utf8_valid_within(const uint8_t *p, size_t size, const uint8_t *sixteen) {
#ifdef __SSE2__
    if (size < 16 && p <= sixteen) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
        bool ascii = !((uint32_t)_mm_movemask_epi8(bytes) << (16 - size) & 0xFFFF);
        return ascii || utf8_valid_short(p, size);
    }
    if (size >= 16 && size <= 32) {
        __m128i first = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i last = _mm_loadu_si128((const __m128i *)(const void *)(p + size - 16));
        return !_mm_movemask_epi8(_mm_or_si128(first, last)) || utf8_valid_long(p, size);
    }
#endif
    (void)sixteen;
    return utf8_valid(p, size);
}

static inline bool utf8_bytes(struct bytes text) {
    return text.size == 0 || utf8_valid(text.data, text.size);
}

// Reads the character at `p` of valid text and moves `p` on.
uint32_t utf8_next(const uint8_t **p);
// Writes a character (not a surrogate) to `out` (4 bytes of room); how many bytes it took.
size_t utf8_put(uint32_t character, uint8_t *out);
// Takes away what is left at the end of a text of a character that was cut, as snprintf() cuts.
void utf8_trim(char *text);
// As much of a text as there is room for, with the NUL behind it; whole characters only.
void utf8_copy(char *to, size_t room, const char *text);
