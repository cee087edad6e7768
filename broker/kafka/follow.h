// A compacted topic, read from its beginning and from then on: the last committed value of each key, in
// memory, or the one that counts of several keys' values. And the question whether it has been read as far as
// it went when somebody asked.
//
// The owner's thread calls follow_work() when follow_fd() is readable and at least once a second.
//
// Memory: keys and values count with FOLLOW_ENTRY_COST bytes each, at most `limit` in all; what librdkafka
// read ahead comes to 8 MiB. Two handles: four threads, and two for each node.
#pragma once

#include "broker/kafka/cluster.h"

#include "core/base/bytes.h"

#define FOLLOW_ENTRY_COST 96u
#define FOLLOW_QUESTIONS 65536u // that are not answered yet
#define FOLLOW_ALL (-1)         // partitions

struct follow;

struct follow_options {
    const char *topic;
    int32_t partitions;
    size_t limit; // 0: 256 MiB
    // Told of each change, before it is made; value absent: the key is gone. NULL: nobody is told.
    void (*changed)(void *context, int32_t partition, struct bytes key, struct bytes value);
    void *context;
    // Keys of which one value is kept: what of a key stands for all of them (a part of it). NULL: each for
    // itself.
    struct bytes (*kept_as)(struct bytes key);
    // Whether a value takes the place of one that came earlier. NULL: it does. With it no key ever goes.
    bool (*counts)(struct bytes before, struct bytes value);
};

// Begins to read. 0 or negative. It doesn't wait for the cluster.
int follow_open(const struct cluster *cluster, const struct follow_options *options, struct follow **out,
    struct error *error);
void follow_close(struct follow **self);
int follow_fd(const struct follow *follow);

// Takes in some of what came; `*more`: call again soon. 0; KAFKA_FULL: over the limit, and it can't be
// followed any more; -ENOMEM.
int follow_work(struct follow *follow, bool *more, struct error *error);

// The value of a key, absent where there is none; borrowed until the next follow_work().
struct bytes follow_get(const struct follow *follow, struct bytes key);
size_t follow_count(const struct follow *follow); // keys
size_t follow_size(const struct follow *follow);  // bytes, with their cost
bool follow_next(
    const struct follow *follow, size_t *cursor, struct bytes *key, struct bytes *value); // as map_next()

// Asks to be told, by follow_answered() with this token, when the partition (or FOLLOW_ALL) has been read to
// the end that it had at this call or later, with all transactions decided that were open before that end:
// whatever anybody was told to be committed before this call is then here. 0, KAFKA_FULL, -ENOMEM.
int follow_ask(struct follow *follow, int32_t partition, uint64_t token);
bool follow_answered(struct follow *follow, uint64_t *token); // one that is answered, once
