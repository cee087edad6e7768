// What is unsettled in a segment past its retention is written again, into the queue's carry queue, so that
// the segment can go. Its position, its order and its tries stay what they were.
#include "broker/internal.h"

#include <errno.h>
#include <stdio.h>

#define CARRY_PREFIX "carried:"

static bool is_carry_queue(const struct queue *queue) {
    return strncmp(queue->name, CARRY_PREFIX, sizeof CARRY_PREFIX - 1) == 0;
}

// The queue of which this is the carry queue.
static struct queue *owner_of(const struct broker *broker, const struct queue *carry) {
    return map_get(broker->queues_by_name, bytes_of_string(carry->name + sizeof CARRY_PREFIX - 1));
}

// ---- What still holds a segment ----

// The first of the queue's positions up to `last` that is neither settled nor carried; 0: none.
static uint64_t first_uncarried(const struct queue *queue, uint64_t last) {
    uint64_t next = queue->settled + 1;
    while (next <= last) {
        uint64_t at;
        uint64_t rest;
        uint64_t settled = queue_settled_to(queue, next);
        if (settled >= next)
            next = settled + 1;
        else if (carried_find(&queue->carried, next, &at, &rest))
            next += rest;
        else
            return next;
    }
    return 0;
}

// The first position in the carry queue, up to `last`, at which something unsettled lies; 0: none.
static uint64_t first_unsettled_at(const struct queue *queue, uint64_t last) {
    uint64_t first = 0;
    for (size_t i = 0; i < queue->carried.count; i++) {
        const struct carried_run *run = &queue->carried.runs[i];
        uint64_t end = run->first + run->count;
        uint64_t position = run->first;
        for (uint64_t to; (to = queue_settled_to(queue, position)) >= position && position < end;)
            position = to + 1;
        uint64_t at = run->at + (position - run->first);
        if (position < end && at <= last && (first == 0 || at < first))
            first = at;
    }
    return first;
}

uint64_t carry_needed(const struct broker *broker, uint32_t id, uint64_t last) {
    const struct queue *queue = registry_queue(broker, id);
    if (!queue)
        return 0;
    if (!is_carry_queue(queue))
        return first_uncarried(queue, last);
    const struct queue *owner = owner_of(broker, queue);
    return owner ? first_unsettled_at(owner, last) : 0;
}

// What is settled or carried in memory counts only when it is on disk, and under load something newer is
// always on its way there. So it is noted once what the disk has to know, and only that is waited for: what
// is settled stays so, and what is carried moves only forward.
static bool is_cleared(const struct broker *broker, struct queue *queue, uint64_t last) {
    if (queue->cleared.last < last) {
        queue->cleared.last = last;
        queue->cleared.record = broker->next_record - 1;
    }
    return queue->cleared.record <= broker->durable;
}

bool carry_may_go(const struct broker *broker, struct queue *queue, uint64_t last) {
    const struct queue *owner = is_carry_queue(queue) ? owner_of(broker, queue) : queue;
    if (owner == queue && queue->settled_durable >= last)
        return true;
    return owner && owner->unwritten.settled.count == 0 && carry_needed(broker, queue->id, last) == 0 &&
           is_cleared(broker, queue, last);
}

bool carry_waits(const struct broker *broker, uint32_t id, uint64_t last) {
    const struct queue *queue = registry_queue(broker, id);
    return queue && (!is_carry_queue(queue) || owner_of(broker, queue)) &&
           carry_needed(broker, id, last) == 0;
}

// ---- One record carried ----

static int carry_queue_of(
    struct broker *broker, struct queue *queue, struct update *update, struct queue **out) {
    *out = registry_queue(broker, queue->carried.queue);
    if (*out)
        return 0;
    char name[256];
    snprintf(name, sizeof name, CARRY_PREFIX "%s", queue->name);
    int rc = registry_ensure_queue(broker, name, update, out, NULL);
    if (rc == 0)
        queue->carried.queue = (*out)->id;
    return rc;
}

// Of the carry queue itself nothing is ever pending: its owner has what is unsettled.
static void carry_push(struct queue *carry, uint64_t at) {
    if (at < carry->next_position)
        return;
    carry->next_position = carry->read_position = at + 1;
    carry->settled = carry->settled_durable = at;
}

static int note(struct queue *queue, struct queue *carry, uint64_t position, uint64_t at) {
    carry_push(carry, at);
    queue->carried.queue = carry->id;
    carried_drop(&queue->carried, settlement_recorded(queue));
    return carried_add(&queue->carried, position, at);
}

static int write_carried(
    struct broker *broker, struct queue *queue, const struct carried_record *carried, struct update *update) {
    struct queue *carry;
    struct buffer front = {0};
    int rc = carry_queue_of(broker, queue, update, &carry);
    rc = rc ? rc : carried_front(carried, &front);
    if (rc == 0) {
        struct journal_entry entry = {.queue = carry->id, .position = carry->next_position};
        struct bytes parts[] = {buffer_bytes(&front), carried->body};
        rc = journal_batch_add(
            update->batch, HUTONG__BUS__V1__RECORD_KIND__RECORD_CARRIED, &entry, 1, parts, 2);
    }
    buffer_destroy(&front);
    if (rc)
        return rc;
    queue->settle_record = broker_count_record(broker);
    broker->counters.carried++;
    return note(queue, carry, carried->position, carry->next_position);
}

// Again what was carried before: as it stands.
static int carry_again(struct broker *broker, const struct event *event, struct update *update) {
    struct carried_record carried;
    if (carried_read(event->record->body, &carried)) {
        update->damage = "a carried record that can't be decoded";
        return BROKER_DAMAGED;
    }
    struct queue *queue = registry_queue(broker, carried.queue);
    uint64_t at;
    uint64_t rest;
    if (!queue || queue_settled_to(queue, carried.position) >= carried.position ||
        !carried_find(&queue->carried, carried.position, &at, &rest) || at != event->position)
        return 0; // settled, or already written again
    return write_carried(broker, queue, &carried, update);
}

static int carry_first(
    struct broker *broker, struct queue *queue, const struct event *event, struct update *update) {
    uint64_t at;
    uint64_t rest;
    if (event->position <= queue->settled || queue_settled_to(queue, event->position) >= event->position ||
        carried_find(&queue->carried, event->position, &at, &rest))
        return 0;
    const struct journal_record *record = event->record;
    struct carried_record carried = {.queue = queue->id,
        .position = event->position,
        .kind = record->kind,
        .sequence = record->sequence,
        .time_ns = record->time_ns,
        .body = record->body};
    struct buffer reduced = {0};
    int rc = 0;
    if (record->kind == HUTONG__BUS__V1__RECORD_KIND__RECORD_MESSAGE) {
        rc = carried_reduce(record->body, queue->id, event->position, &reduced);
        update->damage = "a message that can't be decoded, or not with this delivery";
        rc = rc == -EBADMSG ? BROKER_DAMAGED : rc;
        carried.body = buffer_bytes(&reduced);
    }
    rc = rc ? rc : write_carried(broker, queue, &carried, update);
    buffer_destroy(&reduced);
    return rc;
}

int carry_record(struct broker *broker, const struct event *event, struct update *update) {
    struct queue *queue = registry_queue(broker, event->queue);
    if (!queue || !event->record->body.data) // what was erased is settled: it needs no carrying
        return 0;
    // The record itself, and perhaps the one that names the carry queue.
    size_t size = event->record->body.size + 1024;
    if (journal_batch_count(update->batch) && journal_batch_size(update->batch) + size > broker->batch_hard)
        return BROKER_NO_ROOM;
    int rc = event->record->kind == HUTONG__BUS__V1__RECORD_KIND__RECORD_CARRIED
                 ? carry_again(broker, event, update)
                 : carry_first(broker, queue, event, update);
    return rc == JOURNAL_BATCH_FULL ? BROKER_NO_ROOM : rc;
}

// ---- Where a carried one is found ----

uint32_t broker_place(
    const struct broker *broker, uint32_t id, uint64_t position, uint64_t *at, uint64_t *rest) {
    const struct queue *queue = registry_queue(broker, id);
    *at = position;
    *rest = UINT64_MAX;
    if (!queue || !carried_find(&queue->carried, position, at, rest))
        return id;
    return queue->carried.queue;
}

// ---- Recovery ----

int carry_replay(struct broker *broker, const struct journal_record *record) {
    if (record->entry_count != 1)
        return -EBADMSG;
    struct queue *carry = registry_queue(broker, record->entries[0].queue);
    struct carried_record carried;
    if (!carry)
        return -EBADMSG;
    if (!record->body.data) { // erased, so settled: only its place counts
        carry_push(carry, record->entries[0].position);
        return 0;
    }
    int rc = carried_read(record->body, &carried);
    struct queue *queue = rc ? NULL : registry_queue(broker, carried.queue);
    if (!queue)
        return -EBADMSG;
    return note(queue, carry, carried.position, record->entries[0].position);
}
