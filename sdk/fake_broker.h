// A broker for tests that does exactly what it is told: each call receives or sends one frame.
#pragma once

#include "core/wire/wire.h"

struct fake_broker {
    void *zmq;
    void *router;
    char endpoint[128];
    uint8_t peer[256]; // who spoke last
    size_t peer_size;
    wire_frame *frame; // what was received last
    bool replay;       // deliveries say that an operator sent them again
    struct buffer body;
    uint8_t bus[WIRE_STREAM_SIZE]; // which bus it says to be
    uint32_t heartbeat_ms;         // it sends none: its peers take it for gone after three times as long
};

// At an endpoint of its own choice, or again at that of an earlier one ("tcp://…"; NULL: choose).
void fake_start(struct fake_broker *fake, const char *endpoint);
void fake_start_curve(struct fake_broker *fake, const char *secret_key);
void fake_stop(struct fake_broker *fake);

// The next frame, which must be of this kind; heartbeats are passed over. False after `timeout_ms` without
// one.
bool fake_try(struct fake_broker *fake, Hutong__Bus__V1__Frame__KindCase kind, int timeout_ms);
bool fake_any(struct fake_broker *fake, int timeout_ms); // the next frame, of whatever kind
wire_frame *fake_expect(
    struct fake_broker *fake, Hutong__Bus__V1__Frame__KindCase kind); // borrowed until the next

void fake_send(struct fake_broker *fake, const wire_frame *frame, struct bytes body);
void fake_send_raw(struct fake_broker *fake, struct bytes part, bool more);

#define FAKE_CREDIT 1000000u

// Expects a hello and welcomes it.
void fake_welcome(struct fake_broker *fake, uint64_t last_sequence, uint64_t credit);
void fake_answer_hello(struct fake_broker *fake, uint64_t last_sequence, uint64_t credit); // that is here
void fake_accept(struct fake_broker *fake, uint64_t sequence);
void fake_hold(struct fake_broker *fake, uint64_t sequence, const char *why); // accepted, and held up
void fake_refuse(
    struct fake_broker *fake, uint64_t sequence, const char *text); // one, and accepts all before
void fake_credit(struct fake_broker *fake, uint64_t messages);
void fake_error(struct fake_broker *fake, wire_reason reason, const char *text);
// Messages of `type` from `first` on, in one run.
void fake_deliver(
    struct fake_broker *fake, uint64_t first, uint32_t count, uint32_t attempt, const char *type);
#define FAKE_RUNS 8u
struct fake_lane_run {
    uint64_t first;
    uint32_t count;
    uint64_t floor; // of its lane: all up to it is settled; 0: not told in this frame
};
// Runs of several lanes in one frame, as from a journal that has them.
void fake_deliver_lanes(
    struct fake_broker *fake, const struct fake_lane_run *of, size_t count, const char *type);

// Expects publish frames until message `last` was there; each message's id goes to `seen`. Returns the first
// sequence.
uint64_t fake_collect(struct fake_broker *fake, uint64_t last,
    void (*seen)(void *context, uint64_t sequence, struct bytes id), void *context);
