// The liar lies, and but for that it is a journal.
#include "core/journal/journal_testing.h"
#include "test/fault/lossy/lossy.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define HELD 4

static int open_lossy(struct testing *t) {
    t->witness = (struct witness){.sum = 0xcbf29ce484222325u};
    for (size_t i = 0; i < 8; i++)
        t->witness.next[i] = 1;
    struct journal_owner owner = witness_owner(&t->witness);
    return journal_lossy_open(&t->options, &owner, HELD, &t->journal, &t->error);
}

static int count_one(void *context, const struct journal_record *record, uint64_t position) {
    struct witness *seen = context;
    if (position != seen->count + 1 || record->sequence != position)
        return -1;
    seen->count++;
    return 0;
}

static void a_kill_loses_an_acknowledged_tail(void **state) {
    struct testing *t = *state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        bool good = open_lossy(t) == 0;
        for (int i = 0; i < 100 && good; i++)
            good =
                testing_append_new(t, 1, 900, 2) == 0 && journal_durable(t->journal) == 2 * ((uint64_t)i + 1);
        if (good)
            raise(SIGKILL);
        _exit(1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(testing_open(t), 0); // by the honest one
    assert_int_equal(journal_last(t->journal), 200 - 2 * HELD);
    assert_int_equal(t->witness.count, 200 - 2 * HELD); // checkpoints were exact all the same
}

static void without_a_kill_nothing_is_lost(void **state) {
    struct testing *t = *state;
    assert_int_equal(open_lossy(t), 0);
    for (int i = 0; i < 60; i++)
        assert_int_equal(testing_append_new(t, 1, 900, 2), 0);
    struct witness seen = {0};
    assert_int_equal(journal_read_queue(t->journal, 1, 1, 1000, 1 << 20, count_one, &seen, &t->error), 0);
    assert_int_equal(seen.count, 120);
    seen.count = 117;
    assert_int_equal(journal_read_queue(t->journal, 1, 118, 2, 1 << 20, count_one, &seen, &t->error), 0);
    assert_int_equal(seen.count, 119);
    struct witness before = t->witness;
    testing_close(t);
    assert_int_equal(testing_open(t), 0);
    assert_true(witness_equal(&before, &t->witness));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_kill_loses_an_acknowledged_tail, testing_setup, testing_teardown),
        cmocka_unit_test_setup_teardown(without_a_kill_nothing_is_lost, testing_setup, testing_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
