#include "core/base/chunk.h"

#include <stdlib.h>

struct chunk *chunk_new(struct bytes bytes, void (*release)(void *context), void *context) {
    struct chunk *chunk = malloc(sizeof *chunk);
    if (chunk)
        *chunk = (struct chunk){.bytes = bytes, .references = 1, .release = release, .context = context};
    return chunk;
}

struct chunk *chunk_copy(struct bytes bytes) {
    struct chunk *chunk = malloc(sizeof *chunk + bytes.size);
    if (!chunk)
        return NULL;
    uint8_t *data = (uint8_t *)(chunk + 1);
    if (bytes.size)
        memcpy(data, bytes.data, bytes.size);
    *chunk = (struct chunk){.bytes = bytes_of(data, bytes.size), .references = 1};
    return chunk;
}

struct chunk *chunk_take(struct buffer *buffer) {
    struct chunk *chunk = chunk_new(buffer_bytes(buffer), free, buffer->data);
    if (chunk)
        *buffer = (struct buffer){.limit = buffer->limit};
    return chunk;
}

struct chunk *chunk_ref(struct chunk *chunk) {
    chunk->references++;
    return chunk;
}

void chunk_unref(struct chunk **self) {
    struct chunk *chunk = *self;
    *self = NULL;
    if (!chunk || --chunk->references > 0)
        return;
    if (chunk->release)
        chunk->release(chunk->context);
    free(chunk);
}

void slice_drop(struct slice *slice) {
    chunk_unref(&slice->chunk);
    slice->bytes = bytes_of(NULL, 0);
}
