#include "core/journal/format.h"

#include "core/crypto/crc32c.h"

#include <errno.h>

#define HEAD_MAGIC 0x534a5448u  // "HTJS"
#define BATCH_MAGIC 0x424a5448u // "HTJB"

// A CRC over `size` bytes as if the four at `hole` were zero: they hold the CRC itself.
static uint32_t crc_around(const uint8_t *data, size_t size, size_t hole) {
    static const uint8_t zero[4];
    uint32_t crc = crc32c(0, data, hole);
    crc = crc32c(crc, zero, sizeof zero);
    return crc32c(crc, data + hole + 4, size - hole - 4);
}

// ---- Head: magic, version, length, crc, id 16, chain 48, segment 80, epoch, first, time 104, algorithm 112,
// checkpoint 120 ----

void head_encode(const struct segment_head *head, struct bytes checkpoint, uint8_t out[HEAD_SIZE]) {
    memset(out, 0, HEAD_SIZE);
    store_u32(out, HEAD_MAGIC);
    store_u32(out + 4, JOURNAL_VERSION);
    store_u32(out + 8, (uint32_t)(HEAD_SIZE + checkpoint.size));
    memcpy(out + 16, head->id, JOURNAL_ID_SIZE);
    memcpy(out + 32, head->chain, DIGEST_SIZE);
    store_u64(out + 64, head->segment);
    store_u64(out + 72, head->epoch);
    store_u64(out + 80, head->first_sequence);
    store_u64(out + 88, (uint64_t)head->time_ns);
    out[96] = (uint8_t)head->algorithm;
    store_u64(out + 104, checkpoint.size);
    store_u32(out + 12, crc32c(crc_around(out, HEAD_SIZE, 12), checkpoint.data, checkpoint.size));
}

int head_decode(struct bytes bytes, bool whole, struct segment_head *out) {
    const uint8_t *p = bytes.data;
    if (bytes.size < HEAD_SIZE || load_u32(p) != HEAD_MAGIC || load_u32(p + 4) != JOURNAL_VERSION)
        return -EBADMSG;
    struct segment_head head = {
        .segment = load_u64(p + 64),
        .epoch = load_u64(p + 72),
        .first_sequence = load_u64(p + 80),
        .time_ns = (int64_t)load_u64(p + 88),
        .algorithm = p[96],
        .checkpoint_size = load_u64(p + 104),
    };
    memcpy(head.id, p + 16, JOURNAL_ID_SIZE);
    memcpy(head.chain, p + 32, DIGEST_SIZE);
    if (head.checkpoint_size > CHECKPOINT_MAX || load_u32(p + 8) != HEAD_SIZE + head.checkpoint_size)
        return -EBADMSG;
    if (head.algorithm != DIGEST_SHA256 && head.algorithm != DIGEST_SM3)
        return -EBADMSG;
    if (whole &&
        (bytes.size != HEAD_SIZE + head.checkpoint_size || load_u32(p + 12) != crc_around(p, bytes.size, 12)))
        return -EBADMSG;
    *out = head;
    return 0;
}

int head_link(struct digest *digest, struct bytes head, uint8_t out[DIGEST_SIZE]) {
    static const uint8_t domain = DOMAIN_HEAD;
    struct bytes parts[] = {{&domain, 1}, head};
    return digest_parts(digest, parts, 2, out);
}

// ---- Batch: magic, version, length, count, epoch 16, first, time 32, root 40, chain 72, crc 104 ----

void batch_head_encode(const struct batch_head *head, uint8_t out[BATCH_SIZE]) {
    memset(out, 0, BATCH_SIZE);
    store_u32(out, BATCH_MAGIC);
    store_u32(out + 4, JOURNAL_VERSION);
    store_u32(out + 8, (uint32_t)head->length);
    store_u32(out + 12, head->count);
    store_u64(out + 16, head->epoch);
    store_u64(out + 24, head->first_sequence);
    store_u64(out + 32, (uint64_t)head->time_ns);
    memcpy(out + 40, head->root, DIGEST_SIZE);
    memcpy(out + 72, head->chain, DIGEST_SIZE);
    store_u32(out + 104, crc_around(out, BATCH_SIZE, 104));
}

int batch_head_decode(struct bytes bytes, struct batch_head *out) {
    const uint8_t *p = bytes.data;
    if (bytes.size < BATCH_SIZE || load_u32(p) != BATCH_MAGIC || load_u32(p + 4) != JOURNAL_VERSION ||
        load_u32(p + 104) != crc_around(p, BATCH_SIZE, 104))
        return -EBADMSG;
    struct batch_head head = {
        .length = load_u32(p + 8),
        .count = load_u32(p + 12),
        .epoch = load_u64(p + 16),
        .first_sequence = load_u64(p + 24),
        .time_ns = (int64_t)load_u64(p + 32),
    };
    if (head.count == 0 || head.length < BATCH_SIZE + head.count * (uint64_t)RECORD_SIZE)
        return -EBADMSG;
    memcpy(head.root, p + 40, DIGEST_SIZE);
    memcpy(head.chain, p + 72, DIGEST_SIZE);
    *out = head;
    return 0;
}

int batch_link(struct digest *digest, const struct batch_head *head, uint8_t chain[DIGEST_SIZE]) {
    uint8_t header[BATCH_SIZE];
    static const uint8_t domain = DOMAIN_BATCH;
    batch_head_encode(head, header);
    struct bytes parts[] = {{&domain, 1}, {chain, DIGEST_SIZE}, {head->root, DIGEST_SIZE}, {header + 4, 36}};
    uint8_t next[DIGEST_SIZE];
    int rc = digest_parts(digest, parts, 4, next);
    if (!rc)
        memcpy(chain, next, DIGEST_SIZE);
    return rc;
}

// ---- Record: length, crc, flags 8, kind 9, entries 10, salt 16, sequence 32, time 40, then entries and body
// ----

uint32_t record_length(const uint8_t *record) {
    return load_u32(record);
}

int record_check(struct bytes bytes, size_t *length) {
    if (bytes.size < RECORD_SIZE)
        return -EBADMSG;
    size_t size = load_u32(bytes.data);
    size_t entries = load_u16(bytes.data + 10);
    bool erased = bytes.data[8] & RECORD_ERASED;
    if (size > bytes.size || entries > JOURNAL_ENTRIES_MAX ||
        size < RECORD_SIZE + entries * ENTRY_SIZE + (erased ? DIGEST_SIZE - JOURNAL_SALT_SIZE : 0) ||
        bytes.data[8] & ~RECORD_ERASED || load_u32(bytes.data + 4) != crc32c(0, bytes.data + 8, size - 8))
        return -EBADMSG;
    *length = size;
    return 0;
}

void record_decode(const uint8_t *record, struct journal_entry *entries, struct journal_record *out) {
    size_t count = load_u16(record + 10);
    const uint8_t *p = record + RECORD_SIZE;
    for (size_t i = 0; i < count; i++, p += ENTRY_SIZE)
        entries[i] = (struct journal_entry){.queue = load_u32(p), .position = load_u64(p + 4)};
    *out = (struct journal_record){
        .sequence = load_u64(record + 32),
        .time_ns = (int64_t)load_u64(record + 40),
        .kind = record[9],
        .entries = entries,
        .entry_count = count,
    };
    if (!(record[8] & RECORD_ERASED))
        out->body = bytes_of(p, load_u32(record) - (size_t)(p - record));
}

struct bytes record_leaf_input(const uint8_t *record) {
    return bytes_of(record + 8, record_length(record) - 8);
}

int record_leaf(struct digest *digest, const uint8_t *record, uint8_t leaf[DIGEST_SIZE]) {
    // The flags come first and are 0 in a record that is whole: that byte is DOMAIN_LEAF.
    if (!(record[8] & RECORD_ERASED))
        return digest_parts(digest, (struct bytes[]){record_leaf_input(record)}, 1, leaf);
    size_t entries = load_u16(record + 10);
    memcpy(leaf, record + 16, JOURNAL_SALT_SIZE);
    memcpy(leaf + JOURNAL_SALT_SIZE, record + RECORD_SIZE + entries * ENTRY_SIZE,
        DIGEST_SIZE - JOURNAL_SALT_SIZE);
    return 0;
}

void record_erase(uint8_t *record, const uint8_t leaf[DIGEST_SIZE]) {
    size_t length = record_length(record);
    size_t body = RECORD_SIZE + load_u16(record + 10) * ENTRY_SIZE;
    record[8] = RECORD_ERASED;
    memcpy(record + 16, leaf, JOURNAL_SALT_SIZE);
    memcpy(record + body, leaf + JOURNAL_SALT_SIZE, DIGEST_SIZE - JOURNAL_SALT_SIZE);
    body += DIGEST_SIZE - JOURNAL_SALT_SIZE;
    memset(record + body, 0, length - body);
    store_u32(record + 4, crc32c(0, record + 8, length - 8));
}
