// The durable spool: what was published waits here, in a journal of its own, until the broker has decided.
// Used by the connection's thread, but for open and close.
#pragma once

#include "core/base/error.h"
#include "sdk/block.h"

#define SPOOL_POSITION_LIMIT 4096u // bytes of a source's position

enum {
    SPOOL_FULL = 1, // nothing was stored; try again once something was settled
};

struct spool;

// Makes the folder when missing. 0 and `*out` owned, or a code of core/journal (JOURNAL_LOCKED,
// JOURNAL_DAMAGED), negative.
int spool_open(const char *folder, uint64_t size_limit, struct spool **out, struct error *error);
void spool_close(struct spool **self);

const uint8_t *spool_stream(const struct spool *spool); // 16 bytes: names the stream, made with the spool
uint64_t spool_last(const struct spool *spool);         // sequence of the last message; 0: none yet
uint64_t spool_settled(const struct spool *spool);      // all up to here are decided
struct bytes spool_position(const struct spool *spool); // the source's; borrowed until the next spool_store()

// Stores as many blocks from the front of `blocks` as go into one write, with their positions, in one sync;
// `*stored` counts them. 0, SPOOL_FULL, or negative: the spool can't be used any more.
int spool_store(struct spool *spool, const struct block *blocks, size_t *stored, struct error *error);

// Remembers that all up to `sequence` is decided. It is written with the next spool_store() or by
// spool_tidy().
void spool_settle(struct spool *spool, uint64_t sequence);
bool spool_untidy(const struct spool *spool); // spool_tidy() has something to do
// Writes what was settled and lets go of segments that nobody needs. 0 or negative.
int spool_tidy(struct spool *spool, struct error *error);

// Fills `block` (empty) with messages from `sequence` on, as many as a block holds. 0 or negative.
int spool_read(struct spool *spool, uint64_t sequence, struct block *block, struct error *error);
