// What has to be read from the journal, and what comes of it.
#include "broker/delivery/queue_internal.h"

#include <errno.h>

enum {
    // Twice what a turn takes in at full load: a queue that fell behind catches up, and goes on from memory.
    LOAD_COUNT = 4096,
    LOAD_BYTES = 4 * 1024 * 1024,
    LOAD_GAP = 16,   // so many positions between two wanted ones are read over
    LOAD_WALK = 256, // that are looked at to find what can be read together
    PROBE = 64,      // of a queue's head, when nobody has credit
};

struct wishes {
    struct queue_load *items;
    size_t count;
    bool bear;
};

static bool wish(struct wishes *wishes, uint64_t from, size_t count) {
    if (wishes->count == QUEUE_LOADS)
        return false;
    wishes->items[wishes->count++] =
        (struct queue_load){.from = from, .count = count, .bytes = LOAD_BYTES, .bear = wishes->bear};
    return true;
}

// Whether the wish can read this position too; then it does.
static bool stretch(struct queue_load *load, uint64_t position) {
    uint64_t end = load->from + load->count;
    if (position < load->from || position >= load->from + LOAD_COUNT || position > end + LOAD_GAP)
        return false;
    if (position >= end)
        load->count = (size_t)(position - load->from) + 1;
    return true;
}

// The first `most` of a list that lacks bytes, as few readings as its order allows.
static void wish_for(struct wishes *wishes, const struct list *list, uint64_t most) {
    uint64_t left = most < LOAD_WALK ? most : LOAD_WALK;
    bool open = false;
    LIST_EACH(node, list) {
        if (left == 0)
            return;
        left--;
        uint64_t position = LIST_ITEM(node, const struct delivery, link)->position;
        if (open && stretch(&wishes->items[wishes->count - 1], position))
            continue;
        open = wish(wishes, position, 1);
        if (!open)
            return;
    }
}

bool receiver_is_hungry(const struct queue *queue, const struct receiver *receiver) {
    return receiver_has_credit(queue, receiver) && receiver->share.ready_count == 0 &&
           queue->common.ready_count == 0 && list_empty(&receiver->share.lacking) &&
           list_empty(&queue->common.lacking);
}

// How many of the backlog to read next: what hungry receivers may be sent; or what may have to die.
static uint64_t appetite(const struct queue *queue) {
    uint64_t count = 0;
    LIST_EACH(node, &queue->receivers) {
        const struct receiver *receiver = LIST_ITEM(node, const struct receiver, link);
        if (receiver_is_hungry(queue, receiver) &&
            receiver->granted_messages - receiver->sent_messages > count)
            count = receiver->granted_messages - receiver->sent_messages;
    }
    bool over = queue_over_limit(queue);
    if (count == 0 && ((over && !queue_has_credit(queue)) || (queue->probe && queue->known.size < PROBE)))
        count = PROBE;
    return count;
}

uint64_t next_unread(const struct queue *queue) {
    uint64_t from = queue->read_position > queue->settled ? queue->read_position : queue->settled + 1;
    return spans_end(&queue->settled_beyond, from) + 1;
}

uint64_t backlog_wanted(const struct queue *queue) {
    uint64_t count = queue->read_position < queue->next_position && window_room(queue) ? appetite(queue) : 0;
    uint64_t room = queue->limits.window - (queue->known.size - queue->held);
    if (queue->limits.held - queue->held < room)
        room = queue->limits.held - queue->held;
    return count < room ? count : room;
}

static void wish_for_backlog(const struct queue *queue, struct wishes *wishes) {
    uint64_t count = backlog_wanted(queue);
    uint64_t from = count ? next_unread(queue) : queue->next_position;
    uint64_t end = tail_first(queue);
    if (from >= end)
        return;
    count = count < end - from ? count : end - from;
    wish(wishes, from, (size_t)(count < LOAD_COUNT ? count : LOAD_COUNT));
}

size_t queue_loads(const struct queue *queue, struct queue_load out[QUEUE_LOADS]) {
    struct wishes wishes = {.items = out, .bear = unread_bears(queue)};
    if (queue->unread.waits)
        return 0;
    wish_for(&wishes, &queue->dying_lacking, UINT64_MAX);
    // No more than a share takes: what is read in vain is wished for again, and again.
    LIST_EACH(node, &queue->receivers) {
        const struct receiver *receiver = LIST_ITEM(node, const struct receiver, link);
        wish_for(&wishes, &receiver->share.lacking, share_room(queue, &receiver->share, receiver));
    }
    wish_for(&wishes, &queue->common.lacking, share_room(queue, &queue->common, NULL));
    wish_for_backlog(queue, &wishes);
    return wishes.count;
}

// The next of the backlog enters the window, if it is that and has room. 0 or -ENOMEM.
static int enter(struct queue *queue, const struct record_delivery *from, const char *route,
    struct chunk *chunk, struct bytes envelope, struct queue_time now) {
    uint64_t position = from->position;
    if (position < queue->read_position || position != next_unread(queue) || !window_room(queue))
        return 0;
    int rc = window_add(queue, from, route, 0, chunk, envelope, now);
    if (rc == 0)
        queue->read_position = position + 1;
    return rc;
}

int queue_loaded(struct queue *queue, const struct record_delivery *from, const char *route,
    struct chunk *chunk, struct bytes envelope, struct queue_time now) {
    queue->probe = false;
    queue_wake(queue);
    unread_read(queue, from->position);
    struct delivery *delivery = known_get(&queue->known, from->position);
    if (!delivery)
        return enter(queue, from, route, chunk, envelope, now);
    // What comes again goes out before what is newer, so it needs its bytes also where the newer has all the
    // credit: else neither could go, and the same would be read for ever.
    bool ready =
        delivery->state == DELIVERY_READY &&
        (delivery->attempt || share_wants_bytes(queue, share_of(queue, delivery), delivery->receiver));
    if (!delivery->chunk && (ready || delivery->state == DELIVERY_DYING))
        delivery_give_bytes(queue, delivery, chunk, envelope);
    return 0;
}

// ---- What can't be read ----

// It enters the window although nothing is known of it. Its size is what one of the queue has on average.
static int enter_unread(
    struct queue *queue, uint64_t position, struct chunk *nothing, struct queue_time now) {
    const struct record_delivery unknown = {.queue = queue->id, .position = position};
    if (position < queue->read_position || position != next_unread(queue) || !window_room(queue))
        return 0;
    size_t size = queue->unsettled ? (size_t)(queue->bytes / queue->unsettled) : 0;
    struct delivery *delivery = delivery_new(queue, &unknown, "", size);
    int rc = delivery ? window_enter(queue, delivery, nothing, nothing->bytes, now) : -ENOMEM;
    if (rc == 0)
        queue->read_position = position + 1;
    return rc;
}

static int die_unread(
    struct queue *queue, struct delivery *delivery, const char *text, struct chunk *nothing) {
    int rc = 0;
    if (delivery->state == DELIVERY_READY) {
        rc = failure_note(queue, delivery, HUTONG__BUS__V1__REASON__REASON_DAMAGED, text);
        if (rc == 0)
            delivery_die(queue, delivery, HUTONG__BUS__V1__REASON__REASON_DAMAGED, NULL);
    }
    if (delivery->state == DELIVERY_DYING && !delivery->chunk)
        delivery_give_bytes(queue, delivery, nothing, nothing->bytes);
    return rc;
}

int queue_unreadable(struct queue *queue, uint64_t position, const char *text, struct queue_time now) {
    struct chunk *nothing = chunk_copy(bytes_of_string(""));
    if (!nothing)
        return -ENOMEM;
    queue->probe = false;
    queue_wake(queue);
    bool known = known_get(&queue->known, position) != NULL;
    int rc = known ? 0 : enter_unread(queue, position, nothing, now);
    struct delivery *delivery = known_get(&queue->known, position);
    if (rc == 0 && delivery && (!known || !delivery->chunk))
        rc = die_unread(queue, delivery, text, nothing);
    chunk_unref(&nothing);
    return rc;
}
