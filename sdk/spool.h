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

const uint8_t *spool_stream(const struct spool *spool); // 16 bytes: what the broker knows it by
uint64_t spool_base(const struct spool *spool);         // sequence on the wire = sequence - base
// Nothing above was ever sent from here: known to be true also after any crash, so a broker that has more was
// told by another copy of this spool. That copy's messages and this one's have the same numbers.
uint64_t spool_sent(const struct spool *spool);
uint64_t spool_last(const struct spool *spool);         // sequence of the last message; 0: none yet
uint64_t spool_settled(const struct spool *spool);      // all up to here are decided
struct bytes spool_position(const struct spool *spool); // the source's; borrowed until the next spool_store()

// Stores as many blocks from the front of `blocks` as go into one write, with their positions, in one sync;
// `*stored` counts them. `sending`: in a session, so they may be sent at once. 0, SPOOL_FULL, or negative:
// the spool can't be used any more.
int spool_store(
    struct spool *spool, const struct block *blocks, bool sending, size_t *stored, struct error *error);

// Before the first message of a session is sent: all that is stored may be sent to this bus. 0 or negative.
int spool_begin(struct spool *spool, const uint8_t *bus, struct error *error);
bool spool_knows_other_bus(const struct spool *spool, const uint8_t *bus); // it was begun with another one
// Goes on under a new name: what isn't settled is sent as the beginning of a new stream. For a spool that was
// put back from an old copy. 0 or negative.
int spool_rename(struct spool *spool, struct error *error);

// Remembers that all up to `sequence` is decided. It is written with the next spool_store() or by
// spool_tidy().
void spool_settle(struct spool *spool, uint64_t sequence);
bool spool_untidy(const struct spool *spool); // spool_tidy() has something to do
// Writes what was settled and lets go of segments that nobody needs. 0 or negative.
int spool_tidy(struct spool *spool, struct error *error);

// Fills `block` (empty) with messages from `sequence` on, as many as a block holds. 0 or negative.
int spool_read(struct spool *spool, uint64_t sequence, struct block *block, struct error *error);
