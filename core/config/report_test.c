#include "core/config/testing.h"

#include "test/support/alloc_fail.h"

static void add(struct report *report, const char *source, size_t offset, size_t length, const char *text) {
    uint32_t line = 1;
    uint32_t column = 1;
    for (size_t i = 0; i < offset; i++) {
        column = source[i] == '\n' ? 1 : column + ((source[i] & 0xC0) != 0x80);
        line += source[i] == '\n';
    }
    struct mark mark = {.line = line, .column = column, .offset = (uint32_t)offset};
    report_add(report, REPORT_ERROR, "f.yaml", bytes_of_string(source), mark, length, "%s", text);
}

static void excerpt_is(const char *source, size_t offset, size_t length, const char *expected) {
    struct report *report = report_new(0);
    add(report, source, offset, length, "wrong");
    assert_string_equal(report_problem(report, 0)->excerpt, expected);
    report_destroy(&report);
}

static void a_caret_stands_under_its_text(void **state) {
    (void)state;
    excerpt_is("one\n  lisen: x\n", 6, 5, "    2 |   lisen: x\n      |   ^~~~~\n");
    excerpt_is("a", 1, 0, "    1 | a\n      |  ^\n");
    excerpt_is("a: b\r\nc", 3, 90, "    1 | a: b\n      |    ^\n");
}

static void wide_and_combining_characters_keep_it_right(void **state) {
    (void)state;
    excerpt_is("标题: 中文 x\n", 8, 6, "    1 | 标题: 中文 x\n      |       ^~~~\n");
    excerpt_is("e\xCC\x81: x", 5, 1, "    1 | e\xCC\x81: x\n      |    ^\n");
    excerpt_is("ａ：\xF0\x9F\x98\x80y", 10, 1, "    1 | ａ：\xF0\x9F\x98\x80y\n      |       ^\n");
    excerpt_is("a\tb\t\tc", 5, 1, "    1 | a   b       c\n      |             ^\n");
}

static void an_excerpt_steers_no_terminal(void **state) {
    (void)state;
    excerpt_is("a\x1b[2J\xff", 1, 1, "    1 | a\xEF\xBF\xBD[2J\xEF\xBF\xBD\n      |  ^\n");
    excerpt_is("\xE2\x80\xAEx", 3, 1, "    1 | \xEF\xBF\xBDx\n      |  ^\n");
}

static void a_long_line_is_cut_around_the_caret(void **state) {
    (void)state;
    char line[1001];
    memset(line, 'x', 1000);
    line[1000] = '\0';
    memcpy(line + 500, "中中中HERE", 13);
    struct report *report = report_new(0);
    add(report, line, 509, 4, "wrong");
    const char *excerpt = report_problem(report, 0)->excerpt;
    const char *caret = strchr(excerpt, '^');
    const char *second = strchr(excerpt, '\n') + 1;
    assert_true(strlen(excerpt) < 280);
    assert_memory_equal(excerpt, "    1 | …x", 12);
    assert_non_null(strstr(excerpt, "x…\n"));
    // 60 columns lie before the caret, and the ellipsis.
    assert_int_equal(caret - second, 8 + 61);
    assert_string_equal(caret, "^~~~\n");
    report_destroy(&report);
}

static void problems_are_sorted_and_counted(void **state) {
    (void)state;
    struct report *report = report_new(3);
    struct mark mark = {.line = 2, .column = 3};
    report_add(report, REPORT_WARNING, "b", (struct bytes){0}, mark, 0, "third");
    report_add(report, REPORT_ERROR, "a", (struct bytes){0}, mark, 0, "second \"q\"\n%d", 5);
    mark.line = 1;
    report_add(report, REPORT_ERROR, "a", (struct bytes){0}, mark, 0, "first");
    report_add(report, REPORT_ERROR, "c", (struct bytes){0}, mark, 0, "not kept");
    assert_int_equal(report_errors(report), 3);
    assert_int_equal(report_warnings(report), 1);
    assert_int_equal(report_size(report), 3);
    assert_string_equal(report_problem(report, 0)->text, "third");
    assert_null(report_problem(report, 3));
    assert_string_equal(printed(report), "a:1:3: error: first\na:2:3: error: second \"q\"\xEF\xBF\xBD"
                                         "5\nb:2:3: warning: third\n(1 more not shown)\n");
    struct buffer json = {0};
    assert_int_equal(report_print_json(report, &json), 0);
    assert_string_equal(buffer_text(&json), "[{\"severity\":\"error\",\"file\":\"a\",\"line\":1,\"column\":3,"
                                            "\"endColumn\":3,\"length\":0,\"message\":\"first\"},"
                                            "{\"severity\":\"error\",\"file\":\"a\",\"line\":2,\"column\":3,"
                                            "\"endColumn\":3,\"length\":0,\"message\":\"second "
                                            "\\\"q\\\"\xEF\xBF\xBD"
                                            "5\"},"
                                            "{\"severity\":\"warning\",\"file\":\"b\",\"line\":2,\"column\":"
                                            "3,\"endColumn\":3,\"length\":0,\"message\":\"third\"}]");
    buffer_destroy(&json);
    report_destroy(&report);
}

static void suggests(
    const char *source, size_t offset, size_t length, const char *text, const char *expected) {
    struct report *report = report_new(0);
    add(report, source, offset, length, text);
    assert_string_equal(report_problem(report, 0)->suggestion, expected);
    report_destroy(&report);
}

static void a_suggestion_fits_what_is_underlined(void **state) {
    (void)state;
    suggests("lisen: x", 0, 5, "unknown key; did you mean \"listen\"?", "listen");
    suggests("a: 'lisen'", 3, 7, "wrong; did you mean \"listen\"?", "'listen'");
    suggests("a: \"f(\\\"x\\\")\"", 6, 5, "wrong; did you mean \"y\"?", "\\\"y\\\"");
    suggests("starts", 0, 6, "unknown; did you mean startsWith()?", "startsWith");
    suggests("starts()", 0, 8, "unknown; did you mean startsWith()?", "startsWith()");
    suggests("a = b", 2, 1, "\"=\" is no operator; write \"==\"", "==");
    suggests("no", 0, 2, "\"no\" is a text; write false", "false");
    suggests("x", 0, 1, "wrong; write ms, s or h", "");
    suggests("x", 0, 1, "wrong; write \"a\" or \"b\"", "");
    suggests("x", 0, 1, "did you mean \"a\", or not?", "");
    suggests("x", 0, 1, "no blank; write \"- \"", "- ");
    suggests("x", 0, 1, "nothing", "");
    suggests("'", 0, 1, "; did you mean \"a\"?", "a");
}

static void a_problem_is_told_once(void **state) {
    (void)state;
    struct report *report = report_new(0);
    for (int i = 0; i < 3; i++)
        add(report, "one two\n", 4, 3, "wrong");
    assert_int_equal(report_size(report), 1);
    assert_int_equal(report_errors(report), 1);
    add(report, "one two\n", 4, 3, "also wrong");
    add(report, "one two\n", 0, 3, "wrong");
    assert_int_equal(report_errors(report), 3);
    report_destroy(&report);
}

static void a_problem_knows_its_length(void **state) {
    (void)state;
    struct report *report = report_new(0);
    add(report, "汉字: x\n", 0, 6, "two characters");
    add(report, "汉字: x\n", 3, 90, "no more than the line");
    add(report, "汉字: x\n", 3, 0, "one at least");
    add(report, "汉字: x\n", 9, 0, "behind the line");
    assert_int_equal(report_problem(report, 0)->length, 2);
    assert_int_equal(report_problem(report, 1)->length, 4);
    assert_int_equal(report_problem(report, 2)->length, 1);
    assert_int_equal(report_problem(report, 3)->length, 0);
    report_destroy(&report);
}

static const char *nearest(const char *word) {
    static const char *const names[] = {"listen", "journal", "curve", "agreements", "名称", "id"};
    const char *found = report_nearest(bytes_of_string(word), names, 6);
    return found ? found : "";
}

static void the_nearest_word_is_found(void **state) {
    (void)state;
    assert_string_equal(nearest("lisen"), "listen");
    assert_string_equal(nearest("Listen"), "listen");
    assert_string_equal(nearest("LISTEN"), "listen");
    assert_string_equal(nearest("jorunal"), "journal");
    assert_string_equal(nearest("aggrement"), "agreements");
    assert_string_equal(nearest("名字"), "名称");
    assert_string_equal(nearest("xyz"), "");
    assert_string_equal(nearest("x"), "");
    assert_string_equal(nearest(""), "");
    assert_string_equal(nearest("curbstone"), "");
}

// Three tries of one expression: what all say is told once, what some say with their name.
static void what_was_tried_often_is_told_once(void **state) {
    (void)state;
    static const char *const names[] = {"pkg.A", "pkg.B", "pkg.C"};
    struct report *report = report_new(0);
    struct report *tries[3];
    for (size_t i = 0; i < 3; i++) {
        tries[i] = report_new(2);
        add(tries[i], "a: b\n", 1, 1, "syntax");
        if (i != 1)
            add(tries[i], "a: b\n", 4, 0, i ? "pkg.C has no field x" : "this is no bool");
    }
    report_merge(report, (const struct report *const *)tries, names, 3);
    assert_int_equal(report_errors(report), 3);
    assert_string_equal(printed(report),
        "f.yaml:1:2: error: syntax\n    1 | a: b\n      |  ^\n"
        "f.yaml:1:5: error: this is no bool; with pkg.A\n    1 | a: b\n      |     ^\n"
        "f.yaml:1:5: error: pkg.C has no field x\n    1 | a: b\n      |     ^\n");
    add(tries[1], "a: b\n", 4, 0, "kept");
    add(tries[1], "a: b\n", 4, 0, "not kept, but not forgotten");
    report_merge(report, (const struct report *const *)tries, names, 3);
    assert_true(strstr(printed(report), "not shown") != NULL);
    for (size_t i = 0; i < 3; i++)
        report_destroy(&tries[i]);
    report_destroy(&report);
}

static void without_memory_a_problem_still_counts(void **state) {
    (void)state;
    for (size_t n = 0; n < 40; n++) {
        alloc_fail_after(n);
        struct report *report = report_new(0);
        if (report) {
            add(report, "a: b", 3, 1, "wrong");
            report_add(report, REPORT_WARNING, "f", (struct bytes){0}, (struct mark){1, 1, 0}, 0, "odd");
            alloc_fail_never();
            assert_true(report_errors(report) >= 1);
            assert_true(report_size(report) == 2 || strstr(printed(report), "not shown"));
        }
        alloc_fail_never();
        report_destroy(&report);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_caret_stands_under_its_text),
        cmocka_unit_test(wide_and_combining_characters_keep_it_right),
        cmocka_unit_test(an_excerpt_steers_no_terminal),
        cmocka_unit_test(a_long_line_is_cut_around_the_caret),
        cmocka_unit_test(problems_are_sorted_and_counted),
        cmocka_unit_test(a_suggestion_fits_what_is_underlined),
        cmocka_unit_test(a_problem_is_told_once),
        cmocka_unit_test(a_problem_knows_its_length),
        cmocka_unit_test(the_nearest_word_is_found),
        cmocka_unit_test(what_was_tried_often_is_told_once),
        cmocka_unit_test(without_memory_a_problem_still_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
