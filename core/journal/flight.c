// A batch on its way to the disk: prepared by the caller of journal_append(), sealed, written and synced
// there too or by the writer's thread, and taken note of by the caller again.
//
// While a batch is under way the thread alone has the batch, the chain and the active segment's file, and the
// caller only reads what else is in struct file_journal. A roll changes that: it is done under the writer's
// lock, which the caller takes for reading, retiring and the status.
#include "core/journal/disk.h"
#include "core/journal/file.h"
#include "core/journal/transfer.h"

#include <errno.h>
#include <stdlib.h>

// A small append onto blocks that were never written makes the file system change its metadata, which doubles
// the time of its sync (measured: 120 us against 75 us for 4 KiB). So small appends write zeros ahead of
// themselves now and then. Large ones gain less than it costs them, and must not write every byte twice.
#define SMALL_APPEND ((uint64_t)64 << 10)
#define ZEROS_AHEAD ((uint64_t)256 << 10)

#define AHEAD_BYTES ((size_t)128 << 10) // about 50 us

// ---- Sealing, writing, syncing: the writer's part ----

static int write_ahead(struct file_journal *file, uint64_t end, uint64_t *appended) {
    uint64_t size = end - file->tail;
    if (end <= file->written)
        return 0;
    file->written = end;
    if (size >= SMALL_APPEND || end >= file->allocated)
        return 0;
    uint64_t zeros = file->allocated - end < ZEROS_AHEAD ? file->allocated - end : ZEROS_AHEAD;
    zeros -= zeros % JOURNAL_BLOCK;
    file->written += zeros;
    *appended += zeros;
    return transfer_zeros(file->fd, end, zeros);
}

static int write_batch(struct file_journal *file) {
    struct flight *flight = &file->flight;
    struct journal_batch *batch = flight->batch;
    uint64_t padded = block_up(batch->size);
    memset(batch->data + batch->size, 0, padded - batch->size);
    int rc = transfer_write(file->fd, batch->data, padded, file->tail);
    flight->appended = padded;
    if (!rc)
        rc = write_ahead(file, file->tail + padded, &flight->appended);
    return rc ? rc : disk_sync(file->fd);
}

// It is on the disk.
static void adopt(struct file_journal *file) {
    const struct flight *flight = &file->flight;
    file->tail += block_up(flight->batch->size);
    file->batches++;
    file->counters.appended_bytes += flight->appended;
    file->counters.payload_bytes += flight->batch->body_bytes;
    file->counters.syncs++;
}

static int roll(struct file_journal *file, struct error *error) {
    int rc = file_seal(file, error);
    if (!rc)
        rc = file_start_segment(file, error);
    return rc == JOURNAL_FULL ? 0 : rc; // this append is whole; the next one tries again
}

void file_fly(void *context) {
    struct file_journal *file = context;
    struct flight *flight = &file->flight;
    int rc = chain_seal(&file->chain, flight->batch, file->epoch);
    if (!rc)
        rc = write_batch(file);
    if (rc) {
        writer_lock(file->writer);
        flight->rc = file_io_failed(file, flight->segment, rc, &flight->error);
        writer_unlock(file->writer);
        return;
    }
    if (!flight->rolls)
        return;
    writer_lock(file->writer);
    adopt(file);
    flight->adopted = true;
    writer_unlock(file->writer);
    atomic_store_explicit(&flight->durable, flight->batch->first_sequence + flight->batch->count - 1,
        memory_order_release); // others may hear of it while the roll goes on
    if (file->writer)
        writer_tell(file->writer);
    writer_lock(file->writer);
    flight->rc = roll(file, &flight->error);
    writer_unlock(file->writer);
}

// ---- The caller's part ----

static int land(struct file_journal *file, struct error *error) {
    struct flight *flight = &file->flight;
    flight->under_way = false;
    if (flight->rc) {
        file->failed = true;
        return error_set(error, flight->rc, "%s", flight->error.text);
    }
    if (!flight->adopted)
        adopt(file);
    file->base.durable = file->base.last;
    journal_batch_clear(flight->batch);
    return 0;
}

int file_collect(struct journal *journal, bool wait, struct error *error) {
    struct file_journal *file = (struct file_journal *)journal;
    struct flight *flight = &file->flight;
    if (!file->writer)
        return 0;
    if (wait)
        writer_wait(file->writer);
    writer_heard(file->writer); // before looking: what is said from here on wakes again
    if (!flight->under_way)
        return 0;
    if (!writer_busy(file->writer)) {
        // The thread may not have said yet that it ended: nobody would hear it behind this, and the
        // descriptor would stay readable until the next batch.
        writer_wait(file->writer);
        writer_heard(file->writer);
        return land(file, error);
    }
    uint64_t durable = atomic_load_explicit(&flight->durable, memory_order_acquire);
    if (durable > file->base.durable)
        file->base.durable = durable;
    return 0;
}

static uint64_t room_needed(const struct file_journal *file, const struct journal_batch *batch) {
    // A foot as large as it can become by this batch, so that sealing never lacks room.
    return file->tail + block_up(batch->size) +
           foot_room(
               file->index.queue_count + batch->entry_count, file->index.entry_count + batch->entry_count);
}

static int check_append(struct file_journal *file, struct journal_batch *batch, struct error *error) {
    if (file->failed)
        return error_set(error, -EIO, "the journal failed before; it must be opened again");
    if (file->fd < 0) {
        int rc = file_start_segment(file, error);
        if (rc)
            return rc;
    }
    uint64_t needed = room_needed(file, batch);
    if (needed > UINT32_MAX)
        return error_set(error, -EMSGSIZE, "a batch of %zu bytes does not fit a segment", batch->size);
    return file_reserve(file, needed, error);
}

static int64_t next_time(struct file_journal *file) {
    int64_t now = file->now_ns(file->now_context);
    if (now > file->last_time_ns) // a clock set back must not make time go back in the record
        file->last_time_ns = now;
    return file->last_time_ns;
}

// What was done ahead holds where the batch is what it was thought to be: the next one, and not before the
// segment that a roll began meanwhile.
static void number_batch(struct file_journal *file, struct journal_batch *batch) {
    uint64_t first_sequence = file->base.last + 1;
    bool holds =
        batch->complete && batch->first_sequence == first_sequence && batch->time_ns >= file->last_time_ns;
    if (holds)
        file->last_time_ns = batch->time_ns;
    else
        journal_batch_number(batch, first_sequence, next_time(file));
}

// The next segment has its room when this one is half full, and this one isn't ended before: on a full disk
// the second half is for what makes room. The checkpoint is of exactly what was appended.
static int prepare_roll(struct file_journal *file, struct error *error) {
    struct flight *flight = &file->flight;
    uint64_t tail = file->tail + block_up(flight->batch->size);
    if (file->ownerless || !file_half_full(file, tail))
        return 0;
    bool secured = file->secured || file_secure_next(file, file->body);
    if (!secured || !file_should_roll(file, tail))
        return 0;
    int rc = file_take_checkpoint(file, error);
    uint64_t head = block_up(HEAD_SIZE + file->checkpoint.size);
    flight->rolls = head <= file->body || file_secure_next(file, head);
    if (!flight->rolls)
        buffer_destroy(&file->checkpoint);
    return rc;
}

// All that the owner's state and the index have to do with it, so that what is under way needs neither.
static int prepare(struct file_journal *file, struct journal_batch *batch, struct error *error) {
    struct flight *flight = &file->flight;
    int rc = queue_index_add_places(&file->index, batch->places, batch->entry_count, file->tail);
    if (rc == -EINVAL) {
        file->failed = true;
        return error_set(error, rc, "a record's position does not follow the last one of its queue");
    }
    uint64_t number = file->segments[file->segment_count - 1].number;
    if (rc)
        return file_io_failed(file, number, rc, error);
    number_batch(file, batch);
    *flight = (struct flight){.batch = batch, .segment = number};
    file->base.last += batch->count;
    return prepare_roll(file, error);
}

int file_append(struct journal *journal, struct journal_batch *batch, struct error *error) {
    struct file_journal *file = (struct file_journal *)journal;
    if (batch->count == 0 && !file->failed)
        return 0;
    int rc = file_collect(journal, false, error);
    if (!rc && file->flight.under_way)
        return error_set(error, JOURNAL_BUSY, "the batch before is still under way");
    if (!rc)
        rc = check_append(file, batch, error);
    if (!rc)
        rc = prepare(file, batch, error);
    if (rc)
        return rc;
    file->flight.under_way = true;
    if (!file->writer || (batch->size <= file->inline_bytes && !file->flight.rolls)) {
        file_fly(file);
        return land(file, error);
    }
    journal_batch_swap(batch, file->own);
    file->flight.batch = file->own;
    writer_start(file->writer);
    return 0;
}

// The writer has the chain and the segment; leaves need neither. The time is looked at again when the batch
// is appended.
bool file_work_ahead(struct journal *journal, struct journal_batch *batch) {
    struct file_journal *file = (struct file_journal *)journal;
    if (!file->flight.under_way || batch->count == 0)
        return false;
    if (batch->complete == 0 || batch->first_sequence != file->base.last + 1)
        journal_batch_number(batch, file->base.last + 1, file->now_ns(file->now_context));
    return leaves_make(&file->ahead, batch, AHEAD_BYTES) == 0 && batch->complete < batch->count;
}

bool file_busy(const struct journal *journal) {
    const struct file_journal *file = (const struct file_journal *)journal;
    return file->flight.under_way;
}

int file_fd(const struct journal *journal) {
    const struct file_journal *file = (const struct file_journal *)journal;
    return file->writer ? writer_fd(file->writer) : -1;
}
