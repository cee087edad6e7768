// Follows one message through the journal: the records that hold its body or what a route made of it (carried
// ones, dead letters, replays), and which of its deliveries are settled.
#pragma once

#include "core/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct trace_record {
    uint64_t sequence;
    uint8_t kind;
    bool erased;
    uint32_t publisher; // of a message
    uint64_t publisher_sequence;
};

struct trace_place { // of one of these records in a queue
    uint32_t queue;
    uint64_t position;
    bool settled;
};

struct trace {
    struct trace_record *records; // owned, rising; the first is the one that is followed
    size_t count;
    struct trace_place *places; // owned
    size_t place_count;
    struct { // of the message, so that a dead letter that never had a position is known; owned
        char *source;
        char *id;
    } message;
    const char *refused; // why the record can't be followed
};

// 0, or what journal_scan() says. `sequence` has no record: `count` is 0.
int trace_follow(const char *folder, uint64_t sequence, struct trace *out, struct error *error);
void trace_free(struct trace *trace);
