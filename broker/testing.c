#include "broker/testing.h"

#include "broker/routing/permit.h"
#include "test/support/alloc_fail.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

void bench_write(const struct bench *bench, const char *name, const char *text) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", bench->folder, name);
    FILE *file = fopen(path, "w");
    bool written = file && fputs(text, file) >= 0;
    if (!file || fclose(file) != 0 || !written)
        fail_msg("can't write %s", path);
}

static void make_folder(const struct bench *bench, const char *name) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", bench->folder, name);
    assert_int_equal(mkdir(path, 0700), 0);
}

void bench_prepare(struct bench *bench) {
    *bench = (struct bench){.folder = "/tmp/hutong-broker-XXXXXX", .now_ms = 1000};
    assert_non_null(mkdtemp(bench->folder));
    const char *folders[] = {"agencies", "agreements", "routes", "codes"};
    for (size_t i = 0; i < 4; i++)
        make_folder(bench, folders[i]);
}

struct policy *bench_policy(const struct bench *bench) {
    struct report *report = report_new(0);
    char path[256];
    snprintf(path, sizeof path, "%s/broker.yaml", bench->folder);
    struct policy *policy = policy_load(path, report);
    if (!policy) {
        struct buffer text = {0};
        report_print(report, &text);
        fail_msg("%s", buffer_text(&text));
    }
    report_destroy(&report);
    return policy;
}

void bench_begin(struct bench *bench) {
    bench->policy = bench_policy(bench);
    bench->store = journal_store_new();
    assert_non_null(bench->store);
    bench_start(bench);
}

void bench_open(struct bench *bench) {
    bench_prepare(bench);
    bench_write(bench, "broker.yaml",
        BENCH_BROKER "limits:\n  connections: 4\n  credit_messages: 8\n  queue_count: 50\n");
    bench_write(bench, "agencies/public_security.yaml",
        "agency: public_security\ntitle: PS\nsystems:\n  - { name: population, title: P }\n");
    bench_write(bench, "agencies/housing.yaml",
        "agency: housing\ntitle: H\nsystems:\n  - { name: tenancy, title: T }\n");
    bench_begin(bench);
}

void bench_start(struct bench *bench) {
    struct error error = {0};
    bench->configuration = (struct configuration){.policy = bench->policy, .matcher = matcher_new(NULL)};
    bench->broker = broker_new(&bench->configuration);
    assert_non_null(bench->broker);
    struct journal_owner owner = broker_journal_owner(bench->broker);
    assert_int_equal(journal_memory_open(bench->store, &owner, &bench->journal, &error), 0);
    bench->batch = journal_batch_new(policy_settings(bench->policy)->journal_batch_limit);
    bench->update = (struct update){.batch = bench->batch};
    assert_int_equal(
        broker_start(bench->broker, bench->journal, (int64_t)bench->now_ms * 1000, &bench->update, &error),
        0);
    bench_turn(bench);
}

void bench_stop(struct bench *bench) {
    update_destroy(&bench->update);
    journal_close(&bench->journal);
    journal_batch_destroy(&bench->batch);
    broker_destroy(&bench->broker);
}

void bench_close(struct bench *bench) {
    bench_stop(bench);
    journal_store_destroy(&bench->store);
    policy_destroy(&bench->policy);
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", bench->folder);
    assert_int_equal(system(command), 0); // NOLINT(cert-env33-c): a folder of our own making
}

void bench_step(struct bench *bench, struct event event) {
    event.now_ms = bench->now_ms;
    event.now_us = (int64_t)bench->now_ms * 1000;
    if (bench->failed)
        return; // a process that ran out of memory has ended
    if (!bench->may_fail) {
        assert_int_equal(broker_step(bench->broker, &event, &bench->update), 0);
        return;
    }
    alloc_fail_after(bench->allocations);
    int rc = broker_step(bench->broker, &event, &bench->update);
    size_t used = alloc_count();
    alloc_fail_never();
    bench->allocations -= used < bench->allocations ? used : bench->allocations;
    bench->failed = rc != 0;
    assert_true(rc == 0 || rc == -ENOMEM);
}

void bench_bytes(struct bench *bench, uint64_t connection, const char *system, struct bytes head,
    const struct buffer *body) {
    struct chunk *chunk = body ? chunk_copy(buffer_bytes(body)) : NULL;
    bench_step(
        bench, (struct event){.kind = EVENT_FRAME,
                   .connection = connection,
                   .proved = system ? policy_system_named(bench->policy, bytes_of_string(system)) : NULL,
                   .head = head,
                   .body = chunk});
    chunk_unref(&chunk);
}

void bench_frame(struct bench *bench, uint64_t connection, const char *system, const wire_frame *frame,
    const struct buffer *body) {
    struct buffer head = {0};
    assert_int_equal(wire_frame_append(frame, &head), 0);
    bench_bytes(bench, connection, system, buffer_bytes(&head), body);
    buffer_destroy(&head);
}

void bench_hello(
    struct bench *bench, uint64_t connection, const char *system, const char *stream, bool receive) {
    Hutong__Bus__V1__Credit credit = HUTONG__BUS__V1__CREDIT__INIT;
    credit.messages = 1000;
    credit.bytes = 1 << 20;
    Hutong__Bus__V1__Hello hello = HUTONG__BUS__V1__HELLO__INIT;
    hello.protocol = WIRE_PROTOCOL;
    hello.system = (char *)(uintptr_t)system;
    hello.stream.data = (uint8_t *)(uintptr_t)stream;
    hello.stream.len = stream ? WIRE_STREAM_SIZE : 0;
    hello.receive = receive;
    hello.credit = &credit;
    wire_frame frame = HUTONG__BUS__V1__FRAME__INIT;
    frame.kind_case = HUTONG__BUS__V1__FRAME__KIND_HELLO;
    frame.hello = &hello;
    bench_frame(bench, connection, system, &frame, NULL);
}

void bench_receive(
    struct bench *bench, uint64_t connection, const char *system, const char *instance, uint64_t messages) {
    Hutong__Bus__V1__Credit credit = HUTONG__BUS__V1__CREDIT__INIT;
    credit.messages = messages;
    credit.bytes = 1 << 20;
    Hutong__Bus__V1__Hello hello = HUTONG__BUS__V1__HELLO__INIT;
    hello.protocol = WIRE_PROTOCOL;
    hello.system = (char *)(uintptr_t)system;
    hello.instance = (char *)(uintptr_t)instance;
    hello.receive = true;
    hello.credit = &credit;
    wire_frame frame = HUTONG__BUS__V1__FRAME__INIT;
    frame.kind_case = HUTONG__BUS__V1__FRAME__KIND_HELLO;
    frame.hello = &hello;
    bench_frame(bench, connection, system, &frame, NULL);
}

void bench_gone(struct bench *bench, uint64_t connection) {
    bench_step(bench, (struct event){.kind = EVENT_GONE, .connection = connection});
}

void bench_publish(struct bench *bench, uint64_t connection, const char *system, uint64_t sequence,
    uint32_t count, const char *subject) {
    static const uint8_t zeros[64 * 1024];
    struct buffer body = {0};
    assert_true(bench->payload <= sizeof zeros);
    for (uint32_t i = 0; i < count; i++) {
        struct buffer raw = {0};
        char id[32];
        snprintf(id, sizeof id, "m%llu", (unsigned long long)sequence + i);
        struct wire_envelope envelope = {.id = bytes_of_string(id),
            .type = bytes_of_string("gov.public_security.v1.ResidenceRegistered"),
            .subject = bytes_of_string(subject),
            .payload = bytes_of(zeros, bench->payload)};
        assert_int_equal(wire_envelope_append(&envelope, &raw), 0);
        assert_int_equal(wire_body_append(&body, buffer_bytes(&raw)), 0);
        buffer_destroy(&raw);
    }
    Hutong__Bus__V1__Publish publish = HUTONG__BUS__V1__PUBLISH__INIT;
    publish.first_sequence = sequence;
    publish.count = count;
    wire_frame frame = HUTONG__BUS__V1__FRAME__INIT;
    frame.kind_case = HUTONG__BUS__V1__FRAME__KIND_PUBLISH;
    frame.publish = &publish;
    bench_frame(bench, connection, system, &frame, &body);
    buffer_destroy(&body);
}

static void send_settle(
    struct bench *bench, uint64_t connection, const char *system, Hutong__Bus__V1__Settle *settle) {
    wire_frame frame = HUTONG__BUS__V1__FRAME__INIT;
    frame.kind_case = HUTONG__BUS__V1__FRAME__KIND_SETTLE;
    frame.settle = settle;
    bench_frame(bench, connection, system, &frame, NULL);
}

void bench_settle(
    struct bench *bench, uint64_t connection, const char *system, uint64_t first, uint64_t last) {
    Hutong__Bus__V1__PositionRange range = HUTONG__BUS__V1__POSITION_RANGE__INIT;
    range.first = first;
    range.last = last;
    Hutong__Bus__V1__PositionRange *ranges = &range;
    Hutong__Bus__V1__Settle settle = HUTONG__BUS__V1__SETTLE__INIT;
    settle.n_done = 1;
    settle.done = &ranges;
    send_settle(bench, connection, system, &settle);
}

void bench_fail(struct bench *bench, uint64_t connection, const char *system, uint64_t position,
    uint32_t retry_ms, bool reject) {
    Hutong__Bus__V1__Failure failure = HUTONG__BUS__V1__FAILURE__INIT;
    failure.position = position;
    failure.retry_after_ms = retry_ms;
    failure.reject = reject;
    failure.text = (char *)(uintptr_t)"no such household";
    Hutong__Bus__V1__Failure *failures = &failure;
    Hutong__Bus__V1__Settle settle = HUTONG__BUS__V1__SETTLE__INIT;
    settle.n_failures = 1;
    settle.failures = &failures;
    send_settle(bench, connection, system, &settle);
}

struct visit {
    struct bench *bench;
    uint32_t queue;
    size_t count;
};

static int on_record(void *context, const struct journal_record *record, uint64_t position) {
    struct visit *visit = context;
    visit->count++;
    bench_step(visit->bench,
        (struct event){.kind = EVENT_RECORD, .queue = visit->queue, .position = position, .record = record});
    return 0;
}

bool bench_load(struct bench *bench) {
    struct error error;
    bool any = false;
    size_t count = bench->update.load_count;
    bench->update.load_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct load_wish wish = bench->update.loads[i];
        struct visit visit = {.bench = bench, .queue = wish.queue};
        assert_int_equal(journal_read_queue(bench->journal, wish.queue, wish.load.from, wish.load.count,
                             wish.load.bytes, on_record, &visit, &error),
            0);
        any |= visit.count > 0;
    }
    return any;
}

void bench_turn(struct bench *bench) {
    struct error error;
    for (int i = 0; i < 1000; i++) {
        if (bench->failed)
            return;
        bench->update.more = false;
        bench_step(bench, (struct event){.kind = EVENT_TURN});
        bool appended = !bench->no_append && !bench->failed && journal_batch_count(bench->batch) > 0;
        if (appended) {
            assert_int_equal(journal_append(bench->journal, bench->batch, &error), 0);
            bench_step(
                bench, (struct event){.kind = EVENT_DURABLE, .durable = journal_durable(bench->journal)});
        }
        bool loaded = !bench->failed && bench_load(bench);
        if (!appended && !loaded && !bench->update.more)
            return;
    }
    fail_msg("the broker never comes to rest");
}

static void drop(struct update *update, size_t i) {
    buffer_destroy(&update->frames[i].head);
    slice_drop(&update->frames[i].body);
    memmove(
        &update->frames[i], &update->frames[i + 1], (update->frame_count - i - 1) * sizeof update->frames[0]);
    update->frame_count--;
}

wire_frame *bench_take(struct bench *bench, uint64_t connection, int kind, struct buffer *body) {
    for (size_t i = 0; i < bench->update.frame_count; i++) {
        struct outgoing *outgoing = &bench->update.frames[i];
        if (outgoing->connection != connection)
            continue;
        wire_frame *frame;
        struct error error;
        assert_int_equal(wire_frame_parse(buffer_bytes(&outgoing->head), &frame, &error), 0);
        if ((int)frame->kind_case != kind) {
            wire_frame_free(&frame);
            continue;
        }
        if (body) {
            *body = (struct buffer){0};
            assert_int_equal(buffer_append_bytes(body, outgoing->body.bytes), 0);
        }
        drop(&bench->update, i);
        return frame;
    }
    return NULL;
}

size_t bench_waiting(const struct bench *bench, uint64_t connection, int kind) {
    size_t count = 0;
    for (size_t i = 0; i < bench->update.frame_count; i++) {
        wire_frame *frame;
        struct error error;
        if (bench->update.frames[i].connection != connection)
            continue;
        assert_int_equal(wire_frame_parse(buffer_bytes(&bench->update.frames[i].head), &frame, &error), 0);
        count += (int)frame->kind_case == kind;
        wire_frame_free(&frame);
    }
    return count;
}

void bench_delivered(struct bench *bench, uint64_t connection, char *out, size_t size) {
    out[0] = '\0';
    struct buffer body;
    for (wire_frame *frame;
        (frame = bench_take(bench, connection, HUTONG__BUS__V1__FRAME__KIND_DELIVER, &body));) {
        struct bytes rest = buffer_bytes(&body);
        struct bytes raw;
        struct wire_envelope envelope;
        while (rest.size && wire_body_next(&rest, &raw, NULL) == 0 &&
               wire_envelope_parse(raw, &envelope, NULL) == 0)
            snprintf(out + strlen(out), size - strlen(out), "%.*s,", BYTES_ARGS(envelope.id));
        buffer_destroy(&body);
        wire_frame_free(&frame);
    }
}

// Tests that bring their own routing, and send nothing again, need no more of it.
__attribute__((weak)) bool routes_permit(const struct routes *routes, struct bytes name,
    const struct policy_system *from, const struct policy_system *to, const struct schema_message *type,
    int64_t now_us, struct permit *out, struct error *why) {
    (void)routes;
    (void)name;
    (void)from;
    (void)to;
    (void)type;
    (void)now_us;
    (void)out;
    error_set(why, 0, "no routes");
    return false;
}
