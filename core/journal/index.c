#include "core/journal/index.h"

#include <errno.h>
#include <stdlib.h>

void queue_index_destroy(struct queue_index *index) {
    size_t cursor = 0;
    void *value = NULL;
    while (number_map_next(&index->queues, &cursor, NULL, &value)) {
        struct queue_items *items = value;
        free(items->offsets);
        free(items);
    }
    number_map_destroy(&index->queues);
    *index = (struct queue_index){0};
}

const struct queue_items *queue_index_get(const struct queue_index *index, uint32_t queue) {
    return number_map_get(&index->queues, queue);
}

static struct queue_items *make_items(struct queue_index *index, uint32_t queue, uint64_t first) {
    struct queue_items *items = calloc(1, sizeof *items);
    if (!items)
        return NULL;
    items->queue = queue;
    items->first = first;
    if (number_map_put(&index->queues, queue, items)) {
        free(items);
        return NULL;
    }
    index->queue_count++;
    return items;
}

static int reserve_one(struct queue_items *items) {
    if (items->count < items->capacity)
        return 0;
    size_t capacity = items->capacity ? 2 * items->capacity : 16;
    uint32_t *offsets = realloc(items->offsets, capacity * sizeof *offsets);
    if (!offsets)
        return -ENOMEM;
    items->offsets = offsets;
    items->capacity = capacity;
    return 0;
}

int queue_index_add(struct queue_index *index, uint32_t queue, uint64_t position, uint32_t offset) {
    struct queue_items *items = number_map_get(&index->queues, queue);
    if (items && position != items->first + items->count)
        return -EINVAL;
    if (!items)
        items = make_items(index, queue, position);
    if (!items || reserve_one(items))
        return -ENOMEM;
    items->offsets[items->count++] = offset;
    index->entry_count++;
    return 0;
}

int queue_index_add_batch(struct queue_index *index, const uint8_t *bytes, uint32_t count, uint64_t offset) {
    const uint8_t *record = bytes + BATCH_SIZE;
    for (; count > 0; count--, record += record_length(record)) {
        const uint8_t *entry = record + RECORD_SIZE;
        for (size_t i = load_u16(record + 10); i > 0; i--, entry += ENTRY_SIZE) {
            int rc = queue_index_add(
                index, load_u32(entry), load_u64(entry + 4), (uint32_t)(offset + (size_t)(record - bytes)));
            if (rc)
                return rc;
        }
    }
    return 0;
}

int queue_index_add_places(
    struct queue_index *index, const struct journal_place *places, size_t count, uint64_t offset) {
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = queue_index_add(
            index, places[i].queue, places[i].position, (uint32_t)(offset + places[i].offset));
    return rc;
}

static int by_queue(const void *a, const void *b) {
    uint32_t left = (*(const struct queue_items *const *)a)->queue;
    uint32_t right = (*(const struct queue_items *const *)b)->queue;
    return left < right ? -1 : left > right;
}

const struct queue_items **queue_index_sorted(const struct queue_index *index) {
    if (index->queue_count == 0)
        return NULL;
    const struct queue_items **sorted = calloc(index->queue_count, sizeof(struct queue_items *));
    if (!sorted)
        return NULL;
    size_t cursor = 0;
    size_t count = 0;
    void *value = NULL;
    while (number_map_next(&index->queues, &cursor, NULL, &value))
        sorted[count++] = value;
    qsort(sorted, count, sizeof(struct queue_items *), by_queue);
    return sorted;
}
