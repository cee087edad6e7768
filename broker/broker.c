// The broker's step: which event goes where. The way of a message is in intake.c (in) and outflow.c (out).
#include "broker/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

void broker_take_settings(struct broker *broker, const struct policy_settings *settings) {
    broker->session_limits = (struct session_limits){.credit_messages = settings->credit_messages,
        .credit_bytes = settings->credit_bytes,
        .message_bytes = settings->message_bytes,
        .batch_bytes = settings->batch_bytes,
        .batch_messages = settings->batch_messages,
        .heartbeat_ms = settings->heartbeat_ms};
    broker->queue_limits = (struct queue_limits){.count = settings->queue_count,
        .bytes = settings->queue_bytes,
        .age_us = settings->queue_age_us,
        .park = settings->queue_park,
        .window = settings->queue_window,
        .held = settings->queue_held,
        .tail =
            2 * settings->journal_batch > QUEUE_TAIL_BYTES ? 2 * settings->journal_batch : QUEUE_TAIL_BYTES};
    broker->batch_limits =
        (struct queue_batch_limits){.messages = settings->batch_messages, .bytes = settings->batch_bytes};
    broker->connections = settings->connections;
    broker->batch_soft = settings->journal_batch;
    broker->batch_hard = settings->journal_batch_limit;
}

struct broker *broker_new(const struct configuration *configuration) {
    struct broker *broker = calloc(1, sizeof *broker);
    if (!broker)
        return NULL;
    broker->configuration = configuration;
    broker->policy = configuration->policy;
    broker->routes = configuration->routes;
    broker->matcher = configuration->matcher;
    broker->next_record = 1;
    list_init(&broker->sessions);
    list_init(&broker->turns);
    list_init(&broker->parked);
    list_init(&broker->agenda);
    broker_take_settings(broker, policy_settings(broker->policy));
    broker->queues_by_name = map_new();
    broker->names = map_new();
    broker->accounts = map_new();
    broker->of_system = calloc(policy_system_count(broker->policy) + 1, sizeof(struct queue *));
    if (!broker->queues_by_name || !broker->names || !broker->accounts || !broker->of_system)
        broker_destroy(&broker);
    return broker;
}

void broker_destroy(struct broker **self) {
    struct broker *broker = *self;
    if (!broker)
        return;
    while (!list_empty(&broker->sessions)) {
        struct session *session = LIST_ITEM(broker->sessions.next, struct session, link);
        session_destroy(&session);
    }
    number_map_destroy(&broker->by_connection);
    shares_destroy(&broker->accounts);
    publishers_destroy(&broker->publishers);
    for (size_t i = 0; i < broker->queue_count; i++)
        queue_destroy(&broker->queues[i]);
    heap_destroy(&broker->timers);
    free(broker->queues);
    free(broker->dead_of);
    free(broker->of_system);
    map_destroy(&broker->queues_by_name);
    registry_free_names(&broker->names);
    laying_end(&broker->load);
    buffer_destroy(&broker->scratch);
    free(broker->parts);
    free(broker->deliveries);
    free(broker->entries);
    free(broker);
    *self = NULL;
}

int broker_record(struct broker *broker, struct update *update, Hutong__Bus__V1__RecordKind kind,
    const ProtobufCMessage *message, const struct journal_entry *entry) {
    int rc = record_add_packed(update->batch, kind, message, entry);
    if (rc == 0)
        broker_count_record(broker);
    return rc;
}

int broker_start(struct broker *broker, const struct journal *journal, int64_t now_us, struct update *update,
    struct error *error) {
    memcpy(broker->bus, journal_id(journal), sizeof broker->bus);
    broker->subject_seed = load_u64(broker->bus);
    broker->shared = journal_shared(journal);
    broker->durable = journal_last(journal);
    broker->next_record = broker->durable + 1;
    broker->now_us = broker->started_us = now_us;
    registry_wake(broker);
    return registry_start(broker, update, error);
}

static int turn(struct broker *broker, struct update *update) {
    pausing_end(broker);
    int rc = intake_run(broker, update);
    rc = rc ? rc : outflow_run(broker, update);
    return rc ? rc : peers_tick(broker, update);
}

int broker_step(struct broker *broker, const struct event *event, struct update *update) {
    broker->now_ms = event->now_ms;
    broker->now_us = event->now_us;
    switch (event->kind) {
    case EVENT_FRAME:
        return peers_frame(broker, event, update);
    case EVENT_GONE:
        return peers_gone(broker, event->connection, "gone", update);
    case EVENT_TURN:
        return turn(broker, update);
    case EVENT_APPENDED:
        marks_take(broker);
        return 0;
    case EVENT_DURABLE:
        marks_durable(broker, event->durable);
        pausing_end(broker);
        return outflow_run(broker, update);
    case EVENT_RECORD:
        return loaded_record(broker, event, update);
    case EVENT_UNREADABLE:
        return loaded_unreadable(broker, event);
    case EVENT_UNREAD:
        return loaded_unread(broker, event);
    case EVENT_DRAIN:
        broker->draining = true;
        return 0;
    case EVENT_BLOCKED:
        return peers_keep(broker, update);
    case EVENT_PAUSED:
        return pausing_run(broker, update);
    case EVENT_BYE:
        return peers_say_bye(broker, update);
    case EVENT_CONFIGURATION:
        return activate_run(broker, event->activation, update);
    case EVENT_CARRY_RECORD:
        return carry_record(broker, event, update);
    case EVENT_CARRY:
        return activate_carry(broker, update);
    case EVENT_OPERATE:
        return operation_take(broker, event->operation, event->position, event->record, update);
    case EVENT_OPERATED:
        return operation_finish(broker, event->operation, update);
    }
    return -EINVAL;
}

bool broker_settled(const struct broker *broker, uint32_t queue, uint64_t last_position) {
    struct queue *found = registry_queue(broker, queue);
    // Of the activations the one in force is kept, whatever its age.
    if (found && found == broker->activations)
        return last_position < broker->active.position && broker->active.record <= broker->durable;
    if (!found)
        return false;
    return carry_may_go(broker, found, last_position);
}

uint64_t broker_next_unsettled(const struct broker *broker, uint32_t queue, uint64_t from) {
    const struct queue *found = registry_queue(broker, queue);
    uint64_t to;
    while (found && (to = queue_settled_to(found, from)) >= from)
        from = to + 1;
    return found && from < found->next_position ? from : 0;
}

bool broker_dead(const struct broker *broker, const char *system, struct broker_dead *out) {
    char name[256];
    if (snprintf(name, sizeof name, "dead:%s", system) >= (int)sizeof name)
        return false;
    const struct queue *dead = map_get(broker->queues_by_name, bytes_of_string(name));
    if (!dead)
        return false;
    *out = (struct broker_dead){
        .queue = dead->id, .next_position = dead->next_position, .waiting = dead->unsettled};
    return true;
}

uint64_t broker_awaited(const struct broker *broker) {
    return broker->awaited;
}

void broker_active(const struct broker *broker, struct broker_active *out) {
    *out = (struct broker_active){.number = broker->active.number,
        .queue = broker->activations ? broker->activations->id : 0,
        .position = broker->active.position,
        .digest = broker->active.digest};
}
