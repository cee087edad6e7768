// A walk over one segment's file from its head to its end: what recovery, scan and verification share. It
// knows a torn tail from damage. Inside core/journal.
#pragma once

#include "core/base/buffer.h"
#include "core/journal/folder.h"
#include "core/journal/foot.h"
#include "core/journal/redo.h"

enum {
    WALK_SEALED = 10, // the end: a foot stands at walk->offset
    WALK_OPEN = 11,   // the end: no more batches; walk->torn_bytes of something else stand at walk->offset
};

struct walk {
    int fd;
    uint64_t number;
    uint64_t size; // of the file
    struct segment_head head;
    struct buffer head_bytes; // with the checkpoint
    uint64_t offset;          // of the next batch
    uint64_t next_sequence;
    uint64_t torn_bytes;
    struct foot foot;   // when sealed
    uint64_t foot_size; // on the disk
    struct redo redo;   // an erasure that is under way: its record is taken for erased
    uint8_t *window;    // owned
    size_t window_capacity;
    size_t window_size;
    uint64_t window_offset;
};

struct walk_batch {
    struct batch_head head;
    uint64_t offset;
    const uint8_t *bytes; // header and records, borrowed until the next step
};

// Opens a segment and reads its head. 0, JOURNAL_DAMAGED, negative. The walk is to be closed in any case.
int walk_open(int folder, uint64_t number, struct walk *out, struct error *error);
void walk_close(struct walk *walk);
struct bytes walk_checkpoint(const struct walk *walk);
// The next batch, of which the CRCs are good. 0, WALK_SEALED, WALK_OPEN, JOURNAL_DAMAGED, negative.
int walk_next(struct walk *walk, struct walk_batch *out, struct error *error);
// For callers that find what walk_next() can't: names the segment and the offset. Returns JOURNAL_DAMAGED.
int walk_damaged(const struct walk *walk, uint64_t offset, const char *what, struct error *error);
