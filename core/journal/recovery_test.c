// Power cuts, bit rot and what reused files held before: what recovery must cut, and what it must report.
#include "core/journal/batch.h"
#include "core/journal/folder.h"
#include "core/journal/foot.h"
#include "core/journal/journal_testing.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define FIRST "00000000000000000001.segment"
#define SECOND "00000000000000000002.segment"
#define BLOCK 4096u

// A journal of one segment with `whole` small batches and one more of `tail` bytes in each of three records.
struct cut {
    uint8_t *image;
    size_t size;
    size_t tail;           // where the last batch starts
    size_t length;         // of the last batch, without padding
    struct witness before; // without the last batch
    struct witness after;
};

static void make_cut(struct testing *t, size_t whole, size_t tail, struct cut *cut) {
    t->options.buffered = true; // thousands of images are opened
    assert_int_equal(testing_open(t), 0);
    for (size_t i = 0; i < whole; i++)
        assert_int_equal(testing_append_new(t, 1, 50, 2), 0);
    cut->before = t->witness;
    for (int i = 0; i < 3; i++)
        assert_int_equal(testing_add(t, 2, tail), 0);
    cut->length = journal_batch_size(t->batch) + BATCH_SIZE;
    assert_int_equal(testing_append(t), 0);
    cut->after = t->witness;
    testing_close(t);
    cut->image = testing_read(t, FIRST, &cut->size);
    assert_non_null(cut->image);
    cut->tail = BLOCK * (1 + whole);
    assert_int_equal(load_u32(cut->image + cut->tail), 0x424a5448);
}

// Opens what is on the disk, expects `expected`, and that it goes on from there.
static void assert_recovers(struct testing *t, const struct witness *expected, const char *what, size_t at) {
    int rc = testing_open(t);
    if (rc || !witness_equal(expected, &t->witness))
        fail_msg("%s at %zu: %d %s", what, at, rc, t->error.text);
    if (at % 64 == 0) {
        assert_int_equal(testing_append_new(t, 1, 10, 1), 0);
        struct witness more = t->witness;
        testing_close(t);
        assert_int_equal(testing_open(t), 0);
        assert_true(witness_equal(&more, &t->witness));
    }
    testing_close(t);
}

static void a_tail_cut_at_any_byte_is_cut_at_the_batch(void **state) {
    struct testing *t = *state;
    struct cut cut;
    make_cut(t, 2, 150, &cut);
    uint8_t *image = malloc(cut.size);
    assert_non_null(image);
    for (size_t at = 0; at <= cut.length; at++) {
        memcpy(image, cut.image, cut.size);
        memset(image + cut.tail + at, 0, cut.size - cut.tail - at);
        testing_write(t, FIRST, image, cut.size);
        // The last bytes of the batch may be zeros by themselves.
        bool same = memcmp(image, cut.image, cut.size) == 0;
        assert_recovers(t, same ? &cut.after : &cut.before, "zeros from", at);
    }
    free(image);
    free(cut.image);
}

static void a_file_that_ends_at_any_byte_is_cut_at_the_batch(void **state) {
    struct testing *t = *state;
    struct cut cut;
    make_cut(t, 1, 100, &cut);
    for (size_t at = 0; at <= cut.length; at++) {
        testing_write(t, FIRST, cut.image, cut.tail + at);
        assert_recovers(t, at == cut.length ? &cut.after : &cut.before, "the end", at);
    }
    free(cut.image);
}

static void garbage_from_any_byte_is_cut_at_the_batch(void **state) {
    struct testing *t = *state;
    struct cut cut;
    make_cut(t, 1, 150, &cut);
    uint8_t *image = malloc(cut.size);
    assert_non_null(image);
    uint32_t random = 12345;
    for (size_t at = 0; at < cut.length; at++) {
        memcpy(image, cut.image, cut.size);
        for (size_t i = at; i < 3 * (size_t)BLOCK; i++)
            image[cut.tail + i] = (uint8_t)((random = random * 1664525 + 1013904223) >> 24);
        image[cut.tail + at] = (uint8_t)~cut.image[cut.tail + at];
        testing_write(t, FIRST, image, cut.size);
        assert_recovers(t, &cut.before, "garbage from", at);
    }
    free(image);
    free(cut.image);
}

static void any_set_of_lost_sectors_is_a_torn_tail(void **state) {
    struct testing *t = *state;
    struct cut cut;
    make_cut(t, 2, 1300, &cut); // 8 sectors of 512 bytes
    uint8_t *image = malloc(cut.size);
    assert_non_null(image);
    for (unsigned lost = 0; lost < 256; lost++) {
        memcpy(image, cut.image, cut.size);
        for (unsigned i = 0; i < 8; i++)
            if (lost >> i & 1)
                memset(image + cut.tail + (size_t)512 * i, 0xee, 512);
        testing_write(t, FIRST, image, cut.size);
        assert_recovers(t, lost ? &cut.before : &cut.after, "sectors", lost);
    }
    free(image);
    free(cut.image);
}

static void torn_bytes_are_told_and_cleared(void **state) {
    struct testing *t = *state;
    struct cut cut;
    make_cut(t, 2, 3000, &cut);
    cut.image[cut.tail + 100] ^= 1;
    testing_write(t, FIRST, cut.image, cut.size);
    struct journal_verdict verdict;
    assert_int_equal(journal_verify(t->folder, &verdict, &t->error), 0);
    assert_true(verdict.torn_bytes > 2000 && verdict.torn_bytes <= cut.length);
    assert_int_equal(testing_open(t), 0);
    struct journal_status status;
    journal_status(t->journal, &status);
    assert_int_equal(status.torn_bytes, verdict.torn_bytes);
    testing_close(t);
    size_t size = 0;
    uint8_t *after = testing_read(t, FIRST, &size);
    assert_non_null(after);
    for (size_t i = cut.tail; i < size; i++)
        assert_int_equal(after[i], 0);
    free(after);
    free(cut.image);
}

// ---- Damage ----

static void assert_damaged(struct testing *t, const char *says, size_t at) {
    struct journal_verdict verdict;
    int rc = testing_open(t);
    if (rc != JOURNAL_DAMAGED || !strstr(t->error.text, says))
        fail_msg("open at %zu: %d %s", at, rc, t->error.text);
    rc = journal_verify(t->folder, &verdict, &t->error);
    if (rc != JOURNAL_DAMAGED || !strstr(t->error.text, says))
        fail_msg("verify at %zu: %d %s", at, rc, t->error.text);
}

static void any_bit_before_the_tail_is_reported(void **state) {
    struct testing *t = *state;
    struct cut cut;
    make_cut(t, 1, 50, &cut);
    size_t length = BATCH_SIZE + 2 * (RECORD_SIZE + ENTRY_SIZE + 50);
    for (size_t at = 0; at < length; at++) {
        cut.image[BLOCK + at] ^= (uint8_t)(1 << at % 8);
        testing_write(t, FIRST, cut.image, cut.size);
        assert_damaged(t, FIRST ": damaged at offset 4096", at);
        cut.image[BLOCK + at] ^= (uint8_t)(1 << at % 8);
    }
    for (size_t at = 0; at < HEAD_SIZE; at++) {
        cut.image[at] ^= (uint8_t)(1 << at % 8);
        testing_write(t, FIRST, cut.image, cut.size);
        assert_damaged(t, FIRST ": damaged at offset 0", at);
        cut.image[at] ^= (uint8_t)(1 << at % 8);
    }
    free(cut.image);
}

static void sealed_segments_are_whole_or_damaged(void **state) {
    struct testing *t = *state;
    assert_int_equal(testing_open(t), 0);
    while (journal_last(t->journal) < 60)
        assert_int_equal(testing_append_new(t, 1, 900, 3), 0);
    testing_close(t);
    size_t size = 0;
    uint8_t *image = testing_read(t, FIRST, &size);
    assert_non_null(image);
    uint64_t foot = load_u64(image + size - 16);
    const size_t places[] = {
        20, BLOCK + 10, BLOCK + 500, (size_t)foot + 50, (size_t)foot + 130, size - 10, size - 3};
    struct journal_verdict verdict;
    assert_int_equal(journal_verify(t->folder, &verdict, &t->error), 0);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        image[places[i]] ^= 0x10;
        testing_write(t, FIRST, image, size);
        int rc = journal_verify(t->folder, &verdict, &t->error);
        if (rc != JOURNAL_DAMAGED || !strstr(t->error.text, FIRST))
            fail_msg("verify with byte %zu: %d %s", places[i], rc, t->error.text);
        image[places[i]] ^= 0x10;
    }
    testing_write(t, FIRST, image, size - BLOCK);
    assert_int_equal(journal_verify(t->folder, &verdict, &t->error), JOURNAL_DAMAGED);
    free(image);
}

static int ignore(void *context, const struct journal_record *record, uint64_t position) {
    (void)context, (void)record, (void)position;
    return 0;
}

static int not_mine(void *context, const struct journal_record *record, uint64_t position) {
    (void)record;
    return position < 3 ? 0 : error_set(context, JOURNAL_DAMAGED, "no message");
}

// The owner knows what, the journal where.
static void a_body_that_makes_no_sense_has_its_place(void **state) {
    struct testing *t = *state;
    assert_int_equal(testing_open(t), 0);
    for (int i = 0; i < 40; i++)
        assert_int_equal(testing_append_new(t, 1, 900, 3), 0);
    int rc = journal_read_queue(t->journal, 1, 1, 9, 9999, not_mine, &t->error, &t->error);
    assert_int_equal(rc, JOURNAL_DAMAGED);
    assert_memory_equal(t->error.text, FIRST ": damaged at offset ", strlen(FIRST ": damaged at offset "));
    assert_non_null(strstr(t->error.text, ": no message"));
}

static void reading_a_damaged_record_says_so(void **state) {
    struct testing *t = *state;
    assert_int_equal(testing_open(t), 0);
    for (int i = 0; i < 40; i++)
        assert_int_equal(testing_append_new(t, 1, 900, 3), 0);
    testing_close(t);
    size_t size = 0;
    uint8_t *image = testing_read(t, FIRST, &size);
    assert_non_null(image);
    image[BLOCK + 500] ^= 1;
    testing_write(t, FIRST, image, size);
    assert_int_equal(testing_open(t), 0); // only the last segment is read
    assert_int_equal(journal_read_queue(t->journal, 1, 1, 9, 9999, ignore, NULL, &t->error), JOURNAL_DAMAGED);
    assert_non_null(strstr(t->error.text, FIRST ": damaged at offset 4208"));
    assert_int_equal(journal_read_queue(t->journal, 1, 4, 3, 9999, ignore, NULL, &t->error), 0);
    testing_close(t);
    testing_write(t, FIRST, image, size - BLOCK);
    assert_int_equal(testing_open(t), 0);
    assert_int_equal(journal_read_queue(t->journal, 1, 1, 9, 9999, ignore, NULL, &t->error), JOURNAL_DAMAGED);
    assert_non_null(strstr(t->error.text, "foot"));
    free(image);
}

// Its damage stops only who asks for what may be in it.
static void a_damaged_foot_hides_no_other_segment(void **state) {
    struct testing *t = *state;
    assert_int_equal(testing_open(t), 0);
    while (journal_last(t->journal) < 600)
        assert_int_equal(testing_append_new(t, 1, 900, 3), 0);
    struct journal_status status;
    journal_status(t->journal, &status);
    testing_close(t);
    assert_in_range(status.segments, 5, 99);
    for (uint64_t broken = 1; broken < status.segments; broken++) {
        char name[SEGMENT_NAME_SIZE];
        size_t size = 0;
        segment_name(broken, name);
        uint8_t *image = testing_read(t, name, &size);
        assert_non_null(image);
        uint64_t foot = load_u64(image + size - 16);
        uint64_t first = load_u64(image + foot + 24);
        uint64_t last = load_u64(image + foot + 32);
        image[size - 3] ^= 1;
        testing_write(t, name, image, size);
        assert_int_equal(testing_open(t), 0);
        for (uint64_t position = 1; position <= 600; position++) { // record by record
            int rc = journal_read_queue(t->journal, 1, position, 1, 9999, ignore, NULL, &t->error);
            if (rc != (position >= first && position <= last ? JOURNAL_DAMAGED : 0))
                fail_msg("%d at %d with segment %d damaged", rc, (int)position, (int)broken);
        }
        testing_close(t);
        image[size - 3] ^= 1;
        testing_write(t, name, image, size);
        free(image);
    }
}

static int count_one(void *context, const struct journal_record *record, uint64_t position) {
    (void)record, (void)position;
    ++*(size_t *)context;
    return 0;
}

// A reading that goes on from one segment to the next asks them in turn: the damaged one between has none of
// this queue, since the positions go on behind it.
static void a_damaged_foot_stops_no_reading_across_it(void **state) {
    struct testing *t = *state;
    size_t seen = 0;
    size_t size = 0;
    assert_int_equal(testing_open(t), 0);
    assert_int_equal(testing_append_new(t, 1, 900, 3), 0);
    struct journal_status status = {0};
    while (status.segments < 4) {
        assert_int_equal(testing_append_new(t, 2, 900, 3), 0);
        journal_status(t->journal, &status);
    }
    assert_int_equal(testing_append_new(t, 1, 900, 3), 0);
    testing_close(t);
    uint8_t *image = testing_read(t, SECOND, &size);
    assert_non_null(image);
    image[size - 3] ^= 1;
    testing_write(t, SECOND, image, size);
    free(image);
    assert_int_equal(testing_open(t), 0);
    assert_int_equal(journal_read_queue(t->journal, 1, 1, 99, 1 << 20, count_one, &seen, &t->error), 0);
    assert_int_equal(seen, 6);
}

static void a_missing_segment_is_reported(void **state) {
    struct testing *t = *state;
    char path[256];
    assert_int_equal(testing_open(t), 0);
    for (int i = 0; i < 60; i++)
        assert_int_equal(testing_append_new(t, 1, 900, 3), 0);
    testing_close(t);
    testing_path(t, SECOND, path);
    assert_int_equal(unlink(path), 0);
    assert_damaged(t, SECOND ": the segment is missing", 0);
}

static void swapped_segments_are_reported(void **state) {
    struct testing *t = *state;
    assert_int_equal(testing_open(t), 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(testing_append_new(t, 1, 900, 3), 0);
    testing_close(t);
    size_t size = 0;
    uint8_t *image = testing_read(t, FIRST, &size);
    assert_non_null(image);
    testing_write(t, SECOND, image, size);
    assert_damaged(t, SECOND ": damaged at offset 0: the head is of another segment", 0);
    free(image);
}

// ---- Bytes of other times and places ----

static void stale_batches_behind_the_tail_are_never_current(void **state) {
    struct testing *t = *state;
    struct cut cut;
    make_cut(t, 3, 500, &cut);
    // As if the file had been used before: whole batches of another segment stand behind the tail, even right
    // at it.
    uint8_t *stale = malloc(cut.size);
    assert_non_null(stale);
    memcpy(stale, cut.image, cut.size);
    for (size_t at = BLOCK; at < cut.size; at += BLOCK) {
        struct batch_head head;
        if (batch_head_decode(bytes_of(stale + at, BLOCK), &head) == 0) {
            head.epoch ^= 1;
            batch_head_encode(&head, stale + at);
        }
    }
    uint8_t *image = malloc(cut.size);
    assert_non_null(image);
    for (size_t from = cut.tail; from < cut.size; from += BLOCK) {
        memcpy(image, cut.image, cut.tail);
        memset(image + cut.tail, 0, cut.size - cut.tail);
        size_t room = cut.size - from < cut.tail ? cut.size - from : cut.tail;
        memcpy(image + from, stale + BLOCK, room);
        testing_write(t, FIRST, image, cut.size);
        assert_recovers(t, &cut.before, "stale from", from);
    }
    free(image);
    free(stale);
    free(cut.image);
}

static void a_message_that_looks_like_a_batch_is_no_damage(void **state) {
    // A sender puts block after block of plausible headers into a message; then its batch is torn.
    struct testing *t = *state;
    struct cut cut;
    make_cut(t, 1, 9000, &cut);
    uint8_t header[BATCH_SIZE];
    struct batch_head head = {.length = 4096, .count = 1, .first_sequence = 4, .epoch = 99};
    batch_head_encode(&head, header);
    memcpy(cut.image + cut.tail + BLOCK, header, sizeof header);
    memcpy(cut.image + cut.tail + 2 * (size_t)BLOCK, header, sizeof header);
    testing_write(t, FIRST, cut.image, cut.size);
    assert_recovers(t, &cut.before, "a forged header", 1);
    free(cut.image);
}

static void a_reused_batch_of_the_same_place_is_refused(void **state) {
    // The same epoch and good CRCs, but another history before it: only the chain can tell.
    struct testing *t = *state;
    struct cut cut;
    make_cut(t, 2, 100, &cut);
    struct batch_head head;
    assert_int_equal(batch_head_decode(bytes_of(cut.image + cut.tail, BLOCK), &head), 0);
    head.chain[0] ^= 1;
    batch_head_encode(&head, cut.image + cut.tail);
    testing_write(t, FIRST, cut.image, cut.size);
    assert_damaged(t, "the chain is broken here", 0);
    head.chain[0] ^= 1;
    head.root[0] ^= 1;
    batch_head_encode(&head, cut.image + cut.tail);
    testing_write(t, FIRST, cut.image, cut.size);
    assert_damaged(t, "the Merkle root does not match", 0);
    free(cut.image);
}

// ---- Crashes around the change of segments ----

static void roll_once(struct testing *t) {
    char path[256];
    testing_path(t, SECOND, path);
    assert_int_equal(testing_open(t), 0);
    while (access(path, F_OK) && journal_last(t->journal) < 1000)
        assert_int_equal(testing_append_new(t, 1, 900, 3), 0);
}

static void a_crash_between_foot_and_next_head_goes_on(void **state) {
    struct testing *t = *state;
    char path[256];
    roll_once(t);
    struct witness before = t->witness;
    testing_close(t);
    testing_path(t, SECOND, path);
    for (int cut_too = 0; cut_too < 2; cut_too++) {
        assert_int_equal(unlink(path), 0);
        size_t size = 0;
        uint8_t *image = testing_read(t, FIRST, &size);
        assert_non_null(image);
        if (cut_too) { // the foot was written, the rest of the file not yet given back
            uint8_t *longer = calloc(1, size + 3 * (size_t)BLOCK);
            assert_non_null(longer);
            memcpy(longer, image, size);
            testing_write(t, FIRST, longer, size + 3 * (size_t)BLOCK);
            free(longer);
        }
        testing_write(t, "new.tmp", image, BLOCK);
        free(image);
        assert_int_equal(testing_open(t), 0);
        assert_true(witness_equal(&before, &t->witness));
        testing_close(t);
        assert_int_equal(testing_open(t), 0); // now from the checkpoint in the second
        assert_true(witness_equal(&before, &t->witness));
        struct journal_verdict verdict;
        assert_int_equal(journal_verify(t->folder, &verdict, &t->error), 0);
        assert_int_equal(verdict.records, before.count);
        testing_close(t);
    }
}

static void a_torn_foot_is_cut(void **state) {
    struct testing *t = *state;
    char path[256];
    roll_once(t);
    struct witness before = t->witness;
    testing_close(t);
    testing_path(t, SECOND, path);
    assert_int_equal(unlink(path), 0);
    size_t size = 0;
    uint8_t *image = testing_read(t, FIRST, &size);
    assert_non_null(image);
    uint64_t foot = load_u64(image + size - 16);
    image[foot + 70] ^= 1;
    memset(image + foot + 150, 0, size - foot - 150);
    testing_write(t, FIRST, image, size);
    free(image);
    assert_int_equal(testing_open(t), 0);
    assert_true(witness_equal(&before, &t->witness));
    assert_int_equal(testing_append_new(t, 1, 900, 3), 0);
    before = t->witness;
    testing_close(t);
    assert_int_equal(testing_open(t), 0);
    assert_true(witness_equal(&before, &t->witness));
}

static void spares_of_a_crash_are_erased(void **state) {
    struct testing *t = *state;
    assert_int_equal(testing_open(t), 0);
    assert_int_equal(testing_append_new(t, 1, 900, 3), 0);
    testing_close(t);
    size_t size = 0;
    uint8_t *image = testing_read(t, FIRST, &size);
    assert_non_null(image);
    for (int i = 0; i < 3; i++) { // one more than are kept
        char name[40];
        snprintf(name, sizeof name, "%020d.spare", 7 + i);
        testing_write(t, name, image, size);
    }
    free(image);
    assert_int_equal(testing_open(t), 0);
    uint8_t *spare = testing_read(t, "00000000000000000007.spare", &size);
    for (size_t i = 0; spare && i < size; i++)
        assert_int_equal(spare[i], 0);
    free(spare);
    assert_null(testing_read(t, "00000000000000000009.spare", &size));
    while (journal_last(t->journal) < 200)
        assert_int_equal(testing_append_new(t, 1, 900, 3), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, testing_setup, testing_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_tail_cut_at_any_byte_is_cut_at_the_batch),
        TEST(a_file_that_ends_at_any_byte_is_cut_at_the_batch),
        TEST(garbage_from_any_byte_is_cut_at_the_batch),
        TEST(any_set_of_lost_sectors_is_a_torn_tail),
        TEST(torn_bytes_are_told_and_cleared),
        TEST(any_bit_before_the_tail_is_reported),
        TEST(sealed_segments_are_whole_or_damaged),
        TEST(reading_a_damaged_record_says_so),
        TEST(a_body_that_makes_no_sense_has_its_place),
        TEST(a_damaged_foot_hides_no_other_segment),
        TEST(a_damaged_foot_stops_no_reading_across_it),
        TEST(a_missing_segment_is_reported),
        TEST(swapped_segments_are_reported),
        TEST(stale_batches_behind_the_tail_are_never_current),
        TEST(a_message_that_looks_like_a_batch_is_no_damage),
        TEST(a_reused_batch_of_the_same_place_is_refused),
        TEST(a_crash_between_foot_and_next_head_goes_on),
        TEST(a_torn_foot_is_cut),
        TEST(spares_of_a_crash_are_erased),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
