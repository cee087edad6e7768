// The router against a peer's socket: what becomes of the bodies that it sends from where they lie.
#include "broker/net/router.h"

#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

#define SIZE ((size_t)300000) // several writes to a socket

static const int nowhere[2] = {-1, -1};

struct pair {
    struct router *router;
    void *zmq;
    void *peer;
    uint64_t connection;
};

static void turn(struct router *router, bool *readable) {
    bool control;
    assert_int_equal(router_wait(router, 10, nowhere, true, readable, &control), 0);
}

static struct pair open_pair(void) {
    struct pair pair = {0};
    struct router_options options = {
        .listen = "tcp://127.0.0.1:*", .connections = 4, .message_bytes = 1 << 20, .silence_ms = 300};
    assert_int_equal(router_new(&options, &pair.router, NULL), 0);
    pair.zmq = zmq_ctx_new();
    pair.peer = zmq_socket(pair.zmq, ZMQ_DEALER);
    int none = 0;
    assert_int_equal(zmq_setsockopt(pair.peer, ZMQ_LINGER, &none, sizeof none), 0);
    assert_int_equal(zmq_connect(pair.peer, router_endpoint(pair.router)), 0);
    assert_int_equal(zmq_send(pair.peer, "hello", 5, 0), 5);
    struct incoming incoming;
    int rc = ROUTER_EMPTY;
    for (bool readable; rc == ROUTER_EMPTY; rc = router_receive(pair.router, &incoming))
        turn(pair.router, &readable);
    assert_int_equal(rc, 0);
    assert_true(bytes_equal_string(incoming.head, "hello"));
    pair.connection = incoming.connection;
    return pair;
}

static void close_peer(struct pair *pair) {
    zmq_close(pair->peer);
    zmq_ctx_term(pair->zmq);
}

// Set where a chunk is let go of; only ever by the thread that counts.
static int released;
static _Thread_local bool counts;

static void on_release(void *context) {
    assert_true(counts);
    memset(context, 'x', SIZE); // whoever still reads it shows
    released++;
}

static struct chunk *chunk_of(uint8_t *memory) {
    for (size_t i = 0; i < SIZE; i++)
        memory[i] = (uint8_t)(i * 31 % 251);
    struct chunk *chunk = chunk_new(bytes_of(memory, SIZE), on_release, memory);
    assert_non_null(chunk);
    released = 0;
    counts = true;
    return chunk;
}

static int send_slice(struct pair *pair, uint64_t connection, struct chunk *chunk, size_t from, size_t size) {
    struct buffer head = {0};
    assert_int_equal(buffer_append_string(&head, "head"), 0);
    struct slice body = {.chunk = chunk_ref(chunk), .bytes = bytes_of(chunk->bytes.data + from, size)};
    int rc = router_send(pair->router, connection, &head, &body);
    assert_null(body.chunk);
    assert_null(head.data);
    return rc;
}

static void expect(struct pair *pair, size_t from, size_t size) {
    static char got[SIZE];
    assert_int_equal(zmq_recv(pair->peer, got, sizeof got, 0), 4);
    assert_memory_equal(got, "head", 4);
    assert_int_equal(zmq_recv(pair->peer, got, sizeof got, 0), size);
    for (size_t i = 0; i < size; i++)
        assert_int_equal((uint8_t)got[i], (from + i) * 31 % 251);
}

static void a_slice_is_sent_and_let_go_of(void **state) {
    (void)state;
    struct pair pair = open_pair();
    uint8_t *memory = malloc(SIZE);
    assert_non_null(memory);
    struct chunk *chunk = chunk_of(memory);
    assert_int_equal(send_slice(&pair, pair.connection, chunk, 0, SIZE), 0);
    assert_int_equal(send_slice(&pair, pair.connection, chunk, 1000, 17), 0);
    chunk_unref(&chunk);
    expect(&pair, 0, SIZE);
    expect(&pair, 1000, 17);
    for (bool readable; !released;)
        turn(pair.router, &readable);
    assert_int_equal(released, 1);
    close_peer(&pair);
    router_destroy(&pair.router);
    free(memory);
}

static void a_frame_without_a_body_has_one_part(void **state) {
    (void)state;
    struct pair pair = open_pair();
    struct buffer head = {0};
    struct slice none = {0};
    assert_int_equal(buffer_append_string(&head, "head"), 0);
    assert_int_equal(router_send(pair.router, pair.connection, &head, &none), 0);
    char got[8];
    int more;
    size_t size = sizeof more;
    assert_int_equal(zmq_recv(pair.peer, got, sizeof got, 0), 4);
    assert_int_equal(zmq_getsockopt(pair.peer, ZMQ_RCVMORE, &more, &size), 0);
    assert_false(more);
    close_peer(&pair);
    router_destroy(&pair.router);
}

static void what_nobody_takes_is_let_go_of(void **state) {
    (void)state;
    struct pair pair = open_pair();
    uint8_t *memory = malloc(SIZE);
    assert_non_null(memory);
    struct chunk *chunk = chunk_of(memory);
    assert_int_equal(send_slice(&pair, pair.connection + 1, chunk, 0, SIZE), 0); // to nobody
    assert_int_equal(chunk->references, 1);
    // The peer reads nothing of it; it, and the router, end with all of it on the way.
    for (int i = 0; i < 100; i++)
        assert_int_equal(send_slice(&pair, pair.connection, chunk, 0, SIZE), 0);
    chunk_unref(&chunk);
    close_peer(&pair);
    router_destroy(&pair.router);
    assert_int_equal(released, 1);
    free(memory);
}

static int send_head(struct pair *pair) {
    struct buffer head = {0};
    struct slice none = {0};
    assert_int_equal(buffer_append_string(&head, "head"), 0);
    return router_send(pair->router, pair->connection, &head, &none);
}

// It speaks and leaves, and the router notices the second first.
static struct pair open_pair_that_left(void) {
    struct pair pair = open_pair();
    int linger = 10000;
    assert_int_equal(zmq_setsockopt(pair.peer, ZMQ_LINGER, &linger, sizeof linger), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(zmq_send(pair.peer, "words", 5, 0), 5);
    close_peer(&pair);
    for (; !router_cut(pair.router); usleep(1000))
        assert_int_equal(send_head(&pair), 0);
    return pair;
}

static void what_a_peer_said_before_it_left_is_heard(void **state) {
    (void)state;
    struct pair pair = open_pair_that_left();
    struct incoming incoming;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(router_gone(pair.router), 0);
        assert_int_equal(router_receive(pair.router, &incoming), 0);
        assert_int_equal(incoming.connection, pair.connection);
        assert_true(bytes_equal_string(incoming.head, "words"));
        assert_int_equal(send_head(&pair), 0);
    }
    assert_int_equal(router_receive(pair.router, &incoming), ROUTER_EMPTY);
    assert_false(router_cut(pair.router));
    assert_int_equal(router_gone(pair.router), pair.connection);
    assert_int_equal(router_gone(pair.router), 0);
    router_destroy(&pair.router);
}

static void one_that_left_is_gone_in_time_beside_others(void **state) {
    (void)state;
    struct pair pair = open_pair_that_left();
    uint64_t gone;
    while ((gone = router_gone(pair.router)) == 0)
        usleep(10000);
    assert_int_equal(gone, pair.connection);
    assert_false(router_cut(pair.router));
    router_destroy(&pair.router);
}

static void a_cut_connection_may_be_forgotten_and_left(void **state) {
    (void)state;
    struct pair pair = open_pair_that_left();
    router_forget(pair.router, pair.connection);
    assert_false(router_cut(pair.router));
    router_destroy(&pair.router);
    pair = open_pair_that_left();
    router_destroy(&pair.router);
}

// ---- A peer by hand: it ends its connection by a reset, with more on its way than libzmq takes ----

static int connect_raw(const char *endpoint) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons((uint16_t)strtoul(strrchr(endpoint, ':') + 1, NULL, 10));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        fail_msg("can't connect to %s", endpoint);
        abort(); // it never comes here
    }
    return fd;
}

// ZMTP 3.0 without security (rfc.zeromq.org/spec/23).
static void greet(int fd) {
    static const uint8_t ready[] = "\x04\x1c\x05READY\x0bSocket-Type\0\0\0\x06"
                                   "DEALER";
    uint8_t greeting[64] = {0xff, [9] = 0x7f, [10] = 3, [12] = 'N', 'U', 'L', 'L'};
    uint8_t theirs[64 + 200];
    assert_int_equal(send(fd, greeting, sizeof greeting, 0), sizeof greeting);
    for (size_t got = 0; got < sizeof greeting;) {
        ssize_t n = recv(fd, theirs, sizeof greeting - got, 0);
        assert_true(n > 0);
        got += (size_t)n;
    }
    assert_int_equal(send(fd, ready, sizeof ready - 1, 0), sizeof ready - 1);
    assert_true(recv(fd, theirs, sizeof theirs, 0) > 0);
}

static void a_reset_with_much_on_its_way_ends_nothing(void **state) {
    (void)state;
    struct pair pair = open_pair();
    int fd = connect_raw(router_endpoint(pair.router));
    greet(fd);
    for (int i = 0; i < 2000; i++)
        assert_int_equal(send(fd, "\0\x05hello", 7, 0), 7);
    struct pollfd room = {.fd = fd, .events = POLLOUT};
    assert_int_equal(poll(&room, 1, 10000), 1);
    usleep(200000); // libzmq has taken what it takes; if not, there is less to see
    const struct linger reset = {.l_onoff = 1};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
    close(fd);
    usleep(500000); // a heartbeat would be due
    struct incoming incoming;
    size_t got = 0;
    for (bool readable; got < 64; turn(pair.router, &readable))
        while (router_receive(pair.router, &incoming) == 0)
            got++;
    close_peer(&pair);
    router_destroy(&pair.router);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slice_is_sent_and_let_go_of),
        cmocka_unit_test(a_frame_without_a_body_has_one_part),
        cmocka_unit_test(what_nobody_takes_is_let_go_of),
        cmocka_unit_test(what_a_peer_said_before_it_left_is_heard),
        cmocka_unit_test(one_that_left_is_gone_in_time_beside_others),
        cmocka_unit_test(a_reset_with_much_on_its_way_ends_nothing),
        cmocka_unit_test(a_cut_connection_may_be_forgotten_and_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
