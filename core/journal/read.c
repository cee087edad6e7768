#include "core/journal/disk.h"
#include "core/journal/file.h"
#include "core/journal/folder.h"
#include "core/journal/transfer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define PLACES 256 // record offsets that are looked up at once

static int damaged(
    const struct file_journal *file, size_t at, uint64_t offset, const char *what, struct error *error) {
    char name[SEGMENT_NAME_SIZE];
    segment_name(file->segments[at].number, name);
    return error_set(error, JOURNAL_DAMAGED, "%s: damaged at offset %" PRIu64 ": %s", name, offset, what);
}

static int read_failed(const struct file_journal *file, size_t at, int rc, struct error *error) {
    char name[SEGMENT_NAME_SIZE];
    segment_name(file->segments[at].number, name);
    return rc == -ENOMEM ? error_no_memory(error) : error_set(error, rc, "%s: %s", name, strerror(-rc));
}

static bool is_active(const struct file_journal *file, size_t at) {
    return file->fd >= 0 && at == file->segment_count - 1;
}

// ---- Feet ----

static int read_foot(struct file_journal *file, size_t at, int fd, uint64_t offset) {
    struct segment *segment = &file->segments[at];
    size_t size = (size_t)(segment->size - offset);
    size_t got = 0;
    uint64_t disk_size = 0;
    uint8_t *bytes = malloc(size);
    int rc = bytes ? transfer_read(fd, bytes, size, offset, &got) : -ENOMEM;
    if (!rc)
        rc = foot_decode(bytes_of(bytes, got), offset, &segment->foot, &disk_size);
    free(bytes);
    segment->known = rc == 0;
    return rc;
}

int file_know_segment(struct file_journal *file, size_t at, struct error *error) {
    struct segment *segment = &file->segments[at];
    if (segment->known || is_active(file, at))
        return 0;
    uint8_t end[FOOT_END_SIZE];
    size_t got = 0;
    uint64_t offset = 0;
    int fd = -1;
    int rc = segment->size < FOOT_END_SIZE ? -EBADMSG : reader_file(&file->reader, segment->number, &fd);
    if (!rc)
        rc = transfer_read(fd, end, sizeof end, segment->size - sizeof end, &got);
    if (!rc)
        rc = foot_find(bytes_of(end, got), segment->size, &offset);
    if (!rc)
        rc = read_foot(file, at, fd, offset);
    if (rc == -EBADMSG)
        return damaged(
            file, at, segment->size, "the foot at the end of a sealed segment is missing or wrong", error);
    return rc ? read_failed(file, at, rc, error) : 0;
}

// ---- Places ----

struct places {
    size_t segment; // in file->segments
    uint64_t first; // position
    size_t count;
    uint32_t offsets[PLACES];
    uint64_t end; // of what may be read there
};

// How many of the active segment's items are on the disk: those of a batch under way stand behind its tail.
static size_t durable_items(const struct file_journal *file, const struct queue_items *items) {
    size_t count = items->count;
    while (count > 0 && items->offsets[count - 1] >= file->tail)
        count--;
    return count;
}

// What the segment has of `queue`: positions [*first, *first + *count). *count is 0 where there are none.
static int span_in(struct file_journal *file, size_t at, uint32_t queue, uint64_t *first, uint64_t *count,
    struct error *error) {
    *count = 0;
    if (is_active(file, at)) {
        const struct queue_items *items = queue_index_get(&file->index, queue);
        if (items) {
            *first = items->first;
            *count = durable_items(file, items);
        }
        return 0;
    }
    int rc = file_know_segment(file, at, error);
    const struct foot_queue *found = rc ? NULL : foot_get(&file->segments[at].foot, queue);
    if (found) {
        *first = found->first;
        *count = found->count;
    }
    return rc;
}

static int places_from_foot(struct file_journal *file, uint32_t queue, struct places *places) {
    const struct segment *segment = &file->segments[places->segment];
    const struct foot_queue *found = foot_get(&segment->foot, queue);
    uint8_t raw[4 * PLACES];
    size_t got = 0;
    int fd = -1;
    int rc = reader_file(&file->reader, segment->number, &fd);
    if (!rc)
        rc = transfer_read(
            fd, raw, 4 * places->count, found->items_offset + 4 * (places->first - found->first), &got);
    if (!rc && got < 4 * places->count)
        rc = -EBADMSG;
    for (size_t i = 0; i < places->count && !rc; i++)
        places->offsets[i] = load_u32(raw + 4 * i);
    places->end = segment->foot.offset;
    return rc;
}

// Fills `places` for [from, …) of the queue in segment `at`, which has `first` to `first + count`.
static int places_in(struct file_journal *file, size_t at, uint32_t queue, uint64_t first, uint64_t count,
    uint64_t from, struct places *places, struct error *error) {
    places->segment = at;
    places->first = from > first ? from : first;
    uint64_t rest = first + count - places->first;
    places->count = rest < PLACES ? (size_t)rest : PLACES;
    if (is_active(file, at)) {
        const struct queue_items *items = queue_index_get(&file->index, queue);
        memcpy(places->offsets, items->offsets + (places->first - first), places->count * sizeof(uint32_t));
        places->end = file->tail;
        return 0;
    }
    int rc = places_from_foot(file, queue, places);
    if (rc == -EBADMSG)
        return damaged(file, at, file->segments[at].size, "the foot is cut", error);
    return rc ? read_failed(file, at, rc, error) : 0;
}

// The first places at or behind `from`, looking from segment *at on. places->count is 0 at the end of the
// queue.
static int find_places(struct file_journal *file, uint32_t queue, uint64_t from, size_t *at,
    struct places *places, struct error *error) {
    places->count = 0;
    for (; *at < file->segment_count; (*at)++) {
        uint64_t first = 0;
        uint64_t count = 0;
        int rc = span_in(file, *at, queue, &first, &count, error);
        if (rc)
            return rc;
        if (count > 0 && first + count > from)
            return places_in(file, *at, queue, first, count, from, places, error);
    }
    return 0;
}

// ---- Visits ----

struct visit {
    struct file_journal *file;
    uint32_t queue;
    size_t count_left;
    size_t bytes_left;
    journal_visit *visit;
    void *context;
};

static bool holds_entry(const struct journal_record *record, uint32_t queue, uint64_t position) {
    for (size_t i = 0; i < record->entry_count; i++)
        if (record->entries[i].queue == queue && record->entries[i].position == position)
            return true;
    return false;
}

static uint64_t span_behind(const struct places *places, size_t i) {
    size_t to = i + 8 < places->count ? i + 8 : places->count - 1;
    return to > i ? places->offsets[to] - places->offsets[i] : UINT64_MAX;
}

// 1: the caller's measure is full.
static int visit_place(struct visit *visit, const struct places *places, size_t i, struct error *error) {
    struct file_journal *file = visit->file;
    const uint8_t *bytes = NULL;
    uint64_t offset = places->offsets[i];
    uint64_t position = places->first + i;
    int rc = reader_record(&file->reader, file->segments[places->segment].number, offset, places->end,
        span_behind(places, i), &bytes);
    if (rc == -EBADMSG)
        return damaged(file, places->segment, offset, "a record's CRC or length does not match", error);
    if (rc)
        return read_failed(file, places->segment, rc, error);
    struct journal_entry entries[JOURNAL_ENTRIES_MAX];
    struct journal_record record;
    record_decode(bytes, entries, &record);
    if (!holds_entry(&record, visit->queue, position))
        return damaged(
            file, places->segment, offset, "the record is not the one that the index names", error);
    rc = visit->visit(visit->context, &record, position);
    visit->count_left--;
    visit->bytes_left -= record.body.size < visit->bytes_left ? record.body.size : visit->bytes_left;
    return rc;
}

static int visit_from(struct visit *visit, uint64_t from, struct error *error) {
    struct places places = {0};
    size_t at = 0;
    for (;;) {
        int rc = find_places(visit->file, visit->queue, from, &at, &places, error);
        if (rc || places.count == 0)
            return rc;
        for (size_t i = 0; i < places.count; i++) {
            rc = visit_place(visit, &places, i, error);
            if (rc || visit->count_left == 0 || visit->bytes_left == 0)
                return rc;
        }
        from = places.first + places.count;
    }
}

int file_read_queue(struct journal *journal, uint32_t queue, uint64_t from, size_t max_count,
    size_t max_bytes, journal_visit *visit, void *context, struct error *error) {
    struct file_journal *file = (struct file_journal *)journal;
    struct visit state = {.file = file,
        .queue = queue,
        .count_left = max_count ? max_count : 1,
        .bytes_left = max_bytes ? max_bytes : 1,
        .visit = visit,
        .context = context};
    writer_lock(file->writer);
    int rc = visit_from(&state, from, error);
    writer_unlock(file->writer);
    return rc;
}
