// Which settings of broker.yaml may change while the broker runs.
#include "broker/policy/internal.h"

#include <errno.h>

struct setting {
    const char *key;
    size_t offset;
    size_t size; // 0: a text
    bool live;
};

#define TEXT(key, field) {key, offsetof(struct policy_settings, field), 0, false}
#define FIXED(key, field)                                                                                    \
    {key, offsetof(struct policy_settings, field), sizeof(((struct policy_settings *)NULL)->field), false}
#define LIVE(key, field)                                                                                     \
    {key, offsetof(struct policy_settings, field), sizeof(((struct policy_settings *)NULL)->field), true}

// The folders and log_level are missing here: folders are where a set is found, and the level is a static
// text (below).
static const struct setting settings[] = {
    TEXT("listen", listen),
    FIXED("curve", curve),
    TEXT("key_file", key_file),
    TEXT("admin", admin),
    FIXED("heartbeat", heartbeat_ms),
    TEXT("journal.folder", journal),
    FIXED("journal.segment_size", segment_size),
    FIXED("journal.limit", journal_limit),
    FIXED("journal.batch_limit", journal_batch_limit),
    FIXED("journal.digest", journal_sm3),
    FIXED("journal.backend", cluster.used),
    TEXT("journal.kafka.brokers", cluster.brokers),
    TEXT("journal.kafka.prefix", cluster.prefix),
    TEXT("journal.kafka.name", cluster.name),
    FIXED("journal.kafka.partitions", cluster.partitions),
    FIXED("journal.kafka.replication", cluster.replication),
    TEXT("journal.kafka.settings_file", cluster.settings_file),
    FIXED("limits.message", message_bytes),
    FIXED("limits.batch_bytes", batch_bytes),
    FIXED("limits.batch_messages", batch_messages),
    LIVE("drain", drain_ms),
    LIVE("journal.retention", retention_us),
    LIVE("journal.batch", journal_batch),
    LIVE("limits.connections", connections),
    LIVE("limits.credit_messages", credit_messages),
    LIVE("limits.credit_bytes", credit_bytes),
    LIVE("limits.queue_count", queue_count),
    LIVE("limits.queue_bytes", queue_bytes),
    LIVE("limits.queue_age", queue_age_us),
    LIVE("limits.queue_when_full", queue_park),
    LIVE("limits.queue_window", queue_window),
    LIVE("limits.queue_held", queue_held),
};

#define SETTINGS (sizeof settings / sizeof settings[0])

static const void *field_of(const struct policy_settings *of, const struct setting *setting) {
    return (const char *)of + setting->offset;
}

static const char *text_of(const struct policy_settings *of, const struct setting *setting) {
    const char *text;
    memcpy(&text, field_of(of, setting), sizeof text);
    return text ? text : "";
}

static bool same(
    const struct policy_settings *a, const struct policy_settings *b, const struct setting *setting) {
    if (setting->size == 0)
        return strcmp(text_of(a, setting), text_of(b, setting)) == 0;
    return memcmp(field_of(a, setting), field_of(b, setting), setting->size) == 0;
}

// The text is the running policy's, which goes.
static int copy_text(
    struct policy *policy, const struct policy_settings *running, const struct setting *setting) {
    const char *text;
    memcpy(&text, field_of(running, setting), sizeof text);
    if (text && !(text = arena_string(&policy->arena, bytes_of_string(text))))
        return -ENOMEM;
    memcpy((char *)&policy->settings + setting->offset, &text, sizeof text);
    return 0;
}

int policy_keep_settings(struct policy *policy, const struct policy_settings *running,
    void (*changed)(void *context, const char *key), void *context) {
    for (size_t i = 0; i < SETTINGS; i++) {
        const struct setting *setting = &settings[i];
        if (setting->live || same(&policy->settings, running, setting))
            continue;
        changed(context, setting->key);
        if (setting->size)
            memcpy((char *)&policy->settings + setting->offset, field_of(running, setting), setting->size);
        else if (copy_text(policy, running, setting) != 0)
            return -ENOMEM;
    }
    // The loader has checked them against values that are not in force yet.
    if (policy->settings.credit_bytes < policy->settings.message_bytes)
        policy->settings.credit_bytes = policy->settings.message_bytes;
    if (policy->settings.journal_batch > policy->settings.journal_batch_limit)
        policy->settings.journal_batch = policy->settings.journal_batch_limit;
    return 0;
}

bool policy_settings_same(const struct policy_settings *a, const struct policy_settings *b) {
    for (size_t i = 0; i < SETTINGS; i++)
        if (settings[i].live && !same(a, b, &settings[i]))
            return false;
    return strcmp(a->log_level, b->log_level) == 0;
}
