// The ceiling: a plain ROUTER that passes each message on to one receiver, without batches, durability or any
// thought.
#include "bench/bench.h"

#include "core/base/clock.h"
#include "core/crypto/keys.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

static void *open_socket(void *zmq, int type, const struct bench_options *options, const char *id) {
    void *socket = zmq_socket(zmq, type);
    int timeout = 200;
    int linger = 0;
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &timeout, sizeof timeout);
    zmq_setsockopt(socket, ZMQ_SNDTIMEO, &timeout, sizeof timeout);
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    if (id)
        zmq_setsockopt(socket, ZMQ_ROUTING_ID, id, strlen(id));
    if (!options->keys)
        return socket;
    char public_key[41];
    char secret_key[41];
    char broker_key[41];
    struct error error;
    const char *own = type == ZMQ_ROUTER ? "broker" : "client";
    if (keys_load_secret(bench_key(options, own, true), public_key, secret_key, &error) != 0 ||
        (type == ZMQ_DEALER &&
            keys_load_public(bench_key(options, "broker", false), broker_key, &error) != 0)) {
        fprintf(stderr, "hutong-bench: %s\n", error.text);
        return NULL;
    }
    int one = 1;
    if (type == ZMQ_ROUTER) {
        zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &one, sizeof one);
    } else {
        zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, broker_key, 41);
        zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, public_key, 41);
    }
    zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, secret_key, 41);
    return socket;
}

int relay_run(const struct bench_options *options) {
    void *zmq = zmq_ctx_new();
    void *socket = open_socket(zmq, ZMQ_ROUTER, options, NULL);
    int mandatory = 1;
    if (!socket || zmq_setsockopt(socket, ZMQ_ROUTER_MANDATORY, &mandatory, sizeof mandatory) != 0 ||
        zmq_bind(socket, options->endpoint) != 0) {
        fprintf(stderr, "hutong-bench: relay: %s\n", zmq_strerror(errno));
        return 1;
    }
    fputs("ready\n", stderr);
    zmq_msg_t id;
    zmq_msg_t message;
    zmq_msg_init(&id);
    zmq_msg_init(&message);
    while (!load_stopped()) {
        if (zmq_msg_recv(&id, socket, 0) < 0)
            continue;
        if (zmq_msg_recv(&message, socket, 0) < 0)
            continue;
        if (zmq_msg_size(&message) == 0)
            continue; // the receiver's greeting
        while (!load_stopped() && zmq_send(socket, "receiver", 8, ZMQ_SNDMORE) < 0) {
        }
        zmq_msg_send(&message, socket, 0);
    }
    zmq_msg_close(&id);
    zmq_msg_close(&message);
    zmq_close(socket);
    zmq_ctx_term(zmq);
    return 0;
}

int relay_publish(const struct bench_options *options) {
    void *zmq = zmq_ctx_new();
    void *socket = open_socket(zmq, ZMQ_DEALER, options, "publisher");
    static uint8_t payload[8192];
    // As many bytes as an envelope of the bus has around the same payload.
    uint32_t size = options->size + 120 < sizeof payload ? options->size + 120 : sizeof payload;
    if (!socket || zmq_connect(socket, options->endpoint) != 0)
        return 1;
    uint64_t end = clock_monotonic_ns() + (uint64_t)((options->warm_s + options->count_s) * 1e9);
    uint64_t sent = 0;
    while (clock_monotonic_ns() < end) {
        int64_t now = clock_realtime_ns() / 1000;
        memcpy(payload, &now, sizeof now);
        if (zmq_send(socket, payload, size, 0) >= 0)
            sent++;
    }
    printf("{\"sent\": %" PRIu64 "}\n", sent);
    zmq_close(socket);
    zmq_ctx_term(zmq);
    return 0;
}

int relay_receive(const struct bench_options *options) {
    static struct tally tally;
    tally.warm_s = options->warm_s;
    tally.count_s = options->count_s;
    void *zmq = zmq_ctx_new();
    void *socket = open_socket(zmq, ZMQ_DEALER, options, "receiver");
    if (!socket || zmq_connect(socket, options->endpoint) != 0 || zmq_send(socket, "", 0, 0) < 0)
        return 1;
    fputs("ready\n", stderr);
    zmq_msg_t message;
    zmq_msg_init(&message);
    while (!load_stopped()) {
        if (zmq_msg_recv(&message, socket, 0) < 0)
            continue;
        int64_t sent;
        memcpy(&sent, zmq_msg_data(&message), sizeof sent);
        tally_receipt(&tally, sent);
    }
    zmq_msg_close(&message);
    tally_print(&tally);
    zmq_close(socket);
    zmq_ctx_term(zmq);
    return 0;
}
