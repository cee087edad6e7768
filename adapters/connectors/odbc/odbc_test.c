// The connector against SQLite, with a host that keeps a spool in a file.
#include "adapters/connectors/odbc/odbc_testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
// cmocka needs some of the above
#include <cmocka.h>

#define GIVE                                                                                                 \
    "  give:\n"                                                                                              \
    "    - as: gov.public_security.v1.LeaseNotice\n"                                                         \
    "      when: row.name != \"skip\"\n"                                                                     \
    "      subject: row.name\n"                                                                              \
    "      map: { lease_number: row.name, filed_on: row.day }\n"
#define COLUMNS "    columns: [{name: name, required: true}, {name: day, type: date}]\n"
#define OUTBOX(extra)                                                                                        \
    "odbc:\n  connect: ${REGISTER}\n  outbox:\n    table: box\n    rows: 2\n" COLUMNS extra GIVE
#define RISING                                                                                               \
    "odbc:\n  connect: ${REGISTER}\n  rising:\n    table: box\n    by: [day, id]\n    rows: 2\n" COLUMNS GIVE
#define SINK                                                                                                 \
    "odbc:\n  connect: ${REGISTER}\n  inbox: {create: true}\n  take:\n"                                      \
    "    - on: gov.public_security.v1.LeaseNotice\n"                                                         \
    "      with: { number: msg.lease_number }\n"                                                             \
    "      do:\n"                                                                                            \
    "        - INSERT INTO effect (number) VALUES (:number)\n"                                               \
    "        - {sql: \"UPDATE total SET n = n + 1 WHERE :number <> 'nobody'\", expect_rows: 1}\n"
#define TABLES                                                                                               \
    "CREATE TABLE box (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, day TEXT);"                          \
    "CREATE TABLE effect (number TEXT CHECK (number <> 'bad')); CREATE TABLE total (n INTEGER);"             \
    "INSERT INTO total VALUES (0);"

static char folder[64];

static int make(void **state) {
    (void)state;
    test_host_make(folder);
    test_host_sql(folder, TABLES);
    return 0;
}

static int drop(void **state) {
    (void)state;
    test_die_before(0);
    test_host_remove(folder);
    return 0;
}

static void open_connector(struct test_host *test, const char *yaml) {
    struct error error = {0};
    test_host_open(test, folder, yaml);
    if (!test->connector) {
        struct buffer text = {0};
        report_print(test->report, &text);
        fail_msg("%s", buffer_text(&text));
    }
    if (odbc_connector.open(test->connector, &error))
        fail_msg("%s", error.text);
}

static void run_once(const char *yaml, int expected) {
    struct test_host test;
    struct error error = {0};
    open_connector(&test, yaml);
    int rc = test_host_poll_all(&test, &error);
    if (rc != expected)
        fail_msg("%d: %s", rc, error.text);
    test_host_close(&test);
}

static void rows_become_messages_and_go(void **state) {
    (void)state;
    test_host_sql(folder,
        "INSERT INTO box (name, day) VALUES ('甲', '20261124'), ('skip', NULL), ('b', '2026/11/25'),"
        " ('c', NULL), ('d', '')");
    run_once(OUTBOX(""), 0);
    assert_string_equal(test_host_spool(folder), "甲 b c d ");
    assert_string_equal(test_host_sql(folder, "SELECT count(*) FROM box"), "0\n");
    test_host_sql(folder, "INSERT INTO box (name) VALUES ('e')");
    run_once(OUTBOX(""), 0);
    assert_string_equal(test_host_spool(folder), "甲 b c d e ");
}

static void a_bad_row_is_kept_apart(void **state) {
    (void)state;
    struct test_host test;
    struct error error = {0};
    char path[128], line[512] = "";
    test_host_sql(folder,
        "INSERT INTO box (name, day) VALUES ('a', '2026-02-30'), ('b', NULL), (NULL, NULL), ('', NULL)");
    open_connector(&test, OUTBOX(""));
    assert_int_equal(test_host_poll_all(&test, &error), 0);
    assert_int_equal(test.refused, 3);
    assert_string_equal(test.reason, "box 4: subject: is empty");
    test_host_close(&test);
    assert_string_equal(test_host_spool(folder), "b ");
    snprintf(path, sizeof path, "%s/refused.jsonl", folder);
    FILE *file = fopen(path, "re");
    if (!file)
        abort();
    assert_non_null(fgets(line, sizeof line, file));
    fclose(file);
    assert_non_null(strstr(line, "\"place\":\"box 1\",\"reason\":\"day: must be a date"));
    assert_non_null(strstr(line, "\"row\":{\"name\":\"a\",\"day\":\"2026-02-30\"}}"));
}

static void a_full_spool_stops_the_batch(void **state) {
    (void)state;
    struct test_host test;
    struct error error = {0};
    test_host_sql(folder, "INSERT INTO box (name) VALUES ('a'), ('b')");
    open_connector(&test, OUTBOX(""));
    test.publish_code = CONNECTOR_RETRY;
    assert_int_equal(test_host_poll_all(&test, &error), CONNECTOR_RETRY);
    assert_string_equal(test_host_sql(folder, "SELECT count(*) FROM box"), "2\n");
    test.publish_code = 0;
    assert_int_equal(test_host_poll_all(&test, &error), 0);
    assert_string_equal(test_host_spool(folder), "a b ");
    test_host_close(&test);
}

static void ids_that_appear_late_are_not_missed(void **state) {
    (void)state;
    static const char *const kinds[] = {OUTBOX(""), OUTBOX("    cleanup: false\n    grace: 1h\n")};
    for (size_t i = 0; i < 2; i++) {
        struct test_host test;
        struct error error = {0};
        test_host_sql(folder, "DELETE FROM box; INSERT INTO box (id, name) VALUES (2, 'b'), (4, 'd')");
        open_connector(&test, kinds[i]);
        assert_int_equal(test_host_poll_all(&test, &error), 0);
        test_host_sql(folder, "INSERT INTO box (id, name) VALUES (1, 'a'), (5, 'e')");
        assert_int_equal(test_host_poll_all(&test, &error), 0);
        test_host_close(&test);
        test_host_sql(folder, "INSERT INTO box (id, name) VALUES (3, 'c')");
        run_once(kinds[i], 0);
        assert_string_equal(test_host_spool(folder), "b d a e c ");
        assert_string_equal(test_host_sql(folder, "SELECT count(*) FROM box"), i ? "5\n" : "0\n");
        drop(NULL);
        make(NULL);
    }
}

static void a_rising_column_goes_on_behind_its_last_row(void **state) {
    (void)state;
    test_host_sql(folder,
        "INSERT INTO box (id, name, day) VALUES (5, 'a', '2026-01-01'), (1, 'b', '2026-01-02'),"
        " (2, 'c', '2026-01-02'), (3, 'd', '2026-01-02')");
    run_once(RISING, 0);
    assert_string_equal(test_host_spool(folder), "a b c d ");
    test_host_sql(
        folder, "INSERT INTO box (id, name, day) VALUES (9, 'e', '2026-01-02'), (4, 'skip', '2026-01-03')");
    run_once(RISING, 0);
    run_once(RISING, 0);
    assert_string_equal(test_host_spool(folder), "a b c d e ");
    struct test_host test;
    struct error error = {0};
    test_host_open(&test, folder, OUTBOX(""));
    assert_int_equal(odbc_connector.open(test.connector, &error), -22);
    assert_non_null(strstr(error.text, "not one of an outbox"));
    test_host_close(&test);
}

// Runs `work` in a process that dies before its N-th step, for every N, with a whole run after each death.
static unsigned kill_everywhere(void (*work)(void), void (*check)(unsigned n)) {
    for (unsigned n = 1;; n++) {
        int status = 0;
        make(NULL);
        test_host_sql(folder,
            "INSERT INTO box (name, day) VALUES ('a', '2026-01-01'), ('b', '2026-01-02'),"
            " ('skip', '2026-01-03'), ('c', '2026-01-04'), ('d', '2026-01-05'), ('e', '2026-01-06')");
        pid_t pid = fork();
        if (pid == 0) {
            test_die_before(n);
            work();
            _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 9));
        work();
        check(n);
        drop(NULL);
        if (WEXITSTATUS(status) == 0)
            return n;
    }
}

static void work_outbox(void) {
    run_once(OUTBOX(""), 0);
}

static void work_kept(void) {
    run_once(OUTBOX("    cleanup: false\n"), 0);
}

static void work_rising(void) {
    run_once(RISING, 0);
}

static void check_spool(unsigned n) {
    if (strcmp(test_host_spool(folder), "a b c d e ") != 0)
        fail_msg("killed before step %u: %s", n, test_host_spool(folder));
}

static void killed_anywhere_each_row_is_given_once(void **state) {
    (void)state;
    drop(NULL);
    assert_true(kill_everywhere(work_outbox, check_spool) > 20);
    assert_true(kill_everywhere(work_kept, check_spool) > 10);
    assert_true(kill_everywhere(work_rising, check_spool) > 5);
    make(NULL);
}

// ---- Messages to statements ----

static int deliver(struct test_host *test, uint64_t at, const char *number, unsigned attempt) {
    struct buffer payload = {0};
    struct error error = {0};
    struct connector_delivery delivery = test_delivery(test, at, number, &payload);
    delivery.attempt = attempt;
    int rc = odbc_connector.deliver(test->connector, &delivery, &error);
    buffer_destroy(&payload);
    return rc;
}

static int commit(struct test_host *test) {
    struct error error = {0};
    return odbc_connector.commit(test->connector, &error);
}

static void an_effect_happens_once(void **state) {
    (void)state;
    struct test_host test;
    open_connector(&test, SINK);
    assert_int_equal(deliver(&test, 1, "甲", 1), 0);
    assert_int_equal(deliver(&test, 2, "b", 1), 0);
    assert_int_equal(commit(&test), 0);
    assert_int_equal(deliver(&test, 1, "甲", 2), 0); // a repeat that says so
    assert_int_equal(deliver(&test, 2, "b", 1), 0);  // and one that doesn't
    assert_int_equal(deliver(&test, 3, "c", 1), 0);
    assert_int_equal(commit(&test), 0);
    test_host_close(&test);
    assert_string_equal(test_host_sql(folder, "SELECT group_concat(number) FROM effect"), "甲,b,c\n");
    assert_string_equal(test_host_sql(folder, "SELECT n FROM total"), "3\n");
    assert_string_equal(test_host_sql(folder, "SELECT bus, position FROM hutong_inbox WHERE position = 3"),
        "ab010203000000000000000000000000|3\n");
}

static void one_that_fails_leaves_the_others(void **state) {
    (void)state;
    struct test_host test;
    open_connector(&test, SINK);
    assert_int_equal(deliver(&test, 1, "a", 1), 0);
    assert_int_equal(deliver(&test, 2, "bad", 1), CONNECTOR_REJECT);    // the table's check
    assert_int_equal(deliver(&test, 3, "nobody", 1), CONNECTOR_REJECT); // expect_rows
    assert_int_equal(deliver(&test, 4, "d", 1), 0);
    assert_int_equal(commit(&test), 0);
    test_host_close(&test);
    assert_string_equal(test_host_sql(folder, "SELECT group_concat(number) FROM effect"), "a,d\n");
    assert_string_equal(test_host_sql(folder, "SELECT group_concat(position) FROM hutong_inbox"), "1,4\n");
}

static void nothing_counts_before_the_commit(void **state) {
    (void)state;
    struct test_host test;
    open_connector(&test, SINK);
    assert_int_equal(deliver(&test, 1, "a", 1), 0);
    test_host_close(&test);
    assert_string_equal(test_host_sql(folder, "SELECT count(*) FROM effect"), "0\n");
}

static void a_locked_database_is_tried_again(void **state) {
    (void)state;
    struct test_host test;
    char command[512];
    open_connector(&test, SINK);
    snprintf(command, sizeof command,
        "(echo 'BEGIN EXCLUSIVE;'; echo '.shell touch %s/locked; while [ -e %s/locked ]; do sleep 0.05; "
        "done';"
        " echo 'COMMIT;') | sqlite3 -batch %s/db &",
        folder, folder, folder);
    test_host_shell(command);
    snprintf(command, sizeof command, "while [ ! -e %s/locked ]; do sleep 0.02; done", folder);
    test_host_shell(command);
    assert_int_equal(deliver(&test, 1, "a", 1), CONNECTOR_RETRY);
    assert_int_equal(deliver(&test, 2, "b", 1), CONNECTOR_RETRY);
    commit(&test);
    snprintf(command, sizeof command,
        "rm %s/locked; while ! sqlite3 %s/db 'BEGIN EXCLUSIVE; COMMIT'; do sleep 0.05; done", folder, folder);
    test_host_shell(command);
    assert_int_equal(deliver(&test, 1, "a", 2), 0);
    assert_int_equal(deliver(&test, 2, "b", 2), 0);
    assert_int_equal(commit(&test), 0);
    test_host_close(&test);
    assert_string_equal(test_host_sql(folder, "SELECT group_concat(number) FROM effect"), "a,b\n");
}

// Two adapters of one system share its queue: whichever comes first has the effect, the other finds it there.
static void two_instances_have_one_effect(void **state) {
    (void)state;
    struct test_host one;
    struct test_host two;
    open_connector(&one, SINK);
    open_connector(&two, SINK);
    assert_int_equal(deliver(&one, 1, "a", 1), 0);
    assert_int_equal(commit(&one), 0);
    assert_int_equal(deliver(&two, 1, "a", 1), 0); // the first one was lost before it settled
    assert_int_equal(deliver(&two, 3, "c", 1), 0); // its share has gaps
    assert_int_equal(commit(&two), 0);
    assert_int_equal(deliver(&one, 3, "c", 2), 0);
    assert_int_equal(commit(&one), 0);
    // At the same time: the first one is slow, and taken for lost.
    assert_int_equal(deliver(&one, 4, "d", 1), 0);
    assert_int_equal(deliver(&two, 4, "d", 2), CONNECTOR_RETRY);
    commit(&two);
    assert_int_equal(commit(&one), 0);
    assert_int_equal(deliver(&two, 4, "d", 3), 0);
    assert_int_equal(commit(&two), 0);
    // The first one ends in the middle.
    assert_int_equal(deliver(&one, 5, "e", 1), 0);
    test_host_close(&one);
    assert_int_equal(deliver(&two, 5, "e", 2), 0);
    assert_int_equal(commit(&two), 0);
    test_host_close(&two);
    assert_string_equal(test_host_sql(folder, "SELECT group_concat(number) FROM effect"), "a,c,d,e\n");
    assert_string_equal(test_host_sql(folder, "SELECT n FROM total"), "4\n");
}

// Each sees every second position; what the broker has settled is forgotten, the rest is not.
static void a_shared_inbox_stays_small(void **state) {
    (void)state;
    struct test_host hosts[2];
    struct error error = {0};
    open_connector(&hosts[0], SINK);
    open_connector(&hosts[1], SINK);
    for (uint64_t i = 0; i < 2400; i++) {
        uint64_t at = i - i % 40 + (i % 40 < 20 ? 2 * (i % 40) + 1 : 2 * (i % 40 - 20) + 2);
        struct test_host *test = &hosts[at % 2];
        struct buffer payload = {0};
        struct connector_delivery delivery = test_delivery(test, at, "n", &payload);
        delivery.attempt = 1;
        delivery.settled = i - i % 40;
        assert_int_equal(odbc_connector.deliver(test->connector, &delivery, &error), 0);
        buffer_destroy(&payload);
        if (i % 20 == 19) // the other one waits for it: a database of one writer
            assert_int_equal(commit(test), 0);
    }
    long rows = strtol(test_host_sql(folder, "SELECT count(*) FROM hutong_inbox"), NULL, 10);
    assert_true(rows >= 20 && rows < 1200);
    assert_int_equal(deliver(&hosts[0], 2399, "n", 1), 0); // the other one's
    assert_int_equal(commit(&hosts[0]), 0);
    test_host_close(&hosts[0]);
    test_host_close(&hosts[1]);
    assert_string_equal(test_host_sql(folder, "SELECT n FROM total"), "2400\n");
}

#define LANE(lane, offset) ((uint64_t)(lane) << 48 | (offset))

static int deliver_settled(struct test_host *test, uint64_t at, uint64_t settled) {
    struct buffer payload = {0};
    struct error error = {0};
    struct connector_delivery delivery = test_delivery(test, at, "n", &payload);
    delivery.settled = settled;
    int rc = odbc_connector.deliver(test->connector, &delivery, &error);
    buffer_destroy(&payload);
    return rc;
}

static long rows_of_lane(unsigned lane) {
    char sql[128];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM hutong_inbox WHERE position >> 48 = %u", lane);
    return strtol(test_host_sql(folder, sql), NULL, 10);
}

// Three lanes in turn, with gaps; of the last one nothing is settled. Each is cleaned by its own floor, and
// what was done in a lane that is stuck is not done again, by whichever adapter.
static void lanes_are_cleaned_apart(void **state) {
    (void)state;
    struct test_host one;
    struct test_host two;
    open_connector(&one, SINK);
    for (uint64_t i = 1; i <= 400; i++) {
        for (uint64_t lane = 0; lane < 3; lane++)
            assert_int_equal(
                deliver_settled(&one, LANE(lane, 3 * i), LANE(lane, lane < 2 ? 3 * (i - 1) : 0)), 0);
        if (i % 20 == 0)
            assert_int_equal(commit(&one), 0);
    }
    assert_int_equal(rows_of_lane(2), 400);
    for (unsigned lane = 0; lane < 2; lane++)
        assert_in_range(rows_of_lane(lane), 1, 250);
    test_host_close(&one);
    open_connector(&two, SINK);
    for (uint64_t lane = 0; lane < 3; lane++)
        assert_int_equal(deliver_settled(&two, LANE(lane, 1200), LANE(lane, 0)), 0);
    for (uint64_t i = 1; i < 400; i++)
        assert_int_equal(deliver_settled(&two, LANE(2, 3 * i), LANE(2, 0)), 0);
    assert_int_equal(commit(&two), 0);
    assert_string_equal(test_host_sql(folder, "SELECT n FROM total"), "1200\n");
    // The stuck lane goes on, and only its rows go.
    long rows = rows_of_lane(1);
    for (uint64_t i = 1; i <= 600; i++)
        assert_int_equal(deliver_settled(&two, LANE(2, 1200 + i), LANE(2, 1200)), 0);
    assert_int_equal(commit(&two), 0);
    assert_int_equal(rows_of_lane(2), 600);
    assert_int_equal(rows_of_lane(1), rows);
    test_host_close(&two);
}

static void work_sink(void) {
    struct test_host test;
    open_connector(&test, SINK);
    for (uint64_t i = 1; i <= 4; i++) {
        char number[8];
        snprintf(number, sizeof number, "n%d", (int)i);
        assert_int_equal(deliver(&test, i, number, 1), 0);
        if (i % 2 == 0)
            assert_int_equal(commit(&test), 0);
    }
    test_host_close(&test);
}

static void check_sink(unsigned n) {
    const char *effects = test_host_sql(folder, "SELECT group_concat(number) FROM effect");
    if (strcmp(effects, "n1,n2,n3,n4\n") != 0)
        fail_msg("killed before step %u: %s", n, effects);
    assert_string_equal(test_host_sql(folder, "SELECT n FROM total"), "4\n");
}

static void killed_anywhere_each_effect_is_there_once(void **state) {
    (void)state;
    drop(NULL);
    assert_true(kill_everywhere(work_sink, check_sink) > 12);
    make(NULL);
}

// ---- Mistakes ----

static void expect_problem(const char *yaml, const char *text) {
    struct test_host test;
    struct buffer out = {0};
    test_host_open(&test, folder, yaml);
    assert_null(test.connector);
    assert_int_equal(report_print(test.report, &out), 0);
    if (!strstr(buffer_text(&out), text))
        fail_msg("expected \"%s\" in:\n%s", text, buffer_text(&out));
    buffer_destroy(&out);
    test_host_close(&test);
}

static void mistakes_in_the_file_have_their_place(void **state) {
    (void)state;
    expect_problem("odbc:\n  connect: x\n", "nothing to do");
    expect_problem("odbc:\n  connect: x\n  outbocks: 1\n", "adapter.yaml:3:3: error:");
    expect_problem("odbc:\n  connect: ${NO_SUCH_VARIABLE}\n", "NO_SUCH_VARIABLE is not set");
    expect_problem("odbc:\n  connect: x\n  outbox:\n    table: t\n    columns: [a]\n", "under give:");
    expect_problem(
        "odbc:\n  connect: x\n  outbox:\n    table: t\n    columns: [a, a]\n" GIVE, "is there already");
    expect_problem(
        "odbc:\n  connect: x\n  outbox:\n    table: t\n    columns: [身份证号]\n" GIVE, "can't be the name");
    expect_problem(
        "odbc:\n  connect: x\n  outbox:\n    table: t\n    grace: 1m\n    columns: [name, day]\n" GIVE,
        "no grace");
    expect_problem("odbc:\n  connect: x\n  take:\n    - on: gov.public_security.v1.LeaseNotice\n"
                   "      with: {number: msg.lease_number}\n      do: [\"SELECT :numer\"]\n",
        "adapter.yaml:6:20: error: with: has no parameter \"numer\"; did you mean \"number\"?");
    expect_problem(
        "odbc:\n  connect: x\n  take:\n    - on: gov.public_security.v1.LeaseNotise\n      do: [x]\n",
        "did you mean \"gov.public_security.v1.LeaseNotice\"?");
}

static void expect_open_error(const char *yaml, int code, const char *text) {
    struct test_host test;
    struct error error = {0};
    test_host_open(&test, folder, yaml);
    assert_non_null(test.connector);
    int rc = odbc_connector.open(test.connector, &error);
    if (rc != code)
        fail_msg("%d for: %s", rc, yaml);
    if (!strstr(error.text, text))
        fail_msg("expected \"%s\" in: %s", text, error.text);
    test_host_close(&test);
}

static void mistakes_that_the_database_finds(void **state) {
    (void)state;
    expect_open_error(
        "odbc:\n  connect: Driver=NoSuchDriver\n  outbox: {table: box, columns: [name, day]}\n" GIVE, -2,
        "libsqliteodbc");
    expect_open_error(
        "odbc:\n  connect: ${REGISTER}\n  outbox: {table: nothing, columns: [name, day]}\n" GIVE, -22,
        "adapter.yaml:3:11: error: statement:");
    expect_open_error("odbc:\n  connect: ${REGISTER}\n  take:\n"
                      "    - on: gov.public_security.v1.LeaseNotice\n      do: [DELETE FROM effect]\n",
        -22, "inbox: {create: true}");
    expect_open_error(
        "odbc:\n  connect: ${REGISTER}\n  inbox: {create: true}\n  take:\n"
        "    - on: gov.public_security.v1.LeaseNotice\n      do: [INSERT INTO effect VALUES 1]\n",
        -22, "adapter.yaml:6:12: error: statement:");
    expect_open_error("odbc:\n  connect: ${REGISTER}\n  password_file: nowhere\n  outbox: {table: box, "
                      "columns: [name, day]}\n" GIVE,
        -2, "nowhere");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_become_messages_and_go, make, drop),
        cmocka_unit_test_setup_teardown(a_bad_row_is_kept_apart, make, drop),
        cmocka_unit_test_setup_teardown(a_full_spool_stops_the_batch, make, drop),
        cmocka_unit_test_setup_teardown(ids_that_appear_late_are_not_missed, make, drop),
        cmocka_unit_test_setup_teardown(a_rising_column_goes_on_behind_its_last_row, make, drop),
        cmocka_unit_test_setup_teardown(killed_anywhere_each_row_is_given_once, make, drop),
        cmocka_unit_test_setup_teardown(an_effect_happens_once, make, drop),
        cmocka_unit_test_setup_teardown(one_that_fails_leaves_the_others, make, drop),
        cmocka_unit_test_setup_teardown(nothing_counts_before_the_commit, make, drop),
        cmocka_unit_test_setup_teardown(a_locked_database_is_tried_again, make, drop),
        cmocka_unit_test_setup_teardown(two_instances_have_one_effect, make, drop),
        cmocka_unit_test_setup_teardown(a_shared_inbox_stays_small, make, drop),
        cmocka_unit_test_setup_teardown(lanes_are_cleaned_apart, make, drop),
        cmocka_unit_test_setup_teardown(killed_anywhere_each_effect_is_there_once, make, drop),
        cmocka_unit_test_setup_teardown(mistakes_in_the_file_have_their_place, make, drop),
        cmocka_unit_test_setup_teardown(mistakes_that_the_database_finds, make, drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
