#include "test/sim/tap.h"

#include "broker/delivery/record.h"
#include "core/base/map.h"
#include "core/journal/batch.h"
#include "test/sim/message.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct tap *the_tap;

void tap_init(struct tap *tap, struct world *world, struct history *history) {
    *tap = (struct tap){.world = world, .history = history};
    the_tap = tap;
}

void tap_destroy(struct tap *tap) {
    free(tap->hashes);
    free(tap->queues);
    buffer_destroy(&tap->pending);
    the_tap = NULL;
}

static uint64_t hash_record(const struct journal_record *record) {
    return hash_bytes_with(record->body, (uint64_t)record->kind << 16 | record->entry_count);
}

static const struct tap_queue *queue_of(const struct tap *tap, uint32_t id) {
    if (id == 0 || id > tap->queue_count) {
        world_fail(tap->world, "the journal speaks of queue %u, of which it has no record", id);
        return NULL;
    }
    return &tap->queues[id - 1];
}

// ---- What a record says ----

static void on_queue(struct tap *tap, const Hutong__Bus__V1__QueueRecord *record) {
    if (record->queue > 1000 || record->queue == 0)
        return;
    while (tap->queue_count < record->queue) {
        tap->queues = world_grow(tap->queues, &tap->queue_capacity, tap->queue_count, sizeof *tap->queues);
        tap->queues[tap->queue_count++] = (struct tap_queue){.destination = SIZE_MAX};
    }
    struct tap_queue *queue = &tap->queues[record->queue - 1];
    snprintf(queue->name, sizeof queue->name, "%s", record->name);
    queue->dead = strncmp(record->name, "dead:", 5) == 0;
    queue->destination = destination_named(queue->dead ? record->name + 5 : record->name);
}

struct reading {
    struct tap *tap;
    size_t message;
};

static int on_delivery(void *context, const struct record_delivery *delivery) {
    struct reading *reading = context;
    const struct tap_queue *queue = queue_of(reading->tap, delivery->queue);
    if (!queue || queue->destination == SIZE_MAX) {
        world_fail(reading->tap->world, "a delivery to queue %u, which is no receiver's", delivery->queue);
        return 0;
    }
    history_entered(reading->tap->history, reading->message, queue->destination, delivery->position);
    reading->tap->entered[queue->destination]++;
    return 0;
}

static int no_delivery(void *context, const struct record_delivery *delivery) {
    (void)context;
    (void)delivery;
    return 0;
}

static size_t message_in(struct tap *tap, struct bytes raw) {
    struct wire_envelope envelope;
    size_t message = SIZE_MAX;
    if (wire_envelope_parse(raw, &envelope, NULL) == 0)
        message = message_of(envelope.id);
    if (message >= tap->history->message_count)
        world_fail(tap->world, "a record of a message that nobody published");
    return message;
}

static void on_message(struct tap *tap, const struct journal_record *record) {
    struct record_message message;
    struct reading reading = {.tap = tap};
    if (record_message_each(record->body, &message, no_delivery, NULL) != 0) {
        world_fail(tap->world, "a record of a message can't be read");
        return;
    }
    reading.message = message_in(tap, message.envelope);
    if (reading.message >= tap->history->message_count)
        return;
    history_recorded(tap->history, reading.message);
    record_message_each(record->body, &message, on_delivery, &reading);
}

static void on_refused(struct tap *tap, const Hutong__Bus__V1__RefusedRecord *record) {
    size_t message = message_of(bytes_of_string(record->id));
    if (message < tap->history->message_count)
        history_refusal(tap->history, message);
    else
        world_fail(tap->world, "a record of the refusal of a message that nobody published");
}

static void on_settled(struct tap *tap, const Hutong__Bus__V1__SettledRecord *record) {
    const struct tap_queue *queue = queue_of(tap, record->queue);
    if (!queue || queue->destination == SIZE_MAX || queue->dead)
        return;
    for (size_t i = 0; i < record->n_spans; i++) {
        const Hutong__Bus__V1__PositionSpan *span = record->spans[i];
        for (uint64_t k = 0; k < span->count && !tap->world->failed; k++) {
            history_settled(tap->history, queue->destination, span->first + k);
            tap->settled[queue->destination]++;
        }
    }
}

static void on_failed(struct tap *tap, const Hutong__Bus__V1__FailedRecord *record) {
    const struct tap_queue *queue = queue_of(tap, record->queue);
    if (!queue || queue->destination == SIZE_MAX || queue->dead)
        return;
    for (size_t i = 0; i < record->n_failures; i++) {
        const Hutong__Bus__V1__FailedDelivery *failed = record->failures[i];
        const struct fact_failure failure = {.attempt = failed->attempt,
            .failures = failed->failures,
            .due_us = failed->due_us,
            .last = failed->reason != 0};
        history_failure(tap->history, queue->destination, failed->position, &failure);
    }
}

static void on_dead(struct tap *tap, const Hutong__Bus__V1__DeadRecord *record) {
    const struct tap_queue *queue = queue_of(tap, record->queue);
    const struct tap_queue *dead = queue_of(tap, record->dead_queue);
    if (!queue || !dead || queue->destination == SIZE_MAX || !dead->dead ||
        dead->destination != queue->destination) {
        world_fail(tap->world, "a dead letter of queue %u in queue %u", record->queue, record->dead_queue);
        return;
    }
    size_t message = message_in(tap, bytes_of(record->envelope.data, record->envelope.len));
    if (message < tap->history->message_count)
        history_dead(tap->history, message, queue->destination, record->position, record->reason);
}

static const ProtobufCMessageDescriptor *descriptor_of(uint8_t kind) {
    switch (kind) {
    case HUTONG__BUS__V1__RECORD_KIND__RECORD_SETTLED:
        return &hutong__bus__v1__settled_record__descriptor;
    case HUTONG__BUS__V1__RECORD_KIND__RECORD_REFUSED:
        return &hutong__bus__v1__refused_record__descriptor;
    case HUTONG__BUS__V1__RECORD_KIND__RECORD_FAILED:
        return &hutong__bus__v1__failed_record__descriptor;
    case HUTONG__BUS__V1__RECORD_KIND__RECORD_DEAD:
        return &hutong__bus__v1__dead_record__descriptor;
    case HUTONG__BUS__V1__RECORD_KIND__RECORD_QUEUE:
        return &hutong__bus__v1__queue_record__descriptor;
    default:
        return NULL;
    }
}

static void understand(struct tap *tap, const struct journal_record *record) {
    const ProtobufCMessageDescriptor *descriptor = descriptor_of(record->kind);
    if (record->kind == HUTONG__BUS__V1__RECORD_KIND__RECORD_MESSAGE)
        on_message(tap, record);
    if (!descriptor)
        return;
    ProtobufCMessage *body =
        protobuf_c_message_unpack(descriptor, NULL, record->body.size, record->body.data);
    if (!body) {
        world_fail(tap->world, "a %s can't be read", descriptor->short_name);
        return;
    }
    if (record->kind == HUTONG__BUS__V1__RECORD_KIND__RECORD_SETTLED)
        on_settled(tap, (const void *)body);
    else if (record->kind == HUTONG__BUS__V1__RECORD_KIND__RECORD_REFUSED)
        on_refused(tap, (const void *)body);
    else if (record->kind == HUTONG__BUS__V1__RECORD_KIND__RECORD_FAILED)
        on_failed(tap, (const void *)body);
    else if (record->kind == HUTONG__BUS__V1__RECORD_KIND__RECORD_DEAD)
        on_dead(tap, (const void *)body);
    else
        on_queue(tap, (const void *)body);
    protobuf_c_message_free_unpacked(body, NULL);
}

// ---- Durable ----

static void learn(struct tap *tap, const struct journal_record *record) {
    tap->hashes = world_grow(tap->hashes, &tap->capacity, tap->durable, sizeof *tap->hashes);
    tap->hashes[tap->durable++] = hash_record(record);
    understand(tap, record);
}

// The `index`-th record of the append that failed; false when it had fewer.
static bool pending_record(const struct tap *tap, uint64_t index, struct journal_record *out) {
    static struct journal_entry entries[JOURNAL_ENTRIES_MAX];
    const uint8_t *at = tap->pending.data + BATCH_SIZE;
    if (index >= tap->pending_count)
        return false;
    for (; index > 0; index--)
        at += record_length(at);
    record_decode(at, entries, out);
    return true;
}

// What came back must be what was written: known as durable, or of the append that failed.
static int replay(void *context, const struct journal_record *record, struct error *error) {
    struct tap *tap = context;
    struct journal_record pending;
    uint64_t hash = hash_record(record);
    bool known = record->sequence <= tap->durable;
    if (known && tap->hashes[record->sequence - 1] != hash)
        world_fail(tap->world, "record %" PRIu64 " came back as another one", record->sequence);
    if (!known && (!pending_record(tap, record->sequence - tap->durable - 1, &pending) ||
                      hash_record(&pending) != hash))
        world_fail(tap->world, "record %" PRIu64 " came back, and was never written", record->sequence);
    return tap->owner.replay(tap->owner.context, record, error);
}

static int restore(void *context, struct bytes checkpoint, struct error *error) {
    struct tap *tap = context;
    return tap->owner.restore(tap->owner.context, checkpoint, error);
}

static int checkpoint(void *context, struct buffer *out) {
    struct tap *tap = context;
    return tap->owner.checkpoint(tap->owner.context, out);
}

struct journal_owner tap_owner(struct tap *tap, const struct journal_owner *owner) {
    tap->owner = *owner;
    return (struct journal_owner){
        .context = tap, .restore = restore, .replay = replay, .checkpoint = checkpoint};
}

static void learn_batch(struct tap *tap, const uint8_t *data, uint32_t count) {
    static struct journal_entry entries[JOURNAL_ENTRIES_MAX];
    const uint8_t *at = data + BATCH_SIZE;
    for (uint32_t i = 0; i < count; i++, at += record_length(at)) {
        struct journal_record record;
        record_decode(at, entries, &record);
        learn(tap, &record);
    }
}

void tap_recovered(struct tap *tap, uint64_t last) {
    // An append that did not return may be there, whole. (Not always replayed: a segment may have begun
    // behind it.)
    if (tap->pending_count && last == tap->durable + tap->pending_count)
        learn_batch(tap, tap->pending.data, tap->pending_count);
    tap->pending_count = 0;
    if (last != tap->durable)
        world_fail(tap->world,
            "promise 1: %" PRIu64 " records were durable, and the journal came back with %" PRIu64,
            tap->durable, last);
}

bool tap_quiet(const struct tap *tap) {
    for (size_t i = 0; i < DESTINATIONS; i++)
        if (tap->entered[i] != tap->settled[i])
            return false;
    return true;
}

// ---- In place of journal_append() and journal_collect() (the linker's --wrap) ----

int __real_journal_append(struct journal *journal, struct journal_batch *batch, struct error *error);
int __wrap_journal_append(struct journal *journal, struct journal_batch *batch, struct error *error);
int __real_journal_collect(struct journal *journal, bool wait, struct error *error);
int __wrap_journal_collect(struct journal *journal, bool wait, struct error *error);

// What the journal calls durable, no more: the batch that is under way, whole, or nothing of it.
static void note_durable(struct tap *tap, const struct journal *journal) {
    uint64_t durable = journal_durable(journal);
    if (durable == tap->durable)
        return;
    if (durable != tap->durable + tap->pending_count) {
        world_fail(tap->world, "%" PRIu64 " records were durable, %u are under way, and now %" PRIu64 " are",
            tap->durable, tap->pending_count, durable);
        return;
    }
    uint32_t count = tap->pending_count;
    tap->pending_count = 0;
    learn_batch(tap, tap->pending.data, count);
}

int __wrap_journal_append(struct journal *journal, struct journal_batch *batch, struct error *error) {
    struct tap *tap = the_tap;
    struct buffer given = {0};
    uint32_t count = batch->count;
    if (buffer_append(&given, batch->data, batch->size) != 0)
        abort();
    if (tap->pending_count)
        world_fail(tap->world, "a batch is appended, and the one before is not known to be durable");
    buffer_destroy(&tap->pending);
    tap->pending = given;
    tap->pending_count = count;
    int rc = __real_journal_append(journal, batch, error);
    world_note(tap->world, "append", count, tap->pending.size, (uint64_t)(unsigned)rc);
    if (rc < 0)
        return rc;
    if (rc)
        tap->pending_count = 0;
    note_durable(tap, journal);
    if (rc == 0 && tap->pending_count && !journal_busy(journal))
        world_fail(tap->world, "an append of %u records left the journal durable up to %" PRIu64, count,
            journal_durable(journal));
    world_count(tap->world, COUNT_FLIGHTS, rc == 0 && journal_busy(journal));
    return rc;
}

int __wrap_journal_collect(struct journal *journal, bool wait, struct error *error) {
    int rc = __real_journal_collect(journal, wait, error);
    if (rc == 0)
        note_durable(the_tap, journal);
    return rc;
}
