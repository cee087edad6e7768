// One attempt at a session: a DEALER socket of its own, and what its monitor tells. Used by the connection's
// thread.
#pragma once

#include "core/base/error.h"
#include "sdk/options.h"

struct link {
    void *socket;  // DEALER; NULL: none
    void *monitor; // PAIR
    uint64_t number;
};

enum link_event {
    LINK_NOTHING,
    LINK_UP,     // connected, and the handshake is done: what was sent before goes out too
    LINK_LOST,   // the connection ended or could not be made
    LINK_DENIED, // the broker doesn't let this key in
};

int link_open(
    void *context, const struct options *options, struct link *link, struct error *error); // 0 or negative
void link_close(struct link *link, int linger_ms);
// What the monitor has seen since, the last of it; LINK_LOST and LINK_DENIED fill `error`'s text.
enum link_event link_watch(struct link *link, struct error *error);
