// Blocks: consecutive envelopes on their way to the broker, gathered under one allocation and one memcpy
// each. ZeroMQ sends out of a block without copying, so a block is shared with its I/O thread and counts its
// references.
#pragma once

#include "core/base/buffer.h"

#include <pthread.h>
#include <stdatomic.h>

#define BLOCK_MESSAGES 256u // a block is full with so many envelopes
#define BLOCK_BYTES 262144u // or so many bytes; a larger envelope has a block of its own
#define BLOCK_SPARE 64u

// Blocks kept for the next use.
struct block_pool {
    pthread_mutex_t lock;
    struct block *spare;
    size_t count;
};

struct block {
    struct block *next;
    struct block_pool *pool;
    atomic_uint references;
    uint64_t first;  // sequence of the first envelope
    uint64_t ticket; // rises from block to block; see struct gather
    uint32_t count;
    struct buffer body; // envelopes, each with its length before it
    // With a spool: the source's position as of the last envelope; stored when `has_position`.
    struct buffer position;
    bool has_position;
    uint64_t position_serial; // which of all that were set
    // What was sent of it in this session.
    uint32_t sent_count;
    size_t sent_offset;
};

void block_pool_init(struct block_pool *pool);
void block_pool_trim(struct block_pool *pool); // frees the spare ones
void block_pool_destroy(struct block_pool *pool);

struct block *block_new(struct block_pool *pool); // one reference, empty; NULL without memory
struct block *block_ref(struct block *block);
void block_unref(struct block *block); // from any thread

// Where the envelope number `count` behind `offset` starts: the bytes of the next `count` envelopes.
size_t block_span(const struct block *block, size_t offset, uint32_t count);
// As many of the next envelopes as lie within `bytes` and `count`, but at least one where there is one.
// `*span`: their bytes.
uint32_t block_fit(const struct block *block, size_t offset, uint32_t count, size_t bytes, size_t *span);
