// Intrusive binary heap by a 64-bit key, the lowest on top: what is due next. A node lies inside the thing
// that it orders; the heap owns only its array.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node { // zero-initialised it is in no heap
    uint64_t key;
    size_t place; // from 1; 0: in no heap
};

struct heap { // zero-initialised it is empty
    struct heap_node **nodes;
    size_t size;
    size_t capacity;
};

#define HEAP_ITEM(node, type, member) ((type *)(void *)((char *)(node) - offsetof(type, member)))

void heap_destroy(struct heap *heap);
int heap_reserve(struct heap *heap, size_t count); // so many pushes can't fail; 0 or -ENOMEM
// Adds the node, or moves it when it is there. 0 or -ENOMEM (only when added).
int heap_put(struct heap *heap, struct heap_node *node, uint64_t key);
void heap_remove(struct heap *heap, struct heap_node *node); // nothing when it isn't there

static inline struct heap_node *heap_first(const struct heap *heap) { // NULL: empty
    return heap->size ? heap->nodes[0] : NULL;
}
