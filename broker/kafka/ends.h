// Where the partitions of a topic end, with what open transactions have written: asked by a thread of its
// own, since librdkafka has only a call that waits. Inside broker/kafka.
#pragma once

#include "broker/kafka/cluster.h"

#include <stdbool.h>

// The ends of all partitions of a topic, of one question that blocks. An error: `out` says nothing.
rd_kafka_resp_err_t ends_of(
    rd_kafka_t *rk, const char *topic, int32_t partitions, int timeout_ms, int64_t *out);

struct ends;

int ends_open(const struct cluster *cluster, const char *topic, int32_t partitions, struct ends **out,
    struct error *error);
void ends_close(struct ends **self); // waits for the question under way, at most ENDS_MS

#define ENDS_MS 2000

bool ends_busy(const struct ends *ends);
void ends_start(struct ends *ends); // asks; none is under way
// The answer to the last question, by partition. NULL: there was none. Valid until the next question.
const int64_t *ends_answer(const struct ends *ends);

int ends_fd(const struct ends *ends); // readable after each question, until ends_heard()
void ends_heard(struct ends *ends);
