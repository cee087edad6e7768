// The evidence: leaves, roots and links of batches, made and checked. Inside core/journal.
//
// Leaves take nearly all of the time, and need nothing of the chain: whoever has time makes them, each with a
// maker of its own.
#pragma once

#include "core/crypto/random.h"
#include "core/journal/batch.h"

struct leaf_maker {
    struct digest *digest; // owned
    struct random_pool salts;
};

struct chain {
    struct leaf_maker maker;
    uint8_t link[DIGEST_SIZE]; // the last one
    uint8_t *leaves;           // owned scratch
    size_t leaf_capacity;
};

int leaf_maker_init(struct leaf_maker *maker, enum digest_kind algorithm); // 0 or -ENOMEM
void leaf_maker_destroy(struct leaf_maker *maker);
// Completes records of a numbered batch (salts, sequences, time, CRCs) and makes their leaves, from the first
// that is not complete on: all, or about `bytes` of them. 0 or negative; what is complete stays so.
int leaves_make(struct leaf_maker *maker, struct journal_batch *batch, size_t bytes);

int chain_init(struct chain *chain, enum digest_kind algorithm); // 0 or -ENOMEM
void chain_destroy(struct chain *chain);
int chain_start(
    struct chain *chain, struct bytes head); // the link that a segment's head (with its checkpoint) makes

// Completes the rest of a numbered batch's records, and its header (root, link), and goes one link on. Once:
// the leaves are used up. 0 or negative.
int chain_seal(struct chain *chain, struct journal_batch *batch, uint64_t epoch);

// Recomputes the batch that stands in `bytes` (whole and with good CRCs) and goes one link on. 0, or -EBADMSG
// with what is wrong in `*reason`, or negative.
int chain_check(
    struct chain *chain, const struct batch_head *head, const uint8_t *bytes, const char **reason);
