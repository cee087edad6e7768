// RabbitMQ: librabbitmq makes the connection, the queues and the consumers; then frames of AMQP 0-9-1 are
// written and read here, without blocking. Persistent messages, publisher confirms; a fanout exchange where
// there are several queues. The last message of what was read is acknowledged, for all before it.
#include "bench/peers/link.h"
#include "bench/peers/peer.h"

#include <amqp.h>
#include <amqp_tcp_socket.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHANNEL 1
#define PREFETCH 10000
#define FRAME_HEAD 7
#define FRAME_MAX 131072
#define BASIC 60
#define TAGS 65536 // unconfirmed at most
#define EXCHANGE "bench"

enum { METHOD = 1, HEADER = 2, BODY = 3 };
enum { DELIVER = 60, ACK = 80, NACK = 120 };

struct rabbitmq {
    amqp_connection_state_t connection;
    struct link link; // on its socket
    bool receive;
    struct buffer head; // of a message to be published: method and header frames, all but the body
    uint8_t confirmed[TAGS];
    uint64_t low;      // everything up to this tag is confirmed
    uint64_t last_tag; // of what came
    size_t queue;      // of what comes now
    uint64_t awaited;  // bytes of it
    struct buffer body;
};

static void must(amqp_rpc_reply_t reply, const char *what) {
    if (reply.reply_type == AMQP_RESPONSE_NORMAL)
        return;
    const char *text = reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION
                           ? amqp_error_string2(reply.library_error)
                           : "refused";
    if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION && reply.reply.id == AMQP_CHANNEL_CLOSE_METHOD) {
        const amqp_channel_close_t *close = reply.reply.decoded;
        peer_fail("%s: %.*s", what, (int)close->reply_text.len, (const char *)close->reply_text.bytes);
    }
    peer_fail("%s: %s", what, text);
}

static amqp_connection_state_t connect_rabbitmq(int port) {
    amqp_connection_state_t connection = amqp_new_connection();
    amqp_socket_t *socket = amqp_tcp_socket_new(connection);
    if (!socket || amqp_socket_open(socket, "127.0.0.1", port) != AMQP_STATUS_OK)
        peer_fail("port %d: no connection", port);
    must(amqp_login(connection, "/", 0, FRAME_MAX, 0, AMQP_SASL_METHOD_PLAIN, "guest", "guest"), "login");
    amqp_channel_open(connection, CHANNEL);
    must(amqp_get_rpc_reply(connection), "channel");
    return connection;
}

static amqp_bytes_t queue_name(uint32_t i, char name[16]) {
    snprintf(name, 16, "q%u", i);
    return amqp_cstring_bytes(name);
}

static void prepare(const struct peer_options *options) {
    amqp_connection_state_t connection = connect_rabbitmq(options->port);
    amqp_table_entry_t type = {.key = amqp_cstring_bytes("x-queue-type"),
        .value = {.kind = AMQP_FIELD_KIND_UTF8, .value = {.bytes = amqp_cstring_bytes(options->mode)}}};
    amqp_table_t arguments = {.num_entries = 1, .entries = &type};
    amqp_exchange_declare(connection, CHANNEL, amqp_cstring_bytes(EXCHANGE), amqp_cstring_bytes("fanout"), 0,
        1, 0, 0, amqp_empty_table);
    must(amqp_get_rpc_reply(connection), "exchange");
    for (uint32_t i = 0; i < options->queues; i++) {
        char name[16];
        amqp_queue_declare(connection, CHANNEL, queue_name(i, name), 0, 1, 0, 0, arguments);
        must(amqp_get_rpc_reply(connection), "queue");
        amqp_queue_bind(connection, CHANNEL, queue_name(i, name), amqp_cstring_bytes(EXCHANGE),
            amqp_empty_bytes, amqp_empty_table);
        must(amqp_get_rpc_reply(connection), "bind");
    }
    must(amqp_connection_close(connection, AMQP_REPLY_SUCCESS), "close");
    amqp_destroy_connection(connection);
}

static void put(struct buffer *out, uint64_t value, size_t size) {
    uint64_t big = htobe64(value);
    if (buffer_append(out, (const uint8_t *)&big + 8 - size, size) != 0)
        peer_fail("no memory");
}

static void put_frame(struct buffer *out, uint64_t type, const struct buffer *payload) {
    put(out, type, 1);
    put(out, CHANNEL, 2);
    put(out, payload->size, 4);
    if (buffer_append_bytes(out, buffer_bytes(payload)) != 0)
        peer_fail("no memory");
    put(out, 0xCE, 1);
}

static void put_short_text(struct buffer *out, const char *text) {
    put(out, strlen(text), 1);
    if (buffer_append_string(out, text) != 0)
        peer_fail("no memory");
}

// basic.publish and the header of a persistent message; all messages are alike.
static void make_head(struct rabbitmq *rabbitmq, const struct peer_options *options) {
    struct buffer payload = {0};
    put(&payload, BASIC, 2);
    put(&payload, 40, 2);
    put(&payload, 0, 2);
    put_short_text(&payload, options->queues > 1 ? EXCHANGE : "");
    put_short_text(&payload, "q0");
    put(&payload, 0, 1);
    put_frame(&rabbitmq->head, METHOD, &payload);
    buffer_clear(&payload);
    put(&payload, BASIC, 2);
    put(&payload, 0, 2);
    put(&payload, options->size, 8);
    put(&payload, 1u << 12, 2); // delivery-mode alone
    put(&payload, 2, 1);
    put_frame(&rabbitmq->head, HEADER, &payload);
    buffer_destroy(&payload);
}

static void *open_rabbitmq(const struct peer_options *options, bool receive) {
    struct rabbitmq *rabbitmq = peer_calloc(sizeof *rabbitmq);
    amqp_connection_state_t connection = connect_rabbitmq(options->port);
    rabbitmq->connection = connection;
    rabbitmq->receive = receive;
    if (receive) {
        amqp_basic_qos(connection, CHANNEL, 0, PREFETCH, 0);
        must(amqp_get_rpc_reply(connection), "qos");
    } else {
        amqp_confirm_select(connection, CHANNEL);
        must(amqp_get_rpc_reply(connection), "confirm");
        make_head(rabbitmq, options);
    }
    for (uint32_t i = 0; receive && i < options->queues; i++) {
        char name[16];
        amqp_basic_consume(
            connection, CHANNEL, queue_name(i, name), queue_name(i, name), 0, 0, 0, amqp_empty_table);
        must(amqp_get_rpc_reply(connection), "consume");
    }
    // Nothing was published yet, so the library holds nothing that came behind its last answer.
    link_adopt(&rabbitmq->link, amqp_get_sockfd(connection));
    return rabbitmq;
}

static void close_rabbitmq(void *self) {
    struct rabbitmq *rabbitmq = self;
    link_close(&rabbitmq->link);
    amqp_destroy_connection(rabbitmq->connection);
    buffer_destroy(&rabbitmq->head);
    buffer_destroy(&rabbitmq->body);
    free(rabbitmq);
}

static void send_one(void *self, struct bytes message) {
    struct rabbitmq *rabbitmq = self;
    link_write(&rabbitmq->link, rabbitmq->head.data, rabbitmq->head.size);
    put(&rabbitmq->link.out, BODY, 1);
    put(&rabbitmq->link.out, CHANNEL, 2);
    put(&rabbitmq->link.out, message.size, 4);
    link_write(&rabbitmq->link, message.data, message.size);
    put(&rabbitmq->link.out, 0xCE, 1);
}

static uint64_t get(const uint8_t *at, size_t size) {
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value = value << 8 | at[i];
    return value;
}

static uint64_t confirm_one(struct rabbitmq *rabbitmq, uint64_t tag) {
    uint8_t *at = &rabbitmq->confirmed[tag % TAGS];
    if (*at)
        return 0;
    *at = 1;
    return 1;
}

static uint64_t confirm(struct rabbitmq *rabbitmq, uint64_t tag, bool multiple) {
    uint64_t done = 0;
    for (uint64_t t = multiple ? rabbitmq->low + 1 : tag; t <= tag; t++)
        done += confirm_one(rabbitmq, t);
    while (rabbitmq->confirmed[(rabbitmq->low + 1) % TAGS])
        rabbitmq->confirmed[++rabbitmq->low % TAGS] = 0;
    return done;
}

static uint64_t take_method(struct rabbitmq *rabbitmq, struct bytes payload) {
    uint64_t method = get(payload.data + 2, 2);
    if (get(payload.data, 2) != BASIC || method == NACK)
        peer_fail("class %u method %u came", (unsigned)get(payload.data, 2), (unsigned)method);
    if (method == ACK)
        return confirm(rabbitmq, get(payload.data + 4, 8), payload.data[12] & 1);
    if (method != DELIVER)
        peer_fail("method %u came", (unsigned)method);
    size_t tag_size = payload.data[4];
    rabbitmq->queue = (size_t)(payload.data[6] - '0'); // consumers are called q0, q1, …
    rabbitmq->last_tag = get(payload.data + 5 + tag_size, 8);
    return 0;
}

static uint64_t take_body(struct rabbitmq *rabbitmq, struct bytes payload) {
    if (buffer_append_bytes(&rabbitmq->body, payload) != 0)
        peer_fail("no memory");
    if (rabbitmq->body.size < rabbitmq->awaited)
        return 0;
    peer_received(rabbitmq->queue, buffer_bytes(&rabbitmq->body));
    return 1;
}

static uint64_t take_frame(struct rabbitmq *rabbitmq, uint64_t type, struct bytes payload) {
    if (type == METHOD)
        return take_method(rabbitmq, payload);
    if (type == BODY)
        return take_body(rabbitmq, payload);
    if (type == HEADER) {
        rabbitmq->awaited = get(payload.data + 4, 8);
        buffer_clear(&rabbitmq->body);
    }
    return 0;
}

static void acknowledge(struct rabbitmq *rabbitmq) {
    struct buffer payload = {0};
    put(&payload, BASIC, 2);
    put(&payload, ACK, 2);
    put(&payload, rabbitmq->last_tag, 8);
    put(&payload, 1, 1); // and all before
    put_frame(&rabbitmq->link.out, METHOD, &payload);
    buffer_destroy(&payload);
}

static uint64_t pump(void *self, int64_t timeout_us) {
    struct rabbitmq *rabbitmq = self;
    uint64_t done = 0;
    link_pump(&rabbitmq->link, 1, timeout_us);
    for (;;) {
        struct bytes unread = link_unread(&rabbitmq->link);
        if (unread.size < FRAME_HEAD)
            break;
        size_t size = (size_t)get(unread.data + 3, 4);
        if (unread.size < FRAME_HEAD + size + 1)
            break;
        done += take_frame(rabbitmq, unread.data[0], bytes_of(unread.data + FRAME_HEAD, size));
        link_take(&rabbitmq->link, FRAME_HEAD + size + 1);
    }
    if (rabbitmq->receive && done)
        acknowledge(rabbitmq);
    return done;
}

const struct peer peer_driver = {.name = "rabbitmq",
    .prepare = prepare,
    .open = open_rabbitmq,
    .send = send_one,
    .pump = pump,
    .close = close_rabbitmq};
