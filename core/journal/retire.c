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
// erased first: what retired must not stay readable.
static int keep_as_spare(struct file_journal *file, const struct segment *segment, const char *name) {
    char spare[SEGMENT_NAME_SIZE];
    spare_name(segment->number, spare);
    if (file->spare_count == SPARES_MAX || disk_rename(file->folder, name, spare))
        return -EOPNOTSUPP;
    int fd = -1;
    int rc = disk_open(file->folder, spare, O_RDWR, true, &fd);
    if (!rc)
        rc = transfer_erase(fd, 0, segment->size, true);
    if (fd >= 0)
        disk_close(fd);
    if (rc) {
        rc = disk_rename(file->folder, spare, name);
        return rc ? rc : -EOPNOTSUPP;
    }
    file->spares[file->spare_count++] = segment->number;
    file->spare_bytes += segment->size;
    return 0;
}

static int retire_oldest(struct file_journal *file) {
    struct segment *oldest = &file->segments[0];
    char name[SEGMENT_NAME_SIZE];
    segment_name(oldest->number, name);
    reader_forget(&file->reader, oldest->number);
    int rc = keep_as_spare(file, oldest, name);
    if (rc == -EOPNOTSUPP)
        rc = disk_remove(file->folder, name);
    if (rc)
        return rc;
    file->first_sequence = oldest->foot.last_sequence + 1;
    foot_destroy(&oldest->foot);
    file->segment_count--;
    memmove(file->segments, file->segments + 1, file->segment_count * sizeof *file->segments);
    return 0;
}

int file_retire(struct journal *journal, int64_t keep_until_ns, const struct journal_settled *settled,
    size_t *retired, struct error *error) {
    struct file_journal *file = (struct file_journal *)journal;
    size_t count = 0;
    int rc = 0;
    while (!rc && file->segment_count > 1) { // the last one has the state
        rc = file_know_segment(file, 0, error);
        if (rc || !may_retire(&file->segments[0], keep_until_ns, settled))
            break;
        uint64_t number = file->segments[0].number;
        rc = retire_oldest(file);
        // One by one and in order: a crash must never leave a gap in the numbers.
        if (!rc)
            rc = disk_folder_sync(file->folder);
        if (rc)
            file_io_failed(file, number, rc, error);
        count += rc == 0;
    }
    if (retired)
        *retired = count;
    return rc;
}
