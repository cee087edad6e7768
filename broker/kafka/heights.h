// Where the partitions of several topics end, with what open transactions have written: asked by a thread of
// its own.
#pragma once

#include "broker/kafka/topics.h"

#include <stdbool.h>

struct heights; // one question at a time

// `admin` is borrowed until it is closed. 0 or negative.
int heights_open(struct admin *admin, struct heights **out, struct error *error);
// Waits for the question under way, at most HEIGHTS_MS for each topic of it.
void heights_close(struct heights **self);

#define HEIGHTS_MS 2000

bool heights_busy(const struct heights *heights);
// The next question is about this topic too; `token` is the asker's. None is under way. 0 or -ENOMEM.
int heights_add(struct heights *heights, const char *topic, int32_t partitions, uint32_t token);
void heights_clear(struct heights *heights);
void heights_start(struct heights *heights);
// The answers to the last question, in the order of adding: false behind the last one. `*ends`: by partition,
// or NULL: there was no answer. Valid until the next question.
bool heights_answer(const struct heights *heights, size_t index, uint32_t *token, const int64_t **ends);
