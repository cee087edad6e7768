// The activations that a process keeps for its history: the last ones, in order, within bounds.
#include "broker/kafka/journal_internal.h"
#include "test/support/alloc_fail.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { QUEUE = 4 };
static uint8_t large[(size_t)6 << 20];

static int keep(struct activations *kept, uint64_t position, struct bytes body) {
    const struct journal_entry entry = {.queue = QUEUE, .position = position};
    const struct journal_record record = {.kind = HUTONG__BUS__V1__RECORD_KIND__RECORD_ACTIVATED,
        .entries = &entry,
        .entry_count = 1,
        .body = body};
    return activations_keep(kept, &record);
}

static int note(void *context, const struct journal_record *record, uint64_t position) {
    assert_true(record->body.data && record->time_ns > 0);
    return buffer_append_format(context, "%llu,", (unsigned long long)position);
}

static void expect(const struct activations *kept, uint32_t queue, uint64_t from, size_t count, size_t bytes,
    const char *text) {
    struct buffer seen = {0};
    assert_int_equal(activations_read(kept, queue, from, count, bytes, note, &seen), 0);
    assert_string_equal(buffer_text(&seen), text);
    buffer_destroy(&seen);
}

static void they_are_read_from_where_they_are_wanted(void **state) {
    (void)state;
    struct activations kept = {0};
    expect(&kept, QUEUE, 1, 9, 9, "");
    for (uint64_t i = 1; i <= 4; i++)
        assert_int_equal(keep(&kept, i, bytes_of_string("four")), 0);
    expect(&kept, QUEUE, 1, 9, 99, "1,2,3,4,");
    expect(&kept, QUEUE, 3, 9, 99, "3,4,");
    expect(&kept, QUEUE, 1, 2, 99, "1,2,");
    expect(&kept, QUEUE, 1, 9, 6, "1,2,"); // one more than fits, as of any queue
    expect(&kept, QUEUE + 1, 1, 9, 99, "");
    activations_destroy(&kept);
}

static void the_oldest_go(void **state) {
    (void)state;
    struct activations kept = {0};
    for (uint64_t i = 1; i <= 70; i++)
        assert_int_equal(keep(&kept, i, bytes_of_string("four")), 0);
    expect(&kept, QUEUE, 1, 2, 99, "7,8,");
    for (uint64_t i = 71; i <= 73; i++)
        assert_int_equal(keep(&kept, i, bytes_of(large, sizeof large)), 0);
    expect(&kept, QUEUE, 1, 9, sizeof large * 3, "72,73,");
    activations_destroy(&kept);
    assert_true(kept.count == 0 && kept.bytes == 0);
}

static void no_memory_is_said(void **state) {
    (void)state;
    struct activations kept = {0};
    int rc = -ENOMEM;
    for (size_t n = 0; rc; n++) {
        alloc_fail_once(n);
        rc = keep(&kept, 1, bytes_of_string("four"));
        alloc_fail_never();
        assert_true(rc == 0 || (rc == -ENOMEM && kept.count == 0));
    }
    activations_destroy(&kept);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_are_read_from_where_they_are_wanted),
        cmocka_unit_test(the_oldest_go),
        cmocka_unit_test(no_memory_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
