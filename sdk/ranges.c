#include "sdk/ranges.h"

#include "sdk/hutong.h"

#include <errno.h>
#include <stdlib.h>

// The first range that ends at or behind `position`.
static size_t find(const struct ranges *ranges, uint64_t position) {
    size_t low = 0;
    size_t high = ranges->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (ranges->items[middle].last < position)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool ranges_has(const struct ranges *ranges, uint64_t position) {
    return ranges_has_all(ranges, position, position);
}

bool ranges_has_all(const struct ranges *ranges, uint64_t first, uint64_t last) {
    if (last <= ranges->floor)
        return true;
    size_t i = find(ranges, last);
    return i < ranges->count && ranges->items[i].first <= first;
}

bool ranges_touch(const struct ranges *ranges, uint64_t position) {
    return ranges_has(ranges, position - 1) || ranges_has(ranges, position) ||
           ranges_has(ranges, position + 1);
}

static void remove_at(struct ranges *ranges, size_t from, size_t count) {
    memmove(ranges->items + from, ranges->items + from + count,
        (ranges->count - from - count) * sizeof *ranges->items);
    ranges->count -= count;
}

static int insert_at(struct ranges *ranges, size_t at, struct range range) {
    if (ranges->count == ranges->capacity) {
        size_t capacity = ranges->capacity ? ranges->capacity * 2 : 16;
        struct range *larger = reallocarray(ranges->items, capacity, sizeof *larger);
        if (!larger)
            return -ENOMEM;
        ranges->items = larger;
        ranges->capacity = capacity;
    }
    memmove(ranges->items + at + 1, ranges->items + at, (ranges->count - at) * sizeof *ranges->items);
    ranges->items[at] = range;
    ranges->count++;
    return 0;
}

// The floor swallows what it touches.
static void settle_floor(struct ranges *ranges) {
    size_t gone = 0;
    while (gone < ranges->count && ranges->items[gone].first - 1 <= ranges->floor) {
        if (ranges->items[gone].last > ranges->floor)
            ranges->floor = ranges->items[gone].last;
        gone++;
    }
    if (gone)
        remove_at(ranges, 0, gone);
}

int ranges_add(struct ranges *ranges, uint64_t first, uint64_t last) {
    if (last <= ranges->floor)
        return 0;
    if (first <= ranges->floor)
        first = ranges->floor + 1;
    size_t from = find(ranges, first - 1); // the first that overlaps or touches
    size_t to = from;
    for (; to < ranges->count && ranges->items[to].first - 1 <= last; to++) {
        first = ranges->items[to].first < first ? ranges->items[to].first : first;
        last = ranges->items[to].last > last ? ranges->items[to].last : last;
    }
    if (to == from) {
        int rc = insert_at(ranges, from, (struct range){first, last});
        if (rc != 0)
            return rc;
    } else {
        ranges->items[from] = (struct range){first, last};
        remove_at(ranges, from + 1, to - from - 1);
    }
    settle_floor(ranges);
    return 0;
}

void ranges_raise(struct ranges *ranges, uint64_t floor) {
    uint64_t start = HUTONG_LANE_START(floor);
    if (start > 0) {
        if (floor > start)
            (void)ranges_add(ranges, start + 1, floor);
        return;
    }
    if (floor <= ranges->floor)
        return;
    ranges->floor = floor;
    settle_floor(ranges);
}

void ranges_clear(struct ranges *ranges) {
    ranges->floor = 0;
    ranges->count = 0;
}

void ranges_destroy(struct ranges *ranges) {
    free(ranges->items);
    *ranges = (struct ranges){0};
}
