// When the disk fails to read a delivery. That need not last: a path to it comes back, a file is put back. So
// it is tried again, now and then; and given up in the end, so that all behind it goes on.
#include "broker/delivery/queue_internal.h"

static bool gives_up(const struct queue *queue) {
    return queue->unread.tries == QUEUE_READ_TRIES;
}

bool unread_bears(const struct queue *queue) {
    return gives_up(queue);
}

void queue_unread(struct queue *queue, uint64_t position, struct queue_time now) {
    queue_wake(queue); // for its next tick
    if (queue->unread.waits || gives_up(queue))
        return; // several are asked for at once: that is one try
    if (queue_settled_to(queue, queue->unread.position) >= queue->unread.position)
        queue->unread.tries = 0;
    if (queue->unread.tries == 0)
        queue->unread.position = position;
    queue->unread.tries++;
    queue->unread.waits = !gives_up(queue);
    queue->unread.until_ms = now.ms + (gives_up(queue) ? QUEUE_READ_BEAR_MS : QUEUE_READ_PAUSE_MS);
}

void unread_read(struct queue *queue, uint64_t position) {
    if (position == queue->unread.position && !gives_up(queue))
        queue->unread.tries = 0;
}

uint64_t unread_tick(struct queue *queue, uint64_t now_ms) {
    if (queue->unread.tries == 0)
        return UINT64_MAX;
    if (now_ms < queue->unread.until_ms)
        return queue->unread.until_ms;
    if (gives_up(queue))
        queue->unread.tries = 0; // the disk may be well again
    queue->unread.waits = false;
    return UINT64_MAX;
}
