// hutong-bench-kafka: a plain producer and consumer on librdkafka, what the Kafka connector is compared with.
#include "bench/bench.h"
#include "core/base/clock.h"

#include <getopt.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS 60000
#define KEYS 10000u

struct options {
    const char *brokers;
    const char *topic;
    const char *catalogue;
    unsigned long count;
    unsigned long size;
    unsigned long transaction; // records in one; 0: no transactions
};

static int fail(const char *text) {
    fprintf(stderr, "hutong-bench-kafka: %s\n", text);
    return 1;
}

static rd_kafka_t *make(rd_kafka_type_t type, const char *const *settings) {
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (; *settings; settings += 2)
        if (rd_kafka_conf_set(conf, settings[0], settings[1], text, sizeof text) != RD_KAFKA_CONF_OK)
            fail(text);
    rd_kafka_t *rk = rd_kafka_new(type, conf, text, sizeof text);
    if (!rk)
        fail(text);
    return rk;
}

static int check(rd_kafka_error_t *why) {
    if (!why)
        return 0;
    fail(rd_kafka_error_string(why));
    rd_kafka_error_destroy(why);
    return 1;
}

static int result(unsigned long count, uint64_t started_ns) {
    double seconds = (double)(clock_monotonic_ns() - started_ns) / CLOCK_SECOND_NS;
    printf("{\"messages\":%lu,\"seconds\":%.6f}\n", count, seconds);
    return 0;
}

// ---- Producing ----

static int send_one(
    rd_kafka_t *rk, const struct options *options, unsigned long n, const struct buffer *value) {
    char key[32];
    int size = snprintf(key, sizeof key, "k%lu", n % KEYS);
    for (;;) {
        rd_kafka_resp_err_t rc = rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(options->topic),
            RD_KAFKA_V_KEY(key, (size_t)size), RD_KAFKA_V_VALUE(value->data, value->size),
            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
        if (rc != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            return rc ? fail(rd_kafka_err2str(rc)) : 0;
        rd_kafka_poll(rk, 10);
    }
}

static int send_all(rd_kafka_t *rk, const struct options *options, const struct buffer *value) {
    unsigned long each = options->transaction ? options->transaction : options->count;
    for (unsigned long n = 0; n < options->count;) {
        if (options->transaction && check(rd_kafka_begin_transaction(rk)))
            return 1;
        for (unsigned long i = 0; i < each && n < options->count; i++, n++)
            if (send_one(rk, options, n, value))
                return 1;
        if (options->transaction && check(rd_kafka_commit_transaction(rk, WAIT_MS)))
            return 1;
    }
    return rd_kafka_flush(rk, WAIT_MS) ? fail("not all was acknowledged") : 0;
}

static int produce(const struct options *options) {
    struct buffer value = {0};
    const char *settings[] = {"bootstrap.servers", options->brokers, "enable.idempotence", "true",
        "queue.buffering.max.kbytes", "65536", options->transaction ? "transactional.id" : NULL,
        "bench.plain", NULL};
    if (payload_make(options->catalogue, "330106", (uint32_t)options->size, &value))
        return 1;
    rd_kafka_t *rk = make(RD_KAFKA_PRODUCER, settings);
    if (!rk || (options->transaction && check(rd_kafka_init_transactions(rk, WAIT_MS))))
        return 1;
    uint64_t started_ns = clock_monotonic_ns();
    int rc = send_all(rk, options, &value);
    rc = rc ? rc : result(options->count, started_ns);
    rd_kafka_destroy(rk);
    buffer_destroy(&value);
    return rc;
}

// ---- Consuming ----

static int read_all(rd_kafka_t *rk, const struct options *options) {
    uint64_t started_ns = 0;
    uint64_t commit_ns = 0;
    for (unsigned long n = 0; n < options->count;) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(rk, WAIT_MS);
        if (!message || message->err)
            return fail(message ? rd_kafka_message_errstr(message) : "no record came");
        uint64_t now_ns = n % 1000 ? 0 : clock_monotonic_ns();
        started_ns = started_ns ? started_ns : now_ns;
        if (now_ns > commit_ns + CLOCK_SECOND_NS) {
            rd_kafka_commit(rk, NULL, 1);
            commit_ns = now_ns;
        }
        rd_kafka_message_destroy(message);
        n++;
    }
    return result(options->count, started_ns);
}

static int consume(const struct options *options) {
    static const char *const fixed[] = {"group.id", "bench.plain", "isolation.level", "read_committed",
        "auto.offset.reset", "earliest", "enable.auto.commit", "false", "queued.max.messages.kbytes",
        "65536"};
    const char *settings[16] = {"bootstrap.servers", options->brokers};
    memcpy(settings + 2, fixed, sizeof fixed);
    rd_kafka_t *rk = make(RD_KAFKA_CONSUMER, settings);
    if (!rk)
        return 1;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, options->topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_poll_set_consumer(rk);
    rd_kafka_subscribe(rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    int rc = read_all(rk, options);
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
    return rc;
}

int main(int argc, char **argv) {
    static const struct option long_options[] = {{"brokers", required_argument, NULL, 'b'},
        {"topic", required_argument, NULL, 't'}, {"catalogue", required_argument, NULL, 'c'},
        {"count", required_argument, NULL, 'n'}, {"size", required_argument, NULL, 's'},
        {"transaction", required_argument, NULL, 'x'}, {0}};
    struct options options = {.count = 100000, .size = 1024};
    for (int option; (option = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        const char **texts[] = {['b'] = &options.brokers, ['t'] = &options.topic, ['c'] = &options.catalogue};
        unsigned long *numbers[] = {
            ['n'] = &options.count, ['s'] = &options.size, ['x'] = &options.transaction};
        if (option == '?')
            return 2;
        if (option == 'b' || option == 't' || option == 'c')
            *texts[option] = optarg;
        else
            *numbers[option] = strtoul(optarg, NULL, 10);
    }
    const char *role = optind < argc ? argv[optind] : "";
    if (options.brokers && options.topic && strcmp(role, "consume") == 0)
        return consume(&options);
    if (options.brokers && options.topic && options.catalogue && strcmp(role, "produce") == 0)
        return produce(&options);
    return fail("usage: produce|consume --brokers B --topic T --catalogue C [--count N] [--size N] "
                "[--transaction N]"),
           2;
}
