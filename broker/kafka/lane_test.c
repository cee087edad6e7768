// A partition's account: what is settled, what failed, which repeats are void, across owners.
#include "broker/kafka/lane.h"
#include "test/support/alloc_fail.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const struct lane_origin nobody;

static struct lane_origin from(const char *stream, uint64_t sequence, uint32_t element) {
    return (struct lane_origin){
        .stream = bytes_of(stream, LANE_STREAM_SIZE), .sequence = sequence, .element = element};
}

#define A "aaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbb"

static int look(struct lane *lane, uint64_t number, const char *stream, uint64_t sequence, uint32_t element) {
    const struct lane_origin origin = from(stream, sequence, element);
    return lane_look(lane, number, &origin);
}

static uint64_t past(struct bytes state, const struct buffer *streams) {
    struct bytes kept = streams ? buffer_bytes(streams) : bytes_of(NULL, 0);
    return lane_past(state, &kept);
}

static void what_no_owner_reads_again_is_past(void **state) {
    (void)state;
    struct lane lane;
    struct buffer streams = {0};
    struct buffer kept = {0};
    assert_int_equal(lane_init(&lane, 0), 0);
    assert_int_equal(look(&lane, 1, A, 1, 1), LANE_NEW);
    assert_int_equal(look(&lane, 2, A, 2, 1), LANE_NEW);
    assert_int_equal(lane_streams(&lane, &streams), 0);
    assert_int_equal(lane_settle(&lane, 1), 0);
    assert_int_equal(lane_state(&lane, &kept), 0);
    assert_int_equal(past(buffer_bytes(&kept), &streams), 1); // the second waits
    assert_int_equal(past(buffer_bytes(&kept), NULL), 0);
    assert_int_equal(lane_past(buffer_bytes(&kept), NULL), 1);
    assert_int_equal(lane_past(bytes_of_string("no state"), NULL), 0);
    assert_int_equal(past(bytes_of(NULL, 0), &streams), 0);
    assert_int_equal(past(bytes_of_string("no state"), &streams), 0);
    assert_int_equal(look(&lane, 5, A, 3, 1), LANE_NEW);
    assert_int_equal(lane_settle(&lane, 2), 0);
    assert_int_equal(lane_settle(&lane, 5), 0);
    buffer_clear(&kept);
    assert_int_equal(lane_state(&lane, &kept), 0);
    assert_int_equal(past(buffer_bytes(&kept), &streams), 2); // behind it the streams are still to be read
    buffer_destroy(&kept);
    buffer_destroy(&streams);
    lane_destroy(&lane);
}

// The next owner, which has what was committed: the offset, the state, and `streams` of some time before.
static struct lane next_owner(const struct lane *lane, const struct buffer *streams) {
    struct lane next;
    struct buffer state = {0};
    assert_int_equal(lane_state(lane, &state), 0);
    assert_int_equal(lane_init(&next, lane->settled), 0);
    assert_int_equal(lane_restore_state(&next, buffer_bytes(&state)), 0);
    assert_int_equal(lane_restore_streams(&next, streams ? buffer_bytes(streams) : bytes_of(NULL, 0)), 0);
    buffer_destroy(&state);
    return next;
}

static void what_lies_between_is_settled(void **state) {
    (void)state;
    struct lane lane;
    assert_int_equal(lane_init(&lane, 0), 0);
    assert_int_equal(lane_start(&lane), 1);
    assert_int_equal(lane_look(&lane, 3, &nobody), LANE_NEW); // 1 and 2 are marks, or were deleted
    assert_int_equal(lane.settled, 2);
    assert_int_equal(lane_look(&lane, 4, &nobody), LANE_NEW);
    assert_int_equal(lane_look(&lane, 6, &nobody), LANE_NEW);
    assert_int_equal(lane_settle(&lane, 4), 0);
    assert_int_equal(lane.settled, 2);
    assert_int_equal(lane_settle(&lane, 3), 0);
    assert_int_equal(lane.settled, 5);
    assert_int_equal(lane_look(&lane, 6, &nobody), LANE_OVER); // it comes a second time
    lane_destroy(&lane);
}

static void a_repeat_is_void(void **state) {
    (void)state;
    struct lane lane;
    assert_int_equal(lane_init(&lane, 0), 0);
    assert_int_equal(look(&lane, 1, A, 5, 1), LANE_NEW);
    assert_int_equal(look(&lane, 2, A, 5, 2), LANE_NEW); // another delivery of the same message
    assert_int_equal(look(&lane, 3, B, 1, 1), LANE_NEW);
    assert_int_equal(look(&lane, 4, A, 7, 1), LANE_NEW);
    assert_int_equal(look(&lane, 5, A, 5, 1), LANE_OVER);
    assert_int_equal(look(&lane, 6, A, 5, 2), LANE_OVER);
    assert_int_equal(look(&lane, 7, A, 7, 1), LANE_OVER);
    assert_int_equal(look(&lane, 8, A, 8, 1), LANE_NEW);
    assert_int_equal(lane_look(&lane, 9, &nobody), LANE_NEW); // it has no number: never a repeat
    for (uint64_t number = 1; number <= 9; number++)
        assert_int_equal(lane_settle(&lane, number), 0);
    assert_int_equal(lane.settled, 9);
    lane_destroy(&lane);
}

static void the_next_owner_goes_on(void **state) {
    (void)state;
    struct lane lane;
    struct buffer streams = {0};
    assert_int_equal(lane_init(&lane, 0), 0);
    for (uint64_t number = 1; number <= 3; number++)
        assert_int_equal(look(&lane, number, A, number, 1), LANE_NEW);
    assert_int_equal(lane_streams(&lane, &streams), 0); // up to 3
    for (uint64_t number = 4; number <= 6; number++)
        assert_int_equal(look(&lane, number, A, number, 1), LANE_NEW);
    assert_int_equal(look(&lane, 7, A, 2, 1), LANE_OVER);
    const uint64_t done[] = {1, 2, 3, 4, 6};
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(lane_settle(&lane, done[i]), 0);
    assert_int_equal(lane.settled, 4);
    struct lane next = next_owner(&lane, &streams);
    assert_int_equal(lane_start(&next), 4); // what was settled since is read once more
    assert_int_equal(look(&next, 4, A, 4, 1), LANE_OVER);
    assert_int_equal(look(&next, 5, A, 5, 1), LANE_NEW);
    assert_int_equal(look(&next, 6, A, 6, 1), LANE_OVER);
    assert_int_equal(look(&next, 7, A, 2, 1), LANE_OVER);
    assert_int_equal(look(&next, 8, A, 6, 1), LANE_OVER); // a stopped broker's, committed late
    assert_int_equal(look(&next, 9, A, 7, 1), LANE_NEW);
    assert_int_equal(next.settled, 4);
    lane_destroy(&lane);
    lane_destroy(&next);
    // With newer streams than what is settled, they are not judged again.
    buffer_clear(&streams);
    assert_int_equal(lane_init(&lane, 0), 0);
    assert_int_equal(look(&lane, 1, A, 1, 1), LANE_NEW);
    assert_int_equal(look(&lane, 2, A, 1, 1), LANE_OVER);
    assert_int_equal(lane_streams(&lane, &streams), 0);
    next = next_owner(&lane, &streams);
    assert_int_equal(lane_start(&next), 1);
    assert_int_equal(look(&next, 1, A, 1, 1), LANE_NEW);
    assert_int_equal(look(&next, 2, A, 1, 1), LANE_OVER);
    lane_destroy(&lane);
    lane_destroy(&next);
    buffer_destroy(&streams);
}

// The partition goes to one who writes down what it knows before it has looked at anything, and on to a
// third.
static void an_owner_that_looked_at_nothing_costs_nothing(void **state) {
    (void)state;
    struct lane lane;
    struct buffer streams = {0};
    assert_int_equal(lane_init(&lane, 0), 0);
    for (uint64_t number = 1; number <= 9; number++)
        assert_int_equal(look(&lane, number, A, number, 1), LANE_NEW);
    assert_int_equal(lane_settle(&lane, 1), 0);
    assert_int_equal(lane_streams(&lane, &streams), 0);
    struct lane second = next_owner(&lane, &streams);
    assert_int_equal(look(&second, 2, A, 2, 1), LANE_NEW);
    buffer_clear(&streams);
    assert_int_equal(lane_streams(&second, &streams), 0);
    struct lane third = next_owner(&second, &streams);
    for (uint64_t number = 2; number <= 9; number++)
        assert_int_equal(look(&third, number, A, number, 1), LANE_NEW);
    assert_int_equal(look(&third, 10, A, 9, 1), LANE_OVER);
    lane_destroy(&third);
    lane_destroy(&second);
    lane_destroy(&lane);
    buffer_destroy(&streams);
}

static void a_failure_is_kept_until_it_is_settled(void **state) {
    (void)state;
    struct lane lane;
    Hutong__Bus__V1__FailedDelivery failed = HUTONG__BUS__V1__FAILED_DELIVERY__INIT;
    failed.position = 77; // the broker's own
    failed.failures = 3;
    failed.text = (char *)(uintptr_t)"no such household";
    assert_int_equal(lane_init(&lane, 10), 0);
    assert_int_equal(lane_look(&lane, 11, &nobody), LANE_NEW);
    assert_int_equal(lane_look(&lane, 12, &nobody), LANE_NEW);
    assert_int_equal(lane_fail(&lane, 12, &failed), 0);
    failed.failures = 4;
    assert_int_equal(lane_fail(&lane, 12, &failed), 0);
    struct lane next = next_owner(&lane, NULL);
    assert_null(lane_failure(&next, 11));
    const struct buffer *kept = lane_failure(&next, 12);
    assert_non_null(kept);
    Hutong__Bus__V1__FailedDelivery *read =
        hutong__bus__v1__failed_delivery__unpack(NULL, kept->size, kept->data);
    assert_non_null(read);
    assert_int_equal(read->position, 12);
    assert_int_equal(read->failures, 4);
    assert_string_equal(read->text, "no such household");
    hutong__bus__v1__failed_delivery__free_unpacked(read, NULL);
    assert_int_equal(lane_settle(&next, 12), 0);
    assert_null(lane_failure(&next, 12));
    assert_int_equal(lane_fail(&next, 12, &failed), 0); // it is over
    assert_null(lane_failure(&next, 12));
    lane_destroy(&next);
    lane_destroy(&lane);
}

static void what_no_owner_wrote_is_refused(void **state) {
    (void)state;
    static const char *const states[] = {
        "\x0a", "\x12\x02\x08\x00", "\x12\x0d\x08\x05\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"};
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        struct lane lane;
        assert_int_equal(lane_init(&lane, 0), 0);
        assert_int_equal(lane_restore_state(&lane, bytes_of(states[i], i == 2 ? 15 : i ? 4 : 1)), -EBADMSG);
        lane_destroy(&lane);
    }
    static const char *const streams[] = {"\x0a", "\x12\x03\x0a\x01"
                                                  "a"};
    for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++) {
        struct lane lane;
        assert_int_equal(lane_init(&lane, 0), 0);
        assert_int_equal(lane_restore_streams(&lane, bytes_of(streams[i], i ? 5 : 1)), -EBADMSG);
        lane_destroy(&lane);
    }
}

static int live(struct lane *lane, struct buffer *state, struct buffer *streams) {
    Hutong__Bus__V1__FailedDelivery failed = HUTONG__BUS__V1__FAILED_DELIVERY__INIT;
    int rc = lane_init(lane, 0);
    for (uint64_t number = 2; number <= 40 && rc == 0; number += 2)
        rc = look(lane, number, number % 4 ? A : B, number, 1);
    for (uint64_t number = 4; number <= 36 && rc == 0; number += 4)
        rc = lane_settle(lane, number);
    rc = rc ? rc : lane_fail(lane, 6, &failed);
    rc = rc ? rc : lane_state(lane, state);
    return rc ? rc : lane_streams(lane, streams);
}

static int revive(struct lane *lane, const struct buffer *state, const struct buffer *streams) {
    int rc = lane_init(lane, 0);
    rc = rc ? rc : lane_restore_state(lane, buffer_bytes(state));
    return rc ? rc : lane_restore_streams(lane, buffer_bytes(streams));
}

static void no_memory_is_said(void **state) {
    (void)state;
    struct buffer kept = {0};
    struct buffer streams = {0};
    int rc = -ENOMEM;
    for (size_t n = 0; rc; n++) {
        struct lane lane;
        buffer_destroy(&kept);
        buffer_destroy(&streams);
        alloc_fail_after(n);
        rc = live(&lane, &kept, &streams);
        alloc_fail_never();
        assert_true(rc == 0 || rc == -ENOMEM);
        lane_destroy(&lane);
    }
    rc = -ENOMEM;
    for (size_t n = 0; rc; n++) {
        struct lane lane;
        alloc_fail_after(n);
        rc = revive(&lane, &kept, &streams);
        alloc_fail_never();
        assert_true(rc != 0 || lane.beyond.count > 0);
        lane_destroy(&lane);
    }
    buffer_destroy(&kept);
    buffer_destroy(&streams);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_lies_between_is_settled),
        cmocka_unit_test(a_repeat_is_void),
        cmocka_unit_test(the_next_owner_goes_on),
        cmocka_unit_test(what_no_owner_reads_again_is_past),
        cmocka_unit_test(an_owner_that_looked_at_nothing_costs_nothing),
        cmocka_unit_test(a_failure_is_kept_until_it_is_settled),
        cmocka_unit_test(what_no_owner_wrote_is_refused),
        cmocka_unit_test(no_memory_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
