// Between queue.c (what is known) and send.c (what goes out, fails and dies); for nobody else.
#pragma once

#include "broker/delivery/queue.h"

bool queue_over_limit(const struct queue *queue); // its oldest are to become dead letters
bool queue_has_credit(const struct queue *queue);
void delivery_free(struct delivery *delivery); // takes
void delivery_move(struct queue *queue, struct delivery *delivery, enum delivery_state state, bool front);
void delivery_drop_bytes(struct queue *queue, struct delivery *delivery);
