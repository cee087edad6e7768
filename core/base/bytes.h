// A borrowed run of bytes: it owns nothing and is never NUL-terminated by promise. An absent value has data
// == NULL.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
    const uint8_t *data;
    size_t size;
};

// For printf's "%.*s".
#define BYTES_ARGS(b) (int)(b).size, (const char *)(b).data

static inline struct bytes bytes_of(const void *data, size_t size) {
    return (struct bytes){.data = data, .size = size};
}

static inline struct bytes bytes_of_string(const char *text) {
    return (struct bytes){.data = (const uint8_t *)text, .size = text ? strlen(text) : 0};
}

static inline bool bytes_equal(struct bytes a, struct bytes b) {
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool bytes_equal_string(struct bytes a, const char *text) {
    return bytes_equal(a, bytes_of_string(text));
}

// Little-endian loads and stores at any alignment.
static inline void store_u16(void *to, uint16_t v) {
    uint8_t *p = to;
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static inline void store_u32(void *to, uint32_t v) {
    store_u16(to, (uint16_t)v);
    store_u16((uint8_t *)to + 2, (uint16_t)(v >> 16));
}

static inline void store_u64(void *to, uint64_t v) {
    store_u32(to, (uint32_t)v);
    store_u32((uint8_t *)to + 4, (uint32_t)(v >> 32));
}

static inline uint16_t load_u16(const void *from) {
    const uint8_t *p = from;
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t load_u32(const void *from) {
    const uint8_t *p = from;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t load_u64(const void *from) {
    return (uint64_t)load_u32(from) | (uint64_t)load_u32((const uint8_t *)from + 4) << 32;
}
