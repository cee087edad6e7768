// One connection against a raw peer: what libzmq does when it ends.
#include "sdk/link.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#include <cmocka.h>

#define MESSAGES 200u

struct pair {
    void *near, *far; // contexts
    void *router;
    struct link link;
};

static enum link_event next_event(struct pair *pair) {
    struct error error;
    enum link_event event = LINK_NOTHING;
    while (event == LINK_NOTHING) {
        zmq_pollitem_t item = {.socket = pair->link.monitor, .events = ZMQ_POLLIN};
        assert_int_equal(zmq_poll(&item, 1, 10000), 1);
        event = link_watch(&pair->link, &error);
    }
    return event;
}

// The peer has answered by so many messages of two parts.
static struct pair open_pair(void) {
    struct pair pair = {.near = zmq_ctx_new(), .far = zmq_ctx_new()};
    struct options options = {0};
    size_t size = sizeof options.endpoint;
    pair.router = zmq_socket(pair.far, ZMQ_ROUTER);
    assert_int_equal(zmq_bind(pair.router, "tcp://127.0.0.1:*"), 0);
    assert_int_equal(zmq_getsockopt(pair.router, ZMQ_LAST_ENDPOINT, options.endpoint, &size), 0);
    assert_int_equal(link_open(pair.near, &options, &pair.link, NULL), 0);
    assert_int_equal(next_event(&pair), LINK_UP);
    assert_int_equal(zmq_send(pair.link.socket, "hello", 5, 0), 5);
    char id[256];
    char hello[8];
    int id_size = zmq_recv(pair.router, id, sizeof id, 0);
    assert_true(id_size > 0);
    assert_int_equal(zmq_recv(pair.router, hello, sizeof hello, 0), 5);
    for (unsigned i = 0; i < MESSAGES; i++) {
        assert_int_equal(zmq_send(pair.router, id, (size_t)id_size, ZMQ_SNDMORE), id_size);
        assert_int_equal(zmq_send(pair.router, "head", 4, ZMQ_SNDMORE), 4);
        assert_int_equal(zmq_send(pair.router, "body", 4, 0), 4);
    }
    return pair;
}

static void close_pair(struct pair *pair) {
    link_close(&pair->link, 0);
    zmq_ctx_term(pair->near);
}

static void receive(struct pair *pair, unsigned count) {
    char part[8];
    for (unsigned i = 0; i < count; i++) {
        zmq_pollitem_t item = {.socket = pair->link.socket, .events = ZMQ_POLLIN};
        assert_int_equal(zmq_poll(&item, 1, 10000), 1);
        assert_int_equal(zmq_recv(pair->link.socket, part, sizeof part, ZMQ_DONTWAIT), 4);
        assert_memory_equal(part, "head", 4);
        assert_int_equal(zmq_recv(pair->link.socket, part, sizeof part, ZMQ_DONTWAIT), 4);
        assert_memory_equal(part, "body", 4);
    }
}

// With libzmq's own ways to forbid a second connection it dropped the rest, or ended the process.
static void what_was_received_is_read_to_the_end(void **state) {
    (void)state;
    struct pair pair = open_pair();
    zmq_close(pair.router); // what is on its way arrives before the end of the connection
    zmq_ctx_term(pair.far);
    assert_int_equal(next_event(&pair), LINK_LOST);
    receive(&pair, MESSAGES);
    close_pair(&pair);
}

static void a_second_connection_is_not_made(void **state) {
    (void)state;
    struct pair pair = open_pair();
    struct options options = {0};
    size_t size = sizeof options.endpoint;
    assert_int_equal(zmq_getsockopt(pair.router, ZMQ_LAST_ENDPOINT, options.endpoint, &size), 0);
    zmq_close(pair.router);
    assert_int_equal(next_event(&pair), LINK_LOST);
    // Whoever listens there next hears only from a new link.
    pair.router = zmq_socket(pair.far, ZMQ_ROUTER);
    assert_int_equal(zmq_bind(pair.router, options.endpoint), 0);
    assert_int_equal(zmq_send(pair.link.socket, "old", 3, ZMQ_DONTWAIT), 3);
    struct link other = {.number = pair.link.number};
    assert_int_equal(link_open(pair.near, &options, &other, NULL), 0);
    assert_int_equal(zmq_send(other.socket, "new", 3, 0), 3);
    char id[256];
    char words[8];
    assert_true(zmq_recv(pair.router, id, sizeof id, 0) > 0);
    assert_int_equal(zmq_recv(pair.router, words, sizeof words, 0), 3);
    assert_memory_equal(words, "new", 3);
    link_close(&other, 0);
    close_pair(&pair);
    zmq_close(pair.router);
    zmq_ctx_term(pair.far);
}

static void nobody_listens(void **state) {
    (void)state;
    struct pair pair = {.near = zmq_ctx_new()};
    struct options options = {.endpoint = "tcp://127.0.0.1:1"};
    struct error error;
    assert_int_equal(link_open(pair.near, &options, &pair.link, NULL), 0);
    zmq_pollitem_t item = {.socket = pair.link.monitor, .events = ZMQ_POLLIN};
    assert_int_equal(zmq_poll(&item, 1, 10000), 1);
    assert_int_equal(link_watch(&pair.link, &error), LINK_LOST);
    assert_string_equal(error.text, "nobody listens there");
    close_pair(&pair);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_received_is_read_to_the_end),
        cmocka_unit_test(a_second_connection_is_not_made),
        cmocka_unit_test(nobody_listens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
