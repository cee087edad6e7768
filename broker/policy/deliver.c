// How deliveries are tried: `deliver` of a system, and of a route.
#include "broker/policy/internal.h"

#define SECOND 1000000000ULL
#define MILLISECOND 1000000ULL
#define DAY (86400 * SECOND)

static const struct config_key deliver_keys[] = {
    {"retries", CONFIG_OPTIONAL},
    {"backoff", CONFIG_OPTIONAL},
    {"expires", CONFIG_OPTIONAL},
    {NULL, CONFIG_OPTIONAL},
};

const struct policy_deliver policy_deliver_default = {
    .retries = 10, .backoff_min_ms = 1000, .backoff_max_ms = 600000, .expires_us = 7LL * 86400 * 1000000};

static bool has(const struct config_node *node, const char *key) {
    return !config_is_null(config_get(node, key));
}

void policy_read_deliver(
    const struct config_node *node, struct policy_deliver *deliver, struct report *report) {
    if (config_is_null(node) || !config_expect_mapping(node, "\"deliver\"", deliver_keys, report))
        return;
    int64_t retries = deliver->retries;
    uint64_t low = deliver->backoff_min_ms * MILLISECOND;
    uint64_t high = deliver->backoff_max_ms * MILLISECOND;
    uint64_t expires = (uint64_t)deliver->expires_us * 1000;
    config_read_int(node, "retries", 0, 1000000, &retries, report);
    config_read_duration_range(node, "backoff", &low, &high, report);
    config_read_duration(node, "expires", 0, 3650 * DAY, &expires, report);
    if (low < MILLISECOND || high > 7 * DAY)
        config_error(config_get(node, "backoff"), report, "\"backoff\" is from 1ms to 7d");
    *deliver = (struct policy_deliver){.retries = (uint32_t)retries,
        .backoff_min_ms = (uint32_t)(low / MILLISECOND),
        .backoff_max_ms = (uint32_t)(high / MILLISECOND),
        .expires_us = (int64_t)(expires / 1000),
        .says_retries = has(node, "retries"),
        .says_backoff = has(node, "backoff"),
        .says_expires = has(node, "expires")};
}

struct policy_deliver policy_deliver_of(const struct policy_system *to, const struct policy_deliver *route) {
    struct policy_deliver deliver = to->deliver;
    if (route->says_retries)
        deliver.retries = route->retries;
    if (route->says_backoff) {
        deliver.backoff_min_ms = route->backoff_min_ms;
        deliver.backoff_max_ms = route->backoff_max_ms;
    }
    if (route->says_expires)
        deliver.expires_us = route->expires_us;
    return deliver;
}
