#include "core/journal/batch.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

// O_DIRECT takes hold of each page that it writes from: of large ones there are few.
#define LARGE_PAGE ((size_t)2 << 20)
#define KEPT_CAPACITY ((size_t)4 << 20) // a batch that grew beyond gives its memory back when it is cleared

static int resize(struct journal_batch *batch, size_t capacity) {
    size_t align = capacity < LARGE_PAGE ? JOURNAL_BLOCK : LARGE_PAGE;
    void *memory = malloc(capacity + align);
    if (!memory)
        return -ENOMEM;
    uint8_t *data = (uint8_t *)memory + (-(uintptr_t)memory & (align - 1));
    if (align == LARGE_PAGE)
        (void)madvise(data, capacity, MADV_HUGEPAGE); // where the system has none, nothing is lost
    if (batch->memory)
        memcpy(data, batch->data, batch->size);
    free(batch->memory);
    batch->memory = memory;
    batch->data = data;
    batch->capacity = capacity;
    return 0;
}

struct journal_batch *journal_batch_new(size_t limit) {
    struct journal_batch *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->limit = limit < (size_t)1 << 30 ? limit : (size_t)1 << 30;
    self->size = self->complete_size = BATCH_SIZE;
    if (resize(self, 16 * JOURNAL_BLOCK))
        journal_batch_destroy(&self);
    return self;
}

void journal_batch_destroy(struct journal_batch **self) {
    if (!*self)
        return;
    free((*self)->memory);
    free((*self)->leaves);
    free((*self)->places);
    free(*self);
    *self = NULL;
}

void journal_batch_clear(struct journal_batch *batch) {
    batch->size = BATCH_SIZE;
    batch->count = 0;
    batch->entry_count = 0;
    batch->body_bytes = 0;
    batch->weight = 0;
    journal_batch_number(batch, 0, 0);
    if (batch->capacity <= KEPT_CAPACITY)
        return;
    (void)resize(batch, 16 * JOURNAL_BLOCK); // where there is no memory it stays large: nothing is lost
    free(batch->leaves);
    batch->leaves = NULL;
    batch->leaf_capacity = 0;
    free(batch->places);
    batch->places = NULL;
    batch->place_capacity = 0;
}

void journal_batch_number(struct journal_batch *batch, uint64_t first_sequence, int64_t time_ns) {
    batch->first_sequence = first_sequence;
    batch->time_ns = time_ns;
    batch->complete = 0;
    batch->complete_size = BATCH_SIZE;
}

void journal_batch_swap(struct journal_batch *a, struct journal_batch *b) {
    struct journal_batch held = *a;
    *a = *b;
    *b = held;
    a->limit = held.limit;
}

size_t journal_batch_count(const struct journal_batch *batch) {
    return batch->count;
}

size_t journal_batch_size(const struct journal_batch *batch) {
    return batch->size - BATCH_SIZE;
}

void journal_batch_weigh(struct journal_batch *batch, size_t bytes) {
    batch->weight += bytes;
}

size_t journal_batch_weight(const struct journal_batch *batch) {
    return batch->weight;
}

static int make_room(struct journal_batch *batch, size_t more) {
    size_t needed = block_up(batch->size + more);
    if (needed <= batch->capacity)
        return 0;
    return resize(batch, needed > 2 * batch->capacity ? needed : 2 * batch->capacity);
}

static int reserve_places(struct journal_batch *batch, size_t more) {
    size_t needed = batch->entry_count + more;
    if (needed <= batch->place_capacity)
        return 0;
    size_t capacity = needed < 64 ? 64 : needed + needed / 2;
    struct journal_place *places = realloc(batch->places, capacity * sizeof *places);
    if (!places)
        return -ENOMEM;
    batch->places = places;
    batch->place_capacity = capacity;
    return 0;
}

static void put_places(struct journal_batch *batch, const struct journal_entry *entries, size_t count) {
    for (size_t i = 0; i < count; i++)
        batch->places[batch->entry_count + i] = (struct journal_place){
            .position = entries[i].position, .queue = entries[i].queue, .offset = (uint32_t)batch->size};
}

static void put_record(uint8_t *to, size_t size, uint8_t kind, const struct journal_entry *entries,
    size_t entry_count, const struct bytes *parts, size_t part_count) {
    memset(to, 0, RECORD_SIZE);
    store_u32(to, (uint32_t)size);
    to[9] = kind;
    store_u16(to + 10, (uint16_t)entry_count);
    to += RECORD_SIZE;
    for (size_t i = 0; i < entry_count; i++, to += ENTRY_SIZE) {
        store_u32(to, entries[i].queue);
        store_u64(to + 4, entries[i].position);
    }
    for (size_t i = 0; i < part_count; i++) {
        if (parts[i].size > 0)
            memcpy(to, parts[i].data, parts[i].size);
        to += parts[i].size;
    }
}

int journal_batch_add(struct journal_batch *batch, uint8_t kind, const struct journal_entry *entries,
    size_t entry_count, const struct bytes *parts, size_t part_count) {
    size_t body = 0;
    for (size_t i = 0; i < part_count; i++)
        if (parts[i].size > batch->limit || (body += parts[i].size) > batch->limit)
            return -EMSGSIZE;
    size_t size = RECORD_SIZE + entry_count * ENTRY_SIZE + body;
    if (entry_count > JOURNAL_ENTRIES_MAX || size > batch->limit)
        return -EMSGSIZE;
    if (batch->size - BATCH_SIZE + size > batch->limit)
        return JOURNAL_BATCH_FULL;
    int rc = make_room(batch, size);
    rc = rc ? rc : reserve_places(batch, entry_count);
    if (rc)
        return rc;
    put_places(batch, entries, entry_count);
    put_record(batch->data + batch->size, size, kind, entries, entry_count, parts, part_count);
    batch->size += size;
    batch->count++;
    batch->entry_count += entry_count;
    batch->body_bytes += body;
    return 0;
}

int journal_batch_each(const struct journal_batch *batch, struct journal_entry *entries,
    int (*visit)(void *context, const struct journal_record *record), void *context) {
    const uint8_t *end = batch->data + batch->size;
    int rc = 0;
    for (const uint8_t *at = batch->data + BATCH_SIZE; at < end && rc == 0; at += record_length(at)) {
        struct journal_record record;
        record_decode(at, entries, &record);
        rc = visit(context, &record);
    }
    return rc;
}
