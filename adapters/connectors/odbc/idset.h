// A set of row ids, as runs of neighbours: which rows of an outbox were given to the bus. Everything up to
// the floor is in it.
#pragma once

#include "core/base/buffer.h"
#include "core/base/error.h"

struct idset_run {
    int64_t first;
    int64_t last;
    uint64_t since_ns; // when `first` was added: what lies before it and isn't in the set was under way then,
                       // if ever
};

struct idset {
    int64_t floor;          // all ids up to here are in the set; -1 at first
    struct idset_run *runs; // owned; rising, never touching, all above the floor
    size_t count;
    size_t capacity;
};

void idset_init(struct idset *set);
void idset_destroy(struct idset *set);
bool idset_has(const struct idset *set, int64_t id);
int idset_add(struct idset *set, int64_t id, uint64_t now_ns); // 0 (also when it is in), -ENOMEM
void idset_remove_last(struct idset *set, int64_t id);         // takes back the id that was added just now
void idset_clear(struct idset *set);                           // the runs go, the floor stays
int64_t idset_highest(const struct idset *set);

// Raises the floor over runs that touch it, and over gaps whose run behind was first seen `grace_ns` ago.
void idset_raise(struct idset *set, uint64_t now_ns, uint64_t grace_ns);

// Floor and runs in a few bytes; appended. 0, -ENOMEM. idset_read(): false when the bytes are no set;
// replaces `set`.
int idset_write(const struct idset *set, struct buffer *out);
bool idset_read(struct idset *set, struct bytes bytes, uint64_t now_ns);
