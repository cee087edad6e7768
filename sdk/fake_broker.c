#include "sdk/fake_broker.h"

#include "core/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>
#include <zmq.h>

#define PATIENCE_MS 10000

static char *text(const char *literal) {
    union {
        const char *from;
        char *to;
    } cast = {.from = literal};
    return cast.to;
}

static void start(struct fake_broker *fake, const char *endpoint, const char *secret_key) {
    *fake = (struct fake_broker){.bus = "the test's bus!", .heartbeat_ms = 200};
    fake->zmq = zmq_ctx_new();
    fake->router = zmq_socket(fake->zmq, ZMQ_ROUTER);
    int zero = 0;
    int one = 1;
    zmq_setsockopt(fake->router, ZMQ_LINGER, &zero, sizeof zero);
    zmq_setsockopt(fake->router, ZMQ_SNDHWM, &zero, sizeof zero);
    zmq_setsockopt(fake->router, ZMQ_RCVHWM, &zero, sizeof zero);
    if (secret_key) {
        zmq_setsockopt(fake->router, ZMQ_CURVE_SERVER, &one, sizeof one);
        zmq_setsockopt(fake->router, ZMQ_CURVE_SECRETKEY, secret_key, 41);
    }
    uint64_t until = clock_monotonic_ns() + PATIENCE_MS * CLOCK_MILLISECOND_NS;
    while (zmq_bind(fake->router, endpoint ? endpoint : "tcp://127.0.0.1:*") !=
           0) // an earlier one may still be closing
        assert_true(clock_monotonic_ns() < until);
    size_t size = sizeof fake->endpoint;
    assert_int_equal(zmq_getsockopt(fake->router, ZMQ_LAST_ENDPOINT, fake->endpoint, &size), 0);
}

void fake_start(struct fake_broker *fake, const char *endpoint) {
    char copy[128];
    snprintf(copy, sizeof copy, "%s", endpoint ? endpoint : ""); // it may be the fake's own
    start(fake, endpoint ? copy : NULL, NULL);
}

void fake_start_curve(struct fake_broker *fake, const char *secret_key) {
    start(fake, NULL, secret_key);
}

void fake_stop(struct fake_broker *fake) {
    zmq_close(fake->router);
    zmq_ctx_term(fake->zmq);
    wire_frame_free(&fake->frame);
    buffer_destroy(&fake->body);
}

static void keep_part(struct fake_broker *fake, int number, zmq_msg_t *part) {
    struct error error;
    if (number == 0) {
        fake->peer_size = zmq_msg_size(part);
        memcpy(fake->peer, zmq_msg_data(part), fake->peer_size);
    } else if (number == 1) {
        wire_frame_free(&fake->frame);
        if (wire_frame_parse(bytes_of(zmq_msg_data(part), zmq_msg_size(part)), &fake->frame, &error) != 0)
            fail_msg("a frame that can't be read: %s", error.text);
    } else {
        buffer_append(&fake->body, zmq_msg_data(part), zmq_msg_size(part));
    }
}

static bool receive(struct fake_broker *fake, int timeout_ms) {
    zmq_pollitem_t item = {.socket = fake->router, .events = ZMQ_POLLIN};
    if (zmq_poll(&item, 1, timeout_ms) <= 0)
        return false;
    bool more = true;
    buffer_clear(&fake->body);
    for (int number = 0; more; number++) {
        zmq_msg_t part;
        zmq_msg_init(&part);
        assert_true(zmq_msg_recv(&part, fake->router, 0) >= 0);
        keep_part(fake, number, &part);
        more = zmq_msg_more(&part);
        zmq_msg_close(&part);
    }
    return true;
}

bool fake_any(struct fake_broker *fake, int timeout_ms) {
    return receive(fake, timeout_ms);
}

bool fake_try(struct fake_broker *fake, Hutong__Bus__V1__Frame__KindCase kind, int timeout_ms) {
    uint64_t until = clock_monotonic_ns() + (unsigned)timeout_ms * CLOCK_MILLISECOND_NS;
    do {
        if (!receive(fake, 10))
            continue;
        if (fake->frame->kind_case == HUTONG__BUS__V1__FRAME__KIND_HEARTBEAT &&
            kind != HUTONG__BUS__V1__FRAME__KIND_HEARTBEAT)
            continue;
        if (fake->frame->kind_case != kind)
            fail_msg("a frame of kind %d where %d was expected", (int)fake->frame->kind_case, (int)kind);
        return true;
    } while (clock_monotonic_ns() < until);
    return false;
}

wire_frame *fake_expect(struct fake_broker *fake, Hutong__Bus__V1__Frame__KindCase kind) {
    if (!fake_try(fake, kind, PATIENCE_MS))
        fail_msg("no frame of kind %d", (int)kind);
    return fake->frame;
}

void fake_send_raw(struct fake_broker *fake, struct bytes part, bool more) {
    assert_true(zmq_send(fake->router, fake->peer, fake->peer_size, ZMQ_SNDMORE) >= 0);
    assert_true(zmq_send(fake->router, part.data, part.size, more ? ZMQ_SNDMORE : 0) >= 0);
}

void fake_send(struct fake_broker *fake, const wire_frame *frame, struct bytes body) {
    struct buffer packed = {0};
    assert_int_equal(wire_frame_append(frame, &packed), 0);
    fake_send_raw(fake, buffer_bytes(&packed), body.size > 0);
    if (body.size)
        assert_true(zmq_send(fake->router, body.data, body.size, 0) >= 0);
    buffer_destroy(&packed);
}

void fake_answer_hello(struct fake_broker *fake, uint64_t last_sequence, uint64_t credit) {
    Hutong__Bus__V1__Credit grant = HUTONG__BUS__V1__CREDIT__INIT;
    grant.messages = credit;
    grant.bytes = 1ull << 40;
    Hutong__Bus__V1__Limits limits = HUTONG__BUS__V1__LIMITS__INIT;
    limits.message_bytes = 8u << 20;
    limits.batch_bytes = 9u << 20;
    limits.batch_messages = 1000;
    Hutong__Bus__V1__Welcome welcome = HUTONG__BUS__V1__WELCOME__INIT;
    welcome.protocol = WIRE_PROTOCOL;
    welcome.system = fake->frame->hello->system;
    welcome.bus.data = fake->bus;
    welcome.bus.len = sizeof fake->bus;
    welcome.last_sequence = last_sequence;
    welcome.credit = &grant;
    welcome.limits = &limits;
    welcome.heartbeat_ms = fake->heartbeat_ms;
    wire_frame frame = HUTONG__BUS__V1__FRAME__INIT;
    frame.kind_case = HUTONG__BUS__V1__FRAME__KIND_WELCOME;
    frame.welcome = &welcome;
    fake_send(fake, &frame, (struct bytes){0});
}

void fake_welcome(struct fake_broker *fake, uint64_t last_sequence, uint64_t credit) {
    fake_expect(fake, HUTONG__BUS__V1__FRAME__KIND_HELLO);
    fake_answer_hello(fake, last_sequence, credit);
}

static void send_accepted(struct fake_broker *fake, Hutong__Bus__V1__Accepted *accepted) {
    wire_frame frame = HUTONG__BUS__V1__FRAME__INIT;
    frame.kind_case = HUTONG__BUS__V1__FRAME__KIND_ACCEPTED;
    frame.accepted = accepted;
    fake_send(fake, &frame, (struct bytes){0});
}

void fake_accept(struct fake_broker *fake, uint64_t sequence) {
    Hutong__Bus__V1__Accepted accepted = HUTONG__BUS__V1__ACCEPTED__INIT;
    accepted.sequence = sequence;
    send_accepted(fake, &accepted);
}

void fake_hold(struct fake_broker *fake, uint64_t sequence, const char *why) {
    Hutong__Bus__V1__Hold hold = HUTONG__BUS__V1__HOLD__INIT;
    hold.reason = HUTONG__BUS__V1__REASON__REASON_QUEUE_FULL;
    hold.text = text(why);
    Hutong__Bus__V1__Accepted accepted = HUTONG__BUS__V1__ACCEPTED__INIT;
    accepted.sequence = sequence;
    accepted.hold = &hold;
    send_accepted(fake, &accepted);
}

void fake_refuse(struct fake_broker *fake, uint64_t sequence, const char *why) {
    Hutong__Bus__V1__Refusal refusal = HUTONG__BUS__V1__REFUSAL__INIT;
    Hutong__Bus__V1__Refusal *refusals[] = {&refusal};
    refusal.sequence = sequence;
    refusal.reason = HUTONG__BUS__V1__REASON__REASON_NOT_ALLOWED;
    refusal.text = text(why);
    Hutong__Bus__V1__Accepted accepted = HUTONG__BUS__V1__ACCEPTED__INIT;
    accepted.sequence = sequence;
    accepted.n_refusals = 1;
    accepted.refusals = refusals;
    send_accepted(fake, &accepted);
}

void fake_credit(struct fake_broker *fake, uint64_t messages) {
    Hutong__Bus__V1__Credit credit = HUTONG__BUS__V1__CREDIT__INIT;
    credit.messages = messages;
    credit.bytes = 1ull << 40;
    wire_frame frame = HUTONG__BUS__V1__FRAME__INIT;
    frame.kind_case = HUTONG__BUS__V1__FRAME__KIND_CREDIT;
    frame.credit = &credit;
    fake_send(fake, &frame, (struct bytes){0});
}

void fake_error(struct fake_broker *fake, wire_reason reason, const char *why) {
    Hutong__Bus__V1__Error error = HUTONG__BUS__V1__ERROR__INIT;
    error.reason = reason;
    error.text = text(why);
    wire_frame frame = HUTONG__BUS__V1__FRAME__INIT;
    frame.kind_case = HUTONG__BUS__V1__FRAME__KIND_ERROR;
    frame.error = &error;
    fake_send(fake, &frame, (struct bytes){0});
}

static void append_message(struct buffer *body, uint64_t position, const char *type) {
    char id[32];
    struct buffer raw = {0};
    snprintf(id, sizeof id, "m-%llu", (unsigned long long)position);
    struct wire_envelope envelope = {.id = bytes_of_string(id),
        .source = bytes_of_string("test/source"),
        .type = bytes_of_string(type),
        .subject = bytes_of_string("subject"),
        .time_us = 1,
        .payload = bytes_of_string("payload")};
    assert_int_equal(wire_attribute_append(&raw, bytes_of_string("trace"), bytes_of_string("7")), 0);
    envelope.attributes = buffer_bytes(&raw);
    struct buffer whole = {0};
    assert_int_equal(wire_envelope_append(&envelope, &whole), 0);
    assert_int_equal(wire_body_append(body, buffer_bytes(&whole)), 0);
    buffer_destroy(&whole);
    buffer_destroy(&raw);
}

static void send_deliver(struct fake_broker *fake, Hutong__Bus__V1__Deliver *deliver, const char *type) {
    struct buffer body = {0};
    for (size_t i = 0; i < deliver->n_runs; i++)
        for (uint32_t k = 0; k < deliver->runs[i]->count; k++)
            append_message(&body, deliver->runs[i]->first_position + k, type);
    wire_frame frame = HUTONG__BUS__V1__FRAME__INIT;
    frame.kind_case = HUTONG__BUS__V1__FRAME__KIND_DELIVER;
    frame.deliver = deliver;
    fake_send(fake, &frame, buffer_bytes(&body));
    buffer_destroy(&body);
}

static Hutong__Bus__V1__DeliveryRun make_run(
    const struct fake_broker *fake, uint64_t first, uint32_t count, uint32_t attempt) {
    Hutong__Bus__V1__DeliveryRun run = HUTONG__BUS__V1__DELIVERY_RUN__INIT;
    run.first_position = first;
    run.count = count;
    run.attempt = attempt;
    run.replay = fake->replay;
    run.route = text("test-route");
    return run;
}

void fake_deliver(
    struct fake_broker *fake, uint64_t first, uint32_t count, uint32_t attempt, const char *type) {
    Hutong__Bus__V1__DeliveryRun run = make_run(fake, first, count, attempt);
    Hutong__Bus__V1__DeliveryRun *runs[] = {&run};
    Hutong__Bus__V1__Deliver deliver = HUTONG__BUS__V1__DELIVER__INIT;
    deliver.n_runs = 1;
    deliver.runs = runs;
    deliver.settled = first - 1;
    send_deliver(fake, &deliver, type);
}

void fake_deliver_lanes(
    struct fake_broker *fake, const struct fake_lane_run *of, size_t count, const char *type) {
    Hutong__Bus__V1__DeliveryRun runs[FAKE_RUNS];
    Hutong__Bus__V1__DeliveryRun *run_pointers[FAKE_RUNS];
    Hutong__Bus__V1__PositionRange ranges[FAKE_RUNS];
    Hutong__Bus__V1__PositionRange *range_pointers[FAKE_RUNS];
    Hutong__Bus__V1__Deliver deliver = HUTONG__BUS__V1__DELIVER__INIT;
    assert_true(count <= FAKE_RUNS);
    deliver.runs = run_pointers;
    deliver.settled_ranges = range_pointers;
    for (size_t i = 0; i < count; i++) {
        runs[i] = make_run(fake, of[i].first, of[i].count, 1);
        run_pointers[deliver.n_runs++] = &runs[i];
        if (of[i].floor == 0)
            continue;
        hutong__bus__v1__position_range__init(&ranges[i]);
        ranges[i].first = (of[i].floor >> WIRE_LANE_SHIFT << WIRE_LANE_SHIFT) + 1;
        ranges[i].last = of[i].floor;
        range_pointers[deliver.n_settled_ranges++] = &ranges[i];
    }
    send_deliver(fake, &deliver, type);
}

uint64_t fake_collect(struct fake_broker *fake, uint64_t last,
    void (*seen)(void *context, uint64_t sequence, struct bytes id), void *context) {
    uint64_t first = 0;
    uint64_t next = 0;
    while (next <= last) {
        const Hutong__Bus__V1__Publish *publish =
            fake_expect(fake, HUTONG__BUS__V1__FRAME__KIND_PUBLISH)->publish;
        if (next)
            assert_int_equal(publish->first_sequence, next);
        next = publish->first_sequence;
        first = first ? first : next;
        struct bytes rest = buffer_bytes(&fake->body);
        for (uint32_t i = 0; i < publish->count; i++, next++) {
            struct bytes raw;
            struct wire_envelope envelope;
            assert_int_equal(wire_body_next(&rest, &raw, NULL), 0);
            assert_int_equal(wire_envelope_parse(raw, &envelope, NULL), 0);
            if (seen)
                seen(context, next, envelope.id);
        }
        assert_int_equal(rest.size, 0);
    }
    return first;
}
