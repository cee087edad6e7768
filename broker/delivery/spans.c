#include "broker/delivery/spans.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void spans_destroy(struct spans *spans) {
    free(spans->items);
    *spans = (struct spans){0};
}

// Index of the first span that ends at or behind `position`.
static size_t lower_bound(const struct spans *spans, uint64_t position) {
    size_t low = 0;
    size_t high = spans->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (spans->items[middle].last < position)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool spans_has(const struct spans *spans, uint64_t position) {
    size_t i = lower_bound(spans, position);
    return i < spans->count && spans->items[i].first <= position;
}

uint64_t spans_end(const struct spans *spans, uint64_t position) {
    size_t i = lower_bound(spans, position);
    return i < spans->count && spans->items[i].first <= position ? spans->items[i].last : position - 1;
}

static int insert_at(struct spans *spans, size_t i, struct span span) {
    if (spans->count == spans->capacity) {
        size_t capacity = spans->capacity ? spans->capacity * 2 : 8;
        struct span *items = realloc(spans->items, capacity * sizeof *items);
        if (!items)
            return -ENOMEM;
        spans->items = items;
        spans->capacity = capacity;
    }
    memmove(spans->items + i + 1, spans->items + i, (spans->count - i) * sizeof *spans->items);
    spans->items[i] = span;
    spans->count++;
    return 0;
}

int spans_add(struct spans *spans, uint64_t first, uint64_t last) {
    // The first span that overlaps or touches [first, last].
    size_t i = lower_bound(spans, first > 0 ? first - 1 : 0);
    if (i == spans->count || spans->items[i].first > last + 1)
        return insert_at(spans, i, (struct span){first, last});
    struct span *span = &spans->items[i];
    if (first < span->first)
        span->first = first;
    size_t end = i + 1;
    if (last > span->last) {
        span->last = last;
        while (end < spans->count && spans->items[end].first <= last + 1) {
            if (spans->items[end].last > span->last)
                span->last = spans->items[end].last;
            end++;
        }
    }
    if (end == i + 1)
        return 0;
    memmove(spans->items + i + 1, spans->items + end, (spans->count - end) * sizeof *spans->items);
    spans->count -= end - i - 1;
    return 0;
}

void spans_absorb(struct spans *spans, uint64_t *cursor) {
    size_t n = 0;
    while (n < spans->count && spans->items[n].first <= *cursor + 1) {
        if (spans->items[n].last > *cursor)
            *cursor = spans->items[n].last;
        n++;
    }
    spans_drop(spans, n);
}

void spans_drop(struct spans *spans, size_t count) {
    spans->count -= count;
    if (count && spans->count)
        memmove(spans->items, spans->items + count, spans->count * sizeof *spans->items);
}

void positions_destroy(struct positions *positions) {
    free(positions->items);
    *positions = (struct positions){0};
}

int positions_add(struct positions *positions, uint64_t position) {
    if (positions->count == positions->capacity) {
        size_t capacity = positions->capacity ? positions->capacity * 2 : 8;
        uint64_t *items = realloc(positions->items, capacity * sizeof *items);
        if (!items)
            return -ENOMEM;
        positions->items = items;
        positions->capacity = capacity;
    }
    positions->items[positions->count++] = position;
    return 0;
}

void positions_drop(struct positions *positions, size_t count) {
    positions->count -= count;
    if (count && positions->count)
        memmove(positions->items, positions->items + count, positions->count * sizeof *positions->items);
}
