// A set of positions as sorted, disjoint spans: what is settled beyond a queue's cursor.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct span {
    uint64_t first;
    uint64_t last; // inclusive
};

struct spans { // zero-initialised it is empty
    struct span *items;
    size_t count;
    size_t capacity;
};

void spans_destroy(struct spans *spans);
bool spans_has(const struct spans *spans, uint64_t position);
// The last position of the span that has `position`; `position - 1`: none has.
uint64_t spans_end(const struct spans *spans, uint64_t position);
int spans_add(struct spans *spans, uint64_t first, uint64_t last); // merges with what is there; 0 or -ENOMEM

void spans_drop(struct spans *spans, size_t count); // the first so many

// Moves `*cursor` (all up to it are in the set) over the front spans that join it, and drops those.
void spans_absorb(struct spans *spans, uint64_t *cursor);

// Positions in the order in which they were noted; one may stand there twice.
struct positions { // zero-initialised it is empty
    uint64_t *items;
    size_t count;
    size_t capacity;
};

void positions_destroy(struct positions *positions);
int positions_add(struct positions *positions, uint64_t position); // 0 or -ENOMEM
void positions_drop(struct positions *positions, size_t count);    // the first so many
