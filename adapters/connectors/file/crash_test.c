// Kills the process before each single step that reaches the disk, then goes on in a new one, and looks
// whether all is there, once. Host and rules are replaced by files of their own, which a crash leaves as they
// are.
#include "adapters/connectors/file/dropbox.h"
#include "adapters/connectors/file/outfile.h"

#include "core/base/clock.h"

#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wunknown-warning-option"
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak" // it loses sight of what the outfile owns

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

static const char *in_root(const char *name) {
    static char paths[8][256];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", root, name);
    return path;
}

// ---- Dying ----

// For what runs in a child too, where cmocka's own would go on with the other tests.
static void must(int rc, const struct error *error) {
    if (rc == 0)
        return;
    fprintf(stderr, "%d: %s\n", rc, error->text);
    _exit(7);
}

static long steps_left = -1; // -1: never
static long steps;

static void step(void) {
    steps++;
    if (steps_left == 0)
        _exit(9);
    if (steps_left > 0)
        steps_left--;
}

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to) {
    step();
    return __real_rename(from, to);
}

int __real_renameat2(int a, const char *from, int b, const char *to, unsigned flags);
int __wrap_renameat2(int a, const char *from, int b, const char *to, unsigned flags);
int __wrap_renameat2(int a, const char *from, int b, const char *to, unsigned flags) {
    step();
    return __real_renameat2(a, from, b, to, flags);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd) {
    step();
    return __real_fsync(fd);
}

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd) {
    step();
    return __real_fdatasync(fd);
}

int __real_ftruncate(int fd, off_t size);
int __wrap_ftruncate(int fd, off_t size);
int __wrap_ftruncate(int fd, off_t size) {
    step();
    return __real_ftruncate(fd, size);
}

int __real_unlink(const char *path);
int __wrap_unlink(const char *path);
int __wrap_unlink(const char *path) {
    step();
    return __real_unlink(path);
}

ssize_t __real_pwrite(int fd, const void *data, size_t size, off_t at);
ssize_t __wrap_pwrite(int fd, const void *data, size_t size, off_t at);
ssize_t __wrap_pwrite(int fd, const void *data, size_t size, off_t at) {
    step();
    if (steps_left == 0 && size > 1) { // the next step dies: let this one be torn
        __real_pwrite(fd, data, size / 2, at);
        _exit(9);
    }
    return __real_pwrite(fd, data, size, at);
}

// ---- The host: one file of positions and rows, one of positions done ----

static void append(const char *name, const char *text) {
    step();
    int fd = open(in_root(name), O_WRONLY | O_CREAT | O_APPEND, 0600);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static char *read_all(const char *path) {
    static char text[65536];
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[n] = '\0';
    return text;
}

static void store(struct bytes position, struct bytes row) {
    char line[4096];
    int n = 0;
    for (size_t i = 0; i < position.size; i++)
        n += snprintf(line + n, sizeof line - (size_t)n, "%02x", position.data[i]);
    snprintf(line + n, sizeof line - (size_t)n, " %.*s\n", BYTES_ARGS(row));
    append("bus", line);
}

static int host_store_position(void *runtime, struct bytes position, struct error *error) {
    (void)runtime;
    (void)error;
    store(position, bytes_of_string(""));
    return 0;
}

static struct bytes last_position(void) {
    static uint8_t position[1024];
    char *text = read_all(in_root("bus"));
    size_t length = strlen(text);
    if (length == 0)
        return (struct bytes){0};
    text[length - 1] = '\0';
    char *line = strrchr(text, '\n');
    line = line ? line + 1 : text;
    size_t n = 0;
    for (; line[2 * n] != ' '; n++) {
        unsigned byte = 0;
        sscanf(line + 2 * n, "%2x", &byte); // NOLINT(cert-err34-c)
        position[n] = (uint8_t)byte;
    }
    return bytes_of(position, n);
}

static void host_refused(void *runtime, const char *place, const char *reason) {
    (void)runtime;
    (void)place;
    (void)reason;
}

static bool host_is_done(void *runtime, uint64_t position) {
    (void)runtime;
    char want[32];
    snprintf(want, sizeof want, "\n%llu\n", (unsigned long long)position);
    return strstr(read_all(in_root("done")), want) != NULL;
}

static int host_mark_done(void *runtime, const uint64_t *positions, size_t count, struct error *error) {
    (void)runtime;
    (void)error;
    struct buffer text = {0};
    for (size_t i = 0; i < count; i++)
        buffer_append_format(&text, "\n%llu\n", (unsigned long long)positions[i]);
    append("done", buffer_text(&text));
    buffer_destroy(&text);
    return 0;
}

static struct connector_host host(const char *state) {
    return (struct connector_host){.state_folder = state,
        .store_position = host_store_position,
        .refused = host_refused,
        .is_done = host_is_done,
        .mark_done = host_mark_done};
}

// ---- Rules ----

int give_rules_publish(
    struct give_rules *rules, struct bytes row, struct bytes position, struct error *error) {
    (void)rules;
    struct bytes text = bytes_of(row.data + 2, row.data[1]); // the first column, shorter than 128 bytes
    if (bytes_equal_string(text, "skip"))
        return GIVE_NOTHING;
    if (bytes_equal_string(text, "unmapped"))
        return error_set(error, CONNECTOR_BAD_ROW, "kind: no such code");
    store(position, text);
    return 0;
}

void give_rules_destroy(struct give_rules **self) {
    *self = NULL;
}

static uint64_t current;

int take_rule_eval(
    struct take_rule *rule, const struct cel_program *program, struct cel_value *out, struct error *error) {
    (void)rule;
    (void)program;
    (void)error;
    static char text[32];
    snprintf(text, sizeof text, "row%llu", (unsigned long long)current);
    *out = (struct cel_value){.kind = CEL_STRING, .bytes = bytes_of_string(text)};
    return 0;
}

void cel_program_destroy(struct cel_program **self) {
    *self = NULL;
}

// ---- A file on its way in ----

static int set_up(void **state) {
    (void)state;
    snprintf(root, sizeof root, "/tmp/hutong-crash-XXXXXX");
    if (!mkdtemp(root))
        return -1;
    return mkdir(in_root("drop"), 0700) || mkdir(in_root("out"), 0700) || mkdir(in_root("state"), 0700) ||
           mkdir(in_root("taken"), 0700);
}

static int tear_down(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command); // NOLINT(cert-env33-c)
}

static void drop(const char *name, const char *text) {
    char path[64];
    snprintf(path, sizeof path, "drop/%s", name);
    int fd = open(in_root(path), O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static struct catalogue *catalogue;
static struct config_file *columns; // the texts of the row type are its own

static struct row_type *load_columns(const struct connector_host *with) {
    static const char yaml[] = "[a, b]";
    struct report *report = report_new(0);
    columns = config_parse("columns.yaml", bytes_of_string(yaml), NULL, report);
    struct row_type *type =
        columns ? row_type_load(config_root(columns), "row.test", NULL, with, report) : NULL;
    assert_non_null(type);
    report_destroy(&report);
    return type;
}

static struct dropbox *make_dropbox(struct connector_host *with) {
    struct dropbox_options options = {.name = strdup("test"),
        .folder = strdup(in_root("drop")),
        .pattern = strdup("*.csv"),
        .work = strdup(in_root("drop/.work")),
        .done = strdup(in_root("finished")),
        .rejects = strdup(in_root("rejects")),
        .header = true,
        .format = {.name = FORMAT_CSV,
            .charset = CHARSET_GB18030,
            .dialect = {.delimiter = ',', .quotes = true},
            .record_limit = 1000}};
    struct dropbox *dropbox = NULL;
    struct error error = {0};
    catalogue_destroy(&catalogue);
    // A file "x" with an empty message "M".
    static const uint8_t set[] = "\x0a\x10\x0a\x01x\x22\x03\x0a\x01M\x62\x06proto3";
    must(catalogue_load(bytes_of(set, sizeof set - 1), &catalogue, &error), &error);
    with->catalogue = catalogue;
    options.columns = load_columns(with);
    must(dropbox_new(&options, with, &dropbox, &error), &error);
    return dropbox;
}

// One process: reads what is there, two rows a time.
static void read_files(void) {
    struct connector_host with = host(in_root("state"));
    struct dropbox *dropbox = make_dropbox(&with);
    struct error error = {0};
    bool resumed = false;
    bool worked = true;
    uint64_t wait = 0;
    must(dropbox_open(dropbox, last_position(), &resumed, &error), &error);
    while (worked) {
        must(dropbox_run(dropbox, 2, &worked, &wait, &error), &error);
    }
    dropbox_destroy(&dropbox);
    catalogue_destroy(&catalogue);
    config_destroy(&columns);
}

// Runs in a child that dies before its N-th step. True: it came to its end.
static bool survives(void (*run)(void), long n) {
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        steps_left = n;
        run();
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status));
    assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 9);
    return WEXITSTATUS(status) == 0;
}

static void check_bus(const char *want) {
    struct buffer rows = {0};
    char *text = read_all(in_root("bus"));
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) // NOLINT(concurrency-mt-unsafe)
        if (strchr(line, ' ') && strchr(line, ' ')[1])
            buffer_append_format(&rows, "%s ", strchr(line, ' ') + 1);
    assert_string_equal(buffer_text(&rows) ? (const char *)rows.data : "", want);
    buffer_destroy(&rows);
}

static const char rows_one[] =
    "b,a\r\n1,one\r\n2,\xFF\r\n3,skip\r\n4,\"two\"\r\n5\r\n6,unmapped\r\n7,three\r\n8,skip\r\n";
static const char rejects_one[] =
    "line,reason,row\r\n"
    "3,\"line 3, column 3 (byte 3 of the line): byte 0xFF at the end is not GB18030\",\"2,\xFF\"\r\n"
    "6,\"1 fields, expected 2\",5\r\n"
    "7,kind: no such code,\"6,unmapped\"\r\n";

static void check_in(void) {
    check_bus("one two three four ");
    assert_string_equal(read_all(in_root("rejects/one.csv.rejects.csv")), rejects_one);
    assert_int_equal(access(in_root("finished/one.csv"), F_OK), 0);
    assert_int_equal(access(in_root("finished/two.csv"), F_OK), 0);
    assert_int_equal(access(in_root("rejects/wrong.csv"), F_OK), 0);
    assert_int_not_equal(access(in_root("rejects/two.csv.rejects.csv"), F_OK), 0);
}

static void drop_all(void) {
    drop("one.csv", rows_one);
    drop("two.csv", "a,b\nfour,1\n");
    drop("wrong.csv", "a,c\nfive,1\n");
}

static void test_reading(void **state) {
    (void)state;
    drop_all();
    read_files();
    check_in();
    struct stat now;
    assert_int_equal(stat(in_root("drop/.work"), &now), 0);
    assert_int_equal(now.st_nlink, 2);
}

static void test_killed_while_reading(void **state) {
    for (long n = 0;; n++) {
        set_up(state);
        drop_all();
        bool whole = survives(read_files, n);
        read_files();
        check_in();
        tear_down(state);
        if (whole)
            break;
        assert_true(n < 1000);
    }
    set_up(state);
}

// Dies after every third step, again and again, until it is through.
static void test_killed_again_and_again(void **state) {
    (void)state;
    drop_all();
    for (long n = 3; !survives(read_files, n % 11 + 3); n++)
        assert_true(n < 1000);
    check_in();
}

// ---- Rows on their way out ----

static struct outfile *make_outfile(struct connector_host *with) {
    struct outfile *outfile = calloc(1, sizeof *outfile);
    struct error error = {0};
    assert_non_null(outfile);
    outfile->host = with;
    outfile->name = strdup("rows");
    outfile->folder = strdup(in_root("out"));
    outfile->file = strdup("R_{first}-{last}.csv");
    outfile->rows = 3;
    outfile->header = true;
    outfile->format = (struct format){.name = FORMAT_CSV, .dialect = {.delimiter = ',', .quotes = true}};
    outfile->charset = charset_new(CHARSET_GBK);
    outfile->columns = calloc(1, sizeof(struct out_column));
    assert_non_null(outfile->columns);
    outfile->column_count = 1;
    outfile->columns[0] = (struct out_column){.heading = "号", .form = {.type = TEXT_STRING}};
    must(outfile_make_head(outfile, &error), &error);
    return outfile;
}

static bool is_settled(uint64_t position) {
    char want[32];
    snprintf(want, sizeof want, "\n%llu\n", (unsigned long long)position);
    return strstr(read_all(in_root("settled")), want) != NULL;
}

// One process: takes what the broker has, four at a time, and settles after each commit.
static void write_files(void) {
    struct connector_host with = host(in_root("state"));
    struct outfile *outfile = make_outfile(&with);
    struct error error = {0};
    uint64_t wait = UINT64_MAX;
    must(outfile_open(outfile, &error), &error);
    for (uint64_t from = 1; from <= 10; from += 4) {
        char text[128] = "";
        for (current = from; current < from + 4 && current <= 10; current++)
            if (!is_settled(current)) {
                struct connector_delivery delivery = {
                    .bus = (const uint8_t *)"0123456789abcdef", .position = current};
                must(outfile_add(outfile, &delivery, &error), &error);
                snprintf(text + strlen(text), sizeof text - strlen(text), "\n%d\n", (int)current);
            }
        must(outfile_commit(outfile, &error), &error);
        append("settled", text);
        must(outfile_run(outfile, &wait, &error), &error);
    }
    must(outfile_run(outfile, &wait, &error), &error);
    outfile_destroy(&outfile);
}

// The receiving system takes what is there.
static void take_away(void) {
    char command[256];
    snprintf(command, sizeof command, "find '%s/out' -name 'R_*' -exec mv -n {} '%s/taken/' ';'", root, root);
    assert_int_equal(system(command), 0); // NOLINT(cert-env33-c)
}

static void check_out(void) {
    char command[256];
    snprintf(command, sizeof command, "cat '%s'/taken/* | grep -a ^row | sort | tr -d '\\r\\n' > '%s/all'",
        root, root);
    assert_int_equal(system(command), 0); // NOLINT(cert-env33-c)
    assert_string_equal(read_all(in_root("all")), "row1row10row2row3row4row5row6row7row8row9");
    snprintf(command, sizeof command, "test -z \"$(ls -A '%s/out')\"", root);
    assert_int_equal(system(command), 0); // NOLINT(cert-env33-c)
}

static void test_writing(void **state) {
    (void)state;
    write_files();
    assert_string_equal(read_all(in_root("out/R_1-3.csv")), "\xBA\xC5\r\nrow1\r\nrow2\r\nrow3\r\n");
    take_away();
    check_out();
}

static void test_killed_while_writing(void **state) {
    for (long n = 0;; n++) {
        set_up(state);
        bool whole = survives(write_files, n);
        if (n % 2)
            take_away();
        write_files();
        take_away();
        check_out();
        tear_down(state);
        if (whole)
            break;
        assert_true(n < 1000);
    }
    set_up(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_reading, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_killed_while_reading, NULL, tear_down),
        cmocka_unit_test_setup_teardown(test_killed_again_and_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_writing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_killed_while_writing, NULL, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
