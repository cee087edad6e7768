// The thread that writes: one attempt after the other, until a batch is committed.
#include "broker/kafka/transactions_internal.h"

#include "core/base/clock.h"

#include <sys/syslog.h>
#include <time.h>

#define STEP_MS 1000 // of one call; between two of them it looks whether to end
#define ROOM_MS 10
#define FIRST_PAUSE_MS 50
#define LAST_PAUSE_MS 2000

static void pause_ms(int ms) {
    struct timespec wait = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000L};
    nanosleep(&wait, NULL);
}

static bool is_ending(const struct transactions *transactions) {
    return atomic_load(&transactions->ending);
}

// ---- Asking ----

static bool has_patience(
    const struct transactions *transactions, const struct transaction_call *call, uint64_t since_ns) {
    uint64_t waited_ms = (clock_monotonic_ns() - since_ns) / CLOCK_MILLISECOND_NS;
    return !is_ending(transactions) && (call->patience_ms < 0 || waited_ms < (uint64_t)call->patience_ms);
}

static int conclude(rd_kafka_t *rk, const char *what, rd_kafka_error_t *why, struct error *error) {
    if (!rd_kafka_error_txn_requires_abort(why))
        return cluster_failed(rk, what, why, error);
    error_set(error, KAFKA_AGAIN, "%s: %s", what, rd_kafka_error_string(why));
    rd_kafka_error_destroy(why);
    return KAFKA_AGAIN;
}

int transactions_ask(struct transactions *transactions, rd_kafka_t *rk, const struct transaction_call *call,
    rd_kafka_resp_err_t *code, struct error *error) {
    uint64_t since_ns = clock_monotonic_ns();
    for (bool told = false;; told = true) {
        rd_kafka_error_t *why = call->call(rk, call->context, STEP_MS);
        if (!why)
            return 0;
        if (code)
            *code = rd_kafka_error_code(why);
        if (!rd_kafka_error_is_retriable(why) || !has_patience(transactions, call, since_ns))
            return conclude(rk, call->what, why, error);
        if (!told)
            cluster_tell(transactions->cluster, LOG_NOTICE, "TRANSACTION", "%s: asked again: %s", call->what,
                rd_kafka_error_string(why));
        rd_kafka_error_destroy(why);
        pause_ms(FIRST_PAUSE_MS); // some answers come at once
    }
}

static rd_kafka_error_t *call_commit(rd_kafka_t *rk, const void *context, int timeout_ms) {
    (void)context;
    return rd_kafka_commit_transaction(rk, timeout_ms);
}

static rd_kafka_error_t *call_abort(rd_kafka_t *rk, const void *context, int timeout_ms) {
    (void)context;
    return rd_kafka_abort_transaction(rk, timeout_ms);
}

struct offsets_call {
    const rd_kafka_topic_partition_list_t *offsets;
    const rd_kafka_consumer_group_metadata_t *group;
};

static rd_kafka_error_t *call_offsets(rd_kafka_t *rk, const void *context, int timeout_ms) {
    const struct offsets_call *call = context;
    return rd_kafka_send_offsets_to_transaction(rk, call->offsets, call->group, timeout_ms);
}

// ---- Records ----

struct writing {
    struct transactions *transactions;
    struct transaction_id *id;
    struct error *error;
};

static rd_kafka_topic_t *topic_of(struct writing *writing, uint32_t number) {
    rd_kafka_topic_t **topic = &writing->id->topics[number];
    if (!*topic)
        *topic = rd_kafka_topic_new(writing->id->rk, writing->transactions->names[number], NULL);
    return *topic;
}

static rd_kafka_headers_t *make_headers(const struct put *put) {
    rd_kafka_headers_t *headers = rd_kafka_headers_new(put->header_count);
    for (size_t i = 0; headers && i < put->header_count; i++) {
        const struct put_header *header = &put->headers[i];
        if (rd_kafka_header_add(headers, header->name, -1, header->value.data, (ssize_t)header->value.size)) {
            rd_kafka_headers_destroy(headers);
            return NULL;
        }
    }
    return headers;
}

static rd_kafka_resp_err_t produce(
    rd_kafka_t *rk, rd_kafka_topic_t *topic, const struct put *put, rd_kafka_headers_t *headers) {
    void *value = (void *)(uintptr_t)put->value.data;
    return rd_kafka_producev(rk, RD_KAFKA_V_RKT(topic), RD_KAFKA_V_PARTITION(put->partition),
        RD_KAFKA_V_KEY(put->key.data, put->key.size), RD_KAFKA_V_VALUE(value, put->value.size),
        RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
}

static int write_one(void *context, const struct put *put) {
    struct writing *writing = context;
    rd_kafka_t *rk = writing->id->rk;
    rd_kafka_topic_t *topic = topic_of(writing, put->topic);
    rd_kafka_headers_t *headers = put->header_count ? make_headers(put) : NULL;
    if (!topic || (put->header_count && !headers))
        return error_no_memory(writing->error);
    rd_kafka_resp_err_t why;
    while ((why = produce(rk, topic, put, headers)) == RD_KAFKA_RESP_ERR__QUEUE_FULL &&
           !is_ending(writing->transactions))
        rd_kafka_poll(rk, ROOM_MS);
    if (!why)
        return 0;
    if (headers)
        rd_kafka_headers_destroy(headers);
    return error_set(writing->error, KAFKA_AGAIN, "topic %s, partition %d: %s", rd_kafka_topic_name(topic),
        put->partition, rd_kafka_err2str(why));
}

// ---- Offsets ----

static bool is_refusal(rd_kafka_resp_err_t code) {
    return code == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION || code == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID ||
           code == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID;
}

static int send_part(
    struct transactions *transactions, rd_kafka_t *rk, struct gathered_part *part, struct error *error) {
    rd_kafka_consumer_group_metadata_t *group = NULL;
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_error_t *why = rd_kafka_consumer_group_metadata_read(&group, part->token.data, part->token.size);
    if (why)
        return cluster_failed(rk, "the token of a group", why, error);
    const struct offsets_call offsets = {part->offsets, group};
    const struct transaction_call call = {"sending offsets", call_offsets, &offsets, -1};
    int rc = transactions_ask(transactions, rk, &call, &code, error);
    rd_kafka_consumer_group_metadata_destroy(group);
    if (rc && is_refusal(code)) {
        part->refused = true;
        transactions->refused++;
    }
    return rc;
}

static int send_parts(
    struct transactions *transactions, rd_kafka_t *rk, struct gathered *batch, struct error *error) {
    int rc = 0;
    for (uint32_t i = 1; i <= gathered_parts(batch) && rc == 0; i++)
        if (!gathered_refused(batch, i))
            rc = send_part(transactions, rk, gathered_part_at(batch, i), error);
    return rc;
}

// ---- An attempt ----

static int begin(rd_kafka_t *rk, struct error *error) {
    rd_kafka_error_t *why = rd_kafka_begin_transaction(rk);
    return why ? cluster_failed(rk, "beginning a transaction", why, error) : 0;
}

static int give_up(struct transactions *transactions, rd_kafka_t *rk, struct error *error) {
    const struct transaction_call call = {"aborting", call_abort, NULL, -1};
    struct error why;
    int rc = transactions_ask(transactions, rk, &call, NULL, &why);
    if (rc && rc != KAFKA_AGAIN)
        *error = why;
    return rc ? rc : KAFKA_AGAIN;
}

// 0; KAFKA_AGAIN: nothing of it is there, or it is ending; otherwise fatal.
static int attempt(struct transactions *transactions, struct transaction_id *id, struct gathered *batch,
    struct error *error) {
    static const struct transaction_call commit = {"committing", call_commit, NULL, -1};
    struct writing writing = {transactions, id, error};
    int rc = begin(id->rk, error);
    rc = rc ? rc : gathered_each(batch, write_one, &writing);
    rc = rc ? rc : send_parts(transactions, id->rk, batch, error);
    rc = rc ? rc : transactions_ask(transactions, id->rk, &commit, NULL, error);
    return rc == KAFKA_AGAIN ? give_up(transactions, id->rk, error) : rc;
}

// At once where a part was refused, otherwise after a pause that grows. The pause until the next time.
static int wait_before_next(
    struct transactions *transactions, uint64_t refused, int pause, const struct error *error) {
    bool at_once = transactions->refused != refused;
    transactions->again++;
    cluster_tell(transactions->cluster, at_once ? LOG_NOTICE : LOG_WARNING, "TRANSACTION",
        "a batch is begun again: %s", error->text);
    for (int waited = 0; !at_once && waited < pause && !is_ending(transactions); waited += FIRST_PAUSE_MS)
        pause_ms(FIRST_PAUSE_MS);
    return at_once || 2 * pause > LAST_PAUSE_MS ? pause : 2 * pause;
}

int transactions_write(struct transactions *transactions, struct gathered *batch, struct error *error) {
    for (int pause = FIRST_PAUSE_MS;;) {
        uint64_t refused = transactions->refused;
        int rc = attempt(transactions, &transactions->ids[transactions->turn], batch, error);
        transactions->turn = (transactions->turn + 1) % TRANSACTIONS_IDS;
        if (rc == 0)
            transactions->committed++;
        if (rc != KAFKA_AGAIN || is_ending(transactions))
            return rc;
        pause = wait_before_next(transactions, refused, pause, error);
    }
}
