// The newest of the backlog, in memory too. Nothing here has entered the window: neither order by subject nor
// limits know of it until it does, as if it had been read.
#include "broker/delivery/queue_internal.h"

#include <errno.h>

static struct delivery *first_of(const struct queue *queue) {
    const struct list *items = &queue->tail.items;
    return queue->tail.count ? LIST_ITEM(items->next, struct delivery, link) : NULL;
}

// Takes the first out. Those that lie in one chunk stand side by side.
static struct delivery *pop(struct queue *queue) {
    struct delivery *first = first_of(queue);
    list_remove(&first->link);
    queue->tail.count--;
    const struct delivery *next = first_of(queue);
    if (!next || next->chunk != first->chunk)
        queue->tail.pinned -= first->chunk->bytes.size;
    return first;
}

static void push(struct queue *queue, struct delivery *delivery, struct chunk *chunk, struct bytes envelope) {
    struct list *items = &queue->tail.items;
    if (!queue->tail.count || LIST_ITEM(items->previous, struct delivery, link)->chunk != chunk)
        queue->tail.pinned += chunk->bytes.size;
    delivery->chunk = chunk_ref(chunk);
    delivery->envelope = envelope;
    list_append(items, &delivery->link);
    queue->tail.count++;
}

uint64_t tail_first(const struct queue *queue) {
    const struct delivery *first = first_of(queue);
    return first ? first->position : queue->next_position;
}

void queue_drop_tail(struct queue *queue) {
    while (first_of(queue))
        delivery_free(pop(queue));
}

void tail_keep(struct queue *queue, const struct record_delivery *from, uint64_t record, struct chunk *chunk,
    struct bytes envelope) {
    struct delivery *delivery = queue->in_flight && queue->limits.tail
                                    ? delivery_new(queue, from, from->rule.route, envelope.size)
                                    : NULL;
    if (!delivery) {
        queue_drop_tail(queue); // it has no gaps
        return;
    }
    delivery->record = record;
    push(queue, delivery, chunk, envelope);
    while (queue->tail.pinned > queue->limits.tail || queue->tail.count > QUEUE_TAIL_COUNT)
        delivery_free(pop(queue));
}

int queue_take_tail(struct queue *queue, struct queue_time now, bool *any) {
    *any = false;
    for (uint64_t left = first_of(queue) ? backlog_wanted(queue) : 0; left; left--) {
        uint64_t position = next_unread(queue);
        while (tail_first(queue) < position && first_of(queue))
            delivery_free(pop(queue)); // settled meanwhile
        if (tail_first(queue) != position || !first_of(queue))
            break;
        struct delivery *delivery = pop(queue);
        struct chunk *chunk = delivery->chunk;
        struct bytes envelope = delivery->envelope;
        delivery->chunk = NULL; // the window says whether it needs it
        delivery->envelope = bytes_of(NULL, 0);
        int rc = window_enter(queue, delivery, chunk, envelope, now);
        chunk_unref(&chunk);
        if (rc)
            return rc;
        queue->read_position = position + 1;
        queue->probe = false;
        *any = true;
    }
    return 0;
}
