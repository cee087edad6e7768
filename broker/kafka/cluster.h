// A Kafka cluster, as the journal on one needs it (docs/decisions/0030-kafka-journal.md): topics and the
// bus's id (topics.h, bus.h), batches in transactions (transactions.h), a destination's consumer group
// (group.h), compacted topics that are followed (follow.h). Nothing here knows what a record says.
//
// One thread uses each of them. Where something takes its time, a thread of the library does it, and a file
// descriptor is readable when there is something to take. What opens, and topics.h and bus.h, block.
#pragma once

#include "core/base/error.h"

#include <librdkafka/rdkafka.h>

#include <stddef.h>

enum {
    KAFKA_AGAIN = 1,  // no answer, or one that may soon be another: ask again
    KAFKA_WRONG = 2,  // the cluster isn't as it must be; the text says what is, and what would be right
    KAFKA_FENCED = 3, // another process of this name has taken over, or this one stood still for too long
    KAFKA_BUSY = 4,   // what was asked before is still under way: nothing happened
    KAFKA_FULL = 5,   // over the limit: nothing was taken
};

struct cluster_setting { // of librdkafka
    const char *name;
    const char *value;
};

// Borrowed by everything that is opened with it, until that is closed.
struct cluster {
    const char *brokers; // "host:port,…"
    const char *prefix;  // of the topics' names
    const char *name;    // of this broker: what its transactions are known by
    const struct cluster_setting *settings;
    size_t setting_count;
    // What librdkafka says, and what is tried again: from any thread; `level` as of syslog. It names brokers
    // and topics, never what a record holds. NULL: nobody listens.
    void (*tell)(void *context, int level, const char *facility, const char *text);
    void *tell_context;
};

void cluster_tell(const struct cluster *cluster, int level, const char *facility, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

// ---- Inside broker/kafka ----

// Settings in pairs, the last name NULL. First `defaults`, then the cluster's own, then `musts`, which a
// cluster's setting can't change. Returns owned; 0 or negative with the text.
int cluster_handle(const struct cluster *cluster, rd_kafka_type_t type,
    const struct cluster_setting *defaults, const struct cluster_setting *musts, rd_kafka_t **out,
    struct error *error);

// KAFKA_FENCED, KAFKA_AGAIN, or -EIO, by what librdkafka makes of it. Destroys `why`, which isn't NULL; the
// text is "`what`: …".
int cluster_failed(rd_kafka_t *rk, const char *what, rd_kafka_error_t *why, struct error *error);
