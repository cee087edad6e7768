// The durable memory of deliveries whose effect is there: for adapters whose system can't keep a position in
// the transaction of its effect (a file, a web service). After a crash a delivery that comes again is
// recognised and only settled. Internal: for adapters/runtime.
#pragma once

#include "core/base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define INBOX_BUS_SIZE 16u

struct inbox;

// Makes the folder when missing; one process at a time. 0 and `*out` owned, or a code of core/journal
// (JOURNAL_LOCKED, JOURNAL_DAMAGED), negative.
int inbox_open(const char *folder, struct inbox **out, struct error *error);
void inbox_close(struct inbox **self);

// Whether `position` of that bus was added. What lies at or below what inbox_prune() was told of its lane
// counts as added.
bool inbox_has(const struct inbox *inbox, const uint8_t bus[INBOX_BUS_SIZE], uint64_t position);

// On disk when it returns; positions that are there already are fine, as is any order. 0; JOURNAL_FULL:
// nothing was added, try again later; negative: the inbox can't be used any more.
int inbox_add(struct inbox *inbox, const uint8_t bus[INBOX_BUS_SIZE], const uint64_t *positions, size_t count,
    struct error *error);

// All positions of its lane up to `settled` are settled at the broker (hutong_delivery's `settled`): they
// need no memory of their own. Written with the next inbox_add().
void inbox_prune(struct inbox *inbox, const uint8_t bus[INBOX_BUS_SIZE], uint64_t settled);

// Ranges that an inbox should hold at most (8 MiB of memory): with a queue that several share, each has the
// others' positions as gaps, until the oldest one that is unsettled is settled. Whoever adds looks first.
#define INBOX_RANGES_LIMIT 524288u

// Whether `position` may be added: always below the limit, and above it what lies beside a range, which
// grows.
bool inbox_has_room(const struct inbox *inbox, const uint8_t bus[INBOX_BUS_SIZE], uint64_t position);
size_t inbox_ranges(const struct inbox *inbox); // what it holds in memory, in ranges of positions
