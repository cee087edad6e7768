// The bus to topics. What a round brings is one transaction, and in it the set of positions whose effect is
// there then (docs/decisions/0028-kafka-positions.md). After any doubt the producer is opened anew: that ends
// what an earlier one left open, and what was committed is read back.
#include "adapters/connectors/kafka/kafka.h"

#include "core/base/log.h"

#include <stdlib.h>

#define WAIT_MS 30000       // for what the cluster must decide
#define ROOM_MS 10000       // for room in librdkafka's queue
#define RANGES_LIMIT 20000u // gaps between positions; what they take stays far below a record's limit
#define POSITIONS_KEY "positions"

static void forget_producer(struct writer *writer) {
    if (writer->rk)
        rd_kafka_destroy(writer->rk);
    writer->rk = NULL;
    writer->phase = WRITER_CLOSED;
}

void kafka_writer_close(struct writer *writer) {
    if (writer->phase == WRITER_OPEN) {
        rd_kafka_error_t *failed = kafka_ask(writer->common, writer->rk, rd_kafka_abort_transaction, WAIT_MS);
        if (failed)
            rd_kafka_error_destroy(failed); // the next one that opens ends it
    }
    forget_producer(writer);
}

void kafka_writer_destroy(struct writer *writer) {
    kafka_writer_close(writer);
    take_rules_destroy(&writer->rules);
    for (size_t i = 0; i < writer->own_count; i++)
        free(writer->own[i].topic);
    free(writer->own);
    free(writer->name);
    positions_destroy(&writer->positions);
    buffer_destroy(&writer->committed);
    encoded_destroy(&writer->encoded);
}

// ---- Opening ----

static void note_given_up(struct writer *writer, uint64_t position, rd_kafka_resp_err_t why) {
    size_t room = sizeof writer->given_up / sizeof *writer->given_up;
    if (writer->given_up_count < room) // otherwise the next round finds them
        writer->given_up[writer->given_up_count++] = (struct given_up){position, why};
}

static bool is_for_good(rd_kafka_resp_err_t why) {
    return why == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE || why == RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE ||
           why == RD_KAFKA_RESP_ERR_INVALID_RECORD;
}

// The message's opaque is its position on the bus; 0: the record of positions.
static void on_delivered(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque) {
    struct writer *writer = opaque;
    (void)rk;
    if (message->err && is_for_good(message->err) && message->_private)
        note_given_up(writer, (uint64_t)(uintptr_t)message->_private, message->err);
}

static int make_producer(struct writer *writer, struct error *error) {
    rd_kafka_conf_t *conf;
    char text[256];
    int rc = common_conf(writer->common, &conf, error);
    if (rc)
        return rc;
    rd_kafka_conf_set_opaque(conf, writer);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivered);
    rc = conf_set(conf, "transactional.id", writer->name, error);
    rc = rc ? rc : conf_set(conf, "enable.idempotence", "true", error);
    // The record of positions may be larger than the largest message that is let in.
    rc = rc ? rc : conf_set_size(conf, "message.max.bytes", writer->common->record_limit + 65536, error);
    rc = rc ? rc
            : conf_set_size(conf, "queue.buffering.max.kbytes", writer->common->queue_limit / 1024, error);
    if (rc == 0) {
        writer->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
        rc = writer->rk ? 0 : error_set(error, -EINVAL, "%s", text);
    }
    if (rc)
        rd_kafka_conf_destroy(conf);
    return rc;
}

static bool is_fenced(rd_kafka_resp_err_t code) {
    return code == RD_KAFKA_RESP_ERR__FENCED || code == RD_KAFKA_RESP_ERR_PRODUCER_FENCED ||
           code == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;
}

// The error's text, and whether another has taken over. CONNECTOR_RETRY.
static int failed(struct writer *writer, const char *what, rd_kafka_error_t *why, struct error *error) {
    rd_kafka_resp_err_t code = rd_kafka_error_code(why);
    char text[256];
    if (code == RD_KAFKA_RESP_ERR__FATAL)
        code = rd_kafka_fatal_error(writer->rk, text, sizeof text);
    writer->fenced = writer->fenced || is_fenced(code);
    error_set(error, CONNECTOR_RETRY, "%s: %s", what, rd_kafka_error_string(why));
    rd_kafka_error_destroy(why);
    return CONNECTOR_RETRY;
}

static int restore(struct writer *writer, struct error *error) {
    if (writer->committed.size == 0) {
        positions_destroy(&writer->positions);
        return 0;
    }
    int rc = positions_read(&writer->positions, buffer_bytes(&writer->committed));
    return rc == -EINVAL
               ? error_set(error, -EINVAL, "topic %s: its last record holds no positions", writer->name)
           : rc ? error_no_memory(error)
                : 0;
}

static int begin_life(struct writer *writer, struct error *error) {
    rd_kafka_error_t *why = kafka_ask(writer->common, writer->rk, rd_kafka_init_transactions, WAIT_MS);
    if (why)
        return failed(writer, "starting transactions", why, error);
    buffer_clear(&writer->committed);
    int rc = kafka_writer_recover(writer, &writer->committed, error);
    return rc ? rc : restore(writer, error);
}

int kafka_writer_open(struct writer *writer, struct error *error) {
    forget_producer(writer);
    writer->failed = false;
    int rc = make_producer(writer, error);
    rc = rc ? rc : begin_life(writer, error);
    if (rc)
        forget_producer(writer);
    else
        writer->phase = WRITER_IDLE;
    return rc;
}

// ---- Giving ----

// What is given stays without effect, and comes again.
static int spoil(struct writer *writer) {
    writer->failed = true;
    return CONNECTOR_RETRY;
}

static int settle_commit(struct writer *writer, struct error *error);

// Ready for messages of this bus: in a transaction.
static int be_ready(struct writer *writer, const uint8_t *bus, struct error *error) {
    int rc = writer->phase == WRITER_COMMITTING ? settle_commit(writer, error) : 0;
    if (rc == 0 && writer->phase == WRITER_CLOSED)
        rc = kafka_writer_open(writer, error);
    if (rc || writer->failed)
        return rc ? rc : error_set(error, CONNECTOR_RETRY, "the transaction can't be committed");
    if (writer->phase == WRITER_OPEN)
        return 0;
    rd_kafka_error_t *why = rd_kafka_begin_transaction(writer->rk);
    if (why) {
        failed(writer, "beginning a transaction", why, error);
        forget_producer(writer);
        return CONNECTOR_RETRY;
    }
    positions_of(&writer->positions, bus);
    writer->phase = WRITER_OPEN;
    return 0;
}

static rd_kafka_resp_err_t produce(struct writer *writer, const char *topic, int32_t partition,
    struct bytes key, struct bytes value, rd_kafka_headers_t *headers, int64_t time_ms, uint64_t position) {
    return rd_kafka_producev(writer->rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
        RD_KAFKA_V_KEY(key.data, key.size), RD_KAFKA_V_VALUE((void *)(uintptr_t)value.data, value.size),
        RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_TIMESTAMP(time_ms), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_OPAQUE((void *)(uintptr_t)position), RD_KAFKA_V_END);
}

static rd_kafka_headers_t *make_headers(const struct encoded *encoded) {
    rd_kafka_headers_t *headers = rd_kafka_headers_new(encoded->header_count);
    for (size_t i = 0; headers && i < encoded->header_count; i++) {
        const struct header *header = &encoded->headers[i];
        if (rd_kafka_header_add(headers, header->name, -1, header->value.data, (ssize_t)header->value.size)) {
            rd_kafka_headers_destroy(headers);
            return NULL;
        }
    }
    return headers;
}

// With a full queue it waits: the transaction is to hold all of the round.
static int send_record(struct writer *writer, const char *topic, const struct connector_delivery *delivery,
    struct error *error) {
    rd_kafka_headers_t *headers = make_headers(&writer->encoded);
    rd_kafka_resp_err_t rc = RD_KAFKA_RESP_ERR__QUEUE_FULL;
    if (!headers)
        return error_no_memory(error);
    uint64_t until_ns = kafka_until_ns(ROOM_MS);
    while (rc == RD_KAFKA_RESP_ERR__QUEUE_FULL && kafka_step_ms(writer->common, until_ns) > 0) {
        rc = produce(writer, topic, RD_KAFKA_PARTITION_UA, delivery->subject,
            buffer_bytes(&writer->encoded.value), headers, delivery->time_us / 1000, delivery->position);
        if (rc == RD_KAFKA_RESP_ERR__QUEUE_FULL)
            rd_kafka_poll(writer->rk, 10);
    }
    if (rc == 0)
        return 0;
    rd_kafka_headers_destroy(headers);
    if (is_for_good(rc))
        return error_set(error, CONNECTOR_REJECT, "topic %s: %s", topic, rd_kafka_err2str(rc));
    error_set(error, CONNECTOR_RETRY, "topic %s: %s", topic, rd_kafka_err2str(rc));
    return spoil(writer);
}

static int refuse_if_given_up(struct writer *writer, uint64_t position, struct error *error) {
    for (size_t i = 0; i < writer->given_up_count; i++)
        if (writer->given_up[i].position == position) {
            rd_kafka_resp_err_t why = writer->given_up[i].why;
            writer->given_up[i] = writer->given_up[--writer->given_up_count];
            return error_set(error, CONNECTOR_REJECT, "Kafka refuses the record: %s", rd_kafka_err2str(why));
        }
    return 0;
}

static int give(struct writer *writer, const struct connector_delivery *delivery, struct error *error) {
    struct take_rule *rule = NULL;
    int rc = take_rules_begin(writer->rules, delivery, &rule, error);
    if (rc || !rule)
        return rc;
    const struct write_rule *own = rule->own;
    rc = kafka_record_encode(&own->encoder, delivery, &writer->encoded, error);
    if (rc == 0 && writer->encoded.value.size > writer->common->record_limit)
        return error_set(error, CONNECTOR_REJECT, "the record has %zu bytes; \"record\" allows %llu",
            writer->encoded.value.size, (unsigned long long)writer->common->record_limit);
    return rc ? rc : send_record(writer, own->topic, delivery, error);
}

int kafka_writer_deliver(
    struct writer *writer, const struct connector_delivery *delivery, struct error *error) {
    int rc = be_ready(writer, delivery->bus, error);
    rc = rc ? rc : refuse_if_given_up(writer, delivery->position, error);
    if (rc)
        return rc;
    struct ranges *done = &writer->positions.ranges;
    ranges_raise(done, delivery->settled);
    if (ranges_has(done, delivery->position))
        return 0;
    if (done->count >= RANGES_LIMIT)
        return error_set(error, CONNECTOR_RETRY,
            "behind position %llu of the queue, up to which all is settled, are too many to remember",
            (unsigned long long)delivery->settled);
    rc = give(writer, delivery, error);
    if (rc == 0 && ranges_add(done, delivery->position, delivery->position)) {
        error_no_memory(error);
        return spoil(writer);
    }
    return rc;
}

// ---- Committing ----

static int give_up_transaction(struct writer *writer, struct error *error) {
    rd_kafka_error_t *why = kafka_ask(writer->common, writer->rk, rd_kafka_abort_transaction, WAIT_MS);
    writer->failed = false;
    if (why) {
        struct error ignored;
        failed(writer, "aborting", why, &ignored);
        forget_producer(writer);
        return CONNECTOR_RETRY;
    }
    writer->phase = WRITER_IDLE;
    if (restore(writer, error)) // no memory: what was committed is read back
        forget_producer(writer);
    return CONNECTOR_RETRY;
}

static int send_positions(struct writer *writer, struct error *error) {
    struct buffer text = {0};
    if (positions_write(&writer->positions, &text)) {
        buffer_destroy(&text);
        return error_no_memory(error);
    }
    rd_kafka_resp_err_t rc =
        produce(writer, writer->name, 0, bytes_of_string(POSITIONS_KEY), buffer_bytes(&text), NULL, 0, 0);
    buffer_destroy(&text);
    return rc ? error_set(error, CONNECTOR_RETRY, "topic %s: %s", writer->name, rd_kafka_err2str(rc)) : 0;
}

static int remember(struct writer *writer, struct error *error) {
    buffer_clear(&writer->committed);
    return positions_write(&writer->positions, &writer->committed) ? error_no_memory(error) : 0;
}

// Asks for the commit, also once more after an answer that didn't come.
static int settle_commit(struct writer *writer, struct error *error) {
    rd_kafka_error_t *why = kafka_ask(writer->common, writer->rk, rd_kafka_commit_transaction, WAIT_MS);
    if (!why) {
        writer->phase = WRITER_IDLE;
        return remember(writer, error);
    }
    bool retriable = rd_kafka_error_is_retriable(why);
    bool abort = rd_kafka_error_txn_requires_abort(why);
    failed(writer, "committing", why, error);
    if (abort)
        return give_up_transaction(writer, NULL);
    if (retriable)
        writer->phase = WRITER_COMMITTING;
    else
        forget_producer(writer);
    return CONNECTOR_RETRY;
}

int kafka_writer_commit(struct writer *writer, struct error *error) {
    if (writer->phase == WRITER_COMMITTING)
        return settle_commit(writer, error);
    if (writer->phase != WRITER_OPEN)
        return 0; // nothing was given
    if (!writer->failed && send_positions(writer, error))
        writer->failed = true;
    if (writer->failed) {
        error_set(
            error, CONNECTOR_RETRY, "the transaction was given up: a record of it could not be written");
        return give_up_transaction(writer, error);
    }
    return settle_commit(writer, error);
}
