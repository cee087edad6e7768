#include "broker/net/router.h"

#include "broker/net/internal.h"
#include "core/base/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

// Beside others that never pause it is not said when all of one's frames are read; by then they are.
#define HEARD_NS CLOCK_SECOND_NS

static int failed(struct error *error, const char *what, const char *where) {
    return error_set(error, -errno, "%s %s: %s", what, where, zmq_strerror(errno));
}

static int set_int(void *socket, int option, int value) {
    return zmq_setsockopt(socket, option, &value, sizeof value);
}

// The system tells of a peer that vanished: ZMTP's own heartbeats stay off. With them libzmq ends the process
// ("Assertion failed: !_io_error", stream_engine_base.cpp; seen with 4.3.4) when one is due on a connection
// that was reset while as much was received on it as ZMQ_RCVHWM allows. decisions/0032
static int watch_peers(void *socket, uint32_t silence_ms) {
    int interval_s = (int)(silence_ms / 3000 ? silence_ms / 3000 : 1);
    int rc = set_int(socket, ZMQ_TCP_KEEPALIVE, 1);
    rc = rc ? rc : set_int(socket, ZMQ_TCP_KEEPALIVE_IDLE, interval_s);
    rc = rc ? rc : set_int(socket, ZMQ_TCP_KEEPALIVE_INTVL, interval_s);
    rc = rc ? rc : set_int(socket, ZMQ_TCP_KEEPALIVE_CNT, 3);
    return rc ? rc : set_int(socket, ZMQ_TCP_MAXRT, (int)(silence_ms > 15000 ? silence_ms : 15000));
}

static int configure(struct router *router, const struct router_options *options) {
    void *socket = router->socket;
    int64_t largest = (int64_t)options->message_bytes;
    int rc = set_int(socket, ZMQ_ROUTER_MANDATORY, 1);
    rc = rc ? rc : set_int(socket, ZMQ_LINGER, 500);
    // Frames, not messages: credit bounds what an honest peer has under way, these bound a dishonest one.
    rc = rc ? rc : set_int(socket, ZMQ_RCVHWM, 64);
    rc = rc ? rc : set_int(socket, ZMQ_SNDHWM, 10000);
    rc = rc ? rc : zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest);
    rc = rc ? rc : set_int(socket, ZMQ_HANDSHAKE_IVL, 10000);
    rc = rc ? rc : watch_peers(socket, options->silence_ms);
    if (rc == 0 && options->secret_key) {
        rc = set_int(socket, ZMQ_CURVE_SERVER, 1);
        rc = rc ? rc : zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, options->secret_key, 40);
        rc = rc ? rc : zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, "hutong", 6);
    }
    return rc;
}

static int open_sockets(struct router *router, const struct router_options *options, struct error *error) {
    router->zmq = zmq_ctx_new();
    router->threads = zmq_ctx_new();
    if (!router->zmq || !router->threads || zmq_ctx_set(router->threads, ZMQ_IO_THREADS, 0) != 0)
        return failed(error, "can't make", "ZeroMQ contexts");
    router->control = zmq_socket(router->threads, ZMQ_REP);
    router->socket = zmq_socket(router->zmq, ZMQ_ROUTER);
    if (!router->control || !router->socket)
        return failed(error, "can't make", "ZeroMQ sockets");
    if (zmq_bind(router->control, "inproc://" MAILBOX_CORE) != 0)
        return failed(error, "can't bind", "inproc://" MAILBOX_CORE);
    // The allow-list answers before the first connection can come.
    if (options->secret_key && zap_open(router) != 0)
        return failed(error, "can't open", "the authentication socket");
    if (configure(router, options) != 0)
        return failed(error, "can't configure", "the router socket");
    if (zmq_bind(router->socket, options->listen) != 0)
        return failed(error, "can't listen on", options->listen);
    size_t size = sizeof router->endpoint;
    if (zmq_getsockopt(router->socket, ZMQ_LAST_ENDPOINT, router->endpoint, &size) != 0)
        return failed(error, "can't read back", options->listen);
    return 0;
}

int router_new(const struct router_options *options, struct router **out, struct error *error) {
    struct router *router = calloc(1, sizeof *router);
    if (!router)
        return error_no_memory(error);
    router->options = *options;
    router->options.secret_key = NULL;
    router->ids = map_new();
    list_init(&router->cut);
    list_init(&router->heard);
    zmq_msg_init(&router->head);
    int rc = router->ids ? open_sockets(router, options, error) : error_no_memory(error);
    if (rc) {
        router_destroy(&router);
        return rc;
    }
    *out = router;
    return 0;
}

void router_destroy(struct router **self) {
    struct router *router = *self;
    if (!router)
        return;
    zmq_msg_close(&router->head);
    void *sockets[] = {router->socket, router->control, router->zap};
    for (size_t i = 0; i < sizeof sockets / sizeof sockets[0]; i++)
        if (sockets[i])
            zmq_close(sockets[i]);
    if (router->zmq)
        zmq_ctx_term(router->zmq);
    if (router->threads)
        zmq_ctx_term(router->threads);
    lent_take_back(router); // nothing is sent any more
    size_t cursor = 0;
    void *connection;
    while (router->ids && map_next(router->ids, &cursor, NULL, &connection))
        free(connection);
    map_destroy(&router->ids);
    number_map_destroy(&router->connections);
    free(router);
    *self = NULL;
}

const char *router_endpoint(const struct router *router) {
    return router->endpoint;
}

void router_counters(const struct router *router, struct router_counters *out) {
    *out = router->counters;
}

void router_forget(struct router *router, uint64_t number) {
    struct connection *connection = number_map_remove(&router->connections, number);
    if (!connection)
        return;
    map_remove(router->ids, bytes_of(connection->id, connection->id_size));
    list_remove(&connection->link);
    free(connection);
}

// ---- A peer is gone: what it said last counts ----

static void cut(struct router *router, struct connection *connection) {
    if (!list_empty(&connection->link))
        return;
    if (list_empty(&router->cut))
        router->cut_ns = clock_monotonic_ns();
    list_append(&router->cut, &connection->link);
}

static void move_all(struct list *from, struct list *to) {
    while (!list_empty(from)) {
        struct list *node = from->next;
        list_remove(node);
        list_append(to, node);
    }
}

bool router_cut(const struct router *router) {
    return !list_empty(&router->cut);
}

uint64_t router_gone(struct router *router) {
    if (!list_empty(&router->cut) && clock_monotonic_ns() - router->cut_ns > HEARD_NS)
        move_all(&router->cut, &router->heard);
    if (list_empty(&router->heard))
        return 0;
    uint64_t number = LIST_ITEM(router->heard.next, struct connection, link)->number;
    router_forget(router, number);
    return number;
}

// ---- Receiving ----

// The connection with this routing id, known or new. The owner is asked of every message: a routing id that
// its peer has left may be taken by another peer, which must not inherit the session.
static struct connection *connection_of(
    struct router *router, struct bytes id, const char *owner, uint64_t *gone) {
    struct connection *connection = map_get(router->ids, id);
    if (connection && connection->owner == owner)
        return connection;
    if (connection) {
        *gone = connection->number;
        router_forget(router, connection->number);
    }
    connection = calloc(1, sizeof *connection);
    if (!connection || id.size > sizeof connection->id) {
        free(connection);
        return NULL;
    }
    list_init(&connection->link);
    connection->number = ++router->last_number;
    connection->owner = owner;
    connection->id_size = id.size;
    memcpy(connection->id, id.data, id.size);
    if (map_put(router->ids, id, connection) != 0) {
        free(connection);
        return NULL;
    }
    if (number_map_put(&router->connections, connection->number, connection) != 0) {
        map_remove(router->ids, id);
        free(connection);
        return NULL;
    }
    return connection;
}

static void release_part(void *context) {
    zmq_msg_close(context);
    free(context);
}

// The last part becomes the body: kept as ZeroMQ received it.
static struct chunk *take_body(zmq_msg_t *part) {
    zmq_msg_t *kept = malloc(sizeof *kept);
    if (!kept)
        return NULL;
    zmq_msg_init(kept);
    zmq_msg_move(kept, part);
    struct chunk *chunk = chunk_new(bytes_of(zmq_msg_data(kept), zmq_msg_size(kept)), release_part, kept);
    if (!chunk)
        release_part(kept);
    return chunk;
}

static void drop_parts(void *socket) {
    zmq_msg_t part;
    zmq_msg_init(&part);
    int more = 1;
    while (more && zmq_msg_recv(&part, socket, ZMQ_DONTWAIT) >= 0)
        more = zmq_msg_more(&part);
    zmq_msg_close(&part);
}

// Receives the part behind the routing id and what follows it.
static int receive_parts(struct router *router, struct incoming *out) {
    if (zmq_msg_recv(&router->head, router->socket, ZMQ_DONTWAIT) < 0)
        return -errno;
    out->head = bytes_of(zmq_msg_data(&router->head), zmq_msg_size(&router->head));
    router->counters.received_frames++;
    router->counters.received_bytes += out->head.size;
    if (!zmq_msg_more(&router->head))
        return 0;
    zmq_msg_t part;
    zmq_msg_init(&part);
    int rc = zmq_msg_recv(&part, router->socket, ZMQ_DONTWAIT) < 0 ? -errno : 0;
    if (rc == 0) {
        router->counters.received_bytes += zmq_msg_size(&part);
        out->malformed = zmq_msg_more(&part);
        if (out->malformed)
            drop_parts(router->socket);
        else if (!(out->body = take_body(&part)))
            rc = -ENOMEM;
    }
    zmq_msg_close(&part);
    return rc;
}

int router_receive(struct router *router, struct incoming *out) {
    *out = (struct incoming){0};
    zmq_msg_t id;
    zmq_msg_init(&id);
    int rc = 0;
    if (zmq_msg_recv(&id, router->socket, ZMQ_DONTWAIT) < 0)
        rc = errno == EAGAIN || errno == EINTR ? ROUTER_EMPTY : -errno;
    else if (!zmq_msg_more(&id))
        rc = ROUTER_EMPTY; // an empty message of one part: nothing to answer
    else
        rc = receive_parts(router, out);
    if (rc == 0) {
        if (router->zap)
            out->owner = zap_owner(router, &router->head);
        struct bytes bytes = bytes_of(zmq_msg_data(&id), zmq_msg_size(&id));
        struct connection *connection = connection_of(router, bytes, out->owner, &out->gone);
        out->connection = connection ? connection->number : 0;
        rc = connection ? 0 : -ENOMEM;
    }
    zmq_msg_close(&id);
    if (rc)
        chunk_unref(&out->body);
    if (rc == ROUTER_EMPTY)
        move_all(&router->cut, &router->heard);
    return rc;
}

// ---- Sending ----

static void free_sent(void *data, void *hint) {
    (void)hint;
    free(data);
}

static int send_part(void *socket, zmq_msg_t *part, int flags) {
    int rc = zmq_msg_send(part, socket, flags | ZMQ_DONTWAIT);
    if (rc < 0) {
        int saved = errno;
        zmq_msg_close(part);
        errno = saved;
    }
    return rc < 0 ? -1 : 0;
}

// Sends a buffer's memory without copying it; the buffer is empty afterwards.
static int send_buffer(void *socket, struct buffer *buffer, int flags) {
    zmq_msg_t part;
    if (!buffer->data)
        zmq_msg_init(&part);
    else if (zmq_msg_init_data(&part, buffer->data, buffer->size, free_sent, NULL) != 0)
        return -1;
    *buffer = (struct buffer){0};
    return send_part(socket, &part, flags);
}

static int send_body(struct router *router, struct slice *body) {
    zmq_msg_t part;
    return lent_message(router, body, &part) ? -1 : send_part(router->socket, &part, 0);
}

int router_send(struct router *router, uint64_t number, struct buffer *head, struct slice *body) {
    struct connection *connection = number_map_get(&router->connections, number);
    int rc = 0;
    if (connection) {
        router->counters.sent_frames++;
        router->counters.sent_bytes += head->size + body->bytes.size;
        // The routing id is the part at which ZeroMQ says that the peer is gone or reads nothing.
        bool failed_part =
            zmq_send(router->socket, connection->id, connection->id_size, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0 ||
            send_buffer(router->socket, head, body->chunk ? ZMQ_SNDMORE : 0) != 0 ||
            (body->chunk && send_body(router, body) != 0);
        if (failed_part)
            rc = errno == EHOSTUNREACH || errno == EAGAIN ? 0 : -errno;
        if (failed_part && rc == 0)
            cut(router, connection);
    }
    buffer_destroy(head);
    slice_drop(body);
    return rc;
}

int router_wait(struct router *router, uint64_t timeout_ms, const int wake[2], bool listen, bool *readable,
    bool *control) {
    zmq_pollitem_t items[] = {
        {.socket = router->socket, .events = listen ? ZMQ_POLLIN : 0},
        {.socket = router->control, .events = ZMQ_POLLIN},
        {.fd = wake[0], .events = ZMQ_POLLIN},
        {.fd = wake[1], .events = ZMQ_POLLIN},
        {.socket = router->zap, .events = ZMQ_POLLIN},
    };
    long wait = timeout_ms > 60000 ? 60000 : (long)timeout_ms;
    lent_take_back(router);
    if (zmq_poll(items, router->zap ? 5 : 4, wait) < 0)
        return errno == EINTR ? 0 : -errno;
    *readable = items[0].revents & ZMQ_POLLIN;
    *control = items[1].revents & ZMQ_POLLIN;
    return router->zap && (items[4].revents & ZMQ_POLLIN) ? zap_answer(router) : 0;
}
