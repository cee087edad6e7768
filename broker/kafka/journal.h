// The journal on a Kafka cluster: the back end that several brokers share
// (docs/decisions/0030-kafka-journal.md). Behind core/journal/journal.h; what is said there of a shared
// journal holds. There is no chain, nothing can be erased, and a record can't be read by its sequence:
// JOURNAL_REFUSED.
#pragma once

#include "broker/kafka/cluster.h"
#include "core/journal/journal.h"

struct journal_kafka_options {
    struct cluster cluster; // copied; what it points to is borrowed until the journal is closed
    int partitions;         // of topics that are made
    int replication;        // of them
    int64_t retention_ms;   // of PREFIX.record
    size_t batch_limit;     // of the batches that will be appended
    size_t record_limit;    // of one record
};

// Makes the topics that aren't there, and takes over what an earlier process of this name had under way. It
// blocks, for a minute at most. 0 or negative.
int journal_kafka_open(const struct journal_kafka_options *options, const struct journal_owner *owner,
    struct journal **out, struct error *error);
