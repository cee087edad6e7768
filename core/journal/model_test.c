// The memory back end against the file back end: the same random life, and both say the same. HUTONG_SEED=N
// repeats one.
#include "core/journal/journal_testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define QUEUES 5

static uint64_t random_state;

static uint32_t pick(uint32_t below) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % below;
}

struct model {
    struct testing *t; // the file
    struct journal_store *store;
    struct witness witness; // of the memory
    struct journal *memory;
    struct journal_batch *batch;
    int64_t time;
};

static int64_t model_time(void *context) {
    return *(int64_t *)context;
}

static void open_both(struct model *model) {
    assert_int_equal(testing_open(model->t), 0);
    model->witness = (struct witness){.sum = 0xcbf29ce484222325u};
    for (size_t i = 0; i < 8; i++)
        model->witness.next[i] = 1;
    struct journal_owner owner = witness_owner(&model->witness);
    assert_int_equal(journal_memory_open(model->store, &owner, &model->memory, &model->t->error), 0);
    assert_true(witness_equal(&model->witness, &model->t->witness));
    assert_int_equal(journal_last(model->memory), journal_last(model->t->journal));
}

static void close_both(struct model *model) {
    testing_close(model->t);
    journal_close(&model->memory);
}

static void append_both(struct model *model) {
    uint32_t records = pick(6);
    for (uint32_t i = 0; i < records; i++) {
        static uint8_t body[20000];
        struct journal_entry entries[3];
        size_t entry_count = pick(4);
        uint32_t first = pick(QUEUES);
        for (uint32_t e = 0; e < entry_count; e++) {
            uint32_t queue = (first + e) % QUEUES;
            entries[e] = (struct journal_entry){.queue = queue, .position = model->witness.next[queue]};
        }
        uint32_t size = pick(10) ? pick(500) : pick(sizeof body);
        memset(body, (int)pick(256), size);
        struct bytes parts[2] = {{body, size / 3}, {body + size / 3, size - size / 3}};
        uint8_t kind = (uint8_t)pick(9);
        int rc = journal_batch_add(model->batch, kind, entries, entry_count, parts, 2);
        assert_int_equal(journal_batch_add(model->t->batch, kind, entries, entry_count, parts, 2), rc);
        assert_int_equal(rc, 0);
        witness_see(&model->witness, kind, entries, entry_count, bytes_of(body, size));
        witness_see(&model->t->witness, kind, entries, entry_count, bytes_of(body, size));
    }
    model->time += pick(1000);
    assert_int_equal(testing_append(model->t), 0);
    assert_int_equal(journal_append(model->memory, model->batch, &model->t->error), 0);
    assert_int_equal(journal_durable(model->memory), journal_durable(model->t->journal));
}

struct heard {
    uint64_t sum;
    uint64_t next; // position
    size_t count;
};

static int hear(void *context, const struct journal_record *record, uint64_t position) {
    struct heard *heard = context;
    if (heard->next) // no gaps
        assert_int_equal(position, heard->next);
    heard->next = position + 1;
    struct witness witness = {.sum = heard->sum};
    witness_see(&witness, record->kind, record->entries, record->entry_count, record->body);
    heard->sum = witness.sum ^ record->sequence ^ (uint64_t)record->time_ns;
    heard->count++;
    return 0;
}

static void read_both(struct model *model) {
    uint32_t queue = pick(QUEUES + 1);
    uint64_t end = model->witness.next[queue];
    uint64_t from = 1 + pick((uint32_t)end + 2);
    size_t count = 1 + pick(40);
    size_t bytes = 1 + pick(20000);
    struct journal_status file;
    struct journal_status memory;
    journal_status(model->t->journal, &file);
    journal_status(model->memory, &memory);
    if (file.first > 1 || memory.first > 1)
        return; // they retire by segments, which are not of one size
    struct heard heard[2] = {0};
    struct error *error = &model->t->error;
    assert_int_equal(
        journal_read_queue(model->t->journal, queue, from, count, bytes, hear, &heard[0], error), 0);
    assert_int_equal(journal_read_queue(model->memory, queue, from, count, bytes, hear, &heard[1], error), 0);
    assert_memory_equal(&heard[0], &heard[1], sizeof heard[0]);
    assert_int_equal(heard[0].count > 0, from < end);
}

struct settled_below {
    const struct witness *witness;
    uint32_t unsettled; // this many at the end of each queue
};

static bool settled_below(void *context, uint32_t queue, uint64_t last_position) {
    const struct settled_below *below = context;
    return last_position + below->unsettled < below->witness->next[queue];
}

// Whatever was retired, what is unsettled is still there to the last.
static void retire_both(struct model *model) {
    struct settled_below below = {.witness = &model->witness, .unsettled = 100};
    struct journal_settled settled = {.context = &below, .settled = settled_below};
    struct journal *both[] = {model->t->journal, model->memory};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(journal_retire(both[i], model->time, &settled, NULL, &model->t->error), 0);
        for (uint32_t queue = 0; queue < QUEUES; queue++) {
            uint64_t next = model->witness.next[queue];
            uint64_t from = next > below.unsettled ? next - below.unsettled : 1;
            struct heard heard = {.next = from};
            assert_int_equal(
                journal_read_queue(both[i], queue, from, SIZE_MAX, SIZE_MAX, hear, &heard, &model->t->error),
                0);
            assert_int_equal(heard.count, next - from);
        }
    }
}

static void both_back_ends_say_the_same(void **state) {
    struct model model = {
        .t = *state, .batch = journal_batch_new(1 << 20), .store = journal_store_new(), .time = 1};
    model.t->options.now_ns = model_time;
    model.t->options.now_context = &model.time;
    model.t->options.buffered = true;
    journal_store_set_clock(model.store, model_time, &model.time);
    open_both(&model);
    for (int step = 0; step < 1500; step++) {
        append_both(&model);
        read_both(&model);
        if (pick(40) == 0) {
            close_both(&model);
            open_both(&model);
        }
        if (step > 750 && pick(50) == 0)
            retire_both(&model);
    }
    struct journal_status status;
    journal_status(model.t->journal, &status);
    assert_true(status.first > 1);
    journal_status(model.memory, &status);
    assert_true(status.first > 1 && status.segments > 0);
    close_both(&model);
    struct journal_verdict verdict;
    assert_int_equal(journal_verify(model.t->folder, &verdict, &model.t->error), 0);
    journal_batch_destroy(&model.batch);
    journal_store_destroy(&model.store);
}

static void a_full_memory_is_told(void **state) {
    (void)state;
    struct journal_store *store = journal_store_new();
    struct journal_batch *batch = journal_batch_new(10000);
    struct journal *journal = NULL;
    struct journal_owner owner = {0};
    struct error error;
    assert_int_equal(journal_memory_open(store, &owner, &journal, &error), 0);
    assert_int_equal(journal_batch_add(batch, 1, NULL, 0, &(struct bytes){(const uint8_t *)"x", 1}, 1), 0);
    journal_store_set_limit(store, 100);
    assert_int_equal(journal_append(journal, batch, &error), JOURNAL_FULL);
    assert_int_equal(journal_batch_count(batch), 1);
    assert_int_equal(journal_last(journal), 0);
    journal_store_set_limit(store, 0);
    assert_int_equal(journal_append(journal, batch, &error), 0);
    assert_int_equal(journal_durable(journal), 1);
    journal_close(&journal);
    journal_batch_destroy(&batch);
    journal_store_destroy(&store);
}

int main(void) {
    const char *seed = getenv("HUTONG_SEED");
    random_state = seed ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL);
    printf("HUTONG_SEED=%llu\n", (unsigned long long)random_state);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(both_back_ends_say_the_same, testing_setup, testing_teardown),
        cmocka_unit_test(a_full_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
