#include "core/base/buffer.h"
#include "core/base/clock.h"
#include "core/journal/backend.h"
#include "core/journal/chain.h"
#include "core/journal/index.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define MEMORY_SEGMENT ((size_t)256 << 10) // small, so that tests live through many

struct memory_segment {
    struct memory_segment *next; // newer
    struct buffer checkpoint;
    struct buffer body; // batches, one behind the other
    struct queue_index index;
    uint64_t first_sequence;
    int64_t last_time_ns;
};

struct journal_store {
    struct memory_segment *oldest; // owned, and the others behind it
    struct memory_segment *newest;
    size_t segment_count;
    uint64_t limit;
    uint64_t segment_size;
    uint64_t last;
    uint8_t id[JOURNAL_ID_SIZE];
    struct chain chain;
    int64_t (*now_ns)(void *context);
    void *now_context;
    struct journal_status counters;
};

struct memory_journal {
    struct journal base;
    struct journal_owner owner;
    struct journal_store *store;
};

static void destroy_segment(struct memory_segment *segment) {
    buffer_destroy(&segment->checkpoint);
    buffer_destroy(&segment->body);
    queue_index_destroy(&segment->index);
    free(segment);
}

static struct memory_segment *add_segment(struct journal_store *store) {
    struct memory_segment *segment = calloc(1, sizeof *segment);
    if (!segment)
        return NULL;
    segment->first_sequence = store->last + 1;
    if (store->newest)
        store->newest->next = segment;
    else
        store->oldest = segment;
    store->segment_count++;
    store->newest = segment;
    return segment;
}

struct journal_store *journal_store_new(void) {
    struct journal_store *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->segment_size = MEMORY_SEGMENT;
    if (chain_init(&self->chain, DIGEST_SHA256) ||
        random_fill(&self->chain.maker.salts, self->id, JOURNAL_ID_SIZE) || !add_segment(self))
        journal_store_destroy(&self);
    return self;
}

void journal_store_destroy(struct journal_store **self) {
    if (!*self)
        return;
    for (struct memory_segment *next = NULL, *segment = (*self)->oldest; segment; segment = next) {
        next = segment->next;
        destroy_segment(segment);
    }
    chain_destroy(&(*self)->chain);
    free(*self);
    *self = NULL;
}

void journal_store_set_limit(struct journal_store *store, uint64_t bytes) {
    store->limit = bytes;
}

void journal_store_set_segment(struct journal_store *store, uint64_t bytes) {
    store->segment_size = bytes ? bytes : MEMORY_SEGMENT;
}

void journal_store_set_clock(struct journal_store *store, int64_t (*now_ns)(void *context), void *context) {
    store->now_ns = now_ns;
    store->now_context = context;
}

static uint64_t stored_bytes(const struct journal_store *store) {
    uint64_t bytes = 0;
    for (const struct memory_segment *segment = store->oldest; segment; segment = segment->next)
        bytes += segment->body.size;
    return bytes;
}

static int roll(struct memory_journal *memory, struct error *error) {
    int64_t time_ns = memory->store->newest->last_time_ns;
    struct memory_segment *next = add_segment(memory->store);
    if (!next)
        return error_no_memory(error);
    next->last_time_ns = time_ns;
    int rc = 0;
    if (memory->owner.checkpoint)
        rc = memory->owner.checkpoint(memory->owner.context, &next->checkpoint);
    return rc ? error_set(error, rc, "making the checkpoint of a segment") : 0;
}

static int memory_append(struct journal *journal, struct journal_batch *batch, struct error *error) {
    struct memory_journal *memory = (struct memory_journal *)journal;
    struct journal_store *store = memory->store;
    struct memory_segment *segment = store->newest;
    if (batch->count == 0)
        return 0;
    if (store->limit && stored_bytes(store) + batch->size > store->limit)
        return error_set(error, JOURNAL_FULL, "the journal is as large as its limit allows");
    int64_t now = store->now_ns ? store->now_ns(store->now_context) : clock_realtime_ns();
    if (now < segment->last_time_ns)
        now = segment->last_time_ns;
    if (buffer_reserve(&segment->body, batch->size))
        return error_no_memory(error);
    int rc = queue_index_add_places(&segment->index, batch->places, batch->entry_count, segment->body.size);
    journal_batch_number(batch, store->last + 1, now);
    if (!rc)
        rc = chain_seal(&store->chain, batch, 0);
    if (!rc)
        rc = buffer_append(&segment->body, batch->data, batch->size);
    if (rc == -EINVAL)
        return error_set(error, rc, "a record's position does not follow the last one of its queue");
    if (rc)
        return error_set(error, rc, "appending in memory: %s", strerror(-rc));
    segment->last_time_ns = now;
    store->last += batch->count;
    journal->last = journal->durable = store->last;
    store->counters.appended_bytes += batch->size;
    store->counters.payload_bytes += batch->body_bytes;
    store->counters.syncs++;
    journal_batch_clear(batch);
    return segment->body.size >= store->segment_size ? roll(memory, error) : 0;
}

static int damaged_body(const struct journal_record *record, struct error *error) {
    char what[ERROR_TEXT_SIZE];
    snprintf(what, sizeof what, "%.250s", error ? error->text : "");
    return error_set(error, JOURNAL_DAMAGED, "record %llu: %s", (unsigned long long)record->sequence, what);
}

static int memory_read_queue(struct journal *journal, uint32_t queue, uint64_t from, size_t max_count,
    size_t max_bytes, journal_visit *visit, void *context, struct error *error) {
    const struct journal_store *store = ((struct memory_journal *)journal)->store;
    size_t bytes = 0;
    size_t count = 0;
    for (const struct memory_segment *segment = store->oldest; segment; segment = segment->next) {
        const struct queue_items *items = queue_index_get(&segment->index, queue);
        if (!items || items->first + items->count <= from)
            continue;
        for (size_t i = from > items->first ? (size_t)(from - items->first) : 0; i < items->count; i++) {
            struct journal_entry entries[JOURNAL_ENTRIES_MAX];
            struct journal_record record;
            record_decode(segment->body.data + items->offsets[i], entries, &record);
            int rc = visit(context, &record, items->first + i);
            if (rc == JOURNAL_DAMAGED)
                return damaged_body(&record, error);
            bytes += record.body.size;
            if (rc || ++count >= max_count || bytes >= max_bytes)
                return rc;
        }
    }
    return 0;
}

// The record, and NULL where it isn't.
static uint8_t *find_record(const struct journal_store *store, uint64_t sequence) {
    struct memory_segment *segment = store->oldest;
    while (segment->next && segment->next->first_sequence <= sequence)
        segment = segment->next;
    for (size_t at = 0; at < segment->body.size;) {
        struct batch_head head;
        if (batch_head_decode(bytes_of(segment->body.data + at, segment->body.size - at), &head))
            return NULL;
        uint8_t *record = segment->body.data + at + BATCH_SIZE;
        for (uint32_t i = 0; i < head.count; i++, record += record_length(record))
            if (load_u64(record + 32) == sequence)
                return record;
        at += head.length;
    }
    return NULL;
}

static int refused(uint64_t sequence, const char *what, struct error *error) {
    return error_set(error, JOURNAL_REFUSED, "record %llu %s", (unsigned long long)sequence, what);
}

static int memory_read_record(
    struct journal *journal, uint64_t sequence, journal_visit *visit, void *context, struct error *error) {
    const uint8_t *found = find_record(((struct memory_journal *)journal)->store, sequence);
    if (!found)
        return refused(sequence, "is not there (any more)", error);
    struct journal_entry entries[JOURNAL_ENTRIES_MAX];
    struct journal_record record;
    record_decode(found, entries, &record);
    return visit(context, &record, 0);
}

static int memory_erase(struct journal *journal, uint64_t sequence, struct error *error) {
    struct journal_store *store = ((struct memory_journal *)journal)->store;
    uint8_t *record = find_record(store, sequence);
    uint8_t leaf[DIGEST_SIZE];
    if (!record)
        return refused(sequence, "is not there (any more)", error);
    if (record[8] & RECORD_ERASED)
        return refused(sequence, "is erased already", error);
    if (record_length(record) < RECORD_SIZE + load_u16(record + 10) * ENTRY_SIZE + 16)
        return refused(sequence, "has a body below 16 bytes, which can't be erased", error);
    int rc = record_leaf(store->chain.maker.digest, record, leaf);
    if (rc)
        return error_set(error, rc, "computing digests: %s", strerror(-rc));
    record_erase(record, leaf);
    return 0;
}

static bool may_retire(
    const struct memory_segment *segment, int64_t keep_until_ns, const struct journal_settled *settled) {
    if (segment->last_time_ns >= keep_until_ns)
        return false;
    size_t cursor = 0;
    void *value = NULL;
    while (settled && number_map_next(&segment->index.queues, &cursor, NULL, &value)) {
        const struct queue_items *items = value;
        if (!settled->settled(settled->context, items->queue, items->first + items->count - 1))
            return false;
    }
    return true;
}

static int memory_retire(struct journal *journal, int64_t keep_until_ns,
    const struct journal_settled *settled, size_t *retired, struct error *error) {
    (void)error;
    struct journal_store *store = ((struct memory_journal *)journal)->store;
    size_t count = 0;
    while (store->segment_count > 1 && may_retire(store->oldest, keep_until_ns, settled)) {
        struct memory_segment *oldest = store->oldest;
        store->oldest = oldest->next;
        destroy_segment(oldest);
        store->segment_count--;
        count++;
    }
    if (retired)
        *retired = count;
    return 0;
}

static void memory_status(const struct journal *journal, struct journal_status *out) {
    const struct journal_store *store = ((const struct memory_journal *)journal)->store;
    *out = store->counters;
    out->segments = store->segment_count;
    out->bytes = stored_bytes(store);
    out->first = store->oldest->first_sequence;
    out->last = store->last;
}

static void memory_close(struct journal *journal) {
    free(journal);
}

static const struct journal_operations operations = {
    .append = memory_append,
    .read_queue = memory_read_queue,
    .read_record = memory_read_record,
    .erase = memory_erase,
    .retire = memory_retire,
    .status = memory_status,
    .close = memory_close,
};

static int replay(struct memory_journal *memory, struct error *error) {
    const struct journal_owner *owner = &memory->owner;
    const struct memory_segment *last = memory->store->newest;
    int rc = owner->restore ? owner->restore(owner->context, buffer_bytes(&last->checkpoint), error) : 0;
    for (size_t at = 0; at < last->body.size && !rc && owner->replay;) {
        struct batch_head head;
        rc = batch_head_decode(bytes_of(last->body.data + at, last->body.size - at), &head);
        const uint8_t *record = last->body.data + at + BATCH_SIZE;
        for (uint32_t i = 0; !rc && i < head.count; i++, record += record_length(record)) {
            struct journal_entry entries[JOURNAL_ENTRIES_MAX];
            struct journal_record decoded;
            record_decode(record, entries, &decoded);
            rc = owner->replay(owner->context, &decoded, error);
        }
        at += rc ? 0 : head.length;
    }
    return rc;
}

int journal_memory_open(struct journal_store *store, const struct journal_owner *owner, struct journal **out,
    struct error *error) {
    struct memory_journal *memory = calloc(1, sizeof *memory);
    if (!memory)
        return error_no_memory(error);
    memory->base.operations = &operations;
    memory->base.last = memory->base.durable = store->last;
    memcpy(memory->base.id, store->id, JOURNAL_ID_SIZE);
    memory->owner = *owner;
    memory->store = store;
    int rc = replay(memory, error);
    if (rc) {
        free(memory);
        return rc;
    }
    *out = (struct journal *)memory;
    return 0;
}
