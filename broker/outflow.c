// What goes out: acceptances, deliveries; what comes back: settlements, loads; and what ends as a dead
// letter.
#include "broker/internal.h"

#include <errno.h>
#include <stdlib.h>

// Records the spans of one queue as settled.
static int record_settled(struct broker *broker, struct queue *queue, const struct spans *spans,
    uint64_t bytes, struct update *update) {
    if (spans->count == 0)
        return 0;
    Hutong__Bus__V1__PositionSpan *items = calloc(spans->count, sizeof *items);
    Hutong__Bus__V1__PositionSpan **pointers = calloc(spans->count, sizeof *pointers);
    int rc = items && pointers ? 0 : -ENOMEM;
    for (size_t i = 0; i < spans->count && rc == 0; i++) {
        hutong__bus__v1__position_span__init(&items[i]);
        items[i].first = spans->items[i].first;
        items[i].count = spans->items[i].last - spans->items[i].first + 1;
        pointers[i] = &items[i];
    }
    if (rc == 0) {
        Hutong__Bus__V1__SettledRecord record = HUTONG__BUS__V1__SETTLED_RECORD__INIT;
        record.queue = queue->id;
        record.n_spans = spans->count;
        record.spans = pointers;
        record.bytes = bytes;
        rc = broker_record(broker, update, HUTONG__BUS__V1__RECORD_KIND__RECORD_SETTLED, &record.base, NULL);
        queue->settle_record = broker->next_record - 1;
    }
    free(items);
    free(pointers);
    return rc;
}

// Look-ups that settling a range may take.
static uint64_t settle_work(const struct queue *queue, const Hutong__Bus__V1__PositionRange *range) {
    uint64_t width = range->last >= range->first ? range->last - range->first : 0;
    return width < queue->known.size ? width + 1 : queue->known.size + 1;
}

int outflow_settle(struct broker *broker, struct session *session, const Hutong__Bus__V1__Settle *settle,
    struct update *update) {
    struct queue *queue = session->queue;
    if (!queue || queue->receiver != session->connection)
        return 0; // it stood by, or came too late: what it says comes again
    struct spans spans = {0};
    uint64_t bytes = 0;
    uint64_t before = queue->counters.settled;
    int rc = 0;
    uint64_t work = 0;
    queue->settling = broker->next_record;
    for (size_t i = 0; i < settle->n_done && rc == 0; i++) {
        // One frame can do no more than settle the whole window a few times over.
        work += settle_work(queue, settle->done[i]);
        if (work > 4 * (queue->limits.window + settle->n_done))
            break;
        rc = queue_settle(queue, settle->done[i]->first, settle->done[i]->last, &spans, &bytes);
    }
    rc = rc ? rc : record_settled(broker, queue, &spans, bytes, update);
    spans_destroy(&spans);
    for (size_t i = 0; i < settle->n_failures && rc == 0; i++) {
        const Hutong__Bus__V1__Failure *failure = settle->failures[i];
        queue_fail(queue, failure->position, failure->retry_after_ms, failure->reject, failure->text,
            broker->now_ms);
        session->counters.failed++;
    }
    session->counters.settled += queue->counters.settled - before;
    broker->counters.settled += queue->counters.settled - before;
    return rc;
}

// One dying delivery: its dead letter and its settlement, in one batch.
static int bury(
    struct broker *broker, struct queue *queue, struct delivery *delivery, struct update *update) {
    struct queue *dead = registry_dead_queue(broker, queue);
    if (!dead)
        return -ENOMEM;
    Hutong__Bus__V1__DeadRecord record = HUTONG__BUS__V1__DEAD_RECORD__INIT;
    record.queue = queue->id;
    record.position = delivery->position;
    record.dead_queue = dead->id;
    record.dead_position = dead->next_position;
    record.route = (char *)(uintptr_t)delivery->rule.route;
    record.reason = delivery->reason;
    record.text = delivery->text ? delivery->text : (char *)(uintptr_t)"";
    record.attempts = delivery->attempt;
    record.subject_hash = delivery->subject_hash;
    record.envelope.data = (uint8_t *)(uintptr_t)delivery->envelope.data;
    record.envelope.len = delivery->envelope.size;
    struct journal_entry entry = {.queue = dead->id, .position = dead->next_position};
    size_t size = delivery->envelope.size;
    int rc = broker_record(broker, update, HUTONG__BUS__V1__RECORD_KIND__RECORD_DEAD, &record.base, &entry);
    if (rc)
        return rc;
    queue_recover_push(dead, entry.position, size);
    broker_count_dead(broker, queue, record.reason);
    struct spans spans = {0};
    uint64_t bytes = 0;
    queue->settling = broker->next_record;
    rc = queue_bury(queue, delivery, &spans, &bytes);
    rc = rc ? rc : record_settled(broker, queue, &spans, bytes, update);
    spans_destroy(&spans);
    return rc;
}

static int bury_dead(struct broker *broker, struct queue *queue, struct update *update) {
    for (struct delivery *delivery; (delivery = queue_next_dead(queue)) != NULL;) {
        // The dead letter and its settlement stand in one batch.
        if (journal_batch_size(update->batch) &&
            journal_batch_size(update->batch) + 2 * delivery->size + 8192 > broker->batch_hard) {
            update->more = true;
            return 0;
        }
        int rc = bury(broker, queue, delivery, update);
        if (rc == JOURNAL_BATCH_FULL) {
            update->more = true;
            return 0;
        }
        if (rc)
            return rc;
    }
    return 0;
}

static int deliver(struct broker *broker, struct queue *queue, struct update *update) {
    struct session *session = number_map_get(&broker->by_connection, queue->receiver);
    while (queue->receiving && session && !broker->draining) {
        struct queue_frame frame;
        int rc = queue_fill(queue, broker->durable, broker->now_us, &broker->batch_limits, &frame);
        if (rc || frame.count == 0)
            return rc;
        struct outgoing *outgoing = update_outgoing(update, queue->receiver);
        if (!outgoing) {
            buffer_destroy(&frame.head);
            buffer_destroy(&frame.body);
            return -ENOMEM;
        }
        outgoing->head = frame.head;
        outgoing->body = frame.body;
        outgoing->has_body = true;
        session->spoke_ms = broker->now_ms;
        session->counters.delivered += frame.count;
    }
    return 0;
}

static int tell_accepted(struct broker *broker, struct update *update) {
    LIST_EACH(node, &broker->sessions) {
        struct session *session = LIST_ITEM(node, struct session, link);
        while (session_has_news(session, broker->durable)) {
            struct outgoing *outgoing = update_outgoing(update, session->connection);
            if (!outgoing)
                return -ENOMEM;
            int rc = session_tell(
                session, broker->durable, &broker->session_limits, !broker->draining, &outgoing->head);
            if (rc)
                return rc;
            session->spoke_ms = broker->now_ms;
        }
    }
    return 0;
}

// What is durable goes out.
static int send_queue(struct broker *broker, struct queue *queue, struct update *update) {
    int rc = deliver(broker, queue, update);
    struct queue_load load;
    if (rc == 0 && queue_wants_load(queue, &load)) {
        uint64_t rest;
        uint32_t place = broker_place(broker, queue->id, load.from, &load.from, &rest);
        rc = update_load(update, place, &load);
    }
    return rc;
}

static int run_queue(struct broker *broker, struct queue *queue, struct update *update) {
    queue_skip_settled(queue);
    queue_tick(queue, broker->now_ms, broker->now_us, &update->deadline_ms);
    int rc = bury_dead(broker, queue, update);
    return rc ? rc : send_queue(broker, queue, update);
}

int outflow_durable(struct broker *broker, struct update *update) {
    update->load_count = 0;
    int rc = tell_accepted(broker, update);
    for (size_t i = 0; i < broker->queue_count && rc == 0; i++) {
        if (!broker->queues[i])
            continue;
        queue_skip_settled(broker->queues[i]);
        rc = send_queue(broker, broker->queues[i], update);
    }
    return rc;
}

int outflow_run(struct broker *broker, struct update *update) {
    update->load_count = 0; // what an earlier run in this turn wished for is asked for again
    int rc = tell_accepted(broker, update);
    size_t in_flight = update->more ? 1 : 0;
    for (size_t i = 0; i < broker->queue_count && rc == 0; i++) {
        if (!broker->queues[i])
            continue;
        rc = run_queue(broker, broker->queues[i], update);
        in_flight += broker->queues[i]->in_flight;
    }
    update->drained = broker->draining && in_flight == 0;
    if (parking_has_room(broker))
        update->more = true;
    return rc;
}

// ---- Loads: envelopes come from the journal one by one and are gathered, many to a chunk. ----

#define LOAD_CHUNK ((size_t)256 * 1024)

static void free_load(void *context) {
    free(context);
}

// Room for `size` bytes in the current load chunk, or in a new one.
static uint8_t *load_room(struct broker *broker, size_t size) {
    if (broker->load && broker->load_used + size <= broker->load_capacity)
        return (uint8_t *)(uintptr_t)broker->load->bytes.data + broker->load_used;
    chunk_unref(&broker->load);
    size_t capacity = size > LOAD_CHUNK ? size : LOAD_CHUNK;
    uint8_t *data = malloc(capacity ? capacity : 1);
    broker->load = data ? chunk_new(bytes_of(data, capacity), free_load, data) : NULL;
    if (!broker->load) {
        free(data);
        return NULL;
    }
    broker->load_used = 0;
    broker->load_capacity = capacity;
    return data;
}

int outflow_loaded(struct broker *broker, const struct event *event) {
    struct queue *queue = registry_queue(broker, event->queue);
    struct record_message message;
    struct record_delivery delivery;
    struct carried_record record = {.queue = event->queue,
        .position = event->position,
        .kind = event->record->kind,
        .body = event->record->body};
    if (!record.body.data)
        return 0; // erased, so settled
    if (record.kind == HUTONG__BUS__V1__RECORD_KIND__RECORD_CARRIED) {
        if (carried_read(event->record->body, &record))
            return -EBADMSG;
        queue = registry_queue(broker, record.queue);
    }
    if (!queue || record.kind != HUTONG__BUS__V1__RECORD_KIND__RECORD_MESSAGE)
        return 0;
    int rc = record_message_read(record.body, record.queue, record.position, &message, &delivery);
    if (rc)
        return rc;
    const char *route = registry_name(broker, delivery.route);
    uint8_t *at = route ? load_room(broker, delivery.envelope.size) : NULL;
    if (!at)
        return -ENOMEM;
    memcpy(at, delivery.envelope.data, delivery.envelope.size);
    broker->load_used += delivery.envelope.size;
    delivery.rule.agreement = "";
    return queue_loaded(queue, &delivery, route, broker->load, bytes_of(at, delivery.envelope.size));
}
