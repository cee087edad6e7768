#include "broker/kafka/group_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define LIMIT ((size_t)16 << 20)
#define FETCH "4194304" // bytes from a partition, and from a node, at once

// ---- Opening and closing ----

static int make_consumer(struct group *group, size_t limit, struct error *error) {
    static const struct cluster_setting defaults[] = {{"session.timeout.ms", "10000"},
        {"heartbeat.interval.ms", "1000"}, {"socket.timeout.ms", "10000"}, {NULL, NULL}};
    char kib[32];
    snprintf(kib, sizeof kib, "%zu", limit / 1024 ? limit / 1024 : 1);
    const struct cluster_setting musts[] = {{"group.id", group->name}, {"isolation.level", "read_committed"},
        {"enable.auto.commit", "false"}, {"enable.auto.offset.store", "false"},
        {"enable.partition.eof", "true"}, {"auto.offset.reset", "earliest"},
        {"partition.assignment.strategy", "range,roundrobin"}, {"queued.max.messages.kbytes", kib},
        {"fetch.message.max.bytes", FETCH}, {"fetch.max.bytes", FETCH}, {NULL, NULL}};
    return cluster_handle(group->cluster, RD_KAFKA_CONSUMER, defaults, musts, &group->rk, error);
}

static int watch(struct group *group, struct error *error) {
    static const uint64_t one = 1;
    group->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (group->fd < 0)
        return error_set(error, -errno, "eventfd: %s", strerror(errno));
    rd_kafka_poll_set_consumer(group->rk);
    group->queue = rd_kafka_queue_get_consumer(group->rk);
    rd_kafka_queue_io_event_enable(group->queue, group->fd, &one, sizeof one);
    return 0;
}

static int join(struct group *group, struct error *error) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, group->topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t why = rd_kafka_subscribe(group->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    return why ? error_set(error, -EIO, "joining %s: %s", group->name, rd_kafka_err2str(why)) : 0;
}

int group_open(const struct cluster *cluster, const struct group_options *options, struct group **out,
    struct error *error) {
    struct group *group = calloc(1, sizeof *group);
    if (!group)
        return error_no_memory(error);
    group->cluster = cluster;
    group->fd = -1;
    group->name = strdup(options->name);
    group->topic = strdup(options->topic);
    int rc = group->name && group->topic ? 0 : error_no_memory(error);
    rc = rc ? rc : make_consumer(group, options->limit ? options->limit : LIMIT, error);
    rc = rc ? rc : watch(group, error);
    rc = rc ? rc : join(group, error);
    if (rc)
        group_close(&group);
    else
        *out = group;
    return rc;
}

static void let_go(struct group *group) {
    if (group->held)
        rd_kafka_event_destroy(group->held);
    group->held = NULL;
    group->record = NULL;
}

void group_close(struct group **self) {
    struct group *group = *self;
    *self = NULL;
    if (!group)
        return;
    let_go(group);
    group_forget(group);
    if (group->queue)
        rd_kafka_queue_destroy(group->queue);
    if (group->leaving)
        rd_kafka_queue_destroy(group->leaving);
    if (group->rk)
        rd_kafka_destroy_flags(group->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    if (group->fd >= 0)
        close(group->fd);
    buffer_destroy(&group->token);
    free(group->name);
    free(group->topic);
    free(group);
}

int group_fd(const struct group *group) {
    return group->fd;
}

struct bytes group_token(const struct group *group) {
    return buffer_bytes(&group->token);
}

// ---- What comes ----

static bool hear_record(struct group *group, rd_kafka_event_t *event, struct group_event *out) {
    const rd_kafka_message_t *message = rd_kafka_event_message_next(event);
    if (!message || group->state != GROUP_RUNNING)
        return false;
    rd_kafka_timestamp_type_t type;
    int64_t time_ms = rd_kafka_message_timestamp(message, &type);
    *out = (struct group_event){.kind = GROUP_RECORD,
        .partition = message->partition,
        .offset = message->offset,
        .time_ms = type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? -1 : time_ms,
        .key = bytes_of(message->key, message->key_len),
        .value = bytes_of(message->payload, message->len)};
    group->record = message;
    return true;
}

static bool hear_end(struct group *group, rd_kafka_event_t *event, struct group_event *out) {
    rd_kafka_topic_partition_t *where = rd_kafka_event_topic_partition(event);
    if (!where)
        return false;
    out->kind = GROUP_END;
    out->partition = where->partition;
    out->offset = where->offset;
    rd_kafka_topic_partition_destroy(where);
    return group->state == GROUP_RUNNING;
}

static int hear_error(
    struct group *group, rd_kafka_event_t *event, struct group_event *out, bool *any, struct error *error) {
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    if (code == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        *any = hear_end(group, event, out);
        return 0;
    }
    if (rd_kafka_event_error_is_fatal(event))
        return error_set(error, code == RD_KAFKA_RESP_ERR__FENCED ? KAFKA_FENCED : -EIO, "%s: %s",
            group->name, rd_kafka_event_error_string(event));
    out->kind = GROUP_TROUBLE;
    out->text = rd_kafka_event_error_string(event);
    *any = true;
    return 0;
}

static int hear(
    struct group *group, rd_kafka_event_t *event, struct group_event *out, bool *any, struct error *error) {
    switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_REBALANCE:
        *any = group_rebalance(group, event, out);
        return 0;
    case RD_KAFKA_EVENT_LISTCONSUMERGROUPOFFSETS_RESULT:
        *any = group_hear_offsets(group, event, out);
        return 0;
    case RD_KAFKA_EVENT_FETCH:
        *any = hear_record(group, event, out);
        return 0;
    case RD_KAFKA_EVENT_ERROR:
        return hear_error(group, event, out, any, error);
    default:
        return 0;
    }
}

static rd_kafka_event_t *poll_queues(struct group *group) {
    rd_kafka_event_t *event = group->leaving ? rd_kafka_queue_poll(group->leaving, 0) : NULL;
    return event ? event : rd_kafka_queue_poll(group->queue, 0);
}

// The descriptor stays readable until the queues were found empty: once for many records, and whoever stops
// in between is woken again. What comes while it is read is found by the second look.
static rd_kafka_event_t *next_event(struct group *group) {
    uint64_t count;
    rd_kafka_event_t *event = poll_queues(group);
    if (event || read(group->fd, &count, sizeof count) < 0)
        return event; // nothing was told of since
    return poll_queues(group);
}

static void note_left(struct group *group, struct group_event *out) {
    if (group->state != GROUP_LEAVING || !rd_kafka_consumer_closed(group->rk))
        return;
    group->state = GROUP_GONE;
    out->kind = GROUP_LEFT;
}

int group_next(struct group *group, struct group_event *out, struct error *error) {
    bool any = false;
    int rc = 0;
    let_go(group);
    *out = (struct group_event){.kind = GROUP_NOTHING};
    group_ask_again(group);
    while (!any && rc == 0 && (group->held = next_event(group))) {
        rc = hear(group, group->held, out, &any, error);
        if (!any) {
            let_go(group);
            *out = (struct group_event){.kind = GROUP_NOTHING};
        }
    }
    if (!any && rc == 0)
        note_left(group, out);
    return rc;
}

bool group_header(const struct group *group, const char *name, struct bytes *out) {
    rd_kafka_headers_t *headers = NULL;
    const void *value;
    size_t size;
    if (!group->record || rd_kafka_message_headers(group->record, &headers) ||
        rd_kafka_header_get_last(headers, name, &value, &size))
        return false;
    *out = bytes_of(value, size);
    return true;
}

// ---- What the owner says ----

static int outcome(
    const struct group *group, const char *what, rd_kafka_resp_err_t why, struct error *error) {
    return why ? error_set(error, -EIO, "%s: %s: %s", group->name, what, rd_kafka_err2str(why)) : 0;
}

int group_start(struct group *group, const struct group_partition *from, size_t count, struct error *error) {
    if (group->state != GROUP_OFFERED || count != (group->assigned ? (size_t)group->assigned->cnt : 0))
        return error_set(error, -EINVAL, "%s: other partitions were assigned", group->name);
    for (size_t i = 0; i < count; i++) {
        rd_kafka_topic_partition_t *one =
            rd_kafka_topic_partition_list_find(group->assigned, group->topic, from[i].partition);
        if (!one)
            return error_set(
                error, -EINVAL, "%s: partition %d is not assigned", group->name, from[i].partition);
        one->offset = from[i].offset >= 0 ? from[i].offset : RD_KAFKA_OFFSET_BEGINNING;
    }
    group->state = GROUP_RUNNING;
    return outcome(group, "starting", rd_kafka_assign(group->rk, group->assigned), error);
}

int group_release(struct group *group, struct error *error) {
    if (group->state != GROUP_REVOKING)
        return error_set(error, -EINVAL, "%s: nothing was revoked", group->name);
    group_forget(group);
    group->state = GROUP_IDLE;
    return outcome(group, "releasing", rd_kafka_assign(group->rk, NULL), error);
}

static rd_kafka_topic_partition_list_t *only(const struct group *group, int32_t partition, int64_t offset) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, group->topic, partition)->offset = offset;
    return list;
}

int group_pause(struct group *group, int32_t partition, bool paused, struct error *error) {
    rd_kafka_topic_partition_list_t *list = only(group, partition, RD_KAFKA_OFFSET_INVALID);
    rd_kafka_resp_err_t why =
        paused ? rd_kafka_pause_partitions(group->rk, list) : rd_kafka_resume_partitions(group->rk, list);
    why = why ? why : list->elems[0].err;
    rd_kafka_topic_partition_list_destroy(list);
    return outcome(group, paused ? "pausing" : "resuming", why, error);
}

int group_seek(struct group *group, int32_t partition, int64_t offset, struct error *error) {
    rd_kafka_topic_partition_list_t *list = only(group, partition, offset);
    rd_kafka_error_t *failed = rd_kafka_seek_partitions(group->rk, list, 0);
    rd_kafka_resp_err_t why = failed ? rd_kafka_error_code(failed) : list->elems[0].err;
    if (failed)
        rd_kafka_error_destroy(failed);
    rd_kafka_topic_partition_list_destroy(list);
    if (why == RD_KAFKA_RESP_ERR__IN_PROGRESS) // as it must be without waiting
        why = RD_KAFKA_RESP_ERR_NO_ERROR;
    return outcome(group, "seeking", why, error);
}

int group_leave(struct group *group, struct error *error) {
    static const uint64_t one = 1;
    if (group->state == GROUP_LEAVING || group->state == GROUP_GONE)
        return 0;
    group_forget(group);
    group->state = GROUP_LEAVING;
    group->leaving = rd_kafka_queue_new(group->rk);
    rd_kafka_queue_io_event_enable(group->leaving, group->fd, &one, sizeof one);
    rd_kafka_error_t *why = rd_kafka_consumer_close_queue(group->rk, group->leaving);
    return why ? cluster_failed(group->rk, "leaving", why, error) : 0;
}
