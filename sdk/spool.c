#include "sdk/spool.h"
#include "core/base/varint.h"
#include "core/crypto/random.h"
#include "core/journal/journal.h"
#include "core/wire/wire.h"
#include "sdk/stream.h"

#include <errno.h>
#include <stdlib.h>

#define SEGMENT_SIZE (4u << 20)  // small: an idle adapter's spool is one of these
#define BUSY_SEGMENT (32u << 20) // one that is full within a second costs more syncs than its messages
#define BATCH_LIMIT (20u << 20)  // one message of 8 MiB and more
#define BATCH_WANTED (2u << 20)  // then it is written
#define QUEUE 1u
#define CHECKPOINT_VERSION 2u // 1: without `sent`

enum {
    RECORD_ENVELOPE = 1, // entry (1, sequence); the envelope
    RECORD_POSITION = 2, // the source's position
    RECORD_SETTLED = 3,  // varint: all up to this sequence are decided
    RECORD_SENT = 4,     // varint: what is in this batch may be sent at once; see spool_sent()
};

struct spool {
    struct journal *journal;
    char *folder; // owned
    struct stream stream;
    uint64_t sent; // see spool_sent()
    struct journal_batch *batch;
    uint64_t last;
    uint64_t settled;
    uint64_t settled_stored;
    struct buffer position;
    // The state behind the batch that is being appended: a checkpoint taken inside is of that state.
    bool appending;
    uint64_t next_last;
    uint64_t next_sent;
    const struct block *next_position; // NULL: unchanged
};

// ---- State: what a checkpoint holds and records change ----

static int set_position(struct spool *spool, struct bytes position) {
    buffer_clear(&spool->position);
    return buffer_append_bytes(&spool->position, position);
}

static int restore(void *context, struct bytes checkpoint, struct error *error) {
    struct spool *spool = context;
    if (checkpoint.size == 0)
        return 0;
    uint64_t version;
    uint64_t last;
    uint64_t settled;
    uint64_t sent = 0;
    if (!varint_get(&checkpoint, &version) || version > CHECKPOINT_VERSION ||
        !varint_get(&checkpoint, &last) || !varint_get(&checkpoint, &settled) ||
        (version > 1 && !varint_get(&checkpoint, &sent)))
        return error_set(error, JOURNAL_DAMAGED, "spool: a checkpoint that this version can't read");
    spool->last = last;
    spool->sent = sent;
    spool->settled = spool->settled_stored = settled;
    return set_position(spool, checkpoint) == 0 ? 0 : error_no_memory(error);
}

static int replay(void *context, const struct journal_record *record, struct error *error) {
    struct spool *spool = context;
    struct bytes body = record->body;
    uint64_t number;
    switch (record->kind) {
    case RECORD_ENVELOPE:
        if (record->entry_count != 1 || record->entries[0].queue != QUEUE)
            return error_set(error, JOURNAL_DAMAGED, "spool: a message without its sequence");
        spool->last = record->entries[0].position;
        return 0;
    case RECORD_POSITION:
        return set_position(spool, body) == 0 ? 0 : error_no_memory(error);
    case RECORD_SETTLED:
        if (!varint_get(&body, &number))
            return error_set(error, JOURNAL_DAMAGED, "spool: a settled record without a number");
        spool->settled = spool->settled_stored = number;
        return 0;
    case RECORD_SENT:
        if (!varint_get(&body, &number))
            return error_set(error, JOURNAL_DAMAGED, "spool: a sent record without a number");
        spool->sent = number;
        return 0;
    default:
        return error_set(
            error, JOURNAL_DAMAGED, "spool: a record of kind %u; is this a broker's journal?", record->kind);
    }
}

static int put_number(struct buffer *out, uint64_t value) {
    uint8_t bytes[VARINT_SIZE];
    return buffer_append(out, bytes, varint_put(bytes, value));
}

static int checkpoint(void *context, struct buffer *out) {
    struct spool *spool = context;
    int rc = put_number(out, CHECKPOINT_VERSION);
    if (rc == 0)
        rc = put_number(out, spool->appending ? spool->next_last : spool->last);
    if (rc == 0)
        rc = put_number(out, spool->settled);
    if (rc == 0)
        rc = put_number(out, spool->appending ? spool->next_sent : spool->sent);
    if (rc == 0)
        rc = buffer_append_bytes(
            out, buffer_bytes(spool->appending && spool->next_position ? &spool->next_position->position
                                                                       : &spool->position));
    return rc;
}

// ---- Open and close ----

static int open_stream(struct spool *spool, struct error *error) {
    int rc = stream_load(spool->folder, &spool->stream, error);
    if (rc == STREAM_NONE) { // new, or of a version that kept no account: all may have been sent
        spool->stream = (struct stream){.sent = spool->last};
        memcpy(spool->stream.id, journal_id(spool->journal), STREAM_SIZE);
        rc = stream_store(spool->folder, &spool->stream, error);
    }
    if (rc == 0 && spool->stream.sent > spool->last) { // it belongs to a newer copy of the records
        spool->stream.sent = spool->sent;
        rc = stream_store(spool->folder, &spool->stream, error);
    }
    if (rc == 0 && spool->stream.sent > spool->sent)
        spool->sent = spool->stream.sent;
    return rc;
}

int spool_open(const char *folder, uint64_t size_limit, struct spool **out, struct error *error) {
    struct spool *spool = calloc(1, sizeof *spool);
    if (!spool)
        return error_no_memory(error);
    spool->folder = strdup(folder);
    spool->batch = spool->folder ? journal_batch_new(BATCH_LIMIT) : NULL;
    // All the memory that a position ever needs: storing one can't fail later.
    int rc = buffer_reserve(&spool->position, SPOOL_POSITION_LIMIT);
    if (rc != 0 || !spool->batch)
        rc = error_no_memory(error);
    if (rc == 0) {
        struct journal_options options = {.folder = folder,
            .segment_size = SEGMENT_SIZE,
            .busy_segment = BUSY_SEGMENT,
            .size_limit = size_limit};
        struct journal_owner owner = {
            .context = spool, .restore = restore, .replay = replay, .checkpoint = checkpoint};
        rc = journal_file_open(&options, &owner, &spool->journal, error);
    }
    if (rc == 0)
        rc = open_stream(spool, error);
    if (rc != 0) {
        spool_close(&spool);
        return rc;
    }
    *out = spool;
    return 0;
}

void spool_close(struct spool **self) {
    struct spool *spool = *self;
    if (!spool)
        return;
    if (spool->journal)
        journal_close(&spool->journal);
    journal_batch_destroy(&spool->batch);
    buffer_destroy(&spool->position);
    free(spool->folder);
    free(spool);
    *self = NULL;
}

const uint8_t *spool_stream(const struct spool *spool) {
    return spool->stream.id;
}

uint64_t spool_base(const struct spool *spool) {
    return spool->stream.base;
}

uint64_t spool_sent(const struct spool *spool) {
    return spool->sent;
}

uint64_t spool_last(const struct spool *spool) {
    return spool->last;
}

uint64_t spool_settled(const struct spool *spool) {
    return spool->settled;
}

struct bytes spool_position(const struct spool *spool) {
    return buffer_bytes(&spool->position);
}

// ---- Writing ----

static int add_block(struct spool *spool, const struct block *block) {
    struct bytes rest = buffer_bytes(&block->body);
    struct journal_entry entry = {.queue = QUEUE, .position = block->first};
    struct bytes raw;
    int rc = 0;
    while (rc == 0 && rest.size) {
        rc = wire_body_next(&rest, &raw, NULL);
        if (rc == 0)
            rc = journal_batch_add(spool->batch, RECORD_ENVELOPE, &entry, 1, &raw, 1);
        entry.position++;
    }
    if (rc == 0 && block->has_position) {
        struct bytes position = buffer_bytes(&block->position);
        rc = journal_batch_add(spool->batch, RECORD_POSITION, NULL, 0, &position, 1);
    }
    return rc;
}

static int add_number(struct spool *spool, uint8_t kind, uint64_t value) {
    uint8_t number[VARINT_SIZE];
    struct bytes body = bytes_of(number, varint_put(number, value));
    return journal_batch_add(spool->batch, kind, NULL, 0, &body, 1);
}

static int add_settled(struct spool *spool) {
    return spool->settled == spool->settled_stored ? 0 : add_number(spool, RECORD_SETTLED, spool->settled);
}

// Fills the batch from the front of `blocks`; a block goes whole or not at all. `*last` and `*position` are
// the state behind.
static int gather(struct spool *spool, const struct block *blocks, size_t *count, uint64_t *last,
    const struct block **position) {
    journal_batch_clear(spool->batch);
    int rc = add_settled(spool);
    *count = 0;
    for (const struct block *at = blocks; at && rc == 0; at = at->next) {
        size_t size = journal_batch_size(spool->batch) + at->body.size;
        if (*count > 0 && size > BATCH_WANTED)
            break;
        rc = add_block(spool, at);
        *last = at->count ? at->first + at->count - 1 : *last;
        if (at->has_position)
            *position = at;
        ++*count;
    }
    return rc;
}

static int append(
    struct spool *spool, uint64_t last, uint64_t sent, const struct block *position, struct error *error) {
    uint64_t settled = spool->settled;
    spool->appending = true;
    spool->next_last = last;
    spool->next_sent = sent;
    spool->next_position = position;
    int rc = journal_append(spool->journal, spool->batch, error);
    spool->appending = false;
    spool->next_position = NULL;
    if (rc == 0) {
        spool->settled_stored = settled;
        spool->sent = sent;
    }
    return rc == JOURNAL_FULL ? SPOOL_FULL : rc;
}

int spool_store(
    struct spool *spool, const struct block *blocks, bool sending, size_t *stored, struct error *error) {
    uint64_t last = spool->last;
    const struct block *position = NULL;
    size_t count;
    int rc = gather(spool, blocks, &count, &last, &position);
    uint64_t sent = sending ? last : spool->sent;
    if (rc == 0 && sent > spool->sent)
        rc = add_number(spool, RECORD_SENT, sent);
    if (rc != 0)
        return error_set(error, rc < 0 ? rc : -EMSGSIZE, "spool: a batch can't be gathered");
    rc = append(spool, last, sent, position, error);
    if (rc != 0)
        return rc;
    spool->last = last;
    *stored = count;
    return position && set_position(spool, buffer_bytes(&position->position)) != 0 ? error_no_memory(error)
                                                                                   : 0;
}

// ---- Sending ----

bool spool_knows_other_bus(const struct spool *spool, const uint8_t *bus) {
    return spool->stream.bus_known && memcmp(spool->stream.bus, bus, STREAM_SIZE) != 0;
}

int spool_begin(struct spool *spool, const uint8_t *bus, struct error *error) {
    struct stream stream = spool->stream;
    stream.sent = spool->last;
    stream.bus_known = true;
    memcpy(stream.bus, bus, STREAM_SIZE);
    bool same = spool->stream.bus_known && memcmp(spool->stream.bus, bus, STREAM_SIZE) == 0;
    if (same && spool->sent == spool->last)
        return 0;
    int rc = stream_store(spool->folder, &stream, error);
    if (rc != 0)
        return rc;
    spool->stream = stream;
    spool->sent = spool->last;
    return 0;
}

int spool_rename(struct spool *spool, struct error *error) {
    struct random_pool random = {0};
    struct stream stream = {.base = spool->settled, .sent = spool->settled};
    if (random_fill(&random, stream.id, sizeof stream.id) != 0)
        return error_set(error, -EIO, "spool: no random numbers from the system");
    int rc = stream_store(spool->folder, &stream, error);
    if (rc == 0)
        spool->stream = stream;
    return rc;
}

// ---- Settling ----

void spool_settle(struct spool *spool, uint64_t sequence) {
    if (sequence > spool->settled)
        spool->settled = sequence;
}

bool spool_untidy(const struct spool *spool) {
    return spool->settled != spool->settled_stored;
}

static bool is_settled(void *context, uint32_t queue, uint64_t last_position) {
    const struct spool *spool = context;
    return queue != QUEUE || last_position <= spool->settled;
}

int spool_tidy(struct spool *spool, struct error *error) {
    journal_batch_clear(spool->batch);
    int rc = add_settled(spool);
    if (rc == 0 && journal_batch_count(spool->batch) > 0)
        rc = append(spool, spool->last, spool->sent, NULL, error);
    if (rc < 0)
        return rc;
    struct journal_settled settled = {.context = spool, .settled = is_settled};
    size_t retired;
    rc = journal_retire(spool->journal, INT64_MAX, &settled, &retired, error);
    return rc < 0 ? rc : 0;
}

// ---- Reading back ----

struct reading {
    struct block *block;
    uint64_t next;
};

static int read_one(void *context, const struct journal_record *record, uint64_t position) {
    struct reading *reading = context;
    if (position != reading->next)
        return -EBADMSG;
    int rc = wire_body_append(&reading->block->body, record->body);
    if (rc != 0)
        return rc;
    reading->block->count++;
    reading->next++;
    return 0;
}

int spool_read(struct spool *spool, uint64_t sequence, struct block *block, struct error *error) {
    struct reading reading = {.block = block, .next = sequence};
    block->first = sequence;
    int rc = journal_read_queue(
        spool->journal, QUEUE, sequence, BLOCK_MESSAGES, BLOCK_BYTES / 2, read_one, &reading, error);
    if (rc == 0 && block->count == 0)
        rc = -EBADMSG;
    if (rc == -EBADMSG)
        return error_set(
            error, rc, "spool: message %llu is not where it should be", (unsigned long long)reading.next);
    return rc > 0 ? -EIO : rc;
}
