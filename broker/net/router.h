// The broker's socket: a ROUTER with CURVE and an allow-list of keys. The only place, with its neighbours in
// broker/net, that names ZeroMQ. One thread.
#pragma once

#include "core/base/buffer.h"
#include "core/base/chunk.h"
#include "core/base/error.h"

#include <stdbool.h>

struct router;

struct router_options {
    const char *listen;     // "tcp://127.0.0.1:*" takes a free port
    const char *secret_key; // Z85, NULL: no CURVE; borrowed until router_new() returns
    size_t connections;     // limit
    size_t message_bytes;   // of one part
    uint32_t heartbeat_ms;  // ZMTP's own
    // Who owns a public key (Z85): a name that lives as long as the router, or NULL: refused.
    const char *(*owner_of)(void *context, const char *public_key);
    void *context;
};

int router_new(const struct router_options *options, struct router **out, struct error *error);
void router_destroy(struct router **self);
const char *router_endpoint(const struct router *router); // as bound

// Something that a peer sent.
struct incoming {
    uint64_t connection;
    const char *owner;  // as owner_of() said; NULL without CURVE
    struct bytes head;  // valid until the next receive
    struct chunk *body; // to be unref'd by the taker, or NULL
    bool malformed;     // not one or two parts: head and body are empty
    uint64_t gone;      // a connection whose routing id this one took over; 0: none
};
// Takes what is there without waiting. 0, ROUTER_EMPTY, negative.
enum {
    ROUTER_EMPTY = 1,
    ROUTER_GONE = 2, // send: the peer can't be reached, or doesn't read
};
int router_receive(struct router *router, struct incoming *out);
// Takes the buffers, also when it fails. 0, ROUTER_GONE, negative.
int router_send(struct router *router, uint64_t connection, struct buffer *head, struct buffer *body);
void router_forget(struct router *router, uint64_t connection);

// Waits until something is there: a frame, a request on the control socket, or `wake_fd` is readable. Answers
// authentication on the way.
// With `listen` false peers are not looked at: what they send waits in their connections.
int router_wait(
    struct router *router, uint64_t timeout_ms, int wake_fd, bool listen, bool *readable, bool *control);

struct router_counters {
    uint64_t authenticated;
    uint64_t denied;         // a key that no system owns
    uint64_t bad_handshakes; // ZAP requests that were no CURVE ones
    uint64_t received_frames, sent_frames, received_bytes, sent_bytes;
};
void router_counters(const struct router *router, struct router_counters *out);

// ---- Another thread may ask the core by message. ----
// In the asking thread: sends `request` and waits up to `timeout_ms` for the answer. 0, -ETIMEDOUT, negative.
struct control;
struct control *control_new(struct router *router); // returns owned; used by one thread
void control_destroy(struct control **self);
int control_ask(struct control *control, const char *request, struct buffer *answer, uint32_t timeout_ms);
// In the core's thread: the request that waits (NUL-terminated in `request`), to be answered at once.
int router_control_receive(struct router *router, char *request, size_t size);
int router_control_answer(struct router *router, struct bytes answer);
