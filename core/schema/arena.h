// Memory that is freed all at once: the catalogue's types and names.
#pragma once

#include "core/base/bytes.h"

struct arena {
    struct arena_block *blocks; // the newest first; owned
    size_t used;                // of the newest
    size_t size;
};

void *arena_alloc(struct arena *arena, size_t size); // zeroed, aligned for anything; NULL without memory
char *arena_string(struct arena *arena, struct bytes text);            // a copy that ends with NUL
char *arena_join(struct arena *arena, struct bytes a, struct bytes b); // "a.b", or "b" when `a` is empty
void arena_destroy(struct arena *arena);
