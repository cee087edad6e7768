#include "core/journal/chain.h"

#include "core/crypto/crc32c.h"
#include "core/journal/merkle.h"

#include <errno.h>
#include <stdlib.h>

int leaf_maker_init(struct leaf_maker *maker, enum digest_kind algorithm) {
    *maker = (struct leaf_maker){.digest = digest_new(algorithm)};
    return maker->digest ? 0 : -ENOMEM;
}

void leaf_maker_destroy(struct leaf_maker *maker) {
    digest_destroy(&maker->digest);
}

int chain_init(struct chain *chain, enum digest_kind algorithm) {
    *chain = (struct chain){0};
    return leaf_maker_init(&chain->maker, algorithm);
}

void chain_destroy(struct chain *chain) {
    leaf_maker_destroy(&chain->maker);
    free(chain->leaves);
    chain->leaves = NULL;
    chain->leaf_capacity = 0;
}

int chain_start(struct chain *chain, struct bytes head) {
    return head_link(chain->maker.digest, head, chain->link);
}

static int reserve_leaves(uint8_t **leaves, size_t *capacity, size_t count) {
    if (count <= *capacity)
        return 0;
    size_t more = count < 256 ? 256 : count + count / 2;
    uint8_t *memory = realloc(*leaves, more * DIGEST_SIZE);
    if (!memory)
        return -ENOMEM;
    *leaves = memory;
    *capacity = more;
    return 0;
}

static int complete_record(
    struct leaf_maker *maker, const struct journal_batch *batch, uint8_t *record, uint32_t number) {
    int rc = random_fill(&maker->salts, record + 16, JOURNAL_SALT_SIZE);
    if (rc)
        return rc;
    store_u64(record + 32, batch->first_sequence + number);
    store_u64(record + 40, (uint64_t)batch->time_ns);
    store_u32(record + 4, crc32c(0, record + 8, record_length(record) - 8));
    return 0;
}

// Completes the next records, two at most, and makes their leaves: while their bytes are near.
static int complete_next(struct leaf_maker *maker, struct journal_batch *batch) {
    uint32_t number = batch->complete;
    uint8_t *leaf = batch->leaves + (size_t)number * DIGEST_SIZE;
    uint8_t *first = batch->data + batch->complete_size;
    uint8_t *second = first + record_length(first);
    bool pair = number + 1 < batch->count;
    int rc = complete_record(maker, batch, first, number);
    if (rc == 0 && pair)
        rc = complete_record(maker, batch, second, number + 1);
    if (rc == 0)
        rc = pair ? digest_pair(maker->digest, record_leaf_input(first), record_leaf_input(second), leaf,
                        leaf + DIGEST_SIZE)
                  : record_leaf(maker->digest, first, leaf);
    if (rc)
        return rc;
    batch->complete += pair ? 2 : 1;
    batch->complete_size = (size_t)((pair ? second + record_length(second) : second) - batch->data);
    return 0;
}

int leaves_make(struct leaf_maker *maker, struct journal_batch *batch, size_t bytes) {
    int rc = reserve_leaves(&batch->leaves, &batch->leaf_capacity, batch->count);
    size_t from = batch->complete_size;
    while (rc == 0 && batch->complete < batch->count && batch->complete_size - from < bytes)
        rc = complete_next(maker, batch);
    return rc;
}

int chain_seal(struct chain *chain, struct journal_batch *batch, uint64_t epoch) {
    int rc = leaves_make(&chain->maker, batch, SIZE_MAX);
    struct batch_head head = {
        .length = batch->size,
        .count = batch->count,
        .epoch = epoch,
        .first_sequence = batch->first_sequence,
        .time_ns = batch->time_ns,
    };
    if (!rc)
        rc = merkle_root(chain->maker.digest, batch->leaves, batch->count, head.root);
    if (!rc)
        rc = batch_link(chain->maker.digest, &head, chain->link);
    if (rc)
        return rc;
    memcpy(head.chain, chain->link, DIGEST_SIZE);
    batch_head_encode(&head, batch->data);
    return 0;
}

int chain_check(
    struct chain *chain, const struct batch_head *head, const uint8_t *bytes, const char **reason) {
    int rc = reserve_leaves(&chain->leaves, &chain->leaf_capacity, head->count);
    const uint8_t *record = bytes + BATCH_SIZE;
    for (uint32_t i = 0; i < head->count && !rc; i++, record += record_length(record)) {
        if (load_u64(record + 32) != head->first_sequence + i ||
            (int64_t)load_u64(record + 40) != head->time_ns)
            return *reason = "a record's sequence or time is not its batch's", -EBADMSG;
        rc = record_leaf(chain->maker.digest, record, chain->leaves + (size_t)i * DIGEST_SIZE);
    }
    uint8_t root[DIGEST_SIZE];
    if (!rc)
        rc = merkle_root(chain->maker.digest, chain->leaves, head->count, root);
    if (rc)
        return rc;
    if (memcmp(root, head->root, DIGEST_SIZE) != 0)
        return *reason = "the Merkle root does not match the records", -EBADMSG;
    rc = batch_link(chain->maker.digest, head, chain->link);
    if (!rc && memcmp(chain->link, head->chain, DIGEST_SIZE) != 0)
        return *reason = "the chain is broken here", -EBADMSG;
    return rc;
}
