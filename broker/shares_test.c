#include "broker/lanes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SYSTEMS 100
#define KIB 1024L
#define BATCH ((size_t)64 * 1024) // of the journal: a turn's work

static const char *system_name(unsigned i) {
    static char name[SYSTEMS][32];
    snprintf(name[i], sizeof name[i], "many/s%u", i);
    return name[i];
}

static int set_up(void **state) {
    static struct bench bench;
    char text[16384] = "agency: many\ntitle: M\nsystems:\n";
    bench_prepare(&bench);
    for (unsigned i = 0; i < SYSTEMS; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text),
            "  - { name: s%u, title: S, may_publish: [gov.public_security.v1.ResidenceRegistered] }\n", i);
    bench_write(&bench, "agencies/many.yaml", text);
    bench_write(&bench, "broker.yaml",
        BENCH_BROKER
        "limits: { connections: 1000, credit_messages: 10000, credit_bytes: 1GiB, batch_messages: 1000 }\n");
    bench_begin(&bench);
    bench.broker->batch_soft = BATCH;
    *state = &bench;
    return 0;
}

static int tear_down(void **state) {
    bench_close(*state);
    return 0;
}

// One turn of the loop, and what it gathered goes to disk.
static void one_turn(struct bench *bench) {
    struct error error;
    struct event event = {.kind = EVENT_TURN, .now_ms = bench->now_ms, .now_us = 1000000};
    assert_int_equal(broker_step(bench->broker, &event, &bench->update), 0);
    assert_int_equal(journal_append(bench->journal, bench->batch, &error), 0);
    event.kind = EVENT_DURABLE;
    event.durable = journal_durable(bench->journal);
    assert_int_equal(broker_step(bench->broker, &event, &bench->update), 0);
}

static void hello(struct bench *bench, uint64_t connection, unsigned system) {
    Hutong__Bus__V1__Hello hello = HUTONG__BUS__V1__HELLO__INIT;
    char instance[32];
    snprintf(instance, sizeof instance, "i%llu", (unsigned long long)connection);
    hello.protocol = WIRE_PROTOCOL;
    hello.system = (char *)(uintptr_t)system_name(system);
    hello.instance = instance;
    wire_frame frame = HUTONG__BUS__V1__FRAME__INIT;
    frame.kind_case = HUTONG__BUS__V1__FRAME__KIND_HELLO;
    frame.hello = &hello;
    bench_frame(bench, connection, hello.system, &frame, NULL);
}

// In frames of up to 2 MiB.
static void publish(
    struct bench *bench, uint64_t connection, unsigned system, uint32_t count, size_t payload) {
    uint32_t most = (uint32_t)((2u << 20) / (payload + 128));
    bench->payload = payload;
    for (uint32_t sent = 0; sent < count;) {
        uint32_t some = count - sent < most ? count - sent : most;
        some = some < 1000 ? some : 1000;
        bench_publish(bench, connection, system_name(system), sent + 1, some, "x");
        sent += some;
    }
}

static const struct session *session_of(const struct bench *bench, uint64_t connection) {
    return number_map_get(&bench->broker->by_connection, connection);
}

// Bytes that were taken in of a system's sessions: connections [from, to).
static int64_t taken(const struct bench *bench, uint64_t from, uint64_t to, size_t payload) {
    uint64_t messages = 0;
    for (uint64_t i = from; i < to; i++)
        messages += session_of(bench, i)->counters.accepted;
    return (int64_t)(messages * payload);
}

static unsigned turns_until(struct bench *bench, uint64_t first, uint64_t last, uint64_t accepted) {
    for (unsigned turns = 1; turns < 1000; turns++) {
        one_turn(bench);
        bool all = true;
        for (uint64_t i = first; i <= last; i++)
            all &= session_of(bench, i)->counters.accepted == accepted;
        if (all)
            return turns;
    }
    fail_msg("they are never served");
    return 0;
}

// ---- Tests ----

// Fifty connections of one system send 800 KiB each; what twenty others have to say waits two turns, wherever
// their sessions stand in line.
static void a_flood_does_not_hold_up_the_small_ones(void **state) {
    struct bench *bench = *state;
    for (uint64_t i = 101; i <= 110; i++)
        hello(bench, i, (unsigned)i - 100);
    for (uint64_t i = 1; i <= 50; i++)
        hello(bench, i, 0);
    for (uint64_t i = 111; i <= 120; i++)
        hello(bench, i, (unsigned)i - 100);
    for (uint64_t i = 1; i <= 50; i++)
        publish(bench, i, 0, 50, 16 * KIB);
    for (unsigned i = 0; i < 5; i++)
        one_turn(bench); // the flood has begun
    for (uint64_t i = 101; i <= 120; i++)
        publish(bench, i, (unsigned)i - 100, 1, 100);
    assert_true(turns_until(bench, 101, 120, 1) <= 3);
    assert_true(taken(bench, 1, 51, 1) < 100);
}

// Messages of any size, one connection or many: what is taken in differs by no more than a quantum and a
// message.
static void shares_are_equal_by_bytes_and_system(void **state) {
    struct bench *bench = *state;
    static const size_t sizes[] = {512, 32768, 4096, 1024};
    static const uint64_t connections[] = {1, 40, 3, 10};
    uint64_t first[5] = {1};
    for (unsigned s = 0; s < 4; s++) {
        first[s + 1] = first[s] + connections[s];
        for (uint64_t i = first[s]; i < first[s + 1]; i++) {
            hello(bench, i, s);
            publish(bench, i, s, (uint32_t)((2u << 20) / sizes[s]), sizes[s]);
        }
    }
    for (unsigned turns = 0; turns < 24; turns++)
        one_turn(bench);
    int64_t least = INT64_MAX;
    int64_t most = 0;
    for (unsigned s = 0; s < 4; s++) {
        // With what a message costs besides its payload: about 350 bytes.
        int64_t bytes = taken(bench, first[s], first[s + 1], sizes[s] + 256 + 70);
        least = bytes < least ? bytes : least;
        most = bytes > most ? bytes : most;
    }
    assert_true(least > 100 * KIB);
    assert_true(most - least <= 64 * 1024 + 34 * 1024);
}

static void a_hundred_publishers_take_turns(void **state) {
    struct bench *bench = *state;
    for (uint64_t i = 1; i <= SYSTEMS; i++) {
        hello(bench, i, (unsigned)i - 1);
        publish(bench, i, (unsigned)i - 1, 1000, 1024);
    }
    // Each has a quantum of 64 KiB in a round, which is as much as a turn does.
    for (unsigned turns = 0; turns < 3 * SYSTEMS + 10; turns++)
        one_turn(bench);
    for (uint64_t i = 1; i <= SYSTEMS; i++) {
        uint64_t accepted = session_of(bench, i)->counters.accepted;
        assert_true(accepted >= 90 && accepted <= 200);
    }
}

// Within a system a connection with large messages does not starve one with small ones.
static void sessions_of_a_system_share_too(void **state) {
    struct bench *bench = *state;
    hello(bench, 1, 0);
    hello(bench, 2, 0);
    publish(bench, 1, 0, 200, 60 * KIB);
    publish(bench, 2, 0, 1000, 256);
    for (unsigned turns = 0; turns < 10; turns++)
        one_turn(bench);
    int64_t large = taken(bench, 1, 2, 60 * KIB + 326);
    int64_t small = taken(bench, 2, 3, 256 + 326);
    assert_true(large - small <= 80 * KIB && small - large <= 80 * KIB);
}

// What an idle one did not use is not saved up; what it took too much is paid later.
static void idle_time_saves_nothing_up(void **state) {
    struct bench *bench = *state;
    hello(bench, 1, 0);
    hello(bench, 2, 1);
    publish(bench, 1, 0, 100, 60 * KIB);
    for (unsigned turns = 0; turns < 20; turns++)
        one_turn(bench);
    publish(bench, 2, 1, 100, 60 * KIB);
    uint64_t before = session_of(bench, 1)->counters.accepted;
    for (unsigned turns = 0; turns < 20; turns++)
        one_turn(bench);
    uint64_t first = session_of(bench, 1)->counters.accepted - before;
    uint64_t second = session_of(bench, 2)->counters.accepted;
    assert_true(first + 2 >= second && second + 2 >= first && second > 5);
}

// A session that ends in its turn leaves the others theirs.
static void a_lost_session_leaves_the_line(void **state) {
    struct bench *bench = *state;
    hello(bench, 1, 0);
    hello(bench, 2, 0);
    publish(bench, 1, 0, 100, 16 * KIB);
    publish(bench, 2, 0, 3, 16 * KIB);
    one_turn(bench);
    struct event gone = {.kind = EVENT_GONE, .connection = 1, .now_ms = bench->now_ms, .now_us = 1000000};
    assert_int_equal(broker_step(bench->broker, &gone, &bench->update), 0);
    bench_turn(bench);
    assert_int_equal(session_of(bench, 2)->counters.accepted, 3);
    assert_true(list_empty(&bench->broker->turns));
}

// The loop looks between two portions whether the disk is free, and goes on by itself.
static void a_turn_takes_a_portion_of_a_batch(void **state) {
    struct bench *bench = *state;
    struct event event = {.kind = EVENT_TURN, .now_ms = bench->now_ms, .now_us = 1000000};
    bench->broker->batch_soft = 1000 * KIB;
    hello(bench, 1, 0);
    publish(bench, 1, 0, 100, 10 * KIB);
    size_t before = 0;
    for (size_t size = 256 * KIB; size <= 768 * KIB; size += 256 * KIB) {
        bench->update.more = false;
        assert_int_equal(broker_step(bench->broker, &event, &bench->update), 0);
        assert_in_range(journal_batch_size(bench->batch) - before, 256 * KIB, 267 * KIB);
        assert_true(bench->update.more);
        before = journal_batch_size(bench->batch);
    }
    assert_int_equal(broker_step(bench->broker, &event, &bench->update), 0);
    assert_in_range(journal_batch_size(bench->batch), 1000 * KIB, 1011 * KIB); // and no more than a batch
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_flood_does_not_hold_up_the_small_ones, set_up, tear_down),
        cmocka_unit_test_setup_teardown(shares_are_equal_by_bytes_and_system, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_hundred_publishers_take_turns, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sessions_of_a_system_share_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(idle_time_saves_nothing_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_lost_session_leaves_the_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_turn_takes_a_portion_of_a_batch, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
