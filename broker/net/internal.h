// Shared by the files of broker/net; for nobody else.
#pragma once

#include "broker/net/router.h"
#include "core/base/list.h"
#include "core/base/map.h"

#include <stdatomic.h>
#include <zmq.h>

struct connection {
    struct list link; // in `cut` or `heard`, else in none
    uint64_t number;
    const char *owner;
    size_t id_size;
    uint8_t id[256];
};

struct router {
    struct router_options options;
    void *zmq;
    void *threads; // a context of its own for mailboxes, so that they can end before the network does
    void *socket;
    void *control;
    void *zap; // NULL without CURVE
    char endpoint[256];
    struct map *ids;               // routing id -> struct connection (owned)
    struct number_map connections; // number -> struct connection
    uint64_t last_number;
    struct list cut;                 // what is sent there fails; what it sent before may still wait
    struct list heard;               // of those: all that they sent was received
    uint64_t cut_ns;                 // when the first in `cut` came there
    zmq_msg_t head;                  // of the last receive
    _Atomic(struct lent *) returned; // lent.c
    struct router_counters counters;
};

// lent.c: slices of chunks that ZeroMQ sends from where they lie. Chunks are counted by the core's thread
// alone; ZeroMQ is done with one in another thread, which hands it back.
int lent_message(struct router *router, struct slice *slice, zmq_msg_t *out); // takes; 0, or -1 with errno
void lent_take_back(struct router *router);                                   // drops what was handed back

int zap_open(struct router *router);   // 0, or -1 with errno
int zap_answer(struct router *router); // all requests that wait; 0 or negative
const char *zap_owner(const struct router *router, zmq_msg_t *message);
