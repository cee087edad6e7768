// Spool and inbox when the system says no: each call of the disk fails in turn, each allocation too,
// transfers come short. What was acknowledged is there afterwards.
#include "core/base/varint.h"
#include "sdk/inbox.h"
#include "sdk/spool.h"
#include "test/support/alloc_fail.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

// ---- The calls that fail on purpose ----

static long calls_left = -1; // until one fails; -1: never
static int failure;
static bool keep_failing;
static bool no_room;   // fallocate() says ENOSPC
static size_t longest; // a transfer takes at most so many bytes; 0: all

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
ssize_t __real_pread(int fd, void *data, size_t size, off_t offset);
ssize_t __wrap_pread(int fd, void *data, size_t size, off_t offset);
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

ssize_t __wrap_pwrite(int fd, const void *data, size_t size, off_t offset) {
    return fails() ? -1 : __real_pwrite(fd, data, longest && size > longest ? longest : size, offset);
}

ssize_t __wrap_pread(int fd, void *data, size_t size, off_t offset) {
    return fails() ? -1 : __real_pread(fd, data, longest && size > longest ? longest : size, offset);
}

int __wrap_fdatasync(int fd) {
    return fails() ? -1 : __real_fdatasync(fd);
}

int __wrap_fsync(int fd) {
    return fails() ? -1 : __real_fsync(fd);
}

int __wrap_fallocate(int fd, int mode, off_t offset, off_t size) {
    if (no_room && mode == 0) {
        errno = ENOSPC;
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

static void heal(void) {
    calls_left = -1;
    longest = 0;
    alloc_fail_never();
}

// ---- Folders ----

static char folder[64];
static struct block_pool pool;
static struct error error;

static void clear_folder(void) {
    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0); // NOLINT(cert-env33-c): a folder of our own making
}

static int setup(void **state) {
    (void)state;
    heal();
    // In memory, where there is such a file system: it is the calls that count here.
    snprintf(folder, sizeof folder, "%s/hutong-fault-%ld", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm",
        (long)getpid());
    clear_folder();
    block_pool_init(&pool);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    heal();
    block_pool_destroy(&pool);
    clear_folder();
    return 0;
}

// ---- The spool ----

#define MESSAGES 18u
#define SIZE 300000u // of a message: two segments and more

struct account { // of what was acknowledged
    uint64_t last;
    uint64_t settled;
    uint64_t sent;
};

static const uint8_t bus[16] = "a bus of a test";

// Made without failures: it is the spool that is tried here.
static struct block *make_block(uint64_t sequence) {
    uint8_t length[VARINT_SIZE];
    alloc_exempt_this_thread(true);
    struct block *block = block_new(&pool);
    assert_non_null(block);
    block->first = sequence;
    block->count = 1;
    assert_int_equal(buffer_append(&block->body, length, varint_put(length, SIZE)), 0);
    uint8_t *at = buffer_extend(&block->body, SIZE);
    assert_non_null(at);
    memset(at, (int)sequence, SIZE);
    assert_int_equal(buffer_append(&block->position, &sequence, sizeof sequence), 0);
    block->has_position = true;
    alloc_exempt_this_thread(false);
    return block;
}

static int store(struct spool *spool, uint64_t sequence, struct account *account) {
    bool sending = sequence % 2 == 0;
    size_t stored = 0;
    struct block *block = make_block(sequence);
    int rc = spool_store(spool, block, sending, &stored, &error);
    block_unref(block);
    if (rc != 0)
        return rc;
    account->last = sequence;
    account->sent = sending ? sequence : account->sent;
    return 0;
}

static int read_one(struct spool *spool, uint64_t sequence) {
    struct block *block = block_new(&pool);
    if (!block)
        return -ENOMEM;
    int rc = spool_read(spool, sequence, block, &error);
    if (rc == 0) {
        assert_int_equal(block->first, sequence);
        assert_int_equal(block->body.data[3], sequence);
        assert_int_equal(block->body.data[SIZE + 2], sequence);
    }
    block_unref(block);
    return rc;
}

static int settle(struct spool *spool, uint64_t sequence, struct account *account) {
    spool_settle(spool, sequence);
    int rc = spool_tidy(spool, &error);
    if (rc == 0)
        account->settled = sequence;
    return rc;
}

static int spool_life(struct account *account) {
    struct spool *spool = NULL;
    int rc = spool_open(folder, 0, &spool, &error);
    for (uint64_t i = 1; i <= MESSAGES && rc == 0; i++) {
        rc = store(spool, i, account);
        if (rc == 0 && i == 7) {
            rc = spool_begin(spool, bus, &error);
            account->sent = rc == 0 ? i : account->sent;
        }
        if (rc == 0 && i % 3 == 0)
            rc = read_one(spool, account->settled + 1);
        if (rc == 0 && i % 5 == 0)
            rc = settle(spool, i - 1, account);
    }
    spool_close(&spool);
    return rc;
}

// One batch more may be there: it was whole when its sync failed.
static void expect_spool(const struct account *account, size_t n) {
    struct spool *spool = NULL;
    heal();
    int rc = spool_open(folder, 0, &spool, &error);
    if (rc != 0)
        fail_msg("after failure %zu: %d %s", n, rc, error.text);
    uint64_t last = spool_last(spool);
    uint64_t position = 0;
    if (spool_position(spool).size)
        memcpy(&position, spool_position(spool).data, sizeof position);
    if (last < account->last || last > account->last + 1 || position != last ||
        spool_settled(spool) < account->settled || spool_settled(spool) > last ||
        spool_sent(spool) < account->sent || spool_sent(spool) > last)
        fail_msg(
            "after failure %zu: last %llu of %llu, position %llu, settled %llu of %llu, sent %llu of %llu", n,
            (unsigned long long)last, (unsigned long long)account->last, (unsigned long long)position,
            (unsigned long long)spool_settled(spool), (unsigned long long)account->settled,
            (unsigned long long)spool_sent(spool), (unsigned long long)account->sent);
    for (uint64_t i = spool_settled(spool) + 1; i <= last; i++)
        assert_int_equal(read_one(spool, i), 0);
    struct account after = {0};
    assert_int_equal(store(spool, last + 1, &after), 0);
    spool_close(&spool);
}

static void each_call_of_the_spool_may_fail(void **state) {
    (void)state;
    size_t n = 0;
    for (bool used = true; used; n++) {
        struct account account = {0};
        clear_folder();
        failure = n % 2 ? EROFS : EIO;
        keep_failing = n % 3 == 0;
        calls_left = (long)n;
        int rc = spool_life(&account);
        assert_true(rc <= 0); // never "full"
        used = calls_left <= 0;
        expect_spool(&account, n);
    }
    assert_true(n > 60);
}

static void each_allocation_of_the_spool_may_fail(void **state) {
    (void)state;
    size_t n = 0;
    for (bool used = true; used; n++) {
        struct account account = {0};
        clear_folder();
        if (n % 2)
            alloc_fail_once(n);
        else
            alloc_fail_after(n);
        int rc = spool_life(&account);
        used = alloc_count() > n;
        alloc_fail_never();
        assert_true(rc == 0 || rc == -ENOMEM);
        expect_spool(&account, n);
    }
    assert_true(n > 20);
}

static void full_is_not_the_end(void **state) {
    (void)state;
    struct account account = {0};
    struct spool *spool = NULL;
    assert_int_equal(spool_open(folder, 0, &spool, &error), 0);
    int full = 0;
    for (uint64_t i = 1; i <= MESSAGES; i++) {
        no_room = true;
        int rc = store(spool, i, &account);
        no_room = false;
        assert_true(rc == 0 || rc == SPOOL_FULL);
        full += rc == SPOOL_FULL;
        if (rc == SPOOL_FULL)
            assert_int_equal(store(spool, i, &account), 0);
    }
    assert_int_equal(spool_last(spool), MESSAGES);
    spool_close(&spool);
    expect_spool(&account, 0);
    assert_true(full > 0);
}

static void short_transfers_of_the_spool_are_finished(void **state) {
    (void)state;
    struct account account = {0};
    longest = 4096;
    assert_int_equal(spool_life(&account), 0);
    expect_spool(&account, 0);
}

// ---- The inbox ----

#define ADDS 40ull
#define CHUNK 300ull

// Every third position is another instance's.
static bool is_ours(uint64_t position) {
    return position % 3 != 0;
}

static int inbox_life(uint64_t *acknowledged) {
    struct inbox *inbox = NULL;
    int rc = inbox_open(folder, &inbox, &error);
    for (unsigned i = 0; i < ADDS && rc == 0; i++) {
        uint64_t positions[CHUNK];
        size_t count = 0;
        for (uint64_t at = i * CHUNK + 1; at <= (i + 1) * CHUNK; at++)
            if (is_ours(at))
                positions[count++] = at;
        if (i % 8 == 7)
            inbox_prune(inbox, bus, (i - 4) * CHUNK);
        rc = inbox_add(inbox, bus, positions, count, &error);
        if (rc == 0)
            *acknowledged = (i + 1) * CHUNK;
    }
    inbox_close(&inbox);
    return rc;
}

static void expect_inbox(uint64_t acknowledged, size_t n) {
    struct inbox *inbox = NULL;
    heal();
    int rc = inbox_open(folder, &inbox, &error);
    if (rc != 0)
        fail_msg("after failure %zu: %d %s", n, rc, error.text);
    for (uint64_t at = 1; at <= acknowledged; at++)
        if (is_ours(at) && !inbox_has(inbox, bus, at))
            fail_msg("after failure %zu: position %llu is forgotten", n, (unsigned long long)at);
    assert_false(inbox_has(inbox, bus, acknowledged + CHUNK + 1)); // one add more may be there
    uint64_t next = ADDS * CHUNK + 7;
    assert_int_equal(inbox_add(inbox, bus, &next, 1, &error), 0);
    inbox_close(&inbox);
}

static void each_call_of_the_inbox_may_fail(void **state) {
    (void)state;
    size_t n = 0;
    for (bool used = true; used; n++) {
        uint64_t acknowledged = 0;
        clear_folder();
        failure = EIO;
        keep_failing = n % 2;
        calls_left = (long)n;
        assert_true(inbox_life(&acknowledged) <= 0);
        used = calls_left <= 0;
        expect_inbox(acknowledged, n);
    }
    assert_true(n > 60);
}

static void each_allocation_of_the_inbox_may_fail(void **state) {
    (void)state;
    size_t n = 0;
    for (bool used = true; used; n++) {
        uint64_t acknowledged = 0;
        clear_folder();
        alloc_fail_once(n);
        int rc = inbox_life(&acknowledged);
        used = alloc_count() > n;
        alloc_fail_never();
        assert_true(rc == 0 || rc == -ENOMEM);
        expect_inbox(acknowledged, n);
    }
    assert_true(n > 10);
}

static void short_transfers_of_the_inbox_are_finished(void **state) {
    (void)state;
    uint64_t acknowledged = 0;
    longest = 4096;
    assert_int_equal(inbox_life(&acknowledged), 0);
    expect_inbox(acknowledged, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_call_of_the_spool_may_fail, setup, teardown),
        cmocka_unit_test_setup_teardown(each_allocation_of_the_spool_may_fail, setup, teardown),
        cmocka_unit_test_setup_teardown(full_is_not_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(short_transfers_of_the_spool_are_finished, setup, teardown),
        cmocka_unit_test_setup_teardown(each_call_of_the_inbox_may_fail, setup, teardown),
        cmocka_unit_test_setup_teardown(each_allocation_of_the_inbox_may_fail, setup, teardown),
        cmocka_unit_test_setup_teardown(short_transfers_of_the_inbox_are_finished, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
