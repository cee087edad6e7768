#include "broker/net/internal.h"

#include <errno.h>
#include <stdlib.h>

// It comes to another thread by way of ZeroMQ, whose queues order it. Acquiring `router` says so once more,
// to those who can't look into ZeroMQ: the thread sanitizer.
struct lent {
    _Atomic(struct router *) router; // set last, read first
    struct lent *next;
    struct slice slice;
};

// In whichever thread: ZeroMQ's own, or the core's when a message can't be sent.
static void hand_back(void *data, void *hint) {
    struct lent *lent = hint;
    struct router *router = atomic_load_explicit(&lent->router, memory_order_acquire);
    _Atomic(struct lent *) *returned = &router->returned;
    (void)data;
    lent->next = atomic_load_explicit(returned, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(
        returned, &lent->next, lent, memory_order_release, memory_order_relaxed)) {
    }
}

int lent_message(struct router *router, struct slice *slice, zmq_msg_t *out) {
    struct lent *lent = malloc(sizeof *lent);
    if (!lent) {
        errno = ENOMEM;
        return -1;
    }
    lent->next = NULL;
    lent->slice = *slice;
    atomic_store_explicit(&lent->router, router, memory_order_release);
    void *data = (void *)(uintptr_t)slice->bytes.data; // only read
    if (zmq_msg_init_data(out, data, slice->bytes.size, hand_back, lent) != 0) {
        free(lent);
        return -1;
    }
    *slice = (struct slice){0};
    return 0;
}

void lent_take_back(struct router *router) {
    struct lent *lent = atomic_exchange_explicit(&router->returned, NULL, memory_order_acquire);
    while (lent) {
        struct lent *next = lent->next;
        slice_drop(&lent->slice);
        free(lent);
        lent = next;
    }
}
