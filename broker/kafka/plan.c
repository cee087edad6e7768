// Which topics there must be, and how each is kept.
#include "broker/kafka/topics.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define RECORD_LIMIT ((size_t)9 << 20)
#define FRAME_SIZE 65536u // of a batch, around its only record

static void keep_text(struct topic *topic, const char *name, enum topic_rule rule, const char *value) {
    struct topic_setting *setting = &topic->settings[topic->setting_count++];
    setting->name = name;
    setting->rule = rule;
    snprintf(setting->value, sizeof setting->value, "%s", value);
}

static void keep(struct topic *topic, const char *name, enum topic_rule rule, int64_t value) {
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)value);
    keep_text(topic, name, rule, text);
}

static bool is_compacted(enum topic_kind kind) {
    return kind == TOPIC_STATE || kind == TOPIC_STREAMS;
}

// With three replicas two have what was acknowledged, so one may be lost for good.
static void fill_settings(struct topic *topic, const struct topics_wanted *wanted) {
    size_t largest = (wanted->record_limit ? wanted->record_limit : RECORD_LIMIT) + FRAME_SIZE;
    bool ends = topic->kind == TOPIC_RECORD && wanted->retention_ms >= 0;
    keep_text(topic, "cleanup.policy", TOPIC_EXACTLY, is_compacted(topic->kind) ? "compact" : "delete");
    keep_text(topic, "unclean.leader.election.enable", TOPIC_EXACTLY, "false");
    keep(topic, "min.insync.replicas", TOPIC_AT_LEAST, wanted->replication > 2 ? 2 : 1);
    keep(topic, "max.message.bytes", TOPIC_AT_LEAST, (int64_t)largest);
    if (is_compacted(topic->kind))
        return;
    keep(topic, "retention.ms", ends ? TOPIC_AT_LEAST : TOPIC_EXACTLY, ends ? wanted->retention_ms : -1);
    keep(topic, "retention.bytes", TOPIC_EXACTLY, -1);
}

static int add(struct topics *topics, enum topic_kind kind, const char *prefix, const char *destination,
    const struct topics_wanted *wanted, struct error *error) {
    struct topic *topic = &topics->items[topics->count];
    int rc = topic_name(kind, prefix, destination, topic->name, error);
    if (rc)
        return rc;
    topic->kind = kind;
    topic->partitions = kind == TOPIC_BUS ? 1 : wanted->partitions;
    topic->replication = wanted->replication;
    fill_settings(topic, wanted);
    topics->count++;
    return 0;
}

static int check(const struct topics_wanted *wanted, struct error *error) {
    if (wanted->partitions < 1 || wanted->partitions > TOPICS_PARTITIONS)
        return error_set(
            error, -EINVAL, "a topic has 1 to %d partitions, not %d", TOPICS_PARTITIONS, wanted->partitions);
    if (wanted->replication < 1 || wanted->replication > 100)
        return error_set(error, -EINVAL, "a topic has 1 to 100 replicas, not %d", wanted->replication);
    if (wanted->destination_count > TOPICS_DESTINATIONS)
        return error_set(error, -EINVAL, "a bus on Kafka has %u destinations at most, not %zu",
            TOPICS_DESTINATIONS, wanted->destination_count);
    return 0;
}

int topics_plan(
    const char *prefix, const struct topics_wanted *wanted, struct topics *out, struct error *error) {
    static const enum topic_kind common[] = {TOPIC_BUS, TOPIC_STATE, TOPIC_STREAMS, TOPIC_RECORD};
    size_t common_count = sizeof common / sizeof *common;
    int rc = check(wanted, error);
    if (rc)
        return rc;
    struct topics topics = {
        .items = calloc(common_count + 2 * wanted->destination_count, sizeof *topics.items)};
    if (!topics.items)
        return error_no_memory(error);
    for (size_t i = 0; i < common_count && rc == 0; i++)
        rc = add(&topics, common[i], prefix, NULL, wanted, error);
    for (size_t i = 0; i < wanted->destination_count && rc == 0; i++) {
        rc = add(&topics, TOPIC_TO, prefix, wanted->destinations[i], wanted, error);
        rc = rc ? rc : add(&topics, TOPIC_DEAD, prefix, wanted->destinations[i], wanted, error);
    }
    if (rc)
        topics_destroy(&topics);
    else
        *out = topics;
    return rc;
}

void topics_destroy(struct topics *topics) {
    free(topics->items);
    *topics = (struct topics){.items = NULL};
}
