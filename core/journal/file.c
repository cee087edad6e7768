#include "core/journal/file.h"

#include "core/base/clock.h"
#include "core/journal/disk.h"
#include "core/journal/transfer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define SEGMENT_SIZE_DEFAULT ((uint64_t)64 << 20)
#define SEGMENT_SIZE_MIN ((uint64_t)64 << 10)
#define SEGMENT_SIZE_MAX ((uint64_t)1 << 30) // places in a segment are 32 bits

// A small append onto blocks that were never written makes the file system change its metadata, which doubles
// the time of its sync (measured: 120 us against 75 us for 4 KiB). So small appends write zeros ahead of
// themselves now and then. Large ones gain less than it costs them, and must not write every byte twice.
#define SMALL_APPEND ((uint64_t)64 << 10)
#define ZEROS_AHEAD ((uint64_t)256 << 10)

// ---- Append ----

static uint64_t room_needed(const struct file_journal *file, const struct journal_batch *batch) {
    // A foot as large as it can become by this batch, so that sealing never lacks room.
    return file->tail + block_up(batch->size) +
           foot_room(
               file->index.queue_count + batch->entry_count, file->index.entry_count + batch->entry_count);
}

static int write_ahead(struct file_journal *file, uint64_t end) {
    uint64_t size = end - file->tail;
    if (end <= file->written)
        return 0;
    file->written = end;
    if (size >= SMALL_APPEND || end >= file->allocated)
        return 0;
    uint64_t zeros = file->allocated - end < ZEROS_AHEAD ? file->allocated - end : ZEROS_AHEAD;
    zeros -= zeros % JOURNAL_BLOCK;
    file->written += zeros;
    file->counters.appended_bytes += zeros;
    return transfer_zeros(file->fd, end, zeros);
}

static int write_batch(struct file_journal *file, struct journal_batch *batch) {
    uint64_t padded = block_up(batch->size);
    memset(batch->data + batch->size, 0, padded - batch->size);
    int rc = transfer_write(file->fd, batch->data, padded, file->tail);
    if (!rc)
        rc = write_ahead(file, file->tail + padded);
    if (!rc)
        rc = disk_sync(file->fd);
    file->counters.appended_bytes += padded;
    file->counters.syncs++;
    return rc;
}

static int seal_batch(struct file_journal *file, struct journal_batch *batch) {
    int64_t now = file->now_ns(file->now_context);
    if (now < file->last_time_ns)
        now = file->last_time_ns; // a clock set back must not make time go back in the record
    int rc = queue_index_add_batch(&file->index, batch->data, batch->count, file->tail);
    if (!rc)
        rc = chain_seal(&file->chain, batch, file->epoch, file->base.last + 1, now);
    file->last_time_ns = now;
    return rc;
}

static int roll(struct file_journal *file, struct error *error) {
    int rc = file_take_checkpoint(file, error); // now: the owner's state is exactly what was appended
    if (!rc)
        rc = file_seal(file, error);
    if (!rc)
        rc = file_start_segment(file, error);
    return rc == JOURNAL_FULL ? 0 : rc; // this append is whole; the next one tries again
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

static int file_append(struct journal *journal, struct journal_batch *batch, struct error *error) {
    struct file_journal *file = (struct file_journal *)journal;
    if (batch->count == 0)
        return 0;
    int rc = check_append(file, batch, error);
    if (rc)
        return rc;
    uint64_t number = file->segments[file->segment_count - 1].number;
    rc = seal_batch(file, batch);
    if (rc == -EINVAL) {
        file->failed = true;
        return error_set(error, rc, "a record's position does not follow the last one of its queue");
    }
    if (!rc)
        rc = write_batch(file, batch);
    if (rc)
        return file_io_failed(file, number, rc, error);
    file->tail += block_up(batch->size);
    file->batches++;
    file->base.last += batch->count;
    file->base.durable = file->base.last;
    file->counters.payload_bytes += batch->body_bytes;
    journal_batch_clear(batch);
    return file_should_roll(file) && !file->ownerless ? roll(file, error) : 0;
}

static void file_status(const struct journal *journal, struct journal_status *out) {
    const struct file_journal *file = (const struct file_journal *)journal;
    *out = file->counters;
    out->segments = file->segment_count;
    out->bytes = file_bytes(file);
    out->first = file->first_sequence;
    out->last = file->base.last;
}

static void file_close(struct journal *journal) {
    struct file_journal *file = (struct file_journal *)journal;
    if (file->fd >= 0)
        disk_close(file->fd);
    reader_destroy(&file->reader);
    queue_index_destroy(&file->index);
    chain_destroy(&file->chain);
    buffer_destroy(&file->checkpoint);
    for (size_t i = 0; i < file->segment_count; i++)
        foot_destroy(&file->segments[i].foot);
    free(file->segments);
    if (file->folder >= 0)
        disk_close(file->folder); // and with it the lock
    free(file);
}

static const struct journal_operations operations = {
    .append = file_append,
    .read_queue = file_read_queue,
    .read_record = file_read_record,
    .erase = file_erase,
    .retire = file_retire,
    .status = file_status,
    .close = file_close,
};

// ---- Open ----

static int64_t machine_now(void *context) {
    (void)context;
    return clock_realtime_ns();
}

static int open_folder(struct file_journal *file, const char *path, struct error *error) {
    int rc = disk_folder_open(path, true, &file->folder);
    if (rc)
        return error_set(error, rc, "can't open or make the folder: %s%s", strerror(-rc),
            rc == -ENOENT ? "; the folder above it must be there" : "");
    rc = disk_folder_lock(file->folder);
    if (rc == -EWOULDBLOCK)
        return error_set(error, JOURNAL_LOCKED, "another process has this journal open");
    return rc ? error_set(error, rc, "locking: %s", strerror(-rc)) : 0;
}

static int take_options(
    struct file_journal *file, const struct journal_options *options, struct error *error) {
    file->segment_size = options->segment_size ? block_up(options->segment_size) : SEGMENT_SIZE_DEFAULT;
    file->size_limit = options->size_limit;
    file->buffered = options->buffered;
    file->ownerless = options->ownerless;
    file->now_ns = options->now_ns ? options->now_ns : machine_now;
    file->now_context = options->now_context;
    file->algorithm = options->sm3 ? DIGEST_SM3 : DIGEST_SHA256;
    if (file->segment_size < SEGMENT_SIZE_MIN || file->segment_size > SEGMENT_SIZE_MAX)
        return error_set(
            error, -EINVAL, "a segment has 64 KiB to 1 GiB, not %" PRIu64 " bytes", file->segment_size);
    if (file->size_limit && file->size_limit < 2 * file->segment_size)
        return error_set(error, -EINVAL, "the limit of a journal is two segments at least: %" PRIu64 " bytes",
            2 * file->segment_size);
    return 0;
}

int journal_file_open(const struct journal_options *options, const struct journal_owner *owner,
    struct journal **out, struct error *error) {
    struct file_journal *file = calloc(1, sizeof *file);
    if (!file)
        return error_no_memory(error);
    file->base.operations = &operations;
    file->owner = *owner;
    file->fd = file->folder = -1;
    struct error inner = {0};
    int rc = take_options(file, options, &inner);
    if (!rc)
        rc = open_folder(file, options->folder, &inner);
    reader_init(&file->reader, file->folder);
    if (!rc)
        rc = file_recover(file, &inner);
    if (rc) {
        file_close(&file->base);
        error_set(error, rc, "%s", inner.text);
        error_prefix(error, "journal %s: ", options->folder);
        return rc;
    }
    *out = &file->base;
    return 0;
}
