// The topics of a bus: made, compared with what they must be, and shortened at their old end. All of it
// blocks, up to `timeout_ms` for each question to the cluster; but deleting, which has an answer of its own.
#pragma once

#include "broker/kafka/cluster.h"
#include "broker/kafka/names.h"

struct topics_wanted {
    const char *const
        *destinations;        // "agency/system", each with a topic for deliveries and one for dead letters
    size_t destination_count; // at most TOPICS_DESTINATIONS
    int partitions;  // of each topic that is made, but PREFIX.bus, which has one; at most TOPICS_PARTITIONS
    int replication; // of each topic that is made
    int64_t retention_ms; // of PREFIX.record; -1: for ever
    size_t record_limit;  // as in transactions_options; 0: 9 MiB
};

#define TOPICS_DESTINATIONS 8000u
#define TOPICS_PARTITIONS 10000 // a position has 15 bits for it

// One setting of a topic.
enum topic_rule { TOPIC_EXACTLY, TOPIC_AT_LEAST };
struct topic_setting {
    const char *name;
    char value[32];
    enum topic_rule rule;
};
#define TOPIC_SETTINGS 6

struct topic {
    char name[TOPIC_NAME_SIZE];
    enum topic_kind kind;
    int partitions; // as wanted; after topics_describe() as it is
    int replication;
    struct topic_setting settings[TOPIC_SETTINGS];
    size_t setting_count;
};

struct topics {
    struct topic *items;
    size_t count;
};

// What `wanted` comes to; no I/O. 0, -EINVAL with the text, -ENOMEM. Owned.
int topics_plan(
    const char *prefix, const struct topics_wanted *wanted, struct topics *out, struct error *error);
void topics_destroy(struct topics *topics);

struct admin;

// A handle for these questions. 0 or negative.
int topics_open(const struct cluster *cluster, int timeout_ms, struct admin **out, struct error *error);
void topics_close(struct admin **self);

// Makes those that aren't there, and returns when all partitions of all have a leader. 0, KAFKA_WRONG,
// KAFKA_AGAIN.
int topics_make(struct admin *admin, const struct topics *topics, struct error *error);
// How many partitions each has. 0, KAFKA_WRONG (one is missing), KAFKA_AGAIN.
int topics_describe(struct admin *admin, struct topics *topics, struct error *error);
// Whether each is kept as it must be: all that differ are in the text. 0, KAFKA_WRONG, KAFKA_AGAIN.
int topics_check(struct admin *admin, const struct topics *topics, struct error *error);

// Asks to delete all records before `offset`; at most one such question at a time for an `admin`. 0,
// KAFKA_BUSY.
int topics_delete_before(
    struct admin *admin, const char *topic, int32_t partition, int64_t offset, struct error *error);
// Its answer, waiting at most `timeout_ms`. 0 and `*first`: the first offset that is still there. KAFKA_BUSY:
// not yet. KAFKA_WRONG (such as an offset behind the end), KAFKA_AGAIN: it failed.
int topics_deleted(struct admin *admin, int timeout_ms, int64_t *first, struct error *error);
