// The bytes of a journal, as docs/journal.md has them. All numbers are little-endian. Inside core/journal.
#pragma once

#include "core/base/error.h"
#include "core/crypto/digest.h"
#include "core/journal/journal.h"

#define JOURNAL_VERSION 1u
#define JOURNAL_BLOCK ((size_t)4096) // heads, batches and feet start at multiples of it
#define JOURNAL_ID_SIZE 16
#define JOURNAL_SALT_SIZE 16
#define JOURNAL_ENTRIES_MAX 4096

#define HEAD_SIZE ((size_t)128)
#define BATCH_SIZE ((size_t)112)
#define RECORD_SIZE ((size_t)48)
#define ENTRY_SIZE ((size_t)12)
#define FOOT_SIZE ((size_t)112)
#define FOOT_QUEUE_SIZE ((size_t)24)
#define FOOT_END_SIZE ((size_t)16)
#define CHECKPOINT_MAX ((size_t)1 << 30)

#define RECORD_ERASED                                                                                        \
    1u // flag: the body is gone, the leaf stands where the salt and the body's first 16 bytes were

// The first byte under each digest, so that no input of one sort is ever an input of another.
enum digest_domain { DOMAIN_LEAF = 0, DOMAIN_NODE = 1, DOMAIN_BATCH = 2, DOMAIN_HEAD = 3 };

static inline uint64_t block_up(uint64_t size) {
    return (size + JOURNAL_BLOCK - 1) & ~(uint64_t)(JOURNAL_BLOCK - 1);
}

// What a segment starts with. `epoch` is random, made with the segment and repeated in its batches and its
// foot: bytes that a reused file held before, or that a sender put into a message, are never taken for this
// segment's.
struct segment_head {
    uint8_t id[JOURNAL_ID_SIZE];
    uint8_t chain[DIGEST_SIZE]; // the last link before this segment; zeros in the first
    uint64_t segment;
    uint64_t epoch;
    uint64_t first_sequence;
    int64_t time_ns;
    enum digest_kind algorithm;
    uint64_t checkpoint_size;
};

void head_encode(const struct segment_head *head, struct bytes checkpoint, uint8_t out[HEAD_SIZE]);
// Of the fixed part only; `whole` says that the checkpoint is there too, and that the CRC was compared. 0 or
// -EBADMSG.
int head_decode(struct bytes bytes, bool whole, struct segment_head *out);
// The link that the head itself makes in the chain, from its bytes with the checkpoint.
int head_link(struct digest *digest, struct bytes head, uint8_t out[DIGEST_SIZE]);

struct batch_head {
    uint64_t length; // with the header, without padding
    uint32_t count;
    uint64_t epoch;
    uint64_t first_sequence;
    int64_t time_ns;
    uint8_t root[DIGEST_SIZE];
    uint8_t chain[DIGEST_SIZE];
};

void batch_head_encode(const struct batch_head *head, uint8_t out[BATCH_SIZE]);
int batch_head_decode(
    struct bytes bytes, struct batch_head *out); // 0, or -EBADMSG: no header that anyone wrote
// chain_n from chain_(n-1): takes `chain` in place to the next link. 0 or -EIO.
int batch_link(struct digest *digest, const struct batch_head *head, uint8_t chain[DIGEST_SIZE]);

// The record at the front of `bytes`: 0 with its length, or -EBADMSG. Compares the CRC.
int record_check(struct bytes bytes, size_t *length);
uint32_t record_length(const uint8_t *record);
// Decodes what record_check() passed; entries go to `entries` (JOURNAL_ENTRIES_MAX of room), the body is
// borrowed. The body of an erased record is absent (data NULL).
void record_decode(const uint8_t *record, struct journal_entry *entries, struct journal_record *out);
// Makes of the record, whatever part of it was erased already, the one without a body. It has 16 bytes of
// body at least.
void record_erase(uint8_t *record, const uint8_t leaf[DIGEST_SIZE]);
struct bytes record_leaf_input(
    const uint8_t *record); // what a record's leaf is the digest of; not of an erased one
int record_leaf(struct digest *digest, const uint8_t *record, uint8_t leaf[DIGEST_SIZE]); // 0 or -EIO
