// What transactions.c (the owner's side) and attempt.c (the thread's) share.
#pragma once

#include "broker/kafka/transactions.h"
#include "core/base/map.h"
#include "core/journal/writer.h"

#include <stdatomic.h>

struct transaction_id {
    rd_kafka_t *rk;
    rd_kafka_topic_t **topics; // by number, made as they are needed
};

struct transactions {
    const struct cluster *cluster;
    struct transactions_options options;
    struct transaction_id ids[TRANSACTIONS_IDS];
    size_t turn;
    char **names; // of topics, by number; never moved, since the thread reads it
    size_t name_count;
    struct map *numbers; // name -> number + 1
    struct writer *writer;
    atomic_bool ending;
    // The thread's while it is busy, otherwise the owner's.
    struct gathered *under_way;
    int result;
    struct error why;
    // Counted by the thread, read by the owner at any time.
    atomic_uint_fast64_t committed;
    atomic_uint_fast64_t again;
    atomic_uint_fast64_t refused;
};

// attempt.c: until the batch is committed, a fatal error, or `ending`. 0, KAFKA_AGAIN (ending), KAFKA_FENCED,
// negative. In the thread.
int transactions_write(struct transactions *transactions, struct gathered *batch, struct error *error);

// attempt.c: one of librdkafka's calls that wait for an answer, again until it is there, at most
// `patience_ms` (negative: for ever) and not while ending. 0, KAFKA_AGAIN (no answer, or the transaction must
// be aborted), KAFKA_FENCED, negative. `code`, which may be NULL: what it was.
struct transaction_call {
    const char *what;
    rd_kafka_error_t *(*call)(rd_kafka_t *rk, const void *context, int timeout_ms);
    const void *context;
    int64_t patience_ms;
};
int transactions_ask(struct transactions *transactions, rd_kafka_t *rk, const struct transaction_call *call,
    rd_kafka_resp_err_t *code, struct error *error);
