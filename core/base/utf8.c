#include "core/base/utf8.h"

#ifdef __x86_64__
#include <tmmintrin.h>
#endif

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

bool utf8_valid_portable(const uint8_t *p, size_t size) {
    const uint8_t *end = p + size;
    while (p < end) {
        while (end - p >= 8 && three(load_u32(p)) && three(load_u32(p + 3)))
            p += 6;
        while (end - p >= 4 && three(load_u32(p)))
            p += 3;
        while (end - p >= 8 && !(utf8_eight(p) & 0x8080808080808080u))
            p += 8;
        if (p == end)
            break;
        size_t length = character(p, (size_t)(end - p));
        if (length == 0)
            return false;
        p += length;
    }
    return true;
}

#ifdef __x86_64__
// Sixteen bytes at a time, by J. Keiser and D. Lemire, "Validating UTF-8 In Less Than One Instruction Per
// Byte", 2021: three look-ups, by the halves of a byte's predecessor and the upper half of the byte itself,
// each give the mistakes that are possible; what all three name is one.
#define VECTOR __attribute__((target("ssse3"))) static inline

enum {
    TOO_SHORT = 1,   // a lead, and no continuation behind it
    TOO_LONG = 2,    // a continuation behind ASCII
    OVERLONG_3 = 4,  // E0, then below A0
    TOO_LARGE = 8,   // F4, then 90 or above; F5 and above
    SURROGATE = 16,  // ED, then A0 or above
    OVERLONG_2 = 32, // C0, C1
    OVERLONG_4 = 64, // F0, then below 90; F5 and above too, then below 90
    TWO_MORE = 128,  // two continuations: right in the third and fourth byte
    ANY = TOO_SHORT | TOO_LONG | TWO_MORE,
    LARGE = ANY | TOO_LARGE | OVERLONG_4,
    SECOND = TOO_LONG | OVERLONG_2 | TWO_MORE,
    F_LEAD = TOO_SHORT | TOO_LARGE | OVERLONG_4,
};

static const uint8_t by_first_upper[16] = {TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG,
    TOO_LONG, TOO_LONG, TWO_MORE, TWO_MORE, TWO_MORE, TWO_MORE, TOO_SHORT | OVERLONG_2, TOO_SHORT,
    TOO_SHORT | OVERLONG_3 | SURROGATE, F_LEAD};
static const uint8_t by_first_lower[16] = {ANY | OVERLONG_3 | OVERLONG_2 | OVERLONG_4, ANY | OVERLONG_2, ANY,
    ANY, ANY | TOO_LARGE, LARGE, LARGE, LARGE, LARGE, LARGE, LARGE, LARGE, LARGE, LARGE | SURROGATE, LARGE,
    LARGE};
static const uint8_t by_second_upper[16] = {TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT,
    TOO_SHORT, TOO_SHORT, SECOND | OVERLONG_3 | OVERLONG_4, SECOND | OVERLONG_3 | TOO_LARGE,
    SECOND | SURROGATE | TOO_LARGE, SECOND | SURROGATE | TOO_LARGE, TOO_SHORT, TOO_SHORT, TOO_SHORT,
    TOO_SHORT};
// From offset n on: which bytes to take, so that those from n on come first and zeros follow.
static const uint8_t from_byte[32] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 128, 128, 128,
    128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128};

VECTOR __m128i load(const uint8_t *p) {
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

VECTOR __m128i upper(__m128i bytes) {
    return _mm_and_si128(_mm_srli_epi16(bytes, 4), _mm_set1_epi8(15));
}

// Not zero where `bytes` go wrong; `before` are the sixteen before them.
VECTOR __m128i mistakes(__m128i bytes, __m128i before) {
    __m128i first = _mm_alignr_epi8(bytes, before, 15);
    __m128i found =
        _mm_and_si128(_mm_and_si128(_mm_shuffle_epi8(load(by_first_upper), upper(first)),
                          _mm_shuffle_epi8(load(by_first_lower), _mm_and_si128(first, _mm_set1_epi8(15)))),
            _mm_shuffle_epi8(load(by_second_upper), upper(bytes)));
    __m128i third = _mm_subs_epu8(_mm_alignr_epi8(bytes, before, 14), _mm_set1_epi8(0xE0 - 0x80));
    __m128i fourth = _mm_subs_epu8(_mm_alignr_epi8(bytes, before, 13), _mm_set1_epi8(0xF0 - 0x80));
    __m128i two_more = _mm_and_si128(_mm_or_si128(third, fourth), _mm_set1_epi8((char)0x80));
    return _mm_xor_si128(two_more, found);
}

VECTOR bool none(__m128i bytes) {
    return _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_setzero_si128())) == 0xFFFF;
}

// What most Chinese text is: characters of three bytes, and never one of those that start with E0 or ED, of
// which not all are right. A bit for each byte that fits; the first character starts at byte 1 - `shift`.
VECTOR unsigned threes(__m128i bytes, size_t shift) {
    static const uint8_t mask[17] = {
        0xC0, 0xF0, 0xC0, 0xC0, 0xF0, 0xC0, 0xC0, 0xF0, 0xC0, 0xC0, 0xF0, 0xC0, 0xC0, 0xF0, 0xC0, 0xC0, 0xF0};
    static const uint8_t wanted[17] = {
        0x80, 0xE0, 0x80, 0x80, 0xE0, 0x80, 0x80, 0xE0, 0x80, 0x80, 0xE0, 0x80, 0x80, 0xE0, 0x80, 0x80, 0xE0};
    __m128i fits = _mm_cmpeq_epi8(_mm_and_si128(bytes, load(mask + shift)), load(wanted + shift));
    __m128i not_all = _mm_or_si128(
        _mm_cmpeq_epi8(bytes, _mm_set1_epi8((char)0xE0)), _mm_cmpeq_epi8(bytes, _mm_set1_epi8((char)0xED)));
    return (unsigned)_mm_movemask_epi8(_mm_andnot_si128(not_all, fits));
}

VECTOR bool only_threes(const uint8_t *p, size_t size) {
    if (size % 3)
        return false;
    for (size_t i = 0; i + 16 <= size; i += 15)
        if ((threes(load(p + i), 1) & 0x7FFF) != 0x7FFF)
            return false;
    return threes(load(p + size - 16), 0) == 0xFFFF;
}

VECTOR bool ascii(__m128i bytes) {
    return _mm_movemask_epi8(bytes) == 0;
}

// How many of the bytes at `p` are ASCII for certain: a multiple of sixteen.
VECTOR size_t ascii_run(const uint8_t *p, size_t size) {
    size_t i = 0;
    while (i + 64 <= size && ascii(_mm_or_si128(_mm_or_si128(load(p + i), load(p + i + 16)),
                                 _mm_or_si128(load(p + i + 32), load(p + i + 48)))))
        i += 64;
    while (i + 16 <= size && ascii(load(p + i)))
        i += 16;
    return i;
}

// The zeros behind the last bytes show when a character is cut short. ASCII asks nothing of what follows it,
// so a run of it is only looked at where it starts.
__attribute__((target("ssse3"))) static bool valid_vector(const uint8_t *p, size_t size) {
    if (only_threes(p, size))
        return true;
    const __m128i zeros = _mm_setzero_si128();
    size_t whole = size & ~(size_t)15;
    __m128i before = zeros;
    __m128i wrong = zeros;
    for (size_t i = 0; i < whole; i += 16) {
        __m128i bytes = load(p + i);
        wrong = _mm_or_si128(wrong, mistakes(bytes, before));
        before = bytes;
        if (ascii(bytes))
            i += ascii_run(p + i + 16, whole - i - 16);
    }
    __m128i rest = _mm_shuffle_epi8(load(p + size - 16), load(from_byte + 16 - (size - whole)));
    return none(_mm_or_si128(wrong, mistakes(rest, before)));
}

// A zero follows the text here too.
__attribute__((target("ssse3"))) static bool valid_short(const uint8_t *p, size_t size) {
    if (size % 3 == 0 && (~threes(load(p), 1) & ((1u << size) - 1)) == 0)
        return true;
    const __m128i zeros = _mm_setzero_si128();
    // from_byte turned round: zero where a byte counts.
    __m128i beyond = _mm_cmpgt_epi8(zeros, load(from_byte + 16 - size));
    return none(mistakes(_mm_andnot_si128(beyond, load(p)), zeros));
}
#endif

bool utf8_valid_long(const uint8_t *p, size_t size) {
#ifdef __x86_64__
    if (size >= 16 && __builtin_cpu_supports("ssse3"))
        return valid_vector(p, size);
#endif
    return utf8_valid_portable(p, size);
}

bool utf8_valid_short(const uint8_t *p, size_t size) {
#ifdef __x86_64__
    if (__builtin_cpu_supports("ssse3"))
        return valid_short(p, size);
#endif
    return utf8_valid_portable(p, size);
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

void utf8_trim(char *text) {
    size_t size = strlen(text);
    size_t start = size;
    while (start > 0 && size - start < 3 && ((uint8_t)text[start - 1] & 0xC0) == 0x80)
        start--;
    if (start > 0 && (uint8_t)text[start - 1] >= 0xC0)
        start--; // the character's first byte
    if (start < size && !utf8_valid((const uint8_t *)text + start, size - start))
        text[start] = '\0';
}

void utf8_copy(char *to, size_t room, const char *text) {
    size_t size = strnlen(text, room - 1);
    memcpy(to, text, size);
    to[size] = '\0';
    utf8_trim(to);
}
