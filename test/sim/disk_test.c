// The journal on the simulated disk, where a process ends between a write and its sync and then the power
// goes: what a recovery has shown must still be there.
#include "test/sim/disk.h"

#include "core/journal/journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct machine {
    struct world world;
    struct disk disk;
    bool dead;
    size_t dies_at; // the call of the disk at which the process ends; 0: never
    size_t calls;
    uint64_t replayed; // the last record that was
};

static void called(void *context) {
    struct machine *machine = context;
    if (++machine->calls == machine->dies_at)
        machine->dead = true;
}

static void machine_start(struct machine *machine, uint64_t seed) {
    *machine = (struct machine){0};
    world_init(&machine->world, seed, false);
    disk_init(&machine->disk, &machine->world, &machine->dead);
    disk_heal(&machine->disk);
    machine->disk.called = called;
    machine->disk.context = machine;
}

static void machine_end(struct machine *machine) {
    disk_destroy(&machine->disk);
    world_destroy(&machine->world);
}

static int replay(void *context, const struct journal_record *record, struct error *error) {
    struct machine *machine = context;
    (void)error;
    machine->replayed = record->sequence;
    return 0;
}

static int checkpoint(void *context, struct buffer *out) {
    (void)context;
    return buffer_append_string(out, "state");
}

static int restore(void *context, struct bytes checkpoint_bytes, struct error *error) {
    (void)context;
    (void)checkpoint_bytes;
    (void)error;
    return 0;
}

static int open_it(struct machine *machine, struct journal **out) {
    struct journal_options options = {.folder = "journal", .segment_size = 64 << 10};
    struct journal_owner owner = {
        .context = machine, .restore = restore, .replay = replay, .checkpoint = checkpoint};
    struct error error = {0};
    int rc = journal_file_open(&options, &owner, out, &error);
    if (rc && !machine->dead)
        fail_msg("%s", error.text);
    return rc;
}

static int append(struct journal *journal, uint64_t position) {
    struct journal_batch *batch = journal_batch_new(1 << 20);
    struct journal_entry entry = {.queue = 1, .position = position};
    struct bytes body = bytes_of_string("a record of the test");
    struct error error;
    assert_non_null(batch);
    assert_int_equal(journal_batch_add(batch, 1, &entry, 1, &body, 1), 0);
    int rc = journal_append(journal, batch, &error);
    journal_batch_destroy(&batch);
    return rc;
}

static bool settled(void *context, uint32_t queue, uint64_t last) {
    (void)context;
    (void)queue;
    (void)last;
    return true;
}

// A life of 40 batches, which is three segments, with a look for what may retire now and then. Returns the
// last record that was durable.
static uint64_t live(struct machine *machine, struct journal *journal) {
    const struct journal_settled all = {.settled = settled};
    uint64_t durable = journal_durable(journal);
    for (uint64_t position = durable + 1; position <= 40 && !machine->dead; position++) {
        struct error error;
        if (append(journal, position) == 0)
            durable = journal_durable(journal);
        if (position % 16 == 0 && !machine->dead)
            journal_retire(journal, INT64_MAX, &all, NULL, &error);
    }
    return durable;
}

static void restart(struct machine *machine) {
    disk_leave(&machine->disk);
    machine->dead = false;
    machine->dies_at = 0;
}

static void verify(uint64_t seed, size_t call) {
    struct journal_verdict verdict;
    struct error error;
    if (journal_verify("journal", &verdict, &error) != 0)
        fail_msg("seed %llu, call %zu: %s", (unsigned long long)seed, call, error.text);
}

static int count_record(void *context, const struct journal_record *record, uint64_t position) {
    (void)record;
    (void)position;
    ++*(uint64_t *)context;
    return 0;
}

static void read_all(struct journal *journal, uint64_t seed, size_t call) {
    struct journal_status status;
    struct error error;
    uint64_t count = 0;
    journal_status(journal, &status);
    if (journal_read_queue(journal, 1, status.first, 1000, SIZE_MAX, count_record, &count, &error) != 0)
        fail_msg("seed %llu, call %zu: %s", (unsigned long long)seed, call, error.text);
    assert_int_equal(count, status.last - status.first + 1); // records and positions go together here
}

// The process ends at one call; the next one recovers, is shown records, and then the power goes.
static bool one_death(uint64_t seed, size_t call) {
    struct machine machine;
    struct journal *journal = NULL;
    uint64_t durable = 0;
    machine_start(&machine, seed);
    machine.dies_at = call;
    if (open_it(&machine, &journal) == 0)
        durable = live(&machine, journal);
    journal_close(&journal);
    bool died = machine.dead;
    restart(&machine);
    if (open_it(&machine, &journal) == 0) {
        uint64_t shown = journal_last(journal);
        assert_true(shown >= durable);
        journal_close(&journal);
        disk_power_cut(&machine.disk);
        restart(&machine);
        assert_int_equal(open_it(&machine, &journal), 0);
        assert_int_equal(journal_last(journal), shown);
        assert_int_equal(append(journal, shown + 1), 0);
        journal_close(&journal);
        verify(seed, call);
    }
    machine_end(&machine);
    return died;
}

static void test_power_after_recovery(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++)
        for (size_t call = 1; one_death(seed, call); call++)
            ;
}

// The same without a process between: power goes at the call itself.
static bool one_cut(uint64_t seed, size_t call) {
    struct machine machine;
    struct journal *journal = NULL;
    uint64_t durable = 0;
    machine_start(&machine, seed);
    machine.dies_at = call;
    if (open_it(&machine, &journal) == 0)
        durable = live(&machine, journal);
    bool died = machine.dead;
    disk_power_cut(&machine.disk);
    journal_close(&journal);
    restart(&machine);
    assert_int_equal(open_it(&machine, &journal), 0);
    if (journal_last(journal) < durable)
        fail_msg("seed %llu, call %zu: durable was %llu, left are %llu", (unsigned long long)seed, call,
            (unsigned long long)durable, (unsigned long long)journal_last(journal));
    assert_int_equal(append(journal, journal_last(journal) + 1), 0);
    read_all(journal, seed, call);
    journal_close(&journal);
    verify(seed, call);
    machine_end(&machine);
    return died;
}

static void test_power_at_each_call(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 16; seed++)
        for (size_t call = 1; one_cut(seed, call); call++)
            ;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_power_after_recovery), cmocka_unit_test(test_power_at_each_call)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
