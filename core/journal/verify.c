#include "core/journal/chain.h"
#include "core/journal/disk.h"
#include "core/journal/transfer.h"
#include "core/journal/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

// Walks over a folder's segments; what is done with each is the callers'.
struct tour {
    int folder;
    struct folder_list list;
    struct walk walk;
    struct redo redo;
    size_t at; // in list.segments
};

static int tour_start(struct tour *tour, const char *path, struct error *error) {
    *tour = (struct tour){.folder = -1, .walk = {.fd = -1}};
    int rc = disk_folder_open(path, false, &tour->folder);
    if (rc)
        return error_set(error, rc, "%s", strerror(-rc));
    rc = redo_read(tour->folder, &tour->redo);
    if (rc)
        return error_set(error, rc, REDO_NAME ": %s", strerror(-rc));
    rc = folder_read(tour->folder, &tour->list, error);
    if (!rc && tour->list.segment_count == 0)
        rc = error_set(error, -ENOENT, "no segment of a journal is there");
    return rc;
}

static void tour_end(struct tour *tour) {
    walk_close(&tour->walk);
    folder_list_destroy(&tour->list);
    if (tour->folder >= 0)
        disk_close(tour->folder);
}

static int tour_open(struct tour *tour, size_t at, struct error *error) {
    walk_close(&tour->walk);
    tour->at = at;
    int rc = walk_open(tour->folder, tour->list.segments[at], &tour->walk, error);
    tour->walk.redo = tour->redo;
    return rc;
}

// Retired since the list was read, by the process that has the journal open: its name goes before what is in
// it.
static bool tour_gone(const struct tour *tour) {
    char name[SEGMENT_NAME_SIZE];
    int file = -1;
    segment_name(tour->list.segments[tour->at], name);
    int rc = disk_open(tour->folder, name, O_RDONLY, true, &file);
    if (!rc)
        disk_close(file);
    return rc == -ENOENT;
}

// What the end of a segment means: 0 where all is well.
static int tour_check_end(struct tour *tour, int end, struct error *error) {
    bool last = tour->at + 1 == tour->list.segment_count;
    if (end == WALK_OPEN && !last)
        return walk_damaged(
            &tour->walk, tour->walk.offset, "a segment that has a successor ends without its foot", error);
    return end == WALK_OPEN || end == WALK_SEALED ? 0 : end;
}

static int with_folder(int rc, const char *path, struct error *error) {
    if (rc)
        error_prefix(error, "journal %s: ", path);
    return rc;
}

// ---- Scan ----

struct scan {
    uint64_t from;
    uint64_t expected; // first sequence of the next segment; 0: any
    int (*visit)(void *context, const struct journal_record *record);
    void *context;
};

static int scan_batch(const struct scan *scan, const struct walk_batch *batch) {
    struct journal_entry entries[JOURNAL_ENTRIES_MAX];
    const uint8_t *record = batch->bytes + BATCH_SIZE;
    for (uint32_t i = 0; i < batch->head.count; i++, record += record_length(record)) {
        struct journal_record decoded;
        record_decode(record, entries, &decoded);
        int rc = decoded.sequence < scan->from ? 0 : scan->visit(scan->context, &decoded);
        if (rc)
            return rc;
    }
    return 0;
}

// `*visited` is what the visitor returned, when it stopped the scan.
static int scan_segment(struct tour *tour, struct scan *scan, int *visited, struct error *error) {
    struct walk *walk = &tour->walk;
    if (scan->expected && walk->head.first_sequence != scan->expected)
        return walk_damaged(walk, 0, "the segment does not follow the one before it", error);
    struct walk_batch batch;
    int rc = 0;
    while ((rc = walk_next(walk, &batch, error)) == 0)
        if ((*visited = scan_batch(scan, &batch)))
            return 0;
    scan->expected = walk->next_sequence;
    return tour_check_end(tour, rc, error);
}

// The segment in which `from` lies: the last one that starts at or before it.
static int find_start(struct tour *tour, uint64_t from, size_t *start, struct error *error) {
    size_t low = 0;
    size_t high = tour->list.segment_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        int rc = tour_open(tour, middle, error);
        bool gone = rc && tour_gone(tour);
        if (rc && !gone)
            return rc;
        if (gone || tour->walk.head.first_sequence <= from)
            low = middle;
        else
            high = middle;
    }
    *start = low;
    return 0;
}

int journal_scan(const char *folder, uint64_t from,
    int (*visit)(void *context, const struct journal_record *record), void *context, struct error *error) {
    struct tour tour;
    struct scan scan = {.from = from, .visit = visit, .context = context};
    size_t at = 0;
    int visited = 0;
    int rc = tour_start(&tour, folder, error);
    if (!rc)
        rc = find_start(&tour, from, &at, error);
    for (; at < tour.list.segment_count && !rc && !visited; at++) {
        rc = tour_open(&tour, at, error);
        if (!rc)
            rc = scan_segment(&tour, &scan, &visited, error);
        if (rc && rc != -ENOMEM && tour_gone(&tour)) {
            rc = 0;
            scan.expected = 0; // the next one follows nothing that is there
        }
    }
    tour_end(&tour);
    return visited && !rc ? visited : with_folder(rc, folder, error);
}

int journal_folder_id(const char *folder, uint8_t id[16], struct error *error) {
    struct tour tour;
    int rc = tour_start(&tour, folder, error);
    if (!rc)
        rc = tour_open(&tour, tour.list.segment_count - 1, error); // the oldest may just be going
    if (!rc)
        memcpy(id, tour.walk.head.id, JOURNAL_ID_SIZE);
    tour_end(&tour);
    return with_folder(rc, folder, error);
}

// ---- Verification ----

struct verification {
    struct chain chain;
    struct queue_index index; // of the current segment, rebuilt
    uint64_t batches;         // in the current segment
    int64_t last_time_ns;
    uint8_t id[JOURNAL_ID_SIZE];
    struct journal_verdict verdict;
};

static int check_head(struct verification *self, struct tour *tour, uint64_t expected, struct error *error) {
    const struct walk *walk = &tour->walk;
    const struct segment_head *head = &walk->head;
    int rc = 0;
    if (tour->at == 0) {
        memcpy(self->id, head->id, JOURNAL_ID_SIZE);
        rc = chain_init(&self->chain, head->algorithm);
    } else if (memcmp(head->id, self->id, JOURNAL_ID_SIZE) != 0) {
        return walk_damaged(walk, 0, "the segment is of another journal", error);
    } else if (head->first_sequence != expected) {
        return walk_damaged(walk, 0, "the segment does not follow the one before it", error);
    } else if (memcmp(head->chain, self->chain.link, DIGEST_SIZE) != 0) {
        return walk_damaged(walk, 0, "the chain is broken between this segment and the one before it", error);
    }
    if (!rc)
        rc = chain_start(&self->chain, buffer_bytes(&walk->head_bytes));
    self->batches = 0;
    self->last_time_ns = head->time_ns;
    self->verdict.segments++;
    return rc ? error_set(error, rc, "computing digests: %s", strerror(-rc)) : 0;
}

static uint64_t count_erased(const struct walk_batch *batch) {
    uint64_t erased = 0;
    const uint8_t *record = batch->bytes + BATCH_SIZE;
    for (uint32_t i = 0; i < batch->head.count; i++, record += record_length(record))
        erased += record[8] & RECORD_ERASED;
    return erased;
}

static int check_batch(
    struct verification *self, const struct walk *walk, const struct walk_batch *batch, struct error *error) {
    const char *reason = NULL;
    int rc = chain_check(&self->chain, &batch->head, batch->bytes, &reason);
    if (rc == -EBADMSG)
        return walk_damaged(walk, batch->offset, reason, error);
    if (!rc)
        rc = queue_index_add_batch(&self->index, batch->bytes, batch->head.count, batch->offset);
    if (rc == -EINVAL)
        return walk_damaged(walk, batch->offset, "a queue's positions have a gap", error);
    if (rc)
        return error_set(error, rc, "verifying: %s", strerror(-rc));
    self->batches++;
    self->last_time_ns = batch->head.time_ns;
    self->verdict.batches++;
    self->verdict.records += batch->head.count;
    self->verdict.erased += count_erased(batch);
    return 0;
}

// The foot must be what the body makes: it is built again and compared, byte for byte.
static int check_foot(struct verification *self, const struct walk *walk, struct error *error) {
    struct foot foot = {
        .epoch = walk->head.epoch,
        .first_sequence = walk->head.first_sequence,
        .last_sequence = walk->next_sequence - 1,
        .last_time_ns = self->last_time_ns,
        .batches = self->batches,
        .offset = walk->offset,
    };
    memcpy(foot.chain, self->chain.link, DIGEST_SIZE);
    size_t size = (size_t)foot_room(self->index.queue_count, self->index.entry_count);
    uint8_t *bytes = calloc(2, size);
    int rc = bytes ? foot_encode(&foot, &self->index, bytes) : -ENOMEM;
    size_t got = 0;
    if (!rc)
        rc = transfer_read(walk->fd, bytes + size, size, walk->offset, &got);
    bool equal = !rc && got == size && memcmp(bytes, bytes + size, size) == 0;
    free(bytes);
    if (rc)
        return error_set(error, rc, "verifying: %s", strerror(-rc));
    return equal ? 0 : walk_damaged(walk, walk->offset, "the foot does not match the records", error);
}

static int verify_segment(
    struct verification *self, struct tour *tour, uint64_t expected, struct error *error) {
    struct walk *walk = &tour->walk;
    struct walk_batch batch;
    int rc = check_head(self, tour, expected, error);
    while (!rc && (rc = walk_next(walk, &batch, error)) == 0)
        rc = check_batch(self, walk, &batch, error);
    if (rc == WALK_SEALED)
        rc = check_foot(self, walk, error);
    self->verdict.torn_bytes = walk->torn_bytes;
    queue_index_destroy(&self->index);
    return tour_check_end(tour, rc, error);
}

int journal_verify(const char *folder, struct journal_verdict *out, struct error *error) {
    struct tour tour;
    struct verification *self = calloc(1, sizeof *self);
    if (!self)
        return error_no_memory(error);
    uint64_t expected = 0;
    int rc = tour_start(&tour, folder, error);
    for (size_t at = 0; at < tour.list.segment_count && !rc; at++) {
        rc = tour_open(&tour, at, error);
        if (!rc)
            rc = verify_segment(self, &tour, expected, error);
        if (rc && rc != -ENOMEM && tour_gone(&tour))
            rc = error_set(error, -EAGAIN, "a segment was retired while it was read; verify it again");
        expected = tour.walk.next_sequence;
    }
    tour_end(&tour);
    memcpy(self->verdict.chain, self->chain.link, DIGEST_SIZE);
    if (!rc)
        *out = self->verdict;
    chain_destroy(&self->chain);
    free(self);
    return with_folder(rc, folder, error);
}
