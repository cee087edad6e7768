// conf/broker.yaml (docs/configuration.md).
#include "broker/policy/internal.h"

#include <stdio.h>

#define MILLISECOND 1000000ULL
#define SECOND (1000 * MILLISECOND)
#define DAY (86400 * SECOND)
#define KIB 1024ULL
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define CLUSTER_BATCH (8 * MIB)  // a transaction costs a cluster as much as thousands of messages
#define ENVELOPE_ROOM (64 * KIB) // what a batch holds besides the largest message

static const struct config_key root_keys[] = {
    {"listen", CONFIG_REQUIRED},
    {"curve", CONFIG_OPTIONAL},
    {"key_file", CONFIG_OPTIONAL},
    {"hash_key_file", CONFIG_OPTIONAL},
    {"admin", CONFIG_OPTIONAL},
    {"catalogue", CONFIG_OPTIONAL},
    {"codes", CONFIG_OPTIONAL},
    {"agencies", CONFIG_OPTIONAL},
    {"agreements", CONFIG_OPTIONAL},
    {"routes", CONFIG_OPTIONAL},
    {"log_level", CONFIG_OPTIONAL},
    {"heartbeat", CONFIG_OPTIONAL},
    {"drain", CONFIG_OPTIONAL},
    {"journal", CONFIG_OPTIONAL},
    {"limits", CONFIG_OPTIONAL},
    {NULL, CONFIG_OPTIONAL},
};

static const struct config_key journal_keys[] = {
    {"folder", CONFIG_OPTIONAL},
    {"segment_size", CONFIG_OPTIONAL},
    {"limit", CONFIG_OPTIONAL},
    {"retention", CONFIG_OPTIONAL},
    {"batch", CONFIG_OPTIONAL},
    {"batch_limit", CONFIG_OPTIONAL},
    {"digest", CONFIG_OPTIONAL},
    {"backend", CONFIG_OPTIONAL},
    {"kafka", CONFIG_OPTIONAL},
    {NULL, CONFIG_OPTIONAL},
};

static const struct config_key limit_keys[] = {
    {"message", CONFIG_OPTIONAL},
    {"batch_bytes", CONFIG_OPTIONAL},
    {"batch_messages", CONFIG_OPTIONAL},
    {"connections", CONFIG_OPTIONAL},
    {"credit_messages", CONFIG_OPTIONAL},
    {"credit_bytes", CONFIG_OPTIONAL},
    {"queue_count", CONFIG_OPTIONAL},
    {"queue_bytes", CONFIG_OPTIONAL},
    {"queue_age", CONFIG_OPTIONAL},
    {"queue_when_full", CONFIG_OPTIONAL},
    {"queue_window", CONFIG_OPTIONAL},
    {"queue_held", CONFIG_OPTIONAL},
    {NULL, CONFIG_OPTIONAL},
};

static const struct policy_settings defaults = {
    .curve = true,
    .key_file = "keys/broker_secret",
    .journal = "journal",
    .segment_size = 64 * MIB,
    .retention_us = 1096 * DAY / 1000,
    .journal_batch = 2 * MIB,
    .journal_batch_limit = 16 * MIB,
    .message_bytes = 8 * MIB,
    .batch_bytes = 256 * KIB,
    .batch_messages = 1024,
    .connections = 1000,
    .credit_messages = 16384,
    .credit_bytes = 16 * MIB,
    .queue_count = 10000000,
    .queue_bytes = 100 * GIB,
    .queue_age_us = 30 * DAY / 1000,
    .queue_window = 16384,
    .queue_held = 32768,
    .heartbeat_ms = 5000,
    .drain_ms = 10000,
    .catalogue = "catalogue.binpb",
    .codes = "codes",
    .agencies = "agencies",
    .agreements = "agreements",
    .routes = "routes",
    .log_level = "info",
};

// ---- Typed fields ----

static void read_path(
    struct policy *policy, const struct config_node *node, const char *key, const char **path) {
    config_read_string(node, key, path, policy->report);
    const char *resolved = policy_path(policy, *path);
    *path = resolved ? resolved : *path;
}

static void read_count(const struct policy *policy, const struct config_node *node, const char *key,
    int64_t min, int64_t max, uint64_t *out) {
    int64_t value = (int64_t)*out;
    if (config_read_int(node, key, min, max, &value, policy->report))
        *out = (uint64_t)value;
}

static void read_bytes(const struct policy *policy, const struct config_node *node, const char *key,
    uint64_t min, uint64_t max, uint64_t *out) {
    config_read_size(node, key, min, max, out, policy->report);
}

// `out` counts units of `unit` nanoseconds.
static void read_span(const struct policy *policy, const struct config_node *node, const char *key,
    uint64_t min, uint64_t max, uint64_t unit, uint64_t *out) {
    uint64_t value = *out * unit;
    if (config_read_duration(node, key, min, max, &value, policy->report))
        *out = value / unit;
}

// ---- Endpoints ----

static bool is_loopback_host(struct bytes host) {
    return bytes_equal_string(host, "localhost") || bytes_equal_string(host, "[::1]") ||
           (host.size > 4 && memcmp(host.data, "127.", 4) == 0);
}

// "host:port"; `any_port`: 0 and * let the system choose.
static bool split_host(struct bytes text, bool any_port, struct bytes *host) {
    size_t colon = text.size;
    while (colon > 0 && text.data[colon - 1] != ':')
        colon--;
    if (colon < 2 || colon == text.size)
        return false;
    *host = bytes_of(text.data, colon - 1);
    struct bytes port = bytes_of(text.data + colon, text.size - colon);
    if (any_port && (bytes_equal_string(port, "*") || bytes_equal_string(port, "0")))
        return true;
    unsigned long number = 0;
    for (size_t i = 0; i < port.size; i++) {
        if (port.data[i] < '0' || port.data[i] > '9' || i == 5)
            return false;
        number = number * 10 + (port.data[i] - '0');
    }
    return number > 0 && number < 65536;
}

// Checks the endpoint; `*local` tells whether only this machine can reach it. Paths of ipc are resolved.
static bool check_listen(struct policy *policy, const struct config_node *node, bool *local) {
    struct bytes text = bytes_of_string(policy->settings.listen);
    struct bytes host;
    *local = false;
    if (text.size > 6 && memcmp(text.data, "tcp://", 6) == 0) {
        if (split_host(bytes_of(text.data + 6, text.size - 6), true, &host)) {
            *local = is_loopback_host(host);
            return true;
        }
    } else if (text.size > 6 && memcmp(text.data, "ipc://", 6) == 0) {
        const char *path = text.data[6] == '@' ? NULL : policy_path(policy, policy->settings.listen + 6);
        size_t size = path ? strlen(path) + sizeof "ipc://" : 0;
        char *fULL = path ? policy_keep(policy, arena_alloc(&policy->arena, size)) : NULL;
        if (fULL) {
            snprintf(fULL, size, "ipc://%s", path);
            policy->settings.listen = fULL;
        }
        *local = true;
        return true;
    }
    if (config_full_width(node, policy->report))
        return false;
    if (split_host(text, true, &host)) {
        config_error(node, policy->report, "\"%s\" is no endpoint; did you mean \"tcp://%s\"?",
            policy->settings.listen, policy->settings.listen);
        return false;
    }
    config_error(node, policy->report,
        "\"%s\" is no endpoint; write tcp://ADDRESS:PORT, as in tcp://127.0.0.1:7400, or ipc://PATH",
        policy->settings.listen);
    return false;
}

static void load_listen(struct policy *policy, const struct config_node *root) {
    bool local = true;
    const struct config_node *node = config_get(root, "listen");
    config_read_string(root, "listen", &policy->settings.listen, policy->report);
    bool known = config_read_bool(root, "curve", &policy->settings.curve, policy->report);
    if (policy->settings.listen && !check_listen(policy, node, &local))
        known = false;
    if (!known)
        policy->settings.curve = false; // refused anyway: nothing more is said of keys
    if (!known || !policy->settings.listen)
        return;
    if (!policy->settings.curve && !local)
        config_error(config_get(root, "curve"), policy->report,
            "without CURVE anyone who reaches the port may speak for any system; listen on 127.0.0.1 or "
            "ipc:// then");
}

static void load_admin(struct policy *policy, const struct config_node *root) {
    struct bytes host;
    const char *text = NULL;
    config_read_string(root, "admin", &text, policy->report);
    if (!text)
        return;
    policy->settings.admin = text;
    if (strchr(text, '/') || !strchr(text, ':'))
        policy->settings.admin = policy_path(policy, text);
    else if (!split_host(bytes_of_string(text), false, &host) || !is_loopback_host(host))
        config_error(config_get(root, "admin"), policy->report,
            "\"%s\" is no place for the admin interface; write the path of a UNIX socket, or 127.0.0.1:PORT",
            text);
}

// ---- Groups ----

static void load_journal(struct policy *policy, const struct config_node *node) {
    struct policy_settings *settings = &policy->settings;
    static const char *const digests[] = {"sha256", "sm3", NULL};
    size_t digest = 0;
    uint64_t batch = settings->journal_batch;
    uint64_t batch_limit = settings->journal_batch_limit;
    if (!config_is_null(node) && !config_expect_mapping(node, "\"journal\"", journal_keys, policy->report))
        node = NULL;
    read_path(policy, node, "folder", &settings->journal);
    read_bytes(policy, node, "segment_size", MIB, GIB, &settings->segment_size);
    read_bytes(policy, node, "limit", 0, UINT64_MAX / 2, &settings->journal_limit);
    read_span(policy, node, "retention", 0, 36500 * DAY, 1000, &settings->retention_us);
    read_bytes(policy, node, "batch", 4 * KIB, GIB, &batch);
    read_bytes(policy, node, "batch_limit", 64 * KIB, GIB, &batch_limit);
    config_read_choice(node, "digest", digests, &digest, policy->report);
    policy_load_cluster(policy, node);
    settings->journal_sm3 = digest == 1;
    if (settings->cluster.used && !config_get(node, "batch"))
        batch = batch_limit < CLUSTER_BATCH ? batch_limit : CLUSTER_BATCH;
    settings->journal_batch = (size_t)batch;
    settings->journal_batch_limit = (size_t)batch_limit;
}

static void load_limits(struct policy *policy, const struct config_node *node) {
    struct policy_settings *settings = &policy->settings;
    uint64_t messages = settings->batch_messages;
    uint64_t connections = settings->connections;
    uint64_t window = settings->queue_window;
    uint64_t held = settings->queue_held;
    if (!config_is_null(node) && !config_expect_mapping(node, "\"limits\"", limit_keys, policy->report))
        node = NULL;
    read_bytes(policy, node, "message", KIB, 8 * MIB, &settings->message_bytes);
    read_bytes(policy, node, "batch_bytes", KIB, 64 * MIB, &settings->batch_bytes);
    read_count(policy, node, "batch_messages", 1, 65536, &messages);
    read_count(policy, node, "connections", 1, 100000, &connections);
    read_count(policy, node, "credit_messages", 1, 1000000, &settings->credit_messages);
    read_bytes(policy, node, "credit_bytes", 64 * KIB, 4 * GIB, &settings->credit_bytes);
    read_count(policy, node, "queue_count", 1, INT64_MAX, &settings->queue_count);
    read_bytes(policy, node, "queue_bytes", MIB, UINT64_MAX / 2, &settings->queue_bytes);
    read_span(policy, node, "queue_age", SECOND, 36500 * DAY, 1000, &settings->queue_age_us);
    policy_read_when_full(node, "queue_when_full", &settings->queue_park, policy->report);
    read_count(policy, node, "queue_window", 1, 10000000, &window);
    read_count(policy, node, "queue_held", 1, 10000000, &held);
    settings->batch_messages = (uint32_t)messages;
    settings->connections = (size_t)connections;
    settings->queue_window = (size_t)window;
    settings->queue_held = (size_t)held;
}

// Where two values must fit each other, the place of the one that was written.
static const struct config_node *place(const struct config_node *root, const char *group, const char *key) {
    const struct config_node *node = config_get(root, group);
    const struct config_node *value = config_get(node, key);
    return value ? value : node ? node : root;
}

static void check_sizes(const struct policy *policy, const struct config_node *root) {
    const struct policy_settings *settings = &policy->settings;
    if (settings->journal_batch_limit < settings->message_bytes + ENVELOPE_ROOM)
        config_error(place(root, "journal", "batch_limit"), policy->report,
            "a batch of the journal (%zu bytes) must hold the largest message (%llu bytes) and 64 KiB more; "
            "make "
            "\"batch_limit\" larger or \"message\" smaller",
            settings->journal_batch_limit, (unsigned long long)settings->message_bytes);
    if (settings->journal_batch > settings->journal_batch_limit)
        config_error(place(root, "journal", "batch"), policy->report,
            "\"batch\" (%zu bytes) is larger than \"batch_limit\" (%zu bytes)", settings->journal_batch,
            settings->journal_batch_limit);
    if (settings->segment_size < 2 * (uint64_t)settings->journal_batch_limit)
        config_error(place(root, "journal", "segment_size"), policy->report,
            "a segment (%llu bytes) must hold two of the largest batches (%zu bytes each)",
            (unsigned long long)settings->segment_size, settings->journal_batch_limit);
    if (settings->journal_limit && settings->journal_limit < 4 * settings->segment_size)
        config_error(place(root, "journal", "limit"), policy->report,
            "the journal needs room for at least four segments: %llu bytes", 4ULL * settings->segment_size);
    if (settings->credit_bytes < settings->message_bytes)
        config_error(place(root, "limits", "credit_bytes"), policy->report,
            "with so little credit (%llu bytes) the largest message (%llu bytes) could never be sent",
            (unsigned long long)settings->credit_bytes, (unsigned long long)settings->message_bytes);
}

void policy_load_settings(struct policy *policy, const struct config_node *root) {
    struct policy_settings *settings = &policy->settings;
    static const char *const levels[] = {"debug", "info", "warning", "error", NULL};
    size_t level = 1;
    uint64_t heartbeat = defaults.heartbeat_ms;
    uint64_t drain = defaults.drain_ms;
    size_t errors = report_errors(policy->report);
    *settings = defaults;
    config_expect_mapping(root, "broker.yaml", root_keys, policy->report);
    load_listen(policy, root);
    load_admin(policy, root);
    read_path(policy, root, "key_file", &settings->key_file);
    if (!config_is_null(config_get(root, "hash_key_file"))) {
        settings->hash_key_file = "";
        read_path(policy, root, "hash_key_file", &settings->hash_key_file);
    }
    read_path(policy, root, "catalogue", &settings->catalogue);
    read_path(policy, root, "codes", &settings->codes);
    read_path(policy, root, "agencies", &settings->agencies);
    read_path(policy, root, "agreements", &settings->agreements);
    read_path(policy, root, "routes", &settings->routes);
    config_read_choice(root, "log_level", levels, &level, policy->report);
    settings->log_level = levels[level];
    read_span(policy, root, "heartbeat", 100 * MILLISECOND, 600 * SECOND, MILLISECOND, &heartbeat);
    read_span(policy, root, "drain", 0, 3600 * SECOND, MILLISECOND, &drain);
    settings->heartbeat_ms = (uint32_t)heartbeat;
    settings->drain_ms = (uint32_t)drain;
    load_journal(policy, config_get(root, "journal"));
    load_limits(policy, config_get(root, "limits"));
    if (report_errors(policy->report) == errors)
        check_sizes(policy, root);
}
