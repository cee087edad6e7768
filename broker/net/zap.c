// The allow-list as ZeroMQ asks for it: ZAP 1.0 (rfc.zeromq.org/spec/27). A key that no system owns is
// refused and counted.
#include "broker/net/internal.h"

#include <errno.h>
#include <stdio.h>

#define ZAP_PARTS 7 // version, request id, domain, address, identity, mechanism, credentials

int zap_open(struct router *router) {
    router->zap = zmq_socket(router->zmq, ZMQ_REP);
    if (!router->zap)
        return -1;
    return zmq_bind(router->zap, "inproc://zeromq.zap.01");
}

struct zap_request {
    uint8_t parts[ZAP_PARTS][256];
    size_t sizes[ZAP_PARTS];
    size_t count;
};

static int receive_request(void *socket, struct zap_request *request) {
    request->count = 0;
    for (int more = 1; more;) {
        uint8_t part[256];
        int size = zmq_recv(socket, part, sizeof part, ZMQ_DONTWAIT);
        if (size < 0)
            return -errno;
        if (request->count < ZAP_PARTS) {
            size_t kept = (size_t)size < sizeof part ? (size_t)size : sizeof part;
            memcpy(request->parts[request->count], part, kept);
            request->sizes[request->count] = kept;
        }
        request->count++;
        size_t length = sizeof more;
        if (zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &length) != 0)
            return -errno;
    }
    return 0;
}

static const char *owner_of(struct router *router, const struct zap_request *request) {
    bool curve = request->count == ZAP_PARTS && request->sizes[5] == 5 &&
                 memcmp(request->parts[5], "CURVE", 5) == 0 && request->sizes[6] == 32;
    char key[41];
    if (!curve || !zmq_z85_encode(key, request->parts[6], 32)) {
        router->counters.bad_handshakes++;
        return NULL;
    }
    const char *owner = router->options.owner_of(router->options.context, key);
    if (owner)
        router->counters.authenticated++;
    else
        router->counters.denied++;
    return owner;
}

static int send_part(void *socket, const void *data, size_t size, bool more) {
    return zmq_send(socket, data, size, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0)) < 0 ? -errno : 0;
}

static int send_verdict(struct router *router, const struct zap_request *request, const char *owner) {
    // The user id is the address of the owner itself, so that each message names it without a look-up by key.
    char user[32] = "";
    if (owner)
        snprintf(user, sizeof user, "%p", (const void *)owner);
    const char *status = owner ? "200" : "400";
    const char *text = owner ? "OK" : "no system owns this key";
    int rc = send_part(router->zap, "1.0", 3, true);
    rc =
        rc ? rc : send_part(router->zap, request->parts[1], request->count > 1 ? request->sizes[1] : 0, true);
    rc = rc ? rc : send_part(router->zap, status, 3, true);
    rc = rc ? rc : send_part(router->zap, text, strlen(text), true);
    rc = rc ? rc : send_part(router->zap, user, strlen(user), true);
    return rc ? rc : send_part(router->zap, "", 0, false);
}

int zap_answer(struct router *router) {
    for (;;) {
        struct zap_request request;
        int rc = receive_request(router->zap, &request);
        if (rc)
            return rc == -EAGAIN || rc == -EINTR ? 0 : rc;
        rc = send_verdict(router, &request, owner_of(router, &request));
        if (rc)
            return rc;
    }
}

const char *zap_owner(const struct router *router, zmq_msg_t *message) {
    (void)router;
    const char *user = zmq_msg_gets(message, "User-Id");
    void *owner = NULL;
    return user && sscanf(user, "%p", &owner) == 1 ? owner : NULL;
}
