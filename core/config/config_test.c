#include "core/config/testing.h"

#include "test/support/alloc_fail.h"

#include <unistd.h>

static struct config_file *parse(const char *source, struct report *report) {
    return config_parse("f.yaml", bytes_of_string(source), NULL, report);
}

// Parses what must be fine.
static struct config_file *good(const char *source) {
    struct report *report = report_new(0);
    struct config_file *file = parse(source, report);
    assert_string_equal(printed(report), "");
    assert_non_null(file);
    report_destroy(&report);
    return file;
}

static void refused(const char *source, const char *expected) {
    struct report *report = report_new(0);
    assert_null(parse(source, report));
    assert_string_equal(printed(report), expected);
    report_destroy(&report);
}

static void a_tree_has_marks(void **state) {
    (void)state;
    struct config_file *file = good("# 注释\n名: 值\nlist:\n  - 'q'\n  - [x, y]\n");
    const struct config_node *root = config_root(file);
    assert_int_equal(root->kind, CONFIG_MAPPING);
    assert_int_equal(root->count, 2);
    assert_int_equal(root->length, 3); // its first key stands for a block
    const struct config_node *value = config_get(root, "名");
    assert_true(bytes_equal_string(value->text, "值"));
    assert_int_equal(value->mark.line, 2);
    assert_int_equal(value->mark.column, 4);
    assert_int_equal(value->mark.offset, 14);
    assert_int_equal(value->length, 3);
    const struct config_node *list = config_get(root, "list");
    assert_int_equal(list->count, 2);
    assert_true(list->values[0]->quoted);
    assert_int_equal(list->values[0]->mark.column, 5);
    assert_int_equal(list->values[0]->length, 3);
    assert_int_equal(list->values[1]->length, 6);
    assert_null(config_get(root, "other"));
    config_destroy(&file);
}

static void an_empty_document_has_no_root(void **state) {
    (void)state;
    static const char *const sources[] = {"", "# only a comment\n", "---\n", "\n\n"};
    for (size_t i = 0; i < 4; i++) {
        struct config_file *file = good(sources[i]);
        assert_null(config_root(file));
        assert_false(config_expect_mapping(config_root(file), "a thing", NULL, NULL));
        config_destroy(&file);
    }
}

static void what_is_no_part_of_the_format_is_refused_all_at_once(void **state) {
    (void)state;
    refused("a: &x 1\nb: *x\nc: !!str 2\n<<: {d: e}\n中: 1\n中: 2\n",
        "f.yaml:1:4: error: anchors (&x) are not part of this format; write the value again where it is "
        "needed\n"
        "    1 | a: &x 1\n      |    ^~\n"
        "f.yaml:2:4: error: aliases (*x) are not part of this format; write the value again, or put a text "
        "that "
        "starts with * in quotes\n"
        "    2 | b: *x\n      |    ^~\n"
        "f.yaml:3:4: error: tags (!) are not part of this format; put a text that looks like something else "
        "in "
        "quotes\n"
        "    3 | c: !!str 2\n      |    ^~~~~\n"
        "f.yaml:4:1: error: merge keys (<<) are not part of this format; write the keys out\n"
        "    4 | <<: {d: e}\n      | ^~\n"
        "f.yaml:6:1: error: duplicate key \"中\"; the first is at line 5, column 1\n"
        "    6 | 中: 2\n      | ^~\n");
    refused("%YAML 1.2\n---\na: b\n---\n",
        "f.yaml:1:1: error: directives (%) are not part of this format; remove the line\n"
        "    1 | %YAML 1.2\n      | ^~~~~~~~~\n"
        "f.yaml:4:1: error: a second document starts here; a file holds one (put it into a file of its own)\n"
        "    4 | ---\n      | ^~~\n");
    refused("? [a]\n: b\n", "f.yaml:1:3: error: a key must be one word or text, not a list or a mapping\n"
                            "    1 | ? [a]\n      |   ^\n");
    refused("a: \"x\\0y\"\n", "f.yaml:1:6: error: a text can't contain the character NUL\n"
                              "    1 | a: \"x\\0y\"\n      |      ^~\n");
}

static void syntax_errors_say_what_would_be_right(void **state) {
    (void)state;
    refused("说明: 甲: 乙\n", "f.yaml:1:6: error: a \":\" is not allowed here; put a text that contains \": "
                              "\" in quotes, and check the "
                              "indentation\n"
                              "    1 | 说明: 甲: 乙\n      |         ^\n");
    refused("a: \"open\nb: c\n", "f.yaml:1:4: error: the quote that opens here is never closed\n"
                                 "    1 | a: \"open\n      |    ^\n");
    refused("a:\n\tb: c\n",
        "f.yaml:2:1: error: a tab can't indent; use spaces\n    2 |     b: c\n      | ^~~~\n");
    refused("a:\n    b: c\n  d: e\n", "f.yaml:3:3: error: a key is expected here: indent the line like its "
                                      "siblings, or put the text above in quotes "
                                      "(in the block mapping that starts at line 1)\n"
                                      "    3 |   d: e\n      |   ^\n");
}

static void the_source_is_utf_8_that_people_can_see(void **state) {
    (void)state;
    refused("\xEF\xBB\xBF"
            "a: b",
        "f.yaml:1:1: error: a byte order mark; save the file as UTF-8 without it\n"
        "    1 | \xEF\xBF\xBD"
        "a: b\n      | ^\n");
    refused("\xFF\xFE"
            "a",
        "f.yaml:1:1: error: the file is not UTF-8 (it looks like UTF-16); save it as UTF-8\n");
    refused("a: 中\nb: \xD6\xD0\n",
        "f.yaml:2:4: error: the file is not UTF-8 here (GB18030, perhaps); save it as UTF-8\n"
        "    2 | b: \xEF\xBF\xBD\xEF\xBF\xBD\n      |    ^\n");
    refused("a: \xE2\x80\xA8",
        "f.yaml:1:4: error: a line separator that editors don't show as one; remove it, or write "
        "it in double quotes as an escape\n"
        "    1 | a: \xEF\xBF\xBD\n      |    ^\n");
}

static void limits_hold(void **state) {
    (void)state;
    struct config_limits limits = {.bytes = 20, .nodes = 4, .depth = 2};
    struct report *report = report_new(0);
    assert_null(config_parse("f", bytes_of_string("a: 012345678901234567890"), &limits, report));
    assert_null(config_parse("f", bytes_of_string("[1, 2, 3, 4]"), &limits, report));
    assert_null(config_parse("f", bytes_of_string("[[[1]]]"), &limits, report));
    struct config_file *file = config_parse("f", bytes_of_string("[[1]]"), &limits, report);
    assert_non_null(file);
    assert_string_equal(printed(report), "f: error: the file is larger than 20 bytes\n"
                                         "f:1:3: error: nested deeper than 2 levels\n"
                                         "    1 | [[[1]]]\n      |   ^\n"
                                         "f:1:11: error: the file has more than 4 values\n"
                                         "    1 | [1, 2, 3, 4]\n      |           ^\n");
    config_destroy(&file);
    report_destroy(&report);
}

// ---- Places inside a value ----

static void place(const char *source, const char *needle, uint32_t line, uint32_t column) {
    struct config_file *file = good(source);
    const struct config_node *node = config_get(config_root(file), "a");
    const char *text = (const char *)node->text.data;
    const char *found = needle ? strstr(text, needle) : text + node->text.size;
    assert_non_null(found);
    struct mark mark = config_mark_inside(node, (size_t)(found - text));
    assert_int_equal(mark.line, line);
    assert_int_equal(mark.column, column);
    config_destroy(&file);
}

static void places_in_plain_and_quoted_texts(void **state) {
    (void)state;
    place("a: one two", "two", 1, 8);
    place("a: one two", NULL, 1, 11);
    place("a: one\n   two\n\n    three\n", "two", 2, 4);
    place("a: one\n   two\n\n    three\n", "three", 4, 5);
    place("a: 'it''s 中\n   good'", "s ", 1, 9);
    place("a: 'it''s 中\n   good'", "good", 2, 4);
    place("a: 'it'", NULL, 1, 7);
    place("a: \"\\u4e2d\\\"x \\\n   y\"", "x", 1, 13);
    place("a: \"\\u4e2d\\\"x \\\n   y\"", "y", 2, 4);
    place("a: \"\\u4e2d\\\"x\"", "\"", 1, 11);
}

static void places_in_block_texts(void **state) {
    (void)state;
    const char *literal = "中: 1\na: |\n  one\n\n   甲two\n  three\n";
    place(literal, "one", 3, 3);
    place(literal, " 甲", 5, 3);
    place(literal, "two", 5, 5);
    place(literal, "three", 6, 3);
    const char *folded = "a: >-\n\n  msg.a ==\n  msg.b\n\n  && c\r\n    more\n";
    place(folded, "msg.a", 3, 3);
    place(folded, "msg.b", 4, 3);
    place(folded, "&&", 6, 3);
    place(folded, "more", 7, 5);
    place(folded, NULL, 7, 9);
    place("a: |2\n     x\n    y\n", "x", 2, 6);
    place("a: |2\n     x\n    y\n", "y", 3, 5);
    place("a: |+\n\n\nb: 1\n", "\n", 2, 1);
}

static void an_error_inside_underlines_what_it_is_about(void **state) {
    (void)state;
    struct report *report = report_new(0);
    struct config_file *file = good("a: >\n  名.甲 &&\n  \"乙\" == msg.nam\n");
    const struct config_node *node = config_get(config_root(file), "a");
    const char *text = (const char *)node->text.data;
    config_error_inside(node, (size_t)(strstr(text, "msg") - text), 7, report, "no field \"%s\"", "nam");
    config_error_inside(node, 4, 3, report, "here");
    assert_string_equal(printed(report), "f.yaml:2:5: error: here\n"
                                         "    2 |   名.甲 &&\n      |      ^~\n"
                                         "f.yaml:3:10: error: no field \"nam\"\n"
                                         "    3 |   \"乙\" == msg.nam\n      |           ^~~~~~~\n");
    config_destroy(&file);
    report_destroy(&report);
}

// ---- Files ----

static void files_are_read_and_missing_ones_told(void **state) {
    (void)state;
    char path[] = "/tmp/hutong-config-XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "a: b\n", 5), 5);
    close(fd);
    struct report *report = report_new(0);
    struct config_file *file = config_load(path, NULL, report);
    assert_non_null(file);
    assert_string_equal(config_path(file), path);
    config_destroy(&file);
    unlink(path);
    assert_null(config_load("/nonexistent/x.yaml", NULL, report));
    assert_null(config_load("/tmp", NULL, report));
    assert_null(config_load("/dev/null", NULL, report));
    assert_string_equal(printed(report),
        "/dev/null: error: cannot read the file: it is no regular file\n"
        "/nonexistent/x.yaml: error: cannot read the file: No such file or directory\n"
        "/tmp: error: cannot read the file: Is a directory\n");
    report_destroy(&report);
}

static void write_file(const char *folder, const char *name, const char *text) {
    char path[200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    if (!file)
        abort();
    fputs(text, file);
    fclose(file);
}

static void a_folder_is_read_in_order_of_name(void **state) {
    (void)state;
    char folder[] = "/tmp/hutong-config-XXXXXX";
    static const char *const names[] = {"b.yaml", "a.yaml", ".hidden.yaml", "c.yml", "d.yaml", "a.test.yaml"};
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < 6; i++)
        write_file(folder, names[i], i >= 4 ? "a: [" : "a: b");
    struct report *report = report_new(0);
    struct config_folder loaded;
    assert_false(config_load_folder(folder, &loaded, report));
    assert_int_equal(report_errors(report), 1);
    assert_int_equal(loaded.count, 2);
    assert_non_null(strstr(config_path(loaded.files[0]), "/a.yaml"));
    config_folder_destroy(&loaded);
    assert_false(config_load_folder("/nonexistent", &loaded, report));
    assert_int_equal(report_errors(report), 2);
    for (size_t i = 0; i < 6; i++) {
        char path[200];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
    report_destroy(&report);
}

static void without_memory_nothing_is_returned(void **state) {
    (void)state;
    const char *source =
        "a: [1, 2, {b: c}]\nd: >\n  x\n  y\nk1: 1\nk2: 1\nk3: 1\nk4: 1\nk5: 1\nk6: 1\nk7: 1\nk8: 1\n"
        "k9: 1\nl1: 1\nl2: 1\nl3: 1\nl4: 1\nl5: 1\nl6: 1\nl7: &x 1\n";
    bool complete = false;
    for (size_t n = 0; !complete; n++) {
        struct report *report = report_new(0);
        alloc_fail_after(n);
        struct config_file *file = parse(source, report);
        complete = alloc_count() <= n;
        alloc_fail_never();
        assert_null(file);
        assert_true(report_errors(report) > 0);
        report_destroy(&report);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tree_has_marks),
        cmocka_unit_test(an_empty_document_has_no_root),
        cmocka_unit_test(what_is_no_part_of_the_format_is_refused_all_at_once),
        cmocka_unit_test(syntax_errors_say_what_would_be_right),
        cmocka_unit_test(the_source_is_utf_8_that_people_can_see),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(places_in_plain_and_quoted_texts),
        cmocka_unit_test(places_in_block_texts),
        cmocka_unit_test(an_error_inside_underlines_what_it_is_about),
        cmocka_unit_test(files_are_read_and_missing_ones_told),
        cmocka_unit_test(a_folder_is_read_in_order_of_name),
        cmocka_unit_test(without_memory_nothing_is_returned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
