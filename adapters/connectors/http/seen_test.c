#include "adapters/connectors/http/seen.h"

#include "test/support/alloc_fail.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char path[64];

static struct seen *open_seen(uint64_t durable, int64_t now) {
    struct seen *seen = NULL;
    struct error error = {0};
    assert_int_equal(seen_open(path, durable, 100, 3, now, &seen, &error), 0);
    return seen;
}

static uint64_t add(struct seen *seen, const char *id, int64_t now) {
    uint64_t sequence = 0;
    struct error error = {0};
    assert_int_equal(seen_add(seen, bytes_of_string(id), now, &sequence, &error), 0);
    return sequence;
}

static bool has(const struct seen *seen, const char *id, int64_t now) {
    return seen_has(seen, bytes_of_string(id), now);
}

static int set_up(void **state) {
    (void)state;
    snprintf(path, sizeof path, "/tmp/hutong-seen-%d", (int)getpid());
    unlink(path);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    return unlink(path);
}

static void test_window_and_limit(void **state) {
    (void)state;
    struct seen *seen = open_seen(0, 0);
    assert_int_equal(add(seen, "a", 10), 1);
    assert_true(has(seen, "a", 110));
    assert_false(has(seen, "a", 111));
    assert_int_equal(add(seen, "b", 20), 2);
    add(seen, "c", 21);
    add(seen, "d", 22);
    assert_false(has(seen, "a", 22)); // three at most
    assert_true(has(seen, "b", 22));
    seen_destroy(&seen);
}

// The position stored with the messages says how far they got: later ids are of messages that never were.
static void test_crash_before_the_message(void **state) {
    (void)state;
    struct seen *seen = open_seen(0, 0);
    add(seen, "a", 1);
    add(seen, "b", 1);
    seen_destroy(&seen);
    seen = open_seen(1, 2);
    assert_true(has(seen, "a", 2));
    assert_false(has(seen, "b", 2));
    assert_int_equal(add(seen, "b", 2), 2);
    seen_destroy(&seen);
    seen = open_seen(2, 2);
    assert_true(has(seen, "b", 2));
    seen_destroy(&seen);
}

static void test_torn_tail(void **state) {
    (void)state;
    struct seen *seen = open_seen(0, 0);
    add(seen, "a", 1);
    add(seen, "b", 1);
    seen_destroy(&seen);
    struct stat now;
    assert_int_equal(stat(path, &now), 0);
    assert_int_equal(truncate(path, now.st_size - 1), 0);
    seen = open_seen(2, 2);
    assert_true(has(seen, "a", 2));
    assert_false(has(seen, "b", 2));
    assert_int_equal(add(seen, "c", 2), 3);
    seen_destroy(&seen);
    seen = open_seen(3, 2);
    assert_true(has(seen, "a", 2));
    assert_true(has(seen, "c", 2));
    seen_destroy(&seen);
}

static void test_undo(void **state) {
    (void)state;
    struct error error = {0};
    struct seen *seen = open_seen(0, 0);
    add(seen, "a", 1);
    add(seen, "b", 1);
    assert_int_equal(seen_undo(seen, &error), 0);
    assert_false(has(seen, "b", 1));
    assert_int_equal(add(seen, "c", 1), 3); // numbers are never used again
    seen_destroy(&seen);
    seen = open_seen(9, 1);
    assert_false(has(seen, "b", 1));
    assert_true(has(seen, "c", 1));
    seen_destroy(&seen);
}

// An id that was forgotten and came again is in the file twice.
static void test_same_id_again(void **state) {
    (void)state;
    struct seen *seen = open_seen(0, 0);
    add(seen, "a", 1);
    add(seen, "b", 50);
    add(seen, "a", 120);
    seen_destroy(&seen);
    seen = open_seen(3, 121);
    assert_true(has(seen, "a", 121));
    add(seen, "c", 122);
    assert_true(has(seen, "a", 122));
    seen_destroy(&seen);
}

static void test_compacts(void **state) {
    (void)state;
    struct seen *seen = open_seen(0, 0);
    char id[16];
    for (int i = 0; i < 2500; i++) {
        snprintf(id, sizeof id, "id%d", i);
        add(seen, id, i);
    }
    seen_destroy(&seen);
    struct stat now;
    assert_int_equal(stat(path, &now), 0);
    assert_true(now.st_size < 44000);
    seen = open_seen(2500, 2500);
    assert_true(has(seen, "id2499", 2500));
    assert_int_equal(add(seen, "x", 2500), 2501);
    seen_destroy(&seen);
}

static void test_no_memory(void **state) {
    (void)state;
    struct error error = {0};
    for (size_t n = 0;; n++) {
        struct seen *seen = NULL;
        uint64_t sequence = 0;
        alloc_fail_after(n);
        int rc = seen_open(path, 0, 100, 3, 0, &seen, &error);
        if (rc == 0)
            rc = seen_add(seen, bytes_of_string("a"), 1, &sequence, &error);
        alloc_fail_never();
        seen_destroy(&seen);
        if (rc == 0)
            break;
        assert_int_equal(rc, -ENOMEM);
        assert_true(n < 50);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_window_and_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_crash_before_the_message, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_torn_tail, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_undo, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_same_id_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_compacts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_memory, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
