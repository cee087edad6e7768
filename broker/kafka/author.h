// Publishers' durable streams by the ids that the core gave them in this process. As many as the core has
// known: 64 of a system, and those that had not been heard of for 90 days and made room for others
// (broker/session/publisher.h); 200 bytes each.
#pragma once

#include "core/base/buffer.h"
#include "core/base/map.h"

struct author {
    char system[129];
    uint8_t stream[16];
    uint64_t sequence; // the last one decided in what is gathered
    bool news;         // it is to be said
    struct author *next_news;
};

struct authors { // zero-initialised it is empty
    struct number_map by_id;
    struct author *news; // so that a batch costs only those that it has something of
};

void authors_destroy(struct authors *authors);
// 0, -ENOMEM, -EBADMSG (the id is another's).
int authors_add(struct authors *authors, uint32_t id, const char *system, struct bytes stream);
struct author *authors_get(const struct authors *authors, uint32_t id); // or NULL: of no durable stream
// The last one decided of its stream, which is then to be said; a lower one than before changes nothing.
void authors_advance(struct authors *authors, uint32_t id, uint64_t sequence);
const struct author *authors_news(const struct authors *authors); // one that is to be said, or NULL
void authors_said(struct authors *authors);                       // that one was

// A stream's key: "AGENCY/SYSTEM", 0, the stream. Appended; 0 or -ENOMEM. In PREFIX.streams the name of the
// broker that says it stands behind it, so that compaction keeps each broker's last word: one that commits
// late says less than another has said since, and must not undo it.
int author_key(const char *system, const uint8_t stream[16], struct buffer *out);
struct bytes author_key_of(struct bytes key); // without the name
