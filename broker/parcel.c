// From what the matcher says of a message to its record and the deliveries in their queues: the same for what
// a publisher sends and for what an operator sends again.
#include "broker/parcel.h"

#include "core/mapping/mapping.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int reserve_deliveries(struct broker *broker, size_t count) {
    enum { LEAST = 16 }; // also for a message that goes to nobody
    if (broker->delivery_capacity && count <= broker->delivery_capacity)
        return 0;
    count = count > LEAST ? count : LEAST;
    struct record_delivery *deliveries = realloc(broker->deliveries, count * sizeof *deliveries);
    if (deliveries)
        broker->deliveries = deliveries;
    struct journal_entry *entries = realloc(broker->entries, count * sizeof *entries);
    if (entries)
        broker->entries = entries;
    struct bytes *parts = realloc(broker->parts, RECORD_PARTS(count, MATCH_COPIES_LIMIT) * sizeof *parts);
    if (parts)
        broker->parts = parts;
    if (!deliveries || !entries || !parts)
        return -ENOMEM;
    broker->delivery_capacity = count;
    return 0;
}

// The original goes out as it came, unless it is mapped or leaves out who says it.
static bool needs_own_envelope(const struct parcel *parcel, const struct match *match) {
    return match->payload.data || match->element || parcel->envelope->source.size == 0;
}

// An element of a message has an id of its own: the message's, and its place. Empty where that is too long.
static struct bytes element_id(const struct parcel *parcel, uint32_t element, char out[WIRE_ID_LIMIT + 1]) {
    int size = snprintf(out, WIRE_ID_LIMIT + 1, "%.*s#%u", BYTES_ARGS(parcel->envelope->id), element - 1);
    return bytes_of(out, size > 0 && size <= (int)WIRE_ID_LIMIT ? (size_t)size : 0);
}

bool parcel_ids_fit(const struct parcel *parcel, struct error *error) {
    char id[WIRE_ID_LIMIT + 1];
    for (size_t i = 0; i < parcel->match_count; i++)
        if (parcel->matches[i].element && !element_id(parcel, parcel->matches[i].element, id).size) {
            error_set(error, 0,
                "a route splits it, and its id is too long: with \"#%u\" behind it an id has at most %u "
                "bytes",
                parcel->matches[i].element - 1, WIRE_ID_LIMIT);
            return false;
        }
    return true;
}

// The envelope that a delivery has of its own: the original's attributes with the proved source, and for a
// mapped payload with the type and subject that the route says. `id`: room for it.
static struct wire_envelope own_envelope(
    const struct parcel *parcel, const struct match *match, char id[WIRE_ID_LIMIT + 1]) {
    struct wire_envelope envelope = *parcel->envelope;
    envelope.source = bytes_of_string(parcel->source);
    if (match->element)
        envelope.id = element_id(parcel, match->element, id);
    if (match->whole) {
        envelope.payload = match->payload;
    } else if (match->payload.data) {
        envelope.type = bytes_of_string(match->type->full_name);
        envelope.subject = match->subject;
        envelope.payload = match->payload;
        envelope.dataschema = bytes_of(NULL, 0);
    }
    return envelope;
}

// What the payload shares with the original need not stand in the record twice. `numbers`: room for it.
static void find_copies(const struct parcel *parcel, const struct match *match,
    struct record_delivery *delivery, uint32_t *numbers) {
    struct bytes original = parcel->envelope->raw;
    size_t payload = delivery->envelope.size - match->payload.size; // it ends the envelope
    size_t end = 0;                                                 // of the copy before
    delivery->copies = numbers;
    for (size_t i = 0; i < match->copy_count; i++) {
        const struct mapping_copy *copy = &match->copies[i];
        uintptr_t from = (uintptr_t)copy->from - (uintptr_t)original.data;
        if (from > original.size || copy->size > original.size - from)
            continue; // of what was made of it
        *numbers++ = (uint32_t)(payload + copy->at - end);
        *numbers++ = (uint32_t)from;
        *numbers++ = (uint32_t)copy->size;
        end = payload + copy->at + copy->size;
        delivery->copy_count++;
    }
}

// Lays the envelope that the delivery has of its own where it goes out from.
static int lay_own(const struct parcel *parcel, const struct match *match, struct queue *queue,
    struct record_delivery *delivery) {
    char id[WIRE_ID_LIMIT + 1];
    const struct wire_envelope envelope = own_envelope(parcel, match, id);
    size_t size = wire_envelope_size(&envelope);
    uint8_t *at = laying_add(&queue->own, size);
    if (!at)
        return -ENOMEM;
    wire_envelope_put(&envelope, at);
    delivery->envelope = bytes_of(at, size);
    delivery->chunk = chunk_ref(queue->own.chunk);
    return 0;
}

static struct delivery_rule rule_of(const struct broker *broker, const struct parcel *parcel,
    const struct match *match, const struct queue *queue) {
    int64_t expires = broker->now_us + (int64_t)queue->limits.age_us;
    if (match->expires_us && broker->now_us + match->expires_us < expires)
        expires = broker->now_us + match->expires_us;
    if (parcel->envelope->expires_us && parcel->envelope->expires_us < expires)
        expires = parcel->envelope->expires_us;
    return (struct delivery_rule){.route = match->route,
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

static uint64_t order_of(const struct broker *broker, const struct match *match) {
    return match->subject.size ? hash_bytes_with(match->subject, broker->subject_seed) : 0;
}

// Fills broker->deliveries and ->entries from the matches that go out. Those before `*count` hold a reference
// to what was laid for them, also where it fails.
static int lay_out(struct broker *broker, const struct parcel *parcel, size_t *count) {
    int rc = reserve_deliveries(broker, parcel->match_count);
    uint32_t *copies = broker->copies;
    *count = 0;
    for (size_t i = 0; i < parcel->match_count && rc == 0; i++) {
        const struct match *match = &parcel->matches[i];
        if (match->dead_reason)
            continue;
        struct queue *queue = broker->of_system[match->to->index];
        struct record_delivery *delivery = &broker->deliveries[*count];
        *delivery = (struct record_delivery){.queue = queue->id,
            .position = broker->shared ? *count + 1 : position_for(broker, queue, *count),
            .subject_hash = parcel->subject_hash ? parcel->subject_hash : order_of(broker, match),
            .rule = rule_of(broker, parcel, match, queue),
            .route = bytes_of_string(match->route),
            .agreement = bytes_of_string(match->agreement ? match->agreement : ""),
            .replay = parcel->replay_of != 0};
        queue_expect(queue, delivery->subject_hash);
        broker->entries[(*count)++] =
            (struct journal_entry){.queue = queue->id, .position = delivery->position};
        if (!needs_own_envelope(parcel, match))
            continue;
        rc = lay_own(parcel, match, queue, delivery);
        if (rc == 0)
            find_copies(parcel, match, delivery, copies);
        copies += 3 * delivery->copy_count;
    }
    return rc;
}

// Adds the message's record to the batch.
static int record_message(
    struct broker *broker, const struct parcel *parcel, size_t count, struct update *update) {
    struct record_message message = {.publisher = parcel->publisher,
        .sequence = parcel->sequence,
        .replay_of = parcel->replay_of,
        .source = bytes_of_string(parcel->source),
        .envelope = parcel->envelope->raw};
    size_t parts;
    buffer_clear(&broker->scratch);
    int rc =
        record_message_parts(&message, broker->deliveries, count, &broker->scratch, broker->parts, &parts);
    rc = rc ? rc
            : journal_batch_add(update->batch, HUTONG__BUS__V1__RECORD_KIND__RECORD_MESSAGE, broker->entries,
                  broker->shared ? 0 : count, broker->parts, parts);
    if (rc == 0)
        broker_count_record(broker);
    return rc;
}

static int push_deliveries(struct broker *broker, const struct parcel *parcel, size_t count) {
    broker->counters.deliveries += count;
    for (size_t i = 0; i < count && !broker->shared; i++) {
        const struct record_delivery *delivery = &broker->deliveries[i];
        struct queue *queue = registry_queue(broker, delivery->queue);
        bool original = !delivery->chunk;
        int rc = queue_push(queue, delivery, broker->next_record - 1,
            original ? parcel->body : delivery->chunk, original ? parcel->envelope->raw : delivery->envelope);
        if (rc)
            return rc;
    }
    return 0;
}

static void drop_laid(struct broker *broker, size_t count) {
    for (size_t i = 0; i < count; i++)
        chunk_unref(&broker->deliveries[i].chunk);
}

// Bytes that the message takes in the batch with its dead letters, since it goes in whole or not at all.
static size_t room_needed(const struct broker *broker, const struct parcel *parcel, size_t count) {
    size_t need = PARCEL_RECORD_ROOM + parcel->envelope->raw.size;
    for (size_t i = 0; i < count; i++)
        need += broker->deliveries[i].envelope.size;
    for (size_t i = 0; i < parcel->match_count; i++)
        need += parcel->matches[i].dead_reason ? PARCEL_RECORD_ROOM + parcel->envelope->raw.size
                                               : PARCEL_DELIVERY_ROOM;
    return need;
}

// What its deliveries come to where each is written by itself.
static size_t weight_of(const struct broker *broker, const struct parcel *parcel, size_t count) {
    size_t weight = 0;
    for (size_t i = 0; i < count && broker->shared; i++)
        weight += PARCEL_DELIVERY_ROOM + (broker->deliveries[i].chunk ? broker->deliveries[i].envelope.size
                                                                      : parcel->envelope->raw.size);
    return weight;
}

// 0, JOURNAL_BATCH_FULL: append first; -EMSGSIZE: no batch could take it.
static int check_room(const struct broker *broker, size_t need, size_t weight, const struct update *update) {
    size_t before = journal_batch_weight(update->batch);
    if (need > broker->batch_hard || weight > JOURNAL_RECORD_WEIGHT)
        return -EMSGSIZE;
    bool full = journal_batch_size(update->batch) + need > broker->batch_hard ||
                (before && before + weight > JOURNAL_BATCH_WEIGHT);
    return full ? JOURNAL_BATCH_FULL : 0;
}

int parcel_send(
    struct broker *broker, const struct parcel *parcel, size_t behind, struct update *update, size_t *sent) {
    size_t count;
    int rc = lay_out(broker, parcel, &count);
    size_t weight = rc ? 0 : weight_of(broker, parcel, count);
    rc = rc ? rc : check_room(broker, room_needed(broker, parcel, count) + behind, weight, update);
    rc = rc ? rc : record_message(broker, parcel, count, update);
    if (rc == 0)
        journal_batch_weigh(update->batch, weight);
    rc = rc ? rc : push_deliveries(broker, parcel, count);
    drop_laid(broker, count);
    if (rc == 0)
        *sent = count;
    return rc;
}
