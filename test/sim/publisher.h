// A simulated publisher: a source that makes messages, a durable spool with a stream (or none: sequences of
// one session), and a session that sends what the broker has not.
#pragma once

#include "test/sim/client.h"
#include "test/sim/message.h"

struct spooled {
    size_t message; // in the history
    uint64_t sequence;
    struct making making;
    char subject[16];
};

struct sim_publisher {
    struct client client; // first
    struct history *history;
    size_t index;
    uint8_t stream[WIRE_STREAM_SIZE];
    bool durable;
    bool trusting; // begins behind welcome.last_sequence; otherwise with what its own spool says
    // On its disk: what the source gave, in order; all below `kept` is forgotten by the spool.
    struct spooled *items; // owned
    size_t count, capacity;
    size_t kept;
    uint64_t next_sequence;
    // In memory.
    size_t decided; // items below are
    // Of the session:
    size_t next; // item to be sent
    size_t base; // item that has wire sequence 1, without a stream
    uint64_t sent_messages, sent_bytes, credit_messages, credit_bytes;
    size_t batch_most, gather;
    // The source.
    size_t to_make;
    unsigned subjects;
    uint64_t pace;
};

void sim_publisher_init(struct sim_publisher *publisher, size_t index, struct world *world, struct net *net,
    struct history *history, bool durable, size_t to_make);
void sim_publisher_destroy(struct sim_publisher *publisher);
void sim_publisher_crash(struct sim_publisher *publisher, uint64_t back_after);
void sim_publisher_start(struct sim_publisher *publisher);
bool sim_publisher_done(const struct sim_publisher *publisher); // made all, and all is decided
// A configuration takes over, or may at any moment: what isn't decided may be routed by it.
void sim_publisher_may_go(struct sim_publisher *publisher, size_t set);
