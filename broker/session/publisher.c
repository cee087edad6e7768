#include "broker/session/publisher.h"

#include <errno.h>
#include <stdlib.h>

struct stream_key {
    uint8_t bytes[WIRE_STREAM_SIZE + 128];
    size_t size;
};

static struct bytes key_of(const char *system, struct bytes stream, struct stream_key *key) {
    size_t length = strnlen(system, sizeof key->bytes - WIRE_STREAM_SIZE);
    memset(key->bytes, 0, WIRE_STREAM_SIZE);
    if (stream.size)
        memcpy(key->bytes, stream.data, stream.size < WIRE_STREAM_SIZE ? stream.size : WIRE_STREAM_SIZE);
    memcpy(key->bytes + WIRE_STREAM_SIZE, system, length);
    return bytes_of(key->bytes, WIRE_STREAM_SIZE + length);
}

static void publisher_free(struct publisher *publisher) {
    if (publisher)
        free(publisher->system);
    free(publisher);
}

void publishers_destroy(struct publishers *publishers) {
    for (size_t i = 0; i < publishers->count; i++)
        publisher_free(publishers->items[i]);
    free(publishers->items);
    map_destroy(&publishers->by_stream);
    *publishers = (struct publishers){0};
}

struct publisher *publishers_find(
    const struct publishers *publishers, const char *system, struct bytes stream) {
    struct stream_key key;
    return publishers->by_stream && stream.size == WIRE_STREAM_SIZE
               ? map_get(publishers->by_stream, key_of(system, stream, &key))
               : NULL;
}

struct publisher *publishers_by_id(const struct publishers *publishers, uint32_t id) {
    return id > 0 && id <= publishers->count ? publishers->items[id - 1] : NULL;
}

static void forget(struct publishers *publishers, struct publisher *publisher) {
    struct stream_key key;
    map_remove(publishers->by_stream,
        key_of(publisher->system, bytes_of(publisher->stream, WIRE_STREAM_SIZE), &key));
    publishers->items[publisher->id - 1] = NULL;
    publisher_free(publisher);
}

// Lets the stalest one of a system go when there are too many; false when none is stale enough.
static bool make_room(struct publishers *publishers, const char *system, int64_t now_us) {
    size_t count = 0;
    struct publisher *stalest = NULL;
    for (size_t i = 0; i < publishers->count; i++) {
        struct publisher *one = publishers->items[i];
        if (!one || strcmp(one->system, system) != 0)
            continue;
        count++;
        if (one->users == 0 && (!stalest || one->last_us < stalest->last_us))
            stalest = one;
    }
    if (count < PUBLISHERS_PER_SYSTEM)
        return true;
    if (!stalest || now_us - stalest->last_us < PUBLISHER_KEPT_US)
        return false;
    forget(publishers, stalest);
    return true;
}

static int reserve(struct publishers *publishers, uint32_t id) {
    if (!publishers->by_stream && !(publishers->by_stream = map_new()))
        return -ENOMEM;
    if (id <= publishers->count)
        return 0;
    struct publisher **items = realloc(publishers->items, id * sizeof(struct publisher *));
    if (!items)
        return -ENOMEM;
    for (size_t i = publishers->count; i < id; i++)
        items[i] = NULL;
    publishers->items = items;
    publishers->count = id;
    return 0;
}

int publishers_add(struct publishers *publishers, uint32_t id, const char *system, struct bytes stream,
    int64_t now_us, struct publisher **out) {
    if (id == 0 && !make_room(publishers, system, now_us))
        return PUBLISHERS_TOO_MANY;
    // In replay: one that was forgotten, which no record says, and came again with a new id.
    struct publisher *older = publishers_find(publishers, system, stream);
    if (older)
        forget(publishers, older);
    if (id == 0)
        id = (uint32_t)publishers->count + 1;
    struct publisher *publisher = calloc(1, sizeof *publisher);
    char *copy = strdup(system);
    struct stream_key key;
    if (!publisher || !copy || reserve(publishers, id) != 0 ||
        map_put(publishers->by_stream, key_of(system, stream, &key), publisher) != 0) {
        free(publisher);
        free(copy);
        return -ENOMEM;
    }
    publisher->id = id;
    publisher->system = copy;
    publisher->last_us = now_us;
    memcpy(publisher->stream, key.bytes, WIRE_STREAM_SIZE);
    publisher_free(publishers->items[id - 1]);
    publishers->items[id - 1] = publisher;
    *out = publisher;
    return 0;
}
