#include "core/journal/foot.h"

#include "core/crypto/crc32c.h"

#include <errno.h>
#include <stdlib.h>

#define FOOT_MAGIC 0x464a5448u     // "HTJF"
#define FOOT_END_MAGIC 0x454a5448u // "HTJE"

// ---- magic, version, length, queues 12, epoch 16, first, last, time 40, chain 48, batches 80, crc 88,
// offset 96; then the queues, then their items; at the very end of the last block: offset, length, magic ----

static uint64_t content_size(uint64_t queues, uint64_t entries) {
    return FOOT_SIZE + queues * FOOT_QUEUE_SIZE + entries * 4;
}

uint64_t foot_room(uint64_t queues, uint64_t entries) {
    return block_up(content_size(queues, entries) + FOOT_END_SIZE);
}

static uint32_t foot_crc(const uint8_t *foot, size_t size) {
    static const uint8_t zero[4];
    return crc32c(crc32c(crc32c(0, foot, 88), zero, 4), foot + 92, size - 92);
}

static void put_queues(
    const struct queue_items **sorted, size_t queue_count, uint64_t foot_offset, uint8_t *out) {
    uint8_t *to = out + FOOT_SIZE;
    uint8_t *item = to + queue_count * FOOT_QUEUE_SIZE;
    for (size_t i = 0; i < queue_count; i++, to += FOOT_QUEUE_SIZE) {
        store_u32(to, sorted[i]->queue);
        store_u32(to + 4, (uint32_t)sorted[i]->count);
        store_u64(to + 8, sorted[i]->first);
        store_u64(to + 16, foot_offset + (uint64_t)(item - out));
        for (size_t k = 0; k < sorted[i]->count; k++, item += 4)
            store_u32(item, sorted[i]->offsets[k]);
    }
}

int foot_encode(const struct foot *foot, const struct queue_index *index, uint8_t *out) {
    const struct queue_items **sorted = queue_index_sorted(index);
    if (!sorted && index->queue_count > 0)
        return -ENOMEM;
    uint64_t size = content_size(index->queue_count, index->entry_count);
    store_u32(out, FOOT_MAGIC);
    store_u32(out + 4, JOURNAL_VERSION);
    store_u32(out + 8, (uint32_t)size);
    store_u32(out + 12, (uint32_t)index->queue_count);
    store_u64(out + 16, foot->epoch);
    store_u64(out + 24, foot->first_sequence);
    store_u64(out + 32, foot->last_sequence);
    store_u64(out + 40, (uint64_t)foot->last_time_ns);
    memcpy(out + 48, foot->chain, DIGEST_SIZE);
    store_u64(out + 80, foot->batches);
    store_u64(out + 96, foot->offset);
    put_queues(sorted, index->queue_count, foot->offset, out);
    free(sorted);
    store_u32(out + 88, foot_crc(out, size));
    uint8_t *end = out + foot_room(index->queue_count, index->entry_count) - FOOT_END_SIZE;
    store_u64(end, foot->offset);
    store_u32(end + 8, (uint32_t)size);
    store_u32(end + 12, FOOT_END_MAGIC);
    return 0;
}

static int take_queues(const uint8_t *bytes, uint64_t size, struct foot *foot) {
    uint64_t item = foot->offset + FOOT_SIZE + foot->queue_count * (uint64_t)FOOT_QUEUE_SIZE;
    uint64_t end = foot->offset + size;
    const uint8_t *from = bytes + FOOT_SIZE;
    for (uint32_t i = 0; i < foot->queue_count; i++, from += FOOT_QUEUE_SIZE) {
        struct foot_queue *queue = &foot->queues[i];
        queue->queue = load_u32(from);
        queue->count = load_u32(from + 4);
        queue->first = load_u64(from + 8);
        queue->items_offset = load_u64(from + 16);
        if (queue->count == 0 || queue->items_offset != item || (i > 0 && queue->queue <= queue[-1].queue))
            return -EBADMSG;
        item += queue->count * (uint64_t)4;
        if (item > end)
            return -EBADMSG;
    }
    return item == end ? 0 : -EBADMSG;
}

int foot_decode(struct bytes bytes, uint64_t offset, struct foot *out, uint64_t *disk_size) {
    const uint8_t *p = bytes.data;
    if (bytes.size < FOOT_SIZE || load_u32(p) != FOOT_MAGIC || load_u32(p + 4) != JOURNAL_VERSION)
        return -EBADMSG;
    uint64_t size = load_u32(p + 8);
    struct foot foot = {
        .queue_count = load_u32(p + 12),
        .epoch = load_u64(p + 16),
        .first_sequence = load_u64(p + 24),
        .last_sequence = load_u64(p + 32),
        .last_time_ns = (int64_t)load_u64(p + 40),
        .batches = load_u64(p + 80),
        .offset = offset,
    };
    memcpy(foot.chain, p + 48, DIGEST_SIZE);
    if (size < FOOT_SIZE + foot.queue_count * (uint64_t)FOOT_QUEUE_SIZE || size > bytes.size ||
        load_u64(p + 96) != offset || load_u32(p + 88) != foot_crc(p, size))
        return -EBADMSG;
    foot.queues = calloc(foot.queue_count ? foot.queue_count : 1, sizeof *foot.queues);
    if (!foot.queues)
        return -ENOMEM;
    int rc = take_queues(p, size, &foot);
    if (rc) {
        foot_destroy(&foot);
        return rc;
    }
    *out = foot;
    *disk_size = block_up(size + FOOT_END_SIZE);
    return 0;
}

int foot_find(struct bytes end, uint64_t file_size, uint64_t *offset) {
    if (end.size < FOOT_END_SIZE)
        return -EBADMSG;
    const uint8_t *p = end.data + end.size - FOOT_END_SIZE;
    uint64_t at = load_u64(p);
    if (load_u32(p + 12) != FOOT_END_MAGIC || at > file_size || at % JOURNAL_BLOCK != 0 ||
        at + block_up((uint64_t)load_u32(p + 8) + FOOT_END_SIZE) != file_size)
        return -EBADMSG;
    *offset = at;
    return 0;
}

static int compare_queue(const void *key, const void *item) {
    uint32_t left = *(const uint32_t *)key;
    uint32_t right = ((const struct foot_queue *)item)->queue;
    return left < right ? -1 : left > right;
}

const struct foot_queue *foot_get(const struct foot *foot, uint32_t queue) {
    return foot->queue_count
               ? bsearch(&queue, foot->queues, foot->queue_count, sizeof *foot->queues, compare_queue)
               : NULL;
}

void foot_destroy(struct foot *foot) {
    free(foot->queues);
    *foot = (struct foot){0};
}
