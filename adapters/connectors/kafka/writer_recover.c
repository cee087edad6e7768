// The positions that were committed last: the last record of their topic that no aborted transaction wrote.
// Only one producer writes it, and a new one has ended what the one before left open; so all of it is
// decided, and the end is what the cluster says.
#include "adapters/connectors/kafka/kafka.h"

#include <stdlib.h>

#define WAIT_MS 30000
#define ENDS_MS 3000
#define ENDS_TRIES 10
#define STEP 64 // records from the end that are read at first; each transaction leaves two

static int make_reader(const struct writer *writer, rd_kafka_t **out, struct error *error) {
    rd_kafka_conf_t *conf;
    char text[256];
    int rc = common_conf(writer->common, &conf, error);
    if (rc)
        return rc;
    rc = conf_set(conf, "group.id", writer->name, error); // asked for by the library, never joined
    rc = rc ? rc : conf_set(conf, "isolation.level", "read_committed", error);
    rc = rc ? rc : conf_set(conf, "enable.partition.eof", "true", error);
    rc = rc ? rc : conf_set(conf, "enable.auto.commit", "false", error);
    if (rc == 0) {
        *out = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
        rc = *out ? 0 : error_set(error, -EINVAL, "%s", text);
    }
    if (rc)
        rd_kafka_conf_destroy(conf);
    return rc;
}

static int keep_last(const rd_kafka_message_t *message, struct buffer *out, struct error *error) {
    buffer_clear(out);
    return buffer_append(out, message->payload, message->len) ? error_no_memory(error) : 0;
}

// Reads on to the end; `out` holds the last record's value.
static int read_to_end(const struct writer *writer, rd_kafka_t *rk, struct buffer *out, struct error *error) {
    uint64_t until_ns = kafka_until_ns(WAIT_MS);
    for (;;) {
        int step_ms = kafka_step_ms(writer->common, until_ns);
        rd_kafka_message_t *message = rd_kafka_consumer_poll(rk, step_ms);
        if (!message && step_ms > 0)
            continue;
        if (!message)
            return error_set(error, CONNECTOR_RETRY, "reading the positions: no answer");
        bool end = message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
        int rc = 0;
        if (message->err && !end)
            rc = error_set(
                error, CONNECTOR_RETRY, "reading the positions: %s", rd_kafka_message_errstr(message));
        else if (!end)
            rc = keep_last(message, out, error);
        until_ns = kafka_until_ns(WAIT_MS);
        rd_kafka_message_destroy(message);
        if (rc || end)
            return rc;
    }
}

static int read_from(
    const struct writer *writer, rd_kafka_t *rk, int64_t from, struct buffer *out, struct error *error) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, writer->name, 0)->offset = from;
    rd_kafka_resp_err_t why = rd_kafka_assign(rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (why)
        return error_set(error, CONNECTOR_RETRY, "reading the positions: %s", rd_kafka_err2str(why));
    return read_to_end(writer, rk, out, error);
}

// Asked anew each time, so with longer steps.
static rd_kafka_resp_err_t find_ends(
    const struct writer *writer, rd_kafka_t *rk, int64_t *low, int64_t *high) {
    rd_kafka_resp_err_t why = RD_KAFKA_RESP_ERR__TIMED_OUT;
    for (int i = 0; i < ENDS_TRIES && why == RD_KAFKA_RESP_ERR__TIMED_OUT; i++) {
        int step_ms = (int)writer->common->host->patience_ms(writer->common->host->runtime, ENDS_MS);
        why = rd_kafka_query_watermark_offsets(rk, writer->name, 0, low, high, step_ms);
    }
    return why;
}

// Further and further back, until a record is found or the start is reached.
static int read_back(const struct writer *writer, rd_kafka_t *rk, struct buffer *out, struct error *error) {
    int64_t low;
    int64_t high;
    rd_kafka_resp_err_t why = find_ends(writer, rk, &low, &high);
    if (why)
        return error_set(error, CONNECTOR_RETRY,
            "topic %s, in which the positions are kept: %s (create it with one partition and "
            "cleanup.policy=compact)",
            writer->name, rd_kafka_err2str(why));
    int rc = 0;
    int64_t step = STEP;
    int64_t from = high;
    while (rc == 0 && out->size == 0 && from > low) {
        from = high - step > low ? high - step : low;
        rc = read_from(writer, rk, from, out, error);
        step *= 8;
    }
    return rc;
}

int kafka_writer_recover(const struct writer *writer, struct buffer *out, struct error *error) {
    rd_kafka_t *rk = NULL;
    int rc = make_reader(writer, &rk, error);
    if (rc)
        return rc;
    rc = read_back(writer, rk, out, error);
    rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE); // it is in no group
    return rc;
}
