// Deliveries by their position. Positions grow by one, so nearly all have a slot of their own in a ring that
// is larger than their number; one whose slot is taken (by an old one that still waits) stands in a map.
#pragma once

#include "core/base/map.h"

struct delivery;

// Zero-initialised it is empty. It never owns the deliveries.
struct known {
    struct delivery **slots; // by the position's low bits; NULL: empty
    size_t capacity;         // a power of two, or 0
    size_t size;             // all, with those that are `aside`
    struct number_map aside;
};

void known_destroy(struct known *known);
struct delivery *known_get(const struct known *known, uint64_t position); // NULL: it has none
void known_expect(const struct known *known, uint64_t position);          // it is asked for soon
int known_put(struct known *known, struct delivery *delivery);            // of a new position; 0 or -ENOMEM
void known_remove(struct known *known, const struct delivery *delivery);  // one that is in it
// Walks in no particular order: `*cursor` starts at 0; NULL at the end. The set must not change meanwhile,
// but what was returned may be freed.
struct delivery *known_next(const struct known *known, size_t *cursor);
