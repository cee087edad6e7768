// A simulated receiver: an inbox that takes effect and position in one transaction, shared by the instances
// of its system; and handlers that succeed, fail for a time or for good, are slow, or bring the process down.
#pragma once

#include "test/sim/client.h"
#include "test/sim/message.h"

// On the disk of a system, for all of its instances.
struct inbox {
    struct inbox_entry {
        bool effect;
        unsigned handled; // how often it was begun
    } *entries;           // index: position; owned
    size_t capacity;
    uint8_t bus[16]; // the journal within which positions count
    bool bus_known;
};

struct handling {
    struct list link; // of receiver.handlings
    uint64_t position;
    size_t message;
    size_t size;
    uint64_t session;
    bool kept; // its session ended, and it goes on
};

struct sim_receiver {
    struct client client; // first
    struct history *history;
    size_t queue;        // its system's, in the history
    struct inbox *inbox; // borrowed
    struct list handlings;
    uint64_t *done; // positions to be settled; owned
    size_t done_count, done_capacity;
    struct settling { // failures to be told
        uint64_t position;
        uint32_t retry_after_ms;
        bool reject;
    } *failed; // owned
    size_t failed_count, failed_capacity;
    bool flushing;
    uint64_t session; // rises with each
    // Of the session:
    uint64_t got_messages, got_bytes, freed_messages, freed_bytes, granted_messages, granted_bytes;
    uint64_t window_messages, window_bytes;
    uint64_t slowness; // of its handlers, ns at most
};

void inbox_destroy(struct inbox *inbox);
void sim_receiver_init(struct sim_receiver *receiver, size_t queue, size_t instance, struct inbox *inbox,
    struct world *world, struct net *net, struct history *history);
void sim_receiver_destroy(struct sim_receiver *receiver);
void sim_receiver_crash(struct sim_receiver *receiver, uint64_t back_after);
