// What goes out: acceptances, deliveries; what comes back: settlements, loads; and what ends as a dead
// letter.
#include "broker/internal.h"
#include "core/base/varint.h"

#include <errno.h>
#include <stdlib.h>

// Look-ups that settling a range may take.
static uint64_t settle_work(const struct receiver *receiver, const Hutong__Bus__V1__PositionRange *range) {
    uint64_t width = range->last >= range->first ? range->last - range->first : 0;
    return width < receiver->in_flight ? width + 1 : receiver->in_flight + 1;
}

static int settle_done(
    struct broker *broker, struct session *session, const Hutong__Bus__V1__Settle *settle) {
    struct queue *queue = session->queue;
    uint64_t work = 0;
    int rc = 0;
    queue->settling = broker->next_record;
    for (size_t i = 0; i < settle->n_done && rc == 0; i++) {
        // One frame can do no more than settle the whole window a few times over.
        work += settle_work(session->receiver, settle->done[i]);
        if (work > 4 * (queue->limits.window + settle->n_done))
            break;
        rc = queue_settle(queue, session->receiver, settle->done[i]->first, settle->done[i]->last,
            &queue->unwritten.settled, &queue->unwritten.bytes);
    }
    return rc;
}

static int settle_failed(
    struct broker *broker, struct session *session, const Hutong__Bus__V1__Settle *settle) {
    int rc = 0;
    session->queue->settling = broker->next_record;
    for (size_t i = 0; i < settle->n_failures && rc == 0; i++) {
        const Hutong__Bus__V1__Failure *from = settle->failures[i];
        const struct queue_verdict verdict = {.place = from->position,
            .retry_after_ms = from->retry_after_ms,
            .reject = from->reject,
            .text = from->text};
        const struct failure *failure;
        rc = queue_fail(session->queue, session->receiver, &verdict, broker_time(broker), &failure);
        if (rc || !failure)
            continue;
        session->counters.failed++;
        rc = positions_add(&session->queue->unwritten.failed, failure->position);
    }
    return rc;
}

int outflow_settle(struct broker *broker, struct session *session, const Hutong__Bus__V1__Settle *settle,
    struct update *update) {
    struct queue *queue = session->queue;
    if (!session->receiver)
        return 0; // nothing was ever sent to it
    uint64_t before = queue->counters.settled;
    int rc = settle_done(broker, session, settle);
    rc = rc ? rc : settle_failed(broker, session, settle);
    rc = rc ? rc : settlement_write(broker, queue, update);
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
    char text[WIRE_TEXT_LIMIT + 1];
    delivery_dead_text(delivery, text, sizeof text);
    Hutong__Bus__V1__DeadRecord record = HUTONG__BUS__V1__DEAD_RECORD__INIT;
    record.queue = queue->id;
    record.position = delivery->place;
    record.dead_queue = dead->id;
    record.dead_position = dead->next_position;
    record.route = (char *)(uintptr_t)delivery->rule.route;
    record.reason = delivery->reason;
    record.text = text;
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
    queue->settling = broker->next_record;
    rc = queue_bury(queue, delivery, &queue->unwritten.settled, &queue->unwritten.bytes);
    return rc ? rc : settlement_write(broker, queue, update);
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

// One frame to one receiver. `*any`: there was something.
static int deliver_to(
    struct broker *broker, struct queue *queue, struct receiver *receiver, struct update *update, bool *any) {
    struct session *session = number_map_get(&broker->by_connection, receiver->connection);
    struct queue_frame frame;
    int rc = queue_fill(queue, receiver, broker->durable, broker->now_us, &broker->batch_limits, &frame);
    if (rc || frame.count == 0)
        return rc;
    struct outgoing *outgoing = update_outgoing(update, receiver->connection);
    if (!outgoing) {
        buffer_destroy(&frame.head);
        slice_drop(&frame.body);
        return -ENOMEM;
    }
    outgoing->head = frame.head;
    outgoing->body = frame.body;
    session->spoke_ms = broker->now_ms;
    session->counters.delivered += frame.count;
    *any = true;
    return 0;
}

// Frame by frame in turn, so that all have of what is anybody's; next time another is the first.
static int deliver(struct broker *broker, struct queue *queue, struct update *update) {
    int rc = 0;
    for (bool any = !broker->draining; any && rc == 0;) {
        any = false;
        struct list *next;
        for (struct list *node = queue->receivers.next; node != &queue->receivers && rc == 0; node = next) {
            next = node->next;
            rc = deliver_to(broker, queue, LIST_ITEM(node, struct receiver, link), update, &any);
        }
    }
    if (queue->receiver_count > 1) {
        struct list *first = queue->receivers.next;
        list_remove(first);
        list_append(&queue->receivers, first);
    }
    return rc;
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

static void set_timer(struct broker *broker, struct queue *queue, uint64_t deadline_ms) {
    if (deadline_ms == UINT64_MAX)
        heap_remove(&broker->timers, &queue->timer);
    else if (!queue->timer.place || queue->timer.key != deadline_ms)
        heap_put(&broker->timers, &queue->timer, deadline_ms); // there is room for every queue
}

// What was carried lies elsewhere than its position says.
static int wish_load(
    struct broker *broker, const struct queue *queue, const struct queue_load *load, struct update *update) {
    struct load_wish wish = {.load = *load, .of = queue->id, .first = load->from};
    wish.queue = broker_place(broker, queue->id, load->from, &wish.load.from, &wish.rest);
    return update_load(update, &wish);
}

// What is durable goes out. `*busy`: there is more to come.
static int send_queue(struct broker *broker, struct queue *queue, struct update *update, bool *busy) {
    bool holds = settlement_holds(broker, queue);
    bool any;
    int rc = holds ? 0 : deliver(broker, queue, update);
    rc = rc ? rc : queue_take_tail(queue, broker_time(broker), &any);
    if (rc == 0 && any && !holds)
        rc = deliver(broker, queue, update);
    struct queue_load loads[QUEUE_LOADS];
    size_t count = rc ? 0 : queue_loads(queue, loads);
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = wish_load(broker, queue, &loads[i], update);
    *busy = count || settlement_waits(queue) || queue_busy(queue);
    return rc;
}

static int run_queue(struct broker *broker, struct queue *queue, struct update *update, bool *busy) {
    set_timer(broker, queue, queue_tick(queue, broker_time(broker)));
    int rc = settlement_write(broker, queue, update);
    bool waits = settlement_waits(queue);
    if (rc == 0 && !waits) // a dead letter and its settlement stand in one batch
        rc = bury_dead(broker, queue, update);
    rc = rc ? rc : send_queue(broker, queue, update, busy);
    if (!waits && !list_empty(&queue->dying))
        update->more = true; // what expired just now, or didn't fit
    laying_end(&queue->own);
    return rc;
}

int outflow_durable(struct broker *broker, struct update *update) {
    update->load_count = 0;
    int rc = tell_accepted(broker, update);
    for (struct list *node = broker->agenda.next; node != &broker->agenda && rc == 0; node = node->next) {
        struct queue *queue = LIST_ITEM(node, struct queue, work);
        bool busy; // all stay until there is a turn again
        queue_skip_settled(queue);
        rc = send_queue(broker, queue, update, &busy);
    }
    return rc;
}

static void wake_due(struct broker *broker) {
    for (struct heap_node *first;
        (first = heap_first(&broker->timers)) != NULL && first->key <= broker->now_ms;) {
        heap_remove(&broker->timers, first);
        queue_wake(HEAP_ITEM(first, struct queue, timer));
    }
}

static size_t in_flight(const struct broker *broker) {
    size_t count = 0;
    for (size_t i = 0; i < broker->queue_count; i++)
        count += broker->queues[i] ? broker->queues[i]->in_flight : 0;
    return count;
}

// Only queues that have something to do: a thousand others cost nothing.
int outflow_run(struct broker *broker, struct update *update) {
    update->load_count = 0; // what an earlier run in this turn wished for is asked for again
    int rc = tell_accepted(broker, update);
    wake_due(broker);
    struct list *next;
    for (struct list *node = broker->agenda.next; node != &broker->agenda && rc == 0; node = next) {
        struct queue *queue = LIST_ITEM(node, struct queue, work);
        bool busy = true;
        rc = run_queue(broker, queue, update, &busy);
        next = node->next;
        if (!busy)
            list_remove(node);
    }
    const struct heap_node *first = heap_first(&broker->timers);
    if (first && first->key < update->deadline_ms)
        update->deadline_ms = first->key;
    update->drained = broker->draining && !update->more && in_flight(broker) == 0;
    if (parking_has_room(broker))
        update->more = true;
    return rc;
}
