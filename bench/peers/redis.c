// Redis Streams: XADD pipelined; a consumer group for each queue on the one stream, which is Redis's own
// fan-out. What one read brought is acknowledged by one XACK. The server's appendfsync says what an answer
// means.
#include "bench/peers/link.h"
#include "bench/peers/peer.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#define READ_COUNT 1000
#define KEPT 200000 // entries, about: far more than may be unconsumed
#define GROUPS_MAX 16

struct redis {
    struct link links[GROUPS_MAX]; // blocking reads of two groups need two connections
    redisReader *readers[GROUPS_MAX];
    size_t count;
    bool receive;
};

static void connect_one(struct redis *redis, int port) {
    link_connect(&redis->links[redis->count], port);
    redis->readers[redis->count] = redisReaderCreate();
    if (!redis->readers[redis->count++])
        peer_fail("no memory");
}

// The next answer that is whole; NULL: none yet. Owned.
static redisReply *answer(struct redis *redis, size_t i) {
    struct bytes unread = link_unread(&redis->links[i]);
    void *reply = NULL;
    if (redisReaderFeed(redis->readers[i], (const char *)unread.data, unread.size) != REDIS_OK)
        peer_fail("%s", redis->readers[i]->errstr);
    link_take(&redis->links[i], unread.size);
    if (redisReaderGetReply(redis->readers[i], &reply) != REDIS_OK)
        peer_fail("%s", redis->readers[i]->errstr);
    redisReply *found = reply;
    if (found && found->type == REDIS_REPLY_ERROR)
        peer_fail("%s", found->str);
    return found;
}

static void prepare(const struct peer_options *options) {
    struct redis redis = {0};
    connect_one(&redis, options->port);
    for (uint32_t i = 0; i < options->queues; i++)
        link_printf(&redis.links[0], "XGROUP CREATE s g%u $ MKSTREAM\r\n", i);
    for (uint32_t answers = 0; answers < options->queues;) {
        link_pump(redis.links, 1, 100000);
        for (redisReply *reply; (reply = answer(&redis, 0)) != NULL; answers++)
            freeReplyObject(reply);
    }
    for (size_t i = 0; i < redis.count; i++) {
        link_close(&redis.links[i]);
        redisReaderFree(redis.readers[i]);
    }
}

static void close_redis(void *self) {
    struct redis *redis = self;
    for (size_t i = 0; i < redis->count; i++) {
        link_close(&redis->links[i]);
        redisReaderFree(redis->readers[i]);
    }
    free(redis);
}

static void ask(struct redis *redis, size_t i) {
    link_printf(
        &redis->links[i], "XREADGROUP GROUP g%zu c COUNT %d BLOCK 100 STREAMS s >\r\n", i, READ_COUNT);
}

static void *open_redis(const struct peer_options *options, bool receive) {
    struct redis *redis = peer_calloc(sizeof *redis);
    redis->receive = receive;
    for (uint32_t i = 0; i < (receive ? options->queues : 1) && i < GROUPS_MAX; i++) {
        connect_one(redis, options->port);
        if (receive)
            ask(redis, i);
    }
    return redis;
}

static void send_one(void *self, struct bytes message) {
    struct redis *redis = self;
    link_printf(&redis->links[0],
        "*8\r\n$4\r\nXADD\r\n$1\r\ns\r\n$6\r\nMAXLEN\r\n$1\r\n~\r\n$6\r\n%d\r\n$1\r\n*\r\n$1\r\nm\r\n$%"
        "zu\r\n",
        KEPT, message.size);
    link_write(&redis->links[0], message.data, message.size);
    link_write(&redis->links[0], "\r\n", 2);
}

// [[stream, [[id, [field, value]], …]]]
static uint64_t take_entries(struct redis *redis, size_t i, const redisReply *reply) {
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 1)
        return 0;
    const redisReply *entries = reply->element[0]->element[1];
    if (entries->elements == 0)
        return 0;
    link_printf(
        &redis->links[i], "*%zu\r\n$4\r\nXACK\r\n$1\r\ns\r\n$2\r\ng%zu\r\n", 3 + entries->elements, i);
    for (size_t n = 0; n < entries->elements; n++) {
        const redisReply *entry = entries->element[n];
        const redisReply *value = entry->element[1]->element[1];
        peer_received(i, bytes_of((const uint8_t *)value->str, value->len));
        link_printf(&redis->links[i], "$%zu\r\n%s\r\n", entry->element[0]->len, entry->element[0]->str);
    }
    return entries->elements;
}

static uint64_t pump(void *self, int64_t timeout_us) {
    struct redis *redis = self;
    uint64_t done = 0;
    link_pump(redis->links, redis->count, timeout_us);
    for (size_t i = 0; i < redis->count; i++) {
        for (redisReply *reply; (reply = answer(redis, i)) != NULL;) {
            if (!redis->receive)
                done++;
            else if (reply->type != REDIS_REPLY_INTEGER) { // an XACK's is one
                done += take_entries(redis, i, reply);
                ask(redis, i);
            }
            freeReplyObject(reply);
        }
    }
    return done;
}

const struct peer peer_driver = {.name = "redis",
    .prepare = prepare,
    .open = open_redis,
    .send = send_one,
    .pump = pump,
    .close = close_redis};
