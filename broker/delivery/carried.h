// Deliveries that outlived their segment's retention: they were written again, as records of a queue of their
// own (the *carry queue*), so that the segment could go. Their positions stay what they were; this map says
// under which position of the carry queue each is found now. And what such a record says.
#pragma once

#include "core/base/buffer.h"
#include "core/journal/journal.h"

struct carried_run { // positions `first` to `first + count - 1` lie at `at` to `at + count - 1`
    uint64_t first;
    uint64_t count;
    uint64_t at;
};

struct carried {              // zero-initialised: nothing was carried
    uint32_t queue;           // the carry queue's id; 0: none yet
    struct carried_run *runs; // owned; by rising `first`, disjoint
    size_t count;
    size_t capacity;
};

void carried_destroy(struct carried *carried);
// `position` is now at `at`, wherever it was. 0 or -ENOMEM, then unchanged.
int carried_add(struct carried *carried, uint64_t position, uint64_t at);
// Where it is now, and how many of its run from it on (`*rest`, at least 1). False: not carried.
bool carried_find(const struct carried *carried, uint64_t position, uint64_t *at, uint64_t *rest);
// Forgets all positions up to here.
void carried_drop(struct carried *carried, uint64_t up_to);
uint64_t carried_total(const struct carried *carried);

// ---- The record ----

struct carried_record {
    uint32_t queue; // where it has its position, as before
    uint64_t position;
    uint8_t kind; // what it was
    uint64_t sequence;
    int64_t time_ns;
    struct bytes body; // of a message record: with this one delivery only
};

// The record's front; the body's bytes follow as the next part. 0 or -ENOMEM.
int carried_front(const struct carried_record *record, struct buffer *out);
int carried_read(struct bytes body, struct carried_record *out); // borrows. 0 or -EBADMSG
// Of a message record's body what its delivery at (queue, position) needs: no other delivery, and no original
// envelope where it goes out mapped. 0, -EBADMSG, -ENOMEM.
int carried_reduce(struct bytes body, uint32_t queue, uint64_t position, struct buffer *out);
