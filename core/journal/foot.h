// What a sealed segment ends with: where each queue's records lie in it. Inside core/journal.
#pragma once

#include "core/journal/index.h"

struct foot_queue {
    uint32_t queue;
    uint32_t count;
    uint64_t first;        // position of the first
    uint64_t items_offset; // of its record offsets (u32 each), from the segment's start
};

struct foot {
    uint64_t epoch;
    uint64_t first_sequence;
    uint64_t last_sequence;
    int64_t last_time_ns;
    uint64_t batches;
    uint8_t chain[DIGEST_SIZE]; // the last link
    uint64_t offset;            // of the foot itself
    uint32_t queue_count;
    struct foot_queue *queues; // owned, in rising order; foot_destroy() frees
};

// Bytes that a foot takes on the disk.
uint64_t foot_room(uint64_t queues, uint64_t entries);
// Encodes `foot` (without its queues) and `index`, as it stands on the disk, into `out` (foot_room() bytes,
// zeroed). 0 or -ENOMEM.
int foot_encode(const struct foot *foot, const struct queue_index *index, uint8_t *out);
// `bytes` start at `offset` and have all of the foot, or more. 0, -EBADMSG, -ENOMEM. `*size` is what it takes
// on the disk.
int foot_decode(struct bytes bytes, uint64_t offset, struct foot *out, uint64_t *size);
// Finds the foot from the last FOOT_END_SIZE bytes of a file. 0 or -EBADMSG.
int foot_find(struct bytes end, uint64_t file_size, uint64_t *offset);
const struct foot_queue *foot_get(const struct foot *foot, uint32_t queue); // NULL: none here
void foot_destroy(struct foot *foot);
