// The gathered form of a batch: what was put comes out, bounded, without parts that were refused.
#include "broker/kafka/gathered.h"

#include "broker/kafka/cluster.h"
#include "test/support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define MUCH ((size_t)1 << 20)

static struct put put_of(uint32_t topic, uint32_t part, const char *key, const char *value) {
    return (struct put){.topic = topic,
        .partition = (int32_t)topic + 1,
        .part = part,
        .key = bytes_of_string(key),
        .value = bytes_of_string(value)};
}

static int write_down(void *context, const struct put *put) {
    struct buffer *out = context;
    int rc = buffer_append_format(out, "%u/%d ", put->topic, put->partition);
    rc = rc ? rc : put->key.data ? buffer_append_bytes(out, put->key) : buffer_append_string(out, "none");
    rc = rc ? rc : buffer_append_string(out, "=");
    rc = rc ? rc : put->value.data ? buffer_append_bytes(out, put->value) : buffer_append_string(out, "none");
    for (size_t i = 0; i < put->header_count && rc == 0; i++)
        rc = buffer_append_format(out, " %s:%.*s", put->headers[i].name, BYTES_ARGS(put->headers[i].value));
    return rc ? rc : buffer_append_string(out, "; ");
}

static void expect(const struct gathered *batch, const char *text) {
    struct buffer out = {0};
    assert_int_equal(gathered_each(batch, write_down, &out), 0);
    assert_int_equal(buffer_append_byte(&out, 0), 0);
    assert_string_equal(out.data, text);
    buffer_destroy(&out);
}

static void test_what_was_put_comes_out(void **state) {
    (void)state;
    struct gathered *batch = gathered_new(MUCH, MUCH);
    const struct put_header headers[] = {{"stream", bytes_of_string("s1")}, {"empty", bytes_of_string("")}};
    struct put put = put_of(0, 0, "k", "v");
    put.headers = headers;
    put.header_count = 2;
    assert_int_equal(gathered_put(batch, &put), 0);
    put = put_of(1, 0, NULL, "");
    assert_int_equal(gathered_put(batch, &put), 0);
    put = put_of(2, 0, "gone", NULL);
    assert_int_equal(gathered_put(batch, &put), 0);
    expect(batch, "0/1 k=v stream:s1 empty:; 1/2 none=; 2/3 gone=none; ");
    assert_int_equal(gathered_records(batch), 3);
    gathered_clear(batch);
    expect(batch, "");
    assert_int_equal(gathered_size(batch), 0);
    gathered_destroy(&batch);
}

static void test_bounds(void **state) {
    (void)state;
    char large[600];
    memset(large, 'x', sizeof large);
    struct gathered *batch = gathered_new(1000, 700);
    struct put put = {.key = bytes_of(large, 100), .value = bytes_of(large, sizeof large)};
    assert_int_equal(gathered_put(batch, &put), -EMSGSIZE);
    put.key.size = 10;
    assert_int_equal(gathered_put(batch, &put), 0);
    size_t size = gathered_size(batch);
    assert_int_equal(gathered_put(batch, &put), KAFKA_FULL);
    assert_int_equal(gathered_size(batch), size);
    assert_int_equal(gathered_records(batch), 1);
    put.part = 1;
    put.value.size = 1;
    assert_int_equal(gathered_put(batch, &put), -EINVAL); // no such part
    gathered_destroy(&batch);
}

static void test_a_refused_part_is_left_out(void **state) {
    (void)state;
    struct gathered *batch = gathered_new(MUCH, MUCH);
    uint32_t one;
    uint32_t two;
    uint32_t same;
    assert_int_equal(gathered_part(batch, bytes_of_string(""), &one), -EINVAL);
    assert_int_equal(gathered_part(batch, bytes_of_string("group-1"), &one), 0);
    assert_int_equal(gathered_part(batch, bytes_of_string("group-2"), &two), 0);
    assert_int_equal(gathered_part(batch, bytes_of_string("group-1"), &same), 0);
    assert_int_equal(one, 1);
    assert_int_equal(two, 2);
    assert_int_equal(same, one);
    assert_int_equal(gathered_offset(batch, 3, "t", 0, 1), -EINVAL);
    assert_int_equal(gathered_offset(batch, two, "t", 0, 5), 0);
    assert_int_equal(gathered_offset(batch, two, "t", 0, 7), 0);
    const rd_kafka_topic_partition_list_t *offsets = gathered_part_at(batch, two)->offsets;
    assert_int_equal(offsets->cnt, 1);
    assert_int_equal(offsets->elems[0].offset, 7);
    const struct put puts[] = {
        put_of(0, 0, "all", "1"), put_of(0, one, "one", "2"), put_of(0, two, "two", "3")};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(gathered_put(batch, &puts[i]), 0);
    gathered_part_at(batch, one)->refused = true;
    expect(batch, "0/1 all=1; 0/1 two=3; ");
    assert_true(gathered_refused(batch, one) && !gathered_refused(batch, two) && !gathered_refused(batch, 0));
    gathered_clear(batch);
    assert_int_equal(gathered_parts(batch), 0);
    gathered_destroy(&batch);
}

// All of it or nothing, whichever allocation fails.
static int fill(struct gathered *batch) {
    uint32_t part = 0;
    const struct put_header header = {"h", bytes_of_string("v")};
    int rc = gathered_part(batch, bytes_of_string("a token"), &part);
    rc = rc ? rc : gathered_offset(batch, part, "t", 0, 1);
    struct put put = put_of(0, part, "key", "value");
    put.headers = &header;
    put.header_count = 1;
    return rc ? rc : gathered_put(batch, &put);
}

static void test_no_memory(void **state) {
    (void)state;
    int rc = -1;
    for (size_t n = 0; rc; n++) {
        alloc_fail_once(n);
        struct gathered *batch = gathered_new(MUCH, MUCH);
        rc = batch ? fill(batch) : -ENOMEM;
        alloc_fail_never();
        assert_true(rc == 0 || rc == -ENOMEM);
        if (batch)
            expect(batch, rc ? "" : "0/1 key=value h:v; ");
        gathered_destroy(&batch);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_put_comes_out),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_a_refused_part_is_left_out),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
