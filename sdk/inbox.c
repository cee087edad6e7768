#include "sdk/inbox.h"

#include "core/base/varint.h"
#include "core/journal/journal.h"
#include "sdk/hutong.h"
#include "sdk/ranges.h"

#include <errno.h>
#include <stdlib.h>

#define SEGMENT_SIZE (4u << 20) // more than the largest checkpoint
#define BATCH_LIMIT (16u << 20)
#define BUSES_LIMIT 16u       // a sidecar serves one bus; more than one comes from moving it
#define CHECKPOINT_VERSION 2u // 1: ranges as in records

enum {
    RECORD_DONE = 1, // a bus, its floor, and ranges as (first, length - 1)
};

struct known {
    uint8_t bus[INBOX_BUS_SIZE];
    struct ranges done;
    struct ranges raised; // floors of lanes that no record has yet; that of lane 0 stands in every record
};

struct inbox {
    struct journal *journal;
    struct journal_batch *batch;
    struct buffer scratch;
    struct known buses[BUSES_LIMIT];
    size_t count;
};

// ---- Buses ----

static struct known *find(const struct inbox *inbox, const uint8_t *bus) {
    for (size_t i = 0; i < inbox->count; i++)
        if (memcmp(inbox->buses[i].bus, bus, INBOX_BUS_SIZE) == 0)
            return (struct known *)(uintptr_t)&inbox->buses[i];
    return NULL;
}

static void forget(struct known *known) {
    ranges_destroy(&known->done);
    ranges_destroy(&known->raised);
}

// The oldest gives way: a bus that was left long ago.
static struct known *find_or_make(struct inbox *inbox, const uint8_t *bus) {
    struct known *known = find(inbox, bus);
    if (known)
        return known;
    if (inbox->count == BUSES_LIMIT) {
        forget(&inbox->buses[0]);
        memmove(inbox->buses, inbox->buses + 1, (BUSES_LIMIT - 1) * sizeof *inbox->buses);
        inbox->count--;
    }
    known = &inbox->buses[inbox->count++];
    *known = (struct known){0};
    memcpy(known->bus, bus, INBOX_BUS_SIZE);
    return known;
}

// ---- Records: a bus with floor and ranges; also what a checkpoint is made of ----

static int put_number(struct buffer *out, uint64_t value) {
    uint8_t bytes[VARINT_SIZE];
    return buffer_append(out, bytes, varint_put(bytes, value));
}

static int put_head(struct buffer *out, const uint8_t *bus, uint64_t floor, size_t count) {
    int rc = buffer_append(out, bus, INBOX_BUS_SIZE);
    if (rc == 0)
        rc = put_number(out, floor);
    return rc == 0 ? put_number(out, count) : rc;
}

// For a checkpoint: each range by its distance from the one before, two bytes mostly.
static int put_known(struct buffer *out, const struct known *known) {
    uint64_t from = known->done.floor;
    int rc = put_head(out, known->bus, known->done.floor, known->done.count);
    for (size_t i = 0; i < known->done.count && rc == 0; i++) {
        const struct range *range = &known->done.items[i];
        rc = put_number(out, range->first - from);
        if (rc == 0)
            rc = put_number(out, range->last - range->first);
        from = range->last;
    }
    return rc;
}

// `*base`: what the range's first position counts from; NULL: from 0.
static int take_range(struct known *known, struct bytes *from, uint64_t *base) {
    uint64_t first;
    uint64_t more;
    uint64_t zero = base ? *base : 0;
    if (!varint_get(from, &first) || !varint_get(from, &more) || first > UINT64_MAX - zero ||
        first + zero == 0 || more > UINT64_MAX - first - zero)
        return JOURNAL_DAMAGED;
    first += zero;
    if (base)
        *base = first + more;
    return ranges_add(&known->done, first, first + more);
}

static int take_known(struct inbox *inbox, struct bytes *from, bool distances) {
    uint64_t floor;
    uint64_t count;
    if (from->size < INBOX_BUS_SIZE)
        return JOURNAL_DAMAGED;
    struct known *known = find_or_make(inbox, from->data);
    *from = bytes_of(from->data + INBOX_BUS_SIZE, from->size - INBOX_BUS_SIZE);
    if (!varint_get(from, &floor) || !varint_get(from, &count))
        return JOURNAL_DAMAGED;
    ranges_raise(&known->done, floor);
    int rc = 0;
    for (uint64_t i = 0; i < count && rc == 0; i++)
        rc = take_range(known, from, distances ? &floor : NULL);
    return rc;
}

static int told(int rc, struct error *error) {
    if (rc == -ENOMEM)
        return error_no_memory(error);
    return rc == 0 ? 0 : error_set(error, rc, "inbox: a record that can't be read; is this another journal?");
}

static int restore(void *context, struct bytes checkpoint, struct error *error) {
    uint64_t version;
    int rc = 0;
    if (checkpoint.size == 0)
        return 0;
    if (!varint_get(&checkpoint, &version) || version > CHECKPOINT_VERSION)
        rc = JOURNAL_DAMAGED;
    while (rc == 0 && checkpoint.size)
        rc = take_known(context, &checkpoint, version == CHECKPOINT_VERSION);
    return told(rc, error);
}

static int replay(void *context, const struct journal_record *record, struct error *error) {
    struct bytes body = record->body;
    int rc = record->kind == RECORD_DONE ? take_known(context, &body, false) : JOURNAL_DAMAGED;
    return told(rc, error);
}

static int checkpoint(void *context, struct buffer *out) {
    const struct inbox *inbox = context;
    int rc = put_number(out, CHECKPOINT_VERSION);
    for (size_t i = 0; i < inbox->count && rc == 0; i++)
        rc = put_known(out, &inbox->buses[i]);
    return rc;
}

// ---- The interface ----

int inbox_open(const char *folder, struct inbox **out, struct error *error) {
    struct inbox *inbox = calloc(1, sizeof *inbox);
    if (!inbox)
        return error_no_memory(error);
    inbox->batch = journal_batch_new(BATCH_LIMIT);
    int rc = inbox->batch ? 0 : error_no_memory(error);
    if (rc == 0) {
        struct journal_options options = {.folder = folder, .segment_size = SEGMENT_SIZE};
        struct journal_owner owner = {
            .context = inbox, .restore = restore, .replay = replay, .checkpoint = checkpoint};
        rc = journal_file_open(&options, &owner, &inbox->journal, error);
    }
    if (rc != 0) {
        inbox_close(&inbox);
        return rc;
    }
    *out = inbox;
    return 0;
}

void inbox_close(struct inbox **self) {
    struct inbox *inbox = *self;
    if (!inbox)
        return;
    if (inbox->journal)
        journal_close(&inbox->journal);
    journal_batch_destroy(&inbox->batch);
    buffer_destroy(&inbox->scratch);
    for (size_t i = 0; i < inbox->count; i++)
        forget(&inbox->buses[i]);
    free(inbox);
    *self = NULL;
}

bool inbox_has(const struct inbox *inbox, const uint8_t bus[INBOX_BUS_SIZE], uint64_t position) {
    const struct known *known = find(inbox, bus);
    return known && ranges_has(&known->done, position);
}

// Nothing in a segment but the newest is needed: its checkpoint holds the whole state.
static bool any(void *context, uint32_t queue, uint64_t last_position) {
    (void)context;
    (void)queue;
    (void)last_position;
    return true;
}

static int retire(struct inbox *inbox, struct error *error) {
    struct journal_status status;
    journal_status(inbox->journal, &status);
    if (status.segments < 2)
        return 0;
    struct journal_settled settled = {.settled = any};
    size_t retired;
    int rc = journal_retire(inbox->journal, INT64_MAX, &settled, &retired, error);
    return rc < 0 ? rc : 0;
}

static int put_range(struct buffer *out, uint64_t first, uint64_t last) {
    int rc = put_number(out, first);
    return rc ? rc : put_number(out, last - first);
}

// The runs of consecutive positions among `positions`, which come in order mostly.
static int put_positions(struct buffer *out, const uint64_t *positions, size_t count, size_t *ranges) {
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; ++*ranges) {
        size_t end = i + 1;
        while (end < count && positions[end] == positions[end - 1] + 1)
            end++;
        rc = put_range(out, positions[i], positions[end - 1]);
        i = end;
    }
    return rc;
}

// The floor of a lane but 0 is a range like any other, from the lane's first position on.
static int put_raised(struct buffer *out, const struct ranges *raised, size_t *ranges) {
    int rc = 0;
    for (size_t i = 0; i < raised->count && rc == 0; i++)
        rc = put_range(out, raised->items[i].first, raised->items[i].last);
    *ranges += raised->count;
    return rc;
}

static int gather(struct inbox *inbox, const struct known *known, const uint64_t *positions, size_t count) {
    uint8_t head[INBOX_BUS_SIZE + 2 * VARINT_SIZE];
    size_t ranges = 0;
    journal_batch_clear(inbox->batch);
    buffer_clear(&inbox->scratch);
    int rc = put_raised(&inbox->scratch, &known->raised, &ranges);
    rc = rc ? rc : put_positions(&inbox->scratch, positions, count, &ranges);
    if (rc != 0)
        return rc;
    memcpy(head, known->bus, INBOX_BUS_SIZE);
    size_t size = INBOX_BUS_SIZE;
    size += varint_put(head + size, known->done.floor);
    size += varint_put(head + size, ranges);
    struct bytes parts[] = {bytes_of(head, size), buffer_bytes(&inbox->scratch)};
    return journal_batch_add(inbox->batch, RECORD_DONE, NULL, 0, parts, 2);
}

int inbox_add(struct inbox *inbox, const uint8_t bus[INBOX_BUS_SIZE], const uint64_t *positions, size_t count,
    struct error *error) {
    struct known *known = find_or_make(inbox, bus);
    int rc = gather(inbox, known, positions, count);
    if (rc != 0)
        return rc == -ENOMEM ? error_no_memory(error)
                             : error_set(error, -EMSGSIZE, "inbox: too many positions at once");
    // Before the append: a checkpoint taken inside must hold them. Should it fail they stay known here, which
    // is right: the effects are there.
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = ranges_add(&known->done, positions[i], positions[i]);
    rc = rc ? rc : journal_append(inbox->journal, inbox->batch, error);
    if (rc != 0)
        return rc == -ENOMEM ? error_no_memory(error) : rc;
    ranges_clear(&known->raised);
    return retire(inbox, error);
}

void inbox_prune(struct inbox *inbox, const uint8_t bus[INBOX_BUS_SIZE], uint64_t settled) {
    struct known *known = find_or_make(inbox, bus);
    uint64_t start = HUTONG_LANE_START(settled);
    if (settled == start || ranges_has_all(&known->done, start + 1, settled))
        return;
    ranges_raise(&known->done, settled);
    if (start > 0)
        ranges_raise(&known->raised, settled);
}

bool inbox_has_room(const struct inbox *inbox, const uint8_t bus[INBOX_BUS_SIZE], uint64_t position) {
    const struct known *known = find(inbox, bus);
    return inbox_ranges(inbox) < INBOX_RANGES_LIMIT || (known && ranges_touch(&known->done, position));
}

size_t inbox_ranges(const struct inbox *inbox) {
    size_t count = 0;
    for (size_t i = 0; i < inbox->count; i++)
        count += inbox->buses[i].done.count;
    return count;
}
