#include "core/base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int buffer_grow(struct buffer *buffer, size_t more) {
    if (more > SIZE_MAX / 2 - buffer->size)
        return -EMSGSIZE;
    size_t need = buffer->size + more;
    if (buffer->limit && need > buffer->limit)
        return -EMSGSIZE;
    size_t capacity = buffer->capacity ? buffer->capacity : 64;
    while (capacity < need)
        capacity *= 2;
    uint8_t *data = realloc(buffer->data, capacity);
    if (!data)
        return -ENOMEM;
    buffer->data = data;
    buffer->capacity = capacity;
    return 0;
}

uint8_t *buffer_extend(struct buffer *buffer, size_t size) {
    if ((buffer->limit && size > buffer->limit - buffer->size) || buffer_reserve(buffer, size) != 0)
        return NULL;
    uint8_t *at = buffer->data + buffer->size;
    buffer->size += size;
    return at;
}

int buffer_append_string(struct buffer *buffer, const char *text) {
    return buffer_append(buffer, text, strlen(text));
}

int buffer_append_format(struct buffer *buffer, const char *format, ...) {
    va_list args;
    va_list again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    int rc = n < 0 ? -EINVAL : buffer_reserve(buffer, (size_t)n + 1);
    if (rc == 0) {
        vsnprintf((char *)buffer->data + buffer->size, (size_t)n + 1, format, again);
        buffer->size += (size_t)n;
    }
    va_end(again);
    return rc;
}

const char *buffer_text(struct buffer *buffer) {
    if (buffer->size == buffer->capacity) {
        size_t limit = buffer->limit;
        buffer->limit = 0; // the NUL is not content
        int rc = buffer_reserve(buffer, 1);
        buffer->limit = limit;
        if (rc != 0)
            return NULL;
    }
    buffer->data[buffer->size] = '\0';
    return (const char *)buffer->data;
}

void buffer_clear(struct buffer *buffer) {
    buffer->size = 0;
}

void buffer_destroy(struct buffer *buffer) {
    free(buffer->data);
    *buffer = (struct buffer){.limit = buffer->limit};
}
