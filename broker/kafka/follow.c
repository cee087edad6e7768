#include "broker/kafka/follow_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/syslog.h>

#define LIMIT ((size_t)256 << 20)
#define AHEAD_KIB "8192"
#define BATCH 1000 // records of one call

struct value {
    size_t size;
    uint8_t data[];
};

// ---- Opening and closing ----

static int make_consumer(struct follow *follow, struct error *error) {
    static const uint64_t one = 1;
    static const struct cluster_setting defaults[] = {{"socket.timeout.ms", "10000"}, {NULL, NULL}};
    // The group is only a name that librdkafka wants: nobody joins it, nothing is committed.
    const struct cluster_setting musts[] = {{"group.id", follow->cluster->prefix},
        {"isolation.level", "read_committed"}, {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"}, {"enable.partition.eof", "true"},
        {"auto.offset.reset", "earliest"}, {"queued.max.messages.kbytes", AHEAD_KIB}, {NULL, NULL}};
    int rc = cluster_handle(follow->cluster, RD_KAFKA_CONSUMER, defaults, musts, &follow->rk, error);
    if (rc)
        return rc;
    rd_kafka_poll_set_consumer(follow->rk);
    follow->queue = rd_kafka_queue_get_consumer(follow->rk);
    rd_kafka_queue_io_event_enable(follow->queue, ends_fd(follow->ends), &one, sizeof one);
    return 0;
}

static int begin(struct follow *follow, struct error *error) {
    const struct follow_options *options = &follow->options;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(options->partitions);
    for (int32_t i = 0; i < options->partitions; i++)
        rd_kafka_topic_partition_list_add(list, options->topic, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_resp_err_t why = rd_kafka_assign(follow->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    return why ? error_set(error, -EIO, "topic %s: %s", options->topic, rd_kafka_err2str(why)) : 0;
}

int follow_open(const struct cluster *cluster, const struct follow_options *options, struct follow **out,
    struct error *error) {
    struct follow *follow = calloc(1, sizeof *follow);
    if (!follow)
        return error_no_memory(error);
    follow->cluster = cluster;
    follow->options = *options;
    follow->options.topic = strdup(options->topic);
    follow->options.limit = options->limit ? options->limit : LIMIT;
    follow->values = map_new();
    follow->read_to = calloc((size_t)options->partitions, sizeof *follow->read_to);
    int rc = follow->options.topic && follow->values && follow->read_to
                 ? ends_open(cluster, options->topic, options->partitions, &follow->ends, error)
                 : error_no_memory(error);
    rc = rc ? rc : make_consumer(follow, error);
    rc = rc ? rc : begin(follow, error);
    if (rc)
        follow_close(&follow);
    else
        *out = follow;
    return rc;
}

static void free_values(struct follow *follow) {
    size_t cursor = 0;
    struct bytes key;
    void *value;
    while (follow->values && map_next(follow->values, &cursor, &key, &value))
        free(value);
    map_destroy(&follow->values);
}

void follow_close(struct follow **self) {
    struct follow *follow = *self;
    *self = NULL;
    if (!follow)
        return;
    questions_destroy(follow);
    if (follow->queue)
        rd_kafka_queue_destroy(follow->queue);
    if (follow->rk)
        rd_kafka_destroy_flags(follow->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    ends_close(&follow->ends); // whose descriptor the other handle writes to
    free_values(follow);
    free(follow->read_to);
    free((char *)(uintptr_t)follow->options.topic);
    free(follow);
}

int follow_fd(const struct follow *follow) {
    return ends_fd(follow->ends);
}

// ---- Values ----

static size_t cost_of(struct bytes key, const struct value *value) {
    return value ? FOLLOW_ENTRY_COST + key.size + value->size : 0;
}

static void remove_key(struct follow *follow, struct bytes key) {
    struct value *before = map_remove(follow->values, key);
    follow->size -= cost_of(key, before);
    free(before);
}

static int put_key(struct follow *follow, struct bytes key, struct bytes bytes, struct error *error) {
    struct value *before = map_get(follow->values, key);
    size_t without = follow->size - cost_of(key, before);
    if (FOLLOW_ENTRY_COST + key.size + bytes.size > follow->options.limit - without)
        return error_set(error, KAFKA_FULL, "topic %s has more than %zu bytes of keys and values",
            follow->options.topic, follow->options.limit);
    struct value *value = malloc(sizeof *value + bytes.size);
    if (!value)
        return error_no_memory(error);
    value->size = bytes.size;
    memcpy(value->data, bytes.data, bytes.size);
    if (map_put(follow->values, key, value)) {
        free(value);
        return error_no_memory(error);
    }
    follow->size = without + cost_of(key, value);
    free(before);
    return 0;
}

struct bytes follow_get(const struct follow *follow, struct bytes key) {
    const struct value *value = map_get(follow->values, key);
    return value ? bytes_of(value->data, value->size) : (struct bytes){0};
}

size_t follow_count(const struct follow *follow) {
    return map_size(follow->values);
}

size_t follow_size(const struct follow *follow) {
    return follow->size;
}

bool follow_next(const struct follow *follow, size_t *cursor, struct bytes *key, struct bytes *value) {
    void *found;
    if (!map_next(follow->values, cursor, key, &found))
        return false;
    const struct value *one = found;
    *value = bytes_of(one->data, one->size);
    return true;
}

// ---- Reading ----

// Of several keys: whether the one that is kept stays.
static bool is_outdone(const struct follow *follow, struct bytes key, struct bytes value) {
    struct bytes before = follow_get(follow, key);
    if (!follow->options.counts)
        return false;
    return !value.data || (before.data && !follow->options.counts(before, value));
}

static int take_record(struct follow *follow, const rd_kafka_message_t *message, struct error *error) {
    struct bytes key = bytes_of(message->key, message->key_len);
    struct bytes value = bytes_of(message->payload, message->len);
    follow->read_to[message->partition] = message->offset + 1;
    if (!key.data) // nobody of ours writes such a one
        return 0;
    if (follow->options.kept_as)
        key = follow->options.kept_as(key);
    if (is_outdone(follow, key, value))
        return 0;
    if (follow->options.changed)
        follow->options.changed(follow->options.context, message->partition, key, value);
    if (value.data)
        return put_key(follow, key, value, error);
    remove_key(follow, key);
    return 0;
}

static int take(struct follow *follow, const rd_kafka_message_t *message, struct error *error) {
    bool known = message->partition >= 0 && message->partition < follow->options.partitions;
    if (!message->err && known)
        return take_record(follow, message, error);
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF && known)
        follow->read_to[message->partition] = message->offset;
    else
        cluster_tell(follow->cluster, LOG_WARNING, "FOLLOW", "topic %s: %s", follow->options.topic,
            rd_kafka_message_errstr(message));
    return 0;
}

static int take_some(struct follow *follow, bool *more, struct error *error) {
    int rc = 0;
    for (int i = 0; i < BATCH && rc == 0; i++) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(follow->rk, 0);
        if (!message)
            return 0;
        rc = take(follow, message, error);
        rd_kafka_message_destroy(message);
    }
    *more = rc == 0;
    return rc;
}

int follow_work(struct follow *follow, bool *more, struct error *error) {
    *more = false;
    ends_heard(follow->ends);
    if (follow->failed)
        return error_set(error, follow->failed, "topic %s can't be followed any more", follow->options.topic);
    int rc = take_some(follow, more, error);
    if (rc == 0 && questions_work(follow))
        rc = error_no_memory(error);
    follow->failed = rc;
    return rc;
}
