// Every site at which the journal can be told no: each call of the disk, each allocation, one after the
// other, through a whole life. What failed is told, and whatever was on the disk then, with or without a
// power cut behind it, opens with all that was durable.
#include "core/journal/life_testing.h"
#include "test/support/alloc_fail.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct life life;

static void heal(void) {
    model_disk_fail_after(-1, 0, false);
    model_disk_shorten(0);
    model_disk_fill(false);
    alloc_fail_never();
}

// What a kill leaves, or what a power cut in that moment does; all of them with HUTONG_ALL=1.
static void check(const char *what, uint64_t number) {
    static const enum model_cut cuts[] = {CUT_ALL_UNSYNCED, CUT_NOTHING_UNSYNCED, CUT_SECTORS};
    for (size_t i = 0; i < 3; i++)
        if (number % 3 == i || getenv("HUTONG_ALL"))
            life_check(&life, model_disk_cut(life.disk, cuts[i], number), what, number);
}

static void each_call_fails(int code, bool keep_failing, const char *what) {
    long n = 0;
    for (bool failed = true; failed; n++) {
        life_new(&life);
        model_disk_fail_after(n, code, keep_failing);
        int rc = life_whole(&life);
        failed = keep_failing ? model_disk_calls_left() == 0 : model_disk_calls_left() < 0;
        heal();
        bool told = rc == code || rc == JOURNAL_UNREAD || (code == -ENOSPC && rc == JOURNAL_FULL);
        if (rc && !told)
            fail_msg("%s, call %ld: %d %s", what, n, rc, life.error.text);
        if (failed)
            check(what, (uint64_t)n);
        life_destroy(&life);
    }
    printf("%s: %ld calls\n", what, n - 1);
    assert_true(n > 300);
}

static void a_call_fails_once(void **state) {
    (void)state;
    each_call_fails(-EIO, false, "EIO");
}

static void a_call_and_all_behind_it_fail(void **state) {
    (void)state;
    each_call_fails(-EIO, true, "EIO for good");
}

static void a_call_finds_no_room(void **state) {
    (void)state;
    each_call_fails(-ENOSPC, false, "ENOSPC");
}

static void an_allocation_fails(void **state) {
    (void)state;
    size_t n = 0;
    for (bool failed = true; failed; n++) {
        life_new(&life);
        alloc_fail_after(n);
        int rc = life_whole(&life);
        failed = alloc_count() > n;
        heal();
        if (rc && rc != -ENOMEM)
            fail_msg("allocation %zu: %d %s", n, rc, life.error.text);
        if (failed)
            check("allocation", n);
        life_destroy(&life);
    }
    printf("%zu allocations\n", n - 1);
    assert_true(n > 60);
}

#ifndef LIFE_BACKGROUND // the writer begins behind an open

// An open after a crash has sites of its own: the torn tail, spares, a new.tmp, an erasure that was cut.
static void sites_of_an_open_after_a_cut(bool allocations, const char *what) {
    for (uint64_t place = 0; place < 6; place++)
        for (long n = 0;; n++) {
            life_new(&life);
            // Something is cut in its middle: the calls from there on fail.
            static const long cuts[] = {60, 150, 230, 330, 345, 352};
            model_disk_fail_after(cuts[place], -EIO, true);
            int rc = life_whole(&life);
            heal();
            assert_int_not_equal(rc, 0);
            life_close(&life);
            struct model_disk *cut = model_disk_cut(life.disk, CUT_SECTORS, place);
            model_disk_destroy(&life.disk);
            life.disk = cut;
            model_disk_use(cut);
            uint64_t appended = life.appended;
            uint64_t durable = life.durable;
            if (allocations)
                alloc_fail_after((size_t)n);
            else
                model_disk_fail_after(n, -EIO, false);
            rc = life_open(&life);
            bool failed = allocations ? alloc_count() > (size_t)n : model_disk_calls_left() < 0;
            heal();
            if (rc && rc != (allocations ? -ENOMEM : -EIO))
                fail_msg("%s at an open, %ld: %d %s", what, n, rc, life.error.text);
            life_close(&life);
            life.durable = durable;
            life.appended = appended;
            if (failed)
                check(what, (uint64_t)n);
            life_destroy(&life);
            if (!failed)
                break;
        }
}

static void an_open_after_a_cut_fails_at_every_call(void **state) {
    (void)state;
    sites_of_an_open_after_a_cut(false, "EIO");
}

static void an_open_after_a_cut_fails_at_every_allocation(void **state) {
    (void)state;
    sites_of_an_open_after_a_cut(true, "no memory");
}

#endif

static void short_transfers_change_nothing(void **state) {
    (void)state;
    static const size_t lengths[] = {4096, 5000, 12288, 70000};
    for (size_t i = 0; i < 4; i++) {
        life_new(&life);
        model_disk_shorten(lengths[i]);
        int rc = life_whole(&life);
        heal();
        if (rc)
            fail_msg("%zu: %d %s", lengths[i], rc, life.error.text);
        check("short transfers", i);
        life_destroy(&life);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_fails_once),
        cmocka_unit_test(a_call_and_all_behind_it_fail),
        cmocka_unit_test(a_call_finds_no_room),
        cmocka_unit_test(an_allocation_fails),
#ifndef LIFE_BACKGROUND
        cmocka_unit_test(an_open_after_a_cut_fails_at_every_call),
        cmocka_unit_test(an_open_after_a_cut_fails_at_every_allocation),
#endif
        cmocka_unit_test(short_transfers_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
