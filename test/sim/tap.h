// Listens to the broker's journal: what became durable goes into the history, and what a recovery brings back
// must be what was written.
#pragma once

#include "core/journal/journal.h"
#include "test/sim/history.h"

struct tap {
    struct world *world;
    struct history *history;
    uint64_t *hashes; // of the records, by sequence - 1; owned
    uint64_t durable; // records known to be on the disk
    size_t capacity;
    struct tap_queue {
        char name[80];
        size_t destination; // SIZE_MAX: none
        bool dead;          // its dead letters
    } *queues;              // by id - 1; owned
    size_t queue_count, queue_capacity;
    uint64_t entered[DESTINATIONS], settled[DESTINATIONS];
    struct journal_owner owner; // the real one
    struct buffer pending;      // records of an append that is under way, or failed: they may be on the disk
    uint32_t pending_count;
};

void tap_init(struct tap *tap, struct world *world, struct history *history);
void tap_destroy(struct tap *tap);
// The owner to open the journal with: it forwards to `owner`.
struct journal_owner tap_owner(struct tap *tap, const struct journal_owner *owner);
// After it was opened: what was durable must be there.
void tap_recovered(struct tap *tap, uint64_t last);
bool tap_quiet(const struct tap *tap); // everything that entered a queue is settled

extern struct tap *the_tap;
