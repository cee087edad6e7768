// Topics to the bus. The spool's position is what counts: each message is stored together with the offsets
// behind it. To Kafka the offsets are committed once that is on disk, for the group's other members and for
// who watches its lag.
#include "adapters/connectors/kafka/kafka.h"

#include "core/base/clock.h"
#include "core/base/log.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define BATCH 1000 // records of one poll
#define WAIT_MS 10000
#define COMMITTED_MS 3000
#define COMMITTED_TRIES 10
#define LEAVE_MS 30000
#define LOOK_MS 20  // nobody is told when a group was left
#define FULL_MS 100 // until the spool may have room again

// ---- Offsets ----

int kafka_reader_position(struct reader *reader, struct bytes *out, struct error *error) {
    buffer_clear(&reader->position);
    int rc = offsets_write(&reader->offsets, &reader->position);
    if (rc == -EMSGSIZE)
        return error_set(error, -EMSGSIZE, "the offsets of %zu partitions don't fit: read fewer topics here",
            reader->offsets.count);
    *out = buffer_bytes(&reader->position);
    return rc ? error_no_memory(error) : 0;
}

int kafka_reader_make_durable(struct reader *reader, struct error *error) {
    const struct connector_host *host = reader->common->host;
    struct bytes position = {0};
    int rc = refused_file_sync(reader->refused, error);
    rc = rc ? rc : kafka_reader_position(reader, &position, error);
    return rc ? rc : host->store_position(host->runtime, position, error);
}

static rd_kafka_topic_partition_list_t *assigned(const struct reader *reader) {
    rd_kafka_topic_partition_list_t *list = NULL;
    return rd_kafka_assignment(reader->rk, &list) ? NULL : list;
}

// Fills in the offsets that are on disk, but none behind what Kafka has: another member of the group may have
// been there. Whether none was taken beyond them.
static bool fill_offsets(
    struct reader *reader, const struct offsets *stored, rd_kafka_topic_partition_list_t *list) {
    bool all = true;
    for (int i = 0; i < list->cnt; i++) {
        rd_kafka_topic_partition_t *at = &list->elems[i];
        int64_t next = offsets_get(stored, at->topic, at->partition);
        bool behind = next < offsets_get(&reader->told, at->topic, at->partition);
        at->offset = behind || next == OFFSET_NONE ? RD_KAFKA_OFFSET_INVALID : next;
        all = all && offsets_get(&reader->offsets, at->topic, at->partition) <= next;
    }
    return all;
}

// What came of the commit; that it takes too long is none of ours.
static rd_kafka_resp_err_t commit_and_wait(
    const struct reader *reader, const rd_kafka_topic_partition_list_t *list) {
    rd_kafka_queue_t *answers = rd_kafka_queue_new(reader->rk);
    rd_kafka_resp_err_t why = rd_kafka_commit_queue(reader->rk, list, answers, NULL, NULL);
    rd_kafka_event_t *event = NULL;
    uint64_t until_ns = kafka_until_ns(WAIT_MS);
    for (int step_ms = 1; !why && !event && step_ms > 0;) {
        step_ms = kafka_step_ms(reader->common, until_ns);
        event = rd_kafka_queue_poll(answers, step_ms);
    }
    if (!why)
        why = event ? rd_kafka_event_error(event) : RD_KAFKA_RESP_ERR__TIMED_OUT;
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(answers);
    return why;
}

static void commit(struct reader *reader, const struct offsets *stored, bool wait) {
    rd_kafka_topic_partition_list_t *list = assigned(reader);
    if (!list)
        return;
    reader->dirty = !fill_offsets(reader, stored, list);
    rd_kafka_resp_err_t why = wait ? commit_and_wait(reader, list) : rd_kafka_commit(reader->rk, list, true);
    rd_kafka_topic_partition_list_destroy(list);
    reader->commit_due_ns = clock_monotonic_ns() + reader->commit_ns;
    if (why && why != RD_KAFKA_RESP_ERR__NO_OFFSET)
        log_event(LOG_INFO, "kafka.commit", "reason=\"%s\"", rd_kafka_err2str(why)); // the spool knows
}

static int commit_all(struct reader *reader, bool wait, struct error *error) {
    int rc = kafka_reader_make_durable(reader, error);
    if (rc == 0)
        commit(reader, &reader->offsets, wait);
    return rc;
}

// While records come, the disk is not waited for: what is on it by now is committed, and the rest in its
// turn. Only behind a record that was refused no message carries the offsets there.
static int commit_stored(struct reader *reader, struct error *error) {
    const struct connector_host *host = reader->common->host;
    struct offsets stored = {0};
    if (reader->refused_last)
        return commit_all(reader, false, error);
    int rc = offsets_read(&stored, host->position(host->runtime));
    if (rc == 0)
        commit(reader, &stored, false);
    offsets_destroy(&stored);
    return rc ? error_set(error, rc, "the stored position can't be read") : 0;
}

// ---- Rebalancing ----

// Where to go on: what the spool knows, or Kafka if another member has got further meanwhile.
static void choose_offsets(struct reader *reader, rd_kafka_topic_partition_list_t *list) {
    rd_kafka_topic_partition_list_t *known = rd_kafka_topic_partition_list_copy(list);
    rd_kafka_resp_err_t why = RD_KAFKA_RESP_ERR__FAIL;
    for (int i = 0; i < COMMITTED_TRIES && why; i++)
        why = rd_kafka_committed(reader->rk, known,
            (int)reader->common->host->patience_ms(reader->common->host->runtime, COMMITTED_MS));
    for (int i = 0; i < list->cnt; i++) {
        int64_t stored = offsets_get(&reader->offsets, list->elems[i].topic, list->elems[i].partition);
        int64_t committed = why ? OFFSET_NONE : known->elems[i].offset;
        int64_t next = stored > committed ? stored : committed;
        offsets_set(
            &reader->told, list->elems[i].topic, list->elems[i].partition, committed); // or it isn't known
        list->elems[i].offset = next >= 0 ? next : RD_KAFKA_OFFSET_INVALID; // Kafka's, or as `start` says
    }
    rd_kafka_topic_partition_list_destroy(known);
}

// Records of partitions that are another's now.
static void drop_pending(struct reader *reader) {
    for (size_t i = 0; i < reader->pending.count; i++)
        rd_kafka_message_destroy(reader->pending.items[i]);
    reader->pending.count = 0;
    reader->paused = false;
}

static void give_away(struct reader *reader, rd_kafka_topic_partition_list_t *list) {
    struct error error = {0};
    if (!rd_kafka_assignment_lost(reader->rk) && commit_all(reader, true, &error) == 0)
        for (int i = 0; i < list->cnt; i++)
            offsets_remove(&reader->offsets, list->elems[i].topic, list->elems[i].partition);
    drop_pending(reader);
}

static void on_rebalance(
    rd_kafka_t *rk, rd_kafka_resp_err_t what, rd_kafka_topic_partition_list_t *list, void *opaque) {
    struct reader *reader = opaque;
    bool mine = what == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    if (mine)
        choose_offsets(reader, list);
    else if (reader->dirty || list->cnt)
        give_away(reader, list);
    rd_kafka_assign(rk, mine ? list : NULL);
    log_event(LOG_INFO, mine ? "kafka.assigned" : "kafka.revoked", "partitions=%d", list->cnt);
}

// ---- Opening ----

static int configure(struct reader *reader, rd_kafka_conf_t *conf, struct error *error) {
    const struct common *common = reader->common;
    rd_kafka_conf_set_opaque(conf, reader);
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    int rc = conf_set(conf, "group.id", reader->group, error);
    rc = rc ? rc : conf_set(conf, "enable.auto.commit", "false", error);
    rc = rc ? rc : conf_set(conf, "enable.auto.offset.store", "false", error);
    rc = rc ? rc : conf_set(conf, "isolation.level", "read_committed", error);
    rc = rc ? rc : conf_set(conf, "auto.offset.reset", reader->latest ? "latest" : "earliest", error);
    rc = rc ? rc : conf_set_size(conf, "queued.max.messages.kbytes", common->queue_limit / 1024, error);
    return rc;
}

static int make_consumer(struct reader *reader, struct error *error) {
    rd_kafka_conf_t *conf;
    char text[256];
    int rc = common_conf(reader->common, &conf, error);
    if (rc)
        return rc;
    rc = configure(reader, conf, error);
    if (rc == 0) {
        reader->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
        rc = reader->rk ? 0 : error_set(error, -EINVAL, "%s", text);
    }
    if (rc)
        rd_kafka_conf_destroy(conf);
    return rc;
}

static int subscribe(struct reader *reader, struct error *error) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)reader->topic_count);
    for (size_t i = 0; i < reader->topic_count; i++)
        rd_kafka_topic_partition_list_add(list, reader->topics[i].topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t why = rd_kafka_subscribe(reader->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    return why ? error_set(error, CONNECTOR_RETRY, "subscribing: %s", rd_kafka_err2str(why)) : 0;
}

static int watch(struct reader *reader, struct error *error) {
    static const uint64_t one = 1;
    reader->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (reader->fd < 0)
        return error_set(error, -errno, "eventfd: %s", strerror(errno));
    rd_kafka_poll_set_consumer(reader->rk);
    reader->queue = rd_kafka_queue_get_consumer(reader->rk);
    rd_kafka_queue_io_event_enable(reader->queue, reader->fd, &one, sizeof one);
    return 0;
}

int kafka_reader_open(struct reader *reader, struct error *error) {
    const struct connector_host *host = reader->common->host;
    kafka_reader_close(reader);
    int rc = offsets_read(&reader->offsets, host->position(host->runtime));
    if (rc)
        return error_set(error, rc, "the stored position is none of this connector");
    rc = make_consumer(reader, error);
    rc = rc ? rc : watch(reader, error);
    rc = rc ? rc : subscribe(reader, error);
    reader->commit_due_ns = clock_monotonic_ns() + reader->commit_ns;
    if (rc)
        kafka_reader_close(reader);
    return rc;
}

// Revokes, and so commits.
void kafka_reader_finish(struct reader *reader) {
    if (!reader->rk)
        return;
    rd_kafka_queue_t *leaving = rd_kafka_queue_new(reader->rk);
    rd_kafka_error_t *why = rd_kafka_consumer_close_queue(reader->rk, leaving);
    uint64_t until_ns = kafka_until_ns(LEAVE_MS);
    for (int step_ms = 1; !why && step_ms > 0 && !rd_kafka_consumer_closed(reader->rk);) {
        step_ms = kafka_step_ms(reader->common, until_ns);
        rd_kafka_queue_poll_callback(leaving, step_ms < LOOK_MS ? step_ms : LOOK_MS);
    }
    if (why)
        rd_kafka_error_destroy(why);
    rd_kafka_queue_destroy(leaving);
    reader->stuck = !rd_kafka_consumer_closed(reader->rk);
}

void kafka_reader_close(struct reader *reader) {
    drop_pending(reader);
    if (reader->queue)
        rd_kafka_queue_destroy(reader->queue);
    // It would wait for what is under way, up to socket.timeout.ms: that is left to the end of the process.
    if (reader->rk && !reader->stuck)
        rd_kafka_destroy_flags(reader->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    if (reader->fd >= 0)
        close(reader->fd);
    reader->rk = NULL;
    reader->queue = NULL;
    reader->fd = -1;
}

// ---- Polling ----

static int keep(struct reader *reader, rd_kafka_message_t *message, struct error *error) {
    struct pending *pending = &reader->pending;
    if (pending->count == pending->capacity) {
        size_t capacity = pending->capacity ? pending->capacity * 2 : 16;
        rd_kafka_message_t **larger = reallocarray(pending->items, capacity, sizeof(void *));
        if (!larger)
            return error_no_memory(error);
        pending->items = larger;
        pending->capacity = capacity;
    }
    pending->items[pending->count++] = message;
    return 0;
}

// Without room in the spool Kafka is asked for no more, and the group still sees us.
static void set_paused(struct reader *reader, bool paused) {
    rd_kafka_topic_partition_list_t *list = reader->paused == paused ? NULL : assigned(reader);
    if (!list)
        return;
    if (paused)
        rd_kafka_pause_partitions(reader->rk, list);
    else
        rd_kafka_resume_partitions(reader->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    reader->paused = paused;
}

static int give_pending(struct reader *reader, struct error *error) {
    struct pending *pending = &reader->pending;
    size_t done = 0;
    int rc = 0;
    if (pending->count == 0)
        return 0;
    while (done < pending->count && (rc = kafka_reader_give(reader, pending->items[done], error)) == 0)
        rd_kafka_message_destroy(pending->items[done++]);
    pending->count -= done;
    memmove(pending->items, pending->items + done, pending->count * sizeof(void *));
    return rc;
}

static int handle(struct reader *reader, rd_kafka_message_t *message, struct error *error) {
    int rc = 0;
    if (message->err) // of a topic or the group; the library goes on by itself
        rc = error_set(error, CONNECTOR_RETRY, "%s", rd_kafka_message_errstr(message));
    else if (reader->pending.count)
        return keep(reader, message, error);
    else
        rc = kafka_reader_give(reader, message, error);
    if (rc == CONNECTOR_RETRY && !message->err)
        return keep(reader, message, error) ? -ENOMEM : CONNECTOR_RETRY;
    rd_kafka_message_destroy(message);
    return rc;
}

static int take_batch(struct reader *reader, bool *more, struct error *error) {
    int rc = 0;
    for (int i = 0; i < BATCH && rc == 0; i++) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(reader->rk, 0);
        if (!message)
            return 0;
        rc = handle(reader, message, error);
    }
    *more = rc == 0;
    return rc;
}

static uint32_t wait_of(const struct reader *reader, uint64_t now_ns) {
    uint64_t wait = 1000;
    if (reader->dirty)
        wait =
            reader->commit_due_ns > now_ns ? (reader->commit_due_ns - now_ns) / CLOCK_MILLISECOND_NS + 1 : 0;
    return (uint32_t)(wait < 1000 ? wait : 1000);
}

static int give_and_take(struct reader *reader, bool *more, struct error *error) {
    struct error ignored;
    int rc = give_pending(reader, error);
    set_paused(reader, rc != 0);
    int batch = take_batch(reader, more, rc ? &ignored : error); // paused: the group is served all the same
    set_paused(reader, reader->pending.count > 0);
    return rc ? rc : batch;
}

int kafka_reader_poll(struct reader *reader, bool *more, uint32_t *wait_ms, int *fd, struct error *error) {
    uint64_t count;
    uint64_t before = reader->taken;
    (void)!read(reader->fd, &count, sizeof count);
    *fd = reader->fd;
    int rc = give_and_take(reader, more, error);
    if (reader->dirty && clock_monotonic_ns() >= reader->commit_due_ns) {
        struct error *why = rc ? NULL : error;
        int failed = *more ? commit_stored(reader, why) : commit_all(reader, false, why);
        rc = rc ? rc : failed;
    }
    *wait_ms = wait_of(reader, clock_monotonic_ns());
    if (rc != CONNECTOR_RETRY || reader->taken == before)
        return rc;
    *more = false; // it went on, so the pauses start small again
    *wait_ms = FULL_MS;
    return 0;
}
