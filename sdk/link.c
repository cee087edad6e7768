#include "sdk/link.h"

#include <errno.h>
#include <stdio.h>
#include <zmq.h>

#define HANDSHAKE_MS 10000
#define NEVER_MS (24 * 60 * 60 * 1000)
#define EVENTS                                                                                               \
    (ZMQ_EVENT_CLOSED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED |                             \
        ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |                         \
        ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_MONITOR_STOPPED)

static int set_number(void *socket, int option, int value) {
    return zmq_setsockopt(socket, option, &value, sizeof value);
}

static int set_key(void *socket, int option, const char *key) {
    return zmq_setsockopt(socket, option, key, KEYS_TEXT_SIZE);
}

// Without heartbeats of ZMTP: a session has its own, and a broker's libzmq may end of them (decisions/0032).
// The socket connects once: a session that ends needs a new hello, so ZeroMQ must not reconnect behind our
// back. It is not forbidden to (-1), and may queue what is sent before (no ZMQ_IMMEDIATE): with either of
// them libzmq drops what was received and not read when a connection ends, and where that comes between two
// parts of a message it ends the process ("Assertion failed: !_more", fq.cpp; seen with 4.3.4).
static int configure(void *socket, const struct options *options) {
    int rc = set_number(socket, ZMQ_LINGER, 0);
    rc |= set_number(socket, ZMQ_RECONNECT_IVL, NEVER_MS);
    rc |= set_number(socket, ZMQ_SNDHWM, 0); // credit and window bound what is sent
    rc |= set_number(socket, ZMQ_RCVHWM, 0);
    rc |= set_number(socket, ZMQ_IPV6, 1);
    rc |= set_number(socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
    if (options->curve) {
        rc |= set_key(socket, ZMQ_CURVE_SERVERKEY, options->broker_key);
        rc |= set_key(socket, ZMQ_CURVE_PUBLICKEY, options->public_key);
        rc |= set_key(socket, ZMQ_CURVE_SECRETKEY, options->secret_key);
    }
    return rc;
}

static int open_monitor(void *context, struct link *link) {
    char endpoint[64];
    snprintf(endpoint, sizeof endpoint, "inproc://monitor-%llu", (unsigned long long)++link->number);
    if (zmq_socket_monitor(link->socket, endpoint, EVENTS) != 0)
        return -1;
    link->monitor = zmq_socket(context, ZMQ_PAIR);
    return link->monitor ? set_number(link->monitor, ZMQ_LINGER, 0) | zmq_connect(link->monitor, endpoint)
                         : -1;
}

int link_open(void *context, const struct options *options, struct link *link, struct error *error) {
    link->socket = zmq_socket(context, ZMQ_DEALER);
    if (!link->socket)
        return error_set(error, -errno, "a socket: %s", zmq_strerror(errno));
    if (configure(link->socket, options) != 0 || open_monitor(context, link) != 0 ||
        zmq_connect(link->socket, options->endpoint) != 0) {
        int why = errno;
        link_close(link, 0);
        return error_set(error, -why, "connecting to %s: %s", options->endpoint, zmq_strerror(why));
    }
    return 0;
}

void link_close(struct link *link, int linger_ms) {
    if (link->socket) {
        zmq_socket_monitor(link->socket, NULL, 0);
        set_number(link->socket, ZMQ_LINGER, linger_ms);
        zmq_close(link->socket);
    }
    if (link->monitor)
        zmq_close(link->monitor);
    link->socket = link->monitor = NULL;
}

// The event's first part holds its number in 16 bits, in the machine's order; the second is the endpoint.
static uint16_t next_event(void *monitor) {
    uint8_t event[6];
    char endpoint[256];
    uint16_t number;
    if (zmq_recv(monitor, event, sizeof event, ZMQ_DONTWAIT) != sizeof event)
        return 0;
    zmq_recv(monitor, endpoint, sizeof endpoint, ZMQ_DONTWAIT);
    memcpy(&number, event, sizeof number);
    return number;
}

enum link_event link_watch(struct link *link, struct error *error) {
    enum link_event seen = LINK_NOTHING;
    for (uint16_t event; (event = next_event(link->monitor)) != 0;) {
        if (event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) {
            error_set(
                error, 0, "the broker doesn't know this key: ask for it to be added to the system's keys");
            return LINK_DENIED;
        }
        if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
            seen = LINK_UP;
            continue;
        }
        if (seen != LINK_LOST && event == ZMQ_EVENT_CLOSED)
            error_set(error, 0, "nobody listens there");
        else if (seen != LINK_LOST && event == ZMQ_EVENT_DISCONNECTED)
            error_set(error, 0, "the connection was cut");
        else if (seen != LINK_LOST)
            error_set(error, 0,
                "the handshake failed: does the broker use CURVE, and is the broker's public key given here "
                "its own?");
        seen = LINK_LOST;
    }
    return seen;
}
