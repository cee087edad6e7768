#include "core/base/buffer.h"
#include "core/base/chunk.h"
#include "core/base/error.h"
#include "core/base/full_width.h"
#include "core/base/list.h"
#include "core/base/log.h"
#include "core/base/map.h"
#include "core/base/memory.h"
#include "core/base/varint.h"
#include "test/support/alloc_fail.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void buffer_holds_its_limit(void **state) {
    (void)state;
    struct buffer buffer = {.limit = 100};
    assert_int_equal(buffer_append(&buffer, "hello", 5), 0);
    uint8_t large[96] = {0};
    assert_int_equal(buffer_append(&buffer, large, sizeof large), -EMSGSIZE);
    assert_int_equal(buffer.size, 5);
    assert_null(buffer_extend(&buffer, 96));
    assert_int_equal(buffer_append(&buffer, large, 95), 0);
    assert_int_equal(buffer_append_byte(&buffer, 'x'), -EMSGSIZE);
    assert_non_null(buffer_text(&buffer));
    buffer_destroy(&buffer);
    assert_int_equal(buffer_append_format(&buffer, "%d+%s", 7, "x"), 0);
    assert_string_equal(buffer_text(&buffer), "7+x");
    buffer_destroy(&buffer);
}

static void buffer_survives_no_memory(void **state) {
    (void)state;
    struct buffer buffer = {0};
    assert_int_equal(buffer_append_string(&buffer, "kept"), 0);
    uint8_t large[1000] = {0};
    alloc_fail_after(0);
    assert_int_equal(buffer_append(&buffer, large, sizeof large), -ENOMEM);
    alloc_fail_never();
    assert_string_equal(buffer_text(&buffer), "kept");
    buffer_destroy(&buffer);
}

static void map_keeps_what_is_put(void **state) {
    (void)state;
    struct map *map = map_new();
    static int values[2000];
    char key[32];
    for (int i = 0; i < 2000; i++) {
        snprintf(key, sizeof key, "key-%d", i);
        assert_int_equal(map_put(map, bytes_of_string(key), &values[i]), 0);
    }
    for (int i = 0; i < 2000; i += 2) {
        snprintf(key, sizeof key, "key-%d", i);
        assert_ptr_equal(map_remove(map, bytes_of_string(key)), &values[i]);
    }
    assert_int_equal(map_size(map), 1000);
    for (int i = 0; i < 2000; i++) {
        snprintf(key, sizeof key, "key-%d", i);
        void *expected = i % 2 ? &values[i] : NULL;
        assert_ptr_equal(map_get(map, bytes_of_string(key)), expected);
    }
    size_t cursor = 0;
    size_t seen = 0;
    while (map_next(map, &cursor, NULL, NULL))
        seen++;
    assert_int_equal(seen, 1000);
    map_destroy(&map);
    assert_null(map);
}

static void map_survives_no_memory(void **state) {
    (void)state;
    int value = 0;
    alloc_fail_after(0);
    assert_null(map_new());
    alloc_fail_never();
    struct map *map = map_new();
    for (size_t n = 0; n < 2; n++) {
        alloc_fail_after(n);
        assert_int_equal(map_put(map, bytes_of_string("a"), &value), -ENOMEM);
        alloc_fail_never();
        assert_int_equal(map_size(map), 0);
        assert_null(map_get(map, bytes_of_string("a")));
    }
    map_destroy(&map);
}

static void number_map_keeps_what_is_put(void **state) {
    (void)state;
    struct number_map map = {0};
    static int values[2000];
    for (uint64_t i = 0; i < 2000; i++)
        assert_int_equal(number_map_put(&map, i * 1024, &values[i]), 0);
    for (uint64_t i = 0; i < 2000; i += 3)
        assert_ptr_equal(number_map_remove(&map, i * 1024), &values[i]);
    for (uint64_t i = 0; i < 2000; i++) {
        void *expected = i % 3 ? &values[i] : NULL;
        assert_ptr_equal(number_map_get(&map, i * 1024), expected);
    }
    number_map_destroy(&map);
}

static void number_map_says_what_it_replaces(void **state) {
    (void)state;
    struct number_map map = {0};
    int first;
    int second;
    void *before = &first;
    alloc_fail_after(0);
    assert_int_equal(number_map_exchange(&map, 0, &first, &before), -ENOMEM);
    alloc_fail_never();
    assert_int_equal(number_map_exchange(&map, 0, &first, &before), 0);
    assert_null(before);
    assert_int_equal(number_map_exchange(&map, 0, &second, &before), 0);
    assert_ptr_equal(before, &first);
    assert_ptr_equal(number_map_get(&map, 0), &second);
    assert_int_equal(map.size, 1);
    number_map_destroy(&map);
}

struct item {
    int n;
    struct list link;
};

static void list_links_and_unlinks(void **state) {
    (void)state;
    struct item first = {.n = 1};
    struct item second = {.n = 2};
    struct item third = {.n = 3};
    struct list head;
    list_init(&head);
    list_append(&head, &first.link);
    list_append(&head, &second.link);
    list_append(&head, &third.link);
    list_remove(&second.link);
    int sum = 0;
    LIST_EACH(node, &head) sum = sum * 10 + LIST_ITEM(node, struct item, link)->n;
    assert_int_equal(sum, 13);
    assert_true(list_empty(&second.link));
}

static void error_prefix_cuts(void **state) {
    (void)state;
    struct error error;
    assert_int_equal(error_set(&error, -EINVAL, "no such thing"), -EINVAL);
    assert_int_equal(error_prefix(&error, "file %s: ", "a"), -EINVAL);
    assert_string_equal(error.text, "file a: no such thing");
    char path[600];
    memset(path, 'p', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    error_prefix(&error, "%s", path);
    assert_int_equal(strlen(error.text), ERROR_TEXT_SIZE - 1);
    assert_int_equal(error_set(NULL, 3, "nobody listens"), 3);
}

static void quoting_makes_one_line(void **state) {
    (void)state;
    char out[32];
    assert_string_equal(log_quote("a \"b\"\n", out, sizeof out), "\"a \\\"b\\\"\\x0a\"");
    assert_string_equal(log_quote("abcdefghijklmnopqrstuvwxyz0123456789", out, 12), "\"abcde\"");
}

// Of each length the smallest, the largest and one between.
static void a_varint_has_the_size_that_it_says(void **state) {
    (void)state;
    for (unsigned bits = 0; bits <= 64; bits++)
        for (unsigned change = 0; change < 3; change++) {
            uint64_t top = bits == 64 ? UINT64_MAX : ((uint64_t)1 << bits) - 1;
            uint64_t value = change == 0 ? top : change == 1 ? top / 2 + 1 : top - top / 5;
            uint8_t out[VARINT_SIZE + 1];
            size_t size = varint_put(out, value);
            assert_int_equal(varint_size(value), size);
            struct bytes rest = bytes_of(out, sizeof out);
            uint64_t back = 0;
            assert_true(varint_get(&rest, &back));
            assert_true(back == value && rest.data == out + size && rest.size == sizeof out - size);
            rest = bytes_of(out, size - 1);
            assert_false(varint_get(&rest, &back));
            assert_int_equal(rest.size, size - 1);
        }
}

static void count_release(void *context) {
    ++*(int *)context;
}

static void chunk_releases_once(void **state) {
    (void)state;
    int released = 0;
    struct chunk *chunk = chunk_new(bytes_of_string("x"), count_release, &released);
    struct chunk *other = chunk_ref(chunk);
    chunk_unref(&chunk);
    assert_int_equal(released, 0);
    assert_true(bytes_equal_string(other->bytes, "x"));
    struct slice slice = {.chunk = chunk_ref(other), .bytes = other->bytes};
    chunk_unref(&other);
    assert_int_equal(released, 0);
    slice_drop(&slice);
    assert_int_equal(released, 1);
    assert_null(slice.chunk);
    slice_drop(&slice); // none
}

static void chunk_takes_what_a_buffer_holds(void **state) {
    (void)state;
    struct buffer buffer = {0};
    assert_int_equal(buffer_append_string(&buffer, "text"), 0);
    const uint8_t *data = buffer.data;
    alloc_fail_after(0);
    assert_null(chunk_take(&buffer));
    alloc_fail_never();
    assert_ptr_equal(buffer.data, data);
    struct chunk *chunk = chunk_take(&buffer);
    assert_non_null(chunk);
    assert_null(buffer.data);
    assert_ptr_equal(chunk->bytes.data, data);
    assert_true(bytes_equal_string(chunk->bytes, "text"));
    chunk_unref(&chunk);
}

// Everything must still be there afterwards: code, constants, relocations, heap.
static void settled_memory_still_works(void **state) {
    (void)state;
    struct map *map = map_new();
    int value = 7;
    assert_int_equal(map_put(map, bytes_of_string("kept"), &value), 0);
    assert_true(memory_settle() > 0);
    memory_trim();
    assert_ptr_equal(map_get(map, bytes_of_string("kept")), &value);
    map_destroy(&map);
    map_keeps_what_is_put(state);
}

static const char *full_width_of(const char *text) {
    static char words[100];
    struct full_width sign;
    struct bytes bytes = bytes_of_string(text);
    if (!full_width_at(bytes, &sign))
        return "";
    full_width_say(bytes, &sign, words, sizeof words);
    return words;
}

static void full_width_signs_are_named(void **state) {
    (void)state;
    assert_string_equal(full_width_of("\uFF1A x"), "\"\uFF1A\" is a full-width colon; write \":\"");
    assert_string_equal(full_width_of("\u3001x"), "\"\u3001\" is a Chinese comma; write \",\"");
    assert_string_equal(
        full_width_of("\uFF1D\uFF1Dx"), "\"\uFF1D\uFF1D\" is a full-width sign; write \"==\"");
    assert_string_equal(full_width_of("\u201Cx"), "\"\u201C\" is a Chinese quotation mark; write '\"'");
    assert_string_equal(full_width_of("\u3000x"), "this is a full-width blank; write a plain one");
    assert_string_equal(full_width_of("\u6C49"), "");
    assert_string_equal(full_width_of("a\uFF1A"), "");
    assert_string_equal(full_width_of(""), "");
    struct full_width sign;
    struct bytes many = bytes_of_string("\uFF11\uFF12\uFF13\uFF14\uFF15\uFF16\uFF17\uFF18\uFF19\uFF10\uFF11"
                                        "\uFF12\uFF13\uFF14\uFF15\uFF16\uFF17\uFF18");
    assert_true(full_width_at(many, &sign));
    assert_int_equal(sign.size, 3 * FULL_WIDTH_RUN);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffer_holds_its_limit),
        cmocka_unit_test(buffer_survives_no_memory),
        cmocka_unit_test(map_keeps_what_is_put),
        cmocka_unit_test(map_survives_no_memory),
        cmocka_unit_test(number_map_keeps_what_is_put),
        cmocka_unit_test(number_map_says_what_it_replaces),
        cmocka_unit_test(list_links_and_unlinks),
        cmocka_unit_test(error_prefix_cuts),
        cmocka_unit_test(quoting_makes_one_line),
        cmocka_unit_test(full_width_signs_are_named),
        cmocka_unit_test(a_varint_has_the_size_that_it_says),
        cmocka_unit_test(chunk_releases_once),
        cmocka_unit_test(chunk_takes_what_a_buffer_holds),
        cmocka_unit_test(settled_memory_still_works),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
