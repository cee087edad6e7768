// The set of positions and its bytes.
#include "adapters/runtime/positions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const uint8_t one[POSITIONS_BUS_SIZE] = {1};
static const uint8_t other[POSITIONS_BUS_SIZE] = {2};

static void fill(struct positions *positions) {
    positions_of(positions, one);
    ranges_raise(&positions->ranges, 1000);
    assert_int_equal(ranges_add(&positions->ranges, 1002, 1002), 0);
    assert_int_equal(ranges_add(&positions->ranges, 1004, 5000), 0);
    assert_int_equal(ranges_add(&positions->ranges, UINT64_MAX - 1, UINT64_MAX - 1), 0);
}

static void test_round_trip(void **state) {
    (void)state;
    struct positions positions = {0};
    struct positions back = {0};
    struct buffer text = {0};
    fill(&positions);
    assert_int_equal(positions_write(&positions, &text), 0);
    assert_int_equal(positions_read(&back, buffer_bytes(&text)), 0);
    assert_true(positions_is_of(&back, one));
    static const struct {
        uint64_t position;
        bool has;
    } cases[] = {{1000, true}, {1001, false}, {1002, true}, {1003, false}, {5000, true}, {5001, false},
        {UINT64_MAX - 1, true}, {UINT64_MAX, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(ranges_has(&back.ranges, cases[i].position), cases[i].has);
    positions_destroy(&positions);
    positions_destroy(&back);
    buffer_destroy(&text);
}

#define LANE(lane, offset) ((uint64_t)(lane) << 48 | (offset))

// Floors of three lanes, and what lies above them: all of it comes back, and each lane's floor rises by
// itself.
static void test_lanes(void **state) {
    (void)state;
    struct positions positions = {0};
    struct positions back = {0};
    struct buffer text = {0};
    positions_of(&positions, one);
    for (uint64_t lane = 0; lane < 3; lane++) {
        ranges_raise(&positions.ranges, LANE(lane, 1000 + lane));
        for (uint64_t offset = 1010; offset < 1100; offset += 3) // marks of transactions lie between
            assert_int_equal(ranges_add(&positions.ranges, LANE(lane, offset), LANE(lane, offset)), 0);
    }
    assert_int_equal(positions_write(&positions, &text), 0);
    assert_true(text.size < 300);
    assert_int_equal(positions_read(&back, buffer_bytes(&text)), 0);
    ranges_raise(&back.ranges, LANE(1, 1050));
    for (uint64_t lane = 0; lane < 4; lane++)
        for (uint64_t offset = 1; offset < 1200; offset++) {
            uint64_t floor = lane == 1 ? 1050 : lane < 3 ? 1000 + lane : 0;
            bool done = offset <= floor || (lane < 3 && offset >= 1010 && offset < 1100 && offset % 3 == 2);
            assert_int_equal(ranges_has(&back.ranges, LANE(lane, offset)), done);
        }
    positions_destroy(&positions);
    positions_destroy(&back);
    buffer_destroy(&text);
}

// As it was written before there were lanes: floor 300, then 302 to 303 and 310.
static void test_old_bytes(void **state) {
    (void)state;
    static const uint8_t numbers[] = {0xac, 0x02, 2, 1, 7, 0};
    uint8_t old[1 + POSITIONS_BUS_SIZE + sizeof numbers] = {1, 1};
    struct positions positions = {0};
    struct buffer text = {0};
    memcpy(old + 1 + POSITIONS_BUS_SIZE, numbers, sizeof numbers);
    assert_int_equal(positions_read(&positions, bytes_of(old, sizeof old)), 0);
    assert_true(positions_is_of(&positions, one));
    assert_true(ranges_has_all(&positions.ranges, 1, 300) && ranges_has_all(&positions.ranges, 302, 303));
    assert_true(ranges_has(&positions.ranges, 310) && !ranges_has(&positions.ranges, LANE(1, 1)));
    assert_false(ranges_has(&positions.ranges, 301) || ranges_has(&positions.ranges, 304));
    assert_int_equal(positions_write(&positions, &text), 0); // and so it is written still
    assert_true(bytes_equal(buffer_bytes(&text), bytes_of(old, sizeof old)));
    positions_destroy(&positions);
    buffer_destroy(&text);
}

static void test_another_bus(void **state) {
    (void)state;
    struct positions positions = {0};
    fill(&positions);
    positions_of(&positions, one);
    assert_true(ranges_has(&positions.ranges, 1002));
    positions_of(&positions, other);
    assert_false(ranges_has(&positions.ranges, 1));
    assert_true(positions_is_of(&positions, other));
    positions_destroy(&positions);
}

static void test_broken(void **state) {
    (void)state;
    struct positions positions = {0};
    struct buffer text = {0};
    fill(&positions);
    assert_int_equal(positions_write(&positions, &text), 0);
    positions_destroy(&positions);
    assert_int_equal(positions_read(&positions, (struct bytes){0}), -EINVAL);
    assert_int_equal(positions_read(&positions, bytes_of(text.data, POSITIONS_BUS_SIZE)), -EINVAL);
    assert_int_equal(positions_read(&positions, bytes_of(text.data, text.size - 1)), -EINVAL);
    text.data[0] = 9;
    assert_int_equal(positions_read(&positions, buffer_bytes(&text)), -EINVAL);
    assert_int_equal(positions.ranges.count, 0);
    // A distance that runs over the end.
    uint8_t over[64] = {1};
    memset(over + 1 + POSITIONS_BUS_SIZE, 0xff, 9);
    over[10 + POSITIONS_BUS_SIZE] = 1;
    over[11 + POSITIONS_BUS_SIZE] = 1;
    assert_int_equal(positions_read(&positions, bytes_of(over, 13 + POSITIONS_BUS_SIZE)), -EINVAL);
    buffer_destroy(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_lanes),
        cmocka_unit_test(test_old_bytes),
        cmocka_unit_test(test_another_bus),
        cmocka_unit_test(test_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
