// The queue of a system: its limits are those of broker.yaml, unless the agency's file has its own.
#include "broker/policy/internal.h"

#define SECOND 1000000000ULL
#define DAY (86400 * SECOND)
#define MIB ((uint64_t)1 << 20)

static const struct config_key queue_keys[] = {
    {"count", CONFIG_OPTIONAL},
    {"bytes", CONFIG_OPTIONAL},
    {"age", CONFIG_OPTIONAL},
    {"when_full", CONFIG_OPTIONAL},
    {NULL, CONFIG_OPTIONAL},
};

void policy_read_when_full(
    const struct config_node *mapping, const char *key, bool *park, struct report *report) {
    static const char *const choices[] = {"dead_letter", "park", NULL};
    size_t choice = *park;
    config_read_choice(mapping, key, choices, &choice, report);
    *park = choice == 1;
}

void policy_load_queue(struct policy *policy, struct system *system, const struct config_node *mapping) {
    const struct policy_settings *settings = &policy->settings;
    struct policy_queue *queue = &system->public.queue;
    *queue = (struct policy_queue){.count = settings->queue_count,
        .bytes = settings->queue_bytes,
        .age_us = settings->queue_age_us,
        .park = settings->queue_park};
    const struct config_node *node = config_get(mapping, "queue");
    if (config_is_null(node) || !config_expect_mapping(node, "\"queue\"", queue_keys, policy->report))
        return;
    int64_t count = (int64_t)queue->count;
    uint64_t age = queue->age_us * 1000;
    config_read_int(node, "count", 1, INT64_MAX, &count, policy->report);
    config_read_size(node, "bytes", MIB, UINT64_MAX / 2, &queue->bytes, policy->report);
    config_read_duration(node, "age", SECOND, 36500 * DAY, &age, policy->report);
    policy_read_when_full(node, "when_full", &queue->park, policy->report);
    queue->count = (uint64_t)count;
    queue->age_us = age / 1000;
}
