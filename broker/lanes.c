#include "broker/lanes.h"
#include "broker/testing_routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct policy *reloaded; // the policy that a reload brought; owned
static struct configuration configuration;

static const char *system_of(char letter, bool away) {
    return letter == 'h' && !away ? H : letter == 'c' ? C : NULL;
}

int matcher_match(struct matcher *matcher, const struct policy_system *from,
    const struct schema_message *type, struct bytes subject, struct bytes payload, int64_t now_us,
    const struct match **out, size_t *count, struct error *error) {
    (void)from, (void)payload, (void)now_us, (void)error;
    *count = 0;
    *out = matcher->matches;
    for (size_t i = 0; i < subject.size && *count < 8; i++) {
        const char *system = system_of((char)subject.data[i], matcher->away);
        if (system)
            matcher->matches[(*count)++] = (struct match){.route = "r",
                .to = policy_system_named(matcher->policy, bytes_of_string(system)),
                .type = type,
                .retries = 3,
                .backoff_min_ms = 100,
                .backoff_max_ms = 1000};
    }
    return 0;
}

static void write_housing(const struct bench *bench, const char *queue) {
    char text[512];
    snprintf(text, sizeof text,
        "agency: housing\ntitle: H\nsystems:\n  - { name: tenancy, title: T, queue: %s }\n", queue);
    bench_write(bench, "agencies/housing.yaml", text);
}

void lanes_open(struct bench *bench, const char *limits, const char *queue) {
    char broker[1024];
    bench_prepare(bench);
    snprintf(broker, sizeof broker, BENCH_BROKER "limits:\n  connections: 200\n%s", limits);
    bench_write(bench, "broker.yaml", broker);
    bench_write(bench, "agencies/public_security.yaml",
        "agency: public_security\ntitle: PS\nsystems:\n  - { name: population, title: P }\n"
        "  - { name: vehicles, title: V }\n");
    bench_write(bench, "agencies/civil_affairs.yaml",
        "agency: civil_affairs\ntitle: C\nsystems:\n  - { name: registration, title: R }\n");
    write_housing(bench, queue);
    bench_begin(bench);
    the_matcher = (struct matcher){.policy = bench->policy};
}

void lanes_close(struct bench *bench) {
    bench_close(bench);
    policy_destroy(&reloaded);
}

void lanes_reload(struct bench *bench, const char *queue, bool away) {
    struct policy *old = reloaded;
    write_housing(bench, queue);
    reloaded = bench_policy(bench);
    configuration = (struct configuration){.policy = reloaded, .matcher = &the_matcher};
    configuration.digest[0] = away ? 3 : 2;
    the_matcher.policy = reloaded;
    the_matcher.away = away;
    const struct activation activation = {.configuration = &configuration, .who = "root(0)", .why = ""};
    struct event event = {.kind = EVENT_CONFIGURATION,
        .now_ms = bench->now_ms,
        .now_us = (int64_t)bench->now_ms * 1000,
        .activation = &activation};
    assert_int_equal(broker_step(bench->broker, &event, &bench->update), 0);
    policy_destroy(&old);
}

const struct queue *lanes_queue(const struct bench *bench, const char *name) {
    const struct queue *queue = map_get(bench->broker->queues_by_name, bytes_of_string(name));
    assert_non_null(queue);
    return queue;
}

struct told lanes_told(struct bench *bench, uint64_t connection) {
    struct told told = {0};
    for (wire_frame *frame;
        (frame = bench_take(bench, connection, HUTONG__BUS__V1__FRAME__KIND_ACCEPTED, NULL));) {
        const Hutong__Bus__V1__Accepted *accepted = frame->accepted;
        told.frames++;
        assert_true(accepted->sequence >= told.sequence);
        told.sequence = accepted->sequence;
        told.credit_messages = accepted->credit ? accepted->credit->messages : 0;
        told.hold = accepted->hold ? accepted->hold->reason : 0;
        snprintf(told.text, sizeof told.text, "%s", accepted->hold ? accepted->hold->text : "");
        wire_frame_free(&frame);
    }
    return told;
}
