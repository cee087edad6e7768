// The broker's way of a message without its sockets: what callgrind counts (bench/gate).
#pragma once

#include "broker/broker.h"
#include "core/base/buffer.h"

#include <stdint.h>

// A frame as it comes out of the socket.
struct hotpath_frame {
    uint64_t connection;
    const struct policy_system *proved;
    struct buffer head;
    struct chunk *body; // or NULL
};

// The broker and its journal; hotpath.c's alone.
struct hotpath {
    struct configuration *configuration;
    struct broker *broker;
    struct journal *journal;
    struct journal_batch *batch;
    struct update update;
    uint64_t now_ms;
};

// What the daemon does in one turn with what it received: each frame, the turn, append and sync, what is
// durable now, what has to be loaded. Takes the frames' contents. The frames to send stay in `update`.
int hotpath_serve(struct hotpath *hotpath, struct hotpath_frame *frames, size_t count);
// The same under the name that callgrind counts.
int hotpath_counted(struct hotpath *hotpath, struct hotpath_frame *frames, size_t count);

// ---- hotpath_peers.c: the publisher and the receivers, which are not counted. ----

struct hotpath_peers;
// Connection 1 publishes as the first system of the configuration that may; every other system receives.
// Owned.
struct hotpath_peers *hotpath_peers_new(const struct configuration *configuration, const char *publisher,
    const struct bytes *payloads, size_t payload_count);
void hotpath_peers_destroy(struct hotpath_peers **self);
// Writes what they say next into `frames` (room for `capacity`): hello at first, then `publishes` batches of
// `messages` each, and the settlements of what came. Returns how many frames.
size_t hotpath_peers_speak(struct hotpath_peers *peers, size_t publishes, uint32_t messages,
    struct hotpath_frame *frames, size_t capacity);
// Reads what the broker sends, and frees it.
void hotpath_peers_hear(struct hotpath_peers *peers, struct update *update);
uint64_t hotpath_peers_published(const struct hotpath_peers *peers);
uint64_t hotpath_peers_accepted(const struct hotpath_peers *peers);
uint64_t hotpath_peers_delivered(const struct hotpath_peers *peers);
