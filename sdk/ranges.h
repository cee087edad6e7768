// A set of positions as sorted ranges that don't touch, above a floor below which all are members. The floor
// is of lane 0 (HUTONG_LANE_SHIFT in hutong.h); another lane's is a range from its first position. Ranges of
// two lanes never touch, for a lane's start is no position.
#pragma once

#include "core/base/buffer.h"

struct range {
    uint64_t first;
    uint64_t last;
};

struct ranges { // zero-initialised it is empty
    uint64_t floor;
    struct range *items;
    size_t count;
    size_t capacity;
};

bool ranges_has(const struct ranges *ranges, uint64_t position);
// Whether adding it would not make a range more.
bool ranges_touch(const struct ranges *ranges, uint64_t position);
bool ranges_has_all(const struct ranges *ranges, uint64_t first, uint64_t last);
int ranges_add(struct ranges *ranges, uint64_t first, uint64_t last); // first from 1; 0 or -ENOMEM
// All of the floor's lane up to `floor` are members; lower than before is nothing. Without memory for the
// first floor of a lane that lane stays as it was.
void ranges_raise(struct ranges *ranges, uint64_t floor);
void ranges_clear(struct ranges *ranges); // empty again, the memory kept
void ranges_destroy(struct ranges *ranges);
