#include "core/journal/disk.h"
#include "core/journal/file.h"
#include "core/journal/transfer.h"
#include "core/journal/walk.h"

#include <errno.h>
#include <fcntl.h>

// ---- Retired files that wait for their next use ----

// Whatever a crash left in them goes, so that nothing retired stays readable; what can't be erased at once is
// let go.
static int adopt_spare(struct file_journal *file, uint64_t number) {
    char name[SEGMENT_NAME_SIZE];
    spare_name(number, name);
    uint64_t size = 0;
    int fd = -1;
    int rc = disk_open(file->folder, name, O_RDWR, true, &fd);
    if (!rc)
        rc = disk_size(fd, &size);
    if (!rc)
        rc = transfer_erase(fd, 0, size, true);
    if (fd >= 0)
        disk_close(fd);
    if (rc || file->spare_count == SPARES_MAX)
        return disk_remove(file->folder, name);
    file->spares[file->spare_count++] = number;
    file->spare_bytes += size;
    return 0;
}

// ---- The last segment ----

static int replay_batch(struct file_journal *file, const struct walk_batch *batch, struct error *error) {
    struct journal_entry entries[JOURNAL_ENTRIES_MAX];
    const uint8_t *record = batch->bytes + BATCH_SIZE;
    int rc = 0;
    for (uint32_t i = 0; i < batch->head.count && !rc && file->owner.replay;
        i++, record += record_length(record)) {
        struct journal_record decoded;
        record_decode(record, entries, &decoded);
        rc = file->owner.replay(file->owner.context, &decoded, error);
    }
    return rc;
}

static int take_batch(
    struct file_journal *file, struct walk *walk, const struct walk_batch *batch, struct error *error) {
    const char *reason = NULL;
    int rc = chain_check(&file->chain, &batch->head, batch->bytes, &reason);
    if (rc == -EBADMSG)
        return walk_damaged(walk, batch->offset, reason, error);
    if (!rc)
        rc = queue_index_add_batch(&file->index, batch->bytes, batch->head.count, batch->offset);
    if (rc == -EINVAL)
        return walk_damaged(walk, batch->offset, "a queue's positions have a gap", error);
    if (rc)
        return file_io_failed(file, walk->number, rc, error);
    file->batches++;
    file->last_time_ns = batch->head.time_ns;
    file->base.last += batch->head.count;
    return replay_batch(file, batch, error);
}

static int take_head(struct file_journal *file, const struct walk *walk, struct error *error) {
    memcpy(file->base.id, walk->head.id, JOURNAL_ID_SIZE);
    file->algorithm = walk->head.algorithm; // fixed when the journal was made, whatever the options say now
    file->epoch = walk->head.epoch;
    file->segment_first_sequence = walk->head.first_sequence;
    file->last_time_ns = walk->head.time_ns;
    file->base.last = walk->head.first_sequence - 1;
    int rc = chain_init(&file->chain, file->algorithm);
    if (!rc)
        rc = chain_start(&file->chain, buffer_bytes(&walk->head_bytes));
    if (rc)
        return file_io_failed(file, walk->number, rc, error);
    return file->owner.restore ? file->owner.restore(file->owner.context, walk_checkpoint(walk), error) : 0;
}

static int replay_segment(struct file_journal *file, struct walk *walk, struct error *error) {
    int rc = take_head(file, walk, error);
    struct walk_batch batch;
    while (!rc && (rc = walk_next(walk, &batch, error)) == 0)
        rc = take_batch(file, walk, &batch, error);
    file->base.durable = file->base.last;
    return rc;
}

// Goes on where the whole batches end. The rest is made zero first: else it could stand behind the next
// batch, and pass for damage when a later write is cut. What was found may have been written and never synced
// (the process ended between): nobody may hear of it before it is.
static int continue_open(struct file_journal *file, const struct walk *walk, struct error *error) {
    char name[SEGMENT_NAME_SIZE];
    segment_name(walk->number, name);
    struct segment *segment = &file->segments[file->segment_count - 1];
    int rc = disk_open(file->folder, name, O_RDWR, file->buffered, &file->fd);
    file->body = block_up(walk->head_bytes.size);
    file->tail = file->written = walk->offset;
    file->allocated = block_up(walk->size);
    file->counters.torn_bytes = walk->torn_bytes;
    if (!rc && walk->torn_bytes > 0)
        rc = disk_truncate(file->fd, file->allocated);
    if (!rc && walk->torn_bytes > 0)
        rc = transfer_erase(file->fd, walk->offset, file->allocated - walk->offset, false);
    if (!rc)
        rc = disk_sync_all(file->fd);
    segment->size = block_up(walk->size);
    if (rc)
        return file_io_failed(file, walk->number, rc, error);
    // A copied file may have holes: then there is no room for sure.
    rc = transfer_reserve(file->fd, 0, file->allocated);
    if (transfer_is_full(rc)) {
        rc = 0;
        file->allocated = file->tail;
    }
    return rc ? file_io_failed(file, walk->number, rc, error) : 0;
}

// A crash may have come between the foot and the cut behind it, or before the sync.
static int secure_sealed(struct file_journal *file, const struct walk *walk, uint64_t end) {
    char name[SEGMENT_NAME_SIZE];
    segment_name(walk->number, name);
    int fd = -1;
    int rc = disk_open(file->folder, name, O_WRONLY, true, &fd);
    if (!rc && end < walk->size)
        rc = disk_truncate(fd, end);
    if (!rc)
        rc = disk_sync_all(fd);
    if (fd >= 0)
        disk_close(fd);
    return rc;
}

// The last segment was sealed, and its successor was never finished.
static int continue_sealed(struct file_journal *file, const struct walk *walk, struct error *error) {
    uint64_t end = walk->offset + walk->foot_size;
    int rc = secure_sealed(file, walk, end);
    if (rc)
        return file_io_failed(file, walk->number, rc, error);
    file->segments[file->segment_count - 1].size = end;
    queue_index_destroy(&file->index);
    rc = file_take_checkpoint(file, error);
    if (!rc)
        rc = file_start_segment(file, error);
    return rc == JOURNAL_FULL ? 0 : rc; // what is there can be read; appends say that it is full
}

static int recover_last(struct file_journal *file, uint64_t number, struct error *error) {
    struct walk walk;
    int rc = walk_open(file->folder, number, &walk, error);
    if (!rc)
        rc = replay_segment(file, &walk, error);
    if (rc == WALK_OPEN)
        rc = continue_open(file, &walk, error);
    else if (rc == WALK_SEALED)
        rc = continue_sealed(file, &walk, error);
    walk_close(&walk);
    return rc;
}

// The last segment's name may be there by a rename that was never synced.
static int secure_names(struct file_journal *file, struct error *error) {
    int rc = disk_folder_sync(file->folder);
    return rc ? error_set(error, rc, "the folder can't be synced: %s", strerror(-rc)) : 0;
}

// ---- The whole folder ----

static int make_new(struct file_journal *file, struct error *error) {
    int rc = chain_init(&file->chain, file->algorithm);
    if (!rc)
        rc = random_fill(&file->chain.maker.salts, file->base.id, JOURNAL_ID_SIZE);
    if (rc)
        return file_io_failed(file, 1, rc, error);
    if (file->owner.restore)
        rc = file->owner.restore(file->owner.context, (struct bytes){0}, error);
    if (!rc)
        rc = file_start_segment(file, error);
    return rc == JOURNAL_FULL ? error_set(error, -ENOSPC, "no room on the disk for a new journal") : rc;
}

static int know_segments(struct file_journal *file, const struct folder_list *list, struct error *error) {
    for (size_t i = 0; i < list->segment_count; i++) {
        char name[SEGMENT_NAME_SIZE];
        uint64_t size = 0;
        segment_name(list->segments[i], name);
        int rc = disk_size_of(file->folder, name, &size);
        if (rc)
            return file_io_failed(file, list->segments[i], rc, error);
        if (file_add_segment(file, list->segments[i], size))
            return error_no_memory(error);
    }
    return 0;
}

static int know_first(struct file_journal *file, struct error *error) {
    struct walk walk;
    int rc = walk_open(file->folder, file->segments[0].number, &walk, error);
    if (!rc)
        file->first_sequence = walk.head.first_sequence;
    walk_close(&walk);
    return rc;
}

int file_recover(struct file_journal *file, struct error *error) {
    struct folder_list list = {0};
    int rc = folder_read(file->folder, &list, error);
    int removed = rc ? -ENOENT : disk_remove(file->folder, SEGMENT_NEW);
    if (removed && removed != -ENOENT)
        rc = error_set(error, removed, SEGMENT_NEW ": %s", strerror(-removed));
    if (!rc)
        rc = file_finish_erasure(file, error);
    for (size_t i = 0; i < list.spare_count && !rc; i++)
        if ((rc = adopt_spare(file, list.spares[i])))
            error_set(error, rc, "a spare file: %s", strerror(-rc));
    if (!rc)
        rc = know_segments(file, &list, error);
    if (!rc && list.segment_count == 0)
        rc = make_new(file, error);
    else if (!rc) {
        rc = secure_names(file, error);
        if (!rc)
            rc = know_first(file, error);
        if (!rc)
            rc = recover_last(file, list.segments[list.segment_count - 1], error);
    }
    folder_list_destroy(&list);
    return rc;
}
