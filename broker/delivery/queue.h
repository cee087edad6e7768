// The queue of one system: what is routed to it and not yet settled. The backlog lies in the journal; in
// memory is a bounded window, and bytes only of what is about to be sent. No I/O: loads are asked for and
// come back. docs/decisions/0023-shared-queues.md
#pragma once

#include "broker/delivery/carried.h"
#include "broker/delivery/known.h"
#include "broker/delivery/laying.h"
#include "broker/delivery/record.h"
#include "broker/delivery/spans.h"
#include "core/base/chunk.h"
#include "core/base/heap.h"
#include "core/base/list.h"
#include "core/base/map.h"
#include "core/wire/wire.h"

enum delivery_state {
    DELIVERY_WAITING, // behind an unsettled one of its subject
    DELIVERY_READY,   // may be sent; its bytes may still have to be loaded
    DELIVERY_SENT,
    DELIVERY_RETRY, // until it is due
    DELIVERY_DYING, // to become a dead letter as soon as its bytes are there
};

// What is kept of a delivery that failed until it is settled, also across restarts.
struct failure {
    uint64_t position;
    uint32_t attempt; // how often it had been sent
    uint32_t failures;
    int64_t due_us;     // since 1970: not to be sent before
    uint32_t delay_ms;  // it waits no longer than this, whatever the clock does
    wire_reason reason; // it is to die of this; 0: it is to be tried again
    char *text;         // the adapter's words; owned by the queue's, or NULL
};

struct receiver;

struct delivery {
    struct list link;                   // in a list of its share or queue, by its state
    struct delivery *leader, *follower; // of its subject: the ones before and behind it
    uint64_t position;
    uint64_t place;        // as receivers know it: its position, but where the journal is shared
    uint64_t record;       // sendable once durable up to here
    uint64_t subject_hash; // 0: no order
    struct delivery_rule rule;
    struct chunk *chunk; // owned reference; NULL: to be loaded
    struct bytes envelope;
    bool laid; // its length stands before it in the chunk, just as a body has it
    size_t size;
    enum delivery_state state;
    bool replay;               // an operator sent it again
    uint32_t attempt;          // how often it was sent
    struct receiver *receiver; // READY, SENT: whose it is; NULL: of whoever has credit
    struct heap_node due;      // RETRY: monotonic ms
    struct failure *failure;   // NULL: it didn't fail; owned by the queue
    wire_reason reason;        // of a dying one
    const char *why;           // of a dying one besides the adapter's words; a literal, or NULL
};

// Sent and unsettled at most, whatever the receivers grant, shared evenly between them: the broker's own
// bound on what waits in sockets.
#define QUEUE_IN_FLIGHT_BYTES ((uint64_t)64 << 20)
// The newest of a backlog stay in memory too, where a receiver works: what it is behind by chance need not be
// read back. Else a busy queue that fell behind once would be served from the disk for ever: what is not
// durable yet can't be read, and by the time it is there is more.
#define QUEUE_TAIL_BYTES ((uint64_t)4 << 20) // of the chunks that they hold
#define QUEUE_TAIL_COUNT 4096
#define QUEUE_RECEIVERS 64              // at once
#define QUEUE_RETRY_LIMIT_MS 604800000u // the longest wait between two attempts: 7 days
#define QUEUE_WORDS_LIMIT ((size_t)256) // of an adapter's words while it is tried again

struct queue_limits {
    uint64_t count;  // unsettled deliveries; above, the oldest become dead letters (or see `park`)
    uint64_t bytes;  // of them
    uint64_t age_us; // older ones become dead letters
    size_t window;   // deliveries with bytes, or sent
    size_t held;     // deliveries that wait in memory: to be tried again, behind others, for a slow receiver
    uint64_t tail;   // bytes of memory for the newest of a backlog (QUEUE_TAIL_BYTES); 0: none
    bool park;       // above `count` or `bytes` publishers wait instead
};

// Ready deliveries of one receiver, or of whoever has credit.
struct share {
    struct list loaded;  // durable, and older than what is fresh
    struct list fresh;   // pushed, or free to go, by a record that may not be durable yet
    struct list lacking; // ready but for their bytes
    size_t ready_count;  // with bytes
};

// One session that takes from the queue. Its credit is totals since its start.
struct receiver {
    struct list link;
    struct share share;
    struct list sent;
    uint64_t connection;
    uint64_t instance; // hash of its name: which subjects are its
    uint64_t granted_messages, granted_bytes, sent_messages, sent_bytes;
    size_t in_flight;
    uint64_t in_flight_bytes;
};

struct queue_time {
    uint64_t ms; // monotonic
    int64_t us;  // since 1970
};

struct queue {
    struct list work;    // of the owner's agenda: it has something to do at the next turn
    struct list *agenda; // borrowed; NULL: nobody wants to know
    struct heap_node timer;
    uint32_t id;
    char *name; // owned
    struct queue_limits limits;
    uint64_t next_position; // of the next push
    uint64_t settled;       // all up to here
    uint64_t settled_durable;
    uint64_t settle_record; // the last record that settled or carried any of it
    struct {                // kept by broker/carry.c: nothing up to `last` needs its segment any more, as
        uint64_t last;      // soon as `record` is on the disk
        uint64_t record;
    } cleared;
    uint64_t settled_marked; // `settled` when a batch was last appended
    uint64_t settling;       // the record that will say what is being settled, or failed, now
    uint64_t freeing;        // such a record that a delivery waits for
    struct spans settled_beyond;
    struct { // kept by broker/settlement.c: what happened in memory and has no record yet
        struct spans settled;
        uint64_t bytes; // of them
        struct positions failed;
        bool overflowed; // the batch had no room for all of it
        uint64_t late;   // the last record that waited for room: nothing goes out before it is durable
    } unwritten;
    struct carried carried; // where what outlived its segment is found now
    struct {                // kept by broker/parking.c
        bool full;
        size_t publishers; // that wait for room
        int64_t since_us;  // of the longest of them, where there are any
        uint64_t count;    // how often one began to wait
        uint64_t logged_ms;
        uint64_t everywhere; // in a shared journal: so much waits for all processes, at least
    } parking;
    struct {               // readings that failed (unread.c)
        uint32_t tries;    // in a row; QUEUE_READ_TRIES: what can't be read is given up
        uint64_t position; // of the first of them
        uint64_t until_ms; // it waits, or gives up
        bool waits;
    } unread;
    uint64_t read_position; // the next one to enter the window
    struct {                // deliveries without a gap up to next_position, each with its bytes (tail.c)
        struct list items;
        size_t count;
        uint64_t pinned; // bytes of their chunks, each once
    } tail;
    uint64_t recovered; // positions below may have been sent by an earlier process
    uint64_t unsettled;
    uint64_t bytes;
    struct laying own;          // envelopes that only it has, of this turn
    struct known known;         // by position
    bool shared;                // the journal is: positions are this process's own
    struct number_map places;   // then: by place
    struct number_map floors;   // then: lane -> all of it up to this place is settled, and that is durable
    struct number_map subjects; // hash -> the last delivery of its chain
    struct number_map failures; // position -> struct failure (owned)
    // hash -> the record that settles the last one known of a subject, of which more may lie in the journal:
    // [0] of what is gathered now, [1] of the batch that was appended last.
    struct number_map freed[2];
    uint64_t freed_any; // the same of some subject for which there was no memory
    struct list receivers;
    size_t receiver_count;
    uint64_t flight_bytes; // that one receiver may have unsettled
    struct share common;   // without a subject, or without receivers
    struct list dying, dying_lacking;
    struct heap retries;
    size_t held;      // known ones that are neither sent, dying nor have bytes
    size_t in_flight; // at all receivers
    size_t dying_count;
    uint64_t dying_bytes;
    uint64_t trimmed;  // all unsettled ones up to here were looked at for the limits
    int64_t expiry_us; // none of the known expires before
    uint64_t sweep_ms; // not before this they are looked at again
    uint64_t probe_due_ms;
    bool probe; // look at the head although nobody has credit (age)
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

// The tail is dropped before. The name of its route that a known delivery points to becomes what `copies` has
// for that address.
void queue_rename_routes(struct queue *queue, const struct number_map *copies);

// A push with this subject comes soon.
void queue_expect(const struct queue *queue, uint64_t subject_hash);

// In a shared journal: something waits there, at the next position. `maybe_sent`: by another process.
void queue_arrive(struct queue *queue, size_t size, bool maybe_sent);
// It is another process's now: as if it had never come. `size` as it arrived. 0 or -ENOMEM.
int queue_withdraw(struct queue *queue, uint64_t position, size_t size);
// All up to this place is settled in its lane, and durable. 0 or -ENOMEM.
int queue_raise_floor(struct queue *queue, uint64_t place);

// What recovery knows of a delivery, of settled spans, of one that failed.
void queue_recover_push(struct queue *queue, uint64_t position, size_t size);
int queue_recover_settled(struct queue *queue, uint64_t first, uint64_t last);
int queue_recover_failure(struct queue *queue, const struct failure *failure); // copied; 0 or -ENOMEM

// The last position of the settled ones that stand without a gap from `from` on; below `from`: it is
// unsettled.
uint64_t queue_settled_to(const struct queue *queue, uint64_t from);
// The reading goes on behind what is settled there: it may be gone from the journal.
void queue_skip_settled(struct queue *queue);

// What is settled was appended; and is on the disk.
void queue_mark(struct queue *queue);
void queue_marked(struct queue *queue);

// ---- Its owner's loop ----
// Whoever changes something that lets it work (other than by these functions) wakes it.
void queue_wake(struct queue *queue);
// Due retries become ready; expired ones and the oldest over the limits start dying. Returns when it needs
// the next tick at the latest (monotonic ms), whatever happens.
uint64_t queue_tick(struct queue *queue, struct queue_time now);
// Whether the next turn has to look at it again without anything that wakes it; besides what it has to load.
bool queue_busy(const struct queue *queue);

// ---- Receivers ----
// Returns borrowed: lives until queue_detach(). NULL without memory. `instance`: a hash of its name.
struct receiver *queue_attach(
    struct queue *queue, uint64_t connection, uint64_t instance, uint64_t messages, uint64_t bytes);
void queue_grant(struct queue *queue, struct receiver *receiver, uint64_t messages, uint64_t bytes); // totals
// Its share moves to the others; what was sent to it becomes ready again.
void queue_detach(struct queue *queue, struct receiver **self);

// ---- Loading ----
struct queue_load {
    uint64_t from;
    size_t count;
    size_t bytes;
    bool bear; // what the disk fails to read is given up
};
#define QUEUE_LOADS 8
// A reading that fails is tried so often, with so long a pause; then the queue goes on past what can't be
// read for a while, and then it is as at first.
#define QUEUE_READ_TRIES 10u
#define QUEUE_READ_PAUSE_MS 3000
#define QUEUE_READ_BEAR_MS 60000
// What has to be read from the journal now: fills `out`, returns how many.
size_t queue_loads(const struct queue *queue, struct queue_load out[QUEUE_LOADS]);
// The same from memory, before anything is asked for. 0 or -ENOMEM. `*any`: something entered the window.
int queue_take_tail(struct queue *queue, struct queue_time now, bool *any);
void queue_drop_tail(struct queue *queue); // all is read back
// One loaded delivery, with its own reference to `chunk`. Positions that are settled or have their bytes are
// passed over. 0 or -ENOMEM.
int queue_loaded(struct queue *queue, const struct record_delivery *delivery, const char *route,
    struct chunk *chunk, struct bytes envelope, struct queue_time now);
// One that was to be loaded and can't be read, now or ever: it dies, without an envelope and for the reason
// in `text`. Positions that are settled, sent or have their bytes are passed over. 0 or -ENOMEM.
int queue_unreadable(struct queue *queue, uint64_t position, const char *text, struct queue_time now);
// The disk failed to read this one. Nothing is asked for until it is tried again.
void queue_unread(struct queue *queue, uint64_t position, struct queue_time now);

// ---- Sending ----
struct queue_frame {
    struct buffer head; // a Deliver frame
    struct slice body;
    size_t count;
};
struct queue_batch_limits {
    size_t messages;
    size_t bytes;
};
// Fills a frame with what may be sent to the receiver now; count 0: nothing. 0 or -ENOMEM.
int queue_fill(struct queue *queue, struct receiver *receiver, uint64_t durable, int64_t now_us,
    const struct queue_batch_limits *limits, struct queue_frame *out);

// ---- Settling ----
// Marks those at the places [first, last] that were sent to the receiver as settled, and says at which
// positions in `spans`, with the bytes they had. 0 or -ENOMEM.
int queue_settle(struct queue *queue, struct receiver *receiver, uint64_t first, uint64_t last,
    struct spans *spans, uint64_t *bytes);

struct queue_verdict {
    uint64_t place;
    uint32_t retry_after_ms; // 0: the back-off of its rule
    bool reject;
    const char *text;
};
// One that failed at the receiver: tried again later, or dying. `*out` (borrowed until it is
// settled) is what a journal has to keep of it; NULL: the receiver has no such one in flight. 0 or -ENOMEM.
int queue_fail(struct queue *queue, const struct receiver *receiver, const struct queue_verdict *verdict,
    struct queue_time now, const struct failure **out);
// The next dying one with bytes, or NULL. It goes by queue_bury().
struct delivery *queue_next_dead(const struct queue *queue);
// Why it died, for a person: cut to `size`, never within a character.
void delivery_dead_text(const struct delivery *delivery, char *out, size_t size);
// It has its dead letter and is settled. As queue_settle().
int queue_bury(struct queue *queue, struct delivery *delivery, struct spans *spans, uint64_t *bytes);
