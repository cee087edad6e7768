// JSON's texts and numbers, and the texts of well-known types.
#pragma once

#include "core/base/buffer.h"

#include <locale.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

// The first byte that doesn't stand in a JSON text as it is (a control character, a quote, a backslash, DEL),
// or one of the last fifteen before `end`, or without vectors any.
static inline const uint8_t *json_plain(const uint8_t *p, const uint8_t *end) {
#ifdef __SSE2__
    for (; end - p >= 16; p += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
        __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
        __m128i backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
        __m128i del = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f));
        __m128i found = _mm_or_si128(_mm_or_si128(control, del), _mm_or_si128(quote, backslash));
        unsigned places = (unsigned)_mm_movemask_epi8(found);
        if (places)
            return p + __builtin_ctz(places);
    }
#endif
    (void)end;
    return p;
}

int json_put_string(struct buffer *out, struct bytes utf8); // with quotes and escapes
int json_put_double(struct buffer *out, double value);      // finite; the shortest that reads back the same
int json_put_float(struct buffer *out, float value);
int json_put_base64(struct buffer *out, struct bytes bytes); // standard alphabet, padded, no quotes

// Standard or URL alphabet, padded or not. 0, -EINVAL, -ENOMEM, -EMSGSIZE.
int json_read_base64(struct bytes text, struct buffer *out);

// A number by JSON's grammar, wholly. Numbers such as 1.0 or 1e3 are integers. 0, -EINVAL, -ERANGE.
int json_read_integer(struct bytes number, bool *negative, uint64_t *magnitude);
int json_read_double(struct bytes number, double *out); // also rounds

// RFC 3339 within the years 1 to 9999, and "1.5s" within 10,000 years. 0, -EINVAL (not that form), -ERANGE.
struct json_time {
    int64_t seconds;
    int32_t nanos;
};
int json_read_timestamp(struct bytes text, struct json_time *out);
int json_read_duration(struct bytes text, struct json_time *out);
// 0, -ERANGE, -ENOMEM, -EMSGSIZE. With quotes.
int json_put_timestamp(struct buffer *out, struct json_time time);
int json_put_duration(struct buffer *out, struct json_time time);
