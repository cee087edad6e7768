// What it costs to open a journal and to read a backlog, counted in calls and bytes of the disk, not in time:
// it must not grow with what doesn't matter.
#include "core/journal/format.h"
#include "core/journal/journal.h"
#include "core/journal/model_disk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BODY 1000
#define SEGMENT ((uint64_t)256 << 10)

struct fixture {
    struct model_disk *disk;
    struct journal *journal;
    struct journal_batch *batch;
    uint64_t next[9]; // positions
    struct error error;
};

static void open_it(struct fixture *f) {
    struct journal_options options = {.folder = "model", .segment_size = SEGMENT};
    struct journal_owner owner = {0};
    if (journal_file_open(&options, &owner, &f->journal, &f->error))
        fail_msg("%s", f->error.text);
}

static int setup(void **state) {
    static struct fixture f;
    f = (struct fixture){.disk = model_disk_new(), .batch = journal_batch_new(1 << 20)};
    model_disk_use(f.disk);
    open_it(&f);
    *state = &f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    journal_close(&f->journal);
    journal_batch_destroy(&f->batch);
    model_disk_destroy(&f->disk);
    return 0;
}

// Every record is one of queue 1; every 500th of queue 2 too.
static void append(struct fixture *f, size_t count) {
    static uint8_t body[BODY];
    for (size_t i = 0; i < count; i++) {
        struct journal_entry entries[] = {{1, ++f->next[1]}, {2, f->next[2] + 1}};
        bool both = f->next[1] % 500 == 0;
        f->next[2] += both;
        assert_int_equal(
            journal_batch_add(f->batch, 1, entries, both ? 2 : 1, &(struct bytes){body, BODY}, 1), 0);
        if (i % 20 == 19 || i + 1 == count)
            assert_int_equal(journal_append(f->journal, f->batch, &f->error), 0);
    }
}

static struct model_disk_counts since(struct model_disk_counts before) {
    struct model_disk_counts now = model_disk_counts();
    return (struct model_disk_counts){.calls = now.calls - before.calls,
        .opens = now.opens - before.opens,
        .read_bytes = now.read_bytes - before.read_bytes,
        .written_bytes = now.written_bytes - before.written_bytes,
        .syncs = now.syncs - before.syncs};
}

static uint64_t segments_of(struct fixture *f) {
    struct journal_status status;
    journal_status(f->journal, &status);
    return status.segments;
}

// ---- Opening ----

static struct model_disk_counts reopen(struct fixture *f) {
    journal_close(&f->journal);
    struct model_disk_counts before = model_disk_counts();
    open_it(f);
    return since(before);
}

// So that the last segment has as much in it.
static void append_until(struct fixture *f, uint64_t segments) {
    while (segments_of(f) < segments)
        append(f, 20);
    append(f, 60);
}

static void opening_costs_the_same_whatever_the_size(void **state) {
    struct fixture *f = *state;
    append_until(f, 4);
    struct model_disk_counts small = reopen(f);
    append_until(f, 40);
    struct model_disk_counts large = reopen(f);
    printf("4 segments: %llu opens, %llu bytes, %llu calls; 40: %llu, %llu, %llu\n",
        (unsigned long long)small.opens, (unsigned long long)small.read_bytes,
        (unsigned long long)small.calls, (unsigned long long)large.opens,
        (unsigned long long)large.read_bytes, (unsigned long long)large.calls);
    assert_int_equal(small.opens, large.opens);
    assert_true(large.read_bytes < small.read_bytes + 4096);
    assert_int_equal(large.calls, small.calls + 36); // the size of each file
    assert_int_equal(large.written_bytes, 0);
}

// ---- Reading ----

static int count_one(void *context, const struct journal_record *record, uint64_t position) {
    (void)record;
    *(uint64_t *)context = position;
    return 0;
}

static void drain(struct fixture *f, uint32_t queue, uint64_t from, uint64_t last, size_t portion) {
    uint64_t position = from - 1;
    while (position < last) {
        uint64_t before = position;
        assert_int_equal(journal_read_queue(f->journal, queue, position + 1, portion, 1 << 20, count_one,
                             &position, &f->error),
            0);
        assert_true(position > before);
    }
}

static void a_backlog_is_read_once(void **state) {
    struct fixture *f = *state;
    append(f, 8000); // some 35 segments
    uint64_t all = 8000 / 20 * block_up(BATCH_SIZE + 20 * (BODY + RECORD_SIZE + ENTRY_SIZE)); // with padding
    struct model_disk_counts before = model_disk_counts();
    drain(f, 1, 1, 8000, 100);
    struct model_disk_counts cost = since(before);
    printf("8000 records: %.3f bytes read per byte, %llu calls, %llu opens\n",
        (double)cost.read_bytes / (double)all, (unsigned long long)cost.calls,
        (unsigned long long)cost.opens);
    assert_true(cost.read_bytes < all + all / 20);
    assert_true(cost.calls < 400);
    assert_true(cost.opens <= 2 * segments_of(f));
}

static void the_middle_of_a_backlog_is_found_by_halves(void **state) {
    struct fixture *f = *state;
    append(f, 8000);
    reopen(f);
    struct model_disk_counts before = model_disk_counts();
    drain(f, 1, 4000, 4001, 2);
    struct model_disk_counts cost = since(before);
    printf("one of %llu segments found: %llu opens, %llu bytes\n", (unsigned long long)segments_of(f),
        (unsigned long long)cost.opens, (unsigned long long)cost.read_bytes);
    assert_true(cost.opens <= 8);
    for (uint64_t position = 1; position <= 16; position++) { // a queue that is in every other segment
        uint64_t found = 0;
        assert_int_equal(journal_read_queue(f->journal, 2, position, 1, 1, count_one, &found, &f->error), 0);
        assert_int_equal(found, position);
    }
    uint64_t found = 0;
    assert_int_equal(journal_read_queue(f->journal, 2, 17, 1, 1, count_one, &found, &f->error), 0);
    assert_int_equal(journal_read_queue(f->journal, 3, 1, 1, 1, count_one, &found, &f->error), 0);
    assert_int_equal(found, 0);
}

// A message that was split: one record, thousands of places. It is read from the disk once.
static void a_record_of_many_places_is_read_once(void **state) {
    struct fixture *f = *state;
    enum { PLACES = 3000, SIZE = 900000 };
    static struct journal_entry entries[PLACES];
    static uint8_t body[SIZE];
    for (uint64_t i = 0; i < PLACES; i++)
        entries[i] = (struct journal_entry){.queue = 1, .position = ++f->next[1]};
    assert_int_equal(journal_batch_add(f->batch, 1, entries, PLACES, &(struct bytes){body, SIZE}, 1), 0);
    assert_int_equal(journal_append(f->journal, f->batch, &f->error), 0);
    append(f, 300);
    struct model_disk_counts before = model_disk_counts();
    drain(f, 1, 1, PLACES, 1); // as the broker does, since one fills its measure
    struct model_disk_counts cost = since(before);
    printf("%d places of one record: %llu bytes read of %d\n", PLACES, (unsigned long long)cost.read_bytes,
        SIZE);
    assert_true(cost.read_bytes < 2 * (uint64_t)SIZE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(opening_costs_the_same_whatever_the_size, setup, teardown),
        cmocka_unit_test_setup_teardown(a_backlog_is_read_once, setup, teardown),
        cmocka_unit_test_setup_teardown(the_middle_of_a_backlog_is_found_by_halves, setup, teardown),
        cmocka_unit_test_setup_teardown(a_record_of_many_places_is_read_once, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
