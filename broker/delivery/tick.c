// What time and limits do to a queue: retries come due, old ones expire, the oldest of too many die.
#include "broker/delivery/queue_internal.h"

#define PROBE_MS 10000 // how often the head of a queue is looked at when nobody has credit
#define SWEEP_MS 1000  // how often, at most, all that is known is looked at for its expiry
#define LOOK_MS 60000  // how often, at least, the clock is looked at for it

static struct delivery *next_retry(const struct queue *queue) {
    struct heap_node *first = heap_first(&queue->retries);
    return first ? HEAP_ITEM(first, struct delivery, due) : NULL;
}

static void retry_due(struct queue *queue, uint64_t now_ms) {
    for (struct delivery *next; (next = next_retry(queue)) != NULL && next->due.key <= now_ms;)
        delivery_move(queue, next, DELIVERY_READY, false);
}

// ---- Limits ----

static bool may_be_trimmed(const struct delivery *delivery) {
    return delivery && (delivery->state == DELIVERY_READY || delivery->state == DELIVERY_RETRY);
}

// The oldest that are not under way die. Positions are looked at once, until one of them is ready again.
static void trim(struct queue *queue) {
    if (queue->trimmed < queue->settled)
        queue->trimmed = queue->settled;
    while (queue->unsettled - queue->dying_count > queue->limits.count ||
           queue->bytes - queue->dying_bytes > queue->limits.bytes) {
        uint64_t position = spans_end(&queue->settled_beyond, queue->trimmed + 1) + 1;
        if (position >= queue->read_position)
            return;
        queue->trimmed = position;
        struct delivery *delivery = known_get(&queue->known, position);
        if (may_be_trimmed(delivery))
            delivery_die(queue, delivery, HUTONG__BUS__V1__REASON__REASON_QUEUE_FULL,
                "the queue is over its limit and this was its oldest");
    }
}

// ---- Expiry ----

// All that is known, wherever it waits; what is under way is its receiver's.
static void sweep(struct queue *queue, struct queue_time now) {
    queue->sweep_ms = now.ms + SWEEP_MS;
    queue->expiry_us = INT64_MAX;
    size_t cursor = 0;
    struct delivery *delivery;
    while ((delivery = known_next(&queue->known, &cursor)) != NULL) {
        if (delivery->state == DELIVERY_SENT || delivery->state == DELIVERY_DYING)
            continue;
        if (!delivery_expired(delivery, now.us)) {
            delivery_watch_expiry(queue, delivery);
            continue;
        }
        queue->counters.expired++;
        delivery_die(queue, delivery, HUTONG__BUS__V1__REASON__REASON_EXPIRED,
            delivery->failure ? "it expired while it waited to be tried again" : NULL);
    }
}

// ---- What waits at its bound ----

// A receiver has nothing under way and nothing to come, although there is more behind what waits.
static bool is_starving(const struct queue *queue) {
    struct queue_load loads[QUEUE_LOADS];
    bool more = backlog_wanted(queue) && tail_first(queue) < queue->next_position;
    if (queue->read_position >= queue->next_position || more || queue->unread.waits ||
        queue_loads(queue, loads))
        return false;
    LIST_EACH(node, &queue->receivers) {
        const struct receiver *receiver = LIST_ITEM(node, const struct receiver, link);
        if (receiver_is_hungry(queue, receiver) && receiver->in_flight == 0)
            return true;
    }
    return false;
}

// The oldest of those that are to be tried again and have others waiting behind them.
static struct delivery *oldest_in_the_way(const struct queue *queue) {
    struct delivery *oldest = NULL;
    for (size_t i = 0; i < queue->retries.size; i++) {
        struct delivery *delivery = HEAP_ITEM(queue->retries.nodes[i], struct delivery, due);
        if (delivery->follower && (!oldest || delivery->position < oldest->position))
            oldest = delivery;
    }
    return oldest;
}

// As many wait as may: what slow receivers can't take goes to others; and if nothing moves at all, the oldest
// that is in others' way is not tried again.
static void relieve(struct queue *queue) {
    if (queue->receiver_count > 1 && queue_has_credit(queue))
        share_relieve(queue);
    struct delivery *oldest = is_starving(queue) ? oldest_in_the_way(queue) : NULL;
    if (oldest)
        delivery_die(queue, oldest, HUTONG__BUS__V1__REASON__REASON_RETRIES,
            "as many deliveries waited behind such as may (limits.queue_held)");
}

// ---- A turn ----

// When time alone gives this queue something to do.
static uint64_t next_deadline(const struct queue *queue, struct queue_time now) {
    const struct delivery *retry = next_retry(queue);
    uint64_t deadline = retry ? retry->due.key : UINT64_MAX;
    if (queue->unsettled && queue->limits.window && !queue_has_credit(queue) &&
        queue->probe_due_ms < deadline)
        deadline = queue->probe_due_ms;
    if (queue->expiry_us == INT64_MAX)
        return deadline;
    // The clock that expiry goes by may jump: it is looked at now and then.
    uint64_t sweep = now.ms + LOOK_MS;
    if (queue->expiry_us - now.us < (int64_t)LOOK_MS * 1000)
        sweep =
            queue->expiry_us <= now.us ? now.ms : now.ms + (uint64_t)(queue->expiry_us - now.us) / 1000 + 1;
    if (sweep < queue->sweep_ms)
        sweep = queue->sweep_ms;
    return sweep < deadline ? sweep : deadline;
}

uint64_t queue_tick(struct queue *queue, struct queue_time now) {
    retry_due(queue, now.ms);
    if (queue->settled_beyond.count && queue->read_position < queue->next_position)
        queue_skip_settled(queue);
    if (queue_over_limit(queue))
        trim(queue);
    if (queue->expiry_us <= now.us && queue->sweep_ms <= now.ms)
        sweep(queue, now);
    if (queue->held && queue->held >= queue->limits.held)
        relieve(queue);
    if (queue->unsettled == 0 || queue_has_credit(queue)) {
        queue->probe_due_ms = now.ms + PROBE_MS;
    } else if (queue->probe_due_ms <= now.ms) {
        queue->probe = true;
        queue->probe_due_ms = now.ms + PROBE_MS;
    }
    uint64_t reading = unread_tick(queue, now.ms);
    uint64_t deadline = next_deadline(queue, now);
    return reading < deadline ? reading : deadline;
}
