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
    uint32_t silence_ms;    // after so long without an answer of its system a peer is cut off; at least 15 s
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
    ROUTER_CLOSED = 2, // mailboxes: there is nobody any more who answers
};
int router_receive(struct router *router, struct incoming *out);
// Takes head and body, also when it fails; without a body it is a frame of one part. The body's chunk is held
// until ZeroMQ has sent it, and let go of in this thread (at a later call). 0, negative. To one that is gone,
// or doesn't read, nothing goes: router_gone() says so in time.
int router_send(struct router *router, uint64_t connection, struct buffer *head, struct slice *body);
void router_forget(struct router *router, uint64_t connection);
// A peer may say something and leave: sending to it fails before that was received. So a connection to which
// something could not be sent is gone only when all that was there has been received (ROUTER_EMPTY), or after
// a second beside others that never pause. Returns it, and it is forgotten; 0: none.
uint64_t router_gone(struct router *router);
bool router_cut(const struct router *router); // whether one waits for that

// Waits until something is there: a frame, a request on the control socket, or one of two files is readable
// (-1: none). Answers authentication on the way.
// With `listen` false peers are not looked at: what they send waits in their connections.
int router_wait(struct router *router, uint64_t timeout_ms, const int wake[2], bool listen, bool *readable,
    bool *control);

struct router_counters {
    uint64_t authenticated;
    uint64_t denied;         // a key that no system owns
    uint64_t bad_handshakes; // ZAP requests that were no CURVE ones
    uint64_t received_frames, sent_frames, received_bytes, sent_bytes;
};
void router_counters(const struct router *router, struct router_counters *out);

// ---- Threads ask each other by message; nothing is shared and nothing locked. ----
// A thread that answers has a mailbox with a name; the core's is the router's own, "core". Requests wait in
// line.
#define MAILBOX_CORE "core"
struct mailbox;
int mailbox_new(struct router *router, const char *name, struct mailbox **out); // 0 or negative; owned
void mailbox_destroy(struct mailbox **self);
// Waits for a request, or until `fd` is readable. 0, ROUTER_CLOSED, negative.
int mailbox_wait(struct mailbox *mailbox, int fd, bool *asked, bool *readable);
int mailbox_receive(
    struct mailbox *mailbox, struct buffer *request);             // 0, ROUTER_EMPTY, ROUTER_CLOSED, negative
int mailbox_answer(struct mailbox *mailbox, struct bytes answer); // to the last request

// The side that asks; used by one thread.
struct control;
struct control *control_new(struct router *router, const char *mailbox); // returns owned, or NULL
void control_destroy(struct control **self);
// Sends `request` and waits for the answer, which is appended. `timeout_ms` negative: for ever. 0,
// -ETIMEDOUT, ROUTER_CLOSED, negative.
int control_ask(struct control *control, struct bytes request, struct buffer *answer, int timeout_ms);

// The core's own mailbox, in its thread.
int router_control_receive(struct router *router, struct buffer *request);
int router_control_answer(struct router *router, struct bytes answer);
// The core answers no more: whoever waits for an answer or a request is told ROUTER_CLOSED.
void router_close_mailboxes(struct router *router);
