// What topics.c, settings.c and bus.c share. Inside broker/kafka.
#pragma once

#include "broker/kafka/topics.h"

struct admin {
    const struct cluster *cluster;
    int timeout_ms;
    rd_kafka_t *rk; // a producer, idempotent, without transactions
    rd_kafka_queue_t *answers;
    rd_kafka_queue_t *deletions;
    bool deleting;
};

rd_kafka_AdminOptions_t *topics_options(const struct admin *admin, rd_kafka_admin_op_t what);
// The answer to what was asked with `admin->answers`. Owned; NULL: none came, with the text.
rd_kafka_event_t *topics_answer(struct admin *admin, const char *what, struct error *error);
// KAFKA_AGAIN where waiting helps, otherwise KAFKA_WRONG.
int topics_code(rd_kafka_resp_err_t code);
