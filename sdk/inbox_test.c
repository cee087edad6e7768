#include "sdk/inbox.h"

#include "core/journal/journal.h"
#include "sdk/ranges.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void ranges_join_and_fall(void **state) {
    (void)state;
    struct ranges ranges = {0};
    static const uint64_t order[] = {10, 12, 11, 5, 7, 20, 6, 10};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        assert_int_equal(ranges_add(&ranges, order[i], order[i]), 0);
    assert_int_equal(ranges.count, 3); // 5-7 10-12 20
    assert_true(ranges_has(&ranges, 6) && ranges_has(&ranges, 12) && ranges_has(&ranges, 20));
    assert_false(ranges_has(&ranges, 4) || ranges_has(&ranges, 8) || ranges_has(&ranges, 13));
    assert_int_equal(ranges_add(&ranges, 8, 9), 0);
    assert_int_equal(ranges.count, 2);
    ranges_raise(&ranges, 4); // touches 5-12
    assert_int_equal(ranges.floor, 12);
    assert_int_equal(ranges.count, 1);
    ranges_raise(&ranges, 3);
    assert_int_equal(ranges.floor, 12);
    assert_int_equal(ranges_add(&ranges, 1, 30), 0);
    assert_true(ranges.floor == 30 && ranges.count == 0);
    ranges_destroy(&ranges);
}

// Against a plain table, with chance.
static void ranges_agree_with_a_table(void **state) {
    (void)state;
    struct ranges ranges = {0};
    static bool table[300];
    uint64_t seed = 1;
    for (int i = 0; i < 2000; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        uint64_t first = 1 + (seed >> 33) % 280;
        uint64_t last = first + (seed >> 60) % 8;
        assert_int_equal(ranges_add(&ranges, first, last), 0);
        for (uint64_t k = first; k <= last; k++)
            table[k] = true;
        if (i % 200 == 199) {
            ranges_raise(&ranges, (uint64_t)i / 20);
            for (uint64_t k = 1; k <= (uint64_t)i / 20; k++)
                table[k] = true;
        }
        for (uint64_t k = 1; k < 300; k++)
            assert_int_equal(ranges_has(&ranges, k), table[k]);
    }
    ranges_destroy(&ranges);
}

static char folder[] = "/tmp/hutong-inbox-XXXXXX";

static int setup(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/hutong-inbox-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && dir && (entry = readdir(dir)) != NULL;) {
        char file[600];
        snprintf(file, sizeof file, "%s/%s", folder, entry->d_name);
        unlink(file);
    }
    if (!dir)
        return -1;
    closedir(dir);
    return rmdir(folder);
}

static const uint8_t here[INBOX_BUS_SIZE] = "here";
static const uint8_t there[INBOX_BUS_SIZE] = "there";

static struct inbox *open_inbox(void) {
    struct inbox *inbox = NULL;
    struct error error;
    if (inbox_open(folder, &inbox, &error) != 0)
        fail_msg("%s", error.text);
    return inbox;
}

static void it_remembers(void **state) {
    (void)state;
    struct error error;
    struct inbox *inbox = open_inbox();
    static const uint64_t positions[] = {4, 5, 6, 9, 8};
    assert_int_equal(inbox_add(inbox, here, positions, 5, &error), 0);
    assert_int_equal(inbox_add(inbox, there, positions, 1, &error), 0);
    struct inbox *second = NULL;
    assert_int_equal(inbox_open(folder, &second, &error), JOURNAL_LOCKED);
    for (int round = 0; round < 2; round++) {
        assert_true(inbox_has(inbox, here, 5) && inbox_has(inbox, here, 8) && inbox_has(inbox, there, 4));
        assert_false(inbox_has(inbox, here, 7) || inbox_has(inbox, there, 5) || inbox_has(inbox, here, 1));
        inbox_close(&inbox);
        inbox = open_inbox();
    }
    inbox_prune(inbox, here, 6);
    assert_true(inbox_has(inbox, here, 1));
    assert_int_equal(inbox_ranges(inbox), 2); // 8-9 here, 4 there
    assert_int_equal(inbox_add(inbox, here, &positions[4], 1, &error), 0);
    inbox_close(&inbox);
    inbox = open_inbox();
    assert_true(inbox_has(inbox, here, 1)); // the floor went along
    inbox_close(&inbox);
    assert_null(inbox);
    inbox_close(&inbox);
}

// Many more positions than one segment's worth: disk and memory stay small.
static void it_stays_small(void **state) {
    (void)state;
    struct error error;
    struct inbox *inbox = open_inbox();
    static uint64_t positions[5000];
    uint64_t next = 1;
    for (int round = 0; round < 120; round++) {
        for (size_t i = 0; i < 5000; i++, next += 2)
            positions[i] = next;
        assert_int_equal(inbox_add(inbox, here, positions, 5000, &error), 0);
        inbox_prune(inbox, here, next - 100);
    }
    assert_true(inbox_ranges(inbox) < 60);
    inbox_close(&inbox);
    size_t files = 0;
    DIR *dir = opendir(folder);
    while (dir && readdir(dir))
        files++;
    if (dir)
        closedir(dir);
    assert_true(files > 2 && files < 10);
    inbox = open_inbox();
    assert_true(inbox_has(inbox, here, next - 2));
    assert_false(inbox_has(inbox, here, next - 1));
    inbox_close(&inbox);
}

// A queue shared with another instance, behind one position that is not settled: every second position is the
// other's, up to the limit of what is remembered.
static void it_holds_its_limit(void **state) {
    (void)state;
    struct error error;
    struct inbox *inbox = open_inbox();
    static uint64_t positions[8192];
    uint64_t next = 2;
    while (inbox_ranges(inbox) < INBOX_RANGES_LIMIT) {
        for (size_t i = 0; i < 8192; i++, next += 2)
            positions[i] = next;
        assert_int_equal(inbox_add(inbox, here, positions, 8192, &error), 0);
    }
    for (int lives = 0; lives < 2; lives++) { // the second begins with the checkpoint of a full inbox
        assert_int_equal(inbox_ranges(inbox), INBOX_RANGES_LIMIT + (unsigned)lives);
        assert_true(inbox_has(inbox, here, 2) && inbox_has(inbox, here, next - 2));
        assert_false(inbox_has(inbox, here, 1) || inbox_has(inbox, here, next - 1));
        assert_true(
            inbox_has_room(inbox, here, 1) && inbox_has_room(inbox, here, next - 3)); // beside a range
        assert_false(inbox_has_room(inbox, here, next) || inbox_has_room(inbox, there, 4));
        positions[0] = next;
        assert_int_equal(inbox_add(inbox, here, positions, 1, &error), 0);
        next += 2;
        inbox_close(&inbox);
        inbox = open_inbox();
    }
    inbox_prune(inbox, here, next - 2); // the one that held them up is settled
    assert_int_equal(inbox_ranges(inbox), 0);
    inbox_close(&inbox);
    struct stat st;
    off_t bytes = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *entry; dir && (entry = readdir(dir)) != NULL;) {
        char path[600];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        bytes += stat(path, &st) == 0 && S_ISREG(st.st_mode) ? st.st_size : 0;
    }
    if (dir)
        closedir(dir);
    assert_true(bytes < 24 << 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_join_and_fall),
        cmocka_unit_test(ranges_agree_with_a_table),
        cmocka_unit_test_setup_teardown(it_remembers, setup, teardown),
        cmocka_unit_test_setup_teardown(it_stays_small, setup, teardown),
        cmocka_unit_test_setup_teardown(it_holds_its_limit, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
