#include "broker/delivery/queue.h"

#include "broker/delivery/queue_internal.h"

#include <errno.h>
#include <stdlib.h>

#define EXPECTED 4 // so many settlements ahead

struct queue *queue_new(uint32_t id, const char *name, const struct queue_limits *limits) {
    struct queue *queue = calloc(1, sizeof *queue);
    char *copy = strdup(name);
    if (!queue || !copy) {
        free(queue);
        free(copy);
        return NULL;
    }
    queue->id = queue->jitter = id;
    queue->name = copy;
    queue->limits = *limits;
    queue->next_position = queue->read_position = 1;
    queue->flight_bytes = QUEUE_IN_FLIGHT_BYTES;
    queue->expiry_us = INT64_MAX;
    list_init(&queue->work);
    list_init(&queue->receivers);
    share_init(&queue->common);
    list_init(&queue->dying);
    list_init(&queue->dying_lacking);
    list_init(&queue->tail.items);
    return queue;
}

void queue_destroy(struct queue **self) {
    struct queue *queue = *self;
    if (!queue)
        return;
    list_remove(&queue->work);
    struct list *next; // the list itself goes with its queue
    for (struct list *node = queue->receivers.next; node != &queue->receivers; node = next) {
        next = node->next;
        free(LIST_ITEM(node, struct receiver, link));
    }
    queue_drop_tail(queue);
    size_t cursor = 0;
    struct delivery *delivery;
    while ((delivery = known_next(&queue->known, &cursor)) != NULL)
        delivery_free(delivery);
    known_destroy(&queue->known);
    number_map_destroy(&queue->places);
    number_map_destroy(&queue->floors);
    number_map_destroy(&queue->subjects);
    number_map_destroy(&queue->freed[0]);
    number_map_destroy(&queue->freed[1]);
    failures_destroy(queue);
    heap_destroy(&queue->retries);
    spans_destroy(&queue->settled_beyond);
    spans_destroy(&queue->unwritten.settled);
    positions_destroy(&queue->unwritten.failed);
    carried_destroy(&queue->carried);
    laying_end(&queue->own);
    free(queue->name);
    free(queue);
    *self = NULL;
}

bool queue_over_limit(const struct queue *queue) {
    return !queue->limits.park &&
           (queue->unsettled > queue->limits.count || queue->bytes > queue->limits.bytes);
}

void queue_wake(struct queue *queue) {
    if (queue->agenda && list_empty(&queue->work))
        list_append(queue->agenda, &queue->work);
}

bool queue_busy(const struct queue *queue) {
    if (!list_empty(&queue->dying) || queue->settled != queue->settled_durable || queue->freed[0].size ||
        queue->freed[1].size)
        return true;
    LIST_EACH(node, &queue->receivers) {
        const struct receiver *receiver = LIST_ITEM(node, const struct receiver, link);
        if (receiver_has_credit(queue, receiver) &&
            receiver->share.ready_count + queue->common.ready_count > 0)
            return true;
    }
    return false;
}

void queue_expect(const struct queue *queue, uint64_t subject_hash) {
    if (subject_hash)
        number_map_expect(&queue->subjects, subject_hash);
}

int queue_push(struct queue *queue, const struct record_delivery *delivery, uint64_t record,
    struct chunk *chunk, struct bytes envelope) {
    bool caught_up = queue->read_position == queue->next_position;
    queue->next_position++;
    queue->unsettled++;
    queue->bytes += envelope.size;
    queue->counters.pushed++;
    queue_wake(queue);
    if (!caught_up || !window_room(queue) || !queue_can_take(queue)) {
        tail_keep(queue, delivery, record, chunk, envelope); // it is backlog: the journal has it
        return 0;
    }
    int rc =
        window_add(queue, delivery, delivery->rule.route, record, chunk, envelope, (struct queue_time){0});
    if (rc == 0)
        queue->read_position++;
    return rc;
}

void queue_rename_routes(struct queue *queue, const struct number_map *copies) {
    size_t cursor = 0;
    struct delivery *delivery;
    while ((delivery = known_next(&queue->known, &cursor)) != NULL)
        delivery->rule.route = number_map_get(copies, (uint64_t)(uintptr_t)delivery->rule.route);
}

void queue_recover_push(struct queue *queue, uint64_t position, size_t size) {
    if (position < queue->next_position)
        return;
    queue_drop_tail(queue);
    queue->next_position = position + 1;
    queue->recovered = position + 1;
    queue->unsettled++;
    queue->bytes += size;
}

int queue_recover_settled(struct queue *queue, uint64_t first, uint64_t last) {
    int rc = spans_add(&queue->settled_beyond, first, last);
    if (rc)
        return rc;
    spans_absorb(&queue->settled_beyond, &queue->settled);
    queue->settled_durable = queue->settled;
    queue->unsettled -= last - first + 1;
    if (queue->read_position <= queue->settled)
        queue->read_position = queue->settled + 1;
    if (queue->failures.size)
        failure_forget_span(queue, first, last);
    return 0;
}

uint64_t queue_settled_to(const struct queue *queue, uint64_t from) {
    if (from <= queue->settled)
        return queue->settled;
    return spans_end(&queue->settled_beyond, from);
}

void queue_skip_settled(struct queue *queue) {
    uint64_t last = queue_settled_to(queue, queue->read_position);
    if (last >= queue->read_position)
        queue->read_position = last + 1;
}

// Settles one known delivery.
static int settle_one(struct queue *queue, struct delivery *delivery, struct spans *spans, uint64_t *bytes) {
    int rc = spans_add(spans, delivery->position, delivery->position);
    rc = rc ? rc : spans_add(&queue->settled_beyond, delivery->position, delivery->position);
    if (rc)
        return rc;
    spans_absorb(&queue->settled_beyond, &queue->settled);
    *bytes += delivery->size;
    queue->bytes -= delivery->size;
    queue->unsettled--;
    queue->counters.settled++;
    if (delivery->failure)
        failure_forget(queue, delivery->position);
    window_remove(queue, delivery);
    queue_wake(queue);
    return 0;
}

// A range that is wider than what is under way (a peer may send any): by walking that.
static int settle_wide(struct queue *queue, struct receiver *receiver, uint64_t first, uint64_t last,
    struct spans *spans, uint64_t *bytes) {
    struct list *next;
    for (struct list *node = receiver->sent.next; node != &receiver->sent; node = next) {
        next = node->next;
        struct delivery *delivery = LIST_ITEM(node, struct delivery, link);
        if (delivery->place < first || delivery->place > last)
            continue;
        int rc = settle_one(queue, delivery, spans, bytes);
        if (rc)
            return rc;
    }
    return 0;
}

// What settling it will look at is far away by now.
static void expect(const struct queue *queue, uint64_t position) {
    known_expect(&queue->known, position + EXPECTED);
    const struct delivery *delivery = known_get(&queue->known, position);
    if (delivery)
        queue_expect(queue, delivery->subject_hash);
}

int queue_settle(struct queue *queue, struct receiver *receiver, uint64_t first, uint64_t last,
    struct spans *spans, uint64_t *bytes) {
    // A peer may send any numbers: only what can be in flight is looked at.
    if (!queue->shared && first <= queue->settled)
        first = queue->settled + 1;
    if (!queue->shared && last >= queue->read_position)
        last = queue->read_position - 1;
    if (last < first)
        return 0;
    if (last - first > receiver->in_flight)
        return settle_wide(queue, receiver, first, last, spans, bytes);
    for (uint64_t n = 0; n <= last - first; n++) { // `last` may be the largest number there is
        if (!queue->shared)
            expect(queue, first + n + EXPECTED);
        struct delivery *delivery = delivery_at(queue, first + n);
        // Only what was sent to it can be done: no dying one, and no follower that this very settlement made
        // ready.
        if (!delivery || delivery->state != DELIVERY_SENT || delivery->receiver != receiver)
            continue;
        int rc = settle_one(queue, delivery, spans, bytes);
        if (rc)
            return rc;
    }
    return 0;
}

struct delivery *queue_next_dead(const struct queue *queue) {
    return list_empty(&queue->dying) ? NULL : LIST_ITEM(queue->dying.next, struct delivery, link);
}

int queue_bury(struct queue *queue, struct delivery *delivery, struct spans *spans, uint64_t *bytes) {
    queue->probe_due_ms = 0; // more of its age may stand behind it
    return settle_one(queue, delivery, spans, bytes);
}
