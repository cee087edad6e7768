#include "core/journal/disk.h"
#include "core/journal/file.h"
#include "core/journal/folder.h"
#include "core/journal/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#define BUSY_NS ((int64_t)1000000000) // in which a segment was filled

int file_io_failed(struct file_journal *file, uint64_t number, int rc, struct error *error) {
    char name[SEGMENT_NAME_SIZE];
    segment_name(number, name);
    file->failed = true;
    return rc == -ENOMEM ? error_no_memory(error) : error_set(error, rc, "%s: %s", name, strerror(-rc));
}

int file_add_segment(struct file_journal *file, uint64_t number, uint64_t size) {
    if (file->segment_count == file->segment_capacity) {
        size_t capacity = file->segment_capacity ? 2 * file->segment_capacity : 8;
        struct segment *segments = realloc(file->segments, capacity * sizeof *segments);
        if (!segments)
            return -ENOMEM;
        file->segments = segments;
        file->segment_capacity = capacity;
    }
    file->segments[file->segment_count++] = (struct segment){.number = number, .size = size};
    return 0;
}

uint64_t file_bytes(const struct file_journal *file) {
    uint64_t bytes = file->spare_bytes;
    for (size_t i = 0; i < file->segment_count; i++)
        bytes += file->segments[i].size;
    return bytes;
}

// ---- The end of a segment ----

static int write_foot(struct file_journal *file, uint64_t *end) {
    struct foot foot = {
        .epoch = file->epoch,
        .first_sequence = file->segment_first_sequence,
        .last_sequence = file->base.last,
        .last_time_ns = file->last_time_ns,
        .batches = file->batches,
        .offset = file->tail,
    };
    memcpy(foot.chain, file->chain.link, DIGEST_SIZE);
    uint64_t room = foot_room(file->index.queue_count, file->index.entry_count);
    void *memory = NULL;
    uint8_t *bytes = transfer_memory(room, &memory);
    int rc = bytes ? foot_encode(&foot, &file->index, bytes) : -ENOMEM;
    if (!rc)
        rc = transfer_write(file->fd, bytes, room, file->tail);
    free(memory);
    file->counters.appended_bytes += room;
    *end = file->tail + room;
    return rc;
}

int file_seal(struct file_journal *file, struct error *error) {
    struct segment *segment = &file->segments[file->segment_count - 1];
    uint64_t end = 0;
    int rc = write_foot(file, &end);
    if (!rc)
        rc = disk_truncate(file->fd, end); // what was not used goes back to the disk
    if (!rc)
        rc = disk_sync(file->fd);
    if (rc)
        return file_io_failed(file, segment->number, rc, error);
    file->counters.syncs++;
    disk_close(file->fd);
    file->fd = -1;
    segment->size = end;
    queue_index_destroy(&file->index);
    return 0;
}

// The checkpoint doesn't count: one that is larger than a segment would have each append begin another.
bool file_should_roll(const struct file_journal *file, uint64_t tail) {
    uint64_t foot = foot_room(file->index.queue_count, file->index.entry_count);
    return tail - file->body + foot > file->active_size - file->active_size / 8;
}

bool file_half_full(const struct file_journal *file, uint64_t tail) {
    return tail - file->body > file->segment_size / 2;
}

int file_take_checkpoint(struct file_journal *file, struct error *error) {
    buffer_clear(&file->checkpoint);
    file->checkpoint.limit = CHECKPOINT_MAX;
    if (!file->owner.checkpoint)
        return 0;
    int rc = file->owner.checkpoint(file->owner.context, &file->checkpoint);
    if (rc)
        file->failed = true;
    return rc ? error_set(
                    error, rc, "making the checkpoint of a segment: %s", strerror(rc < 0 ? -rc : EINVAL))
              : 0;
}

// ---- The start of a segment ----

static uint64_t next_number(const struct file_journal *file) {
    return file->segment_count ? file->segments[file->segment_count - 1].number + 1 : 1;
}

static int over_limit(struct error *error) {
    return error_set(error, JOURNAL_FULL, "the journal is as large as its limit allows");
}

// ---- Room for the next segment ----

// The spare file that will be the next segment, made where there is none. Its size so far, and a descriptor.
static int open_next(struct file_journal *file, char name[SEGMENT_NAME_SIZE], uint64_t *size, int *fd) {
    bool there = file->spare_count > 0;
    spare_name(there ? file->spares[file->spare_count - 1] : next_number(file), name);
    int rc = disk_open(file->folder, name, there ? O_RDWR : O_RDWR | O_CREAT | O_TRUNC, true, fd);
    return rc ? rc : disk_size(*fd, size);
}

static void count_next(struct file_journal *file, uint64_t before, uint64_t size) {
    if (file->spare_count == 0)
        file->spares[file->spare_count++] = next_number(file);
    file->spare_bytes += size > before ? size - before : 0;
}

// That has its own reserve.
static bool over_its_limit(const struct file_journal *file, uint64_t size) {
    return file->size_limit && file->spare_count == 0 && file_bytes(file) + size > file->size_limit;
}

bool file_secure_next(struct file_journal *file, uint64_t head) {
    uint64_t size = head + file->segment_size;
    uint64_t before = 0;
    char name[SEGMENT_NAME_SIZE];
    int fd = -1;
    file->no_next = false;
    file->secured = true; // or nothing more can be done: then whoever begins the segment hears of it
    if (over_its_limit(file, size))
        return true;
    int rc = open_next(file, name, &before, &fd);
    if (!rc && before < size)
        rc = disk_reserve(fd, 0, size);
    if (fd >= 0)
        disk_close(fd);
    if (rc && file->spare_count == 0)
        disk_remove(file->folder, name); // no room for it, so it must take none
    file->no_next = transfer_is_full(rc);
    if (!rc)
        count_next(file, before, size);
    file->secured = !file->no_next;
    return file->secured;
}

// Opens the file that is to become the next segment: a spare one where there is any.
static int open_new(struct file_journal *file, char name[SEGMENT_NAME_SIZE], int *fd) {
    if (file->spare_count > 0) {
        spare_name(file->spares[file->spare_count - 1], name);
        if (disk_open(file->folder, name, O_RDWR, file->buffered, fd) == 0)
            return 0;
    }
    snprintf(name, SEGMENT_NAME_SIZE, SEGMENT_NEW);
    return disk_open(file->folder, name, O_RDWR | O_CREAT | O_TRUNC, file->buffered, fd);
}

// Reserves the file and writes its head; the file is whole on the disk, under its old name.
static int fill_new(struct file_journal *file, int fd, uint64_t size, const struct segment_head *head,
    uint8_t link[DIGEST_SIZE]) {
    uint64_t room = block_up(HEAD_SIZE + file->checkpoint.size);
    void *memory = NULL;
    uint8_t *bytes = transfer_memory(room, &memory);
    if (!bytes)
        return -ENOMEM;
    head_encode(head, buffer_bytes(&file->checkpoint), bytes);
    if (file->checkpoint.size > 0)
        memcpy(bytes + HEAD_SIZE, file->checkpoint.data, file->checkpoint.size);
    int rc = transfer_reserve(fd, 0, size);
    if (!rc)
        rc = transfer_write(fd, bytes, room, 0);
    if (!rc)
        rc = disk_sync_all(fd); // the file's size is new
    if (!rc)
        rc = head_link(file->chain.maker.digest, bytes_of(bytes, HEAD_SIZE + file->checkpoint.size), link);
    free(memory);
    file->counters.appended_bytes += room;
    file->counters.syncs++;
    return rc;
}

static void become_active(struct file_journal *file, int fd, uint64_t size, const struct segment_head *head) {
    file->secured = file->no_next = false;
    file->fd = fd;
    file->active_since_ns = head->time_ns;
    file->epoch = head->epoch;
    file->tail = file->body = block_up(HEAD_SIZE + file->checkpoint.size);
    file->allocated = size;
    file->written = file->tail;
    file->segment_first_sequence = head->first_sequence;
    file->batches = 0;
    file->last_time_ns = head->time_ns;
    if (file->segment_count == 1)
        file->first_sequence = head->first_sequence;
    buffer_destroy(&file->checkpoint); // it may be large, and is needed once in 64 MiB
}

static int give_name(struct file_journal *file, const char *from, uint64_t number, uint64_t size) {
    char name[SEGMENT_NAME_SIZE];
    segment_name(number, name);
    int rc = file_add_segment(file, number, size);
    if (rc)
        return rc;
    rc = disk_rename(file->folder, from, name);
    if (!rc)
        rc = disk_folder_sync(file->folder);
    if (rc)
        file->segment_count--; // readers would look for it before they hear that it failed
    return rc;
}

static void take_spare(struct file_journal *file, const char *name, uint64_t size) {
    char spare[SEGMENT_NAME_SIZE];
    if (file->spare_count == 0)
        return;
    spare_name(file->spares[file->spare_count - 1], spare);
    if (strcmp(spare, name) != 0)
        return;
    file->spare_count--;
    file->spare_bytes -= size < file->spare_bytes ? size : file->spare_bytes;
}

// The end of a segment costs several syncs, whatever its size: under load they are rarer in large ones.
static uint64_t next_size(const struct file_journal *file, int64_t now_ns) {
    bool busy = file->active_since_ns != INT64_MIN && now_ns - file->active_since_ns < BUSY_NS;
    return busy && file->busy_segment > file->segment_size ? file->busy_segment : file->segment_size;
}

static bool is_over_limit(const struct file_journal *file, uint64_t more) {
    return file->size_limit && file_bytes(file) + more > file->size_limit;
}

// Of `*size`, or of `least` where there is no room for more.
static int reserve_new(struct file_journal *file, int fd, uint64_t least, const struct segment_head *head,
    uint64_t *size, uint64_t *spare_size, uint8_t link[DIGEST_SIZE]) {
    int rc = disk_size(fd, spare_size);
    if (!rc && is_over_limit(file, *size - *spare_size))
        *size = least;
    if (!rc && is_over_limit(file, *size - *spare_size))
        rc = JOURNAL_FULL;
    rc = rc ? rc : fill_new(file, fd, *size, head, link);
    if (!transfer_is_full(rc) || *size == least)
        return rc;
    *size = least;
    return fill_new(file, fd, least, head, link);
}

int file_start_segment(struct file_journal *file, struct error *error) {
    if (file->ownerless)
        return error_set(
            error, JOURNAL_FULL, "the last segment is ended; its owner has to begin the next one");
    int64_t now = file->now_ns(file->now_context);
    struct segment_head head = {
        .segment = next_number(file),
        .first_sequence = file->base.last + 1,
        .time_ns = now > file->last_time_ns ? now : file->last_time_ns, // a clock may be set back
        .algorithm = file->algorithm,
        .checkpoint_size = file->checkpoint.size,
    };
    memcpy(head.id, file->base.id, JOURNAL_ID_SIZE);
    memcpy(head.chain, file->chain.link, DIGEST_SIZE);
    uint64_t least = block_up(HEAD_SIZE + file->checkpoint.size) + file->segment_size;
    uint64_t size = least - file->segment_size + next_size(file, head.time_ns);
    uint64_t spare_size = 0;
    char name[SEGMENT_NAME_SIZE];
    uint8_t link[DIGEST_SIZE];
    int fd = -1;
    int rc = random_fill(&file->chain.maker.salts, &head.epoch, sizeof head.epoch);
    if (!rc)
        rc = open_new(file, name, &fd);
    if (!rc)
        rc = reserve_new(file, fd, least, &head, &size, &spare_size, link);
    if (rc && fd >= 0) {
        disk_close(fd);
        if (strcmp(name, SEGMENT_NEW) == 0) // no room for it, so it must take none; a spare one stays
            disk_remove(file->folder, name);
    }
    if (rc == JOURNAL_FULL)
        return over_limit(error);
    if (transfer_is_full(rc))
        return error_set(error, JOURNAL_FULL, "no room for another segment: %s", strerror(-rc));
    if (rc)
        return file_io_failed(file, head.segment, rc, error);
    take_spare(file, name, spare_size);
    rc = give_name(file, name, head.segment, size);
    if (rc) {
        disk_close(fd);
        return file_io_failed(file, head.segment, rc, error);
    }
    memcpy(file->chain.link, link, DIGEST_SIZE);
    become_active(file, fd, size, &head);
    file->active_size = file->segment_size + size - least;
    return 0;
}

// Spares are only there to be reused: a large batch needs their room more.
static void drop_spares(struct file_journal *file) {
    for (size_t i = 0; i < file->spare_count; i++) {
        char name[SEGMENT_NAME_SIZE];
        spare_name(file->spares[i], name);
        disk_remove(file->folder, name); // one that stays is taken up at the next open
    }
    file->secured = false;
    file->spare_count = 0;
    file->spare_bytes = 0;
}

int file_reserve(struct file_journal *file, uint64_t end, struct error *error) {
    if (end <= file->allocated)
        return 0;
    struct segment *segment = &file->segments[file->segment_count - 1];
    uint64_t more = end - file->allocated;
    if (file->size_limit && file_bytes(file) + more > file->size_limit)
        drop_spares(file);
    if (file->size_limit && file_bytes(file) + more > file->size_limit)
        return over_limit(error);
    int rc = transfer_reserve(file->fd, file->allocated, more);
    if (transfer_is_full(rc))
        return error_set(error, JOURNAL_FULL, "no room for a large batch: %s", strerror(-rc));
    if (rc)
        return file_io_failed(file, segment->number, rc, error);
    file->allocated = end;
    segment->size = end > segment->size ? end : segment->size;
    return 0;
}
