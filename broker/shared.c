// What a shared journal tells: deliveries that arrive for this broker, are another's again, and how far all
// of a lane is settled.
#include "broker/internal.h"

#include <errno.h>

int shared_arrived(void *context, const struct journal_arrival *arrival) {
    struct broker *broker = context;
    struct queue *queue = registry_queue(broker, arrival->queue);
    if (!queue || arrival->position != queue->next_position)
        return -EBADMSG;
    queue_arrive(queue, arrival->size, arrival->maybe_sent);
    return 0;
}

int shared_withdrawn(void *context, uint32_t id, uint64_t position, size_t bytes) {
    struct broker *broker = context;
    struct queue *queue = registry_queue(broker, id);
    return queue ? queue_withdraw(queue, position, bytes) : -EBADMSG;
}

int shared_settled(void *context, uint32_t id, uint64_t place) {
    struct broker *broker = context;
    struct queue *queue = registry_queue(broker, id);
    return queue ? queue_raise_floor(queue, place) : -EBADMSG;
}

// Only who waits for room needs to know what others have: what is over a limit otherwise dies where it is
// read.
bool shared_weighed(void *context, uint32_t id) {
    const struct queue *queue = registry_queue(context, id);
    return queue && queue->limits.park && queue->limits.window;
}

int shared_waiting(void *context, uint32_t id, uint64_t count) {
    struct queue *queue = registry_queue(context, id);
    if (queue)
        queue->parking.everywhere = count;
    return 0;
}

bool broker_has_session(const struct broker *broker, uint64_t connection) {
    return number_map_get(&broker->by_connection, connection) != NULL;
}

void broker_each_served(const struct broker *broker,
    void (*visit)(void *context, uint32_t queue, const char *name, bool served), void *context) {
    for (size_t i = 0; i < broker->queue_count; i++) {
        const struct queue *queue = broker->queues[i];
        if (queue && queue->limits.window)
            visit(context, queue->id, queue->name, queue->receiver_count > 0);
    }
}
