#include "core/codes/divisions.h"
#include "core/codes/load.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define B(text) bytes_of_string(text)

enum {
    T2020 = 1577836800,
    T2026 = 1767225600,
};

static void the_shipped_codes_load(void **state) {
    (void)state;
    struct codes *codes = codes_new();
    struct report *report = report_new(0);
    int rc = codes_load(codes, HUTONG_SOURCE_DIR "/conf/codes", report);
    struct buffer text = {0};
    report_print(report, &text);
    if (rc)
        print_message("%s", buffer_text(&text));
    assert_int_equal(rc, 0);
    struct bytes to;
    assert_int_equal(codes_map(codes, B("gb4761_to_housing"), B("02"), T2026, &to), 0);
    assert_true(bytes_equal_string(to, "SELF"));
    assert_true(bytes_equal_string(codes_name(codes, B("gb3304"), B("01"), T2026), "汉族"));
    const struct code_list *divisions = codes_find_list(codes, B("gb2260"));
    assert_true(code_list_size(divisions) > 4000);
    assert_true(division_known(divisions, B("330103"), T2020));
    assert_false(division_known(divisions, B("330103"), T2026));
    assert_true(division_known(divisions, B("330106002051"), T2026));
    assert_true(bytes_equal_string(division_successor(divisions, B("330104"), T2020)->code, "330102"));
    buffer_destroy(&text);
    report_destroy(&report);
    codes_destroy(&codes);
}

static void write_file(const char *folder, const char *name, const char *text) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    bool fine = file && fputs(text, file) >= 0;
    if (file)
        fine &= fclose(file) == 0;
    assert_true(fine);
}

static void remove_folder(const char *folder) {
    DIR *dir = opendir(folder);
    for (struct dirent *entry = dir ? readdir(dir) : NULL; entry; entry = readdir(dir)) {
        char path[800];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        unlink(path);
    }
    if (dir)
        closedir(dir);
    rmdir(folder);
}

// The mark of the problem of this file whose text has `text`; {0} when there is none.
static struct mark place(const struct report *report, const char *file, const char *text) {
    for (size_t i = 0; i < report_size(report); i++) {
        const struct report_problem *problem = report_problem(report, i);
        if (strstr(problem->path, file) && strstr(problem->text, text))
            return problem->mark;
    }
    return (struct mark){0};
}

static void mistakes_are_reported_at_their_place(void **state) {
    (void)state;
    char folder[] = "/tmp/hutong-codes-XXXXXX";
    assert_non_null(mkdtemp(folder));
    write_file(folder, "a.yaml",
        "code_list: alpha\ntitle: A\nsource: test\nas_of: 2026-11-24\nentries:\n"
        "  - { code: \"1\", name: one }\n  - { code: 2, name: two }\n  - { code: \"1\", name: again }\n");
    write_file(folder, "b.yaml",
        "code_map: b\ntitle: B\nsource: test\nas_of: 2026-11-24\nfrom_list: alpah\nentries:\n"
        "  - { from: \"1\", to: X }\n");
    write_file(folder, "c.yaml",
        "code_map: c\ntitle: C\nsource: test\nas_of: 2026-11-24\nfrom_list: gamma\nentries:\n"
        "  - { from: \"7\", to: X }\n");
    write_file(folder, "g.yaml",
        "code_list: gamma\ntitle: G\nsource: test\nas_of: 2026-11-24\nentries:\n"
        "  - { code: \"1\", name: one }\n");
    write_file(folder, "h.yaml", // of a list with a mistake: what it lacks is no mistake of the map
        "code_map: h\ntitle: H\nsource: test\nas_of: 2026-11-24\nfrom_list: alpha\nentries:\n"
        "  - { from: \"7\", to: X }\n");
    write_file(folder, "d.yaml", "code_list: d\ntitle: D\nsource: test\nas_of: 2026-11-24\nfile: d.tsv\n");
    write_file(
        folder, "d.tsv", "# rows\ncode\tname\tuntil\n1\t一\t\n2\t二二\t2021-02-30\n1\t三\t\n4\t四\t\tmore\n");
    write_file(folder, "e.yaml", "code_list: e\ntitle: E\nsource: test\nas_of: 2026-11-24\nfile: none.tsv\n");
    struct codes *codes = codes_new();
    struct report *report = report_new(0);
    assert_int_equal(codes_load(codes, folder, report), -EINVAL);
    assert_int_equal(place(report, "a.yaml", "in quotes").line, 7);
    assert_int_equal(place(report, "a.yaml", "there already").line, 8);
    assert_int_equal(place(report, "b.yaml", "did you mean \"alpha\"").line, 5);
    assert_int_equal(place(report, "c.yaml", "maps from").line, 7);
    assert_int_equal(place(report, "h.yaml", "").line, 0);
    assert_int_equal(place(report, "d.tsv", "not a date").line, 4);
    assert_int_equal(place(report, "d.tsv", "not a date").column, 6);
    assert_int_equal(place(report, "d.tsv", "there already").line, 5);
    assert_int_equal(place(report, "d.tsv", "more fields").line, 6);
    assert_int_equal(place(report, "none.tsv", "cannot open").line, 1);
    report_destroy(&report);
    codes_destroy(&codes);
    remove_folder(folder);
}

static void a_missing_folder_is_a_problem(void **state) {
    (void)state;
    struct codes *codes = codes_new();
    struct report *report = report_new(0);
    assert_int_equal(codes_load(codes, "/nonexistent", report), -EINVAL);
    assert_int_equal(report_errors(report), 1);
    report_destroy(&report);
    codes_destroy(&codes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shipped_codes_load),
        cmocka_unit_test(mistakes_are_reported_at_their_place),
        cmocka_unit_test(a_missing_folder_is_a_problem),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
