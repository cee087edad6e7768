// One peer: its hello, credit, repeats, heartbeat; and the frames that it sent and the broker has not taken
// in yet.
#pragma once

#include "broker/policy/policy.h"
#include "broker/session/publisher.h"
#include "core/base/chunk.h"
#include "core/base/list.h"

struct queue;
struct receiver;

struct session_limits {
    uint64_t credit_messages; // publish ahead of what is decided
    uint64_t credit_bytes;
    uint64_t message_bytes;
    uint64_t batch_bytes;
    uint32_t batch_messages;
    uint32_t heartbeat_ms;
};

// How much is said of coming and going, in journal and log: PEER_NEWS at once, and one more each second.
#define PEER_NEWS 60
struct peer_news {
    uint64_t spent;    // of what may be said at once
    uint64_t since_ms; // up to when it was given back
};

// What a system has of the broker, whatever the number of its sessions. Kept until the broker ends.
struct account {
    struct list link;     // among those with something to be taken in
    struct list sessions; // of them: session.turn
    int64_t deficit;      // bytes that may be taken in before it is another's turn
    struct peer_news news;
};

struct session {
    struct list link;
    struct list turn; // in account.sessions, or among the parked ones; linked to itself: nothing to take in
    struct account *account;
    int64_t deficit; // as the account's, within it
    uint64_t connection;
    bool open; // after hello
    bool said; // that it began, in journal and log: so its end is said too
    const struct policy_system *system;
    const char *key; // by which it was proved who speaks; NULL without CURVE
    char instance[65];
    char software[129];
    struct publisher *publisher; // NULL: a stream for this session only
    struct queue *queue;         // NULL: it doesn't receive
    struct receiver *receiver;   // of that queue; the queue's
    uint64_t since_us;
    uint64_t heard_ms;
    uint64_t spoke_ms;
    // What was sent here, as totals of the session.
    uint64_t granted_messages, granted_bytes, got_messages, got_bytes;
    uint64_t taken_messages, taken_bytes; // of that: decided, so that its memory is free again
    struct list input;                    // struct session_input
    // Decisions: everything up to `decided` once record `decided_record` is durable; `told` is what accepted
    // frames said.
    uint64_t decided, decided_record, told;
    uint64_t marked, marked_record; // the same when a batch was last appended
    bool has_news;
    // Why nothing more is taken in for now.
    struct queue *parked_by; // the next message is for this queue, which is (or just was) full; NULL
    int64_t parked_us;       // since when
    bool parked_logged;
    bool paused;       // the journal has no room
    bool hold_changed; // the peer is to be told
    struct session_refusal {
        uint64_t sequence;
        wire_reason reason;
        char *text; // owned
    } *refusals;
    size_t refusal_count, refusal_capacity;
    uint64_t sequence;                    // the last one decided, when there is no publisher
    uint64_t grant_messages, grant_bytes; // what it granted to the broker
    struct {
        uint64_t accepted, refused, repeats, delivered, settled, failed;
    } counters;
};

// A publish frame that waits to be taken in, message by message.
struct session_input {
    struct list link;
    struct chunk *body; // owned reference
    struct bytes rest;
    uint64_t sequence; // of the next message in rest
    uint32_t left;
};

struct session *session_new(uint64_t connection, uint64_t now_ms); // owned, or NULL
void session_destroy(struct session **self);

// Checks a hello against the identity that the connection proved (NULL: not proved, allowed only without
// CURVE) and fills the session. 0, or a wire_reason (positive) with the text.
int session_hello(struct session *session, const Hutong__Bus__V1__Hello *hello,
    const struct policy_system *proved, const struct policy *policy, struct error *error);

// Checks a publish frame's place, credit and limits, and keeps it. 0, a wire_reason, -ENOMEM.
int session_publish(struct session *session, const Hutong__Bus__V1__Publish *publish, struct chunk *body,
    const struct session_limits *limits, struct error *error);

// The next message to be taken in: its sequence and raw envelope. `*known`: a repeat. 0; SESSION_EMPTY; a
// wire_reason when the body is broken; then the session must end.
enum {
    SESSION_EMPTY = 1000, // beyond every wire_reason
};
int session_next(struct session *session, uint64_t *sequence, struct bytes *raw, struct chunk **body,
    bool *known, struct error *error);
// The message that session_next() gave is decided once `record` is durable.
void session_decided(struct session *session, uint64_t sequence, uint64_t record);
int session_refused(struct session *session, uint64_t sequence, wire_reason reason, const char *text);

// What is decided so far goes to the journal with one batch.
void session_mark(struct session *session);
// Whether there is something to tell: decisions that are durable up to `durable`, or a hold. The frame is
// appended to `out`, with the credit renewed where something was decided.
bool session_has_news(const struct session *session, uint64_t durable);
int session_tell(struct session *session, uint64_t durable, const struct session_limits *limits, bool grant,
    struct buffer *out);
