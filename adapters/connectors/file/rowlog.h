// Rows on their way into a file, durable before the file is: an append-only log in the connector's state
// folder. A row counts once it is committed; what a crash left behind the last commit is cut off at the next
// open, and comes again from the bus.
//
// A frame: u32 size of the rest, u32 CRC32C of the rest, u8 kind, u64 position, bytes (little-endian).
#pragma once

#include "core/base/buffer.h"
#include "core/base/error.h"

#define ROWLOG_BUS_SIZE 16

struct rowlog;

// Opens or creates the log. 0 and `*out` owned, negative.
int rowlog_open(const char *path, struct rowlog **out, struct error *error);
void rowlog_destroy(struct rowlog **self);

// Committed rows; their first and last position (0: none), in the order they came.
size_t rowlog_rows(const struct rowlog *log);
uint64_t rowlog_first(const struct rowlog *log);
uint64_t rowlog_last(const struct rowlog *log);

// Adds a row (copied, in memory until the commit). 0, -ENOMEM, -EMSGSIZE over 64 MiB.
int rowlog_add(struct rowlog *log, uint64_t position, struct bytes row);
size_t rowlog_pending(const struct rowlog *log);
// Positions added since the last commit, borrowed until the next is added.
const uint64_t *rowlog_pending_positions(const struct rowlog *log);
// Durable when it returns 0; otherwise nothing of it is there. `bus`: within which the positions count.
// Negative.
int rowlog_commit(struct rowlog *log, const uint8_t bus[ROWLOG_BUS_SIZE], struct error *error);
void rowlog_rollback(struct rowlog *log); // forgets what was added since the last commit

// Of the last commit; NULL: there was none.
const uint8_t *rowlog_bus(const struct rowlog *log);
// All positions of that bus that the log knows: of its rows, and kept ones of rows before. `*out`: owned,
// NULL when there are none.
int rowlog_positions(struct rowlog *log, uint64_t **out, size_t *count, struct error *error);

// The intent: these rows become the file `name`. Durable when it returns 0. Nothing may be added until
// rowlog_reset().
int rowlog_finish(struct rowlog *log, const char *name, struct error *error);
const char *rowlog_name(const struct rowlog *log); // of the intent, or NULL

// Walks the committed rows. `visit` returns 0 to go on.
int rowlog_each(struct rowlog *log, int (*visit)(void *context, uint64_t position, struct bytes row),
    void *context, struct error *error);
// Empties the log, durably: its rows are in a file. `keep`: the positions stay known (rowlog_positions) until
// a reset without.
int rowlog_reset(struct rowlog *log, bool keep, struct error *error);
