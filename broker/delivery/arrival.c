// A queue of a shared journal: what others append arrives, and is another's again when its part of the queue
// is.
#include "broker/delivery/queue_internal.h"

#include <errno.h>

void queue_arrive(struct queue *queue, size_t size, bool maybe_sent) {
    queue->next_position++;
    if (maybe_sent)
        queue->recovered = queue->next_position;
    queue->unsettled++;
    queue->bytes += size;
    queue->counters.pushed++;
    queue_wake(queue);
}

int queue_withdraw(struct queue *queue, uint64_t position, size_t size) {
    if (queue_settled_to(queue, position) >= position)
        return 0;
    int rc = spans_add(&queue->settled_beyond, position, position);
    if (rc)
        return rc;
    spans_absorb(&queue->settled_beyond, &queue->settled);
    struct delivery *delivery = known_get(&queue->known, position);
    queue->bytes -= delivery ? delivery->size : size;
    queue->unsettled--;
    if (delivery && delivery->failure)
        failure_forget(queue, position);
    if (delivery)
        window_remove(queue, delivery);
    queue_wake(queue);
    return 0;
}

int queue_raise_floor(struct queue *queue, uint64_t place) {
    void *floor = (void *)(uintptr_t)place; // a number, no pointer
    return number_map_put(&queue->floors, place >> JOURNAL_LANE_SHIFT, floor);
}
