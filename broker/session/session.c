#include "broker/session/session.h"

#include "broker/delivery/queue.h"
#include "core/base/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

// What a list or an array of the session owns, GCC's analyzer takes for lost.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

struct session *session_new(uint64_t connection, uint64_t now_ms) {
    struct session *session = calloc(1, sizeof *session);
    if (!session)
        return NULL;
    list_init(&session->link);
    list_init(&session->turn);
    list_init(&session->input);
    session->connection = connection;
    session->heard_ms = session->spoke_ms = now_ms;
    return session;
}

static void input_free(struct session_input *input) {
    list_remove(&input->link);
    chunk_unref(&input->body);
    free(input);
}

static void clear_refusals(struct session *session) {
    for (size_t i = 0; i < session->refusal_count; i++)
        free(session->refusals[i].text);
    session->refusal_count = 0;
}

void session_destroy(struct session **self) {
    struct session *session = *self;
    if (!session)
        return;
    struct list *next;
    for (struct list *node = session->input.next; node != &session->input; node = next) {
        next = node->next;
        input_free(LIST_ITEM(node, struct session_input, link));
    }
    clear_refusals(session);
    free(session->refusals);
    list_remove(&session->link);
    list_remove(&session->turn);
    free(session);
    *self = NULL;
}

static int check_identity(const Hutong__Bus__V1__Hello *hello, const struct policy_system *proved,
    const struct policy *policy, const struct policy_system **out, struct error *error) {
    struct bytes claimed = bytes_of_string(hello->system);
    if (!wire_address_valid(claimed))
        return error_set(error, HUTONG__BUS__V1__REASON__REASON_PROTOCOL,
            "hello.system is not an address such as \"agency/system\"");
    const struct policy_system *system = policy_system_named(policy, claimed);
    if (proved && !bytes_equal_string(claimed, proved->address))
        return error_set(error, HUTONG__BUS__V1__REASON__REASON_IDENTITY,
            "this key belongs to %s, but hello says %s", proved->address, hello->system);
    if (!system)
        return error_set(error, HUTONG__BUS__V1__REASON__REASON_IDENTITY,
            "no agency file names the system %s", hello->system);
    *out = system;
    return 0;
}

int session_hello(struct session *session, const Hutong__Bus__V1__Hello *hello,
    const struct policy_system *proved, const struct policy *policy, struct error *error) {
    if (session->open)
        return error_set(error, HUTONG__BUS__V1__REASON__REASON_PROTOCOL, "a second hello in one session");
    if (hello->protocol != WIRE_PROTOCOL)
        return error_set(error, HUTONG__BUS__V1__REASON__REASON_VERSION,
            "protocol version %u is not spoken here; this broker speaks %u", hello->protocol, WIRE_PROTOCOL);
    const struct policy_system *system = NULL;
    int rc = check_identity(hello, proved, policy, &system, error);
    if (rc)
        return rc;
    struct bytes instance = bytes_of_string(*hello->instance ? hello->instance : "default");
    if (!wire_instance_valid(instance))
        return error_set(error, HUTONG__BUS__V1__REASON__REASON_PROTOCOL,
            "hello.instance must be 1 to 64 letters, digits, \"-\", \"_\" or \".\"");
    if (hello->stream.len != 0 && hello->stream.len != WIRE_STREAM_SIZE)
        return error_set(error, HUTONG__BUS__V1__REASON__REASON_PROTOCOL,
            "hello.stream must have %u bytes or none", WIRE_STREAM_SIZE);
    memcpy(session->instance, instance.data, instance.size);
    utf8_copy(session->software, sizeof session->software, hello->software);
    session->system = system;
    if (hello->credit) {
        session->grant_messages = hello->credit->messages;
        session->grant_bytes = hello->credit->bytes;
    }
    session->open = true;
    return 0;
}

static int check_publish(const struct session *session, const Hutong__Bus__V1__Publish *publish,
    struct bytes body, const struct session_limits *limits, struct error *error) {
    if (publish->count == 0 || publish->count > limits->batch_messages)
        return error_set(error, HUTONG__BUS__V1__REASON__REASON_PROTOCOL,
            "publish.count is %u; 1 to %u is right", publish->count, limits->batch_messages);
    if (publish->first_sequence == 0 || publish->first_sequence > UINT64_MAX / 2)
        return error_set(
            error, HUTONG__BUS__V1__REASON__REASON_PROTOCOL, "publish.first_sequence counts from 1");
    if (body.size > limits->batch_bytes + limits->message_bytes)
        return error_set(error, HUTONG__BUS__V1__REASON__REASON_TOO_LARGE,
            "a body of %zu bytes; a batch may have %llu", body.size, (unsigned long long)limits->batch_bytes);
    if (session->got_messages >= session->granted_messages || session->got_bytes >= session->granted_bytes)
        return error_set(error, HUTONG__BUS__V1__REASON__REASON_CREDIT,
            "%llu messages and %llu bytes were sent; %llu and %llu were granted",
            (unsigned long long)session->got_messages, (unsigned long long)session->got_bytes,
            (unsigned long long)session->granted_messages, (unsigned long long)session->granted_bytes);
    return 0;
}

int session_publish(struct session *session, const Hutong__Bus__V1__Publish *publish, struct chunk *body,
    const struct session_limits *limits, struct error *error) {
    if (!body)
        return error_set(
            error, HUTONG__BUS__V1__REASON__REASON_PROTOCOL, "a publish frame without a body part");
    int rc = check_publish(session, publish, body->bytes, limits, error);
    if (rc)
        return rc;
    struct session_input *input = calloc(1, sizeof *input);
    if (!input)
        return error_no_memory(error);
    list_init(&input->link);
    input->body = chunk_ref(body);
    input->rest = body->bytes;
    input->sequence = publish->first_sequence;
    input->left = publish->count;
    list_append(&session->input, &input->link);
    session->got_messages += publish->count;
    session->got_bytes += body->bytes.size;
    return 0;
}

static uint64_t last_sequence(const struct session *session) {
    return session->publisher ? session->publisher->sequence : session->sequence;
}

int session_next(struct session *session, uint64_t *sequence, struct bytes *raw, struct chunk **body,
    bool *known, struct error *error) {
    if (list_empty(&session->input))
        return SESSION_EMPTY;
    struct session_input *input = LIST_ITEM(session->input.next, struct session_input, link);
    // Read from a copy: what can't be taken in now (a full batch) is asked for again.
    struct bytes rest = input->rest;
    if (wire_body_next(&rest, raw, error) != 0 || (input->left == 1 && rest.size)) {
        error_set(error, HUTONG__BUS__V1__REASON__REASON_PROTOCOL,
            "the body of the publish frame does not hold the %u envelopes that it should", input->left);
        return HUTONG__BUS__V1__REASON__REASON_PROTOCOL;
    }
    wire_body_expect(rest);
    *sequence = input->sequence;
    *body = input->body;
    *known = input->sequence <= last_sequence(session);
    return 0;
}

void session_decided(struct session *session, uint64_t sequence, uint64_t record) {
    struct session_input *input = LIST_ITEM(session->input.next, struct session_input, link);
    struct bytes raw;
    wire_body_next(&input->rest, &raw, NULL);
    input->sequence++;
    session->taken_messages++;
    if (--input->left == 0) {
        session->taken_bytes += input->body->bytes.size;
        input_free(input);
    }
    if (sequence > last_sequence(session)) {
        session->sequence = sequence;
        if (session->publisher)
            session->publisher->sequence = sequence;
    }
    if (sequence > session->decided)
        session->decided = sequence;
    if (record > session->decided_record)
        session->decided_record = record;
    session->has_news = true;
}

int session_refused(struct session *session, uint64_t sequence, wire_reason reason, const char *text) {
    if (session->refusal_count == session->refusal_capacity) {
        size_t capacity = session->refusal_capacity ? session->refusal_capacity * 2 : 8;
        void *refusals = realloc(session->refusals, capacity * sizeof *session->refusals);
        if (!refusals)
            return -ENOMEM;
        session->refusals = refusals;
        session->refusal_capacity = capacity;
    }
    char *copy = strndup(text, WIRE_TEXT_LIMIT / 2);
    if (!copy)
        return -ENOMEM;
    session->refusals[session->refusal_count++] =
        (struct session_refusal){.sequence = sequence, .reason = reason, .text = copy};
    return 0;
}

void session_mark(struct session *session) {
    session->marked = session->decided;
    session->marked_record = session->decided_record;
}

static bool has_decisions(const struct session *session, uint64_t durable) {
    return session->has_news && (session->decided_record <= durable ||
                                    (session->marked > session->told && session->marked_record <= durable));
}

static size_t refusals_until(const struct session *session, uint64_t sequence) {
    size_t count = 0;
    while (count < session->refusal_count && session->refusals[count].sequence <= sequence)
        count++;
    return count;
}

bool session_has_news(const struct session *session, uint64_t durable) {
    return session->hold_changed || has_decisions(session, durable);
}

// Refusals beyond this wait for the next frame, so that one frame stays small.
#define REFUSALS_A_FRAME 128

// The hold, if there is one; its text goes to `text`.
static bool describe_hold(
    const struct session *session, Hutong__Bus__V1__Hold *hold, char *text, size_t size) {
    if (session->paused) {
        hold->reason = HUTONG__BUS__V1__REASON__REASON_BUSY;
        snprintf(text, size, "the broker's journal has no room");
    } else if (session->parked_by) {
        hold->reason = HUTONG__BUS__V1__REASON__REASON_QUEUE_FULL;
        snprintf(text, size, "%s is full", session->parked_by->name);
    }
    hold->text = text;
    return session->paused || session->parked_by;
}

static int append_accepted(
    const struct session *session, uint64_t sequence, size_t refusals, struct buffer *out) {
    char text[256] = "";
    Hutong__Bus__V1__Hold hold = HUTONG__BUS__V1__HOLD__INIT;
    Hutong__Bus__V1__Refusal items[REFUSALS_A_FRAME];
    Hutong__Bus__V1__Refusal *pointers[REFUSALS_A_FRAME];
    for (size_t i = 0; i < refusals; i++) {
        hutong__bus__v1__refusal__init(&items[i]);
        items[i].sequence = session->refusals[i].sequence;
        items[i].reason = session->refusals[i].reason;
        items[i].text = session->refusals[i].text;
        pointers[i] = &items[i];
    }
    Hutong__Bus__V1__Credit credit = HUTONG__BUS__V1__CREDIT__INIT;
    credit.messages = session->granted_messages;
    credit.bytes = session->granted_bytes;
    Hutong__Bus__V1__Accepted accepted = HUTONG__BUS__V1__ACCEPTED__INIT;
    accepted.sequence = sequence;
    accepted.refusals = pointers;
    accepted.n_refusals = refusals;
    accepted.credit = &credit;
    if (describe_hold(session, &hold, text, sizeof text))
        accepted.hold = &hold;
    wire_frame frame = HUTONG__BUS__V1__FRAME__INIT;
    frame.kind_case = HUTONG__BUS__V1__FRAME__KIND_ACCEPTED;
    frame.accepted = &accepted;
    return wire_frame_append(&frame, out);
}

// What was granted stays so, also when the limit became smaller since.
static void raise_to(uint64_t *total, uint64_t least) {
    if (*total < least)
        *total = least;
}

// Only how the hold is now.
static int tell_hold(struct session *session, struct buffer *out) {
    session->hold_changed = false;
    return append_accepted(session, session->told, 0, out);
}

int session_tell(struct session *session, uint64_t durable, const struct session_limits *limits, bool grant,
    struct buffer *out) {
    if (!has_decisions(session, durable))
        return tell_hold(session, out);
    bool whole = session->decided_record <= durable;
    uint64_t until = whole ? session->decided : session->marked;
    size_t due = refusals_until(session, until);
    size_t refusals = due < REFUSALS_A_FRAME ? due : REFUSALS_A_FRAME;
    bool all = refusals == due;
    // With refusals left over, only what lies before the first of them is told.
    uint64_t sequence = all ? until : session->refusals[refusals].sequence - 1;
    raise_to(&sequence, session->told);
    if (grant) {
        raise_to(&session->granted_messages, session->taken_messages + limits->credit_messages);
        raise_to(&session->granted_bytes, session->taken_bytes + limits->credit_bytes);
    }
    int rc = append_accepted(session, sequence, refusals, out);
    if (rc)
        return rc;
    for (size_t i = 0; i < refusals; i++)
        free(session->refusals[i].text);
    if (refusals)
        memmove(session->refusals, session->refusals + refusals,
            (session->refusal_count - refusals) * sizeof *session->refusals);
    session->refusal_count -= refusals;
    session->told = sequence;
    session->has_news = !all || !whole;
    session->hold_changed = false;
    return 0;
}
