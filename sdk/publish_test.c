#include "core/base/clock.h"
#include "core/crypto/keys.h"
#include "sdk/fake_broker.h"
#include "sdk/hutong.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define HELLO HUTONG__BUS__V1__FRAME__KIND_HELLO
#define PUBLISH HUTONG__BUS__V1__FRAME__KIND_PUBLISH
#define ERROR_FRAME HUTONG__BUS__V1__FRAME__KIND_ERROR
#define PATIENCE_MS 10000

static struct hutong_options options_for(const struct fake_broker *fake) {
    return (struct hutong_options){.endpoint = fake->endpoint,
        .system = "test/source",
        .software = "publish_test",
        .reconnect_min_ms = 10,
        .reconnect_max_ms = 40};
}

static struct hutong *open_at(const struct fake_broker *fake) {
    struct hutong_options options = options_for(fake);
    struct hutong *hutong;
    struct hutong_error error;
    assert_int_equal(hutong_open(&options, &hutong, &error), HUTONG_OK);
    return hutong;
}

static struct hutong_message message(const char *id) {
    return (struct hutong_message){
        .id = id, .type = "test.v1.Thing", .subject = "s", .payload = "abc", .payload_size = 3};
}

static void publish(struct hutong *hutong, const char *id) {
    struct hutong_message one = message(id);
    assert_int_equal(hutong_publish(hutong, &one, NULL, NULL, NULL), HUTONG_OK);
}

static struct hutong_status status_of(struct hutong *hutong) {
    struct hutong_status status;
    hutong_status(hutong, &status);
    return status;
}

// Waits until `field` of the status is `wanted`.
#define WAIT_STATUS(hutong, field, wanted)                                                                   \
    do {                                                                                                     \
        uint64_t until = clock_monotonic_ns() + PATIENCE_MS * CLOCK_MILLISECOND_NS;                          \
        while (status_of(hutong).field != (wanted)) {                                                        \
            assert_true(clock_monotonic_ns() < until);                                                       \
            usleep(500);                                                                                     \
        }                                                                                                    \
    } while (0)

static void options_are_checked(void **state) {
    (void)state;
    struct hutong_options good = {.endpoint = "tcp://127.0.0.1:1", .system = "a/b"};
    struct {
        const char *says;
        struct hutong_options options;
    } cases[] = {
        {"no endpoint", good},
        {"not an address", good},
        {"instance", good},
        {"go together", good},
        {"reconnect_max_ms", good},
        {"software", good},
        {"missing", good},
    };
    char large[200];
    memset(large, 'x', sizeof large);
    large[199] = '\0';
    cases[0].options.endpoint = NULL;
    cases[1].options.system = "nobody";
    cases[2].options.instance = "a b";
    cases[3].options.key_file = "x";
    cases[4].options.reconnect_min_ms = 20000;
    cases[5].options.software = large;
    cases[6].options.key_file = "/nonexistent/missing";
    cases[6].options.broker_key_file = "/nonexistent/missing";
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hutong *hutong = NULL;
        struct hutong_error error;
        assert_int_equal(hutong_open(&cases[i].options, &hutong, &error), HUTONG_INVALID);
        assert_non_null(strstr(error.text, cases[i].says));
        assert_false(error.retriable);
        assert_null(hutong);
    }
}

static void messages_are_checked(void **state) {
    (void)state;
    struct fake_broker fake;
    fake_start(&fake, NULL);
    struct hutong *hutong = open_at(&fake);
    static char large[300];
    memset(large, 'x', sizeof large - 1);
    static const char *const odd[] = {"name", NULL};
    static const char *const upper[] = {"Name", "v", NULL};
    static const char *const twice[] = {"a", "1", "a", "2", NULL};
    struct hutong_message cases[] = {message("i"), message(large), message("\xff"), message("i"),
        message("i"), message("i"), message("i")};
    static const char *const says[] = {
        "no type", "id has", "id is not", "subject has", "no value", "lower-case", "twice"};
    cases[0].type = "";
    cases[3].subject = large;
    cases[4].attributes = odd;
    cases[5].attributes = upper;
    cases[6].attributes = twice;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hutong_error error;
        assert_int_equal(hutong_publish(hutong, &cases[i], NULL, NULL, &error), HUTONG_INVALID);
        if (!strstr(error.text, says[i]))
            fail_msg("'%s' says nothing of '%s'", error.text, says[i]);
    }
    struct hutong_publish_options with_position = {.position = "p", .position_size = 1};
    struct hutong_message good = message("i");
    struct hutong_error error;
    assert_int_equal(hutong_publish(hutong, &good, &with_position, NULL, &error), HUTONG_INVALID);
    assert_int_equal(hutong_store_position(hutong, "p", 1, &error), HUTONG_INVALID);
    assert_int_equal(hutong_close(&hutong, 0), HUTONG_OK);
    fake_stop(&fake);
}

struct told {
    unsigned accepted;
    unsigned refused;
    char text[128];
};

static void tell(void *context, const struct hutong_outcome *outcome) {
    struct told *told = context;
    told->accepted += outcome->accepted;
    told->refused += !outcome->accepted;
    if (!outcome->accepted)
        snprintf(told->text, sizeof told->text, "%.120s", outcome->error.text);
    else // nothing is left in it of a refusal before
        assert_true(outcome->error.code == HUTONG_OK && !outcome->error.text[0]);
}

static void a_message_is_accepted(void **state) {
    (void)state;
    struct fake_broker fake;
    struct told told = {0};
    fake_start(&fake, NULL);
    struct hutong *hutong = open_at(&fake);
    fake_welcome(&fake, 0, FAKE_CREDIT);
    assert_string_equal(fake.frame->hello->system, "test/source");
    assert_string_equal(fake.frame->hello->instance, "default");
    assert_string_equal(fake.frame->hello->software, "publish_test");
    assert_int_equal(fake.frame->hello->stream.len, 0);
    assert_false(fake.frame->hello->receive);
    assert_int_equal(hutong_wait_connected(hutong, PATIENCE_MS), HUTONG_OK);

    static const char *const attributes[] = {"trace", "7", "note", "胡同", NULL};
    struct hutong_message one = message(NULL);
    struct hutong_publish_options options = {.callback = tell, .context = &told};
    one.attributes = attributes;
    one.expires_us = 99;
    uint64_t sequence;
    assert_int_equal(hutong_publish(hutong, &one, &options, &sequence, NULL), HUTONG_OK);
    assert_int_equal(sequence, 1);
    const Hutong__Bus__V1__Publish *frame = fake_expect(&fake, PUBLISH)->publish;
    assert_int_equal(frame->first_sequence, 1);
    assert_int_equal(frame->count, 1);
    struct bytes rest = buffer_bytes(&fake.body);
    struct bytes raw;
    struct wire_envelope envelope;
    assert_int_equal(wire_body_next(&rest, &raw, NULL), 0);
    assert_int_equal(wire_envelope_parse(raw, &envelope, NULL), 0);
    assert_int_equal(envelope.id.size, 34); // the stream in hex, "-1"
    assert_true(bytes_equal_string(envelope.source, "test/source"));
    assert_true(bytes_equal_string(envelope.payload, "abc") && bytes_equal_string(envelope.subject, "s"));
    assert_true(
        envelope.expires_us == 99 && envelope.time_us > 1700000000000000 && envelope.attribute_count == 2);

    assert_int_equal(hutong_dispatch(hutong, 0), 0);
    fake_accept(&fake, 1);
    assert_int_equal(hutong_dispatch(hutong, PATIENCE_MS), 1);
    assert_int_equal(told.accepted, 1);
    WAIT_STATUS(hutong, accepted, 1);
    assert_int_equal(status_of(hutong).spooled, 0);
    assert_int_equal(hutong_close(&hutong, PATIENCE_MS), HUTONG_OK);
    fake_expect(&fake, HUTONG__BUS__V1__FRAME__KIND_BYE);
    fake_stop(&fake);
}

// A broker that parks its publisher says why; what is accepted later, or another session, ends it.
static void a_hold_is_told(void **state) {
    (void)state;
    struct fake_broker fake;
    fake_start(&fake, NULL);
    struct hutong *hutong = open_at(&fake);
    fake_welcome(&fake, 0, FAKE_CREDIT);
    struct hutong_message one = message(NULL);
    assert_int_equal(hutong_publish(hutong, &one, NULL, NULL, NULL), HUTONG_OK);
    fake_expect(&fake, PUBLISH);
    assert_string_equal(status_of(hutong).hold, "");
    fake_hold(&fake, 0, "housing/tenancy is full");
    WAIT_STATUS(hutong, hold[0], 'h');
    assert_string_equal(status_of(hutong).hold, "housing/tenancy is full");
    assert_int_equal(status_of(hutong).spooled, 1);
    fake_accept(&fake, 1);
    WAIT_STATUS(hutong, hold[0], 0);
    assert_int_equal(status_of(hutong).accepted, 1);
    fake_hold(&fake, 1, "");
    WAIT_STATUS(hutong, hold[0], 'h');
    fake_error(&fake, HUTONG__BUS__V1__REASON__REASON_SHUTTING_DOWN, "bye");
    WAIT_STATUS(hutong, hold[0], 0);
    assert_int_equal(hutong_close(&hutong, 0), HUTONG_OK);
    fake_stop(&fake);
}

static void refusals_reach_their_callback(void **state) {
    (void)state;
    struct fake_broker fake;
    struct told told = {0};
    fake_start(&fake, NULL);
    struct hutong *hutong = open_at(&fake);
    struct hutong_publish_options options = {.callback = tell, .context = &told};
    for (int i = 0; i < 100; i++) { // also through a ring that grows
        struct hutong_message one = message("x");
        assert_int_equal(hutong_publish(hutong, &one, &options, NULL, NULL), HUTONG_OK);
    }
    fake_welcome(&fake, 0, FAKE_CREDIT);
    uint64_t first = fake_collect(&fake, 100, NULL, NULL);
    assert_int_equal(first, 1);
    fake_refuse(&fake, 40, "this system may not publish test.v1.Thing");
    fake_accept(&fake, 100);
    while (told.accepted + told.refused < 100)
        assert_true(hutong_dispatch(hutong, PATIENCE_MS) > 0);
    assert_int_equal(told.refused, 1);
    assert_string_equal(told.text, "not_allowed: this system may not publish test.v1.Thing");
    assert_int_equal(status_of(hutong).accepted, 99);
    assert_int_equal(status_of(hutong).refused, 1);
    assert_int_equal(hutong_close(&hutong, PATIENCE_MS), HUTONG_OK);
    fake_stop(&fake);
}

struct waiting {
    struct hutong *hutong;
    enum hutong_code code;
    struct hutong_error error;
};

static void *wait_for_one(void *context) {
    struct waiting *waiting = context;
    struct hutong_message one = message("w");
    waiting->code = hutong_publish_wait(waiting->hutong, &one, PATIENCE_MS, &waiting->error);
    return NULL;
}

static void waiting_hears_what_became(void **state) {
    (void)state;
    struct fake_broker fake;
    fake_start(&fake, NULL);
    struct waiting waiting = {.hutong = open_at(&fake)};
    fake_welcome(&fake, 0, FAKE_CREDIT);
    for (uint64_t i = 1; i <= 2; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, wait_for_one, &waiting), 0);
        fake_expect(&fake, PUBLISH);
        if (i == 1)
            fake_accept(&fake, i);
        else
            fake_refuse(&fake, i, "no");
        pthread_join(thread, NULL);
        assert_int_equal(waiting.code, i == 1 ? HUTONG_OK : HUTONG_REFUSED);
    }
    assert_string_equal(waiting.error.text, "not_allowed: no");
    struct hutong_message one = message("t");
    assert_int_equal(hutong_publish_wait(waiting.hutong, &one, 20, &waiting.error), HUTONG_TIMEOUT);
    assert_int_equal(hutong_flush(waiting.hutong, 20, &waiting.error), HUTONG_TIMEOUT);
    assert_int_equal(hutong_close(&waiting.hutong, 20), HUTONG_TIMEOUT);
    fake_stop(&fake);
}

static void credit_is_respected(void **state) {
    (void)state;
    struct fake_broker fake;
    fake_start(&fake, NULL);
    struct hutong *hutong = open_at(&fake);
    for (int i = 0; i < 10; i++)
        publish(hutong, "c");
    fake_welcome(&fake, 0, 4);
    fake_collect(&fake, 4, NULL, NULL);
    assert_false(fake_try(&fake, PUBLISH, 50));
    fake_credit(&fake, 5);
    assert_int_equal(fake_collect(&fake, 5, NULL, NULL), 5);
    fake_accept(&fake, 5);
    assert_false(fake_try(&fake, PUBLISH, 50));
    fake_credit(&fake, 100);
    assert_int_equal(fake_collect(&fake, 10, NULL, NULL), 6);
    fake_accept(&fake, 10);
    assert_int_equal(hutong_flush(hutong, PATIENCE_MS, NULL), HUTONG_OK);
    assert_int_equal(hutong_close(&hutong, PATIENCE_MS), HUTONG_OK);
    fake_stop(&fake);
}

// What gathers while a batch is in flight goes as the next one.
static void batches_gather(void **state) {
    (void)state;
    struct fake_broker fake;
    fake_start(&fake, NULL);
    struct hutong *hutong = open_at(&fake);
    fake_welcome(&fake, 0, FAKE_CREDIT);
    publish(hutong, "first");
    fake_expect(&fake, PUBLISH);
    for (int i = 0; i < 20; i++)
        publish(hutong, "next");
    assert_false(fake_try(&fake, PUBLISH, 50));
    fake_accept(&fake, 1);
    assert_int_equal(fake_expect(&fake, PUBLISH)->publish->count, 20);
    for (int i = 0; i < 600; i++)
        publish(hutong, "more"); // full blocks go at once
    assert_int_equal(fake_expect(&fake, PUBLISH)->publish->count, 256);
    assert_int_equal(fake_expect(&fake, PUBLISH)->publish->count, 256);
    assert_false(fake_try(&fake, PUBLISH, 50));
    fake_accept(&fake, 533);
    assert_int_equal(fake_expect(&fake, PUBLISH)->publish->count, 88);
    fake_accept(&fake, 621);
    assert_int_equal(hutong_close(&hutong, PATIENCE_MS), HUTONG_OK);
    fake_stop(&fake);
}

static void window_fills(void **state) {
    (void)state;
    struct fake_broker fake;
    fake_start(&fake, NULL);
    struct hutong_options options = options_for(&fake);
    options.window_messages = 5;
    struct hutong *hutong;
    assert_int_equal(hutong_open(&options, &hutong, NULL), HUTONG_OK);
    for (int i = 0; i < 5; i++)
        publish(hutong, "w");
    struct hutong_message one = message("w");
    struct hutong_error error;
    assert_int_equal(hutong_publish(hutong, &one, NULL, NULL, &error), HUTONG_FULL);
    assert_true(error.retriable);
    fake_welcome(&fake, 0, FAKE_CREDIT);
    fake_collect(&fake, 5, NULL, NULL);
    fake_accept(&fake, 2); // in the middle of a block
    WAIT_STATUS(hutong, accepted, 2);
    assert_int_equal(hutong_publish(hutong, &one, NULL, NULL, &error), HUTONG_OK);
    static uint8_t large[9u << 20];
    one.payload = large;
    one.payload_size = sizeof large;
    assert_int_equal(hutong_publish(hutong, &one, NULL, NULL, &error), HUTONG_INVALID);
    assert_non_null(strstr(error.text, "8388608"));
    assert_int_equal(hutong_close(&hutong, 0), HUTONG_TIMEOUT);
    fake_stop(&fake);
}

static void *publish_when_there_is_room(void *hutong) {
    struct hutong_message one = message("late");
    const struct hutong_publish_options options = {.room_ms = PATIENCE_MS};
    return (void *)(uintptr_t)hutong_publish(hutong, &one, &options, NULL, NULL);
}

static void room_is_waited_for(void **state) {
    (void)state;
    struct fake_broker fake;
    fake_start(&fake, NULL);
    fake.heartbeat_ms = 10000;
    struct hutong_options options = options_for(&fake);
    options.window_messages = 5;
    struct hutong *hutong;
    assert_int_equal(hutong_open(&options, &hutong, NULL), HUTONG_OK);
    for (int i = 0; i < 5; i++)
        publish(hutong, "w");
    struct hutong_message one = message("w");
    const struct hutong_publish_options soon = {.room_ms = 1};
    assert_int_equal(hutong_publish(hutong, &one, &soon, NULL, NULL), HUTONG_FULL);
    pthread_t thread;
    void *code;
    assert_int_equal(pthread_create(&thread, NULL, publish_when_there_is_room, hutong), 0);
    fake_welcome(&fake, 0, FAKE_CREDIT);
    fake_collect(&fake, 5, NULL, NULL);
    fake_accept(&fake, 1);
    assert_int_equal(pthread_join(thread, &code), 0);
    assert_int_equal((uintptr_t)code, HUTONG_OK);
    fake_accept(&fake, 5); // the next block goes when nothing is under way
    fake_collect(&fake, 6, NULL, NULL);
    fake_accept(&fake, 6);
    assert_int_equal(hutong_close(&hutong, PATIENCE_MS), HUTONG_OK);
    fake_stop(&fake);
}

// Without a stream, what is not accepted goes again, numbered anew.
static void reconnecting_sends_again(void **state) {
    (void)state;
    struct fake_broker fake;
    fake_start(&fake, NULL);
    struct hutong *hutong = open_at(&fake);
    for (int i = 0; i < 3; i++)
        publish(hutong, "a");
    fake_welcome(&fake, 0, FAKE_CREDIT);
    fake_collect(&fake, 3, NULL, NULL);
    fake_accept(&fake, 2);
    WAIT_STATUS(hutong, accepted, 2);
    char endpoint[128];
    snprintf(endpoint, sizeof endpoint, "%s", fake.endpoint);
    fake_stop(&fake);
    WAIT_STATUS(hutong, state, HUTONG_CONNECTING);
    publish(hutong, "b");
    fake_start(&fake, endpoint);
    fake_welcome(&fake, 0, FAKE_CREDIT);
    assert_int_equal(fake_collect(&fake, 1, NULL, NULL), 1);
    fake_accept(&fake, 1);
    assert_int_equal(fake_collect(&fake, 2, NULL, NULL), 2);
    fake_accept(&fake, 2);
    assert_int_equal(hutong_flush(hutong, PATIENCE_MS, NULL), HUTONG_OK);
    assert_int_equal(status_of(hutong).accepted, 4);
    assert_int_equal(status_of(hutong).reconnects, 1);
    assert_int_equal(hutong_close(&hutong, PATIENCE_MS), HUTONG_OK);
    fake_stop(&fake);
}

static void silence_ends_the_session(void **state) {
    (void)state;
    struct fake_broker fake;
    fake_start(&fake, NULL);
    struct hutong *hutong = open_at(&fake);
    fake_welcome(&fake, 0, FAKE_CREDIT);
    fake_expect(&fake, HUTONG__BUS__V1__FRAME__KIND_HEARTBEAT); // it keeps its own promise
    uint64_t start = clock_monotonic_ns();
    fake_welcome(&fake, 0, FAKE_CREDIT); // a new session's hello
    assert_true(clock_monotonic_ns() - start > 200 * CLOCK_MILLISECOND_NS);
    WAIT_STATUS(hutong, reconnects, 1);
    assert_int_equal(hutong_close(&hutong, PATIENCE_MS), HUTONG_OK);
    fake_stop(&fake);
}

static void denial_is_told(void **state) {
    (void)state;
    struct fake_broker fake;
    fake_start(&fake, NULL);
    struct hutong *hutong = open_at(&fake);
    fake_expect(&fake, HELLO);
    fake_error(&fake, HUTONG__BUS__V1__REASON__REASON_IDENTITY, "the key is housing/tenancy's");
    assert_int_equal(hutong_wait_connected(hutong, PATIENCE_MS), HUTONG_REFUSED);
    assert_string_equal(status_of(hutong).text, "identity: the key is housing/tenancy's");
    fake_welcome(&fake, 0, FAKE_CREDIT); // it goes on trying
    WAIT_STATUS(hutong, state, HUTONG_CONNECTED);
    fake_error(&fake, HUTONG__BUS__V1__REASON__REASON_SHUTTING_DOWN, "");
    fake_welcome(&fake, 0, FAKE_CREDIT);
    WAIT_STATUS(hutong, state, HUTONG_CONNECTED);
    assert_int_equal(hutong_close(&hutong, PATIENCE_MS), HUTONG_OK);
    fake_stop(&fake);
}

static void send_bytes(struct fake_broker *fake, const char *bytes, size_t size) {
    fake_send_raw(fake, bytes_of(bytes, size), false);
}

static void nonsense_is_answered(void **state) {
    (void)state;
    struct fake_broker fake;
    fake_start(&fake, NULL);
    struct hutong *hutong = open_at(&fake);
    static const struct {
        const char *bytes;
        size_t size;
    } cases[] = {
        {"\x62\x05", 2},                 // cut in the middle
        {"", 0},                         // no kind
        {"\x2a\x00", 2},                 // deliver without its body
        {"\x22\x02\x08\x07", 4},         // accepted what was not sent
        {"\x1a\x04\x08\x01\x10\x01", 6}, // publish: not the broker's to say
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_welcome(&fake, 0, FAKE_CREDIT);
        send_bytes(&fake, cases[i].bytes, cases[i].size);
        if (i != 3) {
            assert_int_equal(
                fake_expect(&fake, ERROR_FRAME)->error->reason, HUTONG__BUS__V1__REASON__REASON_PROTOCOL);
        }
    }
    fake_expect(&fake, HELLO);
    fake_accept(&fake, 0); // before the welcome
    fake_expect(&fake, ERROR_FRAME);
    fake_expect(&fake, HELLO);
    assert_int_equal(hutong_close(&hutong, 0), HUTONG_OK);
    fake_stop(&fake);
}

static void curve_works(void **state) {
    (void)state;
    char folder[] = "/tmp/hutong-test-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char paths[3][300];
    char secrets[3][400];
    static const char *const names[] = {"broker", "client", "other"};
    struct error error;
    for (int i = 0; i < 3; i++) {
        snprintf(paths[i], sizeof paths[i], "%s/%s", folder, names[i]);
        snprintf(secrets[i], sizeof secrets[i], "%.250s_secret", paths[i]);
        assert_int_equal(keys_generate(paths[i], names[i], &error), 0);
    }
    char public_key[KEYS_TEXT_SIZE];
    char secret_key[KEYS_TEXT_SIZE];
    assert_int_equal(keys_load_secret(secrets[0], public_key, secret_key, &error), 0);
    struct fake_broker fake;
    fake_start_curve(&fake, secret_key);
    struct hutong_options options = options_for(&fake);
    options.key_file = secrets[1];
    options.broker_key_file = paths[0];
    struct hutong *hutong;
    assert_int_equal(hutong_open(&options, &hutong, NULL), HUTONG_OK);
    fake_welcome(&fake, 0, FAKE_CREDIT);
    assert_int_equal(hutong_wait_connected(hutong, PATIENCE_MS), HUTONG_OK);
    assert_int_equal(hutong_close(&hutong, 0), HUTONG_OK);

    options.broker_key_file = paths[2]; // not this broker's
    assert_int_equal(hutong_open(&options, &hutong, NULL), HUTONG_OK);
    assert_int_equal(hutong_wait_connected(hutong, 300), HUTONG_UNREACHABLE);
    assert_int_equal(hutong_close(&hutong, 0), HUTONG_OK);
    fake_stop(&fake);
    for (int i = 0; i < 3; i++) {
        unlink(paths[i]);
        unlink(secrets[i]);
    }
    rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(messages_are_checked),
        cmocka_unit_test(a_message_is_accepted),
        cmocka_unit_test(a_hold_is_told),
        cmocka_unit_test(refusals_reach_their_callback),
        cmocka_unit_test(waiting_hears_what_became),
        cmocka_unit_test(credit_is_respected),
        cmocka_unit_test(batches_gather),
        cmocka_unit_test(window_fills),
        cmocka_unit_test(room_is_waited_for),
        cmocka_unit_test(reconnecting_sends_again),
        cmocka_unit_test(silence_ends_the_session),
        cmocka_unit_test(denial_is_told),
        cmocka_unit_test(nonsense_is_answered),
        cmocka_unit_test(curve_works),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
