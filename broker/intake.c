// The way of a message in: session -> policy -> routing -> journal's batch -> queues. Read from the end:
// intake_run().
#include "broker/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

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

static int reserve_deliveries(struct broker *broker, size_t count) {
    if (count <= broker->delivery_capacity)
        return 0;
    struct record_delivery *deliveries = realloc(broker->deliveries, count * sizeof *deliveries);
    if (deliveries)
        broker->deliveries = deliveries;
    struct journal_entry *entries = realloc(broker->entries, count * sizeof *entries);
    if (entries)
        broker->entries = entries;
    if (!deliveries || !entries)
        return -ENOMEM;
    broker->delivery_capacity = count;
    return 0;
}

// The original goes out as it came, unless it is mapped or leaves out who says it.
static bool needs_own_envelope(const struct arrival *arrival, const struct match *match) {
    return match->payload.data || match->element || arrival->envelope.source.size == 0;
}

// An element of a message has an id of its own: the message's, and its place. Empty where that is too long.
static struct bytes element_id(const struct arrival *arrival, uint32_t element, char out[WIRE_ID_LIMIT + 1]) {
    int size = snprintf(out, WIRE_ID_LIMIT + 1, "%.*s#%u", BYTES_ARGS(arrival->envelope.id), element - 1);
    return bytes_of(out, size > 0 && size <= (int)WIRE_ID_LIMIT ? (size_t)size : 0);
}

// Whether each element can have its id; otherwise the text.
static bool ids_fit(const struct arrival *arrival, struct error *error) {
    char id[WIRE_ID_LIMIT + 1];
    for (size_t i = 0; i < arrival->match_count; i++)
        if (arrival->matches[i].element && !element_id(arrival, arrival->matches[i].element, id).size) {
            error_set(error, 0,
                "a route splits it, and its id is too long: with \"#%u\" behind it an id has at most %u "
                "bytes",
                arrival->matches[i].element - 1, WIRE_ID_LIMIT);
            return false;
        }
    return true;
}

// The envelope that a delivery has of its own: the original's attributes with the proved source, and for a
// mapped payload with the type and subject that the route says. Appended to `out`; the caller turns offsets
// into pointers when all are there.
static int append_own(const struct arrival *arrival, const struct match *match, struct buffer *out) {
    struct wire_envelope envelope = arrival->envelope;
    char id[WIRE_ID_LIMIT + 1];
    envelope.source = bytes_of_string(arrival->session->system->address);
    if (match->element)
        envelope.id = element_id(arrival, match->element, id);
    if (match->whole) {
        envelope.payload = match->payload;
    } else if (match->payload.data) {
        envelope.type = bytes_of_string(match->type->full_name);
        envelope.subject = match->subject;
        envelope.payload = match->payload;
        envelope.dataschema = bytes_of(NULL, 0);
    }
    return wire_envelope_append(&envelope, out);
}

static struct delivery_rule rule_of(
    const struct broker *broker, const struct arrival *arrival, const struct match *match) {
    int64_t expires = broker->now_us + (int64_t)broker->queue_limits.age_us;
    if (match->expires_us && broker->now_us + match->expires_us < expires)
        expires = broker->now_us + match->expires_us;
    if (arrival->envelope.expires_us && arrival->envelope.expires_us < expires)
        expires = arrival->envelope.expires_us;
    return (struct delivery_rule){.route = match->route,
        .agreement = match->agreement ? match->agreement : "",
        .retries = match->retries,
        .backoff_min_ms = match->backoff_min_ms,
        .backoff_max_ms = match->backoff_max_ms,
        .expires_us = expires};
}

// The position that the i-th delivery gets: behind those of the same queue before it in this message.
static uint64_t position_for(const struct broker *broker, const struct queue *queue, size_t i) {
    for (size_t k = i; k > 0; k--)
        if (broker->entries[k - 1].queue == queue->id)
            return broker->entries[k - 1].position + 1;
    return queue->next_position;
}

// Fills broker->deliveries and ->entries from the matches that go out. Mapped envelopes are gathered in
// `mapped`.
static int lay_out(
    struct broker *broker, const struct arrival *arrival, struct buffer *mapped, size_t *count) {
    int rc = reserve_deliveries(broker, arrival->match_count);
    size_t n = 0;
    for (size_t i = 0; i < arrival->match_count && rc == 0; i++) {
        const struct match *match = &arrival->matches[i];
        if (match->dead_reason)
            continue;
        struct queue *queue = broker->of_system[match->to->index];
        struct record_delivery *delivery = &broker->deliveries[n];
        size_t start = mapped->size;
        if (needs_own_envelope(arrival, match))
            rc = append_own(arrival, match, mapped);
        *delivery = (struct record_delivery){.queue = queue->id,
            .position = position_for(broker, queue, n),
            .subject_hash = match->subject.size ? hash_bytes_with(match->subject, broker->subject_seed) : 0,
            .rule = rule_of(broker, arrival, match),
            .envelope = bytes_of(NULL, mapped->size - start)};
        broker->entries[n++] = (struct journal_entry){.queue = queue->id, .position = delivery->position};
    }
    uint8_t *at = mapped->data;
    for (size_t i = 0; i < n; i++) {
        broker->deliveries[i].envelope.data = broker->deliveries[i].envelope.size ? at : NULL;
        at += broker->deliveries[i].envelope.size;
    }
    *count = n;
    return rc;
}

// Adds the message's record to the batch.
static int record_message(
    struct broker *broker, const struct arrival *arrival, size_t count, struct update *update) {
    const struct session *session = arrival->session;
    struct record_message message = {.publisher = session->publisher ? session->publisher->id : 0,
        .sequence = arrival->sequence,
        .source = bytes_of_string(session->system->address),
        .envelope = arrival->envelope.raw};
    buffer_clear(&broker->scratch);
    int rc = record_message_front(&message, broker->deliveries, count, &broker->scratch);
    if (rc)
        return rc;
    struct bytes parts[] = {buffer_bytes(&broker->scratch), arrival->envelope.raw};
    rc = journal_batch_add(
        update->batch, HUTONG__BUS__V1__RECORD_KIND__RECORD_MESSAGE, broker->entries, count, parts, 2);
    if (rc == 0)
        broker->next_record++;
    return rc;
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
    record.envelope.data = (uint8_t *)(uintptr_t)arrival->envelope.raw.data;
    record.envelope.len = arrival->envelope.raw.size;
    struct journal_entry entry = {.queue = dead->id, .position = dead->next_position};
    int rc = broker_record(broker, update, HUTONG__BUS__V1__RECORD_KIND__RECORD_DEAD, &record.base, &entry);
    if (rc)
        return rc;
    queue_recover_push(dead, entry.position, arrival->envelope.raw.size);
    broker->counters.dead++;
    queue->counters.dead++;
    return 0;
}

static int push_deliveries(
    struct broker *broker, const struct arrival *arrival, size_t count, struct chunk *mapped) {
    for (size_t i = 0; i < count; i++) {
        const struct record_delivery *delivery = &broker->deliveries[i];
        struct queue *queue = registry_queue(broker, delivery->queue);
        bool original = delivery->envelope.size == 0;
        int rc = queue_push(queue, delivery, broker->next_record - 1, original ? arrival->body : mapped,
            original ? arrival->envelope.raw : delivery->envelope);
        if (rc)
            return rc;
        broker->counters.deliveries++;
    }
    return 0;
}

// Bytes that the message takes in the batch with its dead letters, since it goes in whole or not at all.
static size_t room_needed(const struct arrival *arrival, const struct buffer *mapped) {
    enum { RECORD = 1536, DELIVERY = 512 }; // more than a record and a delivery have besides the envelopes
    size_t need = RECORD + arrival->envelope.raw.size + mapped->size;
    for (size_t i = 0; i < arrival->match_count; i++)
        need += arrival->matches[i].dead_reason ? RECORD + arrival->envelope.raw.size : DELIVERY;
    return need;
}

// 0, JOURNAL_BATCH_FULL: append first; -EMSGSIZE: no batch could take it.
static int check_room(const struct broker *broker, size_t need, const struct update *update) {
    if (need > broker->batch_hard)
        return -EMSGSIZE;
    return journal_batch_size(update->batch) + need > broker->batch_hard ? JOURNAL_BATCH_FULL : 0;
}

static void free_mapped(void *context) {
    free(context);
}

// 0, or JOURNAL_BATCH_FULL: append, then again.
static int accept_message(struct broker *broker, struct arrival *arrival, struct update *update) {
    struct buffer mapped = {0};
    size_t count = 0;
    int rc = lay_out(broker, arrival, &mapped, &count);
    rc = rc ? rc : check_room(broker, room_needed(arrival, &mapped), update);
    rc = rc ? rc : record_message(broker, arrival, count, update);
    struct chunk *chunk = NULL;
    if (rc == 0 && mapped.size && !(chunk = chunk_new(buffer_bytes(&mapped), free_mapped, mapped.data)))
        rc = -ENOMEM;
    if (!chunk)
        buffer_destroy(&mapped);
    rc = rc ? rc : push_deliveries(broker, arrival, count, chunk);
    for (size_t i = 0; i < arrival->match_count && rc == 0; i++)
        if (arrival->matches[i].dead_reason)
            rc = record_dead(broker, arrival, &arrival->matches[i], update);
    chunk_unref(&chunk);
    if (rc)
        return rc;
    broker->counters.accepted++;
    broker->counters.unrouted += arrival->match_count == 0;
    arrival->session->counters.accepted++;
    session_decided(arrival->session, arrival->sequence, broker->next_record - 1);
    return 0;
}

static int take_in(struct broker *broker, struct arrival *arrival, struct bytes raw, struct update *update) {
    struct error error = {0};
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
    if (rc == 0 && !ids_fit(arrival, &error))
        return refuse(broker, arrival, HUTONG__BUS__V1__REASON__REASON_ENVELOPE, error.text, update);
    rc = rc ? rc : accept_message(broker, arrival, update);
    if (rc == -EMSGSIZE)
        return refuse(broker, arrival, HUTONG__BUS__V1__REASON__REASON_TOO_LARGE,
            "with its mappings and dead letters, each of which holds all of it, it is larger than a journal "
            "batch",
            update);
    return rc;
}

// One message of a session. 0, SESSION_EMPTY, JOURNAL_BATCH_FULL, a fatal negative.
static int intake_one(struct broker *broker, struct session *session, struct update *update, bool *ended) {
    struct arrival arrival = {.session = session};
    struct bytes raw;
    bool known;
    struct error error = {0};
    int rc = session_next(session, &arrival.sequence, &raw, &arrival.body, &known, &error);
    if (rc == SESSION_EMPTY)
        return rc;
    if (rc) {
        *ended = true;
        return peers_end(broker, session, update, (wire_reason)rc, error.text);
    }
    if (known) {
        broker->counters.repeats++;
        session->counters.repeats++;
        // What it repeats may itself not be on disk yet.
        session_decided(session, arrival.sequence, broker->next_record - 1);
        return 0;
    }
    return take_in(broker, &arrival, raw, update);
}

// A fair share of one session: as many messages as a batch frame has.
static int intake_session(struct broker *broker, struct session *session, struct update *update) {
    bool ended = false;
    for (uint32_t n = 0; n < broker->session_limits.batch_messages && !ended; n++) {
        if (journal_batch_size(update->batch) >= broker->batch_soft)
            return JOURNAL_BATCH_FULL;
        int rc = intake_one(broker, session, update, &ended);
        if (rc)
            return rc == SESSION_EMPTY ? 0 : rc;
    }
    return 0;
}

int intake_run(struct broker *broker, struct update *update) {
    for (bool any = true; any;) {
        any = false;
        struct list *next;
        for (struct list *node = broker->sessions.next; node != &broker->sessions; node = next) {
            next = node->next;
            struct session *session = LIST_ITEM(node, struct session, link);
            if (list_empty(&session->input))
                continue;
            int rc = intake_session(broker, session, update);
            if (rc == JOURNAL_BATCH_FULL) {
                update->more = true;
                // The next round starts with the one behind.
                if (next != &broker->sessions) {
                    list_remove(&broker->sessions);
                    list_insert_before(next, &broker->sessions);
                }
                return 0;
            }
            if (rc)
                return rc;
            any = true;
        }
    }
    return 0;
}
