// Where a publisher goes on: with what the broker has, with what the spool has, and when the two tell
// different stories.
#include "core/base/clock.h"
#include "sdk/fake_broker.h"
#include "sdk/hutong.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 10000
#define NOWHERE "tcp://127.0.0.1:1"

static char folder[64];
static char spool[96];
static struct fake_broker fake;

static void shell(const char *command) {
    char whole[256];
    snprintf(whole, sizeof whole, "cd %s && %s", folder, command);
    assert_int_equal(system(whole), 0); // NOLINT(cert-env33-c): a folder of our own making
}

static int setup_folder(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/hutong-resume-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(spool, sizeof spool, "%s/spool", folder);
    return 0;
}

static void start_fake(void) {
    fake_start(&fake, NULL);
    fake.heartbeat_ms = 10000;
}

static int setup(void **state) {
    int rc = setup_folder(state);
    if (rc == 0)
        start_fake();
    return rc;
}

static int teardown(void **state) {
    (void)state;
    fake_stop(&fake);
    shell("rm -r ../$(basename $PWD)");
    return 0;
}

static struct hutong *open_at(const char *endpoint, uint64_t limit) {
    struct hutong_options options = {.endpoint = endpoint,
        .system = "test/source",
        .spool_folder = spool,
        .spool_limit = limit,
        .reconnect_min_ms = 10,
        .reconnect_max_ms = 40};
    struct hutong *hutong = NULL;
    struct hutong_error error;
    if (hutong_open(&options, &hutong, &error) != HUTONG_OK)
        fail_msg("%s", error.text);
    return hutong;
}

static enum hutong_code publish(struct hutong *hutong, const char *id) {
    static char payload[1000];
    struct hutong_message one = {.id = id, .type = "t", .payload = payload, .payload_size = sizeof payload};
    return hutong_publish(hutong, &one, &(struct hutong_publish_options){.wait = true}, NULL, NULL);
}

static void publish_some(struct hutong *hutong, int first, int last, const char *suffix) {
    char id[32];
    for (int i = first; i <= last; i++) {
        snprintf(id, sizeof id, "m-%d%s", i, suffix);
        assert_int_equal(publish(hutong, id), HUTONG_OK);
    }
}

static struct hutong_status status_of(struct hutong *hutong) {
    struct hutong_status status;
    hutong_status(hutong, &status);
    return status;
}

static void wait_spooled(struct hutong *hutong, uint64_t wanted) {
    uint64_t until = clock_monotonic_ns() + PATIENCE_MS * CLOCK_MILLISECOND_NS;
    while (status_of(hutong).spooled != wanted) {
        assert_true(clock_monotonic_ns() < until);
        usleep(500);
    }
}

// A life of the publisher: some messages, all accepted.
static void live(uint64_t has, int first, int last) {
    struct hutong *hutong = open_at(fake.endpoint, 0);
    fake_welcome(&fake, has, FAKE_CREDIT);
    publish_some(hutong, first, last, "");
    fake_collect(&fake, (uint64_t)last, NULL, NULL);
    fake_accept(&fake, (uint64_t)last);
    wait_spooled(hutong, 0);
    assert_int_equal(hutong_close(&hutong, PATIENCE_MS), HUTONG_OK);
    fake_expect(&fake, HUTONG__BUS__V1__FRAME__KIND_BYE);
}

static void expect_refusal(struct hutong *hutong, uint64_t broker_has) {
    fake_welcome(&fake, broker_has, FAKE_CREDIT);
    assert_int_equal(hutong_wait_connected(hutong, PATIENCE_MS), HUTONG_REFUSED);
    struct hutong_status status = status_of(hutong);
    assert_int_equal(status.state, HUTONG_DENIED);
    assert_non_null(strstr(status.text, "old copy"));
}

// ---- A copy that was put back ----

// It has gathered so much since that its sequences are above the broker's: the numbers alone show nothing.
static void a_copy_that_went_on_is_told(void **state) {
    (void)state;
    live(0, 1, 3);
    shell("cp -r spool copy");
    live(3, 4, 6);
    shell("rm -r spool && mv copy spool");
    struct hutong *hutong = open_at(NOWHERE, 0);
    publish_some(hutong, 4, 8, "-again");
    assert_int_equal(hutong_close(&hutong, PATIENCE_MS), HUTONG_OK);
    hutong = open_at(fake.endpoint, 0);
    expect_refusal(hutong, 6);
    assert_int_equal(status_of(hutong).spooled, 5);         // nothing went, nothing was dropped
    fake_expect(&fake, HUTONG__BUS__V1__FRAME__KIND_HELLO); // it tries again: that is all that came
    assert_int_equal(hutong_close(&hutong, PATIENCE_MS), HUTONG_OK);
}

// The small file is of the newer copy, the segments are of the older one.
static void a_copy_in_parts_is_told(void **state) {
    (void)state;
    live(0, 1, 3);
    shell("cp -r spool copy");
    struct hutong *hutong = open_at(NOWHERE, 0);
    publish_some(hutong, 4, 6, "");
    assert_int_equal(hutong_close(&hutong, PATIENCE_MS), HUTONG_OK);
    hutong = open_at(fake.endpoint, 0); // a backlog at the beginning of a session: the file says so
    fake_welcome(&fake, 3, FAKE_CREDIT);
    fake_collect(&fake, 6, NULL, NULL);
    fake_accept(&fake, 6);
    wait_spooled(hutong, 0);
    assert_int_equal(hutong_close(&hutong, PATIENCE_MS), HUTONG_OK);
    fake_expect(&fake, HUTONG__BUS__V1__FRAME__KIND_BYE);
    shell("cp spool/stream copy && rm -r spool && mv copy spool");
    hutong = open_at(NOWHERE, 0);
    publish_some(hutong, 4, 8, "-again");
    assert_int_equal(hutong_close(&hutong, PATIENCE_MS), HUTONG_OK);
    hutong = open_at(NOWHERE, 0);
    assert_int_equal(hutong_close(&hutong, PATIENCE_MS), HUTONG_OK);
    hutong = open_at(fake.endpoint, 0);
    expect_refusal(hutong, 6);
    assert_int_equal(hutong_close(&hutong, PATIENCE_MS), HUTONG_OK);
}

// Copied before it ever met the broker.
static void a_copy_from_before_the_first_session_is_told(void **state) {
    (void)state;
    struct hutong *hutong = open_at(NOWHERE, 0);
    publish_some(hutong, 1, 2, "");
    assert_int_equal(hutong_close(&hutong, PATIENCE_MS), HUTONG_OK);
    shell("cp -r spool copy");
    live(0, 3, 3);
    shell("rm -r spool && mv copy spool");
    hutong = open_at(NOWHERE, 0);
    publish_some(hutong, 3, 5, "-again");
    assert_int_equal(hutong_close(&hutong, PATIENCE_MS), HUTONG_OK);
    hutong = open_at(fake.endpoint, 0);
    expect_refusal(hutong, 3);
    assert_int_equal(hutong_close(&hutong, PATIENCE_MS), HUTONG_OK);
}

struct seen {
    uint64_t first;
    uint64_t count;
    char ids[16][32];
};

static void note(void *context, uint64_t sequence, struct bytes id) {
    struct seen *seen = context;
    seen->first = seen->first ? seen->first : sequence;
    snprintf(seen->ids[seen->count++ % 16], 32, "%.*s", BYTES_ARGS(id));
}

static void a_new_stream_goes_on(void **state) {
    (void)state;
    uint64_t left = 0;
    live(0, 1, 3);
    shell("cp -r spool copy");
    live(3, 4, 6);
    shell("rm -r spool && mv copy spool");
    struct hutong *hutong = open_at(NOWHERE, 0);
    publish_some(hutong, 4, 8, "-again");
    assert_int_equal(hutong_new_stream(spool, NULL, NULL), HUTONG_DISK); // it is open
    assert_int_equal(hutong_close(&hutong, PATIENCE_MS), HUTONG_OK);
    assert_int_equal(hutong_new_stream(spool, &left, NULL), HUTONG_OK);
    assert_int_equal(left, 5);
    struct seen seen = {0};
    hutong = open_at(fake.endpoint, 0);
    fake_welcome(&fake, 0, FAKE_CREDIT);
    assert_int_equal(fake_collect(&fake, 5, note, &seen), 1); // the numbers of a new stream
    assert_int_equal(seen.count, 5);
    assert_string_equal(seen.ids[0], "m-4-again");
    fake_accept(&fake, 5);
    wait_spooled(hutong, 0);
    assert_int_equal(hutong_close(&hutong, PATIENCE_MS), HUTONG_OK);
    fake_expect(&fake, HUTONG__BUS__V1__FRAME__KIND_BYE);
    hutong = open_at(fake.endpoint, 0);
    fake_welcome(&fake, 5, FAKE_CREDIT);
    publish_some(hutong, 9, 9, "");
    assert_int_equal(fake_collect(&fake, 6, NULL, NULL), 6);
    assert_int_equal(hutong_close(&hutong, PATIENCE_MS), HUTONG_OK);
}

// A spool of a version that kept no account of what was sent: its last is taken for that.
static void a_spool_of_an_older_version_goes_on(void **state) {
    (void)state;
    struct hutong *hutong = open_at(NOWHERE, 0);
    publish_some(hutong, 1, 3, "");
    assert_int_equal(hutong_close(&hutong, PATIENCE_MS), HUTONG_OK);
    shell("rm spool/stream");
    hutong = open_at(fake.endpoint, 0);
    fake_welcome(&fake, 2, FAKE_CREDIT);
    assert_int_equal(fake_collect(&fake, 3, NULL, NULL), 3);
    assert_int_equal(hutong_close(&hutong, PATIENCE_MS), HUTONG_OK);
}

// ---- Other buses ----

static void another_bus_is_told(void **state) {
    (void)state;
    live(0, 1, 3);
    fake.bus[0] ^= 1;
    struct hutong *hutong = open_at(fake.endpoint, 0);
    fake_welcome(&fake, 0, FAKE_CREDIT);
    publish_some(hutong, 4, 4, "");
    assert_int_equal(fake_collect(&fake, 4, NULL, NULL), 4);
    assert_non_null(strstr(status_of(hutong).notice, "another bus"));
    fake_accept(&fake, 4);
    wait_spooled(hutong, 0);
    assert_int_equal(hutong_close(&hutong, PATIENCE_MS), HUTONG_OK);
    fake_expect(&fake, HUTONG__BUS__V1__FRAME__KIND_BYE);
    hutong = open_at(fake.endpoint, 0); // it is known by now
    fake_welcome(&fake, 4, FAKE_CREDIT);
    assert_int_equal(hutong_wait_connected(hutong, PATIENCE_MS), HUTONG_OK);
    assert_string_equal(status_of(hutong).notice, "");
    assert_int_equal(hutong_close(&hutong, PATIENCE_MS), HUTONG_OK);
}

static void a_broker_that_went_back_is_told(void **state) {
    (void)state;
    live(0, 1, 3);
    struct hutong *hutong = open_at(fake.endpoint, 0);
    fake_welcome(&fake, 1, FAKE_CREDIT);
    assert_int_equal(hutong_wait_connected(hutong, PATIENCE_MS), HUTONG_OK);
    assert_non_null(strstr(status_of(hutong).notice, "up to 3 and now knows of 1"));
    publish_some(hutong, 4, 4, "");
    assert_int_equal(fake_collect(&fake, 4, NULL, NULL), 4);
    assert_int_equal(hutong_close(&hutong, PATIENCE_MS), HUTONG_OK);
}

struct receiver {
    struct hutong *hutong;
    enum hutong_verdict verdict;
    bool switches; // the bus is another one before the handler returns
    unsigned handled;
    uint8_t bus[WIRE_STREAM_SIZE];
};

static void switch_bus(struct hutong *hutong) {
    fake_error(&fake, HUTONG__BUS__V1__REASON__REASON_SHUTTING_DOWN, "moving");
    fake.bus[0] ^= 1;
    uint64_t before = status_of(hutong).reconnects;
    fake_welcome(&fake, 0, FAKE_CREDIT);
    uint64_t until = clock_monotonic_ns() + PATIENCE_MS * CLOCK_MILLISECOND_NS;
    while (status_of(hutong).reconnects == before)
        assert_true(clock_monotonic_ns() < until);
}

static void handle(
    void *context, const struct hutong_delivery *delivery, struct hutong_settlement *settlement) {
    struct receiver *receiver = context;
    receiver->handled++;
    memcpy(receiver->bus, delivery->bus, sizeof receiver->bus);
    if (receiver->switches)
        switch_bus(receiver->hutong);
    receiver->switches = false;
    settlement->verdict = receiver->verdict;
}

static void dispatch(struct receiver *receiver, unsigned wanted) {
    uint64_t until = clock_monotonic_ns() + PATIENCE_MS * CLOCK_MILLISECOND_NS;
    while (receiver->handled < wanted) {
        hutong_dispatch(receiver->hutong, 100);
        assert_true(clock_monotonic_ns() < until);
    }
}

static void open_receiver(struct receiver *receiver) {
    struct hutong_options options = {.endpoint = fake.endpoint,
        .system = "test/sink",
        .receive = true,
        .reconnect_min_ms = 10,
        .reconnect_max_ms = 40};
    assert_int_equal(hutong_open(&options, &receiver->hutong, NULL), HUTONG_OK);
    assert_int_equal(hutong_handle(receiver->hutong, NULL, handle, receiver, NULL), HUTONG_OK);
    fake_welcome(&fake, 0, FAKE_CREDIT);
}

// Only the other bus's own message is settled there: the first settle frame says that position and no other.
static void expect_only(uint64_t position) {
    const Hutong__Bus__V1__Settle *settle = fake_expect(&fake, HUTONG__BUS__V1__FRAME__KIND_SETTLE)->settle;
    assert_int_equal(settle->n_done, 1);
    assert_int_equal(settle->done[0]->first, position);
    assert_int_equal(settle->done[0]->last, position);
}

static void a_verdict_about_another_bus_is_dropped(void **state) {
    (void)state;
    struct receiver receiver = {.verdict = HUTONG_DONE, .switches = true};
    open_receiver(&receiver);
    fake_deliver(&fake, 7, 1, 1, "t");
    dispatch(&receiver, 1); // returns "done" when its bus is gone
    fake_deliver(&fake, 8, 1, 1, "t");
    dispatch(&receiver, 2);
    expect_only(8);
    assert_int_equal(hutong_close(&receiver.hutong, PATIENCE_MS), HUTONG_OK);
}

static void what_was_held_for_another_bus_is_dropped(void **state) {
    (void)state;
    struct hutong_settlement done = {.verdict = HUTONG_DONE};
    struct receiver receiver = {.verdict = HUTONG_LATER};
    open_receiver(&receiver);
    fake_deliver(&fake, 7, 1, 1, "t");
    dispatch(&receiver, 1);
    uint8_t old[WIRE_STREAM_SIZE];
    memcpy(old, receiver.bus, sizeof old);
    switch_bus(receiver.hutong);
    fake_deliver(&fake, 7, 2, 1, "t"); // the same position, another message
    dispatch(&receiver, 3);
    assert_int_equal(hutong_settle_on(receiver.hutong, old, 7, &done), HUTONG_OK);
    assert_int_equal(hutong_settle_on(receiver.hutong, receiver.bus, 8, &done), HUTONG_OK);
    expect_only(8);
    assert_int_equal(hutong_close(&receiver.hutong, PATIENCE_MS), HUTONG_OK);
}

// ---- Killed ----

// Publishes four at the endpoint that it is told, says that they are on disk, and waits for its end.
static void publish_four(int told, int say) {
    char endpoint[128] = "";
    if (read(told, endpoint, sizeof endpoint - 1) <= 0)
        _exit(1);
    struct hutong *hutong = open_at(endpoint, 0);
    char id[32];
    for (int i = 1; i <= 4; i++) {
        snprintf(id, sizeof id, "m-%d", i);
        if (publish(hutong, id) != HUTONG_OK)
            _exit(1);
    }
    (void)!write(say, "x", 1);
    for (;;)
        pause();
}

struct child {
    pid_t pid;
    int tell;
    int hear;
};

// While this process has no other thread: its child has some.
static struct child start_child(void) {
    int down[2];
    int up[2];
    assert_int_equal(pipe(down), 0);
    assert_int_equal(pipe(up), 0);
    struct child child = {.pid = fork(), .tell = down[1], .hear = up[0]};
    if (child.pid == 0) {
        close(down[1]);
        publish_four(down[0], up[1]);
    }
    close(down[0]);
    close(up[1]);
    return child;
}

static void tell(const struct child *child, const char *endpoint) {
    assert_int_equal(write(child->tell, endpoint, strlen(endpoint)), strlen(endpoint));
}

static void kill_it(const struct child *child) {
    int status;
    assert_int_equal(kill(child->pid, SIGKILL), 0);
    assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
    assert_true(WIFSIGNALED(status));
    close(child->tell);
    close(child->hear);
}

static void killed_before_it_sent(void **state) {
    (void)state;
    struct seen seen = {0};
    char byte;
    struct child child = start_child();
    tell(&child, NOWHERE);
    assert_int_equal(read(child.hear, &byte, 1), 1);
    kill_it(&child);
    start_fake();
    struct hutong *hutong = open_at(fake.endpoint, 0);
    fake_welcome(&fake, 0, FAKE_CREDIT);
    assert_int_equal(fake_collect(&fake, 4, note, &seen), 1);
    assert_int_equal(seen.count, 4);
    assert_int_equal(hutong_close(&hutong, PATIENCE_MS), HUTONG_OK);
}

// The broker has all of it, or a part, and its answer never came.
static void killed_before_it_heard(void **state) {
    (void)state;
    struct child child = start_child();
    start_fake();
    tell(&child, fake.endpoint);
    fake_welcome(&fake, 0, FAKE_CREDIT);
    assert_int_equal(fake_collect(&fake, 4, NULL, NULL), 1);
    kill_it(&child);
    struct seen seen = {0};
    struct hutong *hutong = open_at(fake.endpoint, 0);
    fake_welcome(&fake, 3, FAKE_CREDIT);
    assert_int_equal(fake_collect(&fake, 4, note, &seen), 4);
    assert_string_equal(seen.ids[0], "m-4");
    assert_string_equal(status_of(hutong).notice, "");
    assert_int_equal(status_of(hutong).accepted, 3);
    assert_int_equal(hutong_close(&hutong, PATIENCE_MS), HUTONG_OK);
}

// ---- A full spool ----

// A position that was reported as not stored is never stored.
static void a_position_without_room_is_forgotten(void **state) {
    (void)state;
    struct hutong *hutong = open_at(fake.endpoint, 8u << 20);
    enum hutong_code code = HUTONG_OK;
    uint64_t taken = 0;
    while ((code = publish(hutong, NULL)) == HUTONG_OK)
        taken++;
    assert_int_equal(code, HUTONG_FULL);
    char stored[64] = "";
    char position[64];
    for (int i = 0, full = 0; full < 5; i++) {
        snprintf(position, sizeof position, "row %d", i);
        code = hutong_store_position(hutong, position, strlen(position), NULL);
        assert_true(code == HUTONG_OK || code == HUTONG_FULL);
        full += code == HUTONG_FULL;
        if (code == HUTONG_OK)
            snprintf(stored, sizeof stored, "%s", position);
        usleep(code == HUTONG_FULL ? 300000 : 0); // until it tries to write again
    }
    fake_welcome(&fake, 0, FAKE_CREDIT);
    fake_collect(&fake, taken, NULL, NULL);
    fake_accept(&fake, taken);
    uint64_t until = clock_monotonic_ns() + PATIENCE_MS * CLOCK_MILLISECOND_NS;
    while ((code = publish(hutong, NULL)) == HUTONG_FULL)
        assert_true(clock_monotonic_ns() < until);
    assert_int_equal(code, HUTONG_OK);
    for (int lives = 0; lives < 2; lives++) {
        size_t size = hutong_position(hutong, position, sizeof position - 1);
        position[size] = '\0';
        assert_string_equal(position, stored);
        assert_int_equal(hutong_close(&hutong, PATIENCE_MS), HUTONG_OK);
        hutong = open_at(NOWHERE, 8u << 20);
    }
    assert_int_equal(hutong_store_position(hutong, "end", 3, NULL), HUTONG_OK);
    assert_int_equal(hutong_close(&hutong, PATIENCE_MS), HUTONG_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_copy_that_went_on_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(a_copy_in_parts_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(a_copy_from_before_the_first_session_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(a_new_stream_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(a_spool_of_an_older_version_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(another_bus_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(a_broker_that_went_back_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(a_verdict_about_another_bus_is_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_held_for_another_bus_is_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(killed_before_it_sent, setup_folder, teardown),
        cmocka_unit_test_setup_teardown(killed_before_it_heard, setup_folder, teardown),
        cmocka_unit_test_setup_teardown(a_position_without_room_is_forgotten, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
