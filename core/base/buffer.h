// A growing run of bytes with a cap. Zero-initialised it is empty with no cap; `limit` may be set before use.
#pragma once

#include "core/base/bytes.h"

#include <errno.h>

struct buffer {
    uint8_t *data; // owned
    size_t size;
    size_t capacity;
    size_t limit; // 0: none
};

int buffer_grow(struct buffer *buffer, size_t more); // buffer_reserve() where there is no room yet

// Makes room for `more` bytes behind the end. 0, -ENOMEM, or -EMSGSIZE over the limit; the buffer is then
// unchanged.
static inline int buffer_reserve(struct buffer *buffer, size_t more) {
    return more <= buffer->capacity - buffer->size ? 0 : buffer_grow(buffer, more);
}

static inline int buffer_append(struct buffer *buffer, const void *data, size_t size) {
    if (size == 0)
        return 0;
    int rc = buffer->limit && size > buffer->limit - buffer->size ? -EMSGSIZE : buffer_reserve(buffer, size);
    if (rc != 0)
        return rc;
    uint8_t *end = buffer->data + buffer->size;
    if (!end || !data) // never; GCC's analyzer can't know that what has a size is somewhere
        return -ENOMEM;
    memcpy(end, data, size);
    buffer->size += size;
    return 0;
}

static inline int buffer_append_bytes(struct buffer *buffer, struct bytes bytes) {
    return buffer_append(buffer, bytes.data, bytes.size);
}

static inline int buffer_append_byte(struct buffer *buffer, uint8_t byte) {
    return buffer_append(buffer, &byte, 1);
}

int buffer_append_string(struct buffer *buffer, const char *text);
int buffer_append_format(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// Grows by `size` and returns where to write them, or NULL (no memory, over the limit).
uint8_t *buffer_extend(struct buffer *buffer, size_t size);

// Ends with a NUL that does not count as size, and returns the text (borrowed until the next change), or
// NULL.
const char *buffer_text(struct buffer *buffer);

void buffer_clear(struct buffer *buffer);   // size 0, memory kept
void buffer_destroy(struct buffer *buffer); // memory freed, empty again

static inline struct bytes buffer_bytes(const struct buffer *buffer) {
    return (struct bytes){.data = buffer->data, .size = buffer->size};
}
