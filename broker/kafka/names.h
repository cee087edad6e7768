// The names of topics, and which partition a key belongs to.
#pragma once

#include "core/base/bytes.h"
#include "core/base/error.h"

enum topic_kind {
    TOPIC_TO,      // PREFIX.to.AGENCY.SYSTEM, which is its consumer group's name too
    TOPIC_DEAD,    // PREFIX.dead.AGENCY.SYSTEM
    TOPIC_STATE,   // PREFIX.state
    TOPIC_STREAMS, // PREFIX.streams
    TOPIC_RECORD,  // PREFIX.record
    TOPIC_BUS,     // PREFIX.bus
};

#define TOPIC_NAME_SIZE 250 // Kafka allows 249 bytes

bool topic_kind_is_of_destination(enum topic_kind kind);
// `destination` is "agency/system", for the kinds that have one. 0, -EINVAL with the text: letters, digits,
// "-" and "_" only (in the prefix "." too), and not too long.
int topic_name(enum topic_kind kind, const char *prefix, const char *destination, char out[TOPIC_NAME_SIZE],
    struct error *error);

// The same for ever, and what Kafka's own Java client would choose (murmur2).
int32_t partition_of(struct bytes key, int32_t partitions);
