// The erasure of one record's body on the real disk: what is read, verified, refused, and what a cut leaves.
#include "core/journal/format.h"
#include "core/journal/journal_testing.h"
#include "core/journal/redo.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define REDO "erase.redo"

static int setup(void **state) {
    int rc = testing_setup(state);
    struct testing *t = *state;
    if (rc == 0)
        rc = testing_open(t);
    for (int i = 0; i < 40 && rc == 0; i++) // positions of queue 1 are sequences here
        rc = testing_append_new(t, 1, 900, 5);
    return rc;
}

static int look(void *context, const struct journal_record *record, uint64_t position) {
    (void)position;
    *(bool *)context = record->body.data != NULL;
    return 0;
}

static bool has_body(struct testing *t, uint64_t sequence) {
    bool by_sequence = false;
    bool by_queue = false;
    assert_int_equal(journal_read_record(t->journal, sequence, look, &by_sequence, &t->error), 0);
    assert_int_equal(journal_read_queue(t->journal, 1, sequence, 1, 1, look, &by_queue, &t->error), 0);
    assert_int_equal(by_sequence, by_queue);
    return by_queue;
}

static void assert_verified(struct testing *t, uint64_t erased) {
    struct journal_verdict verdict;
    if (journal_verify(t->folder, &verdict, &t->error))
        fail_msg("%s", t->error.text);
    assert_int_equal(verdict.erased, erased);
}

static bool is_on_disk(struct testing *t, const char *name, const uint8_t *text, size_t size) {
    size_t file_size = 0;
    uint8_t *file = testing_read(t, name, &file_size);
    assert_non_null(file);
    bool found = memmem(file, file_size, text, size) != NULL;
    free(file);
    return found;
}

static void sealed_and_active_records_are_erased(void **state) {
    struct testing *t = *state;
    uint8_t body[900]; // of record 7, as testing_add() makes them
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (uint8_t)(i * 7 + 6);
    assert_true(is_on_disk(t, "00000000000000000001.segment", body + 16, 64));
    static const uint64_t sequences[] = {7, 1, 199, 200};
    for (size_t i = 0; i < 4; i++) {
        assert_true(has_body(t, sequences[i]));
        if (journal_erase(t->journal, sequences[i], &t->error))
            fail_msg("%s", t->error.text);
        assert_false(has_body(t, sequences[i]));
        assert_verified(t, i + 1);
    }
    size_t none = 0;
    assert_null(testing_read(t, REDO, &none));
    assert_true(has_body(t, 8) && has_body(t, 198));
    assert_int_equal(testing_append_new(t, 1, 900, 5), 0);
    testing_close(t);
    assert_verified(t, 4);
}

static void what_cannot_be_erased_is_refused(void **state) {
    struct testing *t = *state;
    assert_int_equal(testing_append_new(t, 1, 15, 1), 0);
    assert_int_equal(journal_erase(t->journal, 201, &t->error), JOURNAL_REFUSED);
    assert_non_null(strstr(t->error.text, "15 bytes"));
    assert_int_equal(journal_erase(t->journal, 202, &t->error), JOURNAL_REFUSED);
    assert_non_null(strstr(t->error.text, "no record 202"));
    assert_int_equal(journal_erase(t->journal, 0, &t->error), JOURNAL_REFUSED);
    assert_int_equal(journal_erase(t->journal, 9, &t->error), 0);
    assert_int_equal(journal_erase(t->journal, 9, &t->error), JOURNAL_REFUSED);
    assert_non_null(strstr(t->error.text, "erased already"));
    bool body = true;
    assert_int_equal(journal_read_record(t->journal, 202, look, &body, &t->error), JOURNAL_REFUSED);
    assert_verified(t, 1);
}

// ---- Cut in the middle: every mixture of old and new sectors is finished ----

struct halves {
    uint8_t *before; // the segment's bytes
    uint8_t *after;
    uint8_t *redo;
    size_t size;
    size_t redo_size;
};

static uint8_t *room_for(size_t size) {
    uint8_t *room = malloc(size);
    if (!room)
        abort();
    return room;
}

// The redo is written by hand as the erasure writes it, for a record of 5,000 bytes.
static void make_halves(struct testing *t, uint64_t sequence, struct halves *out) {
    const char *name = "00000000000000000001.segment";
    out->before = testing_read(t, name, &out->size);
    size_t at = 4096 + BATCH_SIZE;
    for (uint64_t s = 1; s < sequence; s++) // the first batch has it
        at += record_length(out->before + at);
    struct digest *digest = digest_new(DIGEST_SHA256);
    struct redo redo = {.segment = 1,
        .epoch = load_u64(out->before + 72),
        .offset = at,
        .sequence = sequence,
        .length = record_length(out->before + at)};
    assert_int_equal(record_leaf(digest, out->before + at, redo.leaf), 0);
    digest_destroy(&digest);
    int folder = open(t->folder, O_RDONLY | O_DIRECTORY);
    assert_int_equal(redo_write(folder, &redo), 0);
    close(folder);
    out->redo = testing_read(t, REDO, &out->redo_size);
    out->after = room_for(out->size);
    memcpy(out->after, out->before, out->size);
    record_erase(out->after + at, redo.leaf);
}

static void free_halves(struct halves *halves) {
    free(halves->before);
    free(halves->after);
    free(halves->redo);
}

static void every_mixture_is_finished(void **state) {
    struct testing *t = *state;
    testing_close(t);
    struct halves halves;
    make_halves(t, 3, &halves);
    uint8_t *mixed = room_for(halves.size);
    for (unsigned bits = 0; bits < 64; bits++) {
        for (size_t at = 0; at < halves.size; at++)
            mixed[at] = bits >> at / 512 % 6 & 1 ? halves.after[at] : halves.before[at];
        testing_write(t, "00000000000000000001.segment", mixed, halves.size);
        testing_write(t, REDO, halves.redo, halves.redo_size);
        assert_verified(t, 1); // tools take it for done
        assert_int_equal(testing_open(t), 0);
        assert_false(has_body(t, 3));
        testing_close(t);
        size_t size = 0;
        assert_null(testing_read(t, REDO, &size));
        uint8_t *now = testing_read(t, "00000000000000000001.segment", &size);
        assert_int_equal(size, halves.size);
        assert_memory_equal(now, halves.after, size);
        free(now);
    }
    free(mixed);
    free_halves(&halves);
}

static void a_cut_or_foreign_redo_does_nothing(void **state) {
    struct testing *t = *state;
    testing_close(t);
    struct halves halves;
    make_halves(t, 3, &halves);
    for (size_t size = 0; size < 80; size += 20) {
        testing_write(t, REDO, halves.redo, size);
        assert_verified(t, 0);
        assert_int_equal(testing_open(t), 0);
        testing_close(t);
        assert_true(access(REDO, F_OK) != 0);
    }
    struct redo redo = {.segment = 999, .sequence = 3, .length = 100};
    int folder = open(t->folder, O_RDONLY | O_DIRECTORY);
    assert_int_equal(redo_write(folder, &redo), 0); // of a segment that has retired
    assert_verified(t, 0);
    assert_int_equal(testing_open(t), 0);
    testing_close(t);
    redo = (struct redo){.segment = 1, .sequence = 3, .offset = 5000, .length = 100};
    assert_int_equal(redo_write(folder, &redo), 0); // of no record
    assert_verified(t, 0);
    assert_int_equal(testing_open(t), 0);
    testing_close(t);
    assert_verified(t, 0);
    close(folder);
    free_halves(&halves);
}

// ---- A tool without the owner's state ----

static void a_tool_ends_no_segment(void **state) {
    struct testing *t = *state;
    testing_close(t);
    t->options.ownerless = true;
    struct journal_owner owner = {0};
    struct journal_status before;
    struct journal_status after;
    assert_int_equal(journal_file_open(&t->options, &owner, &t->journal, &t->error), 0);
    journal_status(t->journal, &before);
    int rc = 0;
    for (int i = 0; i < 200 && rc == 0; i++)
        rc = testing_append_new(t, 1, 900, 1);
    journal_status(t->journal, &after);
    assert_int_equal(before.segments, after.segments);
    assert_int_equal(journal_erase(t->journal, 3, &t->error), 0);
    testing_close(t);
    t->options.ownerless = false;
    assert_verified(t, 1);
    assert_int_equal(testing_open(t), 0); // its state is what it was
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, testing_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(sealed_and_active_records_are_erased),
        TEST(what_cannot_be_erased_is_refused),
        TEST(every_mixture_is_finished),
        TEST(a_cut_or_foreign_redo_does_nothing),
        TEST(a_tool_ends_no_segment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
