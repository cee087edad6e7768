// Reference-counted memory for message bytes on their way through one thread: several deliveries share what
// was received.
#pragma once

#include "core/base/bytes.h"

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
struct chunk *chunk_ref(struct chunk *chunk); // returns owned
void chunk_unref(struct chunk **self);        // takes; NULL is fine
