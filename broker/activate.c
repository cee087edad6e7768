// One configuration gives way to the next, at one point between two messages. What can fail is made first;
// then pointers are exchanged. Messages in the journal, in queues and in flight keep the deliveries they got.
#include "broker/internal.h"
#include "core/base/utf8.h"

#include <errno.h>
#include <stdlib.h>

// ---- The record ----

static int add_record(struct broker *broker, const struct configuration *configuration,
    Hutong__Bus__V1__ActivatedRecord *front, struct update *update) {
    front->digest.data = (uint8_t *)(uintptr_t)configuration->digest;
    front->digest.len = sizeof configuration->digest;
    front->software = (char *)(uintptr_t)"hutong-broker/" HUTONG_VERSION;
    size_t size = hutong__bus__v1__activated_record__get_packed_size(front);
    uint8_t *packed = malloc(size ? size : 1);
    if (!packed)
        return -ENOMEM;
    hutong__bus__v1__activated_record__pack(front, packed);
    // A message in two parts is their concatenation: the front, and what the loader packed.
    struct bytes parts[] = {bytes_of(packed, size), buffer_bytes(&configuration->record)};
    struct journal_entry entry = {
        .queue = broker->activations->id, .position = broker->activations->next_position};
    int rc =
        journal_batch_add(update->batch, HUTONG__BUS__V1__RECORD_KIND__RECORD_ACTIVATED, &entry, 1, parts, 2);
    free(packed);
    if (rc)
        return rc == -EMSGSIZE ? JOURNAL_BATCH_FULL : rc;
    broker->active.record = broker_count_record(broker);
    queue_recover_push(broker->activations, entry.position, size + configuration->record.size);
    return 0;
}

int activate_record(struct broker *broker, const struct activation *activation, struct update *update) {
    Hutong__Bus__V1__ActivatedRecord front = HUTONG__BUS__V1__ACTIVATED_RECORD__INIT;
    front.who = (char *)(uintptr_t)activation->who;
    front.why = (char *)(uintptr_t)activation->why;
    front.number = broker->active.number + 1;
    front.time_us = broker->now_us;
    uint64_t position = broker->activations->next_position;
    int rc = add_record(broker, activation->configuration, &front, update);
    if (rc)
        return rc;
    memcpy(broker->active.digest, activation->configuration->digest, sizeof broker->active.digest);
    broker->active.number = front.number;
    broker->active.position = position;
    broker->active.time_us = front.time_us;
    utf8_copy(broker->active.who, sizeof broker->active.who, activation->who);
    utf8_copy(broker->active.why, sizeof broker->active.why, activation->why);
    return 0;
}

int activate_carry(struct broker *broker, struct update *update) {
    Hutong__Bus__V1__ActivatedRecord front = HUTONG__BUS__V1__ACTIVATED_RECORD__INIT;
    front.who = broker->active.who;
    front.why = broker->active.why;
    front.number = broker->active.number;
    front.time_us = broker->active.time_us;
    uint64_t position = broker->activations->next_position;
    int rc = add_record(broker, broker->configuration, &front, update);
    if (rc == 0)
        broker->active.position = position;
    return rc == JOURNAL_BATCH_FULL ? BROKER_NO_ROOM : rc;
}

// ---- Names of routes ----

// A copy of the name, one for all that are alike. Returns borrowed, or NULL.
static const char *copy_name(struct map *names, const char *name) {
    struct bytes key = bytes_of_string(name);
    char *copy = map_get(names, key);
    if (copy)
        return copy;
    copy = strdup(name);
    if (copy && map_put(names, key, copy) != 0) {
        free(copy);
        copy = NULL;
    }
    return copy;
}

// The names that deliveries in memory point to, which may be the old routes' own: `copies` has the copy of
// each by its address.
static int collect_names(const struct broker *broker, struct map *names, struct number_map *copies) {
    for (size_t i = 0; i < broker->queue_count; i++) {
        if (broker->queues[i])
            queue_drop_tail(broker->queues[i]); // what is read back has the name from the journal
        size_t cursor = 0;
        const struct delivery *delivery;
        while (broker->queues[i] && (delivery = known_next(&broker->queues[i]->known, &cursor)) != NULL) {
            const char *name = delivery->rule.route;
            uint64_t address = (uint64_t)(uintptr_t)name;
            if (number_map_get(copies, address))
                continue;
            const char *copy = copy_name(names, name);
            if (!copy || number_map_put(copies, address, (void *)(uintptr_t)copy) != 0)
                return -ENOMEM;
        }
    }
    return 0;
}

// ---- The swap ----

// What the swap needs; made before anything is changed.
struct handover {
    struct queue **of_system;
    struct map *names;
    struct number_map copies; // of names, by the address of the name that was
};

static int prepare(struct broker *broker, const struct activation *activation, struct handover *handover,
    struct update *update) {
    const struct policy *policy = activation->configuration->policy;
    handover->of_system = calloc(policy_system_count(policy) + 1, sizeof(struct queue *));
    handover->names = map_new();
    int rc = handover->of_system && handover->names
                 ? collect_names(broker, handover->names, &handover->copies)
                 : -ENOMEM;
    // Should the record not fit behind them, queues without a system are left: they cost and do nothing.
    rc = rc ? rc : registry_queues(broker, policy, handover->of_system, update, NULL);
    return rc ? rc : activate_record(broker, activation, update);
}

static void swap(
    struct broker *broker, const struct configuration *configuration, struct handover *handover) {
    struct queue **of_system = broker->of_system;
    struct map *names = broker->names;
    broker->configuration = configuration;
    broker->policy = configuration->policy;
    broker->routes = configuration->routes;
    broker->matcher = configuration->matcher;
    broker->of_system = handover->of_system;
    broker->names = handover->names;
    handover->of_system = of_system;
    handover->names = names;
    broker_take_settings(broker, policy_settings(broker->policy));
    for (size_t i = 0; i < broker->queue_count; i++) {
        struct queue *queue = broker->queues[i];
        if (queue)
            queue_rename_routes(queue, &handover->copies);
        if (queue)
            queue->limits = registry_limits(broker, queue->name);
    }
    parking_retry(broker, true); // what waits may go elsewhere now, or nowhere
    registry_wake(broker);
}

int activate_run(struct broker *broker, const struct activation *activation, struct update *update) {
    struct handover handover = {0};
    int rc = prepare(broker, activation, &handover, update);
    if (rc == 0)
        swap(broker, activation->configuration, &handover);
    free(handover.of_system);
    registry_free_names(&handover.names);
    number_map_destroy(&handover.copies);
    if (rc == 0) // old systems are known until here
        return peers_move(broker, broker->policy, update);
    return rc == JOURNAL_BATCH_FULL ? BROKER_NO_ROOM : rc == -ENOMEM ? BROKER_NO_MEMORY : rc;
}
