// Reads records by their place, through a few windows that are shared by all queues, so that a backlog is
// read in large pieces: past the system's cache, where each byte would be copied once more into memory that
// the system first has to find. Where one large piece follows another, the next one is read meanwhile. What
// lies far apart is read in small pieces, through the cache. Inside core/journal.
#pragma once

#include "core/base/buffer.h"
#include "core/journal/format.h"

struct disk_ahead;

#define READER_WINDOWS 8
#define READER_FILES 8

struct reader_window {
    uint64_t segment; // 0: unused
    uint64_t offset;
    size_t size;
    struct buffer memory; // owned; only its room is used
    uint8_t *data;        // its first whole block
    uint64_t used;        // when last, for which one goes first
};

struct reader_file {
    uint64_t segment; // 0: unused
    int fd;
    int direct; // past the cache; -1: not opened
    uint64_t used;
};

struct reader {
    int folder;    // borrowed
    bool buffered; // nothing goes past the cache
    uint64_t clock;
    struct reader_window windows[READER_WINDOWS];
    const struct reader_window *checked; // in it the record at `checked_offset` had a good CRC; NULL: none
    uint64_t checked_offset;
    struct disk_ahead *disk;     // owned; NULL: nothing was read ahead so far
    struct reader_window *ahead; // the disk fills it: its size is 0 until it is there; NULL: none
    bool goes_on;                // the window read last followed another one
    struct reader_file files[READER_FILES];
};

void reader_init(struct reader *reader, int folder, bool buffered);
void reader_destroy(struct reader *reader);
void reader_forget(struct reader *reader, uint64_t segment); // the segment is going away
// A descriptor of the segment, borrowed until the next call. 0 or negative.
int reader_file(struct reader *reader, uint64_t segment, int *fd);
// The record at `offset`, borrowed until the next call. `end` bounds what may be read; `span` hints how far
// the next records that are wanted go. 0, -EBADMSG (no good record there), other negative ones.
int reader_record(struct reader *reader, uint64_t segment, uint64_t offset, uint64_t end, uint64_t span,
    const uint8_t **record);
