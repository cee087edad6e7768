// The owner's side: opening, handing batches over, taking them back.
#include "broker/kafka/transactions_internal.h"

#include <stdio.h>
#include <stdlib.h>

#define BATCH_LIMIT ((size_t)16 << 20)
#define BATCH_MOST ((size_t)2000 << 20)
#define RECORD_LIMIT ((size_t)9 << 20)
#define TRANSACTION_MS 30000
#define OPEN_MS 60000
#define FRAME_SIZE 4096u // what a record has around it on its way

// ---- Opening ----

static struct transactions_options complete(const struct transactions_options *given) {
    struct transactions_options options = *given;
    options.batch_limit = options.batch_limit ? options.batch_limit : BATCH_LIMIT;
    options.record_limit = options.record_limit ? options.record_limit : RECORD_LIMIT;
    options.transaction_ms = options.transaction_ms ? options.transaction_ms : TRANSACTION_MS;
    options.open_ms = options.open_ms ? options.open_ms : OPEN_MS;
    return options;
}

// librdkafka itself would wait for almost a transaction's time for one node that stands still.
static int answer_ms(int transaction_ms) {
    return transaction_ms / 5 > 1000 ? transaction_ms / 5 : 1000;
}

static int make_producer(struct transactions *transactions, size_t number, struct error *error) {
    const struct transactions_options *options = &transactions->options;
    char id[256];
    char timeout[32];
    char answer[32];
    char largest[32];
    char queue[32];
    if ((size_t)snprintf(id, sizeof id, "%s.%s.%zu", transactions->cluster->prefix,
            transactions->cluster->name, number) >= sizeof id)
        return error_set(error, -EINVAL, "the names of the bus and of the broker are too long");
    snprintf(timeout, sizeof timeout, "%d", options->transaction_ms);
    snprintf(answer, sizeof answer, "%d", answer_ms(options->transaction_ms));
    snprintf(largest, sizeof largest, "%zu", options->record_limit + FRAME_SIZE);
    snprintf(queue, sizeof queue, "%zu", options->batch_limit / 1024 + 1024);
    const struct cluster_setting defaults[] = {{"socket.timeout.ms", answer}, {NULL, NULL}};
    const struct cluster_setting musts[] = {{"transactional.id", id}, {"enable.idempotence", "true"},
        {"acks", "all"}, {"transaction.timeout.ms", timeout}, {"message.max.bytes", largest},
        {"queue.buffering.max.kbytes", queue}, {"queue.buffering.max.messages", "1000000"}, {NULL, NULL}};
    return cluster_handle(
        transactions->cluster, RD_KAFKA_PRODUCER, defaults, musts, &transactions->ids[number].rk, error);
}

static rd_kafka_error_t *call_init(rd_kafka_t *rk, const void *context, int timeout_ms) {
    (void)context;
    return rd_kafka_init_transactions(rk, timeout_ms);
}

static int take_over(struct transactions *transactions, struct error *error) {
    const struct transaction_call call = {
        "taking over the transactional ids", call_init, NULL, transactions->options.open_ms};
    int rc = 0;
    for (size_t i = 0; i < TRANSACTIONS_IDS && rc == 0; i++)
        rc = make_producer(transactions, i, error);
    for (size_t i = 0; i < TRANSACTIONS_IDS && rc == 0; i++)
        rc = transactions_ask(transactions, transactions->ids[i].rk, &call, NULL, error);
    return rc;
}

static int allocate(struct transactions *transactions) {
    transactions->names = calloc(TRANSACTIONS_TOPICS, sizeof *transactions->names);
    transactions->numbers = map_new();
    bool whole = transactions->names && transactions->numbers;
    for (size_t i = 0; i < TRANSACTIONS_IDS; i++) {
        transactions->ids[i].topics = calloc(TRANSACTIONS_TOPICS, sizeof(rd_kafka_topic_t *));
        whole = whole && transactions->ids[i].topics;
    }
    return whole ? 0 : -ENOMEM;
}

static void work(void *context) {
    struct transactions *transactions = context;
    transactions->result = transactions_write(transactions, transactions->under_way, &transactions->why);
}

int transactions_open(const struct cluster *cluster, const struct transactions_options *options,
    struct transactions **out, struct error *error) {
    if (options->batch_limit > BATCH_MOST)
        return error_set(error, -EINVAL, "a batch has 2,000 MiB at most");
    struct transactions *transactions = calloc(1, sizeof *transactions);
    if (!transactions)
        return error_no_memory(error);
    transactions->cluster = cluster;
    transactions->options = complete(options);
    int rc = allocate(transactions) ? error_no_memory(error) : take_over(transactions, error);
    if (rc == 0 && (rc = writer_new(work, transactions, &transactions->writer)))
        error_set(error, rc, "starting a thread: %s", strerror(-rc));
    if (rc)
        transactions_close(&transactions);
    else
        *out = transactions;
    return rc;
}

// ---- Closing ----

static void close_id(struct transaction_id *id, size_t topic_count) {
    for (size_t i = 0; i < topic_count; i++)
        if (id->topics[i])
            rd_kafka_topic_destroy(id->topics[i]);
    free(id->topics);
    if (!id->rk)
        return;
    rd_kafka_purge(
        id->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
    rd_kafka_destroy(id->rk);
}

void transactions_close(struct transactions **self) {
    struct transactions *transactions = *self;
    *self = NULL;
    if (!transactions)
        return;
    atomic_store(&transactions->ending, true);
    writer_destroy(&transactions->writer);
    for (size_t i = 0; i < TRANSACTIONS_IDS; i++)
        close_id(&transactions->ids[i], transactions->name_count);
    for (size_t i = 0; i < transactions->name_count; i++)
        free(transactions->names[i]);
    free(transactions->names);
    map_destroy(&transactions->numbers);
    gathered_destroy(&transactions->under_way);
    free(transactions);
}

// ---- Topics ----

static int add_topic(struct transactions *transactions, const char *name) {
    size_t number = transactions->name_count;
    if (number == TRANSACTIONS_TOPICS)
        return KAFKA_FULL;
    char *copy = strdup(name);
    if (!copy || map_put(transactions->numbers, bytes_of_string(name), (void *)(uintptr_t)(number + 1))) {
        free(copy);
        return -ENOMEM;
    }
    transactions->names[number] = copy;
    transactions->name_count++;
    return 0;
}

int transactions_topic(struct transactions *transactions, const char *name, uint32_t *out) {
    struct bytes key = bytes_of_string(name);
    int rc = map_get(transactions->numbers, key) ? 0 : add_topic(transactions, name);
    if (rc)
        return rc;
    *out = (uint32_t)((uintptr_t)map_get(transactions->numbers, key) - 1);
    return 0;
}

// ---- Batches ----

struct gathered *transactions_batch(const struct transactions *transactions) {
    return gathered_new(transactions->options.batch_limit, transactions->options.record_limit);
}

static bool parts_have_offsets(struct gathered *batch) {
    for (uint32_t i = 1; i <= gathered_parts(batch); i++)
        if (!gathered_part_at(batch, i)->offsets)
            return false;
    return true;
}

int transactions_start(struct transactions *transactions, struct gathered **batch, struct error *error) {
    if (transactions_busy(transactions))
        return error_set(error, KAFKA_BUSY, "the batch before is still under way");
    if (transactions->result) {
        *error = transactions->why;
        return transactions->result;
    }
    if (transactions->under_way)
        return error_set(error, KAFKA_BUSY, "the batch before is not collected");
    if (!parts_have_offsets(*batch))
        return error_set(error, -EINVAL, "a group's part of the batch has no offset");
    transactions->under_way = *batch;
    *batch = NULL;
    writer_start(transactions->writer);
    return 0;
}

bool transactions_busy(const struct transactions *transactions) {
    return writer_busy(transactions->writer);
}

int transactions_fd(const struct transactions *transactions) {
    return writer_fd(transactions->writer);
}

int transactions_collect(
    struct transactions *transactions, bool wait, struct gathered **out, struct error *error) {
    if (wait)
        writer_wait(transactions->writer);
    writer_heard(transactions->writer);
    *out = NULL;
    if (transactions_busy(transactions))
        return 0;
    if (transactions->result) {
        *error = transactions->why;
        return transactions->result;
    }
    *out = transactions->under_way;
    transactions->under_way = NULL;
    return 0;
}

void transactions_status(const struct transactions *transactions, struct transactions_status *out) {
    out->committed = transactions->committed;
    out->again = transactions->again;
    out->refused = transactions->refused;
}
