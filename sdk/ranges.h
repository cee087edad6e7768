// A set of positions as sorted ranges that don't touch, above a floor below which all are members.
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
int ranges_add(struct ranges *ranges, uint64_t first, uint64_t last); // first from 1; 0 or -ENOMEM
void ranges_raise(struct ranges *ranges, uint64_t floor); // all up to `floor` are members; lower is nothing
void ranges_destroy(struct ranges *ranges);
