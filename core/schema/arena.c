#include "core/schema/arena.h"

#include <stdalign.h>
#include <stdlib.h>

// Many arenas hold one small expression, so blocks start small.
#define BLOCK_LEAST 512u
#define BLOCK_MOST 16384u

struct arena_block {
    struct arena_block *next;
    alignas(max_align_t) uint8_t data[];
};

static int add_block(struct arena *arena, size_t size) {
    size_t usual = arena->size ? arena->size * 2 : BLOCK_LEAST;
    if (usual > BLOCK_MOST)
        usual = BLOCK_MOST;
    if (size < usual)
        size = usual;
    struct arena_block *block = calloc(1, sizeof *block + size);
    if (!block)
        return -1;
    block->next = arena->blocks;
    arena->blocks = block;
    arena->used = 0;
    arena->size = size;
    return 0;
}

void *arena_alloc(struct arena *arena, size_t size) {
    size_t align = alignof(max_align_t);
    size = (size + align - 1) & ~(align - 1);
    if (size > arena->size - arena->used && add_block(arena, size) != 0)
        return NULL;
    void *out = arena->blocks->data + arena->used;
    arena->used += size;
    return out;
}

char *arena_string(struct arena *arena, struct bytes text) {
    return arena_join(arena, (struct bytes){0}, text);
}

char *arena_join(struct arena *arena, struct bytes a, struct bytes b) {
    size_t prefix = a.size ? a.size + 1 : 0;
    char *out = arena_alloc(arena, prefix + b.size + 1);
    if (!out)
        return NULL;
    if (a.size) {
        memcpy(out, a.data, a.size);
        out[a.size] = '.';
    }
    if (b.size)
        memcpy(out + prefix, b.data, b.size);
    return out;
}

void arena_destroy(struct arena *arena) {
    while (arena->blocks) {
        struct arena_block *next = arena->blocks->next;
        free(arena->blocks);
        arena->blocks = next;
    }
    *arena = (struct arena){0};
}
