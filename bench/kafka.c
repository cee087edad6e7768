// hutong-bench-kafka: a plain producer and consumer on librdkafka, what the Kafka connector is compared with.
#include "bench/bench.h"
#include "core/base/clock.h"
#include "core/schema/json.h"

#include <getopt.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define WAIT_MS 60000
#define TYPE "gov.public_security.v1.ResidenceRegistered"
#define KEYS 10000u
#define KEEP_BUFFER ((size_t)1 << 20)

struct options {
    const char *brokers;
    const char *topic;
    const char *catalogue;
    const char *format; // protobuf, json, cloudevents (binary, the data as protobuf)
    unsigned long count;
    unsigned long size;
    unsigned long transaction; // records in one; 0: no transactions
    unsigned long window;      // unacknowledged at most
    unsigned long warm;        // with `seconds`: s before it counts
    unsigned long seconds;     // it ends by the clock instead of by `count`; 0: it doesn't
    const char *group;
    const char *keep; // a file that gets all that is read, on disk before offsets are committed; NULL: none
    unsigned long commit_ms; // between two commits
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

static double cpu_seconds(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static int result(unsigned long count, uint64_t started_ns) {
    double seconds = (double)(clock_monotonic_ns() - started_ns) / CLOCK_SECOND_NS;
    printf("{\"messages\":%lu,\"seconds\":%.6f,\"cpu_seconds\":%.6f}\n", count, seconds, cpu_seconds());
    return 0;
}

// ---- Producing ----

static int as_json(const struct options *options, struct buffer *value) {
    struct catalogue *types = NULL;
    struct error error = {0};
    struct buffer json = {0};
    if (catalogue_load_file(options->catalogue, &types, &error))
        return fail(error.text);
    const struct schema_message *type = catalogue_message(types, bytes_of_string(TYPE));
    int rc = type ? json_from_message(type, buffer_bytes(value), NULL, &json, &error) : -1;
    catalogue_destroy(&types);
    buffer_destroy(value);
    *value = json;
    return rc ? fail(error.text) : 0;
}

static int make_value(const struct options *options, struct buffer *value) {
    if (payload_make(options->catalogue, "330106", (uint32_t)options->size, value))
        return 1;
    return strcmp(options->format, "json") == 0 ? as_json(options, value) : 0;
}

// Owned; NULL: none.
static rd_kafka_headers_t *make_headers(const struct options *options, unsigned long n) {
    static const char *const fixed[] = {"ce_specversion", "1.0", "ce_source", "bench", "ce_type", TYPE,
        "content-type", "application/protobuf", "ce_time", "2026-11-24T08:00:00Z"};
    char id[32];
    if (strcmp(options->format, "cloudevents") != 0)
        return NULL;
    rd_kafka_headers_t *headers = rd_kafka_headers_new(8);
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i += 2)
        rd_kafka_header_add(headers, fixed[i], -1, fixed[i + 1], -1);
    rd_kafka_header_add(headers, "ce_id", -1, id, snprintf(id, sizeof id, "%lu", n));
    return headers;
}

static int send_one(
    rd_kafka_t *rk, const struct options *options, unsigned long n, const struct buffer *value) {
    char key[32];
    int size = snprintf(key, sizeof key, "k%lu", n % KEYS);
    rd_kafka_headers_t *headers = make_headers(options, n);
    rd_kafka_resp_err_t rc =
        rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(options->topic), RD_KAFKA_V_KEY(key, (size_t)size),
            RD_KAFKA_V_VALUE(value->data, value->size), RD_KAFKA_V_HEADERS(headers),
            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY | RD_KAFKA_MSG_F_BLOCK), RD_KAFKA_V_END);
    return rc ? fail(rd_kafka_err2str(rc)) : 0;
}

static bool is_over(const struct options *options, unsigned long n, uint64_t until_ns) {
    return options->seconds ? clock_monotonic_ns() >= until_ns : n >= options->count;
}

static uint64_t after(unsigned long seconds) {
    return clock_monotonic_ns() + seconds * CLOCK_SECOND_NS;
}

static int send_all(
    rd_kafka_t *rk, const struct options *options, const struct buffer *value, unsigned long *n) {
    unsigned long each = options->transaction ? options->transaction : options->count;
    uint64_t until_ns = after(options->warm + options->seconds);
    while (!is_over(options, *n, until_ns)) {
        if (options->transaction && check(rd_kafka_begin_transaction(rk)))
            return 1;
        for (unsigned long i = 0; i < each && !is_over(options, *n, until_ns); i++, ++*n)
            if (send_one(rk, options, *n, value))
                return 1;
        if (options->transaction && check(rd_kafka_commit_transaction(rk, WAIT_MS)))
            return 1;
    }
    return rd_kafka_flush(rk, WAIT_MS) ? fail("not all was acknowledged") : 0;
}

static int produce(const struct options *options) {
    struct buffer value = {0};
    char window[32];
    snprintf(window, sizeof window, "%lu", options->window);
    const char *settings[] = {"bootstrap.servers", options->brokers, "enable.idempotence", "true", "acks",
        "all", "queue.buffering.max.kbytes", "65536", "queue.buffering.max.messages", window,
        options->transaction ? "transactional.id" : NULL, "bench.plain", NULL};
    if (make_value(options, &value))
        return 1;
    rd_kafka_t *rk = make(RD_KAFKA_PRODUCER, settings);
    if (!rk || (options->transaction && check(rd_kafka_init_transactions(rk, WAIT_MS))))
        return 1;
    uint64_t started_ns = clock_monotonic_ns();
    unsigned long sent = 0;
    int rc = send_all(rk, options, &value, &sent);
    rc = rc ? rc : result(sent, started_ns);
    rd_kafka_destroy(rk);
    buffer_destroy(&value);
    return rc;
}

// ---- Consuming ----

// A plain program with the connector's duty: what it reads is in a file, and on disk before its offsets are
// committed.
struct keeper {
    FILE *file; // NULL: what is read is forgotten
    uint64_t commit_due_ns;
};

static int keep(FILE *file, const rd_kafka_message_t *message) {
    uint32_t sizes[] = {(uint32_t)message->key_len, (uint32_t)message->len};
    bool whole = fwrite(sizes, sizeof sizes, 1, file) == 1 &&
                 fwrite(message->key, 1, message->key_len, file) == message->key_len &&
                 fwrite(message->payload, 1, message->len, file) == message->len;
    return whole ? 0 : fail("the file can't be written");
}

static int commit(rd_kafka_t *rk, const struct keeper *keeper, bool wait) {
    if (keeper->file && (fflush(keeper->file) || fdatasync(fileno(keeper->file))))
        return fail("the file can't be synced");
    rd_kafka_resp_err_t rc = rd_kafka_commit(rk, NULL, !wait);
    return rc && rc != RD_KAFKA_RESP_ERR__NO_OFFSET ? fail(rd_kafka_err2str(rc)) : 0;
}

static int take_one(
    rd_kafka_t *rk, const struct options *options, struct keeper *keeper, const rd_kafka_message_t *message) {
    if (message->err)
        return fail(rd_kafka_message_errstr(message));
    if (keeper->file && keep(keeper->file, message))
        return 1;
    uint64_t now_ns = clock_monotonic_ns();
    if (now_ns < keeper->commit_due_ns)
        return 0;
    keeper->commit_due_ns = now_ns + options->commit_ms * CLOCK_MILLISECOND_NS;
    return commit(rk, keeper, false);
}

struct counting {
    uint64_t from_ns; // 0: none came yet
    unsigned long counted;
};

// False: that was the last one. Seconds count from the first record that came.
static bool count_one(const struct options *options, struct counting *counting) {
    uint64_t now_ns = clock_monotonic_ns();
    if (!counting->from_ns)
        counting->from_ns = now_ns + options->warm * CLOCK_SECOND_NS;
    if (now_ns >= counting->from_ns)
        counting->counted++;
    return options->seconds ? now_ns < counting->from_ns + options->seconds * CLOCK_SECOND_NS
                            : counting->counted < options->count;
}

static int read_all(rd_kafka_t *rk, const struct options *options, struct keeper *keeper) {
    struct counting counting = {0};
    for (bool more = true; more;) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(rk, WAIT_MS);
        if (!message)
            return fail("no record came");
        more = count_one(options, &counting);
        int rc = take_one(rk, options, keeper, message);
        rd_kafka_message_destroy(message);
        if (rc)
            return rc;
    }
    return commit(rk, keeper, true) || result(counting.counted, counting.from_ns);
}

static rd_kafka_t *subscribe(const struct options *options) {
    const char *settings[] = {"bootstrap.servers", options->brokers, "group.id", options->group,
        "isolation.level", "read_committed", "auto.offset.reset", "earliest", "enable.auto.commit", "false",
        "queued.max.messages.kbytes", "65536", NULL};
    rd_kafka_t *rk = make(RD_KAFKA_CONSUMER, settings);
    if (!rk)
        return NULL;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, options->topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_poll_set_consumer(rk);
    rd_kafka_subscribe(rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    return rk;
}

static int consume_with(const struct options *options, struct keeper *keeper) {
    rd_kafka_t *rk = subscribe(options);
    if (!rk)
        return 1;
    int rc = read_all(rk, options, keeper);
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
    return rc;
}

static int consume(const struct options *options) {
    struct keeper keeper = {.file = options->keep ? fopen(options->keep, "wb") : NULL};
    if (options->keep && !keeper.file)
        return fail("the file can't be made");
    if (keeper.file)
        setvbuf(keeper.file, NULL, _IOFBF, KEEP_BUFFER);
    int rc = consume_with(options, &keeper);
    if (keeper.file && fclose(keeper.file) && rc == 0)
        rc = fail("the file can't be written");
    return rc;
}

// ---- The command ----

static bool read_options(int argc, char **argv, struct options *out) {
    static const struct option long_options[] = {{"brokers", required_argument, NULL, 'b'},
        {"topic", required_argument, NULL, 't'}, {"catalogue", required_argument, NULL, 'c'},
        {"group", required_argument, NULL, 'g'}, {"keep", required_argument, NULL, 'k'},
        {"count", required_argument, NULL, 'n'}, {"size", required_argument, NULL, 's'},
        {"transaction", required_argument, NULL, 'x'}, {"commit", required_argument, NULL, 'm'},
        {"format", required_argument, NULL, 'f'}, {"warm", required_argument, NULL, 'w'},
        {"seconds", required_argument, NULL, 'e'}, {"window", required_argument, NULL, 'o'}, {0}};
    const char **texts[128] = {['b'] = &out->brokers,
        ['t'] = &out->topic,
        ['c'] = &out->catalogue,
        ['f'] = &out->format,
        ['g'] = &out->group,
        ['k'] = &out->keep};
    unsigned long *numbers[128] = {['n'] = &out->count,
        ['s'] = &out->size,
        ['x'] = &out->transaction,
        ['m'] = &out->commit_ms,
        ['w'] = &out->warm,
        ['o'] = &out->window,
        ['e'] = &out->seconds};
    for (int option; (option = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        if (option == '?')
            return false;
        if (texts[option])
            *texts[option] = optarg;
        else
            *numbers[option] = strtoul(optarg, NULL, 10);
    }
    return out->brokers && out->topic;
}

int main(int argc, char **argv) {
    struct options options = {.count = 100000,
        .size = 1024,
        .format = "protobuf",
        .group = "bench.plain",
        .commit_ms = 1000,
        .window = 100000};
    bool fine = read_options(argc, argv, &options);
    const char *role = optind < argc ? argv[optind] : "";
    if (fine && strcmp(role, "consume") == 0)
        return consume(&options);
    if (fine && options.catalogue && strcmp(role, "produce") == 0)
        return produce(&options);
    return fail("usage: produce|consume --brokers B --topic T [--catalogue C] [--format F] [--count N] "
                "[--size N] "
                "[--transaction N] [--group G] [--keep FILE] [--commit MS] [--window N] [--warm S --seconds "
                "S]"),
           2;
}
