// NATS JetStream, by its own text protocol: one stream in files, an answer for each publish; a durable push
// consumer for each queue, which is JetStream's own fan-out. The last message of what was read is
// acknowledged, for all before it (ack_policy all).
#include "bench/peers/link.h"
#include "bench/peers/peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEPT 300000 // messages: far more than may be unconsumed
#define PENDING 20000

struct nats {
    struct link link;
    bool receive;
};

struct nats_message {
    char reply[256];
    unsigned sid;
    struct bytes body;
};

// "MSG subject sid [reply] size". Returns the size.
static size_t read_head(char *line, struct nats_message *out) {
    char *words[5] = {NULL};
    size_t count = 0;
    char *rest = line;
    for (char *word; count < 5 && (word = strtok_r(NULL, " ", &rest)) != NULL;)
        words[count++] = word;
    if (count < 4)
        peer_fail("a message's line has %zu words", count);
    out->sid = (unsigned)strtoul(words[2], NULL, 10);
    snprintf(out->reply, sizeof out->reply, "%s", count == 5 ? words[3] : "");
    return strtoul(words[count - 1], NULL, 10);
}

// The next MSG that is whole; other lines are read on the way. False: none yet.
static bool next(struct link *link, struct nats_message *out) {
    for (;;) {
        struct bytes unread = link_unread(link);
        const uint8_t *end = unread.size ? memmem(unread.data, unread.size, "\r\n", 2) : NULL;
        if (!end)
            return false;
        char line[1024];
        size_t length = (size_t)(end - unread.data);
        snprintf(line, sizeof line, "%.*s", (int)length, (const char *)unread.data);
        if (strncmp(line, "-ERR", 4) == 0)
            peer_fail("%s", line);
        if (strncmp(line, "PING", 4) == 0)
            link_printf(link, "PONG\r\n");
        if (strncmp(line, "MSG ", 4) != 0) {
            link_take(link, length + 2);
            continue;
        }
        size_t size = read_head(line, out);
        if (unread.size < length + 2 + size + 2)
            return false;
        out->body = bytes_of(unread.data + length + 2, size);
        link_take(link, length + 2 + size + 2);
        return true;
    }
}

static void connect_nats(struct link *link, int port) {
    link_connect(link, port);
    link_printf(link, "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":false}\r\n");
}

// A request to JetStream; ends the process when it is refused.
static void request(struct link *link, const char *subject, const char *body) {
    link_printf(link, "PUB %s _INBOX.api %zu\r\n%s\r\n", subject, strlen(body), body);
    struct nats_message message;
    for (int i = 0; i < 100; i++) {
        link_pump(link, 1, 100000);
        if (!next(link, &message))
            continue;
        if (memmem(message.body.data, message.body.size, "\"error\"", 7))
            peer_fail("%s: %.*s", subject, (int)message.body.size, (const char *)message.body.data);
        return;
    }
    peer_fail("%s: no answer", subject);
}

static void prepare(const struct peer_options *options) {
    struct link link;
    char body[512];
    char subject[128];
    connect_nats(&link, options->port);
    link_printf(&link, "SUB _INBOX.api 1\r\n");
    snprintf(body, sizeof body,
        "{\"name\":\"S\",\"subjects\":[\"s\"],\"storage\":\"file\",\"retention\":\"limits\",\"max_msgs\":%d,"
        "\"discard\":\"old\",\"num_replicas\":1}",
        KEPT);
    request(&link, "$JS.API.STREAM.CREATE.S", body);
    for (uint32_t i = 0; i < options->queues; i++) {
        snprintf(subject, sizeof subject, "$JS.API.CONSUMER.DURABLE.CREATE.S.c%u", i);
        snprintf(body, sizeof body,
            "{\"stream_name\":\"S\",\"config\":{\"durable_name\":\"c%u\",\"deliver_subject\":\"d.%u\",\"ack_"
            "policy\":"
            "\"all\",\"deliver_policy\":\"all\",\"max_ack_pending\":%d}}",
            i, i, PENDING);
        request(&link, subject, body);
    }
    link_close(&link);
}

static void *open_nats(const struct peer_options *options, bool receive) {
    struct nats *nats = peer_calloc(sizeof *nats);
    nats->receive = receive;
    connect_nats(&nats->link, options->port);
    if (!receive)
        link_printf(&nats->link, "SUB _INBOX.p 1\r\n");
    for (uint32_t i = 0; receive && i < options->queues; i++)
        link_printf(&nats->link, "SUB d.%u %u\r\n", i, i);
    link_pump(&nats->link, 1, 1000);
    return nats;
}

static void close_nats(void *self) {
    struct nats *nats = self;
    link_close(&nats->link);
    free(nats);
}

static void send_one(void *self, struct bytes message) {
    struct nats *nats = self;
    link_printf(&nats->link, "PUB s _INBOX.p %zu\r\n", message.size);
    link_write(&nats->link, message.data, message.size);
    link_write(&nats->link, "\r\n", 2);
}

static uint64_t pump(void *self, int64_t timeout_us) {
    struct nats *nats = self;
    struct nats_message message;
    char replies[16][256] = {{0}};
    uint64_t done = 0;
    link_pump(&nats->link, 1, timeout_us);
    while (next(&nats->link, &message)) {
        done++;
        if (!nats->receive) {
            if (memmem(message.body.data, message.body.size, "\"error\"", 7))
                peer_fail("%.*s", (int)message.body.size, (const char *)message.body.data);
            continue;
        }
        peer_received(message.sid, message.body);
        memcpy(replies[message.sid % 16], message.reply, sizeof replies[0]);
    }
    for (size_t i = 0; i < 16; i++)
        if (replies[i][0])
            link_printf(&nats->link, "PUB %s 0\r\n\r\n", replies[i]);
    return done;
}

const struct peer peer_driver = {.name = "nats",
    .prepare = prepare,
    .open = open_nats,
    .send = send_one,
    .pump = pump,
    .close = close_nats};
