#include "broker/delivery/laying.h"

#include "core/base/varint.h"

#include <stdlib.h>

#define LEAST ((size_t)2 * 1024)
#define MOST ((size_t)256 * 1024)

static size_t within(size_t size) {
    return size < LEAST ? LEAST : size < MOST ? size : MOST;
}

static int begin_chunk(struct laying *laying, size_t least) {
    size_t size = within(laying->next);
    size = size < least ? least : size;
    uint8_t *data = malloc(size);
    struct chunk *chunk = data ? chunk_new(bytes_of(data, size), free, data) : NULL;
    if (!chunk) {
        free(data);
        return -ENOMEM;
    }
    chunk_unref(&laying->chunk);
    laying->chunk = chunk;
    laying->used = 0;
    laying->next = within(2 * size);
    return 0;
}

uint8_t *laying_add(struct laying *laying, size_t size) {
    size_t length = varint_size(size);
    if ((!laying->chunk || laying->chunk->bytes.size - laying->used < length + size) &&
        begin_chunk(laying, length + size) != 0)
        return NULL;
    uint8_t *at = (uint8_t *)(uintptr_t)laying->chunk->bytes.data + laying->used;
    varint_put(at, size);
    laying->used += length + size;
    laying->laid += length + size;
    return at + length;
}

void laying_end(struct laying *laying) {
    if (!laying->chunk)
        return;
    chunk_unref(&laying->chunk);
    *laying = (struct laying){.next = within(laying->laid)};
}
