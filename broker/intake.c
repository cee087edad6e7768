// The way of a message in: session -> policy -> routing -> journal's batch -> queues. Read from the end:
// intake_one(). Whose turn it is: shares.c.
#include "broker/parcel.h"

#include <errno.h>

// A message on its way.
struct arrival {
    struct session *session;
    uint64_t sequence;
    struct chunk *body; // where the envelope lies; borrowed
    struct wire_envelope envelope;
    const struct schema_message *type;
    const struct match *matches;
    size_t match_count;
};

static int refuse(struct broker *broker, struct arrival *arrival, wire_reason reason, const char *text,
    struct update *update) {
    struct session *session = arrival->session;
    char id[WIRE_ID_LIMIT + 1] = "";
    char type[WIRE_TYPE_LIMIT + 1] = "";
    memcpy(id, arrival->envelope.id.data ? arrival->envelope.id.data : (const uint8_t *)"",
        arrival->envelope.id.size);
    memcpy(type, arrival->envelope.type.data ? arrival->envelope.type.data : (const uint8_t *)"",
        arrival->envelope.type.size);
    Hutong__Bus__V1__RefusedRecord record = HUTONG__BUS__V1__REFUSED_RECORD__INIT;
    record.source = (char *)(uintptr_t)session->system->address;
    record.publisher = session->publisher ? session->publisher->id : 0;
    record.sequence = arrival->sequence;
    record.reason = reason;
    record.text = (char *)(uintptr_t)text;
    record.id = id;
    record.type = type;
    int rc = broker_record(broker, update, HUTONG__BUS__V1__RECORD_KIND__RECORD_REFUSED, &record.base, NULL);
    rc = rc ? rc : session_refused(session, arrival->sequence, reason, text);
    if (rc)
        return rc;
    broker->counters.refused++;
    broker->counters.refused_by[reason < 64 ? reason : 0]++;
    session->counters.refused++;
    session_decided(session, arrival->sequence, broker->next_record - 1);
    return 0;
}

// Who may say what. 0, or the reason with the text.
static int check_policy(const struct broker *broker, struct arrival *arrival, struct error *error) {
    const struct policy_system *system = arrival->session->system;
    const struct wire_envelope *envelope = &arrival->envelope;
    if (envelope->raw.size > broker->session_limits.message_bytes)
        return error_set(error, HUTONG__BUS__V1__REASON__REASON_TOO_LARGE,
            "an envelope of %zu bytes; %llu are allowed", envelope->raw.size,
            (unsigned long long)broker->session_limits.message_bytes);
    if (envelope->source.size && !bytes_equal_string(envelope->source, system->address))
        return error_set(error, HUTONG__BUS__V1__REASON__REASON_SOURCE,
            "the envelope's source is %.*s, the session's %s", BYTES_ARGS(envelope->source), system->address);
    if (envelope->expires_us && envelope->expires_us <= broker->now_us)
        return error_set(error, HUTONG__BUS__V1__REASON__REASON_EXPIRED, "it expired before it came");
    arrival->type = catalogue_message(policy_catalogue(broker->policy), envelope->type);
    if (!arrival->type)
        return error_set(error, HUTONG__BUS__V1__REASON__REASON_UNKNOWN_TYPE,
            "the catalogue has no type %.*s", BYTES_ARGS(envelope->type));
    if (!policy_may_publish(system, arrival->type))
        return error_set(error, HUTONG__BUS__V1__REASON__REASON_NOT_ALLOWED, "%s may not publish %s",
            system->address, arrival->type->full_name);
    return 0;
}

// What a mapping or filter could not do becomes a dead letter at once; nothing is guessed.
static int record_dead(
    struct broker *broker, const struct arrival *arrival, const struct match *match, struct update *update) {
    struct queue *queue = broker->of_system[match->to->index];
    struct queue *dead = registry_dead_queue(broker, queue);
    if (!dead)
        return -ENOMEM;
    Hutong__Bus__V1__DeadRecord record = HUTONG__BUS__V1__DEAD_RECORD__INIT;
    record.queue = queue->id;
    record.dead_queue = dead->id;
    record.dead_position = dead->next_position;
    record.route = (char *)(uintptr_t)match->route;
    record.reason = (uint32_t)match->dead_reason;
    record.text = (char *)(uintptr_t)match->dead_text;
    record.element = match->element;
    record.source = (char *)(uintptr_t)arrival->session->system->address;
    record.envelope.data = (uint8_t *)(uintptr_t)arrival->envelope.raw.data;
    record.envelope.len = arrival->envelope.raw.size;
    struct journal_entry entry = {.queue = dead->id, .position = dead->next_position};
    int rc = broker_record(broker, update, HUTONG__BUS__V1__RECORD_KIND__RECORD_DEAD, &record.base, &entry);
    if (rc)
        return rc;
    queue_recover_push(dead, entry.position, arrival->envelope.raw.size);
    broker_count_dead(broker, queue, record.reason);
    return 0;
}

static struct parcel parcel_of(const struct arrival *arrival) {
    const struct session *session = arrival->session;
    return (struct parcel){.source = session->system->address,
        .publisher = session->publisher ? session->publisher->id : 0,
        .sequence = arrival->sequence,
        .body = arrival->body,
        .envelope = &arrival->envelope,
        .matches = arrival->matches,
        .match_count = arrival->match_count};
}

// 0, or JOURNAL_BATCH_FULL: append, then again.
static int accept_message(struct broker *broker, struct arrival *arrival, struct update *update) {
    struct parcel parcel = parcel_of(arrival);
    size_t sent;
    int rc = parcel_send(broker, &parcel, 0, update, &sent);
    for (size_t i = 0; i < arrival->match_count && rc == 0; i++)
        if (arrival->matches[i].dead_reason)
            rc = record_dead(broker, arrival, &arrival->matches[i], update);
    if (rc)
        return rc;
    broker->counters.accepted++;
    broker->counters.unrouted += arrival->match_count == 0;
    arrival->session->counters.accepted++;
    session_decided(arrival->session, arrival->sequence, broker->next_record - 1);
    return 0;
}

static int take_in(struct broker *broker, struct arrival *arrival, struct bytes raw, struct update *update) {
    struct error error;
    error.text[0] = '\0'; // not the whole of it: it is long
    if (wire_envelope_parse(raw, &arrival->envelope, &error) != 0) {
        arrival->envelope = (struct wire_envelope){0};
        return refuse(broker, arrival, HUTONG__BUS__V1__REASON__REASON_ENVELOPE, error.text, update);
    }
    int rc = check_policy(broker, arrival, &error);
    if (rc)
        return refuse(broker, arrival, (wire_reason)rc, error.text, update);
    rc = matcher_match(broker->matcher, arrival->session->system, arrival->type, arrival->envelope.subject,
        arrival->envelope.payload, broker->now_us, &arrival->matches, &arrival->match_count, &error);
    if (rc > 0)
        return refuse(broker, arrival,
            rc == MATCH_TOO_LARGE ? HUTONG__BUS__V1__REASON__REASON_TOO_LARGE
                                  : HUTONG__BUS__V1__REASON__REASON_INVALID,
            error.text, update);
    struct parcel parcel = parcel_of(arrival);
    if (rc == 0 && !parcel_ids_fit(&parcel, &error))
        return refuse(broker, arrival, HUTONG__BUS__V1__REASON__REASON_ENVELOPE, error.text, update);
    struct queue *full = rc ? NULL : parking_obstacle(broker, arrival->matches, arrival->match_count);
    if (full) {
        parking_begin(broker, arrival->session, full, update);
        return INTAKE_PARKED;
    }
    rc = rc ? rc : accept_message(broker, arrival, update);
    if (rc == -EMSGSIZE)
        return refuse(broker, arrival, HUTONG__BUS__V1__REASON__REASON_TOO_LARGE,
            "with its mappings and dead letters, each of which holds all of it, it is larger than a journal "
            "batch",
            update);
    return rc;
}

int intake_one(struct broker *broker, struct session *session, struct update *update) {
    struct arrival arrival = {.session = session};
    struct bytes raw;
    bool known;
    struct error error;
    error.text[0] = '\0';
    int rc = session_next(session, &arrival.sequence, &raw, &arrival.body, &known, &error);
    if (rc == SESSION_EMPTY)
        return rc;
    if (rc) {
        rc = peers_end(broker, session, update, (wire_reason)rc, error.text);
        return rc ? rc : INTAKE_ENDED;
    }
    size_t size = raw.size;
    if (known) {
        broker->counters.repeats++;
        session->counters.repeats++;
        // What it repeats may itself not be on disk yet.
        session_decided(session, arrival.sequence, broker->next_record - 1);
        broker_await(broker, broker->next_record - 1);
    } else if ((rc = take_in(broker, &arrival, raw, update)) != 0) {
        return rc;
    }
    shares_charge(session, size);
    if (session->parked_by)
        parking_end(broker, session, update);
    return 0;
}
