// What group.c and group_assign.c share.
#pragma once

#include "broker/kafka/group.h"
#include "core/base/buffer.h"

enum group_state {
    GROUP_IDLE,     // no partitions
    GROUP_LOOKING,  // partitions were assigned; what the group committed is asked for
    GROUP_OFFERED,  // GROUP_ASSIGNED was given
    GROUP_RUNNING,  // started
    GROUP_REVOKING, // GROUP_REVOKED was given
    GROUP_LEAVING,
    GROUP_GONE,
};

struct group {
    const struct cluster *cluster;
    char *name;
    char *topic;
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    rd_kafka_queue_t *leaving; // NULL: not yet
    int fd;
    enum group_state state;
    rd_kafka_topic_partition_list_t *assigned; // NULL: none
    struct group_partition *partitions;        // the same, for the owner
    struct buffer token;
    uintptr_t question;     // the number of the last one: other answers are of no use
    uint64_t ask_again_ns;  // 0: the question is under way
    rd_kafka_event_t *held; // what the last event's pointers belong to
    const rd_kafka_message_t *record;
};

// A rebalance. True: `*out` is for the owner.
bool group_rebalance(struct group *group, rd_kafka_event_t *event, struct group_event *out);
// The answer to the question for committed offsets. True: `*out` is for the owner.
bool group_hear_offsets(struct group *group, rd_kafka_event_t *event, struct group_event *out);
// Asks once more, where that is due.
void group_ask_again(struct group *group);
void group_forget(struct group *group); // the assignment
