#include "adapters/connectors/file/outgoing.h"

#include "core/base/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char root[64];
static char state_folder[96];
static char folder[96];

static int set_up(void **state) {
    (void)state;
    snprintf(root, sizeof root, "/tmp/hutong-outbox-XXXXXX");
    if (!mkdtemp(root))
        return -1;
    snprintf(state_folder, sizeof state_folder, "%s/state", root);
    snprintf(folder, sizeof folder, "%s/out", root);
    return mkdir(state_folder, 0700) || mkdir(folder, 0700);
}

static int tear_down(void **state) {
    (void)state;
    char command[160];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command); // NOLINT(cert-env33-c)
}

static struct outgoing_options options(void) {
    return (struct outgoing_options){.name = "deaths",
        .folder = folder,
        .file = "d_{first}-{last}_{rows}.csv",
        .header = bytes_of_string("h\n"),
        .rows = 3,
        .wait_ns = 10 * CLOCK_SECOND_NS};
}

static struct outgoing *open_outgoing(uint64_t now) {
    struct outgoing_options with = options();
    struct outgoing *outgoing = NULL;
    struct error error = {0};
    int rc = outgoing_open(&with, state_folder, now, &outgoing, &error);
    if (rc != 0)
        print_message("%s\n", error.text);
    assert_int_equal(rc, 0);
    return outgoing;
}

static void add(struct outgoing *outgoing, uint64_t position) {
    char row[32];
    struct error error = {0};
    snprintf(row, sizeof row, "row %d\n", (int)position);
    assert_int_equal(rowlog_add(outgoing_log(outgoing), position, bytes_of_string(row)), 0);
    assert_int_equal(rowlog_commit(outgoing_log(outgoing), (const uint8_t *)"0123456789abcdef", &error), 0);
}

// All files in the folder with their text, "name=text;" sorted by name.
static void check_folder(const char *want) {
    struct dirent **entries = NULL;
    struct buffer out = {0};
    int count = scandir(folder, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char path[512];
        char text[4096];
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        int fd = entries[i]->d_type == DT_REG ? open(path, O_RDONLY) : -1;
        if (fd >= 0) {
            ssize_t n = read(fd, text, sizeof text);
            buffer_append_format(&out, "%s=%.*s;", entries[i]->d_name, (int)n, text);
            close(fd);
        }
        free(entries[i]);
    }
    free(entries);
    assert_string_equal(buffer_text(&out), want);
    buffer_destroy(&out);
}

static void test_full_file(void **state) {
    (void)state;
    struct outgoing *outgoing = open_outgoing(0);
    struct error error = {0};
    add(outgoing, 5);
    add(outgoing, 6);
    assert_int_equal(outgoing_publish_due(outgoing, 1, &error), 0);
    assert_false(outgoing_full(outgoing));
    check_folder("");
    add(outgoing, 9);
    assert_true(outgoing_full(outgoing));
    assert_int_equal(outgoing_publish_due(outgoing, 2, &error), 0);
    check_folder("d_5-9_3.csv=h\nrow 5\nrow 6\nrow 9\n;");
    assert_int_equal(rowlog_rows(outgoing_log(outgoing)), 0);
    assert_true(outgoing_due_in(outgoing, 2) == UINT64_MAX);
    outgoing_destroy(&outgoing);
}

static void test_late_file(void **state) {
    (void)state;
    struct outgoing *outgoing = open_outgoing(1);
    struct error error = {0};
    add(outgoing, 5);
    assert_int_equal(outgoing_publish_due(outgoing, 1, &error), 0);
    assert_true(outgoing_due_in(outgoing, 1 + 9 * CLOCK_SECOND_NS) == CLOCK_SECOND_NS);
    assert_int_equal(outgoing_publish_due(outgoing, 2 + 10 * CLOCK_SECOND_NS, &error), 0);
    check_folder("d_5-5_1.csv=h\nrow 5\n;");
    outgoing_destroy(&outgoing);
}

static void test_the_wait_runs_from_the_first_look(void **state) {
    (void)state;
    struct outgoing *outgoing = open_outgoing(1);
    struct error error = {0};
    assert_true(outgoing_due_in(outgoing, 1) == UINT64_MAX);
    add(outgoing, 5);
    assert_true(outgoing_due_in(outgoing, 5) == 10 * CLOCK_SECOND_NS);
    assert_true(outgoing_due_in(outgoing, 5 + CLOCK_SECOND_NS) == 9 * CLOCK_SECOND_NS);
    assert_int_equal(outgoing_publish_due(outgoing, 5 + 10 * CLOCK_SECOND_NS, &error), 0);
    check_folder("d_5-5_1.csv=h\nrow 5\n;");
    outgoing_destroy(&outgoing);
}

static void test_uncommitted_rows_are_cut_off(void **state) {
    (void)state;
    struct outgoing *outgoing = open_outgoing(0);
    add(outgoing, 5);
    outgoing_destroy(&outgoing);
    char path[160];
    snprintf(path, sizeof path, "%s/deaths.rows", state_folder);
    int fd = open(path, O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, "\x20\0\0\0torn", 8), 8);
    close(fd);
    outgoing = open_outgoing(0);
    assert_int_equal(rowlog_rows(outgoing_log(outgoing)), 1);
    assert_int_equal(rowlog_last(outgoing_log(outgoing)), 5);
    struct error error = {0};
    assert_int_equal(rowlog_add(outgoing_log(outgoing), 7, bytes_of_string("lost\n")), 0);
    rowlog_rollback(outgoing_log(outgoing));
    add(outgoing, 6);
    assert_int_equal(outgoing_publish_due(outgoing, 60 * CLOCK_SECOND_NS, &error), 0);
    assert_int_equal(outgoing_publish_due(outgoing, 90 * CLOCK_SECOND_NS, &error), 0);
    check_folder("d_5-6_2.csv=h\nrow 5\nrow 6\n;");
    outgoing_destroy(&outgoing);
}

static void test_name_taken(void **state) {
    (void)state;
    char path[160];
    snprintf(path, sizeof path, "%s/d_1-3_3.csv", folder);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    struct outgoing *outgoing = open_outgoing(0);
    struct error error = {0};
    for (uint64_t i = 1; i < 4; i++)
        add(outgoing, i);
    assert_int_equal(outgoing_publish_due(outgoing, 1, &error), 0);
    check_folder("d_1-3_3-2.csv=h\nrow 1\nrow 2\nrow 3\n;d_1-3_3.csv=;");
    outgoing_destroy(&outgoing);
}

static void test_folder_away(void **state) {
    (void)state;
    struct outgoing *outgoing = open_outgoing(0);
    struct error error = {0};
    for (uint64_t i = 1; i < 4; i++)
        add(outgoing, i);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(outgoing_publish_due(outgoing, 1, &error), OUTGOING_LATER);
    assert_non_null(strstr(error.text, "No such file"));
    assert_true(outgoing_full(outgoing));
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(outgoing_publish_due(outgoing, 2, &error), 0);
    check_folder("d_1-3_3.csv=h\nrow 1\nrow 2\nrow 3\n;");
    outgoing_destroy(&outgoing);
}

// The receiving system takes the file between the rename and the crash.
static void test_taken_before_the_restart(void **state) {
    (void)state;
    struct outgoing *outgoing = open_outgoing(0);
    struct error error = {0};
    add(outgoing, 1);
    assert_int_equal(rowlog_finish(outgoing_log(outgoing), "d_1-1_1.csv", &error), 0);
    outgoing_destroy(&outgoing); // intent, and no temporary file: it was renamed
    outgoing = open_outgoing(0);
    assert_int_equal(rowlog_rows(outgoing_log(outgoing)), 0);
    assert_null(rowlog_name(outgoing_log(outgoing)));
    check_folder("");
    outgoing_destroy(&outgoing);
}

static void check_positions(struct outgoing *outgoing, const char *want) {
    uint64_t *positions = NULL;
    size_t count = 0;
    struct buffer text = {0};
    struct error error = {0};
    assert_int_equal(rowlog_positions(outgoing_log(outgoing), &positions, &count, &error), 0);
    for (size_t i = 0; i < count; i++)
        buffer_append_format(&text, "%d ", (int)positions[i]);
    assert_string_equal(buffer_text(&text), want);
    free(positions);
    buffer_destroy(&text);
}

// Until the sidecar has marked them, positions stay known beyond their file, and beyond a restart; but not to
// another bus.
static void test_positions_stay_known(void **state) {
    (void)state;
    struct error error = {0};
    struct outgoing *outgoing = open_outgoing(0);
    for (uint64_t i = 1; i < 4; i++)
        add(outgoing, i);
    assert_int_equal(outgoing_publish_due(outgoing, 1, &error), 0);
    add(outgoing, 4);
    check_positions(outgoing, "1 2 3 4 ");
    outgoing_destroy(&outgoing);
    outgoing = open_outgoing(0);
    assert_int_equal(rowlog_rows(outgoing_log(outgoing)), 1);
    check_positions(outgoing, "1 2 3 4 ");
    assert_int_equal(rowlog_add(outgoing_log(outgoing), 1, bytes_of_string("new 1\n")), 0);
    assert_int_equal(rowlog_commit(outgoing_log(outgoing), (const uint8_t *)"another bus, 16.", &error), 0);
    check_positions(outgoing, "1 ");
    outgoing_destroy(&outgoing);
    outgoing = open_outgoing(0);
    check_positions(outgoing, "1 ");
    assert_int_equal(rowlog_rows(outgoing_log(outgoing)), 2);
    outgoing_keep_positions(outgoing, false);
    assert_int_equal(outgoing_publish_due(outgoing, 60 * CLOCK_SECOND_NS, &error), 0);
    assert_int_equal(outgoing_publish_due(outgoing, 90 * CLOCK_SECOND_NS, &error), 0);
    check_folder("d_1-3_3.csv=h\nrow 1\nrow 2\nrow 3\n;d_4-1_2.csv=h\nrow 4\nnew 1\n;");
    check_positions(outgoing, "");
    outgoing_destroy(&outgoing);
}

static void test_templates(void **state) {
    (void)state;
    assert_null(outgoing_check_template("{name}_{date}{time}_{first}.csv"));
    assert_non_null(outgoing_check_template("a.csv"));
    assert_non_null(outgoing_check_template("a/{first}.csv"));
    assert_non_null(outgoing_check_template("{first}{year}.csv"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_full_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_late_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_wait_runs_from_the_first_look, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_uncommitted_rows_are_cut_off, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_name_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_folder_away, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_taken_before_the_restart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_positions_stay_known, set_up, tear_down),
        cmocka_unit_test(test_templates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
