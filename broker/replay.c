// What goes out again because an operator says so: by today's routes and agreements, to one system, behind
// what is queued already.
#include "broker/operations.h"
#include "broker/policy/disclosed.h"
#include "broker/routing/permit.h"
#include "core/schema/view.h"

#include <errno.h>
#include <stdlib.h>

#define NO_AGREEMENT HUTONG__BUS__V1__REASON__REASON_NO_AGREEMENT

// A message that was there before, seen by today's configuration.
struct again {
    struct wire_envelope envelope;
    const struct policy_system *from;
    const struct policy_system *to;
    const struct schema_message *type;
};

static int say_no(struct operation *operation, const struct resend *resend, int reason, const char *text) {
    return operation_refuse_item(operation, resend->item, (wire_reason)reason, text);
}

// Who it is from: what the record says, else its envelope, which a route made.
static struct bytes source_of(const struct resend *resend, const struct wire_envelope *envelope) {
    return resend->source.size ? resend->source : envelope->source;
}

static int know_systems(const struct broker *broker, const struct operation *operation,
    const struct resend *resend, struct again *out, struct error *error) {
    struct bytes source = source_of(resend, &out->envelope);
    out->to = policy_system_named(broker->policy, bytes_of_string(operation->system));
    if (!out->to)
        return error_set(error, NO_AGREEMENT, "%s is no system any more", operation->system);
    if (!source.size)
        return error_set(error, NO_AGREEMENT,
            "the dead letter, which an older version wrote, does not say who sent it; replay the message "
            "from "
            "the journal");
    out->from = policy_system_named(broker->policy, source);
    if (!out->from)
        return error_set(
            error, NO_AGREEMENT, "%.*s, which sent it, is no system any more", BYTES_ARGS(source));
    return 0;
}

// 0, or the reason with the text.
static int look_at(const struct broker *broker, const struct operation *operation,
    const struct resend *resend, struct again *out, struct error *error) {
    if (wire_envelope_parse(resend->raw, &out->envelope, error) != 0)
        return HUTONG__BUS__V1__REASON__REASON_ENVELOPE;
    int rc = know_systems(broker, operation, resend, out, error);
    if (rc)
        return rc;
    if (out->envelope.expires_us && out->envelope.expires_us <= broker->now_us)
        return error_set(error, HUTONG__BUS__V1__REASON__REASON_EXPIRED,
            "its publisher said until when it may be delivered, and that is over");
    out->type = catalogue_message(policy_catalogue(broker->policy), out->envelope.type);
    if (!out->type)
        return error_set(error, HUTONG__BUS__V1__REASON__REASON_UNKNOWN_TYPE,
            "the catalogue has no type %.*s any more", BYTES_ARGS(out->envelope.type));
    return 0;
}

// ---- Out ----

static bool has_room(const struct queue *queue, size_t count, size_t bytes) {
    return queue->unsettled + count <= queue->limits.count && queue->bytes + bytes <= queue->limits.bytes;
}

// All the matches, or none and a refusal.
static int send_matches(struct broker *broker, struct operation *operation, const struct resend *resend,
    const struct again *again, const struct match *matches, size_t count, struct update *update,
    size_t *sent) {
    struct error error;
    struct wire_envelope envelope = again->envelope;
    struct parcel parcel = {.source = again->from->address,
        .replay_of = resend->record,
        .subject_hash = resend->subject_hash,
        .envelope = &envelope,
        .matches = matches,
        .match_count = count};
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += matches[i].payload.size > resend->raw.size ? matches[i].payload.size : resend->raw.size;
    if (!has_room(broker->of_system[again->to->index], count, bytes))
        return say_no(operation, resend, HUTONG__BUS__V1__REASON__REASON_QUEUE_FULL,
            "the system's queue has no room for it; replay it when the queue is shorter");
    if (!parcel_ids_fit(&parcel, &error))
        return say_no(operation, resend, HUTONG__BUS__V1__REASON__REASON_ENVELOPE, error.text);
    parcel.body = chunk_copy(resend->raw);
    if (!parcel.body)
        return -ENOMEM;
    envelope.raw = parcel.body->bytes; // what it is read from goes before it is sent
    int rc = parcel_send(broker, &parcel, operation_room(operation), update, sent);
    chunk_unref(&parcel.body);
    if (rc == -EMSGSIZE)
        return say_no(operation, resend, HUTONG__BUS__V1__REASON__REASON_TOO_LARGE,
            "with its mappings it is larger than a journal batch");
    return rc;
}

// Whether today's agreements let it go: 0 with the permit, or the reason with the text.
static int may_go(const struct broker *broker, const struct resend *resend, const struct again *again,
    struct bytes known, struct permit *permit, struct error *why) {
    char missing[POLICY_PATH_SIZE];
    if (!routes_permit(
            broker->routes, resend->route, again->from, again->to, again->type, broker->now_us, permit, why))
        return NO_AGREEMENT;
    if (policy_covers_payload(permit->agreement, again->type, known, missing))
        return 0;
    return error_set(
        why, NO_AGREEMENT, "agreement %s does not list %s any more", permit->agreement->id, missing);
}

// What the catalogue doesn't know any more goes to nobody: `known` is the rest.
static int send_known(struct broker *broker, struct operation *operation, const struct resend *resend,
    const struct again *again, struct bytes known, struct update *update, size_t *sent) {
    struct permit permit;
    struct error why = {0};
    int rc = may_go(broker, resend, again, known, &permit, &why);
    if (rc)
        return say_no(operation, resend, rc, why.text);
    struct match match = {.route = permit.route,
        .agreement = permit.agreement->id,
        .to = again->to,
        .type = again->type,
        .subject = again->envelope.subject,
        .retries = permit.retries,
        .backoff_min_ms = permit.backoff_min_ms,
        .backoff_max_ms = permit.backoff_max_ms,
        .expires_us = permit.expires_us};
    if (known.size != again->envelope.payload.size) {
        match.payload = known;
        match.whole = true;
    }
    return send_matches(broker, operation, resend, again, &match, 1, update, sent);
}

int resend_made(struct broker *broker, struct operation *operation, const struct resend *resend,
    struct update *update, size_t *sent) {
    struct again again = {0};
    struct error error = {0};
    struct buffer known = {0};
    int rc = look_at(broker, operation, resend, &again, &error);
    if (rc)
        return say_no(operation, resend, rc, error.text);
    if (view_check(again.type, again.envelope.payload, NULL, &error) != 0)
        return say_no(operation, resend, HUTONG__BUS__V1__REASON__REASON_INVALID, error.text);
    rc = buffer_reserve(&known, 1); // so that no bytes have a place too
    rc = rc ? rc : view_append_known(again.type, again.envelope.payload, &known);
    rc = rc ? -ENOMEM : send_known(broker, operation, resend, &again, buffer_bytes(&known), update, sent);
    buffer_destroy(&known);
    return rc;
}

// ---- By the matcher ----

static bool is_wanted(const struct resend *resend, const struct again *again, const struct match *match) {
    return match->to == again->to &&
           (resend->route.size == 0 || bytes_equal_string(resend->route, match->route)) &&
           (resend->element == 0 || resend->element == match->element);
}

// Those of the matches that go to the system. What can't be made of it today is a refusal, and no new dead
// letter. Returns how many go.
static int choose(struct operation *operation, const struct resend *resend, const struct again *again,
    const struct match *matches, size_t count, struct match *out, size_t *chosen) {
    size_t dead = 0;
    int rc = 0;
    *chosen = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        if (!is_wanted(resend, again, &matches[i]))
            continue;
        if (matches[i].dead_reason && (!resend->whole || dead == 0))
            rc = operation_refuse(
                operation, resend->item, (wire_reason)matches[i].dead_reason, matches[i].dead_text);
        if (matches[i].dead_reason)
            dead++;
        else
            out[(*chosen)++] = matches[i];
    }
    if (rc)
        return rc;
    if (dead && (resend->whole || *chosen == 0)) {
        operation->refused++;
        *chosen = 0;
        return 0;
    }
    return *chosen ? 0
                   : say_no(operation, resend, NO_AGREEMENT,
                         resend->route.size ? "its route does not give it to that system today"
                                            : "no route of today gives it to that system");
}

static int match_all(struct broker *broker, struct operation *operation, const struct resend *resend,
    const struct again *again, const struct match *matches, size_t count, struct update *update,
    size_t *sent) {
    size_t chosen = 0;
    size_t before = operation->refusal_count;
    uint64_t refused = operation->refused;
    struct match *out = calloc(count + 1, sizeof *out);
    if (!out)
        return -ENOMEM;
    int rc = choose(operation, resend, again, matches, count, out, &chosen);
    if (rc == 0 && chosen)
        rc = send_matches(broker, operation, resend, again, out, chosen, update, sent);
    if (rc == JOURNAL_BATCH_FULL) { // it is looked at again, as if for the first time
        operation->refusal_count = before;
        operation->refused = refused;
    }
    free(out);
    return rc;
}

int resend_original(struct broker *broker, struct operation *operation, const struct resend *resend,
    struct update *update, size_t *sent) {
    struct again again = {0};
    struct error error = {0};
    const struct match *matches;
    size_t count;
    int rc = look_at(broker, operation, resend, &again, &error);
    if (rc)
        return say_no(operation, resend, rc, error.text);
    rc = matcher_match(broker->matcher, again.from, again.type, again.envelope.subject,
        again.envelope.payload, broker->now_us, &matches, &count, &error);
    if (rc > 0)
        return say_no(operation, resend,
            rc == MATCH_TOO_LARGE ? HUTONG__BUS__V1__REASON__REASON_TOO_LARGE
                                  : HUTONG__BUS__V1__REASON__REASON_INVALID,
            error.text);
    return rc ? rc : match_all(broker, operation, resend, &again, matches, count, update, sent);
}

// ---- One message of the journal ----

static int pass_over(void *context, const struct record_delivery *delivery) {
    (void)context;
    (void)delivery;
    return 0;
}

int replay_record(struct broker *broker, struct operation *operation, const struct journal_record *record,
    struct update *update) {
    struct record_message message;
    size_t sent = 0;
    if (record->sequence > broker->durable || record->kind != HUTONG__BUS__V1__RECORD_KIND__RECORD_MESSAGE ||
        spans_has(&operation->done, record->sequence)) {
        operation->gone++;
        return 0;
    }
    struct resend resend = {.item = record->sequence, .record = record->sequence};
    if (!record->body.data)
        return say_no(operation, &resend, HUTONG__BUS__V1__REASON__REASON_UNSPECIFIED, "its body was erased");
    if (record_message_each(record->body, &message, pass_over, NULL) != 0)
        return say_no(operation, &resend, HUTONG__BUS__V1__REASON__REASON_UNSPECIFIED, "it can't be read");
    if (message.replay_of)
        return say_no(operation, &resend, HUTONG__BUS__V1__REASON__REASON_UNSPECIFIED,
            "it is a replay itself: replay what it comes from");
    resend.source = message.source;
    resend.raw = message.envelope;
    int rc = resend_original(broker, operation, &resend, update, &sent);
    if (rc || sent == 0)
        return rc;
    operation->deliveries += sent;
    return spans_add(&operation->done, record->sequence, record->sequence);
}
