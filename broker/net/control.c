#include "broker/net/internal.h"

#include <errno.h>
#include <stdlib.h>

struct control {
    void *zmq;
    void *socket;
};

static int connect_control(struct control *control) {
    control->socket = zmq_socket(control->zmq, ZMQ_REQ);
    if (!control->socket)
        return -errno;
    int zero = 0;
    zmq_setsockopt(control->socket, ZMQ_LINGER, &zero, sizeof zero);
    return zmq_connect(control->socket, CONTROL_ENDPOINT) == 0 ? 0 : -errno;
}

struct control *control_new(struct router *router) {
    struct control *control = calloc(1, sizeof *control);
    if (!control)
        return NULL;
    control->zmq = router->zmq;
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

int control_ask(struct control *control, const char *request, struct buffer *answer, uint32_t timeout_ms) {
    if (zmq_send(control->socket, request, strlen(request), 0) < 0)
        return start_again(control, -errno);
    zmq_pollitem_t item = {.socket = control->socket, .events = ZMQ_POLLIN};
    if (zmq_poll(&item, 1, (long)timeout_ms) <= 0)
        return start_again(control, -ETIMEDOUT);
    zmq_msg_t part;
    zmq_msg_init(&part);
    int rc = zmq_msg_recv(&part, control->socket, 0) < 0 ? -errno : 0;
    if (rc == 0)
        rc = buffer_append(answer, zmq_msg_data(&part), zmq_msg_size(&part));
    zmq_msg_close(&part);
    return rc;
}

int router_control_receive(struct router *router, char *request, size_t size) {
    int length = zmq_recv(router->control, request, size - 1, ZMQ_DONTWAIT);
    if (length < 0)
        return errno == EAGAIN || errno == EINTR ? ROUTER_EMPTY : -errno;
    request[(size_t)length < size ? (size_t)length : size - 1] = '\0';
    return 0;
}

int router_control_answer(struct router *router, struct bytes answer) {
    return zmq_send(router->control, answer.data, answer.size, ZMQ_DONTWAIT) < 0 ? -errno : 0;
}
