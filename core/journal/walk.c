#include "core/journal/walk.h"

#include "core/journal/disk.h"
#include "core/journal/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>

#define WINDOW_SIZE ((size_t)1 << 20)

int walk_damaged(const struct walk *walk, uint64_t offset, const char *what, struct error *error) {
    char name[SEGMENT_NAME_SIZE];
    segment_name(walk->number, name);
    return error_set(error, JOURNAL_DAMAGED, "%s: damaged at offset %" PRIu64 ": %s", name, offset, what);
}

static int io_failed(const struct walk *walk, int rc, struct error *error) {
    char name[SEGMENT_NAME_SIZE];
    segment_name(walk->number, name);
    return rc == -ENOMEM ? error_no_memory(error) : error_set(error, rc, "%s: %s", name, strerror(-rc));
}

// Brings `size` bytes at `offset` into the window, as far as the file goes.
static int load(struct walk *walk, uint64_t offset, size_t size, struct bytes *out) {
    if (offset < walk->window_offset || offset + size > walk->window_offset + walk->window_size) {
        size_t wanted = size < WINDOW_SIZE ? WINDOW_SIZE : size;
        if (wanted > walk->window_capacity) {
            uint8_t *window = malloc(wanted);
            if (!window)
                return -ENOMEM;
            free(walk->window);
            walk->window = window;
            walk->window_capacity = wanted;
        }
        walk->window_size = 0;
        walk->window_offset = offset;
        int rc = transfer_read(walk->fd, walk->window, walk->window_capacity, offset, &walk->window_size);
        if (rc)
            return rc;
    }
    size_t skip = (size_t)(offset - walk->window_offset);
    size_t have = skip < walk->window_size ? walk->window_size - skip : 0;
    *out = bytes_of(walk->window + (have ? skip : 0), have < size ? have : size);
    return 0;
}

// ---- Head ----

static int read_head(struct walk *walk, struct error *error) {
    struct bytes bytes;
    int rc = load(walk, 0, HEAD_SIZE, &bytes);
    if (rc)
        return io_failed(walk, rc, error);
    if (head_decode(bytes, false, &walk->head))
        return walk_damaged(walk, 0, "no head of a segment, or not of this version", error);
    size_t size = HEAD_SIZE + (size_t)walk->head.checkpoint_size;
    if (size > walk->size)
        return walk_damaged(walk, 0, "the checkpoint goes beyond the file", error);
    rc = load(walk, 0, size, &bytes);
    if (!rc && buffer_append_bytes(&walk->head_bytes, bytes))
        rc = -ENOMEM;
    if (rc)
        return io_failed(walk, rc, error);
    if (head_decode(bytes, true, &walk->head))
        return walk_damaged(walk, 0, "the head's CRC does not match", error);
    if (walk->head.segment != walk->number)
        return walk_damaged(walk, 0, "the head is of another segment than the name", error);
    return 0;
}

int walk_open(int folder, uint64_t number, struct walk *out, struct error *error) {
    char name[SEGMENT_NAME_SIZE];
    segment_name(number, name);
    *out = (struct walk){.number = number};
    out->fd = -1;
    int rc = disk_open(folder, name, O_RDONLY, true, &out->fd);
    if (!rc)
        rc = disk_size(out->fd, &out->size);
    if (rc)
        return io_failed(out, rc, error);
    rc = read_head(out, error);
    if (rc)
        return rc;
    out->offset = block_up(out->head_bytes.size);
    out->next_sequence = out->head.first_sequence;
    return 0;
}

void walk_close(struct walk *walk) {
    if (walk->fd >= 0)
        disk_close(walk->fd);
    walk->fd = -1;
    free(walk->window);
    walk->window = NULL;
    buffer_destroy(&walk->head_bytes);
    foot_destroy(&walk->foot);
}

struct bytes walk_checkpoint(const struct walk *walk) {
    return bytes_of(walk->head_bytes.data + HEAD_SIZE, walk->head_bytes.size - HEAD_SIZE);
}

// ---- Batches ----

static const char *check_records(const struct batch_head *head, const uint8_t *bytes) {
    uint64_t at = BATCH_SIZE;
    for (uint32_t i = 0; i < head->count; i++) {
        size_t length = 0;
        if (record_check(bytes_of(bytes + at, head->length - at), &length))
            return "a record's CRC or length does not match";
        at += length;
    }
    return at == head->length ? NULL : "the records do not fill their batch";
}

// The record of an erasure under way may be a mixture on the disk: here it is what it will be.
static void finish_erasure(struct walk *walk, const struct walk_batch *batch) {
    const struct redo *redo = &walk->redo;
    uint64_t begin = batch->offset + BATCH_SIZE;
    uint64_t end = batch->offset + batch->head.length;
    if (redo->segment != walk->number || redo->epoch != walk->head.epoch || redo->offset < begin ||
        redo->offset > end - RECORD_SIZE)
        return;
    uint8_t *record = walk->window + (redo->offset - walk->window_offset);
    if (redo_is_of(redo, record, end - redo->offset))
        record_erase(record, redo->leaf);
}

// 0 with a batch in `out`; -EBADMSG with the reason; other negative ones.
static int read_batch(struct walk *walk, struct walk_batch *out, const char **reason) {
    struct bytes bytes;
    int rc = load(walk, walk->offset, BATCH_SIZE, &bytes);
    if (rc)
        return rc;
    struct walk_batch batch = {.offset = walk->offset};
    *reason = "no batch header";
    if (batch_head_decode(bytes, &batch.head) || batch.head.epoch != walk->head.epoch)
        return -EBADMSG;
    *reason = "the batch goes beyond the file";
    if (batch.head.length > walk->size - walk->offset)
        return -EBADMSG;
    rc = load(walk, walk->offset, (size_t)batch.head.length, &bytes);
    if (rc)
        return rc;
    if (bytes.size == batch.head.length)
        finish_erasure(walk, &batch);
    *reason = bytes.size < batch.head.length ? "the batch is cut" : check_records(&batch.head, bytes.data);
    batch.bytes = bytes.data;
    if (*reason)
        return -EBADMSG;
    *out = batch;
    return 0;
}

// Its last bytes too: by them the segment is read later. -EBADMSG where a power cut took them.
static int check_foot_end(struct walk *walk, uint64_t offset, uint64_t size) {
    struct bytes end;
    uint64_t found = 0;
    int rc = load(walk, offset + size - FOOT_END_SIZE, FOOT_END_SIZE, &end);
    if (!rc && (foot_find(end, offset + size, &found) || found != offset))
        rc = -EBADMSG;
    return rc;
}

static int read_foot_at(struct walk *walk, uint64_t offset) {
    struct bytes bytes;
    int rc = load(walk, offset, FOOT_SIZE, &bytes);
    uint64_t rest = walk->size - offset;
    // The length stands in the foot itself; the rest of the file bounds it.
    if (!rc && bytes.size == FOOT_SIZE && load_u32(bytes.data + 8) <= rest)
        rc = load(walk, offset, load_u32(bytes.data + 8), &bytes);
    if (rc)
        return rc;
    struct foot foot = {0};
    rc = foot_decode(bytes, offset, &foot, &walk->foot_size);
    if (rc)
        return rc;
    rc = foot.epoch == walk->head.epoch ? check_foot_end(walk, offset, walk->foot_size) : -EBADMSG;
    if (rc) {
        foot_destroy(&foot);
        return rc;
    }
    foot_destroy(&walk->foot);
    walk->foot = foot;
    return 0;
}

// One batch at most is on its way to the disk at any time. So where anything of this segment stands behind a
// bad place, that place was whole once: damage. Else it is the tail of a write that was cut. 0: nothing
// behind it.
static int look_behind(struct walk *walk, uint64_t bad, const char *reason, struct error *error) {
    static const uint8_t zeros[JOURNAL_BLOCK];
    uint64_t last_used = bad;
    for (uint64_t at = bad; at < walk->size; at += JOURNAL_BLOCK) {
        struct bytes block;
        int rc = load(walk, at, JOURNAL_BLOCK, &block);
        if (rc)
            return io_failed(walk, rc, error);
        struct batch_head head;
        if (at > bad && batch_head_decode(block, &head) == 0 && head.epoch == walk->head.epoch)
            return walk_damaged(walk, bad, reason, error);
        if (memcmp(block.data, zeros, block.size) == 0)
            continue;
        for (size_t i = 0; i < block.size; i++)
            if (block.data[i])
                last_used = at + i + 1;
    }
    walk->torn_bytes = last_used - bad;
    return 0;
}

// Nothing more at walk->offset: the foot, the open end, or damage.
static int find_end(struct walk *walk, const char *reason, struct error *error) {
    int rc = walk->offset < walk->size ? read_foot_at(walk, walk->offset) : -EBADMSG;
    if (!rc)
        return WALK_SEALED;
    if (rc != -EBADMSG)
        return io_failed(walk, rc, error);
    uint64_t foot_offset = 0;
    struct bytes end = {0};
    uint64_t from = walk->size >= JOURNAL_BLOCK ? walk->size - JOURNAL_BLOCK : 0;
    rc = load(walk, from, (size_t)(walk->size - from), &end);
    if (!rc && foot_find(end, walk->size, &foot_offset) == 0 && foot_offset > walk->offset &&
        read_foot_at(walk, foot_offset) == 0)
        return walk_damaged(walk, walk->offset, reason, error);
    if (rc)
        return io_failed(walk, rc, error);
    rc = look_behind(walk, walk->offset, reason, error);
    return rc ? rc : WALK_OPEN;
}

// Not a good batch where one is looked for, in a journal that may be being written: what the window holds is
// older than what was read behind it. What stands there once something behind it was seen is final, so it is
// read once more. 0 with the batch, WALK_SEALED, WALK_OPEN, JOURNAL_DAMAGED, negative.
static int look_again(struct walk *walk, const char *reason, struct walk_batch *out, struct error *error) {
    int end = find_end(walk, reason, error);
    if (end != JOURNAL_DAMAGED && (end != WALK_OPEN || walk->torn_bytes == 0))
        return end;
    walk->window_size = 0;
    int rc = read_batch(walk, out, &reason);
    if (rc == -EBADMSG)
        return end;
    walk->torn_bytes = 0;
    return rc ? io_failed(walk, rc, error) : 0;
}

int walk_next(struct walk *walk, struct walk_batch *out, struct error *error) {
    const char *reason = "no batch header";
    struct walk_batch batch = {0};
    int rc = walk->offset < walk->size ? read_batch(walk, &batch, &reason) : -EBADMSG;
    if (rc == -EBADMSG)
        rc = look_again(walk, reason, &batch, error);
    else if (rc)
        rc = io_failed(walk, rc, error);
    if (rc)
        return rc;
    if (batch.head.first_sequence != walk->next_sequence)
        return walk_damaged(walk, walk->offset, "the batch does not follow the one before it", error);
    walk->offset += block_up(batch.head.length);
    walk->next_sequence += batch.head.count;
    *out = batch;
    return 0;
}
