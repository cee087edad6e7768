#include "core/journal/file.h"

#include "core/base/clock.h"
#include "core/journal/disk.h"
#include "core/journal/left.h"
#include "core/journal/transfer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define SEGMENT_SIZE_DEFAULT ((uint64_t)64 << 20)
#define SEGMENT_SIZE_MIN ((uint64_t)64 << 10)
#define SEGMENT_SIZE_MAX ((uint64_t)1 << 30) // places in a segment are 32 bits

static bool is_last_segment(const struct file_journal *file) {
    return file->size_limit && file->spare_count == 0 &&
           file_bytes(file) + block_up(HEAD_SIZE + file->checkpoint.size) + file->segment_size >
               file->size_limit;
}

static void file_status(const struct journal *journal, struct journal_status *out) {
    const struct file_journal *file = (const struct file_journal *)journal;
    writer_lock(file->writer);
    *out = file->counters;
    out->segments = file->segment_count;
    out->bytes = file_bytes(file);
    out->first = file->first_sequence;
    out->last = file->base.last;
    out->last_segment = is_last_segment(file) || file->no_next;
    writer_unlock(file->writer);
}

static void file_close(struct journal *journal) {
    struct file_journal *file = (struct file_journal *)journal;
    writer_destroy(&file->writer);
    journal_batch_destroy(&file->own);
    if (file->fd >= 0)
        disk_close(file->fd);
    reader_destroy(&file->reader);
    queue_index_destroy(&file->index);
    chain_destroy(&file->chain);
    leaf_maker_destroy(&file->ahead);
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
    .collect = file_collect,
    .busy = file_busy,
    .fd = file_fd,
    .work_ahead = file_work_ahead,
};

// ---- Open ----

static int64_t machine_now(void *context) {
    (void)context;
    return clock_realtime_ns();
}

static int open_folder(
    struct file_journal *file, const struct journal_options *options, struct error *error) {
    int rc = disk_folder_open(options->folder, true, &file->folder);
    if (rc)
        return error_set(error, rc, "can't open or make the folder: %s%s", strerror(-rc),
            rc == -ENOENT ? "; the folder above it must be there" : "");
    rc = disk_folder_lock(file->folder);
    if (rc == -EWOULDBLOCK)
        return error_set(error, JOURNAL_LOCKED, "another process has this journal open");
    if (rc)
        return error_set(error, rc, "locking: %s", strerror(-rc));
    return options->left ? 0 : left_check(file->folder, error);
}

static int take_options(
    struct file_journal *file, const struct journal_options *options, struct error *error) {
    file->segment_size = options->segment_size ? block_up(options->segment_size) : SEGMENT_SIZE_DEFAULT;
    file->busy_segment = block_up(options->busy_segment);
    file->active_size = file->segment_size;
    file->active_since_ns = INT64_MIN;
    file->size_limit = options->size_limit;
    file->buffered = options->buffered;
    file->ownerless = options->ownerless;
    file->inline_bytes = options->inline_bytes;
    file->now_ns = options->now_ns ? options->now_ns : machine_now;
    file->now_context = options->now_context;
    file->algorithm = options->sm3 ? DIGEST_SM3 : DIGEST_SHA256;
    if (file->segment_size < SEGMENT_SIZE_MIN || file->segment_size > SEGMENT_SIZE_MAX ||
        file->busy_segment > SEGMENT_SIZE_MAX)
        return error_set(
            error, -EINVAL, "a segment has 64 KiB to 1 GiB, not %" PRIu64 " bytes", file->segment_size);
    if (file->size_limit && file->size_limit < 2 * file->segment_size)
        return error_set(error, -EINVAL, "the limit of a journal is two segments at least: %" PRIu64 " bytes",
            2 * file->segment_size);
    return 0;
}

static int start_writer(struct file_journal *file, struct error *error) {
    file->own = journal_batch_new(0); // its limit is that of the batch it is exchanged with
    int rc = file->own ? leaf_maker_init(&file->ahead, file->algorithm) : -ENOMEM;
    rc = rc ? rc : writer_new(file_fly, file, &file->writer);
    return rc ? error_set(error, rc, "starting the writer: %s", strerror(-rc)) : 0;
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
        rc = open_folder(file, options, &inner);
    reader_init(&file->reader, file->folder, file->buffered);
    if (!rc)
        rc = file_recover(file, &inner);
    if (!rc && options->background)
        rc = start_writer(file, &inner);
    if (rc) {
        file_close(&file->base);
        error_set(error, rc, "%s", inner.text);
        error_prefix(error, "journal %s: ", options->folder);
        return rc;
    }
    *out = &file->base;
    return 0;
}
