// A mapped payload that repeats a long part of the original: what is kept of it, and that it goes out the
// same from memory and from the journal.
#include "broker/testing_routes.h"
#include "core/mapping/mapping.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define PS "public_security/population"
#define H "housing/tenancy"
#define STREAM "0123456789abcdef"
#define DELIVER HUTONG__BUS__V1__FRAME__KIND_DELIVER

enum { PAYLOAD = 3000, HEAD = 5, TAKEN = 2000, TAIL = 7, MAPPED = HEAD + TAKEN + TAIL };

// ---- The test's own routing: a head, the original from byte 100 on, and a tail ----

static uint8_t mapped[MAPPED];
static struct mapping_copy copies[2];

int matcher_match(struct matcher *matcher, const struct policy_system *from,
    const struct schema_message *type, struct bytes subject, struct bytes payload, int64_t now_us,
    const struct match **out, size_t *count, struct error *error) {
    (void)from, (void)now_us, (void)error;
    memset(mapped, 'x', sizeof mapped);
    memcpy(mapped + HEAD, payload.data + 100, TAKEN);
    // The first is of something that was made meanwhile, and no part of the original.
    copies[0] = (struct mapping_copy){.at = 0, .size = HEAD, .from = mapped};
    copies[1] = (struct mapping_copy){.at = HEAD, .size = TAKEN, .from = payload.data + 100};
    matcher->matches[0] = (struct match){.route = "r",
        .to = policy_system_named(matcher->policy, bytes_of_string(H)),
        .type = type,
        .subject = subject,
        .payload = bytes_of(mapped, sizeof mapped),
        .copies = copies,
        .copy_count = 2,
        .retries = 3,
        .backoff_min_ms = 100,
        .backoff_max_ms = 1000};
    *count = 1;
    *out = matcher->matches;
    return 0;
}

static int set_up(void **state) {
    static struct bench bench;
    bench_open(&bench);
    the_matcher = (struct matcher){.policy = bench.policy};
    bench.payload = PAYLOAD;
    *state = &bench;
    return 0;
}

static int tear_down(void **state) {
    bench_close(*state);
    return 0;
}

// All that came so far: `count` mapped envelopes, from m1 on, in however many frames.
static void expect(struct bench *bench, uint64_t connection, size_t count) {
    size_t came = 0;
    struct buffer body;
    for (wire_frame *frame; (frame = bench_take(bench, connection, DELIVER, &body)) != NULL;) {
        for (struct bytes rest = buffer_bytes(&body); rest.size;) {
            struct bytes raw;
            struct wire_envelope envelope;
            char id[32];
            snprintf(id, sizeof id, "m%zu", ++came);
            assert_int_equal(wire_body_next(&rest, &raw, NULL), 0);
            assert_int_equal(wire_envelope_parse(raw, &envelope, NULL), 0);
            assert_true(bytes_equal_string(envelope.id, id));
            assert_true(bytes_equal_string(envelope.source, PS));
            assert_true(bytes_equal(envelope.payload, bytes_of(mapped, sizeof mapped)));
        }
        buffer_destroy(&body);
        wire_frame_free(&frame);
    }
    assert_int_equal(came, count);
}

static void what_is_repeated_is_kept_once(void **state) {
    struct bench *bench = *state;
    bench_hello(bench, 1, PS, STREAM, false);
    bench->no_append = true;
    bench_publish(bench, 1, PS, 1, 10, "s");
    bench_turn(bench);
    size_t size = journal_batch_size(bench->batch);
    assert_true(size > 10 * (size_t)PAYLOAD);
    assert_true(size < 10 * (size_t)(PAYLOAD + 500));
}

static void it_goes_out_whole_from_memory(void **state) {
    struct bench *bench = *state;
    bench_hello(bench, 1, PS, STREAM, false);
    bench_receive(bench, 2, H, "a", 100);
    bench_publish(bench, 1, PS, 1, 10, "");
    bench_turn(bench);
    expect(bench, 2, 10);
}

static void it_goes_out_whole_from_the_journal(void **state) {
    struct bench *bench = *state;
    bench_hello(bench, 1, PS, STREAM, false);
    bench_publish(bench, 1, PS, 1, 10, "");
    bench_turn(bench);
    bench_stop(bench);
    bench_start(bench);
    struct queue *queue = map_get(bench->broker->queues_by_name, bytes_of_string(H));
    assert_non_null(queue);
    assert_true(queue->bytes > 10 * (uint64_t)MAPPED); // as before the restart: what goes out counts
    bench_receive(bench, 2, H, "a", 100);
    bench_turn(bench);
    expect(bench, 2, 10);
    bench_settle(bench, 2, H, 1, 10);
    bench_turn(bench);
    assert_int_equal(queue->bytes, 0);
}

// A batch that has no room for it leaves a gap in what was laid, and nothing else.
static void it_comes_again_behind_a_full_batch(void **state) {
    struct bench *bench = *state;
    bench_hello(bench, 1, PS, STREAM, false);
    bench_receive(bench, 2, H, "a", 100);
    bench->broker->batch_hard = 3 * (size_t)(PAYLOAD + MAPPED + 4096);
    bench_publish(bench, 1, PS, 1, 10, "");
    bench_turn(bench);
    expect(bench, 2, 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_repeated_is_kept_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_goes_out_whole_from_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_goes_out_whole_from_the_journal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_comes_again_behind_a_full_batch, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
