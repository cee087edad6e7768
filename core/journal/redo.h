// The erasure of one record's body, made so that a crash in its middle can be finished: what is to be written
// stands in a file of its own (`erase.redo`) before the record is touched. Inside core/journal.
#pragma once

#include "core/journal/format.h"

#define REDO_NAME "erase.redo"

struct redo { // segment 0: none
    uint64_t segment;
    uint64_t epoch;
    uint64_t offset; // of the record in its segment
    uint64_t sequence;
    uint32_t length; // of the record
    uint8_t leaf[DIGEST_SIZE];
};

// What the folder's file says; segment 0 where there is none, or a cut one (then nothing was touched yet). 0
// or negative.
int redo_read(int folder, struct redo *out);
// On the disk for sure afterwards. 0 or negative.
int redo_write(int folder, const struct redo *redo);
int redo_remove(int folder);
// Writes the erased record in its place, whatever part of it is there already, and syncs. `file` is open for
// writing. 0, -EBADMSG (another record stands there), other negative ones.
int redo_apply(int file, const struct redo *redo);
// Whether the record in `bytes` (its header is all that is looked at) is the one.
bool redo_is_of(const struct redo *redo, const uint8_t *record, uint64_t length);
