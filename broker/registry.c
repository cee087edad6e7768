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

struct queue *registry_add_queue(struct broker *broker, uint32_t id, const char *name, struct error *error) {
    if (id == 0 || id > QUEUES_LIMIT || registry_queue(broker, id)) {
        error_set(error, -EBADMSG, "queue %u named %s: no such number can be", id, name);
        return NULL;
    }
    bool dead = strncmp(name, "dead:", 5) == 0;
    struct queue *queue = queue_new(id, name, dead ? &no_limits : &broker->queue_limits);
    if (!queue || grow_queues(broker, id) != 0 ||
        map_put(broker->queues_by_name, bytes_of_string(name), queue) != 0) {
        queue_destroy(&queue);
        error_no_memory(error);
        return NULL;
    }
    broker->queues[id - 1] = queue;
    return queue;
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

// Makes the queue with this name unless recovery did, with the record that says so.
static int ensure_queue(
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
    return rc ? error_set(error, rc, "the queues' records don't fit one batch") : 0;
}

static int record_activation(struct broker *broker, struct update *update) {
    const uint8_t *digest = routes_digest(broker->routes);
    if (broker->has_active && memcmp(broker->active_digest, digest, sizeof broker->active_digest) == 0)
        return 0;
    Hutong__Bus__V1__ActivatedRecord record = HUTONG__BUS__V1__ACTIVATED_RECORD__INIT;
    record.digest.data = (uint8_t *)(uintptr_t)digest;
    record.digest.len = sizeof broker->active_digest;
    record.who = (char *)(uintptr_t)"start";
    record.software = (char *)(uintptr_t)"hutong-broker/" HUTONG_VERSION;
    memcpy(broker->active_digest, digest, sizeof broker->active_digest);
    broker->has_active = true;
    return broker_record(broker, update, HUTONG__BUS__V1__RECORD_KIND__RECORD_ACTIVATED, &record.base, NULL);
}

int registry_start(struct broker *broker, struct update *update, struct error *error) {
    int rc = 0;
    for (size_t i = 0; i < policy_system_count(broker->policy) && rc == 0; i++) {
        const struct policy_system *system = policy_system_at(broker->policy, i);
        char dead[256];
        struct queue *unused;
        snprintf(dead, sizeof dead, "dead:%s", system->address);
        rc = ensure_queue(broker, system->address, update, &broker->of_system[system->index], error);
        rc = rc ? rc : ensure_queue(broker, dead, update, &unused, error);
    }
    // A queue whose system left the configuration may still have dead letters to write.
    for (size_t i = 0; i < broker->queue_count && rc == 0; i++) {
        char dead[256];
        struct queue *unused;
        if (!broker->queues[i] || strncmp(broker->queues[i]->name, "dead:", 5) == 0)
            continue;
        snprintf(dead, sizeof dead, "dead:%s", broker->queues[i]->name);
        rc = ensure_queue(broker, dead, update, &unused, error);
    }
    return rc ? rc : record_activation(broker, update);
}
