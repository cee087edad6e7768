// A journal for tests that lies about one record: it stands before the real one, and all else passes.
#pragma once

#include "core/journal/backend.h"

struct damage {
    struct journal base;
    struct journal *real; // owned; closed with this one
    uint32_t queue;       // the record that is this queue's
    uint64_t position;    // at this position; 0: none
    uint64_t sequence;    // or the one with this number; 0: none
    struct bytes body;    // borrowed: what is read in its place
    unsigned failures;    // at first the disk fails so often when it is to be read
};

// Takes `real`. Returns `damage` as a journal, to be closed like any.
struct journal *damage_wrap(struct damage *damage, struct journal *real);
