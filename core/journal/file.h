// Inside of the file back end: what its parts (append, segments, recovery, reading, retiring) share.
#pragma once

#include "core/base/buffer.h"
#include "core/journal/backend.h"
#include "core/journal/chain.h"
#include "core/journal/foot.h"
#include "core/journal/reader.h"
#include "core/journal/writer.h"

#include <stdatomic.h>
#include <sys/types.h>

#define SPARES_MAX 2

struct segment {
    uint64_t number;
    uint64_t size; // of the file
    bool known;    // `foot` was read (or, in the active one, never is)
    struct foot foot;
};

// A batch on its way to the disk (flight.c).
struct flight {
    bool under_way; // until the caller took note of its end
    bool rolls;     // the segment is sealed behind it
    bool adopted;   // it counts as the segment's
    struct journal_batch *batch;
    uint64_t segment;
    uint64_t appended;        // bytes
    _Atomic uint64_t durable; // it is, while the roll goes on; 0: not known yet
    int rc;
    struct error error;
};

struct file_journal {
    struct journal base;
    struct journal_owner owner;
    uint64_t segment_size;
    uint64_t busy_segment;
    uint64_t active_size;    // what the active segment is meant to hold
    int64_t active_since_ns; // when it was begun; INT64_MIN: by an earlier process
    uint64_t size_limit;
    bool buffered;
    bool ownerless;
    size_t inline_bytes;
    int64_t (*now_ns)(void *context);
    void *now_context;
    enum digest_kind algorithm;

    int folder;               // locked while open
    struct segment *segments; // oldest first
    size_t segment_count;
    size_t segment_capacity;
    uint64_t spares[SPARES_MAX];
    size_t spare_count;
    uint64_t spare_bytes;
    uint64_t first_sequence; // of the oldest segment

    // The active segment: the last one. fd < 0: the last one is sealed, and the next could not be made yet;
    // then `checkpoint` has what it starts with, taken when the owner's state was exactly that.
    int fd;
    uint64_t epoch;
    uint64_t body;      // where the first batch stands, behind the head with its checkpoint
    uint64_t tail;      // where the next batch goes
    uint64_t allocated; // up to here the disk has room for sure
    uint64_t written;   // up to here blocks were written before: overwriting them changes no metadata
    uint64_t segment_first_sequence;
    uint64_t batches;
    int64_t last_time_ns;
    struct queue_index index;
    struct buffer checkpoint;
    bool secured; // what the next segment needs was seen to
    bool no_next; // the disk has none for another segment

    struct chain chain;
    struct leaf_maker ahead; // the caller's, while the writer has the chain
    struct reader reader;
    bool failed;
    struct journal_status counters;

    struct flight flight;
    struct writer *writer;     // NULL: append does it all
    struct journal_batch *own; // what the writer works on, exchanged with the caller's
};

// ---- segment.c ----
int file_add_segment(struct file_journal *file, uint64_t number, uint64_t size); // 0 or -ENOMEM
// Ends the active segment with its foot. 0 or negative.
int file_seal(struct file_journal *file, struct error *error);
// Makes the next segment from file->checkpoint. 0, JOURNAL_FULL (nothing changed), negative.
int file_start_segment(struct file_journal *file, struct error *error);
// Whether the next segment's file has its room on the disk, for a head with its checkpoint of so many bytes:
// made now where it isn't. False, and file->no_next: the disk is full.
bool file_secure_next(struct file_journal *file, uint64_t head);
// Takes the owner's checkpoint. 0 or negative.
int file_take_checkpoint(struct file_journal *file, struct error *error);
// Makes sure of room up to `end` in the active segment. 0, JOURNAL_FULL, negative.
int file_reserve(struct file_journal *file, uint64_t end, struct error *error);
uint64_t file_bytes(const struct file_journal *file); // on the disk, all of it
// Whether a segment with so much in it, and what the index has, is to be sealed.
bool file_should_roll(const struct file_journal *file, uint64_t tail);
bool file_half_full(const struct file_journal *file, uint64_t tail);
int file_io_failed(struct file_journal *file, uint64_t number, int rc, struct error *error);

// ---- flight.c ----
int file_append(struct journal *journal, struct journal_batch *batch, struct error *error);
int file_collect(struct journal *journal, bool wait, struct error *error);
bool file_busy(const struct journal *journal);
int file_fd(const struct journal *journal);
bool file_work_ahead(struct journal *journal, struct journal_batch *batch);
void file_fly(void *file); // the writer's job

// ---- erase.c ----
int file_read_record(
    struct journal *journal, uint64_t sequence, journal_visit *visit, void *context, struct error *error);
int file_erase(struct journal *journal, uint64_t sequence, struct error *error);
int file_finish_erasure(struct file_journal *file, struct error *error); // that a crash cut

// ---- recovery.c ----
int file_recover(struct file_journal *file, struct error *error);

// ---- read.c, retire.c ----
// What a failed call of the disk is to who reads. JOURNAL_UNREAD, JOURNAL_DAMAGED where that is borne;
// negative where it isn't the disk: no memory, no more open files.
int file_read_failed(struct file_journal *file, size_t at, int rc, struct error *error);
int file_know_segment(struct file_journal *file, size_t at, struct error *error); // reads its foot once
int file_read_queue(struct journal *journal, uint32_t queue, uint64_t from, size_t max_count,
    size_t max_bytes, journal_visit *visit, void *context, struct error *error);
int file_retire(struct journal *journal, int64_t keep_until_ns, const struct journal_settled *settled,
    size_t *retired, struct error *error);
