// Which messages of a choice an earlier `hutong replay` sent to the same system: a warning, as each run sends
// all of its choice.
#pragma once

#include "core/journal/journal.h"

#include "hutong/bus/v1/journal.pb-c.h"

#define AGAIN_LIMIT ((size_t)4 << 20) // messages that are remembered: 32 MiB

struct again {
    uint32_t queue;   // of the system
    uint64_t *chosen; // owned; rising sequences, with a mark on those that were sent before
    size_t count;
    size_t capacity;
    bool full;       // there were more: `before` is less than it was
    uint64_t before; // how many were sent before
};

int again_choose(struct again *again, uint64_t sequence); // 0 or -ENOMEM
// Looks at what an operator did. 0 or -ENOMEM.
int again_operated(struct again *again, const struct journal_record *record);
void again_destroy(struct again *again);
