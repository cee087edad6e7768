// The window: deliveries that are known in memory, by state, and chained by subject.
#include "broker/delivery/body.h"
#include "broker/delivery/queue_internal.h"

#include <errno.h>
#include <stdlib.h>

void delivery_free(struct delivery *delivery) {
    chunk_unref(&delivery->chunk);
    free(delivery);
}

bool window_room(const struct queue *queue) {
    return queue->known.size - queue->held < queue->limits.window && queue->held < queue->limits.held;
}

// ---- States ----

bool delivery_comes_again(const struct delivery *delivery) {
    return delivery->attempt > (delivery->failure ? delivery->failure->attempt : 0);
}

static struct list *ready_list(struct share *share, const struct delivery *delivery) {
    if (!delivery->chunk)
        return &share->lacking;
    return delivery->record ? &share->fresh : &share->loaded;
}

// The list that a delivery of this state belongs in; NULL: none.
// All others are found by their subject, or by when they are due.
static bool is_listed(const struct delivery *delivery) {
    return delivery->state == DELIVERY_READY || delivery->state == DELIVERY_SENT ||
           delivery->state == DELIVERY_DYING;
}

static struct list *list_of(struct queue *queue, const struct delivery *delivery) {
    if (delivery->state == DELIVERY_READY)
        return ready_list(share_of(queue, delivery), delivery);
    if (delivery->state == DELIVERY_SENT)
        return &delivery->receiver->sent;
    return delivery->chunk ? &queue->dying : &queue->dying_lacking;
}

// `one`: 1, or -1 in its arithmetic.
static void count(struct queue *queue, const struct delivery *delivery, uint64_t one) {
    switch (delivery->state) {
    case DELIVERY_READY:
        if (delivery->chunk)
            share_of(queue, delivery)->ready_count += one;
        else
            queue->held += one;
        break;
    case DELIVERY_SENT:
        queue->in_flight += one;
        delivery->receiver->in_flight += one;
        delivery->receiver->in_flight_bytes += one * delivery->size;
        break;
    case DELIVERY_DYING:
        queue->dying_count += one;
        queue->dying_bytes += one * delivery->size;
        break;
    default:
        queue->held += one;
    }
}

static void take_out(struct queue *queue, struct delivery *delivery) {
    count(queue, delivery, (uint64_t)-1);
    list_remove(&delivery->link);
    heap_remove(&queue->retries, &delivery->due);
}

static void put_in(struct queue *queue, struct delivery *delivery, bool front) {
    if (is_listed(delivery)) {
        struct list *list = list_of(queue, delivery);
        list_insert_before(front ? list->next : list, &delivery->link);
    }
    count(queue, delivery, 1);
}

void delivery_move(struct queue *queue, struct delivery *delivery, enum delivery_state state, bool front) {
    take_out(queue, delivery);
    delivery->state = state;
    delivery->receiver = state == DELIVERY_READY ? share_owner(queue, delivery->subject_hash) : NULL;
    put_in(queue, delivery, front);
    // It may be one for the limits to take.
    if (delivery->position <= queue->trimmed && state != DELIVERY_DYING)
        queue->trimmed = delivery->position - 1;
}

int delivery_wait(struct queue *queue, struct delivery *delivery, uint64_t due_ms) {
    int rc = heap_reserve(&queue->retries, 1);
    if (rc)
        return rc;
    delivery_move(queue, delivery, DELIVERY_RETRY, false);
    delivery_watch_expiry(queue, delivery);
    return heap_put(&queue->retries, &delivery->due, due_ms);
}

void delivery_send(struct queue *queue, struct delivery *delivery, struct receiver *receiver) {
    take_out(queue, delivery);
    chunk_unref(&delivery->chunk);
    delivery->envelope = bytes_of(NULL, 0);
    delivery->record = 0;
    delivery->state = DELIVERY_SENT;
    delivery->receiver = receiver;
    put_in(queue, delivery, false);
}

void delivery_die(struct queue *queue, struct delivery *delivery, wire_reason reason, const char *why) {
    delivery->reason = reason;
    delivery->why = why;
    delivery_move(queue, delivery, DELIVERY_DYING, false);
}

// How they lie is looked at here, while they are near.
static void take_bytes(struct delivery *delivery, struct chunk *chunk, struct bytes envelope) {
    delivery->chunk = chunk_ref(chunk);
    delivery->envelope = envelope;
    delivery->laid = body_laid(chunk, envelope);
}

void delivery_give_bytes(
    struct queue *queue, struct delivery *delivery, struct chunk *chunk, struct bytes envelope) {
    take_out(queue, delivery);
    take_bytes(delivery, chunk, envelope);
    put_in(queue, delivery, false);
}

void delivery_drop_bytes(struct queue *queue, struct delivery *delivery) {
    if (!delivery->chunk)
        return;
    take_out(queue, delivery);
    chunk_unref(&delivery->chunk);
    delivery->envelope = bytes_of(NULL, 0);
    put_in(queue, delivery, false);
}

bool delivery_expired(const struct delivery *delivery, int64_t now_us) {
    return delivery->rule.expires_us != 0 && delivery->rule.expires_us <= now_us;
}

void delivery_watch_expiry(struct queue *queue, const struct delivery *delivery) {
    if (delivery->rule.expires_us && delivery->rule.expires_us < queue->expiry_us)
        queue->expiry_us = delivery->rule.expires_us;
}

// ---- Chains of subjects ----

static int join_subject(struct queue *queue, struct delivery *delivery) {
    if (delivery->subject_hash == 0)
        return 0;
    void *before;
    int rc = number_map_exchange(&queue->subjects, delivery->subject_hash, delivery, &before);
    if (rc)
        return rc;
    struct delivery *last = before;
    delivery->leader = last;
    if (last)
        last->follower = delivery;
    return 0;
}

// The next one of its subject may still lie in the journal. What is pushed later has a later record.
static void free_subject(struct queue *queue, uint64_t subject_hash) {
    void *record = (void *)(uintptr_t)queue->settling; // a number, no pointer
    if (!queue->settling || queue->read_position >= queue->next_position)
        return;
    queue->freeing = queue->settling;
    if (number_map_put(&queue->freed[0], subject_hash, record) != 0)
        queue->freed_any = queue->settling;
}

// The record that has to be on the disk before one of this subject that was read may go out; 0: none.
static uint64_t freed_by(const struct queue *queue, uint64_t subject_hash) {
    if (subject_hash == 0)
        return 0;
    const void *record = number_map_get(&queue->freed[0], subject_hash);
    if (!record)
        record = number_map_get(&queue->freed[1], subject_hash);
    uint64_t number = (uint64_t)(uintptr_t)record;
    return number > queue->freed_any ? number : queue->freed_any;
}

void queue_mark(struct queue *queue) {
    queue_marked(queue);
    queue->freed[1] = queue->freed[0];
    queue->freed[0] = (struct number_map){0};
}

void queue_marked(struct queue *queue) {
    number_map_destroy(&queue->freed[1]);
}

// Any place of the chain may leave it: one that expires does while it waits.
static void leave_subject(struct queue *queue, struct delivery *delivery) {
    if (delivery->subject_hash == 0)
        return;
    struct delivery *leader = delivery->leader;
    struct delivery *follower = delivery->follower;
    if (leader)
        leader->follower = follower;
    if (follower)
        follower->leader = leader;
    else if (leader) // in place of what is there: it needs no memory
        number_map_put(&queue->subjects, delivery->subject_hash, leader);
    else {
        number_map_remove(&queue->subjects, delivery->subject_hash);
        free_subject(queue, delivery->subject_hash);
    }
    if (!follower || leader || follower->state != DELIVERY_WAITING)
        return;
    // Not before it is on the disk that the one before is settled.
    if (follower->record < queue->settling)
        follower->record = queue->freeing = queue->settling;
    delivery_move(queue, follower, DELIVERY_READY, false);
}

// ---- Coming and going ----

struct delivery *delivery_new(
    const struct queue *queue, const struct record_delivery *from, const char *route, size_t size) {
    struct delivery *delivery = calloc(1, sizeof *delivery);
    if (!delivery)
        return NULL;
    list_init(&delivery->link);
    delivery->position = from->position;
    delivery->place = from->place ? from->place : from->position;
    delivery->subject_hash = from->subject_hash;
    delivery->rule = from->rule;
    delivery->rule.route = route;
    delivery->size = size;
    delivery->replay = from->replay;
    delivery->attempt = from->position < queue->recovered ? 1 : 0;
    delivery->state = DELIVERY_WAITING;
    return delivery;
}

// Where a new one goes: it waits, is tried again, dies or is ready, with its bytes if its share wants them.
static int enter(struct queue *queue, struct delivery *delivery, struct chunk *chunk, struct bytes envelope,
    struct queue_time now) {
    uint64_t due_ms = 0;
    if (queue->failures.size)
        failure_resume(queue, delivery, now, &due_ms);
    if (delivery->failure && delivery->failure->reason) {
        delivery->state = DELIVERY_DYING;
        delivery->reason = delivery->failure->reason;
    } else if (!delivery->leader && due_ms <= now.ms) {
        delivery->state = DELIVERY_READY;
        delivery->receiver = share_owner(queue, delivery->subject_hash);
    }
    if (delivery->state == DELIVERY_DYING ||
        (delivery->state == DELIVERY_READY &&
            share_wants_bytes(queue, share_of(queue, delivery), delivery->receiver)))
        take_bytes(delivery, chunk, envelope);
    put_in(queue, delivery, false);
    return delivery->state == DELIVERY_WAITING && !delivery->leader ? delivery_wait(queue, delivery, due_ms)
                                                                    : 0;
}

static int know(struct queue *queue, struct delivery *delivery) {
    if (known_put(&queue->known, delivery) != 0)
        return -ENOMEM;
    if (queue->shared && number_map_put(&queue->places, delivery->place, delivery) != 0) {
        known_remove(&queue->known, delivery);
        return -ENOMEM;
    }
    return 0;
}

static void forget(struct queue *queue, const struct delivery *delivery) {
    known_remove(&queue->known, delivery);
    if (queue->shared)
        number_map_remove(&queue->places, delivery->place);
}

struct delivery *delivery_at(const struct queue *queue, uint64_t place) {
    return queue->shared ? number_map_get(&queue->places, place) : known_get(&queue->known, place);
}

int window_enter(struct queue *queue, struct delivery *delivery, struct chunk *chunk, struct bytes envelope,
    struct queue_time now) {
    if (know(queue, delivery) != 0) {
        free(delivery);
        return -ENOMEM;
    }
    if (join_subject(queue, delivery) != 0) {
        forget(queue, delivery);
        free(delivery);
        return -ENOMEM;
    }
    uint64_t freed = freed_by(queue, delivery->subject_hash);
    if (delivery->record < freed)
        delivery->record = freed;
    delivery_watch_expiry(queue, delivery);
    if (enter(queue, delivery, chunk, envelope, now) != 0) {
        window_remove(queue, delivery);
        return -ENOMEM;
    }
    return 0;
}

int window_add(struct queue *queue, const struct record_delivery *from, const char *route, uint64_t record,
    struct chunk *chunk, struct bytes envelope, struct queue_time now) {
    struct delivery *delivery = delivery_new(queue, from, route, envelope.size);
    if (!delivery)
        return -ENOMEM;
    delivery->record = record;
    return window_enter(queue, delivery, chunk, envelope, now);
}

void window_remove(struct queue *queue, struct delivery *delivery) {
    take_out(queue, delivery);
    forget(queue, delivery);
    leave_subject(queue, delivery);
    delivery_free(delivery);
}
