// In place of broker/net/router.c: the broker's socket, on the simulated network. Waiting for it is where the
// world turns.
#include "broker/net/router.h"

#include "test/sim/host.h"
#include "test/sim/thread.h"

#include <errno.h>
#include <stdlib.h>

struct router {
    struct host *host;
    struct frame *received; // valid until the next receive
    struct buffer cut;      // numbers of connections to which something could not be sent
    struct buffer heard;    // of those: all that had arrived was received
    struct router_counters counters;
};

int router_new(const struct router_options *options, struct router **out, struct error *error) {
    struct router *router = calloc(1, sizeof *router);
    (void)options;
    if (!router)
        return error_no_memory(error);
    router->host = the_host;
    net_listen(router->host->net);
    *out = router;
    return 0;
}

void router_destroy(struct router **self) {
    if (!*self)
        return;
    if ((*self)->received)
        frame_free((*self)->received);
    buffer_destroy(&(*self)->cut);
    buffer_destroy(&(*self)->heard);
    free(*self);
    *self = NULL;
}

const char *router_endpoint(const struct router *router) {
    (void)router;
    return "tcp://simulated:7400";
}

static int empty(struct router *router) {
    int rc = buffer_append_bytes(&router->heard, buffer_bytes(&router->cut));
    buffer_clear(&router->cut);
    return rc ? rc : ROUTER_EMPTY;
}

int router_receive(struct router *router, struct incoming *out) {
    host_called(router->host);
    if (router->host->dying)
        return -EIO;
    if (router->received)
        frame_free(router->received);
    router->received = net_receive(router->host->net);
    *out = (struct incoming){0};
    if (!router->received)
        return empty(router);
    struct frame *frame = router->received;
    out->connection = frame->connection->number;
    out->head = buffer_bytes(&frame->head);
    if (frame->has_body && !(out->body = chunk_copy(buffer_bytes(&frame->body))))
        return -ENOMEM;
    router->counters.received_frames++;
    return 0;
}

int router_send(struct router *router, uint64_t connection, struct buffer *head, struct slice *body) {
    struct host *host = router->host;
    int rc = 0;
    host_called(host);
    if (host->dying)
        rc = -EIO;
    else {
        host_sends(host, connection, buffer_bytes(head), body->bytes);
        if (!net_reply(host->net, connection, head, body))
            rc = buffer_append(&router->cut, &connection, sizeof connection);
    }
    router->counters.sent_frames++;
    buffer_destroy(head);
    slice_drop(body);
    return rc;
}

void router_forget(struct router *router, uint64_t connection) {
    net_forget(router->host->net, connection);
}

bool router_cut(const struct router *router) {
    return router->cut.size > 0;
}

uint64_t router_gone(struct router *router) {
    uint64_t number = 0;
    if (router->heard.size < sizeof number)
        return 0;
    router->heard.size -= sizeof number;
    memcpy(&number, router->heard.data + router->heard.size, sizeof number);
    router_forget(router, number);
    return number;
}

int router_wait(struct router *router, uint64_t timeout_ms, const int wake[2], bool listen, bool *readable,
    bool *control) {
    struct host *host = router->host;
    struct world *world = host->world;
    uint64_t until = world->now + (timeout_ms < 60000 ? timeout_ms : 60000) * MS_NS;
    world_pass(world, 1000 + world_below(world, 20000)); // a turn of the broker takes time too
    host_turns(host, listen);
    for (;;) {
        if (host->dying)
            return -EIO;
        *readable = listen && !list_empty(&host->net->arrived);
        *control = host->request != NULL;
        bool woken = (wake[0] >= 0 && host->stopping) || (wake[1] >= 0 && thread_told());
        if (*readable || *control || woken || !world_next(world, until))
            return 0;
    }
}

void router_counters(const struct router *router, struct router_counters *out) {
    *out = router->counters;
}

int router_control_receive(struct router *router, struct buffer *request) {
    if (!router->host->request)
        return ROUTER_EMPTY;
    int rc = buffer_append_string(request, router->host->request);
    router->host->request = NULL;
    return rc;
}

int router_control_answer(struct router *router, struct bytes answer) {
    host_answered(router->host, answer);
    return 0;
}
