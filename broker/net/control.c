#include "broker/net/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct control {
    void *zmq;
    void *socket;
    char endpoint[64];
};

struct mailbox {
    void *zmq;
    void *socket;
};

// What was written before a message is sent may be read behind its receipt: ZeroMQ's pipes see to it. The
// thread sanitizer looks into no foreign library, so it is told.
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#define SENT(zmq) __tsan_release(zmq)
#define RECEIVED(zmq) __tsan_acquire(zmq)
#else
#define SENT(zmq) (void)(zmq)
#define RECEIVED(zmq) (void)(zmq)
#endif

static int error_of(void) {
    return errno == ETERM ? ROUTER_CLOSED : -errno;
}

static int send_part(void *zmq, void *socket, struct bytes bytes, int flags) {
    SENT(zmq);
    return zmq_send(socket, bytes.data, bytes.size, flags) < 0 ? error_of() : 0;
}

static int receive_part(void *zmq, void *socket, int flags, struct buffer *out) {
    zmq_msg_t part;
    zmq_msg_init(&part);
    int rc = 0;
    if (zmq_msg_recv(&part, socket, flags) < 0)
        rc = errno == EAGAIN || errno == EINTR ? ROUTER_EMPTY : error_of();
    else
        rc = buffer_append(out, zmq_msg_data(&part), zmq_msg_size(&part));
    RECEIVED(zmq);
    zmq_msg_close(&part);
    return rc;
}

// ---- The side that asks ----

static int connect_control(struct control *control) {
    control->socket = zmq_socket(control->zmq, ZMQ_REQ);
    if (!control->socket)
        return error_of();
    int zero = 0;
    zmq_setsockopt(control->socket, ZMQ_LINGER, &zero, sizeof zero);
    return zmq_connect(control->socket, control->endpoint) == 0 ? 0 : error_of();
}

struct control *control_new(struct router *router, const char *mailbox) {
    struct control *control = calloc(1, sizeof *control);
    if (!control)
        return NULL;
    control->zmq = router->threads;
    snprintf(control->endpoint, sizeof control->endpoint, "inproc://%s", mailbox);
    if (connect_control(control) != 0)
        control_destroy(&control);
    return control;
}

void control_destroy(struct control **self) {
    if (!*self)
        return;
    if ((*self)->socket)
        zmq_close((*self)->socket);
    free(*self);
    *self = NULL;
}

// After a question without an answer a REQ socket is of no use any more.
static int start_again(struct control *control, int rc) {
    zmq_close(control->socket);
    control->socket = NULL;
    int again = connect_control(control);
    return again ? again : rc;
}

int control_ask(struct control *control, struct bytes request, struct buffer *answer, int timeout_ms) {
    if (!control->socket)
        return ROUTER_CLOSED;
    int rc = send_part(control->zmq, control->socket, request, 0);
    if (rc)
        return start_again(control, rc);
    zmq_pollitem_t item = {.socket = control->socket, .events = ZMQ_POLLIN};
    int ready;
    do
        ready = zmq_poll(&item, 1, timeout_ms);
    while (ready < 0 && errno == EINTR && timeout_ms < 0);
    if (ready <= 0)
        return start_again(control, ready == 0 ? -ETIMEDOUT : error_of());
    return receive_part(control->zmq, control->socket, 0, answer);
}

// ---- The side that answers ----

int mailbox_new(struct router *router, const char *name, struct mailbox **out) {
    char endpoint[64];
    struct mailbox *mailbox = calloc(1, sizeof *mailbox);
    if (!mailbox)
        return -ENOMEM;
    snprintf(endpoint, sizeof endpoint, "inproc://%s", name);
    mailbox->zmq = router->threads;
    mailbox->socket = zmq_socket(router->threads, ZMQ_REP);
    int rc = mailbox->socket && zmq_bind(mailbox->socket, endpoint) == 0 ? 0 : -errno;
    if (rc)
        mailbox_destroy(&mailbox);
    else
        *out = mailbox;
    return rc;
}

void mailbox_destroy(struct mailbox **self) {
    if (!*self)
        return;
    if ((*self)->socket)
        zmq_close((*self)->socket);
    free(*self);
    *self = NULL;
}

int mailbox_wait(struct mailbox *mailbox, int fd, bool *asked, bool *readable) {
    zmq_pollitem_t items[] = {
        {.socket = mailbox->socket, .events = ZMQ_POLLIN}, {.fd = fd, .events = ZMQ_POLLIN}};
    *asked = *readable = false;
    if (zmq_poll(items, fd >= 0 ? 2 : 1, -1) < 0)
        return errno == EINTR ? 0 : error_of();
    *asked = items[0].revents & ZMQ_POLLIN;
    *readable = fd >= 0 && (items[1].revents & ZMQ_POLLIN);
    return 0;
}

int mailbox_receive(struct mailbox *mailbox, struct buffer *request) {
    return receive_part(mailbox->zmq, mailbox->socket, ZMQ_DONTWAIT, request);
}

int mailbox_answer(struct mailbox *mailbox, struct bytes answer) {
    return send_part(mailbox->zmq, mailbox->socket, answer, ZMQ_DONTWAIT);
}

int router_control_receive(struct router *router, struct buffer *request) {
    return receive_part(router->threads, router->control, ZMQ_DONTWAIT, request);
}

int router_control_answer(struct router *router, struct bytes answer) {
    return send_part(router->threads, router->control, answer, ZMQ_DONTWAIT);
}

void router_close_mailboxes(struct router *router) {
    zmq_ctx_shutdown(router->threads);
}
