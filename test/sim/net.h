// The simulated network between adapters and the broker: connections as TCP gives them. What is sent on one
// arrives in its order or, when it is cut, from some point on not at all; connections overtake each other.
// Beneath broker/net's interface (router.c) and beneath the simulated adapters (client.c).
#pragma once

#include "core/base/buffer.h"
#include "core/base/chunk.h"
#include "core/base/list.h"
#include "core/base/map.h"
#include "test/sim/world.h"

struct client; // who calls: client.h

struct frame {
    struct list link;
    struct connection *connection;
    struct buffer head;
    struct buffer body; // to the broker
    bool has_body;
    struct slice slice; // from the broker: as it handed it over, until it arrives
};

struct direction {
    struct list frames; // on their way, oldest first
    size_t count;
    uint64_t last; // when the last one arrives
    uint64_t held; // nothing arrives before: a stalled line
    bool hole;     // what is sent is lost, and nobody is told: a half-open connection
};

struct connection {
    struct list link; // of net.connections
    struct net *net;
    struct client *client;      // NULL: it closed
    const struct client *owner; // the same, also when it closed
    uint64_t serial;
    uint64_t number;  // by which the broker knows it; 0: not yet, or forgotten
    uint64_t delay;   // ns, one way
    bool open;        // the client was told that it stands
    bool broker_end;  // the broker's process holds it
    bool broker_told; // the broker's side knows that the client is gone
    struct direction up, down;
};

struct net {
    struct world *world;
    struct list connections; // all that ever were
    struct list arrived;     // frames that the broker may receive
    struct number_map by_number;
    uint64_t next_number;
    uint64_t next_serial;
    uint64_t slowest;  // delay of a connection, at most
    size_t high_water; // frames on the way to a client, at most
    bool listening;
};

void net_init(struct net *net, struct world *world);
void net_destroy(struct net *net);

// ---- The client's end ----
struct connection *net_connect(struct net *net, struct client *client);
void net_send(struct connection *connection, struct buffer *head, struct buffer *body); // takes the buffers
// What was sent still arrives, unless the process crashed.
void net_close(struct connection *connection, bool crashed);

// ---- The broker's end ----
void net_listen(struct net *net);
// The process is gone: what it sent arrives up to some point, with `graceful` all of it.
void net_broker_down(struct net *net, bool graceful);
struct frame *net_receive(struct net *net); // owned, or NULL
bool net_reply(
    struct net *net, uint64_t number, struct buffer *head, struct slice *body); // takes; false: gone
void net_forget(struct net *net, uint64_t number);
void frame_free(struct frame *frame);

// ---- Faults ----
struct connection *net_pick(struct net *net);               // one that stands, by chance; or NULL
void net_cut(struct connection *connection);                // both ends are told, sooner or later
void net_half_open(struct connection *connection);          // one way or both are lost, and nobody is told
void net_stall(struct connection *connection, uint64_t ns); // nothing arrives for so long
void net_heal(struct net *net); // from now on there are no faults; half-open ones are cut
