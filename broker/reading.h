// Dead letters that wait, read one by one from where they lie: in their queue, or where they were carried to
// out of a segment past its time.
#pragma once

#include "broker/broker.h"

struct reading {
    const struct broker *broker;
    struct journal *journal;
    uint32_t queue; // of dead letters
    uint64_t last;  // the last position that is wanted; in a shared journal they are places
    size_t count;   // so many records are still to be read at most
    size_t bytes;   // the same
    // Gets the record as it first was. It may settle nothing before the reading is over.
    journal_visit *visit;
    void *context;
    uint64_t next; // where to go on; 0: that was all
    // Its own:
    uint64_t offset; // of positions from where they lie
    size_t visited;
    struct error *error;
};

// From a position on. 0, with `next`; what the visitor returned; JOURNAL_DAMAGED or negative with the text.
int reading_run(struct reading *reading, uint64_t from, struct error *error);
