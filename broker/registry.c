// Queues by id, name and system; interned names; what a start adds to the journal.
#include "broker/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define QUEUES_LIMIT 100000u

struct queue *registry_queue(const struct broker *broker, uint32_t id) {
    return id > 0 && id <= broker->queue_count ? broker->queues[id - 1] : NULL;
}

static int grow_queues(struct broker *broker, uint32_t id) {
    if (id <= broker->queue_count)
        return 0;
    struct queue **queues = realloc(broker->queues, id * sizeof(struct queue *));
    if (queues)
        broker->queues = queues;
    struct queue **dead_of = realloc(broker->dead_of, id * sizeof(struct queue *));
    if (dead_of)
        broker->dead_of = dead_of;
    if (!queues || !dead_of)
        return -ENOMEM;
    for (size_t i = broker->queue_count; i < id; i++)
        queues[i] = dead_of[i] = NULL;
    broker->queue_count = id;
    return 0;
}

static const struct queue_limits no_limits = {
    .count = UINT64_MAX, .bytes = UINT64_MAX, .age_us = 0, .window = 0};

struct queue_limits registry_limits(const struct broker *broker, const char *name) {
    // Only systems' queues have a limit: dead letters and activations stay as long as the journal keeps them.
    if (strchr(name, ':'))
        return no_limits;
    const struct policy_system *system = policy_system_named(broker->policy, bytes_of_string(name));
    struct queue_limits limits = broker->queue_limits; // of a system that left the configuration
    if (system) {
        limits.count = system->queue.count;
        limits.bytes = system->queue.bytes;
        limits.age_us = system->queue.age_us;
        limits.park = system->queue.park;
    }
    return limits;
}

struct queue *registry_add_queue(struct broker *broker, uint32_t id, const char *name, struct error *error) {
    if (id == 0 || id > QUEUES_LIMIT || registry_queue(broker, id)) {
        error_set(error, -EBADMSG, "queue %u named %s: no such number can be", id, name);
        return NULL;
    }
    struct queue_limits limits = registry_limits(broker, name);
    struct queue *queue = queue_new(id, name, &limits);
    if (!queue || grow_queues(broker, id) != 0 || heap_reserve(&broker->timers, broker->queue_count) != 0 ||
        map_put(broker->queues_by_name, bytes_of_string(name), queue) != 0) {
        queue_destroy(&queue);
        error_no_memory(error);
        return NULL;
    }
    broker->queues[id - 1] = queue;
    queue->shared = broker->shared;
    queue->agenda = &broker->agenda;
    return queue;
}

void registry_wake(struct broker *broker) {
    for (size_t i = 0; i < broker->queue_count; i++)
        if (broker->queues[i] && broker->queues[i]->unsettled && broker->queues[i]->limits.window)
            queue_wake(broker->queues[i]);
}

struct queue *registry_dead_queue(struct broker *broker, const struct queue *queue) {
    struct queue **dead = &broker->dead_of[queue->id - 1];
    if (!*dead) {
        char name[256];
        snprintf(name, sizeof name, "dead:%s", queue->name);
        *dead = map_get(broker->queues_by_name, bytes_of_string(name));
    }
    return *dead;
}

const char *registry_name(struct broker *broker, struct bytes name) {
    char *known = map_get(broker->names, name);
    if (known)
        return known;
    char *copy = strndup(name.size ? (const char *)name.data : "", name.size);
    if (copy && map_put(broker->names, name, copy) != 0) {
        free(copy);
        return NULL;
    }
    return copy;
}

// The last one that was added, which nothing knows of yet.
static void take_back(struct broker *broker, struct queue *queue) {
    map_remove(broker->queues_by_name, bytes_of_string(queue->name));
    broker->queues[--broker->queue_count] = NULL;
    queue_destroy(&queue);
}

int registry_ensure_queue(
    struct broker *broker, const char *name, struct update *update, struct queue **out, struct error *error) {
    *out = map_get(broker->queues_by_name, bytes_of_string(name));
    if (*out)
        return 0;
    uint32_t id = (uint32_t)broker->queue_count + 1;
    Hutong__Bus__V1__QueueRecord record = HUTONG__BUS__V1__QUEUE_RECORD__INIT;
    record.queue = id;
    record.name = (char *)(uintptr_t)name;
    *out = registry_add_queue(broker, id, name, error);
    if (!*out)
        return -ENOMEM;
    int rc = broker_record(broker, update, HUTONG__BUS__V1__RECORD_KIND__RECORD_QUEUE, &record.base, NULL);
    if (rc)
        take_back(broker, *out);
    return rc ? error_set(error, rc, "the queues' records don't fit one batch") : 0;
}

void registry_free_names(struct map **names) {
    size_t cursor = 0;
    void *name;
    while (*names && map_next(*names, &cursor, NULL, &name))
        free(name);
    map_destroy(names);
}

int registry_queues(struct broker *broker, const struct policy *policy, struct queue **of_system,
    struct update *update, struct error *error) {
    int rc = 0;
    for (size_t i = 0; i < policy_system_count(policy) && rc == 0; i++) {
        const struct policy_system *system = policy_system_at(policy, i);
        char dead[256];
        struct queue *unused;
        snprintf(dead, sizeof dead, "dead:%s", system->address);
        rc = registry_ensure_queue(broker, system->address, update, &of_system[system->index], error);
        rc = rc ? rc : registry_ensure_queue(broker, dead, update, &unused, error);
    }
    return rc;
}

// A queue whose system left the configuration may still have dead letters to write.
static int bury_grounds(struct broker *broker, struct update *update, struct error *error) {
    int rc = 0;
    for (size_t i = 0; i < broker->queue_count && rc == 0; i++) {
        char dead[256];
        struct queue *unused;
        if (!broker->queues[i] || strchr(broker->queues[i]->name, ':'))
            continue;
        snprintf(dead, sizeof dead, "dead:%s", broker->queues[i]->name);
        rc = registry_ensure_queue(broker, dead, update, &unused, error);
    }
    return rc;
}

int registry_start(struct broker *broker, struct update *update, struct error *error) {
    const struct activation start = {.configuration = broker->configuration, .who = "start", .why = ""};
    int rc = registry_queues(broker, broker->policy, broker->of_system, update, error);
    rc = rc ? rc : bury_grounds(broker, update, error);
    rc = rc ? rc : registry_ensure_queue(broker, BROKER_CONFIGURATIONS, update, &broker->activations, error);
    if (rc)
        return rc;
    // What was in force goes on, without a record, unless an older version wrote where none finds it.
    if (broker->active.position &&
        memcmp(broker->active.digest, broker->configuration->digest, DIGEST_SIZE) == 0)
        return 0;
    rc = activate_record(broker, &start, update);
    return rc ? error_set(error, rc, "the record of the activation doesn't fit a batch") : 0;
}
