// The system says no: every call of the disk fails in turn, transfers come short, disks are full, memory is
// out.
#include "core/journal/journal_testing.h"
#include "test/support/alloc_fail.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

// ---- The calls that fail on purpose ----

static long calls_left = -1; // until one fails; -1: never
static int failure;
static bool keep_failing;
static bool no_room;      // fallocate() says ENOSPC
static bool no_fallocate; // … says EOPNOTSUPP
static size_t reads;      // and of them past the system's cache
static size_t reads_past_cache;
static size_t reads_ahead;
static size_t waited_for; // of those that were read ahead
static long no_call;      // this system call says that there is none; 0: all are there
static int64_t comes;     // what is read ahead comes with this result; 0: as it is
static size_t longest;    // a write takes at most so many bytes; 0: all

static bool fails(void) {
    if (calls_left < 0)
        return false;
    if (calls_left > 0) {
        calls_left--;
        return false;
    }
    if (!keep_failing)
        calls_left = -1;
    errno = failure;
    return true;
}

ssize_t __real_pwrite(int fd, const void *data, size_t size, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *data, size_t size, off_t offset);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_fallocate(int fd, int mode, off_t offset, off_t size);
int __wrap_fallocate(int fd, int mode, off_t offset, off_t size);
int __real_ftruncate(int fd, off_t size);
int __wrap_ftruncate(int fd, off_t size);
int __real_renameat(int from_folder, const char *from, int to_folder, const char *to);
int __wrap_renameat(int from_folder, const char *from, int to_folder, const char *to);
ssize_t __real_pread(int fd, void *data, size_t size, off_t offset);
ssize_t __wrap_pread(int fd, void *data, size_t size, off_t offset);

ssize_t __wrap_pwrite(int fd, const void *data, size_t size, off_t offset) {
    if (fails())
        return -1;
    return __real_pwrite(fd, data, longest && size > longest ? longest : size, offset);
}

int __wrap_fdatasync(int fd) {
    return fails() ? -1 : __real_fdatasync(fd);
}

int __wrap_fsync(int fd) {
    return fails() ? -1 : __real_fsync(fd);
}

int __wrap_fallocate(int fd, int mode, off_t offset, off_t size) {
    if (no_fallocate || (no_room && mode == 0)) {
        errno = no_fallocate ? EOPNOTSUPP : ENOSPC;
        return -1;
    }
    return fails() ? -1 : __real_fallocate(fd, mode, offset, size);
}

int __wrap_ftruncate(int fd, off_t size) {
    return fails() ? -1 : __real_ftruncate(fd, size);
}

int __wrap_renameat(int from_folder, const char *from, int to_folder, const char *to) {
    return fails() ? -1 : __real_renameat(from_folder, from, to_folder, to);
}

ssize_t __wrap_pread(int fd, void *data, size_t size, off_t offset) {
    reads++;
    reads_past_cache += (fcntl(fd, F_GETFL) & O_DIRECT) != 0;
    return fails() ? -1 : __real_pread(fd, data, longest && size > longest ? longest : size, offset);
}

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

// Of those that disk.c makes, each takes five words at most.
long __wrap_syscall(long number, ...) {
    va_list list;
    va_start(list, number);
    long words[5];
    for (size_t i = 0; i < 5; i++)
        words[i] = va_arg(list, long);
    va_end(list);
    if (number == no_call) {
        errno = ENOSYS;
        return -1;
    }
    long rc = __real_syscall(number, words[0], words[1], words[2], words[3], words[4]);
    if (number == SYS_io_submit && rc == 1) {
        reads_ahead++;
        reads++;
        reads_past_cache++;
    }
    if (number == SYS_io_getevents && rc == 1)
        waited_for++;
    if (number == SYS_io_getevents && rc == 1 && comes)
        ((struct io_event *)words[3])->res = comes; // NOLINT(performance-no-int-to-ptr)
    return rc;
}

static void heal(void) {
    calls_left = -1;
    no_call = 0;
    comes = 0;
    no_room = no_fallocate = false;
    longest = 0;
    alloc_fail_never();
}

static int setup(void **state) {
    heal();
    return testing_setup(state);
}

static int teardown(void **state) {
    heal();
    return testing_teardown(state);
}

// ---- A life: open, append over several segments, read, retire ----

static int take(void *context, const struct journal_record *record, uint64_t position) {
    (void)record, (void)position;
    ++*(size_t *)context;
    return 0;
}

static bool all_settled(void *context, uint32_t queue, uint64_t last_position) {
    (void)context, (void)queue;
    return last_position < 45; // the first segment has 42
}

// The witness's state after the last append that was acknowledged is in *acknowledged. What failed, or 0.
static int live(struct testing *t, struct witness *acknowledged) {
    int rc = testing_open(t);
    if (rc)
        return rc;
    *acknowledged = t->witness;
    size_t seen = 0;
    for (int i = 0; i < 45; i++) {
        rc = testing_append_new(t, 1, 900, 2);
        if (rc)
            return rc;
        *acknowledged = t->witness;
        if (i % 8 == 0)
            rc = journal_read_queue(t->journal, 1, 1, 50, 1 << 20, take, &seen, &t->error);
        if (rc && rc != JOURNAL_UNREAD) // that ends nothing
            return rc;
    }
    struct journal_settled settled = {.settled = all_settled};
    rc = journal_retire(t->journal, INT64_MAX, &settled, NULL, &t->error);
    return rc == JOURNAL_UNREAD ? 0 : rc;
}

// After a failure: what was acknowledged is there. One batch more may be: it was whole when its sync failed.
static void assert_nothing_lost(struct testing *t, const struct witness *acknowledged, long n) {
    testing_close(t);
    journal_batch_clear(t->batch);
    heal();
    int rc = testing_open(t);
    if (rc || t->witness.count < acknowledged->count || t->witness.count > acknowledged->count + 2 ||
        (acknowledged->count > 0 && t->witness.count == acknowledged->count &&
            !witness_equal(&t->witness, acknowledged)))
        fail_msg("after failure %ld: %d %s; %llu records of %llu", n, rc, t->error.text,
            (unsigned long long)t->witness.count, (unsigned long long)acknowledged->count);
    assert_int_equal(testing_append_new(t, 1, 10, 1), 0);
    testing_close(t);
}

static void restart(void **state) {
    teardown(state);
    setup(state);
}

static void every_call_of_the_disk_may_fail(void **state) {
    long n = 0;
    for (;; n++) {
        restart(state);
        struct testing *t = *state;
        struct witness acknowledged = {0};
        failure = n % 2 ? EROFS : EIO;
        keep_failing = n % 3 == 0;
        calls_left = n;
        int rc = live(t, &acknowledged);
        if (rc > 0)
            fail_msg("failure %ld: a positive code %d %s", n, rc, t->error.text);
        if (calls_left > 0)
            break; // a whole life with fewer calls
        assert_nothing_lost(t, &acknowledged, n);
    }
    assert_true(n > 100);
}

static void a_failed_journal_takes_no_more(void **state) {
    struct testing *t = *state;
    assert_int_equal(testing_open(t), 0);
    failure = EIO;
    calls_left = 1; // the sync
    assert_int_equal(testing_append_new(t, 1, 10, 1), -EIO);
    assert_int_equal(journal_durable(t->journal), 0);
    assert_int_equal(
        testing_append(t), -EIO); // the kernel may have dropped the pages: a second sync would lie
    assert_non_null(strstr(t->error.text, "failed before"));
}

static void short_transfers_are_finished(void **state) {
    struct testing *t = *state;
    longest = 4096;
    struct witness acknowledged;
    assert_int_equal(live(t, &acknowledged), 0);
    assert_int_equal(testing_append_new(t, 1, 30000, 1), 0);
    acknowledged = t->witness;
    testing_close(t);
    assert_int_equal(testing_open(t), 0);
    assert_true(witness_equal(&t->witness, &acknowledged));
    testing_close(t);
    t->options.buffered = true;
    longest = 1000; // not even a block: the disk has no more
    assert_int_equal(testing_open(t), 0);
    assert_int_equal(testing_append_new(t, 1, 10, 1), -ENOSPC);
}

static void a_file_system_without_fallocate_serves_too(void **state) {
    struct testing *t = *state;
    no_fallocate = true;
    struct witness acknowledged;
    assert_int_equal(live(t, &acknowledged), 0);
    assert_int_equal(testing_append_new(t, 1, 300000, 1), 0);
    acknowledged = t->witness;
    testing_close(t);
    no_fallocate = true;
    assert_int_equal(testing_open(t), 0);
    assert_true(witness_equal(&t->witness, &acknowledged));
}

static void a_full_disk_changes_nothing_until_there_is_room(void **state) {
    struct testing *t = *state;
    assert_int_equal(testing_open(t), 0);
    no_room = true;
    int rc = 0;
    struct witness before = t->witness;
    while ((rc = testing_append_new(t, 1, 900, 3)) == 0)
        before = t->witness; // until the segment that was reserved is used up
    struct witness with = t->witness;
    assert_int_equal(rc, JOURNAL_FULL);
    assert_int_equal(journal_last(t->journal), before.count);
    assert_int_equal(journal_batch_count(t->batch), 3);
    size_t seen = 0;
    assert_int_equal(journal_read_queue(t->journal, 1, 1, 1000, 1 << 20, take, &seen, &t->error), 0);
    assert_int_equal(seen, before.count);
    assert_int_equal(testing_append(t), JOURNAL_FULL);

    // A restart on a full disk: what is there can be read.
    testing_close(t);
    assert_int_equal(testing_open(t), 0);
    assert_true(witness_equal(&t->witness, &before));
    t->witness =
        with; // an owner may be ahead of the journal by the batch in hand: the checkpoint was taken before
    assert_int_equal(testing_append(t), JOURNAL_FULL);
    no_room = false;
    assert_int_equal(testing_append(t), 0);
    assert_int_equal(journal_batch_count(t->batch), 0);
    testing_close(t);
    assert_int_equal(testing_open(t), 0);
    assert_true(witness_equal(&t->witness, &with));
    struct journal_verdict verdict;
    assert_int_equal(journal_verify(t->folder, &verdict, &t->error), 0);
}

// What makes room needs records too: they find some in the second half of the last segment.
static void the_rest_of_a_segment_is_for_a_full_disk(void **state) {
    struct testing *t = *state;
    struct journal_status status = {0};
    assert_int_equal(testing_open(t), 0);
    while (status.segments < 3) { // with spares, and without
        assert_int_equal(testing_append_new(t, 1, 900, 3), 0);
        journal_status(t->journal, &status);
        assert_false(status.last_segment);
    }
    no_room = true;
    while (!status.last_segment) {
        assert_int_equal(testing_append_new(t, 1, 900, 3), 0);
        journal_status(t->journal, &status);
    }
    assert_int_equal(status.segments, 3);
    int rest = 0;
    while (testing_append_new(t, 1, 10, 1) == 0)
        rest++;
    assert_in_range(rest, 6, 8); // blocks: half of a segment of 64 KiB, but for what filled it over its half
    journal_status(t->journal, &status);
    assert_int_equal(status.segments, 3);
    assert_null(testing_read(t, "00000000000000000004.spare", &(size_t){0})); // it takes none
    // Others make room: who looks for it finds it, and the next append goes on behind.
    no_room = false;
    assert_int_equal(journal_retire(t->journal, 0, NULL, NULL, &t->error), 0);
    journal_status(t->journal, &status);
    assert_false(status.last_segment);
    assert_int_equal(testing_append(t), 0);
    assert_int_equal(testing_append_new(t, 1, 900, 3), 0);
    journal_status(t->journal, &status);
    assert_int_equal(status.segments, 4);
    testing_close(t);
    struct journal_verdict verdict;
    assert_int_equal(journal_verify(t->folder, &verdict, &t->error), 0);
}

static void a_large_batch_on_a_full_disk_waits(void **state) {
    struct testing *t = *state;
    assert_int_equal(testing_open(t), 0);
    no_room = true;
    assert_int_equal(testing_append_new(t, 1, 200000, 1), JOURNAL_FULL);
    no_room = false;
    assert_int_equal(testing_append(t), 0);
}

static void the_limit_of_a_journal_holds(void **state) {
    struct testing *t = *state;
    t->options.size_limit = 256 << 10;
    assert_int_equal(testing_open(t), 0);
    int rc = 0;
    while ((rc = testing_append_new(t, 1, 900, 3)) == 0)
        ;
    assert_int_equal(rc, JOURNAL_FULL);
    struct journal_status status;
    journal_status(t->journal, &status);
    assert_true(status.bytes <= 256 << 10);
    struct journal_settled settled = {.settled = all_settled};
    size_t retired = 0;
    assert_int_equal(journal_retire(t->journal, INT64_MAX, &settled, &retired, &t->error), 0);
    assert_true(retired >= 1); // which makes room
    assert_int_equal(testing_append(t), 0);
}

static void memory_may_be_out_at_every_place(void **state) {
    size_t n = 0;
    for (;; n++) {
        restart(state);
        struct testing *t = *state;
        struct witness acknowledged = {0};
        alloc_fail_after(n);
        int rc = live(t, &acknowledged);
        size_t used = alloc_count();
        alloc_fail_never();
        if (!rc && used <= n)
            break;
        if (rc != -ENOMEM)
            fail_msg("allocation %zu: %d %s", n, rc, t->error.text);
        assert_nothing_lost(t, &acknowledged, (long)n);
    }
    assert_true(n > 20);
}

static int scan_all(void *context, const struct journal_record *record) {
    return take(context, record, 0);
}

static void tools_survive_no_memory_and_no_disk(void **state) {
    struct testing *t = *state;
    struct witness acknowledged;
    assert_int_equal(live(t, &acknowledged), 0);
    testing_close(t);
    int rc = -ENOMEM;
    for (size_t n = 0; rc; n++) {
        struct journal_verdict verdict;
        alloc_fail_after(n);
        rc = journal_verify(t->folder, &verdict, &t->error);
        alloc_fail_never();
        assert_true(rc == 0 || rc == -ENOMEM);
    }
    rc = -ENOMEM;
    for (size_t n = 0; rc; n++) {
        size_t seen = 0;
        alloc_fail_after(n);
        rc = journal_scan(t->folder, 1, scan_all, &seen, &t->error);
        alloc_fail_never();
        assert_true(rc == 0 || rc == -ENOMEM);
    }
    rc = -EIO;
    failure = EIO;
    for (long n = 0; rc; n++) {
        struct journal_verdict verdict;
        calls_left = n;
        rc = journal_verify(t->folder, &verdict, &t->error);
        assert_true(rc == 0 || rc == -EIO);
    }
}

static int look(void *context, const struct journal_record *record, uint64_t position) {
    (void)position;
    *(bool *)context = record->body.data != NULL;
    return 0;
}

// As testing_add() made it.
static int take_whole(void *context, const struct journal_record *record, uint64_t position) {
    for (size_t i = 0; i < record->body.size; i++)
        assert_int_equal(record->body.data[i], (uint8_t)(i * 7 + position - 1));
    return take(context, record, position);
}

// A backlog of 2 MiB, in a journal that nothing was read of yet.
static int read_backlog(struct testing *t, size_t *seen) {
    testing_close(t);
    assert_int_equal(testing_open(t), 0);
    *seen = reads = reads_past_cache = reads_ahead = 0;
    return journal_read_queue(t->journal, 1, 1, 1000, 16 << 20, take_whole, seen, &t->error);
}

static void fill_backlog(struct testing *t) {
    testing_close(t);
    t->options.segment_size = 4 << 20;
    t->options.folder = t->folder;
    assert_int_equal(testing_open(t), 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(testing_append_new(t, 1, 10000, 10), 0);
}

static void a_backlog_is_read_in_large_pieces_past_the_cache(void **state) {
    struct testing *t = *state;
    size_t seen;
    fill_backlog(t);
    assert_int_equal(read_backlog(t, &seen), 0);
    assert_int_equal(seen, 200);
    assert_in_range(reads, 4, 8);
    bool direct = reads_past_cache > 0; // the folder's file system may have no such thing
    if (direct)
        assert_in_range(reads_past_cache, 3, reads);
    t->options.buffered = true;
    assert_int_equal(read_backlog(t, &seen), 0);
    assert_int_equal(reads_past_cache, 0);
    t->options.buffered = false;
    longest = 100 << 10;
    assert_int_equal(read_backlog(t, &seen), 0); // what comes short there is read through it
    assert_int_equal(seen, 200);
    longest = 0;
    testing_close(t);
    assert_int_equal(testing_open(t), 0);
    seen = 0;
    calls_left = 0;
    failure = direct ? EINVAL : EINTR;
    assert_int_equal(journal_read_queue(t->journal, 1, 1, 1000, 16 << 20, take, &seen, &t->error), 0);
    assert_int_equal(seen, 200);
}

static void what_is_not_read_ahead_is_read_when_it_is_asked_for(void **state) {
    struct testing *t = *state;
    size_t seen;
    fill_backlog(t);
    assert_int_equal(read_backlog(t, &seen), 0);
    if (reads_ahead == 0)
        skip(); // the folder's file system, or this system, has no such thing
    assert_in_range(reads_ahead, 2, 3);
    const long missing[] = {SYS_io_setup, SYS_io_submit, SYS_io_getevents, 0};
    for (size_t i = 0; missing[i]; i++) {
        no_call = missing[i];
        assert_int_equal(read_backlog(t, &seen), 0);
        assert_int_equal(seen, 200);
    }
    no_call = 0;
    const int64_t results[] = {-EIO, 4096, 0};
    for (size_t i = 0; results[i]; i++) {
        comes = results[i];
        assert_int_equal(read_backlog(t, &seen), 0);
        assert_int_equal(seen, 200);
    }
}

// What is being read when its segment changes, or the journal is closed.
static void what_is_read_ahead_is_forgotten_with_its_segment(void **state) {
    struct testing *t = *state;
    bool there = true;
    size_t seen = 0;
    fill_backlog(t);
    testing_close(t);
    assert_int_equal(testing_open(t), 0);
    reads_ahead = waited_for = 0;
    assert_int_equal(journal_read_queue(t->journal, 1, 1, 70, 16 << 20, take_whole, &seen, &t->error), 0);
    if (reads_ahead == 0)
        skip();
    assert_int_equal(waited_for, 0); // it is under way
    assert_int_equal(journal_erase(t->journal, 120, &t->error), 0);
    assert_int_equal(waited_for, reads_ahead); // the disk writes no more into memory that is given back
    assert_int_equal(journal_read_queue(t->journal, 1, 120, 1, 1, look, &there, &t->error), 0);
    assert_false(there);
    assert_int_equal(journal_read_queue(t->journal, 1, 71, 40, 16 << 20, take_whole, &seen, &t->error), 0);
    assert_int_equal(seen, 110);
    testing_close(t);
}

static void a_backlog_that_can_not_be_read_says_so(void **state) {
    struct testing *t = *state;
    size_t seen = 0;
    fill_backlog(t);
    calls_left = 0;
    failure = EIO;
    keep_failing = true;
    assert_int_equal(
        journal_read_queue(t->journal, 1, 1, 1000, 16 << 20, take, &seen, &t->error), JOURNAL_UNREAD);
    assert_non_null(strstr(t->error.text, ".segment can't be read: Input/output error"));
    journal_bear(t->journal, true);
    assert_int_equal(
        journal_read_queue(t->journal, 1, 1, 1000, 16 << 20, take, &seen, &t->error), JOURNAL_DAMAGED);
    journal_bear(t->journal, false);
    failure = EMFILE; // nobody's data is at fault
    assert_int_equal(journal_read_queue(t->journal, 1, 1, 1000, 16 << 20, take, &seen, &t->error), -EMFILE);
    keep_failing = false;
    calls_left = -1;
    alloc_fail_after(0);
    assert_int_equal(journal_read_queue(t->journal, 1, 1, 1000, 16 << 20, take, &seen, &t->error), -ENOMEM);
    alloc_fail_never();
    seen = 0;
    assert_int_equal(journal_read_queue(t->journal, 1, 1, 1000, 16 << 20, take, &seen, &t->error), 0);
    assert_int_equal(seen, 200);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(every_call_of_the_disk_may_fail),
        TEST(a_failed_journal_takes_no_more),
        TEST(short_transfers_are_finished),
        TEST(a_file_system_without_fallocate_serves_too),
        TEST(a_full_disk_changes_nothing_until_there_is_room),
        TEST(the_rest_of_a_segment_is_for_a_full_disk),
        TEST(a_large_batch_on_a_full_disk_waits),
        TEST(the_limit_of_a_journal_holds),
        TEST(memory_may_be_out_at_every_place),
        TEST(a_backlog_is_read_in_large_pieces_past_the_cache),
        TEST(what_is_not_read_ahead_is_read_when_it_is_asked_for),
        TEST(what_is_read_ahead_is_forgotten_with_its_segment),
        TEST(a_backlog_that_can_not_be_read_says_so),
        TEST(tools_survive_no_memory_and_no_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
