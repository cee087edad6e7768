// routes/*.yaml compiled to a matcher; no I/O when matching. docs/routes.md
#pragma once

#include "broker/policy/policy.h"
#include "core/base/error.h"

struct routes;
struct matcher;

// Loads every *.yaml of the folder. Every problem goes to the report; NULL when there was any error. Returns
// owned; `policy` is borrowed and must outlive it.
struct routes *routes_load(const struct policy *policy, const char *folder, struct report *report);
void routes_destroy(struct routes **self);
size_t routes_count(const struct routes *routes); // in the files
const uint8_t *routes_digest(
    const struct routes *routes); // 32 bytes: SHA-256 of the set's files, sorted by name

// One destination of a message.
struct match {
    const char *route;     // its name; lives as long as the routes
    const char *agreement; // or NULL
    size_t destination;    // its place in the route's `to`, from 0
    const struct policy_system *to;
    const struct schema_message *type; // that is delivered
    struct bytes payload;              // mapped, until the next match; data NULL: the original as it is
    const struct mapping_copy *copies; // of the payload, that it shares with the original
    size_t copy_count;                 // at most WIRE_COPIES_LIMIT
    bool whole;           // the payload is the original, but for fields that the catalogue doesn't know
    struct bytes subject; // what orders it; the envelope's own without order_by
    uint32_t retries;
    uint32_t backoff_min_ms;
    uint32_t backoff_max_ms;
    int64_t expires_us;    // from now; 0: never
    uint32_t element;      // which element of a message that is split, from 1; 0: it isn't split
    int dead_reason;       // a wire_reason (UNMAPPED, FILTER): it must become a dead letter; 0: it is to be
                           // delivered
    const char *dead_text; // why
};

#define ROUTE_NAME_LIMIT 100      // bytes of a route's name
#define ROUTE_ELEMENTS_LIMIT 1000 // that `split` makes of one message; beyond it is a dead letter as a whole
#define MATCHES_LIMIT 4096        // deliveries and dead letters of one message
#define MATCH_COPIES_LIMIT 256    // of all its payloads; others are taken for texts of their own

enum {
    MATCH_REFUSED = 1, // the payload is not a message of its type
    MATCH_TOO_LARGE =
        2, // it would have more than MATCHES_LIMIT deliveries, or more bytes than a batch of the journal
};

// The scratch of one thread: scans, activations, output. Returns owned, or NULL.
struct matcher *matcher_new(const struct routes *routes);
void matcher_destroy(struct matcher **self);

// Checks the payload and finds its destinations. `subject` is the envelope's. Everything in `*out` is valid
// until the next call. 0, MATCH_REFUSED or MATCH_TOO_LARGE with the text, -ENOMEM.
int matcher_match(struct matcher *matcher, const struct policy_system *from,
    const struct schema_message *type, struct bytes subject, struct bytes payload, int64_t now_us,
    const struct match **out, size_t *count, struct error *error);
