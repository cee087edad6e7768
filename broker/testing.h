// A broker in memory for tests: the real core and journal (memory back end), no sockets, a clock that tests
// turn, and a routing of the test's own in place of routes/*.yaml (the test defines the matcher_* functions).
#pragma once

#include "broker/internal.h"

struct bench {
    char folder[64];
    struct policy *policy;
    struct configuration configuration; // of this policy and the test's routing
    struct journal_store *store;
    struct broker *broker;
    struct journal *journal;
    struct journal_batch *batch;
    struct update update;
    uint64_t now_ms;
    size_t payload; // bytes of each message's, zeros
    bool no_append; // what is gathered stays in memory: nothing is durable
    bool may_fail;  // steps run out of memory after `allocations` more; `failed` says so
    size_t allocations;
    bool failed;
};

#define BENCH_BROKER                                                                                         \
    "listen: tcp://127.0.0.1:0\ncurve: false\ncatalogue: " HUTONG_BUILD_DIR "/catalogue.binpb\n"
// For a test with a configuration of its own: a folder; its files; then all else of bench_open().
void bench_prepare(struct bench *bench);
void bench_write(const struct bench *bench, const char *name, const char *text);
void bench_begin(struct bench *bench);
struct policy *bench_policy(const struct bench *bench); // of the folder as it is now; owned

void bench_open(struct bench *bench);  // folder, policy, a new store; then bench_start()
void bench_start(struct bench *bench); // a broker on the store, as after a start of the process
void bench_stop(struct bench *bench);  // as a kill: what was not appended is gone
void bench_close(struct bench *bench); // all of it

void bench_step(struct bench *bench, struct event event);
// A frame from a peer whose key belongs to `system`. `body` is copied; NULL: none.
void bench_frame(struct bench *bench, uint64_t connection, const char *system, const wire_frame *frame,
    const struct buffer *body);
void bench_bytes(struct bench *bench, uint64_t connection, const char *system, struct bytes head,
    const struct buffer *body);
void bench_hello(
    struct bench *bench, uint64_t connection, const char *system, const char *stream, bool receive);
// A receiver by this instance, with credit for so many messages; it publishes nothing.
void bench_receive(
    struct bench *bench, uint64_t connection, const char *system, const char *instance, uint64_t messages);
void bench_gone(struct bench *bench, uint64_t connection); // it can't be reached any more
// `count` messages from `sequence` on; their subjects are `subject`, their ids "m<sequence>".
void bench_publish(struct bench *bench, uint64_t connection, const char *system, uint64_t sequence,
    uint32_t count, const char *subject);
void bench_settle(
    struct bench *bench, uint64_t connection, const char *system, uint64_t first, uint64_t last);
void bench_fail(struct bench *bench, uint64_t connection, const char *system, uint64_t position,
    uint32_t retry_ms, bool reject);
bool bench_load(struct bench *bench); // what the last step wished for; whether there was anything
void bench_turn(struct bench *bench); // turn, append, durable, loads, until nothing more is to do

// Takes the oldest frame of this kind that goes to the connection: parsed and owned, or NULL. Its body goes
// to `body` (owned).
wire_frame *bench_take(struct bench *bench, uint64_t connection, int kind, struct buffer *body);
size_t bench_waiting(const struct bench *bench, uint64_t connection, int kind);
// The ids of the deliveries in all deliver frames to the connection, "m1,m2,".
void bench_delivered(struct bench *bench, uint64_t connection, char *out, size_t size);
