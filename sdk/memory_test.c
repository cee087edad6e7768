// The SDK without memory. A program of its own: counting allocations is for one thread, so the connection
// must rest here.
#include "sdk/hutong.h"
#include "test/support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void ignore(void *context, const struct hutong_outcome *outcome) {
    (void)context;
    (void)outcome;
}

static void open_survives_no_memory(void **state) {
    (void)state;
    struct hutong_options options = {.endpoint = "tcp://127.0.0.1:1", .system = "a/b"};
    enum hutong_code code = HUTONG_NO_MEMORY;
    for (size_t n = 0; code != HUTONG_OK; n++) {
        struct hutong *hutong = NULL;
        struct hutong_error error;
        alloc_fail_after(n);
        code = hutong_open(&options, &hutong, &error);
        alloc_fail_never();
        assert_true(code == HUTONG_OK || (code == HUTONG_NO_MEMORY && error.retriable && !hutong));
        hutong_close(&hutong, 0);
    }
}

static void publishing_survives_no_memory(void **state) {
    (void)state;
    struct hutong_options options = {.endpoint = "tcp://127.0.0.1:1", .system = "a/b"};
    struct hutong *hutong;
    assert_int_equal(hutong_open(&options, &hutong, NULL), HUTONG_OK);
    struct hutong_message one = {.type = "t"};
    struct hutong_publish_options with = {.callback = ignore};
    enum hutong_code code = HUTONG_NO_MEMORY;
    uint64_t sequence = 0;
    for (size_t n = 0; code != HUTONG_OK; n++) {
        alloc_fail_after(n);
        code = hutong_publish(hutong, &one, &with, &sequence, NULL);
        alloc_fail_never();
        assert_true(code == HUTONG_OK || code == HUTONG_NO_MEMORY);
    }
    assert_int_equal(sequence, 1); // failures left nothing behind
    assert_int_equal(hutong_close(&hutong, 0), HUTONG_TIMEOUT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_survives_no_memory),
        cmocka_unit_test(publishing_survives_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
