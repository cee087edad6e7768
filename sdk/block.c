#include "sdk/block.h"
#include "core/base/varint.h"

#include <stdlib.h>

void block_pool_init(struct block_pool *pool) {
    *pool = (struct block_pool){0};
    pthread_mutex_init(&pool->lock, NULL);
}

static void block_free(struct block *block) {
    buffer_destroy(&block->body);
    buffer_destroy(&block->position);
    free(block);
}

void block_pool_trim(struct block_pool *pool) {
    pthread_mutex_lock(&pool->lock);
    struct block *spare = pool->spare;
    pool->spare = NULL;
    pool->count = 0;
    pthread_mutex_unlock(&pool->lock);
    while (spare) {
        struct block *next = spare->next;
        block_free(spare);
        spare = next;
    }
}

void block_pool_destroy(struct block_pool *pool) {
    block_pool_trim(pool);
    pthread_mutex_destroy(&pool->lock);
}

struct block *block_new(struct block_pool *pool) {
    pthread_mutex_lock(&pool->lock);
    struct block *block = pool->spare;
    if (block) {
        pool->spare = block->next;
        pool->count--;
    }
    pthread_mutex_unlock(&pool->lock);
    if (!block)
        block = calloc(1, sizeof *block);
    if (!block)
        return NULL;
    block->pool = pool;
    block->next = NULL;
    block->first = block->ticket = block->sent_offset = 0;
    block->count = block->sent_count = 0;
    block->has_position = false;
    buffer_clear(&block->body);
    buffer_clear(&block->position);
    atomic_store_explicit(&block->references, 1, memory_order_release);
    return block;
}

struct block *block_ref(struct block *block) {
    // Release: whoever drops this reference, in ZeroMQ's thread, sees all that was written before.
    atomic_fetch_add_explicit(&block->references, 1, memory_order_release);
    return block;
}

void block_unref(struct block *block) {
    if (atomic_fetch_sub_explicit(&block->references, 1, memory_order_acq_rel) != 1)
        return;
    struct block_pool *pool = block->pool;
    bool keep = block->body.capacity <= BLOCK_BYTES;
    if (keep) {
        pthread_mutex_lock(&pool->lock);
        keep = pool->count < BLOCK_SPARE;
        if (keep) {
            block->next = pool->spare;
            pool->spare = block;
            pool->count++;
        }
        pthread_mutex_unlock(&pool->lock);
    }
    if (!keep)
        block_free(block);
}

// The bytes of the envelope at `offset` with its length. The block's own writing: it is never malformed.
static size_t step(const struct block *block, size_t offset) {
    struct bytes rest = bytes_of(block->body.data + offset, block->body.size - offset);
    size_t before = rest.size;
    uint64_t size;
    if (!varint_get(&rest, &size))
        return before;
    return before - rest.size + (size_t)size;
}

size_t block_span(const struct block *block, size_t offset, uint32_t count) {
    size_t from = offset;
    while (count-- && offset < block->body.size)
        offset += step(block, offset);
    return offset - from;
}

uint32_t block_fit(const struct block *block, size_t offset, uint32_t count, size_t bytes, size_t *span) {
    size_t at = offset;
    uint32_t n = 0;
    while (n < count && at < block->body.size) {
        size_t size = step(block, at);
        if (n > 0 && at + size - offset > bytes)
            break;
        at += size;
        n++;
    }
    *span = at - offset;
    return n;
}
