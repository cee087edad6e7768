// The queue of one system: what is routed to it and not yet settled. The backlog lies in the journal; in
// memory is a bounded window, and bytes only of what is about to be sent. No I/O: loads are asked for and
// come back.
#pragma once

#include "broker/delivery/carried.h"
#include "broker/delivery/record.h"
#include "broker/delivery/spans.h"
#include "core/base/chunk.h"
#include "core/base/list.h"
#include "core/base/map.h"
#include "core/wire/wire.h"

enum delivery_state {
    DELIVERY_WAITING, // behind an unsettled one of its subject
    DELIVERY_READY,   // may be sent; its bytes may still have to be loaded
    DELIVERY_SENT,
    DELIVERY_RETRY, // waits for due_ms
    DELIVERY_DYING, // to become a dead letter as soon as its bytes are there
};

struct delivery {
    struct list link;          // in the list of its state
    struct delivery *follower; // the next one of its subject
    uint64_t position;
    uint64_t record;       // sendable once durable up to here
    uint64_t subject_hash; // 0: no order
    struct delivery_rule rule;
    struct chunk *chunk; // owned reference; NULL: to be loaded
    struct bytes envelope;
    size_t size;
    enum delivery_state state;
    bool replay;      // an operator sent it again
    uint32_t attempt; // how often it was sent
    uint32_t failures;
    uint64_t due_ms;
    wire_reason reason; // of a dying one
    char *text;         // owned, or NULL
};

// Sent and unsettled at most, whatever the receiver grants: the broker's own bound on what waits in sockets.
#define QUEUE_IN_FLIGHT_BYTES ((uint64_t)64 << 20)

struct queue_limits {
    uint64_t count;  // unsettled deliveries; above, the oldest become dead letters (or see `park`)
    uint64_t bytes;  // of them
    uint64_t age_us; // older ones become dead letters
    size_t window;   // deliveries known in memory
    bool park;       // above `count` or `bytes` publishers wait instead
};

struct queue {
    uint32_t id;
    char *name; // owned
    struct queue_limits limits;
    uint64_t next_position; // of the next push
    uint64_t settled;       // all up to here
    uint64_t settled_durable;
    uint64_t settle_record;  // the last record that settled or carried any of it
    uint64_t settled_marked; // `settled` when a batch was last appended
    uint64_t settling;       // the record that will say what is being settled now
    struct spans settled_beyond;
    struct carried carried; // where what outlived its segment is found now
    struct {                // kept by broker/parking.c
        bool full;
        size_t publishers; // that wait for room
        int64_t since_us;  // of the longest of them, where there are any
        uint64_t count;    // how often one began to wait
        uint64_t logged_ms;
    } parking;
    uint64_t read_position; // the next one to enter the window
    uint64_t recovered;     // positions below may have been sent by an earlier process
    uint64_t unsettled;
    uint64_t bytes;
    struct number_map known;    // position -> struct delivery
    struct number_map subjects; // hash -> the last delivery of its chain
    struct list waiting, ready, sent, retry, dying;
    size_t lacking; // ready or dying ones without bytes
    size_t in_flight;
    uint64_t in_flight_bytes;
    // The session that receives, as credit: totals since its start.
    bool receiving;
    uint64_t receiver; // its connection
    uint64_t granted_messages, granted_bytes, sent_messages, sent_bytes;
    uint64_t probe_due_ms;
    bool probe; // look at the head although nobody receives (age)
    uint32_t jitter;
    struct {
        uint64_t pushed, sent, settled, retried, dead, expired;
        uint64_t dead_by[64]; // by wire_reason
    } counters;
};

struct queue *queue_new(uint32_t id, const char *name, const struct queue_limits *limits); // owned, or NULL
void queue_destroy(struct queue **self);

// Takes in the delivery at queue->next_position. `envelope` lies in `chunk`, which is borrowed (a reference
// is kept only when it will be sent at once). 0 or -ENOMEM.
int queue_push(struct queue *queue, const struct record_delivery *delivery, uint64_t record,
    struct chunk *chunk, struct bytes envelope);

// The name of its route that a known delivery points to becomes what `copies` has for that address.
void queue_rename_routes(struct queue *queue, const struct number_map *copies);

// What recovery knows of a delivery or of settled spans.
void queue_recover_push(struct queue *queue, uint64_t position, size_t size);
int queue_recover_settled(struct queue *queue, uint64_t first, uint64_t last);

// The last position of the settled ones that stand without a gap from `from` on; below `from`: it is
// unsettled.
uint64_t queue_settled_to(const struct queue *queue, uint64_t from);
// The reading goes on behind what is settled there: it may be gone from the journal.
void queue_skip_settled(struct queue *queue);

// ---- Receiving session ----
void queue_attach(struct queue *queue, uint64_t receiver, uint64_t messages, uint64_t bytes);
void queue_grant(struct queue *queue, uint64_t messages, uint64_t bytes); // totals
void queue_detach(struct queue *queue);                                   // what was sent becomes ready again

// ---- Loading ----
struct queue_load {
    uint64_t from;
    size_t count;
    size_t bytes;
};
// Whether something has to be read from the journal now, up to durable record `durable`.
bool queue_wants_load(const struct queue *queue, struct queue_load *out);
// One loaded delivery, with its own reference to `chunk`. Positions that are settled or have their bytes are
// passed over.
int queue_loaded(struct queue *queue, const struct record_delivery *delivery, const char *route,
    struct chunk *chunk, struct bytes envelope);

// ---- Sending ----
struct queue_frame {
    struct buffer head; // a Deliver frame
    struct buffer body;
    size_t count;
};
struct queue_batch_limits {
    size_t messages;
    size_t bytes;
};
// Fills a frame with what may be sent now; count 0: nothing. 0 or -ENOMEM.
int queue_fill(struct queue *queue, uint64_t durable, int64_t now_us, const struct queue_batch_limits *limits,
    struct queue_frame *out);

// ---- Settling ----
// Marks those of [first, last] that were sent as settled, and says which in `spans` with the
// bytes they had. 0 or -ENOMEM.
int queue_settle(struct queue *queue, uint64_t first, uint64_t last, struct spans *spans, uint64_t *bytes);
// One that failed: tried again after `retry_after_ms` (0: the route's back-off), or dying. Unknown positions
// are ignored.
void queue_fail(struct queue *queue, uint64_t position, uint32_t retry_after_ms, bool reject,
    const char *text, uint64_t now_ms);
// Due retries become ready; the oldest over the limits start dying. `*deadline_ms` is lowered to the next one
// due.
void queue_tick(struct queue *queue, uint64_t now_ms, int64_t now_us, uint64_t *deadline_ms);
// The next dying one with bytes, or NULL. It goes by queue_bury().
struct delivery *queue_next_dead(struct queue *queue);
// It has its dead letter and is settled. As queue_settle().
int queue_bury(struct queue *queue, struct delivery *delivery, struct spans *spans, uint64_t *bytes);
