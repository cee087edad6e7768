// Topics are made, described, and shortened.
#include "broker/kafka/admin.h"
#include "core/base/clock.h"

#include <stdlib.h>
#include <time.h>

#define CREATE_AT_ONCE 100u // topics in one request
#define LOOK_MS 100

// ---- The handle ----

int topics_open(const struct cluster *cluster, int timeout_ms, struct admin **out, struct error *error) {
    static const struct cluster_setting musts[] = {
        {"enable.idempotence", "true"}, {"acks", "all"}, {"linger.ms", "0"}, {NULL, NULL}};
    struct admin *admin = calloc(1, sizeof *admin);
    if (!admin)
        return error_no_memory(error);
    admin->cluster = cluster;
    admin->timeout_ms = timeout_ms;
    int rc = cluster_handle(cluster, RD_KAFKA_PRODUCER, NULL, musts, &admin->rk, error);
    if (rc) {
        free(admin);
        return rc;
    }
    admin->answers = rd_kafka_queue_new(admin->rk);
    admin->deletions = rd_kafka_queue_new(admin->rk);
    *out = admin;
    return 0;
}

void topics_close(struct admin **self) {
    struct admin *admin = *self;
    *self = NULL;
    if (!admin)
        return;
    rd_kafka_queue_destroy(admin->answers);
    rd_kafka_queue_destroy(admin->deletions);
    rd_kafka_destroy(admin->rk);
    free(admin);
}

rd_kafka_AdminOptions_t *topics_options(const struct admin *admin, rd_kafka_admin_op_t what) {
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(admin->rk, what);
    char ignored[256];
    rd_kafka_AdminOptions_set_request_timeout(options, admin->timeout_ms, ignored, sizeof ignored);
    if (what != RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS)
        rd_kafka_AdminOptions_set_operation_timeout(options, admin->timeout_ms, ignored, sizeof ignored);
    return options;
}

rd_kafka_event_t *topics_answer(struct admin *admin, const char *what, struct error *error) {
    // A second more: the request ends by itself, and says why.
    rd_kafka_event_t *event = rd_kafka_queue_poll(admin->answers, admin->timeout_ms + 1000);
    rd_kafka_resp_err_t code = event ? rd_kafka_event_error(event) : RD_KAFKA_RESP_ERR__TIMED_OUT;
    if (!code)
        return event;
    error_set(error, topics_code(code), "%s: %s", what,
        event ? rd_kafka_event_error_string(event) : "the cluster doesn't answer");
    if (event)
        rd_kafka_event_destroy(event);
    return NULL;
}

int topics_code(rd_kafka_resp_err_t code) {
    switch (code) {
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
    case RD_KAFKA_RESP_ERR_NOT_CONTROLLER:
    case RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION:
        return KAFKA_AGAIN;
    default:
        return KAFKA_WRONG;
    }
}

// ---- Making ----

static rd_kafka_NewTopic_t *new_topic(const struct topic *topic, struct error *error) {
    char text[256];
    rd_kafka_NewTopic_t *made =
        rd_kafka_NewTopic_new(topic->name, topic->partitions, topic->replication, text, sizeof text);
    if (!made)
        error_set(error, KAFKA_WRONG, "topic %s can't be made: %s", topic->name, text);
    for (size_t i = 0; made && i < topic->setting_count; i++)
        rd_kafka_NewTopic_set_config(made, topic->settings[i].name, topic->settings[i].value);
    return made;
}

static int look_at_made(const rd_kafka_event_t *event, struct error *error) {
    size_t count = 0;
    const rd_kafka_topic_result_t **made = rd_kafka_CreateTopics_result_topics(
        rd_kafka_event_CreateTopics_result((rd_kafka_event_t *)(uintptr_t)event), &count);
    for (size_t i = 0; i < count; i++) {
        rd_kafka_resp_err_t code = rd_kafka_topic_result_error(made[i]);
        const char *text = rd_kafka_topic_result_error_string(made[i]);
        if (code && code != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
            return error_set(error, topics_code(code), "topic %s can't be made: %s",
                rd_kafka_topic_result_name(made[i]), text ? text : rd_kafka_err2str(code));
    }
    return 0;
}

static int ask_for_topics(
    struct admin *admin, rd_kafka_NewTopic_t **made, size_t count, struct error *error) {
    rd_kafka_AdminOptions_t *options = topics_options(admin, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_CreateTopics(admin->rk, made, count, options, admin->answers);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_event_t *event = topics_answer(admin, "making topics", error);
    if (!event)
        return error->code;
    int rc = look_at_made(event, error);
    rd_kafka_event_destroy(event);
    return rc;
}

static int make_some(struct admin *admin, const struct topic *topics, size_t count, struct error *error) {
    rd_kafka_NewTopic_t *made[CREATE_AT_ONCE];
    size_t ready = 0;
    while (ready < count && (made[ready] = new_topic(&topics[ready], error)))
        ready++;
    int rc = ready == count ? ask_for_topics(admin, made, count, error) : KAFKA_WRONG;
    rd_kafka_NewTopic_destroy_array(made, ready);
    return rc;
}

static int wait_for_leaders(struct admin *admin, const struct topics *topics, struct error *error) {
    struct topics as_they_are = {
        .items = calloc(topics->count + 1, sizeof *topics->items), .count = topics->count};
    if (!as_they_are.items)
        return error_no_memory(error);
    memcpy(as_they_are.items, topics->items, topics->count * sizeof *topics->items);
    uint64_t until = clock_monotonic_ns() + (uint64_t)admin->timeout_ms * (uint64_t)CLOCK_MILLISECOND_NS;
    int rc;
    while ((rc = topics_describe(admin, &as_they_are, error)) && clock_monotonic_ns() < until)
        nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000L}, NULL);
    topics_destroy(&as_they_are);
    return rc;
}

int topics_make(struct admin *admin, const struct topics *topics, struct error *error) {
    int rc = 0;
    for (size_t at = 0; at < topics->count && rc == 0; at += CREATE_AT_ONCE) {
        size_t left = topics->count - at;
        rc = make_some(admin, &topics->items[at], left < CREATE_AT_ONCE ? left : CREATE_AT_ONCE, error);
    }
    return rc ? rc : wait_for_leaders(admin, topics, error);
}

// ---- Describing ----

static int describe_one(const struct rd_kafka_metadata *all, struct topic *topic, struct error *error) {
    for (int i = 0; i < all->topic_cnt; i++) {
        const rd_kafka_metadata_topic_t *found = &all->topics[i];
        if (strcmp(found->topic, topic->name) != 0)
            continue;
        if (found->err)
            return error_set(
                error, topics_code(found->err), "topic %s: %s", topic->name, rd_kafka_err2str(found->err));
        for (int p = 0; p < found->partition_cnt; p++)
            if (found->partitions[p].leader < 0)
                return error_set(error, KAFKA_AGAIN, "topic %s, partition %d has no leader", topic->name, p);
        topic->partitions = found->partition_cnt;
        return 0;
    }
    return error_set(error, KAFKA_WRONG,
        "there is no topic %s: make it with %d partitions (hutong journal create)", topic->name,
        topic->partitions);
}

int topics_describe(struct admin *admin, struct topics *topics, struct error *error) {
    const struct rd_kafka_metadata *all;
    rd_kafka_resp_err_t code = rd_kafka_metadata(admin->rk, 1, NULL, &all, admin->timeout_ms);
    if (code)
        return error_set(error, topics_code(code), "asking for the topics: %s", rd_kafka_err2str(code));
    int rc = 0;
    for (size_t i = 0; i < topics->count && rc == 0; i++)
        rc = describe_one(all, &topics->items[i], error);
    rd_kafka_metadata_destroy(all);
    return rc;
}

// ---- Deleting ----

int topics_delete_before(
    struct admin *admin, const char *topic, int32_t partition, int64_t offset, struct error *error) {
    if (admin->deleting)
        return error_set(error, KAFKA_BUSY, "a deletion is under way");
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = offset;
    rd_kafka_DeleteRecords_t *what = rd_kafka_DeleteRecords_new(list);
    rd_kafka_AdminOptions_t *options = topics_options(admin, RD_KAFKA_ADMIN_OP_DELETERECORDS);
    rd_kafka_DeleteRecords(admin->rk, &what, 1, options, admin->deletions);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_DeleteRecords_destroy(what);
    rd_kafka_topic_partition_list_destroy(list);
    admin->deleting = true;
    return 0;
}

static int look_at_deleted(rd_kafka_event_t *event, int64_t *first, struct error *error) {
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    if (code)
        return error_set(
            error, topics_code(code), "deleting records: %s", rd_kafka_event_error_string(event));
    const rd_kafka_topic_partition_list_t *list =
        rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(event));
    const rd_kafka_topic_partition_t *one = &list->elems[0];
    if (one->err)
        return error_set(error, topics_code(one->err), "deleting records of topic %s, partition %d: %s",
            one->topic, one->partition, rd_kafka_err2str(one->err));
    *first = one->offset;
    return 0;
}

int topics_deleted(struct admin *admin, int timeout_ms, int64_t *first, struct error *error) {
    rd_kafka_event_t *event = rd_kafka_queue_poll(admin->deletions, timeout_ms);
    if (!event)
        return error_set(error, KAFKA_BUSY, "no answer yet");
    admin->deleting = false;
    int rc = look_at_deleted(event, first, error);
    rd_kafka_event_destroy(event);
    return rc;
}
