// One simulation from its seed to its verdict.
#pragma once

#include "test/sim/host.h"
#include "test/sim/publisher.h"
#include "test/sim/receiver.h"

enum { RECEIVERS = 6 };

struct run {
    struct world world;
    struct net net;
    struct tap tap;
    struct history history;
    struct host host;
    const struct settings *settings;
    struct sim_publisher publishers[PUBLISHERS];
    size_t publisher_count;
    struct sim_receiver receivers[RECEIVERS];
    size_t receiver_count;
    struct inbox inboxes[DESTINATIONS];
    uint64_t start_at; // when the broker is there again
    uint64_t heal_at;  // faults end
    uint64_t give_up_at;
    uint64_t storm; // ns between two faults, about
    bool over;      // all is quiet: the last stop
};

extern struct run *the_run;

// Plays the whole of it; the verdict is in run->world.
void run_play(struct run *run, uint64_t seed, bool trace);
void run_destroy(struct run *run);
unsigned run_sets(const struct run *run); // sets of routes that may be in force: bits
void run_swap(struct run *run);

// faults.c: what goes wrong, and when.
void faults_begin(struct run *run);
