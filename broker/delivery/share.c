// Receivers of one queue, and which deliveries are whose. A subject belongs to the receiver with the highest
// weight for it (rendezvous hashing): when one comes or goes, only its own share moves. Order doesn't hang on
// it: at most one unsettled delivery of a subject is under way, wherever.
#include "broker/delivery/queue_internal.h"

#include <stdlib.h>

void share_init(struct share *share) {
    list_init(&share->loaded);
    list_init(&share->fresh);
    list_init(&share->lacking);
    share->ready_count = 0;
}

struct share *share_of(struct queue *queue, const struct delivery *delivery) {
    return delivery->receiver ? &delivery->receiver->share : &queue->common;
}

// ---- Whose ----

static uint64_t weigh(uint64_t subject_hash, uint64_t instance) {
    uint64_t x = subject_hash ^ instance;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

struct receiver *share_owner(const struct queue *queue, uint64_t subject_hash) {
    if (subject_hash == 0 || queue->receiver_count == 0)
        return NULL;
    struct receiver *owner = LIST_ITEM(queue->receivers.next, struct receiver, link);
    if (queue->receiver_count == 1)
        return owner;
    uint64_t most = weigh(subject_hash, owner->instance);
    for (struct list *node = owner->link.next; node != &queue->receivers; node = node->next) {
        struct receiver *other = LIST_ITEM(node, struct receiver, link);
        uint64_t weight = weigh(subject_hash, other->instance);
        if (weight > most) {
            most = weight;
            owner = other;
        }
    }
    return owner;
}

// ---- Credit ----

bool receiver_has_credit(const struct queue *queue, const struct receiver *receiver) {
    return receiver->sent_messages < receiver->granted_messages &&
           receiver->sent_bytes < receiver->granted_bytes && receiver->in_flight_bytes < queue->flight_bytes;
}

bool queue_has_credit(const struct queue *queue) {
    LIST_EACH(node, &queue->receivers) {
        if (receiver_has_credit(queue, LIST_ITEM(node, struct receiver, link)))
            return true;
    }
    return false;
}

static uint64_t credit_left(const struct queue *queue, const struct receiver *receiver) {
    return receiver_has_credit(queue, receiver) ? receiver->granted_messages - receiver->sent_messages : 0;
}

static uint64_t all_credit_left(const struct queue *queue) {
    uint64_t left = 0;
    LIST_EACH(node, &queue->receivers) {
        uint64_t more = credit_left(queue, LIST_ITEM(node, struct receiver, link));
        left = left + more < left ? UINT64_MAX : left + more;
    }
    return left;
}

bool queue_can_take(const struct queue *queue) {
    uint64_t ready = queue->common.ready_count;
    LIST_EACH(node, &queue->receivers) {
        const struct receiver *receiver = LIST_ITEM(node, const struct receiver, link);
        uint64_t left = credit_left(queue, receiver);
        if (receiver->share.ready_count + ready < left)
            return true;
        left -= left < receiver->share.ready_count ? left : receiver->share.ready_count;
        ready -= ready < left ? ready : left; // it would take so many of the common ones
    }
    return false;
}

uint64_t share_room(const struct queue *queue, const struct share *share, const struct receiver *receiver) {
    uint64_t left = receiver ? credit_left(queue, receiver) : all_credit_left(queue);
    return share->ready_count < left ? left - share->ready_count : 0;
}

bool share_wants_bytes(
    const struct queue *queue, const struct share *share, const struct receiver *receiver) {
    return share_room(queue, share, receiver) > 0;
}

// ---- Coming and going ----

static void share_flight(struct queue *queue) {
    queue->flight_bytes = QUEUE_IN_FLIGHT_BYTES / (queue->receiver_count ? queue->receiver_count : 1);
}

// Gives each of the list to its owner now, in order. Those that stay keep their place and bytes.
static void deal(struct queue *queue, struct list *list, const struct receiver *holder) {
    struct list *next;
    for (struct list *node = list->next; node != list; node = next) {
        next = node->next;
        struct delivery *delivery = LIST_ITEM(node, struct delivery, link);
        if (share_owner(queue, delivery->subject_hash) == holder)
            continue;
        delivery_drop_bytes(queue, delivery);
        delivery_move(queue, delivery, DELIVERY_READY, false);
    }
}

// What is ready in `share` goes to its owners.
static void share_deal(struct queue *queue, struct share *share, const struct receiver *holder) {
    deal(queue, &share->lacking, holder);
    deal(queue, &share->loaded, holder);
    deal(queue, &share->fresh, holder);
}

struct receiver *queue_attach(
    struct queue *queue, uint64_t connection, uint64_t instance, uint64_t messages, uint64_t bytes) {
    struct receiver *receiver = calloc(1, sizeof *receiver);
    if (!receiver)
        return NULL;
    share_init(&receiver->share);
    list_init(&receiver->sent);
    receiver->connection = connection;
    receiver->instance = instance;
    list_append(&queue->receivers, &receiver->link);
    queue->receiver_count++;
    share_flight(queue);
    LIST_EACH(node, &queue->receivers) {
        struct receiver *other = LIST_ITEM(node, struct receiver, link);
        if (other != receiver)
            share_deal(queue, &other->share, other);
    }
    share_deal(queue, &queue->common, NULL);
    queue_grant(queue, receiver, messages, bytes);
    return receiver;
}

void queue_grant(struct queue *queue, struct receiver *receiver, uint64_t messages, uint64_t bytes) {
    receiver->granted_messages = messages;
    receiver->granted_bytes = bytes;
    queue_wake(queue);
}

// Nobody has credit: bytes that would go out next are kept for nobody.
static void drop_ready_bytes(struct queue *queue, struct share *share) {
    while (!list_empty(&share->loaded))
        delivery_drop_bytes(queue, LIST_ITEM(share->loaded.next, struct delivery, link));
    while (!list_empty(&share->fresh))
        delivery_drop_bytes(queue, LIST_ITEM(share->fresh.next, struct delivery, link));
}

void queue_detach(struct queue *queue, struct receiver **self) {
    struct receiver *receiver = *self;
    if (!receiver)
        return;
    list_remove(&receiver->link);
    queue->receiver_count--;
    share_flight(queue);
    share_deal(queue, &receiver->share, receiver);
    // What was sent comes again before what is newer.
    while (!list_empty(&receiver->sent)) {
        struct delivery *delivery = LIST_ITEM(receiver->sent.previous, struct delivery, link);
        delivery_move(queue, delivery, DELIVERY_READY, true);
        delivery_watch_expiry(queue, delivery);
    }
    if (!queue->receiver_count) {
        drop_ready_bytes(queue, &queue->common);
        queue_drop_tail(queue);
    }
    free(receiver);
    *self = NULL;
    queue_wake(queue);
}

void share_relieve(struct queue *queue) {
    LIST_EACH(node, &queue->receivers) {
        struct receiver *receiver = LIST_ITEM(node, struct receiver, link);
        if (receiver_has_credit(queue, receiver))
            continue;
        while (!list_empty(&receiver->share.lacking)) {
            struct list *first = receiver->share.lacking.next;
            list_remove(first);
            LIST_ITEM(first, struct delivery, link)->receiver = NULL;
            list_append(&queue->common.lacking, first);
        }
    }
}
