// Publishers' durable streams: what the broker has of each, so that a repeat is recognised.
#pragma once

#include "core/base/map.h"
#include "core/wire/wire.h"

struct publisher {
    uint32_t id;  // from 1
    char *system; // owned
    uint8_t stream[WIRE_STREAM_SIZE];
    uint64_t sequence; // the last one decided
    uint64_t marked;   // its sequence when a batch was last appended
    uint64_t durable;  // of that, on disk: what may be told
    unsigned users;    // open sessions
    int64_t last_us;   // when it was last heard of
};

struct publishers { // zero-initialised it is empty
    struct map *by_stream;
    struct publisher **items; // owned; index id - 1; NULL: forgotten
    size_t count;
};

#define PUBLISHERS_PER_SYSTEM 64
#define PUBLISHER_KEPT_US (90ll * 24 * 3600 * 1000000) // one not heard of for longer makes room for a new one

enum {
    PUBLISHERS_TOO_MANY = 1,
};

void publishers_destroy(struct publishers *publishers);
struct publisher *publishers_find(
    const struct publishers *publishers, const char *system, struct bytes stream);
struct publisher *publishers_by_id(const struct publishers *publishers, uint32_t id); // or NULL
// A new one; `id` 0: the next free. 0, PUBLISHERS_TOO_MANY, -ENOMEM.
int publishers_add(struct publishers *publishers, uint32_t id, const char *system, struct bytes stream,
    int64_t now_us, struct publisher **out);
