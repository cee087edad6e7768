// Positions of several lanes (HUTONG_LANE_SHIFT): the set of them, and the inbox over restarts.
#include "core/base/varint.h"
#include "core/journal/journal.h"
#include "sdk/hutong.h"
#include "sdk/inbox.h"
#include "sdk/ranges.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define LANE(lane, offset) ((uint64_t)(lane) << HUTONG_LANE_SHIFT | (offset))

// ---- The set ----

static void a_floor_is_its_lanes(void **state) {
    (void)state;
    struct ranges ranges = {0};
    assert_int_equal(ranges_add(&ranges, 5, 5), 0);
    assert_int_equal(ranges_add(&ranges, LANE(1, 5), LANE(1, 6)), 0);
    assert_int_equal(ranges_add(&ranges, LANE(1, 9), LANE(1, 9)), 0);
    assert_int_equal(ranges_add(&ranges, LANE(4, 2), LANE(4, 2)), 0);
    ranges_raise(&ranges, LANE(1, 7)); // swallows 5 to 6
    assert_true(ranges_has_all(&ranges, LANE(1, 1), LANE(1, 7)) && ranges_has(&ranges, LANE(1, 9)));
    assert_false(ranges_has(&ranges, LANE(1, 8)) || ranges_has_all(&ranges, LANE(1, 7), LANE(1, 9)));
    assert_true(ranges.floor == 0 && ranges.count == 4); // 5, 1 to 7 and 9 of lane 1, 2 of lane 4
    assert_false(
        ranges_has(&ranges, 4) || ranges_has(&ranges, LANE(4, 1)) || ranges_has(&ranges, LANE(3, 1)));
    ranges_raise(&ranges, LANE(1, 3)); // lower: nothing
    ranges_raise(&ranges, LANE(2, 0)); // nothing is settled there
    assert_int_equal(ranges.count, 4);
    ranges_raise(&ranges, 4);
    assert_true(ranges.floor == 5 && ranges.count == 3);
    assert_false(ranges_has_all(&ranges, 4, 6));
    ranges_raise(&ranges, LANE(1, 8));
    ranges_raise(&ranges, LANE(4, 2));
    assert_int_equal(ranges.count, 2);
    assert_true(ranges_has(&ranges, LANE(1, 9)) && ranges_has(&ranges, LANE(4, 1)));
    assert_false(
        ranges_has(&ranges, LANE(1, 10)) || ranges_has(&ranges, LANE(4, 3)) || ranges_has(&ranges, 6));
    ranges_destroy(&ranges);
}

// The last position of a lane and the first of the next are never joined, from either side.
static void lanes_never_touch(void **state) {
    (void)state;
    static const uint64_t positions[] = {LANE(1, 0) - 1, LANE(1, 1), LANE(2, 1), LANE(2, 0) - 1};
    struct ranges ranges = {0};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(ranges_add(&ranges, positions[i], positions[i]), 0);
    assert_int_equal(ranges.count, 4);
    ranges_raise(&ranges, LANE(1, 0) - 1);
    assert_true(ranges.floor == LANE(1, 0) - 1 && ranges.count == 3);
    ranges_raise(&ranges, LANE(2, 0) - 1);
    assert_true(ranges.floor == LANE(1, 0) - 1 && ranges.count == 2);
    assert_int_equal(ranges.items[0].last, LANE(2, 0) - 1);
    assert_int_equal(ranges.items[1].first, LANE(2, 1));
    ranges_destroy(&ranges);
}

static void what_touches_takes_no_room(void **state) {
    (void)state;
    struct ranges ranges = {0};
    ranges_raise(&ranges, LANE(2, 4));
    assert_int_equal(ranges_add(&ranges, LANE(2, 9), LANE(2, 9)), 0);
    static const uint64_t near[] = {1, LANE(2, 3), LANE(2, 5), LANE(2, 8), LANE(2, 9), LANE(2, 10)};
    static const uint64_t far[] = {2, LANE(1, 1), LANE(2, 6), LANE(2, 7), LANE(2, 11), LANE(3, 1)};
    for (size_t i = 0; i < 6; i++)
        assert_true(ranges_touch(&ranges, near[i]) && !ranges_touch(&ranges, far[i]));
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(ranges_add(&ranges, near[i], near[i]), 0);
        assert_int_equal(ranges.count, 2);
    }
    ranges_destroy(&ranges);
}

// ---- The inbox ----

static char folder[] = "/tmp/hutong-lanes-XXXXXX";
static const uint8_t here[INBOX_BUS_SIZE] = "here";
static const uint8_t there[INBOX_BUS_SIZE] = "there";

static int setup(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/hutong-lanes-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static size_t each_file(bool remove) {
    size_t count = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir)) != NULL; count++) {
        char file[600];
        snprintf(file, sizeof file, "%s/%s", folder, entry->d_name);
        if (remove)
            unlink(file);
    }
    if (dir)
        closedir(dir);
    return count;
}

static int teardown(void **state) {
    (void)state;
    each_file(true);
    return rmdir(folder);
}

static struct inbox *open_inbox(void) {
    struct inbox *inbox = NULL;
    struct error error;
    if (inbox_open(folder, &inbox, &error) != 0)
        fail_msg("%s", error.text);
    return inbox;
}

static void add(struct inbox *inbox, uint64_t position) {
    struct error error;
    assert_int_equal(inbox_add(inbox, here, &position, 1, &error), 0);
}

// Pruning one lane forgets nothing of another, and every lane's floor outlives a restart.
static void lanes_are_pruned_apart(void **state) {
    (void)state;
    struct inbox *inbox = open_inbox();
    add(inbox, 3);
    add(inbox, LANE(1, 3));
    add(inbox, LANE(1, 9));
    add(inbox, LANE(2, 3));
    inbox_prune(inbox, here, LANE(1, 7));
    inbox_prune(inbox, there, LANE(2, 7));
    inbox_prune(inbox, here, LANE(3, 0)); // nothing is settled in that lane
    add(inbox, LANE(2, 12));
    for (int lives = 0; lives < 2; lives++) {
        assert_true(inbox_has(inbox, here, 3) && inbox_has(inbox, here, LANE(2, 3)));
        assert_true(inbox_has(inbox, here, LANE(1, 1)) && inbox_has(inbox, here, LANE(1, 7)));
        assert_true(inbox_has(inbox, here, LANE(1, 9)) && inbox_has(inbox, here, LANE(2, 12)));
        assert_false(inbox_has(inbox, here, 1) || inbox_has(inbox, here, 4));
        assert_false(inbox_has(inbox, here, LANE(1, 8)) || inbox_has(inbox, here, LANE(1, 10)));
        assert_false(inbox_has(inbox, here, LANE(2, 1)) || inbox_has(inbox, here, LANE(2, 4)));
        assert_false(inbox_has(inbox, here, LANE(3, 1)) || inbox_has(inbox, there, LANE(1, 1)));
        inbox_close(&inbox);
        inbox = open_inbox();
    }
    // A floor that was told and not written yet takes nothing with it when the process ends.
    inbox_prune(inbox, here, LANE(2, 5));
    inbox_close(&inbox);
    inbox = open_inbox();
    assert_true(inbox_has(inbox, here, LANE(2, 3)) && inbox_has(inbox, here, LANE(2, 12)));
    inbox_close(&inbox);
}

#define LANES 4u
#define OFFSETS 400u

struct model {
    bool done[LANES][OFFSETS];
    uint64_t next[LANES];
    uint64_t seed;
};

static uint64_t chance(struct model *model, uint64_t below) {
    model->seed = model->seed * 6364136223846793005u + 1442695040888963407u;
    return (model->seed >> 33) % below;
}

// Some positions of all lanes in turn; one in eight is left out, and so unsettled.
static void add_some(struct model *model, struct inbox *inbox) {
    uint64_t positions[16];
    size_t count = 0;
    struct error error;
    while (count < 1 + chance(model, 15)) {
        uint64_t lane = chance(model, LANES);
        uint64_t offset = model->next[lane] += 1 + chance(model, 3); // marks of transactions lie between
        if (offset >= OFFSETS)
            return;
        if (chance(model, 8) == 0)
            continue;
        model->done[lane][offset] = true;
        positions[count++] = LANE(lane, offset);
    }
    assert_int_equal(inbox_add(inbox, here, positions, count, &error), 0);
}

static void prune_one(struct model *model, struct inbox *inbox) {
    uint64_t lane = chance(model, LANES);
    uint64_t floor = model->next[lane] < OFFSETS ? chance(model, model->next[lane] + 1) : 0;
    for (uint64_t offset = 1; offset <= floor; offset++)
        model->done[lane][offset] = true;
    inbox_prune(inbox, here, LANE(lane, floor));
}

static void compare(const struct model *model, const struct inbox *inbox) {
    for (uint64_t lane = 0; lane < LANES; lane++)
        for (uint64_t offset = 1; offset < OFFSETS; offset++)
            if (inbox_has(inbox, here, LANE(lane, offset)) != model->done[lane][offset])
                fail_msg("lane %u offset %u", (unsigned)lane, (unsigned)offset);
}

// Against a plain table, with chance. What was pruned counts again only once it is written, so a restart
// comes behind a write.
static void lanes_agree_with_a_table(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct model model = {.seed = seed};
        struct inbox *inbox = open_inbox();
        for (int step = 0; step < 60; step++) {
            if (chance(&model, 3) == 0)
                prune_one(&model, inbox);
            add_some(&model, inbox);
            compare(&model, inbox);
            if (chance(&model, 6) > 0)
                continue;
            inbox_close(&inbox);
            inbox = open_inbox();
            compare(&model, inbox);
        }
        inbox_close(&inbox);
        each_file(true);
    }
}

#define ROUNDS 160

// More than a segment's worth of three lanes, of which one is stuck until the end: memory and disk hold what
// lies behind it, and no more.
static void lanes_stay_small(void **state) {
    (void)state;
    struct error error;
    struct inbox *inbox = open_inbox();
    static uint64_t positions[3000];
    uint64_t offset = 3; // 1 of lane 1 is not settled
    for (int round = 1; round <= ROUNDS; round++) {
        for (size_t i = 0; i < 3000; i += 3, offset += 2)
            for (size_t lane = 0; lane < 3; lane++)
                positions[i + lane] = LANE(lane + 1, offset);
        assert_int_equal(inbox_add(inbox, here, positions, 3000, &error), 0);
        inbox_prune(inbox, here, LANE(2, offset - 50));
        inbox_prune(inbox, here, LANE(3, offset - 50));
        assert_in_range(inbox_ranges(inbox), 1000 * round, 1000 * round + 100);
    }
    inbox_prune(inbox, here, LANE(1, offset - 50));
    assert_in_range(inbox_ranges(inbox), 1, 100);
    add(inbox, LANE(4, 1));
    assert_true(each_file(false) < 10);
    inbox_close(&inbox);
    inbox = open_inbox();
    assert_in_range(inbox_ranges(inbox), 1, 100);
    assert_true(inbox_has(inbox, here, LANE(1, 1)) && inbox_has(inbox, here, LANE(3, offset - 2)));
    assert_false(inbox_has(inbox, here, LANE(1, offset - 1)) || inbox_has(inbox, here, 1));
    inbox_close(&inbox);
}

// ---- Files of before there were lanes ----

static int put_number(struct buffer *out, uint64_t value) {
    uint8_t bytes[VARINT_SIZE];
    return buffer_append(out, bytes, varint_put(bytes, value));
}

static void put_numbers(struct buffer *out, const uint64_t *numbers, size_t count) {
    for (size_t i = 0; i < count; i++)
        assert_int_equal(put_number(out, numbers[i]), 0);
}

// A bus with floor 10 and two ranges, 12 to 13 and 20.
static void put_old(struct buffer *out, bool distances) {
    const uint64_t numbers[] = {10, 2, distances ? 2 : 12, 1, distances ? 7 : 20, 0};
    assert_int_equal(buffer_append(out, here, INBOX_BUS_SIZE), 0);
    put_numbers(out, numbers, sizeof numbers / sizeof *numbers);
}

// So large that a segment ends with it, and of another bus.
static void put_filling(struct buffer *out) {
    static const uint64_t head[] = {0, 600000}, range[] = {20, 0};
    assert_int_equal(buffer_append(out, there, INBOX_BUS_SIZE), 0);
    put_numbers(out, head, 2);
    for (uint64_t i = 0; i < head[1]; i++)
        put_numbers(out, range, 2);
}

static int old_checkpoint(void *context, struct buffer *out) {
    const uint64_t *version = context;
    assert_int_equal(put_number(out, *version), 0);
    put_old(out, *version == 2);
    return 0;
}

static int nothing_to_restore(void *context, struct bytes checkpoint, struct error *error) {
    (void)context;
    (void)checkpoint;
    (void)error;
    return 0;
}

static int nothing_to_replay(void *context, const struct journal_record *record, struct error *error) {
    (void)context;
    (void)record;
    (void)error;
    return 0;
}

// `version` of the checkpoint; 0: the same in a record, and no checkpoint.
static void write_old(uint64_t version) {
    struct journal *journal;
    struct error error;
    struct journal_options options = {.folder = folder, .segment_size = 1u << 20};
    struct journal_owner owner = {.context = &version,
        .restore = nothing_to_restore,
        .replay = nothing_to_replay,
        .checkpoint = old_checkpoint};
    struct journal_batch *batch = journal_batch_new(16u << 20);
    struct buffer body = {0};
    assert_int_equal(journal_file_open(&options, &owner, &journal, &error), 0);
    if (version == 0)
        put_old(&body, false);
    else
        put_filling(&body);
    struct bytes part = buffer_bytes(&body);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(journal_batch_add(batch, 1, NULL, 0, &part, 1), 0);
        assert_int_equal(journal_append(journal, batch, &error), 0);
    }
    struct journal_status status;
    journal_status(journal, &status);
    assert_int_equal(status.segments > 1, version > 0);
    journal_batch_destroy(&batch);
    buffer_destroy(&body);
    journal_close(&journal);
}

static void old_files_are_read(void **state) {
    (void)state;
    for (uint64_t version = 0; version <= 2; version++) {
        write_old(version);
        struct inbox *inbox = open_inbox();
        for (int lives = 0; lives < 2; lives++) {
            assert_true(
                inbox_has(inbox, here, 10) && inbox_has(inbox, here, 13) && inbox_has(inbox, here, 20));
            assert_false(
                inbox_has(inbox, here, 11) || inbox_has(inbox, here, 14) || inbox_has(inbox, here, 21));
            assert_int_equal(inbox_has(inbox, here, LANE(1, 1)), lives > 0);
            inbox_prune(inbox, here, LANE(1, 2));
            add(inbox, LANE(2, 1));
            inbox_close(&inbox);
            inbox = open_inbox();
        }
        inbox_close(&inbox);
        each_file(true);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_floor_is_its_lanes),
        cmocka_unit_test(lanes_never_touch),
        cmocka_unit_test(what_touches_takes_no_room),
        cmocka_unit_test_setup_teardown(lanes_are_pruned_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(lanes_agree_with_a_table, setup, teardown),
        cmocka_unit_test_setup_teardown(lanes_stay_small, setup, teardown),
        cmocka_unit_test_setup_teardown(old_files_are_read, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
