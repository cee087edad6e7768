// The frames of the log of rows (rowlog.h).
#pragma once

#include "core/base/buffer.h"

#define FRAME_HEAD 8u // size and check
#define FRAME_BODY 9u // kind and position
#define ROW_LIMIT ((size_t)16 << 20)

enum frame_kind {
    FRAME_ROW = 1,
    FRAME_COMMIT = 2, // its bytes: the bus
    FRAME_FINISH = 3, // its bytes: the file's name
    FRAME_KNOWN = 4,  // its bytes: positions of rows that are in files already
};

// Appends a frame. 0, -ENOMEM.
int frame_put(struct buffer *out, enum frame_kind kind, uint64_t position, struct bytes bytes);
// Reads the frame at `offset`, without its head, into `frame`. 0, -ENODATA when there is no whole and right
// one before `end`, other negatives.
int frame_read(int fd, uint64_t offset, uint64_t end, struct buffer *frame);
// Writes all of `bytes` at `offset`. 0, negative.
int frame_write(int fd, uint64_t offset, struct bytes bytes);
