// Where envelopes are laid one behind the other, each with its length before it, just as the body of a
// Deliver frame has them: so they go out from there. Memory comes in chunks, larger ones where there is more.
#pragma once

#include "core/base/chunk.h"

struct laying {          // zero-initialised it has no memory
    struct chunk *chunk; // that is filled; owned reference, or NULL
    size_t used;         // of it
    size_t laid;         // bytes since the last laying_end()
    size_t next;         // bytes of the next chunk
};

// Room for an envelope of `size` bytes in laying->chunk, with its length before it; what nobody writes there
// is a gap. NULL without memory.
uint8_t *laying_add(struct laying *laying, size_t size);
// Gives its own reference back: what comes next begins a chunk, of the size that was needed this time.
void laying_end(struct laying *laying);
