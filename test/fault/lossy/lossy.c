#include "test/fault/lossy/lossy.h"

#include "core/base/buffer.h"
#include "core/journal/backend.h"
#include "core/journal/batch.h"

#include <errno.h>
#include <stdlib.h>

// A batch that was acknowledged, and the owner's state behind it: the file back end asks for a checkpoint
// when it is written at last, and by then the owner is further.
struct held {
    struct journal_batch *batch;
    struct buffer checkpoint;
    uint64_t first_sequence;
};

struct lossy_journal {
    struct journal base;
    struct journal *file;
    struct journal_owner owner;
    struct held *held; // oldest first
    size_t held_count;
    size_t held_max;
    const struct held *writing;
};

static void drop(struct held *held) {
    journal_batch_destroy(&held->batch);
    buffer_destroy(&held->checkpoint);
}

static int write_oldest(struct lossy_journal *lossy, struct error *error) {
    lossy->writing = &lossy->held[0];
    int rc = journal_append(lossy->file, lossy->held[0].batch, error);
    lossy->writing = NULL;
    if (rc)
        return rc;
    drop(&lossy->held[0]);
    lossy->held_count--;
    memmove(lossy->held, lossy->held + 1, lossy->held_count * sizeof *lossy->held);
    return 0;
}

// A copy record by record: the batch stays its owner's.
static int copy_batch(const struct journal_batch *from, struct journal_batch **out) {
    struct journal_batch *copy = journal_batch_new(from->limit);
    if (!copy)
        return -ENOMEM;
    const uint8_t *record = from->data + BATCH_SIZE;
    int rc = 0;
    for (uint32_t i = 0; i < from->count && !rc; i++, record += record_length(record)) {
        struct journal_entry entries[JOURNAL_ENTRIES_MAX];
        struct journal_record decoded;
        record_decode(record, entries, &decoded);
        rc = journal_batch_add(copy, decoded.kind, entries, decoded.entry_count, &decoded.body, 1);
    }
    if (rc)
        journal_batch_destroy(&copy);
    else
        *out = copy;
    return rc;
}

static int lossy_append(struct journal *journal, struct journal_batch *batch, struct error *error) {
    struct lossy_journal *lossy = (struct lossy_journal *)journal;
    if (batch->count == 0)
        return 0;
    while (lossy->held_count >= lossy->held_max) {
        int rc = write_oldest(lossy, error);
        if (rc)
            return rc;
    }
    struct held held = {.first_sequence = journal->last + 1};
    int rc = copy_batch(batch, &held.batch);
    if (!rc && lossy->owner.checkpoint)
        rc = lossy->owner.checkpoint(lossy->owner.context, &held.checkpoint);
    if (rc) {
        drop(&held);
        return error_set(error, rc, "holding a batch");
    }
    lossy->held[lossy->held_count++] = held;
    journal->last += batch->count;
    journal->durable = journal->last; // the lie
    journal_batch_clear(batch);
    return 0;
}

// ---- Reading: what is on the disk, then what is held ----

struct visit {
    uint32_t queue;
    uint64_t next;
    size_t count_left;
    size_t bytes_left;
    journal_visit *visit;
    void *context;
};

static int visit_one(void *context, const struct journal_record *record, uint64_t position) {
    struct visit *visit = context;
    int rc = visit->visit(visit->context, record, position);
    visit->next = position + 1;
    visit->count_left--;
    visit->bytes_left -= record->body.size < visit->bytes_left ? record->body.size : visit->bytes_left;
    return rc;
}

static int visit_held(struct visit *visit, const struct held *held) {
    const uint8_t *record = held->batch->data + BATCH_SIZE;
    for (uint32_t i = 0; i < held->batch->count; i++, record += record_length(record)) {
        struct journal_entry entries[JOURNAL_ENTRIES_MAX];
        struct journal_record decoded;
        record_decode(record, entries, &decoded);
        decoded.sequence = held->first_sequence + i;
        for (size_t e = 0; e < decoded.entry_count; e++) {
            if (entries[e].queue != visit->queue || entries[e].position < visit->next)
                continue;
            if (visit->count_left == 0 || visit->bytes_left == 0)
                return 0;
            int rc = visit_one(visit, &decoded, entries[e].position);
            if (rc)
                return rc;
        }
    }
    return 0;
}

static int lossy_read_queue(struct journal *journal, uint32_t queue, uint64_t from, size_t max_count,
    size_t max_bytes, journal_visit *visit, void *context, struct error *error) {
    struct lossy_journal *lossy = (struct lossy_journal *)journal;
    struct visit state = {.queue = queue,
        .next = from,
        .count_left = max_count ? max_count : 1,
        .bytes_left = max_bytes ? max_bytes : 1,
        .visit = visit,
        .context = context};
    int rc = journal_read_queue(lossy->file, queue, from, max_count, max_bytes, visit_one, &state, error);
    for (size_t i = 0; i < lossy->held_count && !rc; i++)
        rc = visit_held(&state, &lossy->held[i]);
    return rc;
}

// Of what is held nothing can be read or erased by its sequence.
static int lossy_read_record(
    struct journal *journal, uint64_t sequence, journal_visit *visit, void *context, struct error *error) {
    return journal_read_record(((struct lossy_journal *)journal)->file, sequence, visit, context, error);
}

static int lossy_erase(struct journal *journal, uint64_t sequence, struct error *error) {
    return journal_erase(((struct lossy_journal *)journal)->file, sequence, error);
}

static int lossy_retire(struct journal *journal, int64_t keep_until_ns, const struct journal_settled *settled,
    size_t *retired, struct error *error) {
    return journal_retire(((struct lossy_journal *)journal)->file, keep_until_ns, settled, retired, error);
}

static void lossy_status(const struct journal *journal, struct journal_status *out) {
    journal_status(((const struct lossy_journal *)journal)->file, out);
    out->last = journal->last;
}

static void lossy_close(struct journal *journal) {
    struct lossy_journal *lossy = (struct lossy_journal *)journal;
    struct error error;
    while (lossy->held && lossy->held_count > 0 && write_oldest(lossy, &error) == 0)
        ;
    for (size_t i = 0; i < lossy->held_count; i++)
        drop(&lossy->held[i]);
    journal_close(&lossy->file);
    free(lossy->held);
    free(lossy);
}

static const struct journal_operations operations = {
    .append = lossy_append,
    .read_queue = lossy_read_queue,
    .read_record = lossy_read_record,
    .erase = lossy_erase,
    .retire = lossy_retire,
    .status = lossy_status,
    .close = lossy_close,
};

// ---- Its owner's calls, in between ----

static int restore(void *context, struct bytes checkpoint, struct error *error) {
    const struct journal_owner *owner = &((struct lossy_journal *)context)->owner;
    return owner->restore ? owner->restore(owner->context, checkpoint, error) : 0;
}

static int replay(void *context, const struct journal_record *record, struct error *error) {
    const struct journal_owner *owner = &((struct lossy_journal *)context)->owner;
    return owner->replay ? owner->replay(owner->context, record, error) : 0;
}

static int checkpoint(void *context, struct buffer *out) {
    struct lossy_journal *lossy = context;
    if (lossy->writing)
        return buffer_append_bytes(out, buffer_bytes(&lossy->writing->checkpoint));
    return lossy->owner.checkpoint ? lossy->owner.checkpoint(lossy->owner.context, out) : 0;
}

int journal_lossy_open(const struct journal_options *options, const struct journal_owner *owner, size_t held,
    struct journal **out, struct error *error) {
    struct lossy_journal *lossy = calloc(1, sizeof *lossy);
    if (!lossy)
        return error_no_memory(error);
    lossy->base.operations = &operations;
    lossy->owner = *owner;
    lossy->held_max = held ? held : 1;
    lossy->held = calloc(lossy->held_max, sizeof *lossy->held);
    struct journal_owner between = {
        .context = lossy, .restore = restore, .replay = replay, .checkpoint = checkpoint};
    struct journal_options inner = *options;
    inner.background = false; // the lie is told at once
    int rc = lossy->held ? journal_file_open(&inner, &between, &lossy->file, error) : error_no_memory(error);
    if (rc) {
        lossy_close(&lossy->base);
        return rc;
    }
    lossy->base.last = lossy->base.durable = journal_last(lossy->file);
    memcpy(lossy->base.id, journal_id(lossy->file), sizeof lossy->base.id);
    *out = (struct journal *)lossy;
    return 0;
}
