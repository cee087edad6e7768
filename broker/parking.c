// Publishers whose next message is for a queue that is full, where its system's file says `when_full: park`.
// The message stays where it is, undecided, and so does all behind it, since a stream has an order. What was
// decided is told and no more credit given, so what waits is bounded. docs/decisions/0019-parking.md
#include "broker/internal.h"

#include <stdio.h>

#define LOG_EVERY_MS 10000 // at most one line of a queue in this time says that it parks

static uint64_t waiting_in(const struct queue *queue) {
    return queue->parking.everywhere > queue->unsettled ? queue->parking.everywhere : queue->unsettled;
}

// A queue that was full has room again below seven eighths, so that its publishers come and go in batches.
static bool is_full(struct queue *queue) {
    uint64_t count = queue->limits.count;
    uint64_t bytes = queue->limits.bytes;
    if (!queue->limits.park)
        return queue->parking.full = false;
    if (queue->parking.full) {
        count -= count / 8;
        bytes -= bytes / 8;
    }
    return queue->parking.full = waiting_in(queue) >= count || queue->bytes >= bytes;
}

struct queue *parking_obstacle(const struct broker *broker, const struct match *matches, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct queue *queue = broker->of_system[matches[i].to->index];
        if (queue->limits.park && !matches[i].dead_reason && is_full(queue))
            return queue;
    }
    return NULL;
}

static void say_begin(
    struct broker *broker, struct session *session, struct queue *queue, struct update *update) {
    char text[256];
    if (queue->parking.logged_ms && broker->now_ms - queue->parking.logged_ms < LOG_EVERY_MS)
        return;
    queue->parking.logged_ms = broker->now_ms;
    session->parked_logged = true;
    snprintf(text, sizeof text, "%s is full: %llu deliveries, %llu bytes", queue->name,
        (unsigned long long)waiting_in(queue), (unsigned long long)queue->bytes);
    update_notice(update, NOTICE_PARKED, session, text);
}

static void say_end(struct session *session, struct update *update) {
    char text[256];
    snprintf(text, sizeof text, "%s has room", session->parked_by->name);
    if (session->parked_logged)
        update_notice(update, NOTICE_RESUMED, session, text);
    session->parked_logged = false;
}

// The longest wait is looked for anew: there are few that wait.
static void find_since(const struct broker *broker, struct queue *queue) {
    queue->parking.since_us = INT64_MAX;
    LIST_EACH(node, &broker->sessions) {
        const struct session *session = LIST_ITEM(node, const struct session, link);
        if (session->parked_by == queue && session->parked_us < queue->parking.since_us)
            queue->parking.since_us = session->parked_us;
    }
}

static void leave_queue(const struct broker *broker, struct session *session) {
    struct queue *queue = session->parked_by;
    session->parked_by = NULL;
    if (--queue->parking.publishers)
        find_since(broker, queue);
}

void parking_begin(
    struct broker *broker, struct session *session, struct queue *queue, struct update *update) {
    list_remove(&session->turn);
    list_append(&broker->parked, &session->turn);
    if (session->parked_by == queue)
        return; // it was tried again, in vain
    if (session->parked_by)
        parking_end(broker, session, update);
    session->parked_by = queue;
    session->parked_us = broker->now_us;
    session->hold_changed = true;
    if (queue->parking.publishers++ == 0)
        queue->parking.since_us = broker->now_us;
    queue->parking.count++;
    say_begin(broker, session, queue, update);
}

void parking_end(struct broker *broker, struct session *session, struct update *update) {
    say_end(session, update);
    leave_queue(broker, session);
    session->hold_changed = true;
}

void parking_forget(struct broker *broker, struct session *session) {
    if (session->parked_by)
        leave_queue(broker, session);
}

bool parking_has_room(struct broker *broker) {
    LIST_EACH(node, &broker->parked)
    if (!is_full(LIST_ITEM(node, struct session, turn)->parked_by))
        return true;
    return false;
}

void parking_retry(struct broker *broker, bool all) {
    struct list *next;
    for (struct list *node = broker->parked.next; node != &broker->parked; node = next) {
        next = node->next;
        struct session *session = LIST_ITEM(node, struct session, turn);
        if (!all && is_full(session->parked_by))
            continue;
        list_remove(&session->turn);
        shares_enter(broker, session);
    }
}
