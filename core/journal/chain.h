// The evidence: leaves, roots and links of batches, made and checked. Inside core/journal.
#pragma once

#include "core/crypto/random.h"
#include "core/journal/batch.h"

struct chain {
    struct digest *digest;     // owned
    uint8_t link[DIGEST_SIZE]; // the last one
    uint8_t *leaves;           // owned scratch
    size_t leaf_capacity;
    struct random_pool salts;
};

int chain_init(struct chain *chain, enum digest_kind algorithm); // 0 or -ENOMEM
void chain_destroy(struct chain *chain);
int chain_start(
    struct chain *chain, struct bytes head); // the link that a segment's head (with its checkpoint) makes

// Completes the records and the header of `batch` (salts, sequences, CRCs, root, link) and goes one link on.
// 0 or negative.
int chain_seal(struct chain *chain, struct journal_batch *batch, uint64_t epoch, uint64_t first_sequence,
    int64_t time_ns);

// Recomputes the batch that stands in `bytes` (whole and with good CRCs) and goes one link on. 0, or -EBADMSG
// with what is wrong in `*reason`, or negative.
int chain_check(
    struct chain *chain, const struct batch_head *head, const uint8_t *bytes, const char **reason);
