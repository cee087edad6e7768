#include "core/journal/life_testing.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BODY_MAX ((size_t)300 << 10)

static uint8_t body_bytes[BODY_MAX];

// ---- What a record is, by its sequence and size ----

static uint32_t queue_of(uint64_t sequence) {
    return 1 + (uint32_t)(sequence % LIFE_QUEUES);
}

static uint64_t position_of(uint64_t sequence) {
    return (sequence + LIFE_QUEUES - 1) / LIFE_QUEUES;
}

static void fill(uint64_t sequence, size_t size) {
    uint64_t state = sequence * 0x9e3779b97f4a7c15u + 1;
    for (size_t i = 0; i < size; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        body_bytes[i] = (uint8_t)(state >> 56 | 1); // no zeros: what is erased shows
    }
}

static bool is_the_one(const struct life *life, const struct journal_record *record) {
    uint64_t sequence = record->sequence;
    if (record->entry_count != 1 || record->entries[0].queue != queue_of(sequence) ||
        record->entries[0].position != position_of(sequence) || record->kind != (uint8_t)(sequence % 7 + 1))
        return false;
    if (!record->body.data)
        return life->erased[sequence] != 0;
    if (life->erased[sequence] == 2)
        return false; // it was, and came back
    fill(sequence, record->body.size);
    return memcmp(body_bytes, record->body.data, record->body.size) == 0;
}

// ---- The owner: its state is how many records there were ----

struct owner {
    const struct life *life;
    uint64_t count;
};

static int restore(void *context, struct bytes checkpoint, struct error *error) {
    struct owner *owner = context;
    if (checkpoint.size != 0 && checkpoint.size != 8)
        return error_set(error, -EINVAL, "a checkpoint of %zu bytes", checkpoint.size);
    owner->count = checkpoint.size ? load_u64(checkpoint.data) : 0;
    return 0;
}

static int replay(void *context, const struct journal_record *record, struct error *error) {
    struct owner *owner = context;
    if (record->sequence != ++owner->count || !is_the_one(owner->life, record))
        return error_set(error, -EINVAL, "record %llu is wrong", (unsigned long long)record->sequence);
    return 0;
}

static int checkpoint(void *context, struct buffer *out) {
    uint8_t bytes[8];
    store_u64(bytes, ((const struct owner *)context)->count);
    return buffer_append(out, bytes, sizeof bytes);
}

static struct owner the_owner; // of the journal that is open in a life

// ---- Steps ----

void life_new(struct life *life) {
    *life = (struct life){.disk = model_disk_new(), .first_kept = 1};
    life->options = (struct journal_options){.folder = "model", .segment_size = 64 << 10};
#ifdef LIFE_BACKGROUND
    life->options.background = true;
#endif
    life->batch = journal_batch_new(1 << 20);
    model_disk_use(life->disk);
}

void life_destroy(struct life *life) {
    life_close(life);
    journal_batch_destroy(&life->batch);
    model_disk_destroy(&life->disk);
}

int life_open(struct life *life) {
    the_owner = (struct owner){.life = life};
    struct journal_owner owner = {
        .context = &the_owner, .restore = restore, .replay = replay, .checkpoint = checkpoint};
    int rc = journal_file_open(&life->options, &owner, &life->journal, &life->error);
    if (rc == 0)
        life->appended = life->durable = the_owner.count;
    return rc;
}

void life_close(struct life *life) {
    journal_close(&life->journal);
}

static int read_first(struct life *life);

// What was appended becomes durable; while it is under way the owner reads.
static int land(struct life *life) {
    int rc = 0;
    for (int i = 0; journal_busy(life->journal) && rc == 0; i++) {
        rc = i % 3 == 1 ? read_first(life) : journal_collect(life->journal, false, &life->error);
        if (rc == 0)
            life->durable = journal_durable(life->journal);
    }
    if (rc == 0)
        life->durable = journal_durable(life->journal);
    return rc;
}

static int begin(struct life *life, size_t count, size_t size) {
    int rc = 0;
    journal_batch_clear(life->batch);
    for (size_t i = 0; i < count && rc == 0; i++) {
        uint64_t sequence = life->durable + 1 + i;
        struct journal_entry entry = {.queue = queue_of(sequence), .position = position_of(sequence)};
        fill(sequence, size);
        rc = journal_batch_add(
            life->batch, (uint8_t)(sequence % 7 + 1), &entry, 1, &(struct bytes){body_bytes, size}, 1);
    }
    if (rc)
        return rc;
    life->appended = life->durable + count;
    the_owner.count = life->appended; // it is as far as its batch
    return journal_append(life->journal, life->batch, &life->error);
}

int life_append(struct life *life, size_t count, size_t size) {
    int rc = begin(life, count, size);
    return rc ? rc : land(life);
}

int life_erase(struct life *life, uint64_t sequence) {
    if (life->erased[sequence] == 0)
        life->erased[sequence] = 1;
    int rc = journal_erase(life->journal, sequence, &life->error);
    if (rc == 0)
        life->erased[sequence] = 2;
    return rc;
}

static bool may_go(void *context, uint32_t queue, uint64_t last_position) {
    const struct life *life = context;
    uint64_t last = (last_position - 1) * LIFE_QUEUES + (queue == 1 ? LIFE_QUEUES : queue - 1);
    return last <= life->settled;
}

int life_retire(struct life *life, uint64_t settled) {
    struct journal_settled callback = {.context = life, .settled = may_go};
    life->settled = settled;
    life->first_kept = settled + 1;
    return journal_retire(life->journal, INT64_MAX, &callback, NULL, &life->error);
}

struct seen {
    const struct life *life;
    uint64_t next;
    uint64_t count;
};

static int see(void *context, const struct journal_record *record, uint64_t position) {
    struct seen *seen = context;
    if ((seen->next && position != seen->next) || !is_the_one(seen->life, record))
        return -EILSEQ;
    seen->next = position + 1;
    seen->count++;
    return 0;
}

static int read_first(struct life *life) {
    struct seen seen = {.life = life};
    return journal_read_queue(life->journal, 1, 1, 1, SIZE_MAX, see, &seen, &life->error);
}

static int read_all(struct life *life) {
    for (uint32_t queue = 1; queue <= LIFE_QUEUES; queue++) {
        struct seen seen = {.life = life};
        int rc = journal_read_queue(life->journal, queue, 1, SIZE_MAX, SIZE_MAX, see, &seen, &life->error);
        if (rc)
            return rc;
    }
    return 0;
}

static int append_many(struct life *life, int times) {
    int rc = 0;
    for (int i = 0; i < times && rc == 0; i++)
        rc = life_append(life, 1 + (size_t)i % 3, 100 + (size_t)(i * 397) % 5000);
    return rc;
}

int life_whole(struct life *life) {
    int rc = life_open(life);
    rc = rc ? rc : append_many(life, 24);
    rc = rc ? rc : life_append(life, 1, 200000); // longer than a segment
    rc = rc ? rc : append_many(life, 12);
    rc = rc ? rc : read_all(life);
    rc = rc ? rc : life_erase(life, 5);                 // in a sealed segment
    rc = rc ? rc : life_erase(life, life->durable - 1); // in the active one
    rc = rc ? rc : begin(life, 2, 7000);
    rc = rc ? rc : life_retire(life, 40); // also while a batch is under way
    rc = rc ? rc : land(life);
    rc = rc ? rc : append_many(life, 24); // over spares
    rc = rc ? rc : read_all(life);
    life_close(life);
    rc = rc ? rc : life_open(life);
    rc = rc ? rc : life_erase(life, life->durable);
    rc = rc ? rc : append_many(life, 6);
    rc = rc ? rc : life_retire(life, life->durable);
    return rc ? rc : read_all(life);
}

// ---- What must be true ----

static void check_open(
    struct life *life, const char *what, uint64_t number, uint64_t durable, uint64_t most) {
    int rc = life_open(life);
    if (rc || life->durable < durable || life->durable > most)
        fail_msg("%s %llu: opening: %d %s; %llu records, of which %llu to %llu had to be there", what,
            (unsigned long long)number, rc, life->error.text, (unsigned long long)life->durable,
            (unsigned long long)durable, (unsigned long long)most);
    for (uint32_t queue = 1; queue <= LIFE_QUEUES; queue++) {
        uint64_t from = life->first_kept <= queue ? 1 : 0;
        for (uint64_t s = life->first_kept; !from && s < life->first_kept + LIFE_QUEUES; s++)
            if (queue_of(s) == queue)
                from = position_of(s);
        uint64_t last = 0;
        for (uint64_t s = life->durable; s > 0 && s + LIFE_QUEUES > life->durable && !last; s--)
            if (queue_of(s) == queue)
                last = position_of(s);
        struct seen seen = {.life = life};
        rc = journal_read_queue(life->journal, queue, from, SIZE_MAX, SIZE_MAX, see, &seen, &life->error);
        if (rc || (last >= from && (seen.next != last + 1 || seen.count < last - from + 1)))
            fail_msg("%s %llu: queue %u from %llu: %d %s; %llu records to %llu", what,
                (unsigned long long)number, queue, (unsigned long long)from, rc, life->error.text,
                (unsigned long long)seen.count, (unsigned long long)last);
    }
}

static void check_verified(const struct life *life, const char *what, uint64_t number) {
    struct journal_verdict verdict;
    struct error error;
    int rc = journal_verify(life->options.folder, &verdict, &error);
    if (rc)
        fail_msg("%s %llu: verifying: %d %s", what, (unsigned long long)number, rc, error.text);
}

void life_check(const struct life *life, struct model_disk *disk, const char *what, uint64_t number) {
    static struct life again; // large
    struct owner owner = the_owner;
    struct model_disk *before = model_disk_use(disk);
    again = *life;
    again.journal = NULL;
    again.disk = disk;
    again.options.background = false; // also from within a batch that is under way
    model_disk_hook *hook = model_disk_on_call(NULL);
    again.batch = journal_batch_new(1 << 20);
    check_open(&again, what, number, life->durable, life->appended);
    life_close(&again);
    check_verified(&again, what, number);
    uint64_t there = again.durable;
    check_open(&again, what, number, there, there);
    if (life_append(&again, 2, 3000))
        fail_msg("%s %llu: appending: %s", what, (unsigned long long)number, again.error.text);
    life_close(&again);
    check_open(&again, what, number, there + 2, there + 2);
    life_close(&again);
    check_verified(&again, what, number);
    life_destroy(&again);
    model_disk_use(before);
    model_disk_on_call(hook);
    the_owner = owner;
}
