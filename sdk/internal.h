// What the files of the SDK share: one connection. Each field says who may touch it. Private to sdk/.
#pragma once

#include "core/base/map.h"
#include "core/crypto/random.h"
#include "core/wire/wire.h"
#include "sdk/block.h"
#include "sdk/hutong.h"
#include "sdk/link.h"
#include "sdk/options.h"
#include "sdk/ranges.h"
#include "sdk/spool.h"

#include <stdatomic.h>

#include <zmq.h>

// ---- Outcomes: who wants to know what became of which message. Under `lock`. ----

struct outcome {
    uint64_t sequence;
    hutong_outcome_callback *callback;
    void *context;
    bool refused;
    char *refusal; // owned: why; may be NULL
};

// A ring in the order of sequences.
struct outcomes {
    struct outcome *entries;
    size_t capacity; // a power of two
    size_t head;
    size_t count;
};

int outcomes_reserve(struct outcomes *outcomes); // room for one more; 0 or -ENOMEM
void outcomes_push(struct outcomes *outcomes, const struct outcome *outcome);
void outcomes_drop_last(
    struct outcomes *outcomes, uint64_t sequence); // the one pushed last, if it is `sequence`
// Takes `text`, which may be NULL: it is a refusal also without memory for its text.
void outcomes_refuse(struct outcomes *outcomes, uint64_t sequence, char *text);
bool outcomes_ready(const struct outcomes *outcomes, uint64_t decided);
size_t outcomes_take(struct outcomes *outcomes, uint64_t decided, struct outcome *out, size_t limit);
void outcomes_destroy(struct outcomes *outcomes);

// A thread inside hutong_publish_wait(), on its stack.
struct waiter {
    struct waiter *next;
    uint64_t sequence;
    bool refused;
    char text[256];
};

// ---- Gathering: blocks that the connection's thread has not taken yet. Under `lock`. ----

struct gather {
    struct block *head;
    struct block *tail;       // application threads append here
    uint64_t next;            // sequence of the next message
    uint64_t ticket;          // of the newest block
    uint64_t durable_ticket;  // blocks up to this one are on disk
    uint64_t position_serial; // of the position set last
    struct buffer scratch;    // extension attributes of the message that is being added
};

// When the connection's thread wants to be woken by a publisher.
enum want {
    WANT_NOTHING,
    WANT_FULL_BLOCK,
    WANT_ANY,
};

// ---- Receiving. ----

// A deliver frame with its body, on its way to hutong_dispatch().
struct arrival {
    struct arrival *next;
    wire_frame *frame;
    zmq_msg_t body;
};

struct failure {
    uint64_t position;
    uint32_t retry_after_ms;
    bool reject;
    size_t text; // see settlements_text()
};

// What dispatch hands to the connection's thread. Under `lock`.
struct settlements {
    struct range *done;
    size_t done_count;
    size_t done_capacity;
    struct failure *failures;
    size_t failure_count;
    size_t failure_capacity;
    struct buffer texts; // each with a NUL
};

int settlements_done(struct settlements *settlements, uint64_t position);
int settlements_fail(
    struct settlements *settlements, uint64_t position, const struct hutong_settlement *settlement);
const char *settlements_text(const struct settlements *settlements, const struct failure *failure);
void settlements_clear(struct settlements *settlements);
void settlements_destroy(struct settlements *settlements);

struct inward {
    struct arrival *head;
    struct arrival **tail;
    struct settlements settlements;
    struct number_map later; // positions of this session that wait for hutong_settle(): see dispatch.c
    uint64_t freed_messages; // settled in this session
    uint64_t freed_bytes;
    uint64_t session; // rises with each
    uint8_t bus[WIRE_STREAM_SIZE];
    bool bus_known;
    bool broken; // a body that can't be read: the session must end
};

// Handlers: set before hutong_run(), then read in the dispatching thread only.
struct handler {
    hutong_handler *call;
    void *context;
};

// ---- The connection's thread. ----

enum phase {
    PHASE_WAITING,  // until retry_at
    PHASE_OPENING,  // the socket connects
    PHASE_GREETING, // hello is sent, welcome awaited
    PHASE_SESSION,
};

// Blocks that the broker has not decided, and what it allows. The connection's thread's own.
struct window {
    struct block *head;
    struct block *tail;
    struct block *sending;  // the first that is not wholly sent; NULL: none
    uint64_t next;          // sequence behind the last block
    uint64_t sent;          // last sequence sent in this session
    uint64_t base;          // sequence on the wire = sequence - base
    uint64_t sent_messages; // in this session
    uint64_t sent_bytes;
    uint64_t credit_messages;
    uint64_t credit_bytes;
    size_t bytes; // of its blocks
};

// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): in the order of who may touch it
struct hutong {
    struct options options;
    pthread_t thread;
    bool started;
    void *zmq;
    int wake_fd;  // the connection's thread has something to do
    int ready_fd; // hutong_dispatch() has something to do
    atomic_bool stop;
    uint8_t stream[WIRE_STREAM_SIZE]; // in the ids that are made; with a spool also on the wire
    char id_prefix[2 * WIRE_STREAM_SIZE + 2];
    struct block_pool pool;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    // Under `lock`:
    size_t waiting; // threads in a wait for `changed`
    enum hutong_state state;
    bool closing; // no more publishing
    bool ending;  // the connection's thread must end
    bool was_connected;
    bool broken; // the spool failed: no publishing any more
    bool full;   // the spool is full: nothing is taken until a write is tried again
    bool stuck;  // the last write to the spool failed for want of room
    char text[256];
    char notice[256]; // see struct hutong_status
    char hold[256];   // the broker's; written by the connection's thread only
    struct gather gather;
    enum want want;
    uint64_t decided;       // all sequences up to here
    uint64_t window_bytes;  // published and not decided; with a spool: and not stored
    uint64_t first;         // sequence of the first message since open
    uint64_t message_limit; // bytes of an envelope
    uint64_t accepted;
    uint64_t refused;
    uint64_t received;
    uint64_t settled;
    uint64_t reconnects;
    struct outcomes outcomes;
    struct waiter *waiters;
    struct inward inward;
    bool ready;
    struct buffer position; // the source's, as it is on disk

    // The dispatching thread's:
    struct map *handlers; // type -> struct handler
    struct handler any;
    struct round *round;
    hutong_round_end *round_end;
    void *round_context;

    // The connection's thread's:
    struct spool *spool; // NULL: none
    struct link link;
    enum phase phase;
    uint64_t deadline; // of OPENING and GREETING; when WAITING ends; monotonic ns
    unsigned attempts;
    uint64_t session_since;
    uint64_t heartbeat_ns;
    uint64_t heard; // when something came last, monotonic ns
    uint64_t spoke;
    uint64_t tidy_at;
    uint64_t trim_at; // spare memory goes back after an idle second
    uint64_t retry_store_at;
    uint64_t granted_messages;
    uint64_t granted_bytes;
    uint64_t batch_bytes; // the broker's limits
    uint32_t batch_messages;
    struct window window;
    struct buffer frame; // scratch
    struct random_pool random;
};

// hutong.c: under `lock`, unless said otherwise.
void sdk_wake(struct hutong *hutong);    // the connection's thread; without the lock too
void sdk_ready(struct hutong *hutong);   // hutong_dispatch()
void sdk_changed(struct hutong *hutong); // whoever waits for a change
// Waits for a change until `deadline` (monotonic ns; UINT64_MAX: for ever). False at the deadline.
bool sdk_wait(struct hutong *hutong, uint64_t deadline);
uint64_t sdk_deadline(uint32_t timeout_ms);

// connection.c
void *connection_run(void *hutong);
// Sends a frame and takes `body`, which may be NULL. Ends the session when that fails: false.
bool connection_send(struct hutong *hutong, const wire_frame *frame, zmq_msg_t *body);
// Ends the session, whatever its phase; the next attempt comes after a pause, a long one in HUTONG_DENIED.
void connection_end(struct hutong *hutong, enum hutong_state state, const char *text, int linger_ms);
void connection_fail(
    struct hutong *hutong, const char *text); // the same, if there is one, with HUTONG_CONNECTING
void connection_complain(struct hutong *hutong, wire_reason reason, const char *text); // and tells the broker

// session.c: takes in one message of the broker; false: there is none. The session may have ended after it.
bool session_receive(struct hutong *hutong);

// message.c: what is wrong with a message, before anything is taken.
enum hutong_code message_check(const struct hutong_message *message, struct hutong_error *error);

// outgoing.c: the connection's thread.
// Whether the broker knows more of this stream than was ever sent from here.
bool outgoing_refuses(const struct hutong *hutong, uint64_t last_sequence);
// A session begins. Negative: the spool can't note it.
int outgoing_begin(struct hutong *hutong, uint64_t last_sequence, const uint8_t *bus, struct error *error);
void outgoing_end(struct hutong *hutong);
void outgoing_store(struct hutong *hutong); // gathered blocks into the spool, or the window
void outgoing_send(struct hutong *hutong);
void outgoing_accepted(struct hutong *hutong, const Hutong__Bus__V1__Accepted *accepted);
bool outgoing_idle(struct hutong *hutong); // nothing waits to be stored, sent or decided
void outgoing_release(struct hutong *hutong);

// dispatch.c
struct round *round_new(struct hutong *hutong); // owned, or NULL
void round_destroy(struct round **self);

// incoming.c: the connection's thread.
void incoming_begin(struct hutong *hutong, const uint8_t *bus);
void incoming_end(struct hutong *hutong);
void incoming_deliver(struct hutong *hutong, wire_frame **frame, zmq_msg_t *body); // takes both
void incoming_settle(struct hutong *hutong); // settlements and credit to the broker
void incoming_destroy(struct hutong *hutong);
void arrival_free(struct arrival *arrival);
