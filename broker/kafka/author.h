// Publishers' durable streams by the ids that the core gave them in this process.
#pragma once

#include "core/base/buffer.h"
#include "core/base/map.h"

struct author {
    char system[129];
    uint8_t stream[16];
    uint64_t sequence; // the last one decided in what is gathered
    bool news;         // it is to be said
};

struct authors { // zero-initialised it is empty
    struct number_map by_id;
};

void authors_destroy(struct authors *authors);
// 0 or -ENOMEM.
int authors_add(struct authors *authors, uint32_t id, const char *system, struct bytes stream);
struct author *authors_get(const struct authors *authors, uint32_t id); // or NULL: of no durable stream
// The key of a stream in PREFIX.streams: "AGENCY/SYSTEM", 0, the stream. Appended; 0 or -ENOMEM.
int author_key(const char *system, const uint8_t stream[16], struct buffer *out);
