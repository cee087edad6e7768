#include "core/journal/chain.h"

#include "core/crypto/crc32c.h"
#include "core/journal/merkle.h"

#include <errno.h>
#include <stdlib.h>

int chain_init(struct chain *chain, enum digest_kind algorithm) {
    *chain = (struct chain){.digest = digest_new(algorithm)};
    return chain->digest ? 0 : -ENOMEM;
}

void chain_destroy(struct chain *chain) {
    digest_destroy(&chain->digest);
    free(chain->leaves);
    chain->leaves = NULL;
    chain->leaf_capacity = 0;
}

int chain_start(struct chain *chain, struct bytes head) {
    return head_link(chain->digest, head, chain->link);
}

static int reserve_leaves(struct chain *chain, size_t count) {
    if (count <= chain->leaf_capacity)
        return 0;
    size_t capacity = count < 256 ? 256 : count + count / 2;
    uint8_t *leaves = realloc(chain->leaves, capacity * DIGEST_SIZE);
    if (!leaves)
        return -ENOMEM;
    chain->leaves = leaves;
    chain->leaf_capacity = capacity;
    return 0;
}

static int complete_record(struct chain *chain, uint8_t *record, uint64_t sequence, int64_t time_ns) {
    int rc = random_fill(&chain->salts, record + 16, JOURNAL_SALT_SIZE);
    if (rc)
        return rc;
    store_u64(record + 32, sequence);
    store_u64(record + 40, (uint64_t)time_ns);
    store_u32(record + 4, crc32c(0, record + 8, record_length(record) - 8));
    return 0;
}

// Completes the records from number `i` on, two at most, and makes their leaves: while their bytes are near.
// `*record` goes on behind them.
static int complete_records(struct chain *chain, uint8_t **record, uint32_t i, uint32_t count,
    uint64_t first_sequence, int64_t time_ns) {
    uint8_t *first = *record;
    uint8_t *leaf = chain->leaves + (size_t)i * DIGEST_SIZE;
    int rc = complete_record(chain, first, first_sequence + i, time_ns);
    *record += record_length(first);
    if (rc || i + 1 == count)
        return rc ? rc : record_leaf(chain->digest, first, leaf);
    uint8_t *second = *record;
    rc = complete_record(chain, second, first_sequence + i + 1, time_ns);
    *record += record_length(second);
    return rc ? rc
              : digest_pair(chain->digest, record_leaf_input(first), record_leaf_input(second), leaf,
                    leaf + DIGEST_SIZE);
}

int chain_seal(struct chain *chain, struct journal_batch *batch, uint64_t epoch, uint64_t first_sequence,
    int64_t time_ns) {
    int rc = reserve_leaves(chain, batch->count);
    uint8_t *record = batch->data + BATCH_SIZE;
    for (uint32_t i = 0; i < batch->count && !rc; i += 2)
        rc = complete_records(chain, &record, i, batch->count, first_sequence, time_ns);
    struct batch_head head = {
        .length = batch->size,
        .count = batch->count,
        .epoch = epoch,
        .first_sequence = first_sequence,
        .time_ns = time_ns,
    };
    if (!rc)
        rc = merkle_root(chain->digest, chain->leaves, batch->count, head.root);
    if (!rc)
        rc = batch_link(chain->digest, &head, chain->link);
    if (rc)
        return rc;
    memcpy(head.chain, chain->link, DIGEST_SIZE);
    batch_head_encode(&head, batch->data);
    return 0;
}

int chain_check(
    struct chain *chain, const struct batch_head *head, const uint8_t *bytes, const char **reason) {
    int rc = reserve_leaves(chain, head->count);
    const uint8_t *record = bytes + BATCH_SIZE;
    for (uint32_t i = 0; i < head->count && !rc; i++, record += record_length(record)) {
        if (load_u64(record + 32) != head->first_sequence + i ||
            (int64_t)load_u64(record + 40) != head->time_ns)
            return *reason = "a record's sequence or time is not its batch's", -EBADMSG;
        rc = record_leaf(chain->digest, record, chain->leaves + (size_t)i * DIGEST_SIZE);
    }
    uint8_t root[DIGEST_SIZE];
    if (!rc)
        rc = merkle_root(chain->digest, chain->leaves, head->count, root);
    if (rc)
        return rc;
    if (memcmp(root, head->root, DIGEST_SIZE) != 0)
        return *reason = "the Merkle root does not match the records", -EBADMSG;
    rc = batch_link(chain->digest, head, chain->link);
    if (!rc && memcmp(chain->link, head->chain, DIGEST_SIZE) != 0)
        return *reason = "the chain is broken here", -EBADMSG;
    return rc;
}
