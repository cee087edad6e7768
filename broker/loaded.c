// What was read from the journal: envelopes come back one by one, and what can't be read ends as a dead
// letter.
#include "broker/internal.h"

#include <errno.h>
#include <stdio.h>

// The record was whole on the disk, and yet it isn't what the broker wrote.
static int damaged(struct update *update, const char *what) {
    update->damage = what;
    return BROKER_DAMAGED;
}

static int load_delivery(struct broker *broker, struct queue *queue, const struct record_message *message,
    const struct record_delivery *delivery, struct update *update) {
    size_t size;
    queue_expect(queue, delivery->subject_hash);
    if (record_envelope_size(message, delivery, &size))
        return damaged(update, "its envelope repeats what the message does not have");
    const char *route = registry_name(broker, delivery->route);
    uint8_t *at = route ? laying_add(&broker->load, size) : NULL;
    if (!at)
        return -ENOMEM;
    int rc = record_envelope_put(message, delivery, at);
    return rc ? rc
              : queue_loaded(
                    queue, delivery, route, broker->load.chunk, bytes_of(at, size), broker_time(broker));
}

// What arrived names the queue and position that its sender gave it.
static int load_arrived(struct broker *broker, const struct event *event, struct update *update) {
    struct queue *queue = registry_queue(broker, event->queue);
    struct record_message message;
    struct record_delivery delivery;
    if (!queue || record_message_only(event->record->body, &message, &delivery))
        return damaged(update, "a message that can't be decoded, or of no queue");
    delivery.queue = event->queue;
    delivery.position = event->position;
    delivery.place = event->record->place;
    return load_delivery(broker, queue, &message, &delivery, update);
}

static bool is_wanted(const struct event *event, const struct carried_record *record) {
    return event->wanted == 0 || (record->queue == event->of && record->position == event->wanted);
}

int loaded_record(struct broker *broker, const struct event *event, struct update *update) {
    struct record_message message;
    struct record_delivery delivery;
    struct carried_record record = {.queue = event->queue,
        .position = event->position,
        .kind = event->record->kind,
        .body = event->record->body};
    if (broker->shared)
        return load_arrived(broker, event, update);
    if (!record.body.data)
        return 0; // erased, so settled
    if (record.kind == HUTONG__BUS__V1__RECORD_KIND__RECORD_CARRIED) {
        if (carried_read(event->record->body, &record))
            return damaged(update, "a carried record that can't be decoded");
        if (!is_wanted(event, &record))
            return damaged(update, "the carried record of another delivery");
    }
    struct queue *queue = registry_queue(broker, record.queue);
    if (!queue)
        return 0;
    if (record.kind != HUTONG__BUS__V1__RECORD_KIND__RECORD_MESSAGE)
        return event->wanted ? damaged(update, "no message where one is looked for") : 0;
    if (record_message_read(record.body, record.queue, record.position, &message, &delivery))
        return damaged(update, "a message that can't be decoded, or not with this delivery");
    return load_delivery(broker, queue, &message, &delivery, update);
}

int loaded_unreadable(struct broker *broker, const struct event *event) {
    struct queue *queue = registry_queue(broker, event->queue);
    char text[WIRE_TEXT_LIMIT + 1];
    snprintf(text, sizeof text, "the journal is damaged: %s", event->damage);
    return queue ? queue_unreadable(queue, event->position, text, broker_time(broker)) : 0;
}

int loaded_unread(struct broker *broker, const struct event *event) {
    struct queue *queue = registry_queue(broker, event->queue);
    if (queue)
        queue_unread(queue, event->position, broker_time(broker));
    return 0;
}

uint32_t broker_unread(const struct broker *broker, uint32_t id) {
    const struct queue *queue = registry_queue(broker, id);
    return queue ? queue->unread.tries : 0;
}
