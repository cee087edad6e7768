// The SDK without memory: each allocation fails once, at every place of whole lives of a connection, and what
// was taken still arrives.
#include "core/base/clock.h"
#include "sdk/fake_broker.h"
#include "sdk/hutong.h"
#include "test/support/alloc_fail.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_NS (20 * CLOCK_SECOND_NS)

static void ignore(void *context, const struct hutong_outcome *outcome) {
    (void)context;
    (void)outcome;
}

static void open_survives_no_memory(void **state) {
    (void)state;
    struct hutong_options options = {.endpoint = "tcp://127.0.0.1:1", .system = "a/b"};
    enum hutong_code code = HUTONG_NO_MEMORY;
    for (size_t n = 0; code != HUTONG_OK; n++) {
        struct hutong *hutong = NULL;
        struct hutong_error error;
        alloc_fail_after(n);
        code = hutong_open(&options, &hutong, &error);
        alloc_fail_never();
        assert_true(code == HUTONG_OK || (code == HUTONG_NO_MEMORY && error.retriable && !hutong));
        hutong_close(&hutong, 0);
    }
}

static void publishing_survives_no_memory(void **state) {
    (void)state;
    struct hutong_options options = {.endpoint = "tcp://127.0.0.1:1", .system = "a/b"};
    struct hutong *hutong;
    assert_int_equal(hutong_open(&options, &hutong, NULL), HUTONG_OK);
    struct hutong_message one = {.type = "t"};
    struct hutong_publish_options with = {.callback = ignore};
    enum hutong_code code = HUTONG_NO_MEMORY;
    uint64_t sequence = 0;
    for (size_t n = 0; code != HUTONG_OK; n++) {
        alloc_fail_after(n);
        code = hutong_publish(hutong, &one, &with, &sequence, NULL);
        alloc_fail_never();
        assert_true(code == HUTONG_OK || code == HUTONG_NO_MEMORY);
    }
    assert_int_equal(sequence, 1); // failures left nothing behind
    assert_int_equal(hutong_close(&hutong, 0), HUTONG_TIMEOUT);
}

// ---- A broker that does its work, in a thread with memory of its own ----

#define MESSAGES 12u   // published
#define DELIVERIES 12u // taken

struct server {
    struct fake_broker fake;
    pthread_t thread;
    atomic_bool stop;
    bool streams;           // sequences last over sessions
    uint64_t last;          // accepted
    bool has[MESSAGES + 1]; // by the number in the id
    bool settled[DELIVERIES + 1];
    atomic_uint has_count;
    atomic_uint settled_count;
    atomic_bool wrong;
};

static void deliver_unsettled(struct server *server) {
    for (uint64_t position = 1; position <= DELIVERIES; position++)
        if (!server->settled[position])
            fake_deliver(&server->fake, position, 1, 1, position % 4 == 0 ? "later" : "now");
}

static void take_messages(struct server *server) {
    const Hutong__Bus__V1__Publish *publish = server->fake.frame->publish;
    struct bytes rest = buffer_bytes(&server->fake.body);
    struct bytes raw;
    uint64_t sequence = publish->first_sequence;
    for (; rest.size && wire_body_next(&rest, &raw, NULL) == 0; sequence++) {
        struct wire_envelope envelope;
        char id[32];
        if (sequence <= server->last)
            continue; // a repeat
        if (wire_envelope_parse(raw, &envelope, NULL) != 0)
            atomic_store(&server->wrong, true);
        snprintf(id, sizeof id, "%.*s", BYTES_ARGS(envelope.id));
        unsigned number = (unsigned)strtoul(id + 2, NULL, 10);
        if (number < 1 || number > MESSAGES || (server->streams && server->has[number])) {
            atomic_store(&server->wrong, true);
            continue;
        }
        atomic_fetch_add(&server->has_count, !server->has[number]);
        server->has[number] = true;
    }
    server->last = sequence - 1;
    fake_accept(&server->fake, server->last);
}

static void settle(struct server *server) {
    const Hutong__Bus__V1__Settle *frame = server->fake.frame->settle;
    for (size_t i = 0; i < frame->n_done; i++)
        for (uint64_t at = frame->done[i]->first; at <= frame->done[i]->last && at <= DELIVERIES; at++) {
            atomic_fetch_add(&server->settled_count, !server->settled[at]);
            server->settled[at] = true;
        }
}

static void *serve(void *context) {
    struct server *server = context;
    alloc_exempt_this_thread(true);
    while (!atomic_load(&server->stop)) {
        if (!fake_any(&server->fake, 5))
            continue;
        switch (server->fake.frame->kind_case) {
        case HUTONG__BUS__V1__FRAME__KIND_HELLO:
            server->last = server->streams ? server->last : 0;
            fake_answer_hello(&server->fake, server->last, FAKE_CREDIT);
            deliver_unsettled(server);
            break;
        case HUTONG__BUS__V1__FRAME__KIND_PUBLISH:
            take_messages(server);
            break;
        case HUTONG__BUS__V1__FRAME__KIND_SETTLE:
            settle(server);
            break;
        default:
            break;
        }
    }
    return NULL;
}

static void start(struct server *server, bool streams) {
    *server = (struct server){.streams = streams};
    fake_start(&server->fake, NULL);
    server->fake.heartbeat_ms = 60000;
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void stop(struct server *server) {
    atomic_store(&server->stop, true);
    pthread_join(server->thread, NULL);
    fake_stop(&server->fake);
}

// ---- A life ----

static char spool[64];

static void remove_spool(void) {
    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", spool);
    assert_int_equal(system(command), 0); // NOLINT(cert-env33-c): a folder of our own making
}

static void handle(
    void *context, const struct hutong_delivery *delivery, struct hutong_settlement *settlement) {
    bool *later = context; // by position
    if (later)
        later[delivery->position] = true;
    settlement->verdict = later ? HUTONG_LATER : HUTONG_DONE;
}

// Until it works: an allocation fails but once.
static struct hutong *open_life(const struct server *server, const char *folder) {
    struct hutong_options options = {.endpoint = server->fake.endpoint,
        .system = "a/b",
        .spool_folder = folder,
        .receive = true,
        .reconnect_min_ms = 1,
        .reconnect_max_ms = 2};
    struct hutong *hutong = NULL;
    struct hutong_error error;
    for (int i = 0; !hutong && i < 3; i++)
        if (hutong_open(&options, &hutong, &error) != HUTONG_OK && error.code != HUTONG_NO_MEMORY)
            fail_msg("%d: %s", (int)error.code, error.text);
    assert_non_null(hutong);
    return hutong;
}

static void handle_type(struct hutong *hutong, const char *type, bool *later) {
    struct hutong_error error;
    while (hutong_handle(hutong, type, handle, later, &error) != HUTONG_OK)
        assert_int_equal(error.code, HUTONG_NO_MEMORY);
}

// What is published next: behind what the spool has. MESSAGES + 2: nothing.
static unsigned next_number(struct hutong *hutong) {
    char position[16] = "";
    hutong_position(hutong, position, sizeof position - 1);
    return strcmp(position, "end") == 0 ? MESSAGES + 2 : (unsigned)strtoul(position, NULL, 10) + 1;
}

// False: the spool can't be used any more, and must be opened again.
static bool go_on(enum hutong_code code, const struct hutong_error *error) {
    if (code != HUTONG_NO_MEMORY && code != HUTONG_DISK)
        fail_msg("%d: %s", (int)code, error->text);
    return code == HUTONG_NO_MEMORY;
}

static bool publish_one(struct hutong *hutong, unsigned number, bool spooled) {
    const char *attributes[] = {"a", "1", "b", "2", NULL};
    char id[16];
    char position[16];
    struct hutong_error error;
    enum hutong_code code;
    snprintf(id, sizeof id, "m-%u", number);
    snprintf(position, sizeof position, "%u", number);
    struct hutong_message one = {
        .id = id, .type = "t", .subject = "s", .attributes = number % 3 == 0 ? attributes : NULL};
    struct hutong_publish_options with = {.callback = number % 2 ? ignore : NULL,
        .position = spooled ? position : NULL,
        .position_size = strlen(position),
        .wait = number % 5 == 0};
    while ((code = hutong_publish(hutong, &one, &with, NULL, &error)) != HUTONG_OK)
        if (!go_on(code, &error))
            return false;
    return true;
}

static bool publish_all(struct hutong *hutong, bool spooled) {
    struct hutong_error error;
    enum hutong_code code;
    unsigned from = spooled ? next_number(hutong) : 1;
    for (unsigned number = from; number <= MESSAGES; number++)
        if (!publish_one(hutong, number, spooled))
            return false;
    if (!spooled || from > MESSAGES + 1)
        return true;
    while ((code = hutong_store_position(hutong, "end", 3, &error)) != HUTONG_OK)
        if (!go_on(code, &error))
            return false;
    return true;
}

static void settle_later(struct hutong *hutong, bool *later) {
    struct hutong_settlement settlement = {.verdict = HUTONG_DONE};
    for (uint64_t position = 1; position <= DELIVERIES; position++) {
        while (later[position] && hutong_settle(hutong, position, &settlement) == HUTONG_NO_MEMORY)
            ;
        later[position] = false;
    }
}

static bool is_through(struct server *server, struct hutong *hutong) {
    struct hutong_status status;
    hutong_status(hutong, &status);
    return atomic_load(&server->has_count) == MESSAGES && atomic_load(&server->settled_count) == DELIVERIES &&
           status.spooled == 0;
}

static void expect_end(struct hutong *hutong) {
    char position[8];
    assert_int_equal(hutong_position(hutong, position, sizeof position), 3);
    assert_memory_equal(position, "end", 3);
}

// One process's: true when all is through, false when it has to begin again.
static bool live_once(struct server *server, const char *folder) {
    bool later[DELIVERIES + 1] = {0};
    struct hutong *hutong = open_life(server, folder);
    handle_type(hutong, NULL, NULL);
    handle_type(hutong, "later", later);
    bool right = publish_all(hutong, folder != NULL);
    uint64_t until = clock_monotonic_ns() + PATIENCE_NS;
    struct hutong_status status = {.state = HUTONG_CONNECTED};
    while (right && !is_through(server, hutong)) {
        hutong_dispatch(hutong, 2);
        settle_later(hutong, later);
        hutong_status(hutong, &status);
        right = status.state != HUTONG_DISK_FULL;
        if (clock_monotonic_ns() > until)
            fail_msg("%u arrived, %u settled, %llu spooled: %s", atomic_load(&server->has_count),
                atomic_load(&server->settled_count), (unsigned long long)status.spooled, status.text);
    }
    if (right && folder)
        expect_end(hutong);
    hutong_close(&hutong, right ? 10000 : 0);
    return right;
}

static void live(const char *folder) {
    struct server server;
    start(&server, folder != NULL);
    int lives = 1;
    while (!live_once(&server, folder))
        assert_true(++lives < 3); // but one allocation fails
    assert_false(atomic_load(&server.wrong));
    stop(&server);
}

static void live_without(bool spooled) {
    size_t n = 0;
    size_t used = SIZE_MAX;
    for (; n < used; n++) {
        remove_spool();
        alloc_fail_once(n);
        live(spooled ? spool : NULL);
        used = alloc_count();
        alloc_fail_never();
    }
    assert_true(n > 20);
    print_message("%zu allocations failed in turn\n", n);
    remove_spool();
}

static void a_life_survives_no_memory(void **state) {
    (void)state;
    live_without(false);
}

static void a_life_with_a_spool_survives_no_memory(void **state) {
    (void)state;
    live_without(true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_survives_no_memory),
        cmocka_unit_test(publishing_survives_no_memory),
        cmocka_unit_test(a_life_survives_no_memory),
        cmocka_unit_test(a_life_with_a_spool_survives_no_memory),
    };
    snprintf(spool, sizeof spool, "/tmp/hutong-memory-%ld", (long)getpid());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
