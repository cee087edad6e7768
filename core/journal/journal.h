// The journal: the append-only record that is durability, replay source and evidence at once
// (docs/journal.md). The broker's record and the sidecar's spool are the same code. The journal knows
// records, queues' positions and the chain; what a record says is its owner's.
//
// One thread uses a journal. The interface is asynchronous: append a batch, then it is *durable up to N*. The
// memory back end, and the file back end as it is opened by default, write and sync inside journal_append():
// there N moves at once, and all is deterministic. With options.background the file back end has a thread
// that seals, writes and syncs while the caller gathers the next batch: one batch is under way at most, N
// moves in journal_collect(), and journal_fd() tells when to call it. Small batches may be excepted from that
// (options.inline_bytes). What is refused (JOURNAL_FULL) is known at once in both.
#pragma once

#include "core/base/buffer.h"
#include "core/base/error.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    JOURNAL_FULL = 1,    // no room on the disk (or over `size_limit`): nothing was appended; try again later
    JOURNAL_DAMAGED = 2, // not a torn tail but damage before it; the text names segment and offset
    JOURNAL_BATCH_FULL = 3, // the batch holds what it may: append it first
    JOURNAL_LOCKED = 4,     // another process has it open
    JOURNAL_BUSY = 5,       // the batch before is still under way: nothing was appended
    JOURNAL_REFUSED = 6,    // no such record, or it can't be erased; the text says which
    JOURNAL_UNREAD = 7, // the disk fails to read: nothing is known to be damaged, and it may read it later
    JOURNAL_LEFT = 8,   // it goes on elsewhere (journal_folder_leave()); the text says where
};

// This record is the `position`-th (from 1) thing in `queue`. Positions of a queue rise by one from record to
// record; a record may enter several queues.
struct journal_entry {
    uint32_t queue;
    uint64_t position;
};

struct journal_record {
    uint64_t sequence; // from 1, without gaps, over the whole journal
    int64_t time_ns;   // of its batch, since 1970
    uint8_t kind;      // the owner's
    const struct journal_entry *entries;
    size_t entry_count; // at most 4,096
    struct bytes body;
    uint64_t place; // in a shared journal: where it lies for everybody, and for ever; 0: its position
};

// ---- A batch: records gathered in memory; no I/O. Reused. ----

struct journal_batch;

struct journal_batch *journal_batch_new(
    size_t limit); // bytes of records, at least 16 MiB for 8 MiB messages; owned
void journal_batch_destroy(struct journal_batch **self);
void journal_batch_clear(struct journal_batch *batch);
// The body is the concatenation of `parts`, copied. 0, JOURNAL_BATCH_FULL, -EMSGSIZE (never fits), -ENOMEM;
// then unchanged.
int journal_batch_add(struct journal_batch *batch, uint8_t kind, const struct journal_entry *entries,
    size_t entry_count, const struct bytes *parts, size_t part_count);
size_t journal_batch_count(const struct journal_batch *batch);
size_t journal_batch_size(const struct journal_batch *batch); // bytes
// What its records come to besides, where a journal writes more than their bytes: whoever adds one says so.
void journal_batch_weigh(struct journal_batch *batch, size_t bytes);
size_t journal_batch_weight(const struct journal_batch *batch);
// Each record, in order, as it was added: without sequence and time. Forwards what the visitor returns, which
// ends it. `entries` has room for 4,096.
int journal_batch_each(const struct journal_batch *batch, struct journal_entry *entries,
    int (*visit)(void *context, const struct journal_record *record), void *context);

// ---- A journal ----

// In a journal that is shared: something waits in `queue` for this process to read it, at the next position
// there.
struct journal_arrival {
    uint32_t queue;
    uint64_t position;
    size_t size;
    bool maybe_sent; // by another process
};

// Who owns the state that the records make. All are called from inside journal_* functions, in the same
// thread.
struct journal_owner {
    void *context;
    // At open: the checkpoint that the last segment starts with (size 0 in a new journal), then each record
    // behind it. Both forward what they return.
    int (*restore)(void *context, struct bytes checkpoint, struct error *error);
    int (*replay)(void *context, const struct journal_record *record, struct error *error);
    // At the start of a new segment: append the state after exactly the records appended so far.
    int (*checkpoint)(void *context, struct buffer *out);
    // Of a shared journal, from inside journal_collect(). 0 or negative. What was withdrawn is another's now,
    // settled or not; `bytes` as it arrived. `settled`: all of a lane up to `place` is, and that is durable.
    int (*arrived)(void *context, const struct journal_arrival *arrival);
    int (*withdrawn)(void *context, uint32_t queue, uint64_t position, size_t bytes);
    int (*settled)(void *context, uint32_t queue, uint64_t place);
    // Whether it wants to be told, now and then, how much waits in a queue for all processes; and how much
    // that is at least.
    bool (*weighed)(void *context, uint32_t queue);
    int (*waiting)(void *context, uint32_t queue, uint64_t count);
};

struct journal_options {
    const char *folder;    // made when missing (0700)
    uint64_t segment_size; // 0: 64 MiB
    uint64_t busy_segment; // behind a segment that was filled within a second, where there is room for it;
                           // 0: segment_size
    uint64_t size_limit;   // of all segments, 0: none but the disk
    bool sm3;              // digests are SM3 instead of SHA-256 (fixed when the journal is made)
    bool buffered;         // no O_DIRECT, also where the file system has it
    bool background;       // a thread writes: see above
    size_t inline_bytes;   // but batches of up to so many bytes, unless a segment ends with them
    bool ownerless;        // a tool, without the state: no segment is ended, so none is begun
    bool left;             // opened also where it goes on elsewhere
    int64_t (*now_ns)(void *context); // NULL: the machine's clock
    void *now_context;
};

struct journal;

// Opens or makes a journal and replays it into the owner. Cuts a torn tail. 0, JOURNAL_DAMAGED,
// JOURNAL_LOCKED, JOURNAL_LEFT, negative.
int journal_file_open(const struct journal_options *options, const struct journal_owner *owner,
    struct journal **out, struct error *error);

// The back end for tests: all in memory. `store` outlives the journal, so that one can be opened again after
// a "crash".
struct journal_store;
struct journal_store *journal_store_new(void);
void journal_store_destroy(struct journal_store **self);
// Over so many bytes of records, appends are JOURNAL_FULL (0, as at first: never). For tests of what happens
// then.
void journal_store_set_limit(struct journal_store *store, uint64_t bytes);
// A segment ends behind so many bytes of records (0, as at first: 256 KiB).
void journal_store_set_segment(struct journal_store *store, uint64_t bytes);
// Records take their time from here (NULL, as at first: the machine's clock). For simulations.
void journal_store_set_clock(struct journal_store *store, int64_t (*now_ns)(void *context), void *context);
int journal_memory_open(struct journal_store *store, const struct journal_owner *owner, struct journal **out,
    struct error *error);

// Appends the batch as one and empties it. 0: taken, and durable as far as journal_durable() says.
// JOURNAL_FULL, JOURNAL_BUSY: nothing happened, the batch is as it was. Negative: nothing is known of the
// tail; the process must end (and recover).
int journal_append(struct journal *journal, struct journal_batch *batch, struct error *error);
// Takes note of what became durable since, or with `wait` of all that was appended. 0, or negative as
// journal_append().
int journal_collect(struct journal *journal, bool wait, struct error *error);
bool journal_busy(const struct journal *journal); // an append would be JOURNAL_BUSY
int journal_fd(const struct journal *journal);    // readable when there is something to collect; -1: never
// While a batch is under way: does a part of what the append of the next one will take, which is `batch`, so
// that a caller who must wait doesn't wait idly. False: there is nothing to do ahead, or no memory for it.
// The batch may be filled on; its records' time is then that of the first call, or later.
bool journal_work_ahead(struct journal *journal, struct journal_batch *batch);
uint64_t journal_durable(const struct journal *journal);  // the last durable sequence; 0: none
uint64_t journal_last(const struct journal *journal);     // the last appended sequence
const uint8_t *journal_id(const struct journal *journal); // 16 random bytes, made with the journal

// ---- A journal that several processes share (decision 30): all append, and what goes to a queue is read by
// whoever owns that part of it. ----
//
// A message record has no entries, and its deliveries' positions count within it, from 1: they get theirs as
// they arrive, and that is in this process only. A record has a *place* besides, the same for everybody: its
// lane (place >> JOURNAL_LANE_SHIFT) and where it is there, rising with gaps. Settlements and failures are of
// positions, as in any other journal. Each delivery is written by itself: what they come to is the message
// record's weight.
#define JOURNAL_LANE_SHIFT 48
#define JOURNAL_BATCH_WEIGHT ((size_t)128 << 20)  // of several messages
#define JOURNAL_RECORD_WEIGHT ((size_t)512 << 20) // of one
bool journal_shared(const struct journal *journal);
// Whether this process reads the queue: then it takes its part of it, of what arrives from now on. 0 or
// negative.
int journal_serve(struct journal *journal, uint32_t queue, const char *name, bool serve, struct error *error);
// The last sequence of a stream that anybody's append made durable, as of this call or later. 0 (unknown
// streams have 0), JOURNAL_BUSY: ask again when journal_fd() is readable.
int journal_stream(struct journal *journal, const char *system, const uint8_t stream[16], uint64_t *sequence,
    struct error *error);

// Dead letters: a queue of them is read when somebody asks for it, and its positions are places. 0: all that
// wait can be read now by journal_read_queue(), for a minute from this call on, but those that another
// process has taken over meanwhile. JOURNAL_BUSY: ask again in a moment. JOURNAL_REFUSED, negative. What is
// done with them is all written or, where another has them by then, not at all: `letters_lost`.
int journal_letters(struct journal *journal, uint32_t queue, struct error *error);

// Calls `visit` for the records of `queue` from position `from` on, in order, until `max_count` or
// `max_bytes` (at least one is visited) or the visitor returns non-zero (forwarded). Only durable records.
// Pointers are valid inside the visit. A visitor that finds a record whole whose body makes no sense returns
// JOURNAL_DAMAGED and leaves in `error` what is wrong: the text then gets the place before it.
typedef int journal_visit(void *context, const struct journal_record *record, uint64_t position);
int journal_read_queue(struct journal *journal, uint32_t queue, uint64_t from, size_t max_count,
    size_t max_bytes, journal_visit *visit, void *context, struct error *error);

// What the disk fails to read is JOURNAL_DAMAGED from here on, and what lies in other segments is found
// beside it; or JOURNAL_UNREAD again, as at first.
void journal_bear(struct journal *journal, bool bear);

// One record by its sequence, where it is durable; the position is 0. JOURNAL_REFUSED: it isn't there. The
// record's body is absent (data NULL) where it was erased.
int journal_read_record(
    struct journal *journal, uint64_t sequence, journal_visit *visit, void *context, struct error *error);
// Erases the record's body on the disk, for good: its place, entries, time and leaf stay, and the chain still
// verifies. 0, JOURNAL_REFUSED, JOURNAL_FULL, JOURNAL_DAMAGED; negative: as of journal_append(). A crash
// leaves it done or undone; what was begun is finished by the next open, and tools that read meanwhile take
// it for done.
int journal_erase(struct journal *journal, uint64_t sequence, struct error *error);

// Lets go of whole segments at the old end, each older than `keep_until_ns` and with every queue position in
// it settled.
struct journal_settled {
    void *context;
    bool (*settled)(void *context, uint32_t queue, uint64_t last_position); // all positions up to there
};
int journal_retire(struct journal *journal, int64_t keep_until_ns, const struct journal_settled *settled,
    size_t *retired, struct error *error);

struct journal_status {
    uint64_t segments;
    uint64_t bytes; // on disk
    uint64_t first; // sequence of the first record that is still there
    uint64_t last;
    uint64_t appended_bytes; // written since open, with heads, padding and feet
    uint64_t payload_bytes;  // bodies accepted since open
    uint64_t syncs;
    uint64_t
        torn_bytes; // that open cut from the tail: what was on its way when the machine or process went down
    // No other may follow the one that is being filled: by `size_limit`; or the disk has no room, and the
    // rest of this one is what there is. journal_retire() looks whether there is room again.
    bool last_segment;
    // Acts on dead letters that weren't done, since another process had taken these over.
    uint64_t letters_lost;
};
void journal_status(const struct journal *journal, struct journal_status *out);

// Waits for what is under way; unlocks and frees.
void journal_close(struct journal **self);

// ---- For tools: a journal that nobody needs to have open. ----

// Each record from sequence `from` on, in order.
int journal_scan(const char *folder, uint64_t from,
    int (*visit)(void *context, const struct journal_record *record), void *context, struct error *error);

// The id of the journal in the folder. 0, JOURNAL_DAMAGED, negative.
int journal_folder_id(const char *folder, uint8_t id[16], struct error *error);

// What the journal in the folder waits for goes on elsewhere: from now on it is opened with options.left
// only. `where` is the text that is then given, of 300 bytes at most. For who has it open. It stays until
// somebody removes the file of this name. 0 or negative.
#define JOURNAL_LEFT_MARK "left"
int journal_folder_leave(const char *folder, const char *where, struct error *error);
// 0: it doesn't; JOURNAL_LEFT with that text alone; negative.
int journal_folder_left(const char *folder, struct error *error);

struct journal_verdict {
    uint64_t segments;
    uint64_t batches;
    uint64_t records;
    uint64_t torn_bytes; // cut at the tail of the last segment
    uint64_t erased;     // records of which the body was erased: their leaves still hold
    uint8_t chain[32];   // the last link
};
// Recomputes every CRC, leaf, root and link. 0, or JOURNAL_DAMAGED naming the first place that is wrong.
int journal_verify(const char *folder, struct journal_verdict *out, struct error *error);
