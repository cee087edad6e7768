// One record by its sequence: read, and its body erased.
#include "core/journal/disk.h"
#include "core/journal/file.h"
#include "core/journal/folder.h"
#include "core/journal/redo.h"
#include "core/journal/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>

// Where a record stands, with the bytes of its batch.
struct found {
    size_t at; // in file->segments
    uint64_t epoch;
    uint64_t offset;
    uint8_t *bytes; // owned
    const uint8_t *record;
};

static int nothing_there(uint64_t sequence, struct error *error) {
    return error_set(error, JOURNAL_REFUSED, "the journal has no record %" PRIu64 " (any more)", sequence);
}

static int first_sequence(struct file_journal *file, size_t at, uint64_t *first, struct error *error) {
    if (file->fd >= 0 && at == file->segment_count - 1) {
        *first = file->segment_first_sequence;
        return 0;
    }
    int rc = file_know_segment(file, at, error);
    if (!rc)
        *first = file->segments[at].foot.first_sequence;
    return rc;
}

// The last segment that starts at or before the record.
static int find_segment(struct file_journal *file, uint64_t sequence, size_t *at, struct error *error) {
    size_t low = 0;
    size_t high = file->segment_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        uint64_t first = 0;
        int rc = first_sequence(file, middle, &first, error);
        if (rc)
            return rc;
        if (first <= sequence)
            low = middle;
        else
            high = middle;
    }
    *at = low;
    return 0;
}

static int read_exactly(int fd, uint8_t *out, size_t size, uint64_t offset) {
    size_t got = 0;
    int rc = transfer_read(fd, out, size, offset, &got);
    return !rc && got < size ? -EBADMSG : rc;
}

// Goes from batch to batch by their headers. 0 with the place of the batch that has the record.
static int find_batch(
    int fd, uint64_t sequence, struct segment_head *head, uint64_t *offset, struct batch_head *batch) {
    uint8_t bytes[HEAD_SIZE];
    int rc = read_exactly(fd, bytes, HEAD_SIZE, 0);
    if (!rc)
        rc = head_decode(bytes_of(bytes, HEAD_SIZE), false, head);
    *offset = block_up(HEAD_SIZE + head->checkpoint_size);
    while (!rc) {
        rc = read_exactly(fd, bytes, BATCH_SIZE, *offset);
        if (!rc)
            rc = batch_head_decode(bytes_of(bytes, BATCH_SIZE), batch);
        if (!rc && (batch->epoch != head->epoch || batch->first_sequence > sequence))
            rc = -EBADMSG;
        if (rc || sequence - batch->first_sequence < batch->count)
            break;
        *offset += block_up(batch->length);
    }
    return rc;
}

static int find_in_batch(const struct batch_head *batch, uint64_t sequence, struct found *out) {
    uint64_t at = BATCH_SIZE;
    size_t length = 0;
    for (uint64_t i = batch->first_sequence; i <= sequence; i++, at += length) {
        if (record_check(bytes_of(out->bytes + at, (size_t)(batch->length - at)), &length))
            return -EBADMSG;
        if (i == sequence)
            break;
    }
    out->record = out->bytes + at;
    out->offset += at;
    return load_u64(out->record + 32) == sequence ? 0 : -EBADMSG;
}

static int read_found(struct file_journal *file, uint64_t sequence, struct found *out) {
    struct segment_head head = {0};
    struct batch_head batch;
    int fd = -1;
    int rc = reader_file(&file->reader, file->segments[out->at].number, &fd);
    if (!rc)
        rc = find_batch(fd, sequence, &head, &out->offset, &batch);
    if (rc)
        return rc;
    out->epoch = head.epoch;
    out->bytes = malloc((size_t)batch.length);
    rc = out->bytes ? read_exactly(fd, out->bytes, (size_t)batch.length, out->offset) : -ENOMEM;
    return rc ? rc : find_in_batch(&batch, sequence, out);
}

// `out->bytes` is to be freed in any case.
static int find_record(struct file_journal *file, uint64_t sequence, struct found *out, struct error *error) {
    *out = (struct found){0};
    if (sequence < file->first_sequence || sequence > file->base.durable)
        return nothing_there(sequence, error);
    int rc = find_segment(file, sequence, &out->at, error);
    if (rc)
        return rc;
    rc = read_found(file, sequence, out);
    char name[SEGMENT_NAME_SIZE];
    segment_name(file->segments[out->at].number, name);
    if (rc == -EBADMSG)
        return error_set(
            error, JOURNAL_DAMAGED, "%s: damaged: record %" PRIu64 " can't be found", name, sequence);
    return rc ? file_read_failed(file, out->at, rc, error) : 0;
}

int file_read_record(
    struct journal *journal, uint64_t sequence, journal_visit *visit, void *context, struct error *error) {
    struct file_journal *file = (struct file_journal *)journal;
    struct found found;
    writer_lock(file->writer);
    int rc = find_record(file, sequence, &found, error);
    writer_unlock(file->writer);
    if (!rc) {
        struct journal_entry entries[JOURNAL_ENTRIES_MAX];
        struct journal_record record;
        record_decode(found.record, entries, &record);
        rc = visit(context, &record, 0);
    }
    free(found.bytes);
    return rc;
}

// ---- Erasure ----

static int check_erasable(const uint8_t *record, uint64_t sequence, struct error *error) {
    size_t body = record_length(record) - RECORD_SIZE - load_u16(record + 10) * ENTRY_SIZE;
    if (record[8] & RECORD_ERASED)
        return error_set(error, JOURNAL_REFUSED, "record %" PRIu64 " is erased already", sequence);
    if (body < DIGEST_SIZE - JOURNAL_SALT_SIZE)
        return error_set(error, JOURNAL_REFUSED,
            "record %" PRIu64 " has a body of %zu bytes, and one below 16 can't be erased", sequence, body);
    return 0;
}

static int apply(struct file_journal *file, size_t at, const struct redo *redo) {
    char name[SEGMENT_NAME_SIZE];
    segment_name(redo->segment, name);
    bool active = file->fd >= 0 && at == file->segment_count - 1;
    int fd = file->fd;
    int rc = active ? 0 : disk_open(file->folder, name, O_RDWR, file->buffered, &fd);
    if (!rc)
        rc = redo_apply(fd, redo);
    if (!rc && !active)
        disk_close(fd);
    reader_forget(&file->reader, redo->segment);
    return rc;
}

int file_erase(struct journal *journal, uint64_t sequence, struct error *error) {
    struct file_journal *file = (struct file_journal *)journal;
    struct found found;
    if (file->failed)
        return error_set(error, -EIO, "the journal failed before; it must be opened again");
    int rc = file_collect(journal, true, error); // it works on what the writer works on
    if (rc)
        return rc;
    rc = find_record(file, sequence, &found, error);
    if (!rc && found.record) // it is there when it was found
        rc = check_erasable(found.record, sequence, error);
    if (rc || !found.record) {
        free(found.bytes);
        return rc;
    }
    struct redo redo = {.segment = file->segments[found.at].number,
        .epoch = found.epoch,
        .offset = found.offset,
        .sequence = sequence,
        .length = record_length(found.record)};
    rc = record_leaf(file->chain.maker.digest, found.record, redo.leaf);
    free(found.bytes);
    if (!rc)
        rc = redo_write(file->folder, &redo);
    if (transfer_is_full(rc)) {
        redo_remove(file->folder); // a cut one says nothing
        return error_set(error, JOURNAL_FULL, "no room to prepare an erasure: %s", strerror(-rc));
    }
    if (!rc)
        rc = apply(file, found.at, &redo);
    if (!rc)
        rc = redo_remove(file->folder);
    file->counters.syncs += 4;
    return rc ? file_io_failed(file, redo.segment, rc, error) : 0;
}

// ---- After a crash ----

int file_finish_erasure(struct file_journal *file, struct error *error) {
    struct redo redo;
    char name[SEGMENT_NAME_SIZE];
    int fd = -1;
    int rc = redo_read(file->folder, &redo);
    segment_name(redo.segment, name);
    if (!rc && redo.segment)
        rc = disk_open(file->folder, name, O_RDWR, true, &fd);
    if (fd >= 0) {
        rc = redo_apply(fd, &redo);
        disk_close(fd);
    }
    if (!rc || rc == -ENOENT || rc == -EBADMSG) // its segment has retired, or is another one's
        rc = redo_remove(file->folder);
    return rc ? error_set(error, rc, "finishing an erasure: %s", strerror(-rc)) : 0;
}
