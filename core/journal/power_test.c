// Power cuts at every call that syncs: whatever of the unsynced sectors and names is there, dropped, torn or
// out of order, the journal opens with all that was durable. HUTONG_SEED=N repeats a run, HUTONG_CUTS=N makes
// more cuts at each place.
#include "core/journal/life_testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

static uint64_t seed;
static uint64_t cuts_at_once = 2; // of each random kind
static uint64_t places;
static uint64_t cuts;

static void cut_here(void *context) {
    const struct life *life = context;
    static const char *const names[] = {"nothing unsynced", "all unsynced", "prefix", "sectors", "blocks"};
    model_disk_on_sync(NULL, NULL);
    places++;
    for (int how = 0; how < CUT_KINDS; how++)
        for (uint64_t i = 0; i < (how <= CUT_ALL_UNSYNCED ? 1 : cuts_at_once); i++) {
            char what[96];
            uint64_t this_seed = seed + places * 1000 + i;
            snprintf(what, sizeof what, "HUTONG_SEED=%llu, cut %llu (%s) at sync", (unsigned long long)seed,
                (unsigned long long)i, names[how]);
            life_check(life, model_disk_cut(life->disk, (enum model_cut)how, this_seed), what, places);
            cuts++;
        }
    model_disk_on_sync(cut_here, context);
}

static void a_cut_at_every_sync_loses_nothing(void **state) {
    (void)state;
    static struct life life;
    life_new(&life);
    model_disk_on_sync(cut_here, &life);
    int rc = life_whole(&life);
    model_disk_on_sync(NULL, NULL);
    if (rc)
        fail_msg("%d %s", rc, life.error.text);
    printf("%llu cuts at %llu places\n", (unsigned long long)cuts, (unsigned long long)places);
    assert_true(places > 80);
    life_destroy(&life);
}

// The model itself: without a sync nothing is promised, and the checker sees what is missing.
static void a_disk_that_lies_is_found_out(void **state) {
    (void)state;
    static struct life life;
    life_new(&life);
    assert_int_equal(life_open(&life), 0);
    assert_int_equal(life_append(&life, 3, 100), 0);
    struct model_disk *cut = model_disk_cut(life.disk, CUT_NOTHING_UNSYNCED, 1);
    struct model_disk *before = model_disk_use(cut);
    static struct life again;
    life_new(&again);
    struct model_disk *unused = again.disk;
    again.disk = cut;
    model_disk_use(cut);
    again.options = life.options;
    assert_int_equal(life_open(&again), 0);
    assert_int_equal(again.durable, 3);
    life_destroy(&again);
    model_disk_destroy(&unused);
    model_disk_use(before);
    life_destroy(&life);
}

int main(void) {
    const char *given = getenv("HUTONG_SEED");
    seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    const char *wanted = getenv("HUTONG_CUTS");
    if (wanted)
        cuts_at_once = strtoull(wanted, NULL, 10);
    printf("HUTONG_SEED=%llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cut_at_every_sync_loses_nothing),
        cmocka_unit_test(a_disk_that_lies_is_found_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
