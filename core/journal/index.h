// Where the records of each queue lie within one segment. Inside core/journal.
#pragma once

#include "core/base/map.h"
#include "core/journal/batch.h"

struct queue_items {
    uint32_t queue;
    uint64_t first;    // position of the first
    uint32_t *offsets; // owned; of the records from the segment's start, for `first`, `first` + 1, …
    size_t count;
    size_t capacity;
};

// Zero-initialised it is empty.
struct queue_index {
    struct number_map queues; // queue -> struct queue_items, owned
    size_t queue_count;
    size_t entry_count;
};

void queue_index_destroy(struct queue_index *index);
const struct queue_items *queue_index_get(const struct queue_index *index, uint32_t queue); // NULL: none here
// 0, -ENOMEM, or -EINVAL: the position does not follow the queue's last one.
int queue_index_add(struct queue_index *index, uint32_t queue, uint64_t position, uint32_t offset);
// All entries of the records in a batch of which `bytes` starts at `offset` of its segment. As
// queue_index_add().
int queue_index_add_batch(struct queue_index *index, const uint8_t *bytes, uint32_t count, uint64_t offset);
// The same, by what the batch noted of its entries.
int queue_index_add_places(
    struct queue_index *index, const struct journal_place *places, size_t count, uint64_t offset);
// Returns owned the items in order of their queues, or NULL without memory (or when there are none).
const struct queue_items **queue_index_sorted(const struct queue_index *index);
