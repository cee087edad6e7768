// What an operator does with messages that are there already (docs/operations.md), as the core does it: one
// part of a command after the other, each of exact items, in one batch with the record of who and why. So a
// crash leaves each item either as it was or done.
#pragma once

#include "broker/delivery/spans.h"
#include "core/wire/wire.h"

#define OPERATION_ITEMS 512 // of one part
#define OPERATION_TEXT 256
#define OPERATION_WHO_LIMIT 128 // bytes
#define OPERATION_WHY_LIMIT 256
#define OPERATION_FILTER_LIMIT 4096

enum operation_act { // as in the record
    OPERATION_DEAD_REPLAY = 1,
    OPERATION_DEAD_DROP = 2,
    OPERATION_REPLAY = 3,
};

// An item that was left as it was, and why.
struct operation_refusal {
    uint64_t item;
    wire_reason reason;
    char text[OPERATION_TEXT];
};

// An item is a position in the dead letters' queue of the system, or the sequence of a message's record. One
// thread fills the upper part and lends it to the core's; it frees the lower part with operation_clear().
struct operation {
    enum operation_act act;
    const char *system; // whose dead letters; or who receives
    const char *who;
    const char *why;
    const char *filter; // what was asked for, in the words of the command

    struct spans done;   // items
    uint64_t deliveries; // that came of them
    uint64_t gone;       // items that aren't there any more, or were done before
    uint64_t settled_bytes;
    struct operation_refusal *refusals; // owned; one item may have several
    size_t refusal_count;
    size_t refusal_capacity;
    uint64_t refused; // items that were left as they were
};

void operation_clear(struct operation *operation);
// 0 or -ENOMEM. The text is cut where it is too long.
int operation_refuse(struct operation *operation, uint64_t item, wire_reason reason, const char *text);
