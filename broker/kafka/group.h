// One destination's topic in its consumer group: a broker is in the group while it has a receiver for that
// destination. Only what is committed is read. Offsets are never committed here: that is what a transaction
// does (gathered_part(), with the token).
//
// The owner's thread calls group_next() when group_fd() is readable and at least once a second, until there
// is nothing; a group that isn't asked for max.poll.interval.ms (5 minutes) is left by librdkafka.
//
// Memory: what librdkafka fetched ahead is `limit` bytes, and what is on its way then: 4 MiB or one record
// from each node. Over that it fetches again after up to a second (librdkafka 2.0), so `limit` is to be
// larger than what is taken at once. What is paused is thrown away, and fetched again later. A group is a
// handle: two threads and one for each node.
#pragma once

#include "broker/kafka/cluster.h"

#include "core/base/bytes.h"

struct group;

enum group_event_kind {
    GROUP_NOTHING,  // for now; the fd is readable when there is something
    GROUP_ASSIGNED, // `partitions` with the offset that the group committed; answer by group_start()
    GROUP_REVOKED,  // all that were assigned; answer by group_release(); `lost`: others may have them already
    GROUP_RECORD,
    GROUP_END,     // `partition` has been read up to `offset`, where the open transactions begin, or its end
    GROUP_TROUBLE, // `text`; librdkafka goes on by itself
    GROUP_LEFT,    // after group_leave()
};

#define GROUP_NO_OFFSET (-1) // nothing was ever committed

struct group_partition {
    int32_t partition;
    int64_t offset;
};

struct group_event { // valid until the next call of a function of this group
    enum group_event_kind kind;
    const struct group_partition *partitions;
    size_t partition_count;
    bool lost;
    int32_t partition;
    int64_t offset;
    int64_t time_ms;    // when its writer sent it, since 1970; -1: unknown
    struct bytes key;   // absent: none
    struct bytes value; // absent: none
    const char *text;
};

struct group_options {
    const char *name; // of the group
    const char *topic;
    size_t limit; // 0: 16 MiB
};

// Joins. 0 or negative. It doesn't block: that the cluster is away is told later.
int group_open(const struct cluster *cluster, const struct group_options *options, struct group **out,
    struct error *error);
// Without leaving, if that wasn't done: the cluster then waits for session.timeout.ms (10 s) before another
// has the partitions.
void group_close(struct group **self);

int group_fd(const struct group *group);
// What comes next. 0; KAFKA_FENCED, negative: this handle is of no use any more.
int group_next(struct group *group, struct group_event *out, struct error *error);
// The last header of that name of the record that group_next() gave. False: none.
bool group_header(const struct group *group, const char *name, struct bytes *out);

// Records come from here on: for each assigned partition its `offset` (GROUP_NO_OFFSET: from the start). None
// is paused. 0; -EINVAL: they aren't exactly those that were assigned.
int group_start(struct group *group, const struct group_partition *from, size_t count, struct error *error);
// The owner has forgotten the partitions, and no more settlements of theirs are under way.
int group_release(struct group *group, struct error *error);

// The generation in which the partitions were assigned, for gathered_part(). Empty while there are none, and
// from GROUP_REVOKED on. Valid until the next call of group_next().
struct bytes group_token(const struct group *group);

// Of an assigned and started partition. 0 or negative.
int group_pause(struct group *group, int32_t partition, bool paused, struct error *error);
// Records come from `offset` on; those that came before aren't given any more. It doesn't wait.
int group_seek(struct group *group, int32_t partition, int64_t offset, struct error *error);

// Gives the partitions back without GROUP_REVOKED, and leaves: GROUP_LEFT comes from group_next(), and then
// nothing more. 0 or negative.
int group_leave(struct group *group, struct error *error);
