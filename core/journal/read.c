#include "core/journal/disk.h"
#include "core/journal/file.h"
#include "core/journal/folder.h"
#include "core/journal/transfer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define PLACES 256 // record offsets that are looked up at once

static int damaged(
    const struct file_journal *file, size_t at, uint64_t offset, const char *what, struct error *error) {
    char name[SEGMENT_NAME_SIZE];
    segment_name(file->segments[at].number, name);
    return error_set(error, JOURNAL_DAMAGED, "%s: damaged at offset %" PRIu64 ": %s", name, offset, what);
}

int file_read_failed(struct file_journal *file, size_t at, int rc, struct error *error) {
    char name[SEGMENT_NAME_SIZE];
    segment_name(file->segments[at].number, name);
    bool ours = rc == -EMFILE || rc == -ENFILE;
    if (rc != -ENOMEM && !ours)
        reader_forget(&file->reader, file->segments[at].number); // another file may have its name by then
    int code = ours ? rc : file->base.bear ? JOURNAL_DAMAGED : JOURNAL_UNREAD;
    return rc == -ENOMEM ? error_no_memory(error)
                         : error_set(error, code, "%s can't be read: %s", name, strerror(-rc));
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
    return rc ? file_read_failed(file, at, rc, error) : 0;
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
    uint64_t from, size_t most, struct places *places, struct error *error) {
    places->segment = at;
    places->first = from > first ? from : first;
    uint64_t rest = first + count - places->first;
    places->count = most < PLACES ? most : PLACES;
    if (rest < places->count)
        places->count = (size_t)rest;
    if (is_active(file, at)) {
        const struct queue_items *items = queue_index_get(&file->index, queue);
        memcpy(places->offsets, items->offsets + (places->first - first), places->count * sizeof(uint32_t));
        places->end = file->tail;
        return 0;
    }
    int rc = places_from_foot(file, queue, places);
    if (rc == -EBADMSG)
        return damaged(file, at, file->segments[at].size, "the foot is cut", error);
    return rc ? file_read_failed(file, at, rc, error) : 0;
}

// A segment that has something of a queue.
struct having {
    size_t at; // in file->segments; `end` of the search: none has
    uint64_t first;
    uint64_t behind;
    bool damaged; // one before it can't say
};

// The first segment from `at` on, before `end`, that has any of the queue.
static int next_with(struct file_journal *file, uint32_t queue, size_t at, size_t end, struct having *out,
    struct error *error) {
    *out = (struct having){.at = at};
    for (; out->at < end; out->at++) {
        uint64_t count = 0;
        int rc = span_in(file, out->at, queue, &out->first, &count, error);
        if (rc && rc != JOURNAL_DAMAGED)
            return rc;
        out->damaged |= rc == JOURNAL_DAMAGED;
        out->behind = out->first + count;
        if (count > 0)
            return 0;
    }
    return 0;
}

// The first segment that has something of the queue at or behind `from`; the count of segments: none. By
// halves: segments without the queue say nothing, so the next one that has it is asked, and each foot is read
// once. A damaged one counts only where `from` may be in it: then it is the one.
static int find_start(
    struct file_journal *file, uint32_t queue, uint64_t from, size_t *start, struct error *error) {
    size_t low = 0;
    size_t high = file->segment_count;
    uint64_t first = UINT64_MAX; // of the queue, in or behind *start
    *start = high;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct having having;
        int rc = next_with(file, queue, middle, high, &having, error);
        if (rc)
            return rc;
        if (having.at < high && having.behind <= from) {
            low = having.at + 1;
            continue;
        }
        if (having.at < high) {
            *start = having.at;
            first = having.first;
        }
        if (having.damaged && first > from)
            *start = middle;
        high = middle;
    }
    return 0;
}

// *at can't say what it has: on to the one behind it that has `from`, or its damage where it may have it
// itself.
static int pass_damaged(
    struct file_journal *file, uint32_t queue, uint64_t from, size_t *at, struct error *error) {
    size_t start = 0;
    int rc = find_start(file, queue, from, &start, error);
    if (rc || start <= *at)
        return rc ? rc : JOURNAL_DAMAGED;
    *at = start;
    return 0;
}

// The first places at or behind `from`, looking from segment *at on. places->count is 0 at the end of the
// queue.
static int find_places(struct file_journal *file, uint32_t queue, uint64_t from, size_t *at, size_t most,
    struct places *places, struct error *error) {
    places->count = 0;
    while (*at < file->segment_count) {
        uint64_t first = 0;
        uint64_t count = 0;
        int rc = span_in(file, *at, queue, &first, &count, error);
        if (rc == 0 && count > 0 && first + count > from)
            return places_in(file, *at, queue, first, count, from, most, places, error);
        if (rc == JOURNAL_DAMAGED)
            rc = pass_damaged(file, queue, from, at, error);
        else
            ++*at;
        if (rc)
            return rc;
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
    // The record of the last place: the next one may be another entry of it.
    size_t segment;
    uint64_t offset; // 0: none yet
    struct journal_record record;
    struct journal_entry entries[JOURNAL_ENTRIES_MAX];
};

static bool holds_entry(const struct journal_record *record, uint32_t queue, uint64_t position) {
    for (size_t i = 0; i < record->entry_count; i++)
        if (record->entries[i].queue == queue && record->entries[i].position == position)
            return true;
    return false;
}

static uint64_t span_behind(const struct places *places, size_t i) {
    size_t to = i + 8 < places->count ? i + 8 : places->count - 1;
    if (to > i)
        return places->offsets[to] - places->offsets[i];
    return i > 0 ? places->offsets[i] - places->offsets[i - 1] : UINT64_MAX; // as it was so far
}

static int read_place(struct visit *visit, const struct places *places, size_t i, struct error *error) {
    struct file_journal *file = visit->file;
    const uint8_t *bytes = NULL;
    uint64_t offset = places->offsets[i];
    if (visit->offset == offset && visit->segment == places->segment)
        return 0;
    visit->offset = 0;
    int rc = reader_record(&file->reader, file->segments[places->segment].number, offset, places->end,
        span_behind(places, i), &bytes);
    if (rc == -EBADMSG)
        return damaged(file, places->segment, offset, "a record's CRC or length does not match", error);
    if (rc)
        return file_read_failed(file, places->segment, rc, error);
    record_decode(bytes, visit->entries, &visit->record);
    visit->segment = places->segment;
    visit->offset = offset;
    return 0;
}

// Whole by its CRC, and what its owner says of it.
static int damaged_body(const struct visit *visit, size_t at, uint64_t offset, struct error *error) {
    char what[ERROR_TEXT_SIZE];
    snprintf(what, sizeof what, "%.250s", error ? error->text : "");
    return damaged(visit->file, at, offset, what, error);
}

static int visit_place(struct visit *visit, const struct places *places, size_t i, struct error *error) {
    uint64_t position = places->first + i;
    int rc = read_place(visit, places, i, error);
    if (rc)
        return rc;
    if (!holds_entry(&visit->record, visit->queue, position))
        return damaged(visit->file, places->segment, places->offsets[i],
            "the record is not the one that the index names", error);
    rc = visit->visit(visit->context, &visit->record, position);
    if (rc == JOURNAL_DAMAGED)
        return damaged_body(visit, places->segment, places->offsets[i], error);
    size_t size = visit->record.body.size;
    visit->count_left--;
    visit->bytes_left -= size < visit->bytes_left ? size : visit->bytes_left;
    return rc;
}

static int visit_from(struct visit *visit, uint64_t from, struct error *error) {
    struct places places = {0};
    size_t at = 0;
    int rc = find_start(visit->file, visit->queue, from, &at, error);
    while (!rc) {
        rc = find_places(visit->file, visit->queue, from, &at, visit->count_left, &places, error);
        if (rc || places.count == 0)
            return rc;
        for (size_t i = 0; i < places.count; i++) {
            rc = visit_place(visit, &places, i, error);
            if (rc || visit->count_left == 0 || visit->bytes_left == 0)
                return rc;
        }
        from = places.first + places.count;
    }
    return rc;
}

int file_read_queue(struct journal *journal, uint32_t queue, uint64_t from, size_t max_count,
    size_t max_bytes, journal_visit *visit, void *context, struct error *error) {
    struct file_journal *file = (struct file_journal *)journal;
    struct visit state; // large, and its entries need no zeros
    state.file = file;
    state.queue = queue;
    state.count_left = max_count ? max_count : 1;
    state.bytes_left = max_bytes ? max_bytes : 1;
    state.visit = visit;
    state.context = context;
    state.segment = 0;
    state.offset = 0;
    state.record = (struct journal_record){0};
    writer_lock(file->writer);
    int rc = visit_from(&state, from, error);
    writer_unlock(file->writer);
    return rc;
}
