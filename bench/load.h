// What every publisher and receiver here does alike, of the bus and of its peers: when the next message may
// go, and what is counted when one comes.
#pragma once

#include "bench/histogram.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int64_t load_now_us(void); // since 1970: publisher and receiver are two processes

// The shared count of received messages; NULL without a file. Ends the process when it can't be mapped.
_Atomic uint64_t *load_progress(const char *path);

// ---- Publishing: closed loop, or open loop at a rate ----

#define LOAD_PACE_US 100 // at a rate a publisher wakes no more often, and sends all that is due

struct load_options {
    uint32_t window;     // unacknowledged at most
    uint32_t unconsumed; // not yet received at most; 0: no bound
    uint32_t copies;     // deliveries that one message makes
    double rate;         // messages/s; 0: as many as go
    double seconds;      // 0: until `messages`
    uint64_t messages;   // 0: until `seconds`
    const char *progress;
};

struct load {
    const struct load_options *options;
    _Atomic uint64_t *consumed;
    uint64_t consumed_seen; // another process writes it: looked at when what was seen is not enough
    int64_t started_us;
    int64_t now_us; // as of the last look at the clock: one for each message
    uint64_t sent;
};

void load_start(struct load *load, const struct load_options *options);
bool load_done(const struct load *load); // as of the last load_next()
enum load_next {
    LOAD_GO,     // `*intended_us`: the time from which the message's latency counts
    LOAD_FULL,   // acknowledgements are to be waited for
    LOAD_BEHIND, // receipts are
    LOAD_EARLY   // at a rate: `*intended_us` has the time at which to look again, up to a pace behind the due
                 // one
};
enum load_next load_next(struct load *load, uint64_t acknowledged, int64_t *intended_us);

// ---- Receiving ----

struct tally {
    double warm_s;
    double count_s;
    _Atomic uint64_t *progress; // of all receivers together
    uint64_t told;              // of `total`, to `progress`
    struct histogram histogram;
    int64_t first_us;
    int64_t last_us;
    int64_t count_from_us;
    int64_t count_until_us;
    uint64_t counted;
    uint64_t total;
    uint64_t repeated;
    uint64_t strayed; // came to a queue that they were not meant for
    uint64_t gaps;    // sequences that a later one overtook, and that have not come since
    struct seen *seen;
    size_t queues;
};

// One that came: when it was meant to be sent.
void tally_receipt(struct tally *tally, int64_t intended_us);
// Tells the publisher of what came so far: once for all that came together.
void tally_tell(struct tally *tally);
// Its number (from 0, of all messages sent): once in each queue. Exits without memory.
void tally_sequence(struct tally *tally, size_t queue, uint64_t sequence);
void tally_free(struct tally *tally); // what tally_sequence() took
// One JSON object on standard output.
void tally_print(const struct tally *tally);

// SIGTERM and SIGINT set a flag.
void load_watch_signals(void);
bool load_stopped(void);
