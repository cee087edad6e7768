// Publishers' streams: what of them is to be said, under which key, and which of what brokers said of one
// counts.
#include "broker/kafka/journal_internal.h"
#include "test/support/alloc_fail.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define STREAM "aaaaaaaaaaaaaaaa"

static void add(struct authors *authors, uint32_t id, const char *system) {
    assert_int_equal(authors_add(authors, id, system, bytes_of_string(STREAM)), 0);
}

static void expect_said(struct authors *authors, const char *system, uint64_t sequence) {
    const struct author *author = authors_news(authors);
    assert_non_null(author);
    assert_string_equal(author->system, system);
    assert_int_equal(author->sequence, sequence);
    authors_said(authors);
}

static void what_was_decided_is_said_once(void **state) {
    (void)state;
    struct authors authors = {0};
    add(&authors, 1, "a/one");
    add(&authors, 2, "a/two");
    add(&authors, 3, "a/three");
    assert_null(authors_news(&authors));
    authors_advance(&authors, 1, 5);
    authors_advance(&authors, 3, 7);
    authors_advance(&authors, 1, 9);
    authors_advance(&authors, 1, 8); // not above
    authors_advance(&authors, 4, 8); // of no durable stream
    expect_said(&authors, "a/three", 7);
    expect_said(&authors, "a/one", 9);
    assert_null(authors_news(&authors));
    authors_advance(&authors, 1, 9);
    assert_null(authors_news(&authors));
    authors_advance(&authors, 1, 10);
    expect_said(&authors, "a/one", 10);
    assert_int_equal(authors_add(&authors, 2, "b/other", bytes_of_string(STREAM)), -EBADMSG);
    authors_destroy(&authors);
}

static void a_key_without_the_brokers_name(void **state) {
    (void)state;
    struct buffer key = {0};
    assert_int_equal(author_key("a/one", (const uint8_t *)STREAM, &key), 0);
    assert_int_equal(key.size, 6 + 16);
    assert_true(bytes_equal(author_key_of(buffer_bytes(&key)), buffer_bytes(&key)));
    assert_int_equal(buffer_append(&key, "broker-1", 8), 0);
    assert_true(bytes_equal(author_key_of(buffer_bytes(&key)), bytes_of("a/one\0" STREAM, 22)));
    assert_true(bytes_equal_string(author_key_of(bytes_of_string("no key of ours")), "no key of ours"));
    assert_int_equal(author_key_of(bytes_of("a\0cut", 5)).size, 5);
    assert_int_equal(author_key_of(bytes_of("", 0)).size, 0);
    buffer_destroy(&key);
}

static struct bytes said(uint64_t sequence, uint8_t room[32]) {
    Hutong__Bus__V1__StreamState state = HUTONG__BUS__V1__STREAM_STATE__INIT;
    state.sequence = sequence;
    return bytes_of(room, hutong__bus__v1__stream_state__pack(&state, room));
}

static void of_a_stream_the_highest_counts(void **state) {
    (void)state;
    uint8_t low[32];
    uint8_t high[32];
    assert_true(streams_counts(said(20, low), said(300, high)));
    assert_false(streams_counts(said(300, high), said(20, low)));
    assert_false(streams_counts(said(20, low), said(20, high)));
    // Nobody is told less than was said because of what can't be read: he who asks hears of it.
    assert_true(streams_counts(said(20, low), bytes_of_string("\xff\xff")));
    assert_true(streams_counts(bytes_of_string("\xff\xff"), said(20, low)));
}

static void no_memory_is_said(void **state) {
    (void)state;
    int rc = -ENOMEM;
    for (size_t n = 0; rc; n++) {
        struct authors authors = {0};
        struct buffer key = {0};
        alloc_fail_after(n);
        rc = authors_add(&authors, 1, "a/one", bytes_of_string(STREAM));
        rc = rc ? rc : author_key("a/one", (const uint8_t *)STREAM, &key);
        alloc_fail_never();
        assert_true(rc == 0 || rc == -ENOMEM);
        authors_destroy(&authors);
        buffer_destroy(&key);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_decided_is_said_once),
        cmocka_unit_test(a_key_without_the_brokers_name),
        cmocka_unit_test(of_a_stream_the_highest_counts),
        cmocka_unit_test(no_memory_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
