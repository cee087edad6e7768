#include "broker/delivery/queue_internal.h"
#include "core/base/varint.h"

#include <errno.h>
#include <stdlib.h>

#define RUNS_LIMIT 4096         // in one frame
#define PROBE_INTERVAL_MS 10000 // how often the head of a queue without a receiver is looked at

// The runs of a frame while it fills.
struct runs {
    Hutong__Bus__V1__DeliveryRun items[RUNS_LIMIT];
    Hutong__Bus__V1__DeliveryRun *pointers[RUNS_LIMIT];
    size_t count;
};

static bool extends_run(const Hutong__Bus__V1__DeliveryRun *run, const struct delivery *delivery) {
    return delivery->position == run->first_position + run->count && delivery->attempt == run->attempt &&
           delivery->replay == (run->replay != 0) && strcmp(delivery->rule.route, run->route) == 0;
}

static bool runs_add(struct runs *runs, const struct delivery *delivery) {
    if (runs->count && extends_run(&runs->items[runs->count - 1], delivery)) {
        runs->items[runs->count - 1].count++;
        return true;
    }
    if (runs->count == RUNS_LIMIT)
        return false;
    Hutong__Bus__V1__DeliveryRun *run = &runs->items[runs->count];
    hutong__bus__v1__delivery_run__init(run);
    run->first_position = delivery->position;
    run->count = 1;
    run->attempt = delivery->attempt;
    run->replay = delivery->replay;
    run->route = (char *)(uintptr_t)delivery->rule.route; // only read
    runs->pointers[runs->count++] = run;
    return true;
}

static void start_dying(
    struct queue *queue, struct delivery *delivery, wire_reason reason, const char *text) {
    delivery->reason = reason;
    free(delivery->text);
    delivery->text =
        text && *text ? strndup(text, WIRE_TEXT_LIMIT) : NULL; // without memory it dies without words
    delivery_move(queue, delivery, DELIVERY_DYING, false);
}

static bool expire(struct queue *queue, struct delivery *delivery, int64_t now_us) {
    if (delivery->rule.expires_us == 0 || delivery->rule.expires_us > now_us)
        return false;
    queue->counters.expired++;
    start_dying(queue, delivery, HUTONG__BUS__V1__REASON__REASON_EXPIRED, "");
    return true;
}

static void mark_sent(struct queue *queue, struct delivery *delivery) {
    queue->sent_messages++;
    // As both sides count: bytes of the body, with the length that stands before each envelope.
    queue->sent_bytes += varint_size(delivery->envelope.size) + delivery->envelope.size;
    queue->counters.sent++;
    delivery_drop_bytes(queue, delivery);
    delivery_move(queue, delivery, DELIVERY_SENT, false);
}

static int fill_body(struct queue *queue, uint64_t durable, int64_t now_us,
    const struct queue_batch_limits *limits, struct runs *runs, struct queue_frame *out) {
    struct list *next;
    for (struct list *node = queue->ready.next; node != &queue->ready && queue_has_credit(queue);
        node = next) {
        next = node->next;
        struct delivery *delivery = LIST_ITEM(node, struct delivery, link);
        if (delivery->record > durable)
            break; // nor is anything behind it
        if (expire(queue, delivery, now_us))
            continue;
        if (!delivery->chunk && delivery->attempt)
            break; // what comes again after a lost session goes out before what is newer
        if (!delivery->chunk)
            continue; // a follower that just became ready must not hold up the others
        if (out->count == limits->messages ||
            (out->count && out->body.size + delivery->envelope.size > limits->bytes))
            break;
        delivery->attempt++;
        if (!runs_add(runs, delivery)) {
            delivery->attempt--;
            break;
        }
        int rc = wire_body_append(&out->body, delivery->envelope);
        if (rc)
            return rc;
        out->count++;
        mark_sent(queue, delivery);
    }
    return 0;
}

int queue_fill(struct queue *queue, uint64_t durable, int64_t now_us, const struct queue_batch_limits *limits,
    struct queue_frame *out) {
    *out = (struct queue_frame){0};
    if (list_empty(&queue->ready) || !queue_has_credit(queue))
        return 0;
    static _Thread_local struct runs runs; // too large for the stack
    runs.count = 0;
    int rc = fill_body(queue, durable, now_us, limits, &runs, out);
    if (rc == 0 && out->count) {
        Hutong__Bus__V1__Deliver deliver = HUTONG__BUS__V1__DELIVER__INIT;
        deliver.n_runs = runs.count;
        deliver.runs = runs.pointers;
        deliver.settled = queue->settled_durable;
        wire_frame frame = HUTONG__BUS__V1__FRAME__INIT;
        frame.kind_case = HUTONG__BUS__V1__FRAME__KIND_DELIVER;
        frame.deliver = &deliver;
        rc = wire_frame_append(&frame, &out->head);
    }
    if (rc) {
        buffer_destroy(&out->head);
        buffer_destroy(&out->body);
        out->count = 0;
    }
    return rc;
}

// min * 2^(failures-1) up to max, less up to a quarter, so that many failures at once don't come back at
// once.
static uint32_t backoff_ms(struct queue *queue, const struct delivery *delivery) {
    uint64_t delay = delivery->rule.backoff_min_ms ? delivery->rule.backoff_min_ms : 1000;
    uint64_t most = delivery->rule.backoff_max_ms ? delivery->rule.backoff_max_ms : 600000;
    for (uint32_t i = 1; i < delivery->failures && delay < most; i++)
        delay *= 2;
    if (delay > most)
        delay = most;
    queue->jitter = queue->jitter * 1664525u + 1013904223u;
    return (uint32_t)(delay - delay * (queue->jitter >> 16) / (4u << 16));
}

void queue_fail(struct queue *queue, uint64_t position, uint32_t retry_after_ms, bool reject,
    const char *text, uint64_t now_ms) {
    struct delivery *delivery = number_map_get(&queue->known, position);
    if (!delivery || delivery->state != DELIVERY_SENT)
        return;
    delivery->failures++;
    if (reject) {
        start_dying(queue, delivery, HUTONG__BUS__V1__REASON__REASON_REJECTED, text);
    } else if (delivery->failures > delivery->rule.retries) {
        start_dying(queue, delivery, HUTONG__BUS__V1__REASON__REASON_RETRIES, text);
    } else {
        queue->counters.retried++;
        delivery->due_ms = now_ms + (retry_after_ms ? retry_after_ms : backoff_ms(queue, delivery));
        delivery_move(queue, delivery, DELIVERY_RETRY, false);
    }
}

static void trim(struct queue *queue) {
    uint64_t count = queue->unsettled;
    uint64_t bytes = queue->bytes;
    LIST_EACH(node, &queue->dying) {
        count--;
        bytes -= LIST_ITEM(node, struct delivery, link)->size;
    }
    for (uint64_t position = queue->settled + 1; position < queue->read_position; position++) {
        if (count <= queue->limits.count && bytes <= queue->limits.bytes)
            return;
        struct delivery *delivery = number_map_get(&queue->known, position);
        if (!delivery || delivery->state == DELIVERY_SENT || delivery->state == DELIVERY_DYING ||
            delivery->state == DELIVERY_WAITING)
            continue;
        count--;
        bytes -= delivery->size;
        start_dying(queue, delivery, HUTONG__BUS__V1__REASON__REASON_QUEUE_FULL,
            "the queue is over its limit and this was its oldest");
    }
}

static void expire_ready(struct queue *queue, int64_t now_us) {
    struct list *next;
    for (struct list *node = queue->ready.next; node != &queue->ready; node = next) {
        next = node->next;
        expire(queue, LIST_ITEM(node, struct delivery, link), now_us);
    }
}

void queue_tick(struct queue *queue, uint64_t now_ms, int64_t now_us, uint64_t *deadline_ms) {
    struct list *next;
    for (struct list *node = queue->retry.next; node != &queue->retry; node = next) {
        next = node->next;
        struct delivery *delivery = LIST_ITEM(node, struct delivery, link);
        if (delivery->due_ms <= now_ms)
            delivery_move(queue, delivery, DELIVERY_READY, true);
        else if (delivery->due_ms < *deadline_ms)
            *deadline_ms = delivery->due_ms;
    }
    if (queue_over_limit(queue))
        trim(queue);
    if (!queue->receiving && queue->unsettled) {
        expire_ready(queue, now_us);
        if (queue->probe_due_ms <= now_ms) {
            queue->probe = true;
            queue->probe_due_ms = now_ms + PROBE_INTERVAL_MS;
        }
    }
}

struct delivery *queue_next_dead(struct queue *queue) {
    LIST_EACH(node, &queue->dying) {
        struct delivery *delivery = LIST_ITEM(node, struct delivery, link);
        if (delivery->chunk)
            return delivery;
    }
    return NULL;
}
