#include "adapters/connectors/file/charset.h"

#include "test/support/alloc_fail.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define BYTES(literal) bytes_of("" literal, sizeof(literal) - 1)

static int decode(
    enum charset_name name, struct bytes in, struct buffer *out, size_t *at, struct error *error) {
    struct charset *charset = charset_new(name);
    assert_non_null(charset);
    int rc = charset_decode(charset, in, out, at, error);
    charset_destroy(&charset);
    return rc;
}

static void check_decode(enum charset_name name, struct bytes in, const char *want) {
    struct buffer out = {0};
    struct error error = {0};
    size_t at = 0;
    assert_int_equal(decode(name, in, &out, &at, &error), 0);
    assert_string_equal(buffer_text(&out), want);
    buffer_destroy(&out);
}

static void check_refused(enum charset_name name, struct bytes in, size_t where, const char *why) {
    struct buffer out = {0};
    struct error error = {0};
    size_t at = 0;
    assert_int_equal(decode(name, in, &out, &at, &error), CHARSET_BAD);
    assert_int_equal(at, where);
    assert_string_equal(error.text, why);
    assert_int_equal(out.size, 0);
    buffer_destroy(&out);
}

static void check_encode(enum charset_name name, const char *text, struct bytes want) {
    struct charset *charset = charset_new(name);
    struct buffer out = {0};
    struct error error = {0};
    assert_int_equal(charset_encode(charset, bytes_of_string(text), &out, &error), 0);
    assert_int_equal(out.size, want.size);
    assert_memory_equal(out.data, want.data, want.size);
    buffer_destroy(&out);
    charset_destroy(&charset);
}

static void test_names_and_text(void **state) {
    (void)state;
    check_decode(CHARSET_GB18030, BYTES("\xCD\xF5\xD0\xA1\xC3\xF7,A1"), "王小明,A1");
    check_decode(CHARSET_GBK, BYTES("\xCD\xF5\xD0\xA1\xC3\xF7"), "王小明");
    check_decode(CHARSET_UTF8, BYTES("王小明"), "王小明");
    check_encode(CHARSET_GB18030, "王小明", BYTES("\xCD\xF5\xD0\xA1\xC3\xF7"));
    check_encode(CHARSET_UTF8, "王", BYTES("王"));
    check_decode(CHARSET_GB18030, BYTES("\x95\x32\x82\x36"), "\xF0\xA0\x80\x80"); // U+20000
}

// The codes that GB 18030-2022 moved; glibc and Python differ on them.
static void test_codes_of_2022(void **state) {
    (void)state;
    check_decode(CHARSET_GB18030, BYTES("\xA6\xD9"), "\uFE10");
    check_decode(CHARSET_GB18030, BYTES("\xFE\x59"), "\u9FB4");
    check_decode(CHARSET_GBK, BYTES("\xFE\x59"), "\u9FB4");
    check_decode(CHARSET_GB18030, BYTES("\x82\x35\x90\x37"), "\u9FB4");
    check_decode(CHARSET_GB18030, BYTES("\x84\x31\x82\x36\x84\x31\x83\x35"), "\uFE10\uFE19");
    check_encode(CHARSET_GB18030, "\uFE10\u9FB4", BYTES("\xA6\xD9\xFE\x59"));
    check_encode(CHARSET_GB18030, "\uE78D\uE81E", BYTES("\xA6\xD9\xFE\x59"));
    check_decode(CHARSET_GB18030, BYTES("\xFE\x51"), "\U00020087");
    check_encode(CHARSET_GB18030, "\U00020087", BYTES("\x95\x32\x90\x31"));
    check_encode(CHARSET_GBK, "\U00020087", BYTES("\xFE\x51"));
    check_decode(CHARSET_GB18030, BYTES("\xA8\xBC\x81\x35\xF4\x37"), "\u1E3F\uE7C7");
}

static void test_bad_bytes(void **state) {
    (void)state;
    check_refused(CHARSET_GB18030, BYTES("ab\xFFx"), 2, "byte 0xFF before 0x78 is not GB18030");
    check_refused(CHARSET_GB18030, BYTES("ab\xCD"), 2, "byte 0xCD at the end is not GB18030");
    check_refused(CHARSET_GB18030, BYTES("\x80,x"), 0, "byte 0x80 before 0x2C is not GB18030");
    check_refused(CHARSET_GB18030, BYTES("\xFE\x39\xFE\x39"), 0,
        "bytes 0xFE 0x39 0xFE 0x39 are not assigned in GB18030");
    check_refused(CHARSET_GBK, BYTES("x\x95\x32\x82\x36"), 1, "byte 0x95 before 0x32 is not GBK");
    check_refused(CHARSET_UTF8, BYTES("\xC0\x80"), 0, "byte 0xC0 before 0x80 is not UTF-8");
    check_refused(CHARSET_UTF8, BYTES("x\xED\xA0\x80"), 1, "byte 0xED before 0xA0 is not UTF-8");
    check_refused(CHARSET_UTF8, BYTES("x\xF4\x90\x80\x80"), 1, "byte 0xF4 before 0x90 is not UTF-8");
    check_refused(CHARSET_UTF8, BYTES("\xE7\x8E"), 0, "byte 0xE7 before 0x8E is not UTF-8");
    check_refused(CHARSET_GBK, BYTES("x\0y"), 1, "a NUL byte is no text");
}

static void test_not_in_code_page(void **state) {
    (void)state;
    struct charset *charset = charset_new(CHARSET_GBK);
    struct buffer out = {0};
    struct error error = {0};
    assert_int_equal(charset_encode(charset, bytes_of_string("王𠮷"), &out, &error), CHARSET_BAD);
    assert_string_equal(error.text, "character 2, U+20BB7, is not in GBK");
    assert_int_equal(out.size, 0);
    assert_int_equal(charset_encode(charset, BYTES("a\xFF"), &out, &error), CHARSET_BAD);
    assert_string_equal(error.text, "character 2 is no UTF-8");
    charset_destroy(&charset);
    buffer_destroy(&out);
}

// Every two-byte code that decodes encodes to itself, but for the six that have two codes.
static void test_round_trip(void **state) {
    (void)state;
    struct charset *charset = charset_new(CHARSET_GBK);
    struct buffer text = {0};
    struct buffer again = {0};
    struct error error = {0};
    size_t at = 0;
    unsigned assigned = 0;
    for (unsigned code = 0x8140; code <= 0xFEFE; code++) {
        uint8_t raw[2] = {(uint8_t)(code >> 8), (uint8_t)code};
        buffer_clear(&text);
        buffer_clear(&again);
        if ((code & 0xFF) < 0x40 || charset_decode(charset, bytes_of(raw, 2), &text, &at, &error) != 0)
            continue;
        assigned++;
        assert_int_equal(charset_step(charset, bytes_of(raw, 2)), 2);
        assert_int_equal(charset_encode(charset, buffer_bytes(&text), &again, &error), 0);
        assert_int_equal(again.size, 2);
        assert_memory_equal(again.data, raw, 2);
    }
    assert_true(assigned > 23000);
    buffer_destroy(&text);
    buffer_destroy(&again);
    charset_destroy(&charset);
}

static void test_no_memory(void **state) {
    (void)state;
    alloc_fail_after(0);
    assert_null(charset_new(CHARSET_GB18030));
    alloc_fail_never();
    struct charset *charset = charset_new(CHARSET_GB18030);
    struct buffer out = {0};
    struct error error = {0};
    size_t at = 0;
    alloc_fail_after(0);
    int decoded = charset_decode(charset, BYTES("abc"), &out, &at, &error);
    int encoded = charset_encode(charset, BYTES("abc"), &out, &error);
    alloc_fail_never();
    assert_int_equal(decoded, -ENOMEM);
    assert_int_equal(encoded, -ENOMEM);
    charset_destroy(&charset);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_and_text),
        cmocka_unit_test(test_codes_of_2022),
        cmocka_unit_test(test_bad_bytes),
        cmocka_unit_test(test_not_in_code_page),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
