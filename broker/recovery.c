// From the journal back to the state, and from the state to a checkpoint.
#include "broker/internal.h"
#include "core/base/utf8.h"

#include <errno.h>
#include <stdlib.h>

static int damaged(struct error *error, const char *what) {
    return error_set(error, -EBADMSG, "the journal holds a %s that can't be read", what);
}

static int restore_carried(struct queue *queue, const Hutong__Bus__V1__QueueState *state) {
    int rc = 0;
    queue->carried.queue = state->carried_queue;
    for (size_t i = 0; i < state->n_carried && rc == 0; i++)
        for (uint64_t k = 0; k < state->carried[i]->count && rc == 0; k++)
            rc = carried_add(&queue->carried, state->carried[i]->first + k, state->carried[i]->at + k);
    return rc;
}

static int restore_queue(
    struct broker *broker, const Hutong__Bus__V1__QueueState *state, struct error *error) {
    struct queue *queue = registry_add_queue(broker, state->queue, state->name, error);
    if (!queue)
        return -ENOMEM;
    queue->next_position = queue->recovered = state->next_position;
    queue->settled = queue->settled_durable = state->settled;
    queue->read_position = state->settled + 1;
    queue->bytes = state->bytes;
    queue->unsettled = state->next_position - 1 - state->settled;
    int rc = 0;
    for (size_t i = 0; i < state->n_settled_beyond && rc == 0; i++) {
        const Hutong__Bus__V1__PositionSpan *span = state->settled_beyond[i];
        rc = queue_recover_settled(queue, span->first, span->first + span->count - 1);
    }
    for (size_t i = 0; i < state->n_retries && rc == 0; i++) {
        const struct failure failure = record_failure_read(state->retries[i]);
        rc = queue_recover_failure(queue, &failure);
    }
    return rc ? rc : restore_carried(queue, state);
}

static int restore_publisher(struct broker *broker, const Hutong__Bus__V1__PublisherState *state) {
    struct publisher *publisher;
    int rc = publishers_add(&broker->publishers, state->publisher, state->system,
        bytes_of(state->stream.data, state->stream.len), state->last_us, &publisher);
    if (rc == 0)
        publisher->sequence = publisher->durable = state->sequence;
    return rc;
}

// `position`: of the record in the queue of activations; 0: an older version wrote it.
static void remember_active(
    struct broker *broker, const Hutong__Bus__V1__ActivatedRecord *record, uint64_t position) {
    if (record->digest.len != sizeof broker->active.digest)
        return;
    memcpy(broker->active.digest, record->digest.data, sizeof broker->active.digest);
    broker->active.number = record->number ? record->number : broker->active.number + 1;
    broker->active.position = position;
    broker->active.time_us = record->time_us;
    utf8_copy(broker->active.who, sizeof broker->active.who, record->who);
    utf8_copy(broker->active.why, sizeof broker->active.why, record->why);
}

static int replay_activated(struct broker *broker, const struct journal_record *record,
    const Hutong__Bus__V1__ActivatedRecord *body) {
    uint64_t position = 0;
    for (size_t i = 0; i < record->entry_count; i++) {
        struct queue *queue = registry_queue(broker, record->entries[i].queue);
        if (!queue)
            return -EBADMSG;
        position = record->entries[i].position;
        queue_recover_push(queue, position, record->body.size);
    }
    remember_active(broker, body, position);
    return 0;
}

static int restore(void *context, struct bytes checkpoint, struct error *error) {
    struct broker *broker = context;
    Hutong__Bus__V1__Checkpoint *state =
        hutong__bus__v1__checkpoint__unpack(NULL, checkpoint.size, checkpoint.data);
    if (!state)
        return damaged(error, "checkpoint");
    int rc = 0;
    for (size_t i = 0; i < state->n_queues && rc == 0; i++)
        rc = restore_queue(broker, state->queues[i], error);
    for (size_t i = 0; i < state->n_publishers && rc == 0; i++)
        rc = restore_publisher(broker, state->publishers[i]);
    if (state->active)
        remember_active(broker, state->active, state->active_position);
    hutong__bus__v1__checkpoint__free_unpacked(state, NULL);
    return rc;
}

static void advance_publisher(struct broker *broker, uint32_t id, uint64_t sequence, int64_t time_ns) {
    struct publisher *publisher = publishers_by_id(&broker->publishers, id);
    if (!publisher)
        return;
    publisher->last_us = time_ns / 1000;
    if (sequence > publisher->sequence)
        publisher->sequence = publisher->durable = sequence;
}

struct replayed {
    struct broker *broker;
    struct {
        struct queue *queue;
        uint64_t position;
        size_t size; // 0: the original's
    } pushes[MATCHES_LIMIT];
    size_t count;
};

static int note_push(void *context, const struct record_delivery *delivery) {
    struct replayed *replayed = context;
    struct queue *queue = registry_queue(replayed->broker, delivery->queue);
    if (!queue || replayed->count == sizeof replayed->pushes / sizeof replayed->pushes[0])
        return -EBADMSG;
    replayed->pushes[replayed->count].queue = queue;
    replayed->pushes[replayed->count].position = delivery->position;
    return record_own_size(delivery, &replayed->pushes[replayed->count++].size);
}

static int replay_message(struct broker *broker, const struct journal_record *record, struct error *error) {
    struct record_message message;
    struct replayed replayed; // large, and only what is counted in it is looked at
    replayed.broker = broker;
    replayed.count = 0;
    if (record_message_each(record->body, &message, note_push, &replayed) != 0)
        return damaged(error, "message");
    // The original envelope comes last, so its size is known only now.
    for (size_t i = 0; i < replayed.count; i++)
        queue_recover_push(replayed.pushes[i].queue, replayed.pushes[i].position,
            replayed.pushes[i].size ? replayed.pushes[i].size : message.envelope.size);
    advance_publisher(broker, message.publisher, message.sequence, record->time_ns);
    return 0;
}

static int replay_settled(
    struct broker *broker, const Hutong__Bus__V1__SettledRecord *settled, struct error *error) {
    struct queue *queue = registry_queue(broker, settled->queue);
    if (!queue)
        return damaged(error, "settlement of an unknown queue");
    for (size_t i = 0; i < settled->n_spans; i++) {
        const Hutong__Bus__V1__PositionSpan *span = settled->spans[i];
        if (span->count == 0 || span->first + span->count > queue->next_position)
            return damaged(error, "settlement of positions that never were");
        int rc = queue_recover_settled(queue, span->first, span->first + span->count - 1);
        if (rc)
            return rc;
    }
    queue->bytes -= settled->bytes < queue->bytes ? settled->bytes : queue->bytes;
    return 0;
}

static int replay_failed(
    struct broker *broker, const Hutong__Bus__V1__FailedRecord *failed, struct error *error) {
    struct queue *queue = registry_queue(broker, failed->queue);
    if (!queue)
        return damaged(error, "failure of an unknown queue");
    for (size_t i = 0; i < failed->n_failures; i++) {
        const struct failure failure = record_failure_read(failed->failures[i]);
        if (failure.position <= queue->settled || failure.position >= queue->next_position)
            return damaged(error, "failure of a position that is not there");
        int rc = queue_recover_failure(queue, &failure);
        if (rc)
            return rc;
    }
    return 0;
}

static int replay_dead(struct broker *broker, const Hutong__Bus__V1__DeadRecord *dead, struct error *error) {
    struct queue *queue = registry_queue(broker, dead->dead_queue);
    if (!queue)
        return damaged(error, "dead letter of an unknown queue");
    queue_recover_push(queue, dead->dead_position, dead->envelope.len);
    return 0;
}

static int replay_small(struct broker *broker, const struct journal_record *record, struct error *error) {
    const ProtobufCMessageDescriptor *const kinds[] = {
        [HUTONG__BUS__V1__RECORD_KIND__RECORD_SETTLED] = &hutong__bus__v1__settled_record__descriptor,
        [HUTONG__BUS__V1__RECORD_KIND__RECORD_REFUSED] = &hutong__bus__v1__refused_record__descriptor,
        [HUTONG__BUS__V1__RECORD_KIND__RECORD_DEAD] = &hutong__bus__v1__dead_record__descriptor,
        [HUTONG__BUS__V1__RECORD_KIND__RECORD_QUEUE] = &hutong__bus__v1__queue_record__descriptor,
        [HUTONG__BUS__V1__RECORD_KIND__RECORD_PUBLISHER] = &hutong__bus__v1__publisher_record__descriptor,
        [HUTONG__BUS__V1__RECORD_KIND__RECORD_ACTIVATED] = &hutong__bus__v1__activated_record__descriptor,
        [HUTONG__BUS__V1__RECORD_KIND__RECORD_PEER] = &hutong__bus__v1__peer_record__descriptor,
        [HUTONG__BUS__V1__RECORD_KIND__RECORD_OPERATED] = &hutong__bus__v1__operated_record__descriptor,
        [HUTONG__BUS__V1__RECORD_KIND__RECORD_FAILED] = &hutong__bus__v1__failed_record__descriptor,
        [HUTONG__BUS__V1__RECORD_KIND__RECORD_ERASED] = &hutong__bus__v1__erased_record__descriptor,
    };
    if (record->kind >= sizeof kinds / sizeof kinds[0] || !kinds[record->kind])
        return damaged(error, "record of a kind that this version does not know");
    ProtobufCMessage *message =
        protobuf_c_message_unpack(kinds[record->kind], NULL, record->body.size, record->body.data);
    if (!message)
        return damaged(error, kinds[record->kind]->short_name);
    int rc = 0;
    const void *body = message;
    const Hutong__Bus__V1__RefusedRecord *refused = body;
    const Hutong__Bus__V1__QueueRecord *queue = body;
    const Hutong__Bus__V1__PublisherRecord *named = body;
    const Hutong__Bus__V1__ErasedRecord *erased = body;
    struct publisher *publisher;
    switch (record->kind) {
    case HUTONG__BUS__V1__RECORD_KIND__RECORD_SETTLED:
        rc = replay_settled(broker, body, error);
        break;
    case HUTONG__BUS__V1__RECORD_KIND__RECORD_FAILED:
        rc = replay_failed(broker, body, error);
        break;
    case HUTONG__BUS__V1__RECORD_KIND__RECORD_DEAD:
        rc = replay_dead(broker, body, error);
        break;
    case HUTONG__BUS__V1__RECORD_KIND__RECORD_ACTIVATED:
        rc = replay_activated(broker, record, body);
        if (rc)
            damaged(error, "activation in an unknown queue");
        break;
    case HUTONG__BUS__V1__RECORD_KIND__RECORD_REFUSED:
        advance_publisher(broker, refused->publisher, refused->sequence, record->time_ns);
        break;
    case HUTONG__BUS__V1__RECORD_KIND__RECORD_ERASED:
        advance_publisher(broker, erased->publisher, erased->publisher_sequence, record->time_ns);
        break;
    case HUTONG__BUS__V1__RECORD_KIND__RECORD_QUEUE:
        rc = registry_add_queue(broker, queue->queue, queue->name, error) ? 0 : -EBADMSG;
        break;
    case HUTONG__BUS__V1__RECORD_KIND__RECORD_PUBLISHER:
        rc = publishers_add(&broker->publishers, named->publisher, named->system,
            bytes_of(named->stream.data, named->stream.len), record->time_ns / 1000, &publisher);
        break;
    default:
        break;
    }
    protobuf_c_message_free_unpacked(message, NULL);
    return rc;
}

static int replay(void *context, const struct journal_record *record, struct error *error) {
    if (!record->body.data && record->kind != HUTONG__BUS__V1__RECORD_KIND__RECORD_CARRIED)
        return erase_replay(context, record) ? damaged(error, "record of an unknown queue") : 0;
    if (record->kind == HUTONG__BUS__V1__RECORD_KIND__RECORD_CARRIED) {
        int rc = carry_replay(context, record);
        return rc == -EBADMSG ? damaged(error, "carried record") : rc;
    }
    return record->kind == HUTONG__BUS__V1__RECORD_KIND__RECORD_MESSAGE
               ? replay_message(context, record, error)
               : replay_small(context, record, error);
}

// ---- Checkpoint: built field by field, so that no tree of it is ever in memory. ----

static int append_part(struct buffer *out, const ProtobufCMessage *part) {
    size_t size = protobuf_c_message_get_packed_size(part);
    uint8_t *at = buffer_extend(out, size);
    if (!at)
        return -ENOMEM;
    protobuf_c_message_pack(part, at);
    return 0;
}

static Hutong__Bus__V1__CarriedRun **make_runs(const struct carried *carried) {
    Hutong__Bus__V1__CarriedRun **pointers = calloc(carried->count + 1, sizeof *pointers + sizeof **pointers);
    Hutong__Bus__V1__CarriedRun *items = (void *)(pointers + carried->count + 1);
    for (size_t i = 0; i < carried->count && pointers; i++) {
        hutong__bus__v1__carried_run__init(&items[i]);
        items[i].first = carried->runs[i].first;
        items[i].count = carried->runs[i].count;
        items[i].at = carried->runs[i].at;
        pointers[i] = &items[i];
    }
    return pointers;
}

// What a queue's state points to while it is packed.
struct queue_parts {
    Hutong__Bus__V1__PositionSpan *spans;
    Hutong__Bus__V1__PositionSpan **span_pointers;
    Hutong__Bus__V1__FailedDelivery *retries;
    Hutong__Bus__V1__FailedDelivery **retry_pointers;
    Hutong__Bus__V1__CarriedRun **runs;
};

static int gather_parts(const struct queue *queue, const struct spans *beyond, struct queue_parts *out) {
    size_t spans = beyond->count;
    size_t retries = queue->failures.size;
    out->spans = calloc(spans + 1, sizeof *out->spans);
    out->span_pointers = calloc(spans + 1, sizeof *out->span_pointers);
    out->retries = calloc(retries + 1, sizeof *out->retries);
    out->retry_pointers = calloc(retries + 1, sizeof *out->retry_pointers);
    out->runs = make_runs(&queue->carried);
    if (!out->runs || !out->spans || !out->span_pointers || !out->retries || !out->retry_pointers)
        return -ENOMEM;
    for (size_t i = 0; i < spans; i++) {
        const struct span *span = &beyond->items[i];
        hutong__bus__v1__position_span__init(&out->spans[i]);
        out->spans[i].first = span->first;
        out->spans[i].count = span->last - span->first + 1;
        out->span_pointers[i] = &out->spans[i];
    }
    size_t cursor = 0;
    void *failure;
    for (size_t i = 0; number_map_next(&queue->failures, &cursor, NULL, &failure); i++) {
        record_failure(failure, &out->retries[i]);
        out->retry_pointers[i] = &out->retries[i];
    }
    return 0;
}

static int append_queue(struct queue *queue, struct buffer *out) {
    carried_drop(&queue->carried, settlement_recorded(queue));
    struct queue_parts parts = {0};
    struct spans beyond = {0};
    int rc = settlement_recorded_beyond(queue, &beyond);
    rc = rc ? rc : gather_parts(queue, &beyond, &parts);
    if (rc == 0) {
        Hutong__Bus__V1__QueueState state = HUTONG__BUS__V1__QUEUE_STATE__INIT;
        state.queue = queue->id;
        state.name = queue->name;
        state.next_position = queue->next_position;
        state.settled = settlement_recorded(queue);
        state.n_settled_beyond = beyond.count;
        state.settled_beyond = parts.span_pointers;
        state.bytes = queue->bytes + queue->unwritten.bytes;
        state.carried_queue = queue->carried.queue;
        state.n_carried = queue->carried.count;
        state.carried = parts.runs;
        state.n_retries = queue->failures.size;
        state.retries = parts.retry_pointers;
        Hutong__Bus__V1__QueueState *one = &state;
        Hutong__Bus__V1__Checkpoint part = HUTONG__BUS__V1__CHECKPOINT__INIT;
        part.n_queues = 1;
        part.queues = &one;
        rc = append_part(out, &part.base);
    }
    free(parts.spans);
    free(parts.span_pointers);
    free(parts.retries);
    free(parts.retry_pointers);
    free(parts.runs);
    spans_destroy(&beyond);
    return rc;
}

static int append_publisher(const struct publisher *publisher, struct buffer *out) {
    Hutong__Bus__V1__PublisherState state = HUTONG__BUS__V1__PUBLISHER_STATE__INIT;
    state.publisher = publisher->id;
    state.system = publisher->system;
    state.stream.data = (uint8_t *)(uintptr_t)publisher->stream;
    state.stream.len = WIRE_STREAM_SIZE;
    state.sequence = publisher->sequence;
    state.last_us = publisher->last_us;
    Hutong__Bus__V1__PublisherState *one = &state;
    Hutong__Bus__V1__Checkpoint part = HUTONG__BUS__V1__CHECKPOINT__INIT;
    part.n_publishers = 1;
    part.publishers = &one;
    return append_part(out, &part.base);
}

static int append_active(const struct broker *broker, struct buffer *out) {
    Hutong__Bus__V1__ActivatedRecord active = HUTONG__BUS__V1__ACTIVATED_RECORD__INIT;
    active.digest.data = (uint8_t *)(uintptr_t)broker->active.digest;
    active.digest.len = sizeof broker->active.digest;
    active.number = broker->active.number;
    active.time_us = broker->active.time_us;
    active.who = (char *)(uintptr_t)broker->active.who;
    active.why = (char *)(uintptr_t)broker->active.why;
    Hutong__Bus__V1__Checkpoint part = HUTONG__BUS__V1__CHECKPOINT__INIT;
    part.active = &active;
    part.active_position = broker->active.position;
    return broker->active.number ? append_part(out, &part.base) : 0;
}

static int checkpoint(void *context, struct buffer *out) {
    const struct broker *broker = context;
    int rc = append_active(broker, out);
    for (size_t i = 0; i < broker->queue_count && rc == 0; i++)
        if (broker->queues[i])
            rc = append_queue(broker->queues[i], out);
    for (size_t i = 0; i < broker->publishers.count && rc == 0; i++)
        if (broker->publishers.items[i])
            rc = append_publisher(broker->publishers.items[i], out);
    return rc;
}

struct journal_owner broker_journal_owner(struct broker *broker) {
    return (struct journal_owner){.context = broker,
        .restore = restore,
        .replay = replay,
        .checkpoint = checkpoint,
        .arrived = shared_arrived,
        .withdrawn = shared_withdrawn,
        .settled = shared_settled,
        .weighed = shared_weighed,
        .waiting = shared_waiting};
}
