// The path to where something went wrong, put together from the inside out: ".address.division".
#pragma once

#include "core/base/bytes.h"

struct trail {
    size_t size;
    char text[256];
};

// A path that does not fit loses its outermost names.
static inline void trail_prepend(struct trail *trail, const char *name) {
    size_t size = strlen(name);
    if (trail->size + size + 1 >= sizeof trail->text)
        return;
    memmove(trail->text + size + 1, trail->text, trail->size);
    trail->text[0] = '.';
    memcpy(trail->text + 1, name, size);
    trail->size += size + 1;
}

// For "%.*s": without the first dot.
#define TRAIL_ARGS(t) ((t)->size ? (int)(t)->size - 1 : 0), ((t)->text + 1)
