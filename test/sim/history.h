// The history of one simulation: what was published, told, recorded, delivered, and had effect; and the
// promises that are held against it (DESIGN 3, 1 to 4), each fact at once where it can be, the rest at the
// end. Knows nothing of the world around it, so that check_test.c can make up histories.
#pragma once

#include "core/base/list.h"
#include "core/wire/wire.h"
#include "test/sim/world.h"

enum {
    DESTINATIONS = 4,
    PUBLISHERS = 4,
    SUBJECTS = 64, // of each publisher
};

// What becomes of a message where it arrives, told by its making.
enum nature {
    NATURE_GOOD,
    NATURE_FAILS,  // some times, then it is done
    NATURE_REJECT, // for good
    NATURE_NEVER,  // fails each time
    NATURE_CRASH,  // brings its handler down the first times, then it is done
};

struct fact_message {
    size_t publisher;
    uint64_t sequence; // in its stream; 0: not sent yet, or a stream of one session only
    unsigned subject;  // of the publisher
    unsigned may_go;   // destinations that a configuration in force since it was sent names: bits
    unsigned must_go;  // destinations that all of them name
    unsigned unmapped; // destinations whose mapping fails
    bool invalid;      // to be refused
    bool told;         // an acceptance of it left the broker
    bool refused;
    bool recorded;         // a record of it is in the journal
    unsigned went;         // destinations that the record names
    unsigned dead_at_once; // destinations whose mapping failed, by their dead letters
};

struct fact_failure { // what the journal has of a delivery that failed; it holds until the delivery is
                      // settled
    uint32_t attempt;
    uint32_t failures; // 0: it never failed
    int64_t due_us;    // not before; since 1970
    bool last;         // it ends as a dead letter
};

struct fact_position { // one delivery
    size_t message;    // 1 + index; 0: nothing is known
    unsigned subject;  // publisher * SUBJECTS + subject, + 1
    unsigned sent;     // how often it left the broker
    uint64_t jumps;    // of the clock, until it was sent last
    struct fact_failure failure;
    unsigned fails; // that its receivers told
    unsigned effects;
    bool rejected; // a receiver told so
    bool stale;    // an instance that had lost it may still have had it in hand
    bool dead;
    bool settled; // durably
    uint32_t dead_reason;
};

struct fact_queue {
    struct fact_position *positions;                 // index: position; owned
    size_t count, capacity;                          // the highest known position + 1
    uint64_t settled_told;                           // Deliver.settled, the highest
    uint64_t last_effect[PUBLISHERS * SUBJECTS + 1]; // position, by subject
    unsigned retries;                                // of its route
    bool may_expire;                                 // before the end of the simulation
};

struct fact_publisher {
    uint64_t told;       // acceptances up to here left the broker
    uint64_t durable;    // the highest sequence of which the journal has what became of it
    uint64_t sent;       // the highest sequence that was sent
    uint64_t *sequences; // of its messages in the journal, as they came; owned
    size_t count, capacity;
};

struct history {
    struct world *world;
    struct fact_message *messages; // owned
    size_t message_count, message_capacity;
    struct fact_queue queues[DESTINATIONS];
    struct fact_publisher publishers[PUBLISHERS];
    bool may_overflow; // a queue over its limit loses its oldest as dead letters
};

void history_init(struct history *history, struct world *world);
void history_destroy(struct history *history);

// A message is made. Returns its index.
size_t history_publish(struct history *history, const struct fact_message *message);
void history_sent(struct history *history, size_t message, uint64_t sequence);
// A configuration that sends messages like this one there is or comes in force while it isn't decided.
void history_may_go(struct history *history, size_t message, unsigned destinations);

// ---- What leaves the broker ----
// Accepted with these refusals, to a durable stream.
void history_accepted(struct history *history, size_t publisher, uint64_t sequence);
void history_welcomed(struct history *history, size_t publisher, uint64_t last_sequence);
void history_delivered(
    struct history *history, size_t queue, uint64_t position, size_t message, uint32_t attempt);
void history_settled_told(struct history *history, size_t queue, uint64_t settled); // Deliver.settled

// ---- What publishers hear ----
void history_told(struct history *history, size_t message, bool refused);

// ---- What receivers do ----
void history_effect(struct history *history, size_t queue, uint64_t position, size_t message);
void history_failed(struct history *history, size_t queue, uint64_t position, bool reject);
void history_stale(struct history *history, size_t queue, uint64_t position); // its session ended, it goes on

// ---- What the journal has, durable ----
void history_recorded(struct history *history, size_t message);
void history_refusal(struct history *history, size_t message); // it was refused
void history_entered(struct history *history, size_t message, size_t queue, uint64_t position);
void history_settled(struct history *history, size_t queue, uint64_t position);
void history_failure(
    struct history *history, size_t queue, uint64_t position, const struct fact_failure *failure);
// `position` 0: it never got there.
void history_dead(struct history *history, size_t message, size_t queue, uint64_t position, uint32_t reason);

// All is quiet: nothing may be missing.
void history_finish(struct history *history);
