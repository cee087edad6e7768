#include "broker/delivery/queue.h"

#include "broker/delivery/queue_internal.h"

#include <errno.h>
#include <stdlib.h>

struct queue *queue_new(uint32_t id, const char *name, const struct queue_limits *limits) {
    struct queue *queue = calloc(1, sizeof *queue);
    char *copy = strdup(name);
    if (!queue || !copy) {
        free(queue);
        free(copy);
        return NULL;
    }
    queue->id = id;
    queue->name = copy;
    queue->limits = *limits;
    queue->next_position = queue->read_position = 1;
    list_init(&queue->waiting);
    list_init(&queue->ready);
    list_init(&queue->sent);
    list_init(&queue->retry);
    list_init(&queue->dying);
    return queue;
}

void queue_destroy(struct queue **self) {
    struct queue *queue = *self;
    if (!queue)
        return;
    size_t cursor = 0;
    void *delivery;
    while (number_map_next(&queue->known, &cursor, NULL, &delivery))
        delivery_free(delivery);
    number_map_destroy(&queue->known);
    number_map_destroy(&queue->subjects);
    spans_destroy(&queue->settled_beyond);
    carried_destroy(&queue->carried);
    free(queue->name);
    free(queue);
    *self = NULL;
}

void delivery_free(struct delivery *delivery) {
    chunk_unref(&delivery->chunk);
    free(delivery->text);
    free(delivery);
}

static struct list *list_of(struct queue *queue, enum delivery_state state) {
    switch (state) {
    case DELIVERY_WAITING:
        return &queue->waiting;
    case DELIVERY_READY:
        return &queue->ready;
    case DELIVERY_SENT:
        return &queue->sent;
    case DELIVERY_RETRY:
        return &queue->retry;
    default:
        return &queue->dying;
    }
}

static bool counts_as_lacking(const struct delivery *delivery) {
    return !delivery->chunk && (delivery->state == DELIVERY_READY || delivery->state == DELIVERY_DYING);
}

static void count_in_flight(struct queue *queue, const struct delivery *delivery, bool more) {
    if (delivery->state != DELIVERY_SENT)
        return;
    queue->in_flight += more ? 1 : (size_t)-1;
    queue->in_flight_bytes += more ? delivery->size : 0 - delivery->size;
}

void delivery_move(struct queue *queue, struct delivery *delivery, enum delivery_state state, bool front) {
    queue->lacking -= counts_as_lacking(delivery);
    count_in_flight(queue, delivery, false);
    delivery->state = state;
    list_remove(&delivery->link);
    struct list *list = list_of(queue, state);
    list_insert_before(front ? list->next : list, &delivery->link);
    queue->lacking += counts_as_lacking(delivery);
    count_in_flight(queue, delivery, true);
}

void delivery_drop_bytes(struct queue *queue, struct delivery *delivery) {
    if (!delivery->chunk)
        return;
    chunk_unref(&delivery->chunk);
    delivery->envelope = bytes_of(NULL, 0);
    queue->lacking += counts_as_lacking(delivery);
}

// The delivery joins its subject's chain; false when an earlier one is unsettled.
static int join_subject(struct queue *queue, struct delivery *delivery, bool *first) {
    *first = true;
    if (delivery->subject_hash == 0)
        return 0;
    struct delivery *tail = number_map_get(&queue->subjects, delivery->subject_hash);
    int rc = number_map_put(&queue->subjects, delivery->subject_hash, delivery);
    if (rc)
        return rc;
    if (tail)
        tail->follower = delivery;
    *first = !tail;
    return 0;
}

static void leave_subject(struct queue *queue, struct delivery *delivery) {
    if (delivery->subject_hash == 0)
        return;
    if (delivery->follower) {
        // Not before it is on the disk that the one before is settled. At the end: the ready ones that are
        // not durable yet stand in the order of their records.
        if (delivery->follower->record < queue->settling)
            delivery->follower->record = queue->settling;
        delivery_move(queue, delivery->follower, DELIVERY_READY, false);
    } else
        number_map_remove(&queue->subjects, delivery->subject_hash);
}

// A new delivery in the window, in memory without bytes. NULL without memory.
static struct delivery *window_add(
    struct queue *queue, const struct record_delivery *from, const char *route, size_t size) {
    struct delivery *delivery = calloc(1, sizeof *delivery);
    if (!delivery)
        return NULL;
    list_init(&delivery->link);
    delivery->position = from->position;
    delivery->subject_hash = from->subject_hash;
    delivery->rule = from->rule;
    delivery->rule.route = route;
    delivery->rule.agreement = ""; // the record has it
    delivery->size = size;
    delivery->replay = from->replay;
    delivery->attempt = from->position < queue->recovered ? 1 : 0;
    delivery->state = DELIVERY_WAITING;
    bool first;
    if (number_map_put(&queue->known, from->position, delivery) != 0) {
        free(delivery);
        return NULL;
    }
    if (join_subject(queue, delivery, &first) != 0) {
        number_map_remove(&queue->known, from->position);
        free(delivery);
        return NULL;
    }
    delivery_move(queue, delivery, first ? DELIVERY_READY : DELIVERY_WAITING, false);
    return delivery;
}

static void give_bytes(
    struct queue *queue, struct delivery *delivery, struct chunk *chunk, struct bytes envelope) {
    queue->lacking -= counts_as_lacking(delivery);
    delivery->chunk = chunk_ref(chunk);
    delivery->envelope = envelope;
}

bool queue_over_limit(const struct queue *queue) {
    return !queue->limits.park &&
           (queue->unsettled > queue->limits.count || queue->bytes > queue->limits.bytes);
}

bool queue_has_credit(const struct queue *queue) {
    return queue->receiving && queue->sent_messages < queue->granted_messages &&
           queue->sent_bytes < queue->granted_bytes && queue->in_flight_bytes < QUEUE_IN_FLIGHT_BYTES;
}

// How many more may be sent by count; what the window may hold beyond what it holds.
static size_t window_room(const struct queue *queue) {
    size_t room = queue->limits.window > queue->known.size ? queue->limits.window - queue->known.size : 0;
    return room;
}

int queue_push(struct queue *queue, const struct record_delivery *delivery, uint64_t record,
    struct chunk *chunk, struct bytes envelope) {
    bool caught_up = queue->read_position == queue->next_position;
    queue->next_position++;
    queue->unsettled++;
    queue->bytes += envelope.size;
    queue->counters.pushed++;
    uint64_t unsent = queue->known.size - queue->in_flight;
    if (!caught_up || !queue_has_credit(queue) || window_room(queue) == 0 ||
        unsent >= queue->granted_messages - queue->sent_messages)
        return 0; // it is backlog: the journal has it
    struct delivery *hot = window_add(queue, delivery, delivery->rule.route, envelope.size);
    if (!hot)
        return -ENOMEM;
    queue->read_position++;
    hot->record = record;
    if (hot->state == DELIVERY_READY)
        give_bytes(queue, hot, chunk, envelope);
    return 0;
}

void queue_rename_routes(struct queue *queue, const struct number_map *copies) {
    size_t cursor = 0;
    void *value;
    while (number_map_next(&queue->known, &cursor, NULL, &value)) {
        struct delivery *delivery = value;
        delivery->rule.route = number_map_get(copies, (uint64_t)(uintptr_t)delivery->rule.route);
    }
}

void queue_recover_push(struct queue *queue, uint64_t position, size_t size) {
    if (position < queue->next_position)
        return;
    queue->next_position = position + 1;
    queue->recovered = position + 1;
    queue->unsettled++;
    queue->bytes += size;
}

int queue_recover_settled(struct queue *queue, uint64_t first, uint64_t last) {
    int rc = spans_add(&queue->settled_beyond, first, last);
    if (rc)
        return rc;
    spans_absorb(&queue->settled_beyond, &queue->settled);
    queue->settled_durable = queue->settled;
    queue->unsettled -= last - first + 1;
    if (queue->read_position <= queue->settled)
        queue->read_position = queue->settled + 1;
    return 0;
}

uint64_t queue_settled_to(const struct queue *queue, uint64_t from) {
    if (from <= queue->settled)
        return queue->settled;
    return spans_end(&queue->settled_beyond, from);
}

void queue_skip_settled(struct queue *queue) {
    uint64_t last = queue_settled_to(queue, queue->read_position);
    if (last >= queue->read_position)
        queue->read_position = last + 1;
}

void queue_attach(struct queue *queue, uint64_t receiver, uint64_t messages, uint64_t bytes) {
    queue->receiving = true;
    queue->receiver = receiver;
    queue->sent_messages = queue->sent_bytes = 0;
    queue_grant(queue, messages, bytes);
}

void queue_grant(struct queue *queue, uint64_t messages, uint64_t bytes) {
    queue->granted_messages = messages;
    queue->granted_bytes = bytes;
}

void queue_detach(struct queue *queue) {
    queue->receiving = false;
    while (!list_empty(&queue->sent))
        delivery_move(queue, LIST_ITEM(queue->sent.previous, struct delivery, link), DELIVERY_READY, true);
    LIST_EACH(node, &queue->ready) delivery_drop_bytes(queue, LIST_ITEM(node, struct delivery, link));
}

// The lowest position in a list that lacks its bytes.
static uint64_t lowest_lacking(const struct list *list, uint64_t lowest) {
    LIST_EACH(node, list) {
        const struct delivery *delivery = LIST_ITEM(node, const struct delivery, link);
        if (!delivery->chunk && delivery->position < lowest)
            lowest = delivery->position;
    }
    return lowest;
}

bool queue_wants_load(const struct queue *queue, struct queue_load *out) {
    enum { LOAD_COUNT = 1024, LOAD_BYTES = 1024 * 1024, PROBE = 64 };
    bool over = queue_over_limit(queue);
    bool dying = !list_empty(&queue->dying);
    if (!queue_has_credit(queue) && !over && !dying && !queue->probe)
        return false;
    *out = (struct queue_load){.count = LOAD_COUNT, .bytes = LOAD_BYTES};
    if (dying && queue->lacking) {
        out->from = lowest_lacking(&queue->dying, UINT64_MAX);
        if (out->from != UINT64_MAX)
            return true;
    }
    if (queue_has_credit(queue) && queue->lacking) {
        out->from = lowest_lacking(&queue->ready, UINT64_MAX);
        if (out->from != UINT64_MAX)
            return true;
    }
    if (queue->read_position >= queue->next_position || window_room(queue) == 0)
        return false;
    out->from = queue->read_position;
    uint64_t credit = queue->granted_messages - queue->sent_messages;
    if (queue_has_credit(queue) && credit < out->count)
        out->count = (size_t)credit;
    if (!queue_has_credit(queue))
        out->count = PROBE;
    return queue_has_credit(queue) ? list_empty(&queue->ready) : queue->known.size < PROBE || over;
}

int queue_loaded(struct queue *queue, const struct record_delivery *from, const char *route,
    struct chunk *chunk, struct bytes envelope) {
    uint64_t position = from->position;
    queue->probe = false;
    struct delivery *delivery = number_map_get(&queue->known, position);
    if (!delivery) {
        queue_skip_settled(queue);
        if (position != queue->read_position)
            return 0; // settled meanwhile
        if (window_room(queue) == 0)
            return 0;
        queue->read_position++;
        if (position <= queue->settled || spans_has(&queue->settled_beyond, position))
            return 0;
        delivery = window_add(queue, from, route, envelope.size);
        if (!delivery)
            return -ENOMEM;
    }
    if (counts_as_lacking(delivery))
        give_bytes(queue, delivery, chunk, envelope);
    return 0;
}

// Settles one known delivery.
static int settle_one(struct queue *queue, struct delivery *delivery, struct spans *spans, uint64_t *bytes) {
    int rc = spans_add(spans, delivery->position, delivery->position);
    rc = rc ? rc : spans_add(&queue->settled_beyond, delivery->position, delivery->position);
    if (rc)
        return rc;
    spans_absorb(&queue->settled_beyond, &queue->settled);
    *bytes += delivery->size;
    queue->bytes -= delivery->size;
    queue->unsettled--;
    queue->counters.settled++;
    queue->lacking -= counts_as_lacking(delivery);
    count_in_flight(queue, delivery, false);
    list_remove(&delivery->link);
    number_map_remove(&queue->known, delivery->position);
    leave_subject(queue, delivery);
    delivery_free(delivery);
    return 0;
}

// A range that is wider than what is known (a peer may send any): by walking what is known.
static int settle_wide(
    struct queue *queue, uint64_t first, uint64_t last, struct spans *spans, uint64_t *bytes) {
    struct list *next;
    for (struct list *node = queue->sent.next; node != &queue->sent; node = next) {
        next = node->next;
        struct delivery *delivery = LIST_ITEM(node, struct delivery, link);
        if (delivery->position < first || delivery->position > last)
            continue;
        int rc = settle_one(queue, delivery, spans, bytes);
        if (rc)
            return rc;
    }
    return 0;
}

int queue_settle(struct queue *queue, uint64_t first, uint64_t last, struct spans *spans, uint64_t *bytes) {
    // A peer may send any numbers: only what can be in flight is looked at.
    if (first <= queue->settled)
        first = queue->settled + 1;
    if (last >= queue->read_position)
        last = queue->read_position - 1;
    if (last < first)
        return 0;
    if (last - first > queue->known.size)
        return settle_wide(queue, first, last, spans, bytes);
    for (uint64_t position = first; position <= last; position++) {
        struct delivery *delivery = number_map_get(&queue->known, position);
        // Only what was sent can be done: no dying one, and no follower that this very settlement made ready.
        if (!delivery || delivery->state != DELIVERY_SENT)
            continue;
        int rc = settle_one(queue, delivery, spans, bytes);
        if (rc)
            return rc;
    }
    return 0;
}

int queue_bury(struct queue *queue, struct delivery *delivery, struct spans *spans, uint64_t *bytes) {
    queue->probe_due_ms = 0; // more of its age may stand behind it
    return settle_one(queue, delivery, spans, bytes);
}
