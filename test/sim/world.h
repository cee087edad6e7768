// One simulated world: its seed, its time, its calendar, what is counted and what went wrong. Everything
// random in a simulation is drawn from here, so a seed says all.
#pragma once

#include "core/base/bytes.h"

#include <stdint.h>

#define MS_NS ((uint64_t)1000000)
#define S_NS ((uint64_t)1000000000)

// What happened, counted over all seeds: a simulation that stopped doing one of these must fail (coverage.c).
#define COUNTS(X)                                                                                            \
    X(MESSAGES, "messages")                                                                                  \
    X(ACCEPTED, "accepted")                                                                                  \
    X(REFUSED, "refused")                                                                                    \
    X(REPEATS, "repeats")                                                                                    \
    X(DELIVERIES, "deliveries")                                                                              \
    X(REDELIVERIES, "redeliveries")                                                                          \
    X(EFFECTS, "effects")                                                                                    \
    X(INBOX_HITS, "inbox_hits")                                                                              \
    X(RETRIES, "retries")                                                                                    \
    X(REJECTS, "rejects")                                                                                    \
    X(DEAD_REJECTED, "dead_rejected")                                                                        \
    X(DEAD_RETRIES, "dead_retries")                                                                          \
    X(DEAD_UNMAPPED, "dead_unmapped")                                                                        \
    X(DEAD_FULL, "dead_queue_full")                                                                          \
    X(DEAD_EXPIRED, "dead_expired")                                                                          \
    X(SESSIONS, "sessions")                                                                                  \
    X(CUTS, "cuts")                                                                                          \
    X(HALF_OPENS, "half_opens")                                                                              \
    X(STALLS, "stalls")                                                                                      \
    X(OVERFLOWS, "overflows")                                                                                \
    X(SILENCES, "silences")                                                                                  \
    X(KILLS, "broker_kills")                                                                                 \
    X(POWER_CUTS, "power_cuts")                                                                              \
    X(DRAINS, "drains")                                                                                      \
    X(ADAPTER_CRASHES, "adapter_crashes")                                                                    \
    X(POISON_CRASHES, "poison_crashes")                                                                      \
    X(SWAPS, "swaps")                                                                                        \
    X(CLOCK_JUMPS, "clock_jumps")                                                                            \
    X(PAUSES, "pauses_full")                                                                                 \
    X(DISK_FULL, "disk_full")                                                                                \
    X(DISK_ERRORS, "disk_errors")                                                                            \
    X(SHORT_WRITES, "short_writes")                                                                          \
    X(LOST_SECTORS, "lost_sectors")                                                                          \
    X(TORN_SECTORS, "torn_sectors")                                                                          \
    X(LOST_NAMES, "lost_names")                                                                              \
    X(TORN_TAILS, "torn_tails")                                                                              \
    X(ROLLS, "segment_rolls")                                                                                \
    X(RETIRED, "segments_retired")                                                                           \
    X(TAKEOVERS, "takeovers")                                                                                \
    X(FLIGHTS, "batches_under_way")                                                                          \
    X(FLIGHTS_CUT, "ends_under_way")

enum count {
#define X(name, text) COUNT_##name,
    COUNTS(X)
#undef X
        COUNT_END,
};
extern const char *const count_names[COUNT_END];

struct event_slot {
    uint64_t at;
    uint64_t order; // first come, first served within one moment
    void (*run)(void *context, uint64_t argument);
    void *context;
    uint64_t argument;
};

struct world {
    uint64_t seed;
    uint64_t random[4];
    uint64_t now;             // monotonic ns
    int64_t skew;             // of the wall clock, ns
    struct event_slot *slots; // a heap, the next one first; owned
    size_t slot_count, slot_capacity;
    uint64_t next_order;
    uint64_t hash; // of all that happened
    bool trace;
    bool healed; // no faults any more
    bool failed;
    char failure[512];
    uint64_t counts[COUNT_END];
};

// The one that the replacements of clocks, sockets and disks belong to; a process simulates one at a time.
extern struct world *the_world;

void world_init(struct world *world, uint64_t seed, bool trace);
void world_destroy(struct world *world);

// The array with room for index `at`; what is new is zero. Ends the process without memory: then nothing is
// shown.
void *world_grow(void *items, size_t *capacity, size_t at, size_t size);

// ---- Chance ----
uint64_t world_random(struct world *world);
uint64_t world_below(struct world *world, uint64_t limit);                // 0 to limit - 1
uint64_t world_between(struct world *world, uint64_t low, uint64_t high); // both included
bool world_chance(struct world *world, unsigned per_mille);
// Mostly near `low`, seldom near `high`.
uint64_t world_skewed(struct world *world, uint64_t low, uint64_t high);

// ---- Time ----
void world_at(struct world *world, uint64_t at, void (*run)(void *context, uint64_t argument), void *context,
    uint64_t argument);
// Runs what is due next, up to `until`; false when nothing is left before it (then it is `until`).
bool world_next(struct world *world, uint64_t until);
void world_pass(struct world *world, uint64_t ns); // so much time passes, with all that happens in it
int64_t world_wall_ns(const struct world *world);  // since 1970; it jumps

// ---- What happened ----
void world_count(struct world *world, enum count count, uint64_t more);
// Goes into the hash, and to the screen with --trace.
void world_note(struct world *world, const char *what, uint64_t a, uint64_t b, uint64_t c);
// The first failure stays; the run ends soon.
void world_fail(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
