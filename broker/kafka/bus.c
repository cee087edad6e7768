#include "broker/kafka/bus.h"

#include "broker/kafka/admin.h"
#include "core/base/clock.h"
#include "core/base/map.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#define ID_KEY "id"
#define BEGUN_KEY "export" // of a journal whose bus has this id: where that is the id here, this bus is its
#define COMPLETE_KEY "exported" // the same, when it is complete
#define ID_TEXT ((size_t)2 * BUS_ID_SIZE)
#define VALUE_SIZE 64
#define AGAIN_NS (100 * 1000000L)

// Keys are ID_KEY and names of topics.
struct said {
    struct map *values;   // owned texts
    const uint8_t *claim; // the id that the bus is to have; NULL: any
};

static void print_id(const uint8_t id[BUS_ID_SIZE], char text[ID_TEXT + 1]) {
    for (size_t i = 0; i < BUS_ID_SIZE; i++)
        snprintf(text + 2 * i, 3, "%02x", id[i]);
}

static void forget(struct said *said) {
    size_t cursor = 0;
    struct bytes key;
    void *value;
    while (said->values && map_next(said->values, &cursor, &key, &value))
        free(value);
    map_destroy(&said->values);
}

// The first one counts.
static int hear(struct said *said, struct bytes key, struct bytes value) {
    if (value.size >= VALUE_SIZE || map_get(said->values, key))
        return 0;
    char *copy = calloc(1, VALUE_SIZE);
    if (!copy)
        return -ENOMEM;
    if (value.size)
        memcpy(copy, value.data, value.size);
    int rc = map_put(said->values, key, copy);
    if (rc)
        free(copy);
    return rc;
}

// ---- Reading ----

static int read_on(rd_kafka_t *rk, int timeout_ms, int64_t end, struct said *said, struct error *error) {
    for (int64_t at = 0; at < end;) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(rk, timeout_ms);
        rd_kafka_resp_err_t code = message ? message->err : RD_KAFKA_RESP_ERR__TIMED_OUT;
        int rc = 0;
        if (code && code != RD_KAFKA_RESP_ERR__PARTITION_EOF)
            rc = error_set(error, KAFKA_AGAIN, "reading what the bus is: %s",
                message ? rd_kafka_message_errstr(message) : "no answer");
        else if (!code && hear(said, bytes_of(message->key, message->key_len),
                              bytes_of(message->payload, message->len)))
            rc = error_no_memory(error);
        at = code ? (message ? message->offset : at) : message->offset + 1;
        if (message)
            rd_kafka_message_destroy(message);
        if (rc)
            return rc;
    }
    return 0;
}

// A topic that was just made may not be known everywhere yet.
static rd_kafka_resp_err_t end_of(
    rd_kafka_t *rk, const struct admin *admin, const char *topic, int64_t *end) {
    int64_t low;
    uint64_t until = clock_monotonic_ns() + (uint64_t)admin->timeout_ms * (uint64_t)CLOCK_MILLISECOND_NS;
    rd_kafka_resp_err_t why;
    while ((why = rd_kafka_query_watermark_offsets(rk, topic, 0, &low, end, admin->timeout_ms)) &&
           topics_code(why) == KAFKA_AGAIN && clock_monotonic_ns() < until)
        nanosleep(&(struct timespec){.tv_nsec = AGAIN_NS}, NULL);
    return why;
}

static int read_topic(
    rd_kafka_t *rk, const struct admin *admin, const char *topic, struct said *said, struct error *error) {
    int64_t end = 0;
    rd_kafka_resp_err_t why = end_of(rk, admin, topic, &end);
    if (why)
        return error_set(error, topics_code(why), "topic %s: %s", topic, rd_kafka_err2str(why));
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, 0)->offset = RD_KAFKA_OFFSET_BEGINNING;
    why = rd_kafka_assign(rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (why)
        return error_set(error, KAFKA_AGAIN, "topic %s: %s", topic, rd_kafka_err2str(why));
    return read_on(rk, admin->timeout_ms, end, said, error);
}

static int read_all(struct admin *admin, const char *topic, struct said *said, struct error *error) {
    const struct cluster_setting musts[] = {{"group.id", admin->cluster->prefix},
        {"enable.auto.commit", "false"}, {"enable.partition.eof", "true"}, {"auto.offset.reset", "earliest"},
        {NULL, NULL}};
    rd_kafka_t *rk = NULL;
    said->values = map_new();
    int rc = said->values ? cluster_handle(admin->cluster, RD_KAFKA_CONSUMER, NULL, musts, &rk, error)
                          : error_no_memory(error);
    if (rc)
        return rc;
    rd_kafka_poll_set_consumer(rk);
    rc = read_topic(rk, admin, topic, said, error);
    rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    return rc;
}

// ---- Saying ----

static int say(
    struct admin *admin, const char *topic, const char *key, const char *value, struct error *error) {
    rd_kafka_resp_err_t why = rd_kafka_producev(admin->rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(0),
        RD_KAFKA_V_KEY(key, strlen(key)), RD_KAFKA_V_VALUE((void *)(uintptr_t)value, strlen(value)),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
    return why ? error_set(error, KAFKA_AGAIN, "topic %s: %s", topic, rd_kafka_err2str(why)) : 0;
}

static int say_id(struct admin *admin, const char *topic, const uint8_t *claim, struct error *error) {
    uint8_t id[BUS_ID_SIZE];
    char text[ID_TEXT + 1];
    int rc = 0;
    if (claim)
        memcpy(id, claim, sizeof id);
    else if (getrandom(id, sizeof id, 0) != (ssize_t)sizeof id)
        return error_set(error, -EIO, "no random numbers");
    print_id(id, text);
    if (claim) // before the id, so that nobody finds that without it
        rc = say(admin, topic, BEGUN_KEY, text, error);
    return rc ? rc : say(admin, topic, ID_KEY, text, error);
}

static int say_missing(struct admin *admin, const char *bus, const struct topics *topics,
    const struct said *said, bool *any, struct error *error) {
    int rc = 0;
    if (!map_get(said->values, bytes_of_string(ID_KEY))) {
        *any = true;
        rc = say_id(admin, bus, said->claim, error);
    }
    for (size_t i = 0; i < topics->count && rc == 0; i++) {
        const struct topic *topic = &topics->items[i];
        char value[16];
        if (map_get(said->values, bytes_of_string(topic->name)))
            continue;
        *any = true;
        snprintf(value, sizeof value, "%d", topic->partitions);
        rc = say(admin, bus, topic->name, value, error);
    }
    if (rc == 0 && *any && rd_kafka_flush(admin->rk, admin->timeout_ms))
        rc = error_set(error, KAFKA_AGAIN, "topic %s: no answer", bus);
    return rc;
}

// ---- Comparing ----

static int parse_id(const char *text, uint8_t id[BUS_ID_SIZE]) {
    uint8_t parsed[BUS_ID_SIZE];
    if (!text || strlen(text) != ID_TEXT || strspn(text, "0123456789abcdef") != ID_TEXT)
        return KAFKA_WRONG;
    for (size_t i = 0; i < BUS_ID_SIZE; i++) {
        const char pair[] = {text[2 * i], text[2 * i + 1], '\0'};
        parsed[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    memcpy(id, parsed, sizeof parsed);
    return 0;
}

static int compare(
    const char *bus, const struct topics *topics, const struct said *said, struct error *error) {
    for (size_t i = 0; i < topics->count; i++) {
        const struct topic *topic = &topics->items[i];
        const char *text = map_get(said->values, bytes_of_string(topic->name));
        int count = text ? (int)strtol(text, NULL, 10) : 0;
        if (!text) // what was written was lost since
            return error_set(error, KAFKA_AGAIN, "topic %s says nothing of %s", bus, topic->name);
        if (count != topic->partitions)
            return error_set(error, KAFKA_WRONG,
                "topic %s has %d partitions, and by %s it has %d: with another number a subject's messages "
                "come to another partition. Make the topic again with %d, or a new bus with another prefix",
                topic->name, topic->partitions, bus, count, count);
    }
    return 0;
}

static const char *bus_of(const struct topics *topics) {
    for (size_t i = 0; i < topics->count; i++)
        if (topics->items[i].kind == TOPIC_BUS)
            return topics->items[i].name;
    return NULL;
}

static int agree(struct admin *admin, const char *bus, const struct topics *topics, struct said *said,
    struct error *error) {
    bool any = false;
    int rc = read_all(admin, bus, said, error);
    rc = rc ? rc : say_missing(admin, bus, topics, said, &any, error);
    if (rc || !any)
        return rc;
    forget(said);
    return read_all(admin, bus, said, error);
}

// Whether the value of the key is that of the id.
static bool says_the_same(const struct said *said, const char *key) {
    const char *id = map_get(said->values, bytes_of_string(ID_KEY));
    const char *text = map_get(said->values, bytes_of_string(key));
    return id && text && strcmp(id, text) == 0;
}

static int read_id(const char *bus, const struct said *said, uint8_t id[BUS_ID_SIZE], struct error *error) {
    if (parse_id(map_get(said->values, bytes_of_string(ID_KEY)), id))
        return error_set(error, KAFKA_WRONG, "topic %s has no id of a bus in its first record", bus);
    return 0;
}

static int agree_all(struct admin *admin, const struct topics *topics, struct said *said,
    uint8_t id[BUS_ID_SIZE], struct error *error) {
    const char *bus = bus_of(topics);
    if (!bus)
        return error_set(error, -EINVAL, "the topic of the bus itself isn't among the topics");
    int rc = agree(admin, bus, topics, said, error);
    rc = rc ? rc : compare(bus, topics, said, error);
    return rc ? rc : read_id(bus, said, id, error);
}

int bus_agree(
    struct admin *admin, const struct topics *topics, uint8_t id[BUS_ID_SIZE], struct error *error) {
    struct said said = {0};
    int rc = agree_all(admin, topics, &said, id, error);
    if (rc == 0 && says_the_same(&said, BEGUN_KEY) && !says_the_same(&said, COMPLETE_KEY))
        rc = error_set(error, KAFKA_WRONG,
            "by topic %s the export of a journal to this bus isn't complete: run hutong journal export again",
            bus_of(topics));
    forget(&said);
    return rc;
}

// ---- An export ----

int bus_claim(struct admin *admin, const struct topics *topics, const uint8_t id[BUS_ID_SIZE], bool *complete,
    struct error *error) {
    struct said said = {.claim = id};
    uint8_t found[BUS_ID_SIZE];
    int rc = agree_all(admin, topics, &said, found, error);
    if (rc == 0 && (memcmp(found, id, sizeof found) != 0 || !says_the_same(&said, BEGUN_KEY)))
        rc = error_set(error, KAFKA_WRONG,
            "by topic %s there is a bus with these names already (%s): export to another prefix",
            bus_of(topics), (const char *)map_get(said.values, bytes_of_string(ID_KEY)));
    if (rc == 0)
        *complete = says_the_same(&said, COMPLETE_KEY);
    forget(&said);
    return rc;
}

int bus_complete(
    struct admin *admin, const char *prefix, const uint8_t id[BUS_ID_SIZE], struct error *error) {
    char topic[TOPIC_NAME_SIZE];
    char text[ID_TEXT + 1];
    print_id(id, text);
    int rc = topic_name(TOPIC_BUS, prefix, NULL, topic, error);
    rc = rc ? rc : say(admin, topic, COMPLETE_KEY, text, error);
    if (rc == 0 && rd_kafka_flush(admin->rk, admin->timeout_ms))
        rc = error_set(error, KAFKA_AGAIN, "topic %s: no answer", topic);
    return rc;
}
