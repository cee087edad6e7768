// What follow.c and questions.c share.
#pragma once

#include "broker/kafka/ends.h"
#include "broker/kafka/follow.h"
#include "core/base/map.h"

enum question_state {
    QUESTION_WAITING, // for the next time that the ends are asked for
    QUESTION_UNDER_WAY,
    QUESTION_KNOWN, // how far to read
};

struct question {
    uint64_t token;
    int32_t partition;
    enum question_state state;
    int64_t end;   // of the partition
    int64_t *ends; // of all; owned
};

struct follow {
    const struct cluster *cluster;
    struct follow_options options; // the topic is owned
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    struct map *values; // struct value *
    size_t size;
    int64_t *read_to; // by partition
    struct ends *ends;
    struct question *questions;
    size_t question_count;
    size_t question_capacity;
    int failed;
};

// questions.c
int questions_work(struct follow *follow); // hears and asks for ends. 0, -ENOMEM
void questions_destroy(struct follow *follow);
