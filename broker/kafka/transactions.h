// Batches as transactions on a Kafka cluster, with a thread that writes: one batch is under way, the next is
// gathered meanwhile. A batch is durable when its commit was acknowledged.
//
// Four transactional ids, PREFIX.NAME.0 to .3, in turn: with one, a transaction waits for the marks of the
// one before. All four are taken over at open: what a process of this name left open ends there, and it can
// commit nothing more. What the cluster doesn't answer is asked again, and an aborted batch is begun again,
// for as long as it takes; `cluster.tell` hears of it.
//
// Memory: a batch under way is in librdkafka's queue once more, so it is at most three times batch_limit with
// the one that is gathered. Each id is a handle of librdkafka: two threads and one for each node.
#pragma once

#include "broker/kafka/cluster.h"
#include "broker/kafka/gathered.h"

#define TRANSACTIONS_IDS 4
#define TRANSACTIONS_TOPICS 16384u // topics that one broker writes to

struct transactions_options {
    size_t batch_limit;  // of gathered_new(); 0: 16 MiB. More than 2,000 MiB is refused
    size_t record_limit; // of gathered_new(); 0: 9 MiB. A topic's max.message.bytes is above it (topics.h)
    // The cluster ends a transaction that is open for longer, and then this process is fenced: to be longer
    // than the cluster takes to do without a node. 0: 30 s. A fifth of it is waited for any one answer.
    int transaction_ms;
    int open_ms; // how long open asks for an answer; 0: 60 s
};

struct transactions;

// Takes over the four ids. 0, KAFKA_AGAIN (no answer in open_ms), KAFKA_FENCED (another took over meanwhile),
// negative.
int transactions_open(const struct cluster *cluster, const struct transactions_options *options,
    struct transactions **out, struct error *error);
// What is under way is given up where the cluster doesn't answer within a second: whether it was committed is
// then not known. Its batch is freed.
void transactions_close(struct transactions **self);

struct gathered *transactions_batch(
    const struct transactions *transactions); // for these limits; owned, or NULL

// The number of a topic, for `put`. The same name has the same number. 0, KAFKA_FULL, -ENOMEM.
int transactions_topic(struct transactions *transactions, const char *name, uint32_t *out);

// Begins to write. Takes the batch and sets `*batch` to NULL. 0; KAFKA_BUSY; -EINVAL: a part has no offset;
// after a fatal error what it was. Then nothing happened.
int transactions_start(struct transactions *transactions, struct gathered **batch, struct error *error);
bool transactions_busy(const struct transactions *transactions);
int transactions_fd(const struct transactions
        *transactions); // readable when there is something to collect, now and then without

// The batch that became durable, back: owned, with the refused parts marked (gathered_refused()). With `wait`
// it waits for the one that is under way. 0 with `*out` NULL: there is none yet. KAFKA_FENCED or negative:
// nothing more will be committed, and what was under way wasn't, or it isn't known; the process must end.
int transactions_collect(
    struct transactions *transactions, bool wait, struct gathered **out, struct error *error);

struct transactions_status {
    uint64_t committed; // batches since open
    uint64_t again;     // attempts that were aborted and begun again, of those the next two:
    uint64_t refused;   // parts that were left out
};
void transactions_status(const struct transactions *transactions, struct transactions_status *out);
