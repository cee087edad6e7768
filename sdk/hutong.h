// hutong.h: what an adapter links. Connect, publish, handle, settle; with a durable spool for when the broker
// is away.
//
// A connection runs one thread of its own that talks to the broker (heartbeats, reconnecting with back-off
// and jitter, the spool). Callbacks run only inside hutong_run() or hutong_dispatch(), in the caller's
// thread: a handler may block for a database. hutong_publish() and hutong_settle() may be called from any
// thread; all else from one.
//
// Texts are UTF-8, NUL-terminated and borrowed for the call unless said otherwise. Times are microseconds
// since 1970 UTC.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HUTONG_API __attribute__((visibility("default")))

struct hutong;

enum hutong_code {
    HUTONG_OK = 0,
    HUTONG_INVALID, // an argument or option is wrong; calling again with the same won't help
    HUTONG_NO_MEMORY,
    HUTONG_DISK,        // the spool: full, damaged, or locked by another process
    HUTONG_UNREACHABLE, // no session with the broker
    HUTONG_REFUSED,     // the broker refused: identity, protocol, a message
    HUTONG_FULL,        // the spool or the window of unaccepted messages is full
    HUTONG_TIMEOUT,
    HUTONG_CLOSED,
};

struct hutong_error {
    enum hutong_code code;
    bool retriable; // the same call may succeed later
    char text[512]; // what is wrong and what would be right, for a person
};

struct hutong_options {
    const char *endpoint;        // "tcp://bus.example:7400"
    const char *system;          // "public_security/population"
    const char *instance;        // NULL: "default"
    const char *key_file;        // own CURVE certificate with the secret key (hutong keys); NULL: no CURVE
    const char *broker_key_file; // the broker's public certificate; required with key_file
    const char *spool_folder;    // NULL: no spool: what isn't accepted is lost with the process
    uint64_t spool_limit;        // bytes on disk, 0: 1 GiB
    const char *software;        // NULL: the program's name; shown to operators
    bool receive;                // take deliveries
    uint32_t receive_messages;   // unsettled deliveries at most, 0: 1,000
    uint64_t receive_bytes;      // bytes of them at most, 0: 16 MiB
    uint32_t window_messages;    // without a spool: unaccepted messages at most, 0: 10,000
    uint64_t window_bytes;       // 0: 64 MiB
    uint32_t reconnect_min_ms;   // 0: 100
    uint32_t reconnect_max_ms;   // 0: 10,000
};

// Starts connecting and returns at once: connected or not, publishing works into the spool or the window.
// Opens the spool (one process at a time). `options` and its texts are copied. HUTONG_OK and `*out` owned.
HUTONG_API enum hutong_code hutong_open(
    const struct hutong_options *options, struct hutong **out, struct hutong_error *error);

// Waits up to `timeout_ms` for what was published to be accepted (with a spool: to be on disk; the rest goes
// on at the next open), says bye and frees. NULL inside is fine. HUTONG_TIMEOUT when something was left
// behind.
HUTONG_API enum hutong_code hutong_close(struct hutong **self, uint32_t timeout_ms);

enum hutong_state {
    HUTONG_CONNECTING,
    HUTONG_CONNECTED,
    HUTONG_DENIED,    // the broker refused this identity or version; it goes on trying, slowly
    HUTONG_DISK_FULL, // the spool can't take more; until something was stored again
};

struct hutong_status {
    enum hutong_state state;
    uint64_t published; // since open
    uint64_t accepted;  // by the broker, since open
    uint64_t refused;   // by the broker, since open
    uint64_t spooled;   // on disk or in the window, not yet accepted
    uint64_t received;
    uint64_t settled;
    uint64_t reconnects;
    char text[256]; // the last error of the connection
    // What a person should know of the session, though it goes on: another bus than before, or one whose
    // account of the spool went backwards. "": nothing.
    char notice[256];
    char hold[256]; // why the broker takes in nothing more for now: "housing/tenancy is full"; "": it does
};
HUTONG_API void hutong_status(struct hutong *hutong, struct hutong_status *out);
HUTONG_API enum hutong_code hutong_wait_connected(struct hutong *hutong, uint32_t timeout_ms);

// For a spool that was put back from an old copy (HUTONG_DENIED): what isn't accepted in it goes to the
// broker as a new stream at the next open. What another copy had sent already goes out again, under the same
// ids.
// `*left` (may be NULL): how many that are. While nobody has the spool open.
HUTONG_API enum hutong_code hutong_new_stream(
    const char *spool_folder, uint64_t *left, struct hutong_error *error);

// ---- Publishing ----

struct hutong_message {
    const char *id;      // NULL: one is made from stream and sequence
    const char *type;    // full protobuf name
    const char *subject; // NULL: none
    int64_t time_us;     // 0: now
    int64_t expires_us;  // 0: as the route says
    const void *payload; // wire bytes
    size_t payload_size;
    // Extension attributes: name, value, name, value, …, NULL. NULL: none.
    const char *const *attributes;
};

// What became of a message. `accepted`: on the broker's disk. Otherwise `error` says why it was refused; it
// won't be sent again.
struct hutong_outcome {
    uint64_t sequence; // in the stream
    bool accepted;
    struct hutong_error error;
};
typedef void hutong_outcome_callback(void *context, const struct hutong_outcome *outcome);

struct hutong_publish_options {
    // Called from hutong_dispatch() once the broker has decided. With a spool: not for messages of an earlier
    // process.
    hutong_outcome_callback *callback; // NULL: none
    void *context;
    // With a spool: where the source has got to, stored in the same write as the message, so that after a
    // crash the source goes on exactly behind it. At most 4 KiB; NULL: unchanged.
    const void *position;
    size_t position_size;
    // Returns once the message is taken (spool: on disk). Otherwise it is gathered with others and taken soon
    // after; hutong_flush() waits for it.
    bool wait;
    // How long it may wait for room in memory, where what was published before is still on its way to the
    // disk or the broker. Not for a spool that is full: that is said at once.
    uint32_t room_ms;
};

// Takes a message: copies it. `options` may be NULL. Without room it returns HUTONG_FULL (retriable), at once
// or after `room_ms`.
HUTONG_API enum hutong_code hutong_publish(struct hutong *hutong, const struct hutong_message *message,
    const struct hutong_publish_options *options, uint64_t *sequence, struct hutong_error *error);

// As hutong_publish, and waits until the broker has accepted or refused it.
HUTONG_API enum hutong_code hutong_publish_wait(struct hutong *hutong, const struct hutong_message *message,
    uint32_t timeout_ms, struct hutong_error *error);

// Waits until all that was published is on disk in the spool (without a spool: accepted or refused).
HUTONG_API enum hutong_code hutong_flush(
    struct hutong *hutong, uint32_t timeout_ms, struct hutong_error *error);

// The position stored last, also by an earlier process; copied into `out` (up to `size`). Returns its size;
// 0: none.
HUTONG_API size_t hutong_position(struct hutong *hutong, void *out, size_t size);
// Stores a position without a message (all that was read needed no message). On disk when it returns.
HUTONG_API enum hutong_code hutong_store_position(
    struct hutong *hutong, const void *position, size_t size, struct hutong_error *error);

// ---- Receiving ----

// A queue may have several lanes, such as the partitions of a journal on a Kafka cluster: a position's is
// `position >> HUTONG_LANE_SHIFT`, 0 when there is only one. Positions rise within a lane, maybe with gaps,
// and say nothing of each other between lanes.
#define HUTONG_LANE_SHIFT 48
// All positions of the same lane are above this, which is none itself.
#define HUTONG_LANE_START(position) ((position) >> HUTONG_LANE_SHIFT << HUTONG_LANE_SHIFT)

// Valid inside the handler only, with all it points to.
struct hutong_delivery {
    const uint8_t *bus; // 16 bytes: positions count within this bus
    uint64_t position;  // the same at every attempt
    // All positions of this one's lane up to here, so above HUTONG_LANE_START(settled), are settled: nothing
    // of them comes again, and what was kept of them may be forgotten.
    uint64_t settled;
    uint32_t attempt; // from 1
    const char *route;
    const char *id;
    const char *source;
    const char *type;
    const char *subject;
    int64_t time_us;
    const uint8_t *payload;
    size_t payload_size;
    const char *const *attributes; // name, value, …, NULL
    bool
        replay; // an operator sent it again: its effect may be there from an earlier one, at another position
};

enum hutong_verdict {
    HUTONG_DONE,   // the effect is there and durable
    HUTONG_RETRY,  // try again: after `retry_after_ms`, or as the route says when 0
    HUTONG_REJECT, // never: a dead letter with `text`
    HUTONG_LATER,  // not decided yet: hutong_settle() follows
};

struct hutong_settlement {
    enum hutong_verdict verdict;
    uint32_t retry_after_ms;
    char text[512]; // for the dead letter and the log; no personal data
};

// Fills `*settlement` (DONE at first) for one delivery.
typedef void hutong_handler(
    void *context, const struct hutong_delivery *delivery, struct hutong_settlement *settlement);

// `type`: full protobuf name, or NULL for all types without a handler of their own. A delivery without a
// handler is rejected. Set handlers before hutong_run().
HUTONG_API enum hutong_code hutong_handle(struct hutong *hutong, const char *type, hutong_handler *handler,
    void *context, struct hutong_error *error);

// Settles a delivery that was left for LATER.
HUTONG_API enum hutong_code hutong_settle(
    struct hutong *hutong, uint64_t position, const struct hutong_settlement *settlement);
// As hutong_settle, for a delivery that may be of an earlier session: `bus` is the delivery's (16 bytes).
// When another bus is there by now, whose position means another message, nothing is settled: HUTONG_OK.
HUTONG_API enum hutong_code hutong_settle_on(
    struct hutong *hutong, const uint8_t *bus, uint64_t position, const struct hutong_settlement *settlement);

// Called at the end of each dispatch in which deliveries were handled, before their settlements go out: a
// handler that gathers (a transaction, a file) commits here. A settlement other than DONE replaces those of
// the whole round. Optional.
typedef void hutong_round_end(void *context, size_t deliveries, struct hutong_settlement *settlement);
HUTONG_API void hutong_on_round_end(struct hutong *hutong, hutong_round_end *callback, void *context);

// Runs callbacks for what is there, waiting up to `timeout_ms` for the first. Returns how many ran.
HUTONG_API size_t hutong_dispatch(struct hutong *hutong, uint32_t timeout_ms);
// Readable when hutong_dispatch() has something to do: for a poll loop of one's own.
HUTONG_API int hutong_fd(struct hutong *hutong);
// Dispatches until hutong_stop(), which may be called from a signal handler or any thread.
HUTONG_API void hutong_run(struct hutong *hutong);
HUTONG_API void hutong_stop(struct hutong *hutong);

HUTONG_API const char *hutong_version(void);

#ifdef __cplusplus
}
#endif
