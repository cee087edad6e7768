// Inside of a batch: its bytes stand as they go to the disk, with room for the header in front. Inside
// core/journal.
#pragma once

#include "core/journal/format.h"

// Where an entry's record starts in its batch.
struct journal_place {
    uint64_t position;
    uint32_t queue;
    uint32_t offset;
};

struct journal_batch {
    void *memory;    // owned; `data` is its first aligned byte, as O_DIRECT wants it
    uint8_t *data;   // header, records
    size_t size;     // with the header
    size_t capacity; // a multiple of JOURNAL_BLOCK
    size_t limit;    // of the records
    uint32_t count;
    size_t entry_count;
    struct journal_place *places; // owned; of the entries: the records themselves are far away by then
    size_t place_capacity;
    size_t body_bytes;
    size_t weight;
    // What its records will say of themselves, and how far that is done (chain.h).
    uint64_t first_sequence;
    int64_t time_ns;
    uint8_t *leaves; // owned
    size_t leaf_capacity;
    uint32_t complete;    // records that have their numbers, CRCs and leaves
    size_t complete_size; // the header's and theirs
};

// Its records' numbers and time, from the first on: none of them is complete.
void journal_batch_number(struct journal_batch *batch, uint64_t first_sequence, int64_t time_ns);

// Exchanges what two batches hold. Both have the limit of `a` afterwards.
void journal_batch_swap(struct journal_batch *a, struct journal_batch *b);
