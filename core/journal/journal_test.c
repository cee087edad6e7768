#include "core/crypto/crc32c.h"
#include "core/journal/batch.h"
#include "core/journal/journal_testing.h"
#include "core/journal/merkle.h"
#include "test/support/alloc_fail.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define FIRST "00000000000000000001.segment"

// ---- Batches and trees ----

static void a_batch_holds_its_limit(void **state) {
    (void)state;
    struct journal_batch *batch = journal_batch_new(1000);
    static const uint8_t body[2000];
    struct bytes part = {body, 400};
    assert_int_equal(journal_batch_add(batch, 1, NULL, 0, &part, 1), 0);
    assert_int_equal(journal_batch_add(batch, 1, NULL, 0, &part, 1), 0);
    assert_int_equal(journal_batch_add(batch, 1, NULL, 0, &part, 1), JOURNAL_BATCH_FULL);
    assert_int_equal(journal_batch_count(batch), 2);
    assert_int_equal(journal_batch_size(batch), 2 * (48 + 400));
    part.size = 2000;
    assert_int_equal(journal_batch_add(batch, 1, NULL, 0, &part, 1), -EMSGSIZE);
    assert_int_equal(journal_batch_add(batch, 1, NULL, 257, NULL, 0), -EMSGSIZE);
    struct bytes huge[] = {{body, SIZE_MAX}, {body, 2}};
    assert_int_equal(journal_batch_add(batch, 1, NULL, 0, huge, 2), -EMSGSIZE);
    journal_batch_clear(batch);
    assert_int_equal(journal_batch_count(batch), 0);
    journal_batch_destroy(&batch);
}

static void a_batch_survives_no_memory(void **state) {
    (void)state;
    for (size_t n = 0; n < 2; n++) {
        alloc_fail_after(n);
        assert_null(journal_batch_new(1000));
        alloc_fail_never();
    }
    struct journal_batch *batch = journal_batch_new(16 << 20);
    static const uint8_t body[8 << 20];
    struct bytes part = {body, sizeof body};
    alloc_fail_after(0);
    assert_int_equal(journal_batch_add(batch, 1, NULL, 0, &part, 1), -ENOMEM);
    alloc_fail_never();
    assert_int_equal(journal_batch_count(batch), 0);
    assert_int_equal(journal_batch_add(batch, 1, NULL, 0, &part, 1), 0);
    size_t grown = batch->capacity;
    journal_batch_clear(batch);
    assert_true(batch->capacity < grown);
    journal_batch_destroy(&batch);
}

static void node(struct digest *digest, const uint8_t *left, const uint8_t *right, uint8_t out[32]) {
    static const uint8_t domain = 1;
    struct bytes parts[] = {{&domain, 1}, {left, 32}, {right, 32}};
    assert_int_equal(digest_parts(digest, parts, 3, out), 0);
}

// RFC 6962's definition as it is written there.
static void reference_root(struct digest *digest, const uint8_t *leaves, size_t count, uint8_t out[32]) {
    if (count == 1) {
        memcpy(out, leaves, 32);
        return;
    }
    size_t k = 1;
    while (2 * k < count)
        k *= 2;
    uint8_t left[32];
    uint8_t right[32];
    reference_root(digest, leaves, k, left);
    reference_root(digest, leaves + 32 * k, count - k, right);
    node(digest, left, right, out);
}

static void merkle_roots_are_those_of_rfc_6962(void **state) {
    (void)state;
    struct digest *digest = digest_new(DIGEST_SHA256);
    for (size_t count = 1; count < 70; count++) {
        uint8_t leaves[70 * 32];
        for (size_t i = 0; i < count * 32; i++)
            leaves[i] = (uint8_t)(i * i + i / 32);
        uint8_t expected[32];
        uint8_t root[32];
        reference_root(digest, leaves, count, expected);
        assert_int_equal(merkle_root(digest, leaves, count, root), 0);
        assert_memory_equal(root, expected, 32);
    }
    digest_destroy(&digest);
}

// ---- The file back end ----

static void a_journal_comes_back(void **state) {
    struct testing *t = *state;
    assert_int_equal(testing_open(t), 0);
    assert_int_equal(journal_last(t->journal), 0);
    uint8_t id[16];
    memcpy(id, journal_id(t->journal), 16);
    assert_int_equal(testing_append(t), 0); // an empty batch is nothing
    assert_int_equal(testing_append_new(t, 1, 100, 3), 0);
    assert_int_equal(testing_append_new(t, 2, 0, 1), 0);
    assert_int_equal(journal_last(t->journal), 4);
    assert_int_equal(journal_durable(t->journal), 4);
    assert_int_equal(journal_batch_count(t->batch), 0);
    struct witness before = t->witness;
    for (int again = 0; again < 3; again++) {
        testing_close(t);
        assert_int_equal(testing_open(t), 0);
        assert_true(witness_equal(&before, &t->witness));
        assert_memory_equal(id, journal_id(t->journal), 16);
    }
    assert_int_equal(journal_last(t->journal), 4);
}

static void one_process_has_a_journal(void **state) {
    struct testing *t = *state;
    assert_int_equal(testing_open(t), 0);
    struct journal *other = NULL;
    struct journal_owner owner = {0};
    assert_int_equal(journal_file_open(&t->options, &owner, &other, &t->error), JOURNAL_LOCKED);
    assert_non_null(strstr(t->error.text, "another process"));
    testing_close(t);
    assert_int_equal(journal_file_open(&t->options, &owner, &other, &t->error), 0);
    journal_close(&other);
}

static void options_are_checked(void **state) {
    struct testing *t = *state;
    t->options.segment_size = 1000;
    assert_int_equal(testing_open(t), -EINVAL);
    t->options.segment_size = 1 << 20;
    t->options.size_limit = 1 << 20;
    assert_int_equal(testing_open(t), -EINVAL);
    t->options.size_limit = 0;
    t->options.folder = "/nowhere/at/all";
    assert_int_equal(testing_open(t), -ENOENT);
    assert_non_null(strstr(t->error.text, "journal /nowhere/at/all: "));
}

static void many_segments_come_back_with_exact_checkpoints(void **state) {
    struct testing *t = *state;
    assert_int_equal(testing_open(t), 0);
    for (uint32_t i = 0; i < 300; i++) {
        assert_int_equal(testing_append_new(t, i % 5, (size_t)i * 13 % 3000, 1 + i % 4), 0);
        if (i % 23 == 0) {
            struct witness before = t->witness;
            testing_close(t);
            assert_int_equal(testing_open(t), 0);
            assert_true(witness_equal(&before, &t->witness));
        }
    }
    struct journal_status status;
    journal_status(t->journal, &status);
    assert_true(status.segments > 10);
    assert_int_equal(status.first, 1);
    struct witness before = t->witness;
    testing_close(t);
    struct journal_verdict verdict;
    assert_int_equal(journal_verify(t->folder, &verdict, &t->error), 0);
    assert_int_equal(verdict.records, before.count);
    assert_int_equal(verdict.segments, status.segments);
    assert_int_equal(verdict.torn_bytes, 0);
}

static void a_batch_larger_than_a_segment_fits(void **state) {
    struct testing *t = *state;
    assert_int_equal(testing_open(t), 0);
    assert_int_equal(testing_append_new(t, 1, 10, 1), 0);
    assert_int_equal(testing_append_new(t, 1, 300 << 10, 1), 0);
    assert_int_equal(testing_append_new(t, 1, 10, 1), 0);
    struct witness before = t->witness;
    testing_close(t);
    assert_int_equal(testing_open(t), 0);
    assert_true(witness_equal(&before, &t->witness));
    assert_int_equal(journal_last(t->journal), 3);
}

static void sm3_journals_stay_sm3(void **state) {
    struct testing *t = *state;
    struct journal_verdict verdict;
    t->options.sm3 = true;
    assert_int_equal(testing_open(t), 0);
    assert_int_equal(testing_append_new(t, 1, 100, 5), 0);
    testing_close(t);
    t->options.sm3 = false;
    assert_int_equal(testing_open(t), 0);
    assert_int_equal(testing_append_new(t, 1, 5000, 30), 0);
    assert_int_equal(testing_append_new(t, 1, 100, 5), 0);
    testing_close(t);
    assert_int_equal(journal_verify(t->folder, &verdict, &t->error), 0);
    assert_int_equal(verdict.records, 40);
}

static void a_position_that_does_not_follow_is_refused(void **state) {
    struct testing *t = *state;
    assert_int_equal(testing_open(t), 0);
    assert_int_equal(testing_append_new(t, 1, 10, 2), 0);
    t->witness.next[1] = 9;
    assert_int_equal(testing_append_new(t, 1, 10, 1), -EINVAL);
    assert_int_equal(testing_append_new(t, 2, 10, 1), -EIO); // it is no more to be used
}

// ---- Reading queues ----

struct reading {
    uint32_t queue;
    uint64_t next;
    size_t count;
    size_t stop_after;
};

static int read_one(void *context, const struct journal_record *record, uint64_t position) {
    struct reading *reading = context;
    assert_int_equal(position, reading->next);
    assert_int_equal(record->entries[0].queue, reading->queue);
    assert_int_equal(record->entries[0].position, position);
    assert_true(record->time_ns > 0);
    for (size_t i = 1; i < record->body.size; i++)
        assert_int_equal((uint8_t)(record->body.data[i] - record->body.data[i - 1]), 7);
    reading->next++;
    return ++reading->count == reading->stop_after ? 77 : 0;
}

static void assert_reads(struct testing *t, uint32_t queue, uint64_t from, size_t max, size_t expected) {
    struct reading reading = {.queue = queue, .next = from};
    assert_int_equal(
        journal_read_queue(t->journal, queue, from, max, 1 << 30, read_one, &reading, &t->error), 0);
    assert_int_equal(reading.count, expected);
}

static void queues_are_read_over_segments(void **state) {
    struct testing *t = *state;
    assert_int_equal(testing_open(t), 0);
    assert_reads(t, 1, 1, 10, 0);
    for (uint32_t i = 0; i < 200; i++) {
        assert_int_equal(testing_append_new(t, i % 3, (size_t)i % 7 * 500, 3), 0);
        uint64_t last = t->witness.next[i % 3] - 1;
        assert_reads(t, i % 3, last, 10, 1); // what was appended just now
    }
    for (int again = 0; again < 2; again++) {
        assert_reads(t, 0, 1, 1000, 201);
        assert_reads(t, 1, 100, 1000, 102);
        assert_reads(t, 2, 1, 7, 7);
        assert_reads(t, 2, 5000, 7, 0);
        assert_reads(t, 9, 1, 7, 0);
        testing_close(t);
        assert_int_equal(testing_open(t), 0);
    }
    struct reading reading = {.queue = 1, .next = 1, .stop_after = 3};
    assert_int_equal(journal_read_queue(t->journal, 1, 1, 10, 1 << 20, read_one, &reading, &t->error), 77);
    reading = (struct reading){.queue = 1, .next = 1};
    assert_int_equal(journal_read_queue(t->journal, 1, 1, 100, 1, read_one, &reading, &t->error), 0);
    assert_true(reading.count >= 1 && reading.count <= 4); // one at least; empty bodies weigh nothing
}

static void one_record_enters_several_queues(void **state) {
    struct testing *t = *state;
    assert_int_equal(testing_open(t), 0);
    enum { COUNT = 4096 };
    static struct journal_entry entries[COUNT + 1];
    for (uint32_t i = 0; i < COUNT; i++)
        entries[i] = (struct journal_entry){.queue = i, .position = 1};
    struct bytes body = bytes_of_string("a");
    assert_int_equal(journal_batch_add(t->batch, 1, entries, COUNT + 1, &body, 1), -EMSGSIZE);
    assert_int_equal(journal_batch_add(t->batch, 1, entries, COUNT, &body, 1), 0);
    assert_int_equal(testing_append(t), 0);
    size_t seen = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        struct reading reading = {.next = 1};
        reading.queue = 0; // the first entry of the record
        assert_int_equal(journal_read_queue(t->journal, i, 1, 1, 100, read_one, &reading, &t->error), 0);
        seen += reading.count;
    }
    assert_int_equal(seen, COUNT);
}

// ---- Scan ----

static int scan_one(void *context, const struct journal_record *record) {
    uint64_t *next = context;
    assert_int_equal(record->sequence, *next);
    (*next)++;
    return record->sequence == 600 ? 42 : 0;
}

static void a_scan_starts_anywhere(void **state) {
    struct testing *t = *state;
    assert_int_equal(testing_open(t), 0);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(testing_append_new(t, 1, 900, 5), 0);
    for (uint64_t from = 1; from <= 500; from += 83) { // also while it is open
        uint64_t next = from;
        assert_int_equal(journal_scan(t->folder, from, scan_one, &next, &t->error), 0);
        assert_int_equal(next, 501);
    }
    assert_int_equal(testing_append_new(t, 1, 10, 105), 0);
    uint8_t id[16];
    assert_int_equal(journal_folder_id(t->folder, id, &t->error), 0);
    assert_memory_equal(id, journal_id(t->journal), sizeof id);
    assert_int_equal(journal_folder_id("/nowhere", id, &t->error), -ENOENT);
    uint64_t next = 590;
    assert_int_equal(journal_scan(t->folder, 590, scan_one, &next, &t->error), 42);
    assert_int_equal(next, 601);
    assert_int_equal(journal_scan("/nowhere", 1, scan_one, &next, &t->error), -ENOENT);
}

// What a tool meets in the journal of a running broker: its window of the file is older than what it reads
// behind it.
struct written {
    struct testing *t;
    uint64_t seen;
    uint64_t at;  // it is written when this one is looked at
    size_t first; // bytes of the batch that comes behind what is in the window
};

static int write_on(void *context, const struct journal_record *record) {
    struct written *written = context;
    assert_int_equal(record->sequence, ++written->seen);
    if (record->sequence != written->at)
        return 0;
    assert_int_equal(testing_append_new(written->t, 1, written->first, 1), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(testing_append_new(written->t, 1, 500000, 1), 0);
    return 0;
}

static void a_scan_of_what_is_being_written_finds_no_damage(void **state) {
    struct testing *t = *state;
    const size_t first[] = {100, 1000000}; // one in the window, one that goes beyond it
    t->options.segment_size = 16 << 20;
    assert_int_equal(testing_open(t), 0);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(testing_append_new(t, 1, 100, 1), 0);
        struct written written = {.t = t, .at = journal_last(t->journal), .first = first[i]};
        assert_int_equal(journal_scan(t->folder, 1, write_on, &written, &t->error), 0);
        assert_int_equal(written.seen, journal_last(t->journal));
    }
}

// And one whose old segments go meanwhile.
static bool all_settled(void *context, uint32_t queue, uint64_t last_position) {
    (void)context;
    (void)queue;
    (void)last_position;
    return true;
}

static int retire_all(void *context, const struct journal_record *record) {
    struct written *written = context;
    size_t retired = 0;
    written->at = record->sequence;
    if (written->seen++ == 0) {
        struct journal_settled settled = {.settled = all_settled};
        assert_int_equal(
            journal_retire(written->t->journal, INT64_MAX, &settled, &retired, &written->t->error), 0);
        assert_true(retired > 2);
    }
    return 0;
}

static void a_scan_passes_over_what_is_retired_meanwhile(void **state) {
    struct testing *t = *state;
    assert_int_equal(testing_open(t), 0);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(testing_append_new(t, 1, 900, 5), 0);
    struct written written = {.t = t};
    assert_int_equal(journal_scan(t->folder, 1, retire_all, &written, &t->error), 0);
    assert_int_equal(written.at, 500);
    assert_true(written.seen < 500);
}

// ---- Retiring ----

static bool settled_below(void *context, uint32_t queue, uint64_t last_position) {
    (void)queue;
    return last_position < *(uint64_t *)context;
}

static int64_t counted_time(void *context) {
    return ++*(int64_t *)context;
}

static int64_t slow_time(void *context) {
    return *(int64_t *)context += 2000000000;
}

// How many segments 450,000 bytes take.
static uint64_t segments_of(struct testing *t, int64_t (*now_ns)(void *context), uint64_t limit) {
    int64_t time = 0;
    t->options.segment_size = 64 << 10;
    t->options.busy_segment = 1 << 20;
    t->options.size_limit = limit;
    t->options.now_ns = now_ns;
    t->options.now_context = &time;
    assert_int_equal(testing_open(t), 0);
    uint64_t before = journal_last(t->journal);
    struct journal_status status;
    journal_status(t->journal, &status);
    uint64_t segments = status.segments;
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(testing_append_new(t, 1, 900, 5), 0);
    journal_status(t->journal, &status);
    assert_true(limit == 0 || status.bytes <= limit);
    assert_int_equal(journal_last(t->journal), before + 500);
    testing_close(t);
    return status.segments - segments;
}

// One that was filled within a second is followed by a larger one, where there is room for it.
static void segments_are_large_under_load(void **state) {
    struct testing *t = *state;
    assert_true(segments_of(t, counted_time, 1080 << 10) > 5);
    assert_true(segments_of(t, counted_time, 0) < 4);
    assert_true(segments_of(t, slow_time, 0) > 5);
    assert_int_equal(testing_open(t), 0);
}

static void segments_retire_and_are_reused(void **state) {
    struct testing *t = *state;
    int64_t time = 0;
    t->options.now_ns = counted_time;
    t->options.now_context = &time;
    assert_int_equal(testing_open(t), 0);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(testing_append_new(t, 1, 900, 5), 0);
    struct journal_status before;
    journal_status(t->journal, &before);
    uint64_t below = 1;
    struct journal_settled settled = {.context = &below, .settled = settled_below};
    size_t retired = 99;
    assert_int_equal(journal_retire(t->journal, INT64_MAX, &settled, &retired, &t->error), 0);
    assert_int_equal(retired, 0); // nothing is settled
    below = 400;
    assert_int_equal(journal_retire(t->journal, 0, &settled, &retired, &t->error), 0);
    assert_int_equal(retired, 0); // nothing is old enough
    assert_int_equal(journal_retire(t->journal, INT64_MAX, &settled, &retired, &t->error), 0);
    assert_true(retired >= 3);
    struct journal_status after;
    journal_status(t->journal, &after);
    assert_int_equal(after.segments, before.segments - retired);
    assert_true(after.first > 1 && after.first <= 400);
    assert_reads(t, 1, after.first, 1000, 500 - after.first + 1); // positions are sequences here
    struct reading reading = {.queue = 1, .next = after.first};
    assert_int_equal(journal_read_queue(t->journal, 1, 1, 10, 1 << 20, read_one, &reading, &t->error), 0);
    for (size_t i = 0; i < 100; i++) // into the files that were left over
        assert_int_equal(testing_append_new(t, 1, 900, 5), 0);
    struct witness seen = t->witness;
    testing_close(t);
    struct journal_verdict verdict;
    assert_int_equal(journal_verify(t->folder, &verdict, &t->error), 0);
    assert_int_equal(testing_open(t), 0);
    assert_true(witness_equal(&seen, &t->witness));
}

static void what_retired_is_not_readable(void **state) {
    struct testing *t = *state;
    assert_int_equal(testing_open(t), 0);
    for (size_t i = 0; i < 40; i++)
        assert_int_equal(testing_append_new(t, 1, 900, 5), 0);
    struct journal_settled all = {.context = &(uint64_t){UINT64_MAX}, .settled = settled_below};
    size_t retired = 0;
    assert_int_equal(journal_retire(t->journal, INT64_MAX, &all, &retired, &t->error), 0);
    assert_true(retired >= 1);
    size_t size = 0;
    uint8_t *spare = testing_read(t, "00000000000000000001.spare", &size);
    for (size_t i = 0; spare && i < size; i++)
        assert_int_equal(spare[i], 0);
    free(spare);
}

// ---- Erasure: the format allows it from the first version ----

static void an_erased_body_leaves_the_chain_whole(void **state) {
    struct testing *t = *state;
    assert_int_equal(testing_open(t), 0);
    assert_int_equal(testing_append_new(t, 1, 200, 3), 0);
    testing_close(t);
    size_t size = 0;
    uint8_t *image = testing_read(t, FIRST, &size);
    assert_non_null(image);
    uint8_t *record = image + 4096 + BATCH_SIZE + record_length(image + 4096 + BATCH_SIZE); // the second
    struct digest *digest = digest_new(DIGEST_SHA256);
    uint8_t leaf[32];
    assert_int_equal(record_leaf(digest, record, leaf), 0);
    digest_destroy(&digest);
    uint8_t *body = record + RECORD_SIZE + ENTRY_SIZE;
    memset(body, 0, 200);
    memcpy(record + 16, leaf, 16);
    memcpy(body, leaf + 16, 16);
    record[8] = RECORD_ERASED;
    store_u32(record + 4, crc32c(0, record + 8, record_length(record) - 8));
    testing_write(t, FIRST, image, size);
    struct journal_verdict verdict;
    assert_int_equal(journal_verify(t->folder, &verdict, &t->error), 0);
    assert_int_equal(verdict.erased, 1);
    body[3] ^= 1; // a leaf of something else
    store_u32(record + 4, crc32c(0, record + 8, record_length(record) - 8));
    testing_write(t, FIRST, image, size);
    assert_int_equal(journal_verify(t->folder, &verdict, &t->error), JOURNAL_DAMAGED);
    free(image);
}

// Its bus goes on elsewhere: no broker opens it by mistake, and who means to, does.
static void a_folder_that_was_left_is_opened_only_on_purpose(void **state) {
    struct testing *t = *state;
    char path[256];
    assert_int_equal(testing_open(t), 0);
    assert_int_equal(testing_append_new(t, 1, 100, 3), 0);
    assert_int_equal(journal_folder_left(t->folder, &t->error), 0);
    assert_int_equal(journal_folder_leave(t->folder, "it went to town", &t->error), 0);
    testing_close(t);
    assert_int_equal(journal_folder_left(t->folder, &t->error), JOURNAL_LEFT);
    assert_string_equal(t->error.text, "it went to town");
    assert_int_equal(testing_open(t), JOURNAL_LEFT);
    assert_non_null(strstr(t->error.text, t->folder));
    assert_non_null(strstr(t->error.text, "it went to town"));
    struct journal_verdict verdict;
    assert_int_equal(journal_verify(t->folder, &verdict, &t->error), 0); // it proves what it proved
    t->options.left = true;
    assert_int_equal(testing_open(t), 0);
    assert_int_equal(journal_last(t->journal), 3);
    testing_close(t);
    t->options.left = false;
    testing_path(t, JOURNAL_LEFT_MARK, path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(testing_open(t), 0);
    assert_int_equal(journal_folder_leave("/nowhere/at/all", "", &t->error), -ENOENT);
    assert_int_equal(journal_folder_left("/nowhere/at/all", &t->error), -ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, testing_setup, testing_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_holds_its_limit),
        cmocka_unit_test(a_batch_survives_no_memory),
        cmocka_unit_test(merkle_roots_are_those_of_rfc_6962),
        TEST(a_journal_comes_back),
        TEST(one_process_has_a_journal),
        TEST(options_are_checked),
        TEST(many_segments_come_back_with_exact_checkpoints),
        TEST(a_batch_larger_than_a_segment_fits),
        TEST(sm3_journals_stay_sm3),
        TEST(a_position_that_does_not_follow_is_refused),
        TEST(queues_are_read_over_segments),
        TEST(one_record_enters_several_queues),
        TEST(a_scan_starts_anywhere),
        TEST(a_scan_of_what_is_being_written_finds_no_damage),
        TEST(a_scan_passes_over_what_is_retired_meanwhile),
        TEST(segments_are_large_under_load),
        TEST(segments_retire_and_are_reused),
        TEST(what_retired_is_not_readable),
        TEST(an_erased_body_leaves_the_chain_whole),
        TEST(a_folder_that_was_left_is_opened_only_on_purpose),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
