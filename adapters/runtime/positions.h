// The positions of one bus whose effect is in the system, for connectors that keep them in the system's own
// transaction: a set with a floor for each lane, below which all are settled, and its form in a few bytes.
// The form is that of before there were lanes: the floor of lane 0, and ranges, among them the other lanes'
// floors.
#pragma once

#include "core/base/buffer.h"
#include "sdk/ranges.h"

#define POSITIONS_BUS_SIZE 16u

struct positions { // zero-initialised it is empty, of no bus
    uint8_t bus[POSITIONS_BUS_SIZE];
    struct ranges ranges;
};

// Another bus's positions mean nothing here: the set is emptied and is of `bus` from now on.
void positions_of(struct positions *positions, const uint8_t *bus);
bool positions_is_of(const struct positions *positions, const uint8_t *bus);
int positions_write(const struct positions *positions, struct buffer *out); // appended; 0, -ENOMEM
// Replaces the set. 0, -EINVAL (no such bytes; the set is empty then), -ENOMEM.
int positions_read(struct positions *positions, struct bytes bytes);
void positions_destroy(struct positions *positions);
