#include "core/base/heap.h"

#include <errno.h>
#include <stdlib.h>

void heap_destroy(struct heap *heap) {
    free(heap->nodes);
    *heap = (struct heap){0};
}

int heap_reserve(struct heap *heap, size_t count) {
    if (heap->size + count <= heap->capacity)
        return 0;
    size_t capacity = heap->capacity ? heap->capacity * 2 : 16;
    if (capacity < heap->size + count)
        capacity = heap->size + count;
    struct heap_node **nodes = realloc(heap->nodes, capacity * sizeof(struct heap_node *));
    if (!nodes)
        return -ENOMEM;
    heap->nodes = nodes;
    heap->capacity = capacity;
    return 0;
}

static void set(struct heap *heap, size_t place, struct heap_node *node) {
    heap->nodes[place - 1] = node;
    node->place = place;
}

static void sift(struct heap *heap, struct heap_node *node) {
    size_t place = node->place;
    for (; place > 1 && heap->nodes[place / 2 - 1]->key > node->key; place /= 2)
        set(heap, place, heap->nodes[place / 2 - 1]);
    for (size_t child; (child = 2 * place) <= heap->size; place = child) {
        if (child < heap->size && heap->nodes[child]->key < heap->nodes[child - 1]->key)
            child++;
        if (heap->nodes[child - 1]->key >= node->key)
            break;
        set(heap, place, heap->nodes[child - 1]);
    }
    set(heap, place, node);
}

int heap_put(struct heap *heap, struct heap_node *node, uint64_t key) {
    if (!node->place) {
        int rc = heap_reserve(heap, 1);
        if (rc)
            return rc;
        node->place = ++heap->size;
    }
    node->key = key;
    sift(heap, node);
    return 0;
}

void heap_remove(struct heap *heap, struct heap_node *node) {
    size_t place = node->place;
    if (!place)
        return;
    node->place = 0;
    struct heap_node *last = heap->nodes[--heap->size];
    if (last == node)
        return;
    last->place = place;
    sift(heap, last);
}
