#include "adapters/connectors/file/file_reader.h"

#include "test/support/alloc_fail.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static const struct format csv = {.name = FORMAT_CSV,
    .charset = CHARSET_GB18030,
    .dialect = {.delimiter = ',', .quotes = true},
    .record_limit = 200};

static char path[64];

static void write_file(const void *data, size_t size) {
    snprintf(path, sizeof path, "/tmp/hutong-csv-test-%d", (int)getpid());
    FILE *file = fopen(path, "wb");
    if (!file)
        abort();
    assert_int_equal(fwrite(data, 1, size, file), size);
    fclose(file);
}

// Reads all of `text` and writes what came as "line:offset[a|b]" or "line!reason(raw)".
static void check(const struct format *format, struct bytes text, const char *want) {
    write_file(text.data, text.size);
    struct file_reader *reader = NULL;
    struct error error = {0};
    struct buffer out = {0};
    struct record record;
    int rc = file_reader_open(format, path, (struct place_in_file){.line = 1}, &reader, &error);
    assert_int_equal(rc, 0);
    while ((rc = file_reader_next(reader, &record, &error)) == 0 || rc == READER_BAD) {
        buffer_append_format(&out, "%d", (int)record.at.line);
        if (rc == READER_BAD)
            buffer_append_format(&out, "!%s(%.*s)", error.text, BYTES_ARGS(record.raw));
        for (size_t i = 0; rc == 0 && i < record.count; i++)
            buffer_append_format(&out, "%c%.*s", i ? '|' : '[', BYTES_ARGS(record.values[i]));
        if (rc == 0)
            buffer_append_byte(&out, ']');
        buffer_append_byte(&out, '\n');
    }
    assert_int_equal(rc, READER_END);
    assert_string_equal(buffer_text(&out), want);
    file_reader_destroy(&reader);
    buffer_destroy(&out);
    unlink(path);
}

#define CHECK(format, text, want) check(format, bytes_of("" text, sizeof(text) - 1), want)

static void test_plain(void **state) {
    (void)state;
    CHECK(&csv, "a,b\r\n1,2\n\r\n3,\n,\n", "1[a|b]\n2[1|2]\n4[3|]\n5[|]\n");
    CHECK(&csv, "a,b\n1,2", "1[a|b]\n2[1|2]\n");
    CHECK(&csv, "a\n\x1A", "1[a]\n");
    CHECK(&csv, "", "");
}

static void test_quotes(void **state) {
    (void)state;
    CHECK(&csv, "\"a,\"\"b\"\"\",\"x\r\ny\"\n2,5\" pipe\n\"\",z\n",
        "1[a,\"b\"|x\r\ny]\n3[2|5\" pipe]\n4[|z]\n");
    CHECK(&csv, "\"a\"b,c\n1,2\n", "1!field 1 goes on behind its closing quote(\"a\"b,c)\n2[1|2]\n");
}

static void test_stray_quote_costs_one_line(void **state) {
    (void)state;
    CHECK(&csv, "1,\"x\n2,b\n3,c\n", "1!a quote is never closed(1,\"x)\n2[2|b]\n3[3|c]\n");
}

static void test_too_long(void **state) {
    (void)state;
    char text[100000];
    memset(text, 'x', sizeof text);
    text[0] = 'a';
    text[1] = '\n';
    for (size_t i = 0; i < 5; i++)
        text[sizeof text - 5 + i] = "\nb,c\n"[i];
    write_file(text, sizeof text);
    struct file_reader *reader = NULL;
    struct error error = {0};
    struct record record;
    assert_int_equal(file_reader_open(&csv, path, (struct place_in_file){.line = 1}, &reader, &error), 0);
    assert_int_equal(file_reader_next(reader, &record, &error), 0);
    assert_int_equal(file_reader_next(reader, &record, &error), READER_BAD);
    assert_string_equal(error.text, "longer than 200 bytes");
    assert_int_equal(record.raw.size, 200);
    assert_int_equal(file_reader_next(reader, &record, &error), 0);
    assert_int_equal(record.at.line, 3);
    assert_int_equal(record.at.offset, sizeof text - 4);
    // From any place on it reads the same again.
    file_reader_seek(reader, (struct place_in_file){.offset = 0, .line = 1});
    assert_int_equal(file_reader_next(reader, &record, &error), 0);
    assert_true(bytes_equal_string(record.values[0], "a"));
    assert_int_equal(file_reader_next(reader, &record, &error), READER_BAD);
    assert_int_equal(file_reader_next(reader, &record, &error), 0);
    assert_int_equal(file_reader_next(reader, &record, &error), READER_END);
    file_reader_destroy(&reader);
    unlink(path);
}

// The second byte of 簗 (BA7C in GB 18030) is that of "|".
static void test_delimiter_inside_character(void **state) {
    (void)state;
    struct format format = csv;
    format.dialect.delimiter = '|';
    CHECK(&format, "\xBA\x7C|b\n", "1[簗|b]\n");
}

static void test_bad_bytes_have_a_place(void **state) {
    (void)state;
    CHECK(&csv, "a,b\n\xCD\xF5,\xFF,x\nc,d\n",
        "1[a|b]\n2!line 2, column 3 (byte 4 of the line): byte 0xFF before 0x2C is not "
        "GB18030(\xCD\xF5,\xFF,x)\n"
        "3[c|d]\n");
    CHECK(&csv, "\"a\n\xFF\"\n",
        "1!line 2, column 1 (byte 1 of the line): byte 0xFF before 0x22 is not GB18030(\"a\n\xFF\")\n");
}

static void test_utf8_mark(void **state) {
    (void)state;
    struct format format = csv;
    format.charset = CHARSET_UTF8;
    CHECK(&format, "\xEF\xBB\xBF姓名,b\n", "1[姓名|b]\n");
    CHECK(&format, "\xEF\xBB\xBF\"x,y\",b\n", "1[x,y|b]\n");
}

static void test_fixed_widths(void **state) {
    (void)state;
    static const size_t widths[] = {4, 6, 2};
    struct format format = {.name = FORMAT_FIXED,
        .charset = CHARSET_GB18030,
        .record_limit = 100,
        .widths = widths,
        .width_count = 3};
    CHECK(&format,
        "0001\xCD\xF5\xD0\xA1\xC3\xF7"
        "18\r\n0002\xCD\xF5     9\n",
        "1[0001|王小明|18]\n2[0002|王|9]\n");
    CHECK(&format, "0001\"a\"   18\n", "1[0001|\"a\"|18]\n");
    CHECK(&format, "0001\n", "1!4 bytes, the columns need 12(0001)\n");
    CHECK(&format,
        "0001abcde\xCD\xF5"
        "8\n",
        "1!line 1, column 10 (byte 10 of the line): byte 0xCD at the end is not GB18030(0001abcde\xCD\xF5"
        "8)\n");
}

static void test_no_quotes(void **state) {
    (void)state;
    struct format format = csv;
    format.dialect = (struct csv_dialect){.delimiter = '\t', .quotes = false};
    CHECK(&format, "\"a\tb\"\n", "1[\"a|b\"]\n");
}

static void test_put(void **state) {
    (void)state;
    struct charset *charset = charset_new(CHARSET_GB18030);
    struct buffer out = {0};
    struct error error = {0};
    static const char *const values[] = {"a", "b,c", "d\"e", "\xBA\x7C", "x\ny", ""};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        assert_int_equal(csv_put(&csv.dialect, charset, bytes_of_string(values[i]), &out, &error), 0);
        buffer_append_byte(&out, ';');
    }
    assert_string_equal(buffer_text(&out), "a;\"b,c\";\"d\"\"e\";\xBA\x7C;\"x\ny\";;");
    struct csv_dialect plain = {.delimiter = '|'};
    assert_int_equal(csv_put(&plain, charset, bytes_of_string("\xBA\x7C"), &out, &error), 0);
    assert_int_equal(csv_put(&plain, charset, bytes_of_string("a|b"), &out, &error), CSV_BAD);
    charset_destroy(&charset);
    buffer_destroy(&out);
}

static void test_too_many_fields(void **state) {
    (void)state;
    char text[CSV_FIELDS + 10];
    memset(text, ',', sizeof text);
    struct csv_row row = {0};
    struct error error = {0};
    assert_int_equal(csv_split(&csv.dialect, bytes_of(text, sizeof text), &row, &error), CSV_BAD);
    csv_row_destroy(&row);
}

static void test_no_memory(void **state) {
    (void)state;
    write_file("a,\"b\"\n", 6);
    struct error error = {0};
    for (size_t n = 0;; n++) {
        struct file_reader *reader = NULL;
        struct record record;
        alloc_fail_after(n);
        int rc = file_reader_open(&csv, path, (struct place_in_file){.line = 1}, &reader, &error);
        if (rc == 0)
            rc = file_reader_next(reader, &record, &error);
        alloc_fail_never();
        file_reader_destroy(&reader);
        if (rc == 0)
            break;
        assert_int_equal(rc, -ENOMEM);
        assert_true(n < 100);
    }
    unlink(path);
    struct file_reader *reader = NULL;
    assert_int_equal(
        file_reader_open(&csv, path, (struct place_in_file){.line = 1}, &reader, &error), -ENOENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_quotes),
        cmocka_unit_test(test_stray_quote_costs_one_line),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_delimiter_inside_character),
        cmocka_unit_test(test_bad_bytes_have_a_place),
        cmocka_unit_test(test_utf8_mark),
        cmocka_unit_test(test_fixed_widths),
        cmocka_unit_test(test_no_quotes),
        cmocka_unit_test(test_put),
        cmocka_unit_test(test_too_many_fields),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
