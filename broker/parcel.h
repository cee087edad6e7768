// A message with where it goes, on its way into the journal's batch and the queues. Inside the broker's core.
#pragma once

#include "broker/internal.h"

struct parcel {
    const char *source;    // the address of the system that said it
    uint32_t publisher;    // 0: of no durable stream
    uint64_t sequence;     // in it
    uint64_t replay_of;    // an operator sends it again: the record it comes from; 0: it is new
    uint64_t subject_hash; // orders all its deliveries; 0: what the matches say does
    struct chunk *body;    // where envelope->raw lies; borrowed
    const struct wire_envelope *envelope;
    const struct match *matches;
    size_t match_count;
};

// More than the record of a message or of a dead letter that the matcher made, and a delivery in it, have
// besides the envelopes: names of routes have ROUTE_NAME_LIMIT bytes at most, numbers of agreements
// POLICY_ID_LIMIT, addresses 128, the matcher's words ERROR_TEXT_SIZE.
#define PARCEL_RECORD_ROOM ((size_t)1536)
#define PARCEL_DELIVERY_ROOM ((size_t)512)

// Whether each element of a message that is split can have its id; otherwise the text.
bool parcel_ids_fit(const struct parcel *parcel, struct error *error);

// Records the message with a delivery for each match that isn't dead, and puts those into their queues: all
// of it or nothing. The room is also there for the matches that are dead, each with the whole message, and
// for `behind` bytes more. `*sent` is how many deliveries that were. 0; JOURNAL_BATCH_FULL: append, then
// again; -EMSGSIZE: no batch could take it; -ENOMEM: the process must end.
int parcel_send(
    struct broker *broker, const struct parcel *parcel, size_t behind, struct update *update, size_t *sent);
