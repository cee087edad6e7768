#include "core/journal/disk.h"
#include "core/journal/file.h"
#include "core/journal/folder.h"
#include "core/journal/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

static bool may_retire(
    const struct segment *segment, int64_t keep_until_ns, const struct journal_settled *settled) {
    const struct foot *foot = &segment->foot;
    if (foot->last_time_ns >= keep_until_ns)
        return false;
    for (uint32_t i = 0; i < foot->queue_count; i++) {
        const struct foot_queue *queue = &foot->queues[i];
        if (settled && !settled->settled(settled->context, queue->queue, queue->first + queue->count - 1))
            return false;
    }
    return true;
}

// Keeps the file for the next segment, so that its room is not taken by others on a full disk. Its bytes are
// erased: what retired must not stay readable. Where they can't be, it goes.
static int keep_as_spare(struct file_journal *file, const struct segment *segment, const char *spare) {
    int fd = -1;
    int rc = disk_open(file->folder, spare, O_RDWR, true, &fd);
    if (!rc)
        rc = transfer_erase(fd, 0, segment->size, true);
    if (fd >= 0)
        disk_close(fd);
    if (rc)
        return disk_remove(file->folder, spare);
    memmove(file->spares + 1, file->spares, file->spare_count * sizeof *file->spares); // the last is the next
    file->spares[0] = segment->number;
    file->spare_count++;
    file->spare_bytes += segment->size;
    return 0;
}

// The name goes first, and for sure: a cut must not find an erased file under a segment's name. One by one
// and in order: it must never leave a gap in the numbers.
static int retire_oldest(struct file_journal *file) {
    struct segment *oldest = &file->segments[0];
    char name[SEGMENT_NAME_SIZE];
    char spare[SEGMENT_NAME_SIZE];
    segment_name(oldest->number, name);
    spare_name(oldest->number, spare);
    reader_forget(&file->reader, oldest->number);
    bool keep = file->spare_count < SPARES_MAX && disk_rename(file->folder, name, spare) == 0;
    int rc = keep ? 0 : disk_remove(file->folder, name);
    if (!rc)
        rc = disk_folder_sync(file->folder);
    if (!rc && keep)
        rc = keep_as_spare(file, oldest, spare);
    if (rc)
        return rc;
    file->first_sequence = oldest->foot.last_sequence + 1;
    foot_destroy(&oldest->foot);
    file->segment_count--;
    memmove(file->segments, file->segments + 1, file->segment_count * sizeof *file->segments);
    return 0;
}

static int retire(struct file_journal *file, int64_t keep_until_ns, const struct journal_settled *settled,
    size_t *retired, struct error *error) {
    size_t count = 0;
    int rc = 0;
    while (!rc && file->segment_count > 1) { // the last one has the state
        rc = file_know_segment(file, 0, error);
        if (rc || !may_retire(&file->segments[0], keep_until_ns, settled))
            break;
        uint64_t number = file->segments[0].number;
        rc = retire_oldest(file);
        if (rc)
            file_io_failed(file, number, rc, error);
        count += rc == 0;
    }
    if (retired)
        *retired = count;
    if (file->no_next)
        file_secure_next(file, file->body); // others may have made room too
    return rc;
}

int file_retire(struct journal *journal, int64_t keep_until_ns, const struct journal_settled *settled,
    size_t *retired, struct error *error) {
    struct file_journal *file = (struct file_journal *)journal;
    writer_lock(file->writer);
    int rc = retire(file, keep_until_ns, settled, retired, error);
    writer_unlock(file->writer);
    return rc;
}
