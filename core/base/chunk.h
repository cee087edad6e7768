// Reference-counted memory for message bytes on their way through one thread: several deliveries share what
// was received.
#pragma once

#include "core/base/buffer.h"

struct chunk {
    struct bytes bytes;
    unsigned references;
    void (*release)(void *context); // called when the last reference goes; frees what `bytes` lies in
    void *context;
};

// Returns owned with one reference; takes `context`. NULL without memory (then nothing was taken).
struct chunk *chunk_new(struct bytes bytes, void (*release)(void *context), void *context);
// As chunk_new with an own copy of `bytes`.
struct chunk *chunk_copy(struct bytes bytes);
// As chunk_new of what the buffer holds, which is empty afterwards.
struct chunk *chunk_take(struct buffer *buffer);
struct chunk *chunk_ref(struct chunk *chunk); // returns owned
void chunk_unref(struct chunk **self);        // takes; NULL is fine

// A part of a chunk, with a reference of its own. Zero-initialised it is none.
struct slice {
    struct chunk *chunk; // owned reference; NULL: none
    struct bytes bytes;
};
void slice_drop(struct slice *slice); // it is none afterwards
