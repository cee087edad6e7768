// A thread writes: what is known when, what is refused, and what a failure in it becomes.
#include "core/journal/batch.h"
#include "core/journal/journal_testing.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// ---- A disk that is slow on purpose: a sync waits at the gate, and may fail behind it. ----

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int let_through = -1; // so many syncs more; -1: all
static int waiting;
static int failure; // of the next data sync

static int pass(bool data) {
    pthread_mutex_lock(&lock);
    waiting++;
    pthread_cond_broadcast(&changed);
    while (let_through == 0)
        pthread_cond_wait(&changed, &lock);
    waiting--;
    let_through -= let_through > 0;
    int failed = data ? failure : 0;
    failure = data ? 0 : failure;
    pthread_mutex_unlock(&lock);
    return failed;
}

static void gate(int count) {
    pthread_mutex_lock(&lock);
    let_through = count;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void wait_at_gate(void) {
    pthread_mutex_lock(&lock);
    while (waiting == 0 || let_through > 0)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

static void fail_sync(int code) {
    pthread_mutex_lock(&lock);
    failure = code;
    pthread_mutex_unlock(&lock);
}

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __real_fsync(int fd);
int __wrap_fsync(int fd);

int __wrap_fdatasync(int fd) {
    errno = pass(true);
    return errno ? -1 : __real_fdatasync(fd);
}

int __wrap_fsync(int fd) {
    (void)pass(false);
    return __real_fsync(fd);
}

static int setup(void **state) {
    int rc = testing_setup(state);
    struct testing *t = *state;
    if (rc)
        return rc;
    t->options.background = true;
    return testing_open(t);
}

static int teardown(void **state) {
    gate(-1);
    return testing_teardown(state);
}

static int add(struct testing *t, size_t size, size_t count) {
    for (size_t i = 0; i < count; i++) {
        int rc = testing_add(t, 1, size);
        if (rc)
            return rc;
    }
    return journal_append(t->journal, t->batch, &t->error);
}

static void wait_readable(struct testing *t) {
    struct pollfd item = {.fd = journal_fd(t->journal), .events = POLLIN};
    assert_int_equal(poll(&item, 1, 10000), 1);
}

static int count_visit(void *context, const struct journal_record *record, uint64_t position) {
    (void)record, (void)position;
    ++*(size_t *)context;
    return 0;
}

static size_t readable(struct testing *t) {
    size_t count = 0;
    assert_int_equal(journal_read_queue(t->journal, 1, 1, 1000, 1 << 20, count_visit, &count, &t->error), 0);
    return count;
}

// ---- What is known when ----

static void the_next_batch_gathers_while_one_is_written(void **state) {
    struct testing *t = *state;
    gate(0);
    assert_int_equal(add(t, 100, 3), 0);
    assert_int_equal(journal_batch_count(t->batch), 0); // taken
    assert_int_equal(journal_last(t->journal), 3);
    wait_at_gate();
    assert_int_equal(journal_collect(t->journal, false, &t->error), 0);
    assert_int_equal(journal_durable(t->journal), 0);
    assert_true(journal_busy(t->journal));
    assert_int_equal(readable(t), 0); // written, but not synced: nobody may see it
    assert_int_equal(add(t, 100, 2), JOURNAL_BUSY);
    assert_int_equal(journal_batch_count(t->batch), 2); // as it was
    gate(-1);
    wait_readable(t);
    assert_int_equal(journal_collect(t->journal, true, &t->error), 0);
    assert_int_equal(journal_durable(t->journal), 3);
    assert_false(journal_busy(t->journal));
    assert_int_equal(readable(t), 3);
    assert_int_equal(testing_append(t), 0);
    assert_int_equal(journal_durable(t->journal), 5);
    struct witness before = t->witness;
    testing_close(t);
    assert_int_equal(testing_open(t), 0);
    assert_true(witness_equal(&t->witness, &before));
}

static void what_is_durable_is_told_before_the_roll_ends(void **state) {
    struct testing *t = *state;
    gate(1); // the batch's own sync; the foot's waits
    assert_int_equal(add(t, 1000, 60), 0);
    assert_int_equal(t->witness.checkpoints, 1); // taken when appended: the owner goes on at once
    wait_readable(t);
    wait_at_gate();
    assert_int_equal(journal_collect(t->journal, false, &t->error), 0);
    assert_int_equal(journal_durable(t->journal), 60);
    assert_true(journal_busy(t->journal));
    assert_int_equal(add(t, 10, 1), JOURNAL_BUSY); // and the owner's state is further than the checkpoint
    gate(-1);
    assert_int_equal(journal_collect(t->journal, true, &t->error), 0);
    assert_int_equal(testing_append(t), 0);
    struct journal_status status;
    journal_status(t->journal, &status);
    assert_int_equal(status.segments, 2);
    assert_int_equal(readable(t), 61);
    struct witness before = t->witness;
    testing_close(t);
    assert_int_equal(testing_open(t), 0); // from the checkpoint
    assert_true(witness_equal(&t->witness, &before));
}

static void closing_waits_for_what_is_under_way(void **state) {
    struct testing *t = *state;
    for (int round = 0; round < 20; round++) {
        assert_int_equal(add(t, 900, 7), 0);
        struct witness before = t->witness;
        testing_close(t);
        assert_int_equal(testing_open(t), 0);
        assert_true(witness_equal(&t->witness, &before));
    }
}

static void what_was_heard_is_not_said_again(void **state) {
    struct testing *t = *state;
    struct pollfd item = {.fd = journal_fd(t->journal), .events = POLLIN};
    for (int round = 0; round < 300; round++) {
        assert_int_equal(add(t, 10, 1), 0);
        while (journal_busy(t->journal)) // looks as soon as the thread has ended, whatever it still says
            assert_int_equal(journal_collect(t->journal, false, &t->error), 0);
        assert_int_equal(poll(&item, 1, 1), 0); // a loop over it would never sleep
    }
}

// ---- What the caller writes by itself ----

static void open_inline(struct testing *t, size_t bytes) {
    testing_close(t);
    t->options.inline_bytes = bytes;
    assert_int_equal(testing_open(t), 0);
}

static void a_small_batch_is_durable_at_once(void **state) {
    struct testing *t = *state;
    open_inline(t, 4096);
    assert_int_equal(add(t, 100, 3), 0);
    assert_false(journal_busy(t->journal));
    assert_int_equal(journal_durable(t->journal), 3);
    assert_int_equal(readable(t), 3);
    gate(0);
    assert_int_equal(add(t, 1000, 5), 0); // larger
    wait_at_gate();
    assert_true(journal_busy(t->journal));
    assert_int_equal(add(t, 100, 1), JOURNAL_BUSY); // also a small one waits for its turn
    gate(-1);
    assert_int_equal(journal_collect(t->journal, true, &t->error), 0);
    assert_int_equal(testing_append(t), 0);
    assert_int_equal(journal_durable(t->journal), 9);
    struct witness before = t->witness;
    testing_close(t);
    assert_int_equal(testing_open(t), 0);
    assert_true(witness_equal(&t->witness, &before));
}

static void the_thread_ends_a_segment(void **state) {
    struct testing *t = *state;
    open_inline(t, 1 << 20);
    gate(1); // the batch's own sync; the foot's waits
    assert_int_equal(add(t, 1000, 60), 0);
    wait_at_gate();
    assert_true(journal_busy(t->journal));
    gate(-1);
    assert_int_equal(journal_collect(t->journal, true, &t->error), 0);
    assert_int_equal(journal_durable(t->journal), 60);
}

static void a_small_batch_that_fails_is_known_at_once(void **state) {
    struct testing *t = *state;
    open_inline(t, 4096);
    fail_sync(EIO);
    assert_int_equal(add(t, 100, 3), -EIO);
    assert_int_equal(journal_durable(t->journal), 0);
    assert_int_equal(testing_append_new(t, 1, 100, 1), -EIO); // nothing is known of the tail
}

// ---- What is done ahead ----

static void verify(struct testing *t, uint64_t records) {
    struct journal_verdict verdict;
    testing_close(t);
    assert_int_equal(journal_verify(t->folder, &verdict, &t->error), 0);
    assert_int_equal(verdict.records, records);
    assert_int_equal(testing_open(t), 0);
}

static void work_ahead(struct testing *t) {
    while (journal_work_ahead(t->journal, t->batch)) {
    }
}

static void add_only(struct testing *t, size_t size, size_t count) {
    for (size_t i = 0; i < count; i++)
        assert_int_equal(testing_add(t, 1, size), 0);
}

// In portions, with records that come between them, of odd and even numbers.
static void what_was_done_ahead_is_part_of_the_chain(void **state) {
    struct testing *t = *state;
    assert_false(journal_work_ahead(t->journal, t->batch)); // nothing to wait for
    uint64_t records = 0;
    for (size_t more = 0; more < 4; more++) {
        gate(0);
        assert_int_equal(add(t, 50, 3), 0);
        add_only(t, 900, 5);
        work_ahead(t);
        assert_int_equal(t->batch->complete, 5);
        add_only(t, 10, more);
        work_ahead(t);
        add_only(t, 10, 2); // left to the append
        gate(-1);
        assert_int_equal(journal_collect(t->journal, true, &t->error), 0);
        assert_int_equal(testing_append(t), 0);
        records += 10 + more;
    }
    verify(t, records);
}

static void work_ahead_comes_in_portions(void **state) {
    struct testing *t = *state;
    gate(0);
    assert_int_equal(add(t, 50, 1), 0);
    add_only(t, 64 << 10, 5);
    assert_true(journal_work_ahead(t->journal, t->batch));
    assert_in_range(t->batch->complete, 1, 4);
    gate(-1);
    assert_int_equal(journal_collect(t->journal, true, &t->error), 0);
    assert_int_equal(testing_append(t), 0);
    verify(t, 6);
}

static int64_t given_time(void *context) {
    return *(const int64_t *)context;
}

static int see_time(void *context, const struct journal_record *record) {
    int64_t *last = context;
    if (record->time_ns < *last)
        return -ERANGE;
    *last = record->time_ns;
    return 0;
}

// Another batch comes first: what was done ahead has its numbers, and is done again.
static void work_ahead_holds_only_for_the_next_batch(void **state) {
    struct testing *t = *state;
    int64_t time = INT64_MAX - 1; // the same for both: only the numbers tell
    testing_close(t);
    t->options.now_ns = given_time;
    t->options.now_context = &time;
    assert_int_equal(testing_open(t), 0);
    gate(0);
    assert_int_equal(add(t, 50, 2), 0);
    add_only(t, 100, 3);
    work_ahead(t);
    assert_int_equal(t->batch->complete, 3);
    gate(-1);
    assert_int_equal(journal_collect(t->journal, true, &t->error), 0);
    struct journal_batch *other = journal_batch_new(1 << 20);
    assert_int_equal(journal_batch_add(other, 1, NULL, 0, &(struct bytes){(const uint8_t *)"x", 1}, 1), 0);
    assert_int_equal(journal_append(t->journal, other, &t->error), 0);
    assert_int_equal(journal_collect(t->journal, true, &t->error), 0);
    assert_int_equal(testing_append(t), 0);
    journal_batch_destroy(&other);
    struct journal_verdict verdict;
    testing_close(t);
    assert_int_equal(journal_verify(t->folder, &verdict, &t->error), 0);
    assert_int_equal(verdict.records, 6);
}

// The segment that began meanwhile is newer than the work: that is done again.
static void time_does_not_go_back_by_work_ahead(void **state) {
    struct testing *t = *state;
    int64_t time = INT64_MAX - 2000; // later than the segment that is there
    int64_t last = 0;
    testing_close(t);
    t->options.now_ns = given_time;
    t->options.now_context = &time;
    assert_int_equal(testing_open(t), 0);
    gate(0);
    assert_int_equal(add(t, 1000, 60), 0); // and a new segment
    wait_at_gate();
    add_only(t, 100, 3);
    work_ahead(t);
    assert_int_equal(t->batch->complete, 3);
    time += 1000;
    gate(-1);
    assert_int_equal(journal_collect(t->journal, true, &t->error), 0);
    assert_int_equal(testing_append(t), 0);
    assert_int_equal(journal_scan(t->folder, 1, see_time, &last, &t->error), 0);
    assert_true(last == INT64_MAX - 1000);
    verify(t, 63);
}

// ---- A state that is larger than a segment ----

static int large_checkpoint(void *context, struct buffer *out) {
    (void)context;
    void *at = buffer_extend(out, 300 << 10);
    if (at)
        memset(at, 1, 300 << 10);
    return at ? 0 : -ENOMEM;
}

static uint64_t segments_of(struct testing *t) {
    struct journal_status status;
    journal_status(t->journal, &status);
    return status.segments;
}

static void a_large_checkpoint_leaves_room_for_records(void **state) {
    struct testing *t = *state;
    const struct journal_owner owner = {.checkpoint = large_checkpoint};
    for (int open = 0; open < 2; open++) {
        testing_close(t);
        assert_int_equal(journal_file_open(&t->options, &owner, &t->journal, &t->error), 0);
        for (int i = 0; i < 50; i++) // a segment has room for 56 KiB
            assert_int_equal(testing_append_new(t, 1, 1000, 1), 0);
        assert_true(segments_of(t) > 2 && segments_of(t) < 12);
    }
}

// ---- A clock that is set back ----

static void time_never_goes_back(void **state) {
    struct testing *t = *state;
    int64_t time = INT64_MAX - 1;
    int64_t last = 0;
    testing_close(t);
    t->options.now_ns = given_time;
    t->options.now_context = &time;
    assert_int_equal(testing_open(t), 0);
    assert_int_equal(testing_append_new(t, 1, 100, 1), 0);
    time = 10;
    assert_int_equal(testing_append_new(t, 1, 1000, 60), 0); // and a new segment begins
    assert_int_equal(testing_append_new(t, 1, 100, 1), 0);
    struct journal_status status;
    journal_status(t->journal, &status);
    assert_int_equal(status.segments, 2);
    assert_int_equal(journal_scan(t->folder, 1, see_time, &last, &t->error), 0);
    assert_true(last == INT64_MAX - 1);
}

// ---- What is refused, and what fails ----

static void a_full_journal_is_known_at_once(void **state) {
    struct testing *t = *state;
    testing_close(t);
    t->options.size_limit = 128 << 10;
    assert_int_equal(testing_open(t), 0);
    int rc = 0;
    for (int i = 0; i < 50 && !rc; i++) {
        rc = add(t, 1000, 10);
        if (!rc)
            rc = journal_collect(t->journal, true, &t->error);
    }
    assert_int_equal(rc, JOURNAL_FULL);
    assert_int_equal(journal_batch_count(t->batch), 10);
    assert_false(journal_busy(t->journal));
    assert_int_equal(journal_durable(t->journal), journal_last(t->journal));
    assert_int_equal(testing_append(t), JOURNAL_FULL);
}

static void a_failure_in_the_thread_ends_the_journal(void **state) {
    struct testing *t = *state;
    fail_sync(EIO);
    assert_int_equal(add(t, 100, 1), 0);
    wait_readable(t);
    assert_int_equal(journal_collect(t->journal, true, &t->error), -EIO);
    assert_non_null(strstr(t->error.text, "segment"));
    assert_int_equal(journal_durable(t->journal), 0);
    assert_int_equal(add(t, 100, 1), -EIO);
    assert_non_null(strstr(t->error.text, "failed before"));
}

static void a_failure_while_rolling_keeps_what_is_durable(void **state) {
    struct testing *t = *state;
    gate(1);
    assert_int_equal(add(t, 1000, 60), 0);
    wait_readable(t);
    wait_at_gate();
    fail_sync(EIO); // the foot's
    gate(-1);
    assert_int_equal(journal_collect(t->journal, true, &t->error), -EIO);
    assert_int_equal(add(t, 100, 1), -EIO);
    struct witness before = t->witness;
    testing_close(t);
    assert_int_equal(testing_open(t), 0);
    assert_int_equal(t->witness.count, before.count - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_next_batch_gathers_while_one_is_written, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_durable_is_told_before_the_roll_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(closing_waits_for_what_is_under_way, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_heard_is_not_said_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_small_batch_is_durable_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(the_thread_ends_a_segment, setup, teardown),
        cmocka_unit_test_setup_teardown(a_small_batch_that_fails_is_known_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_done_ahead_is_part_of_the_chain, setup, teardown),
        cmocka_unit_test_setup_teardown(work_ahead_comes_in_portions, setup, teardown),
        cmocka_unit_test_setup_teardown(work_ahead_holds_only_for_the_next_batch, setup, teardown),
        cmocka_unit_test_setup_teardown(time_does_not_go_back_by_work_ahead, setup, teardown),
        cmocka_unit_test_setup_teardown(a_large_checkpoint_leaves_room_for_records, setup, teardown),
        cmocka_unit_test_setup_teardown(time_never_goes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_journal_is_known_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failure_in_the_thread_ends_the_journal, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failure_while_rolling_keeps_what_is_durable, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
