#include "core/base/clock.h"
#include "sdk/fake_broker.h"
#include "sdk/hutong.h"
#include "sdk/internal.h"

#include <dirent.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 10000
#define KILLS 12

static char folder[] = "/tmp/hutong-spool-XXXXXX";

static void remove_spool(const char *path) {
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && (entry = readdir(dir)) != NULL;) {
        char file[600];
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        unlink(file);
    }
    if (dir)
        closedir(dir);
    rmdir(path);
}

static int setup(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/hutong-spool-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    remove_spool(folder);
    return 0;
}

static enum hutong_code try_open(
    const char *endpoint, uint64_t limit, struct hutong **out, struct hutong_error *error) {
    struct hutong_options options = {.endpoint = endpoint,
        .system = "test/source",
        .spool_folder = folder,
        .spool_limit = limit,
        .reconnect_min_ms = 10,
        .reconnect_max_ms = 40};
    return hutong_open(&options, out, error);
}

static struct hutong *open_spool(const char *endpoint) {
    struct hutong *hutong = NULL;
    struct hutong_error error;
    if (try_open(endpoint, 0, &hutong, &error) != HUTONG_OK)
        fail_msg("%s", error.text);
    return hutong;
}

static enum hutong_code publish(struct hutong *hutong, const char *id, const char *position, bool wait) {
    static char payload[1000];
    struct hutong_message one = {.id = id, .type = "t", .payload = payload, .payload_size = sizeof payload};
    struct hutong_publish_options options = {
        .position = position, .position_size = position ? strlen(position) : 0, .wait = wait};
    return hutong_publish(hutong, &one, &options, NULL, NULL);
}

static void expect_position(struct hutong *hutong, const char *wanted) {
    char position[64] = "";
    size_t size = hutong_position(hutong, position, sizeof position);
    assert_int_equal(size, strlen(wanted));
    assert_memory_equal(position, wanted, size);
}

#define NOWHERE "tcp://127.0.0.1:1"

struct ids {
    uint64_t count;
    bool wrong;
};

// Ids are "m-<sequence>".
static void check_id(void *context, uint64_t sequence, struct bytes id) {
    struct ids *ids = context;
    char wanted[32];
    snprintf(wanted, sizeof wanted, "m-%llu", (unsigned long long)sequence);
    ids->wrong |= !bytes_equal_string(id, wanted);
    ids->count++;
}

static void it_survives_a_restart(void **state) {
    (void)state;
    struct hutong *hutong = open_spool(NOWHERE);
    expect_position(hutong, "");
    assert_int_equal(publish(hutong, "m-1", "row 1", true), HUTONG_OK);
    expect_position(hutong, "row 1");
    assert_int_equal(publish(hutong, "m-2", "row 2", false), HUTONG_OK);
    assert_int_equal(publish(hutong, "m-3", NULL, false), HUTONG_OK);
    assert_int_equal(hutong_flush(hutong, PATIENCE_MS, NULL), HUTONG_OK);
    expect_position(hutong, "row 2");
    assert_int_equal(hutong_store_position(hutong, "row 9", 5, NULL), HUTONG_OK);
    expect_position(hutong, "row 9");
    struct hutong *second = NULL;
    struct hutong_error error;
    assert_int_equal(try_open(NOWHERE, 0, &second, &error), HUTONG_DISK);
    assert_true(error.retriable);
    assert_int_equal(hutong_close(&hutong, PATIENCE_MS), HUTONG_OK);

    struct fake_broker fake;
    uint8_t stream[WIRE_STREAM_SIZE];
    struct ids ids = {0};
    fake_start(&fake, NULL);
    fake.heartbeat_ms = 10000;
    hutong = open_spool(fake.endpoint);
    expect_position(hutong, "row 9");
    fake_welcome(&fake, 0, FAKE_CREDIT);
    assert_int_equal(fake.frame->hello->stream.len, WIRE_STREAM_SIZE);
    memcpy(stream, fake.frame->hello->stream.data, sizeof stream);
    assert_int_equal(fake_collect(&fake, 3, check_id, &ids), 1);
    assert_false(ids.wrong);
    assert_int_equal(hutong_close(&hutong, PATIENCE_MS), HUTONG_OK); // nothing was accepted
    fake_expect(&fake, HUTONG__BUS__V1__FRAME__KIND_BYE);

    hutong = open_spool(fake.endpoint);
    assert_int_equal(publish(hutong, "m-4", NULL, true), HUTONG_OK);
    fake_welcome(&fake, 2, FAKE_CREDIT); // it has two of them
    assert_memory_equal(fake.frame->hello->stream.data, stream, sizeof stream);
    assert_int_equal(fake_collect(&fake, 4, check_id, &ids), 3);
    fake_accept(&fake, 4);
    assert_int_equal(ids.count, 5);
    assert_false(ids.wrong);
    struct hutong_status status = {.spooled = 9};
    while (status.spooled)
        hutong_status(hutong, &status);
    assert_int_equal(hutong_close(&hutong, PATIENCE_MS), HUTONG_OK);
    fake_expect(&fake, HUTONG__BUS__V1__FRAME__KIND_BYE);

    hutong = open_spool(fake.endpoint); // knows what was accepted, whatever the broker says
    fake_welcome(&fake, 0, FAKE_CREDIT);
    assert_int_equal(publish(hutong, "m-5", NULL, true), HUTONG_OK);
    assert_int_equal(fake_collect(&fake, 5, check_id, &ids), 5);
    assert_int_equal(hutong_close(&hutong, PATIENCE_MS), HUTONG_OK);
    fake_stop(&fake);
}

static void an_old_copy_is_not_used(void **state) {
    (void)state;
    struct fake_broker fake;
    fake_start(&fake, NULL);
    fake.heartbeat_ms = 10000;
    struct hutong *hutong = open_spool(fake.endpoint);
    assert_int_equal(publish(hutong, "m-1", NULL, true), HUTONG_OK);
    fake_welcome(&fake, 7, FAKE_CREDIT);
    assert_int_equal(hutong_wait_connected(hutong, PATIENCE_MS), HUTONG_REFUSED);
    struct hutong_status status;
    hutong_status(hutong, &status);
    assert_non_null(strstr(status.text, "old copy"));
    assert_int_equal(hutong_close(&hutong, PATIENCE_MS), HUTONG_OK);
    fake_stop(&fake);
}

// More than memory holds goes through the disk, in order, while new messages arrive.
static void a_backlog_is_read_back(void **state) {
    (void)state;
    struct fake_broker fake;
    struct ids ids = {0};
    fake_start(&fake, NULL);
    fake.heartbeat_ms = 10000;
    struct hutong *hutong = open_spool(fake.endpoint);
    char id[32];
    for (int i = 1; i <= 9000; i++) {
        snprintf(id, sizeof id, "m-%d", i);
        assert_int_equal(publish(hutong, id, NULL, false), HUTONG_OK);
    }
    fake_welcome(&fake, 0, 100);
    for (int i = 9001; i <= 12000; i++) {
        snprintf(id, sizeof id, "m-%d", i);
        assert_int_equal(publish(hutong, id, NULL, false), HUTONG_OK);
        if (i == 9500)
            fake_credit(&fake, FAKE_CREDIT);
    }
    uint64_t first = 1;
    for (uint64_t last = 1000; last <= 12000; last += 1000) {
        uint64_t start = fake_collect(&fake, last, check_id, &ids);
        assert_int_equal(start, first);
        first = ids.count + 1;
        fake_accept(&fake, ids.count);
        if (ids.count >= 12000)
            break;
        last = ids.count - ids.count % 1000;
    }
    assert_int_equal(ids.count, 12000);
    assert_false(ids.wrong);
    assert_int_equal(hutong_close(&hutong, PATIENCE_MS), HUTONG_OK);
    fake_stop(&fake);
}

// Where all is on disk or was taken back, the window has room for all again.
static void expect_nothing_waits(struct hutong *hutong) {
    pthread_mutex_lock(&hutong->lock);
    const struct block *gathered = hutong->gather.head;
    uint64_t bytes = hutong->window_bytes;
    pthread_mutex_unlock(&hutong->lock);
    assert_null(gathered);
    assert_int_equal(bytes, 0);
}

static void what_is_taken_back_waits_no_more(void **state) {
    (void)state;
    static char payload[256 << 10];
    struct fake_broker fake;
    struct hutong_error error;
    struct hutong *hutong;
    fake_start(&fake, NULL);
    assert_int_equal(try_open(fake.endpoint, 12u << 20, &hutong, &error), HUTONG_OK);
    const struct hutong_message one = {.type = "t", .payload = payload, .payload_size = sizeof payload};
    const struct hutong_publish_options options = {.wait = true};
    enum hutong_code code = HUTONG_OK;
    size_t taken = 0;
    for (; code == HUTONG_OK && taken < 100; taken += code == HUTONG_OK)
        code = hutong_publish(hutong, &one, &options, NULL, &error);
    assert_int_equal(code, HUTONG_FULL);
    assert_true(taken > 10);
    expect_nothing_waits(hutong);
    assert_int_equal(hutong_close(&hutong, 0), HUTONG_OK);
    fake_stop(&fake);
}

static void a_full_spool_says_so(void **state) {
    (void)state;
    struct fake_broker fake;
    struct ids ids = {0};
    struct hutong_error error;
    struct hutong_status status;
    struct hutong *hutong;
    fake_start(&fake, NULL);
    fake.heartbeat_ms = 10000;
    assert_int_equal(try_open(fake.endpoint, 12u << 20, &hutong, &error), HUTONG_OK);
    enum hutong_code code = HUTONG_OK;
    uint64_t taken = 0;
    char id[32];
    while (code == HUTONG_OK && taken < 20000) {
        snprintf(id, sizeof id, "m-%llu", (unsigned long long)taken + 1);
        code = publish(hutong, id, NULL, taken % 100 == 0);
        taken += code == HUTONG_OK;
    }
    assert_int_equal(code, HUTONG_FULL);
    hutong_status(hutong, &status);
    assert_int_equal(status.state, HUTONG_DISK_FULL);
    assert_true(taken > 4000);
    fake_welcome(&fake, 0, FAKE_CREDIT);
    for (uint64_t next = 1; next <= taken; next = ids.count + 1) {
        fake_collect(&fake, next, check_id, &ids);
        fake_accept(&fake, ids.count);
    }
    assert_false(ids.wrong);
    snprintf(id, sizeof id, "m-%llu", (unsigned long long)taken + 1);
    uint64_t until = clock_monotonic_ns() + PATIENCE_MS * CLOCK_MILLISECOND_NS;
    while ((code = publish(hutong, id, NULL, true)) == HUTONG_FULL)
        assert_true(clock_monotonic_ns() < until);
    assert_int_equal(code, HUTONG_OK);
    expect_nothing_waits(hutong);
    fake_collect(&fake, taken + 1, check_id, &ids);
    assert_false(ids.wrong);
    assert_int_equal(hutong_close(&hutong, PATIENCE_MS), HUTONG_OK);
    fake_stop(&fake);
}

// A publisher that is killed at any moment has every message that it was told is on disk.
static void publish_until_killed(int fd, uint64_t from) {
    struct hutong *hutong = NULL;
    if (try_open(NOWHERE, 0, &hutong, NULL) != HUTONG_OK)
        _exit(1);
    for (uint64_t i = from;; i++) {
        char id[32];
        snprintf(id, sizeof id, "m-%llu", (unsigned long long)i);
        if (publish(hutong, id, id, true) != HUTONG_OK || write(fd, &i, sizeof i) != sizeof i)
            _exit(2);
    }
}

static uint64_t run_and_kill(uint64_t from) {
    int pipe_fds[2];
    assert_int_equal(pipe(pipe_fds), 0);
    pid_t pid = fork();
    if (pid == 0)
        publish_until_killed(pipe_fds[1], from);
    close(pipe_fds[1]);
    uint64_t last = 0;
    uint64_t told;
    assert_int_equal(read(pipe_fds[0], &told, sizeof told), sizeof told);
    last = told;
    usleep((unsigned)(rand() % 20000)); // NOLINT(cert-msc30-c,cert-msc50-cpp): any moment will do
    assert_int_equal(kill(pid, SIGKILL), 0);
    while (read(pipe_fds[0], &told, sizeof told) == sizeof told)
        last = told;
    close(pipe_fds[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    return last;
}

static void no_taken_message_is_lost(void **state) {
    (void)state;
    uint64_t next = 1;
    for (int i = 0; i < KILLS; i++) {
        uint64_t told = run_and_kill(next);
        struct hutong *hutong = open_spool(NOWHERE);
        char position[32] = "";
        hutong_position(hutong, position, sizeof position - 1);
        uint64_t stored = strtoull(position + 2, NULL, 10);
        assert_true(stored >= told);
        next = stored + 1; // the source goes on exactly behind it
        assert_int_equal(hutong_close(&hutong, PATIENCE_MS), HUTONG_OK);
    }
    struct fake_broker fake;
    struct ids ids = {0};
    fake_start(&fake, NULL);
    fake.heartbeat_ms = 10000;
    struct hutong *hutong = open_spool(fake.endpoint);
    fake_welcome(&fake, 0, FAKE_CREDIT);
    assert_int_equal(fake_collect(&fake, next - 1, check_id, &ids), 1);
    assert_int_equal(ids.count, next - 1);
    assert_false(ids.wrong);
    assert_int_equal(hutong_close(&hutong, PATIENCE_MS), HUTONG_OK);
    fake_stop(&fake);
}

struct crowd {
    struct hutong *hutong;
    unsigned failed;
};

static void *publish_some(void *context) {
    struct crowd *crowd = context;
    for (int i = 0; i < 50; i++)
        if (publish(crowd->hutong, NULL, NULL, true) != HUTONG_OK)
            crowd->failed++;
    return NULL;
}

static void threads_share_a_write(void **state) {
    (void)state;
    struct crowd crowds[8] = {0};
    pthread_t threads[8];
    struct hutong *hutong = open_spool(NOWHERE);
    for (int i = 0; i < 8; i++) {
        crowds[i].hutong = hutong;
        assert_int_equal(pthread_create(&threads[i], NULL, publish_some, &crowds[i]), 0);
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(crowds[i].failed, 0);
    }
    struct hutong_status status;
    hutong_status(hutong, &status);
    assert_int_equal(status.published, 400);
    assert_int_equal(hutong_close(&hutong, PATIENCE_MS), HUTONG_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_survives_a_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(an_old_copy_is_not_used, setup, teardown),
        cmocka_unit_test_setup_teardown(a_backlog_is_read_back, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_taken_back_waits_no_more, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_spool_says_so, setup, teardown),
        cmocka_unit_test_setup_teardown(threads_share_a_write, setup, teardown),
        cmocka_unit_test_setup_teardown(no_taken_message_is_lost, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
