// journal.backend and journal.kafka of broker.yaml: the journal on a Kafka cluster that brokers share.
#include "broker/policy/internal.h"

#include <string.h>

static const struct config_key kafka_keys[] = {
    {"brokers", CONFIG_REQUIRED},
    {"prefix", CONFIG_OPTIONAL},
    {"name", CONFIG_REQUIRED},
    {"partitions", CONFIG_OPTIONAL},
    {"replication", CONFIG_OPTIONAL},
    {"settings_file", CONFIG_OPTIONAL},
    {NULL, CONFIG_OPTIONAL},
};

// What stands in the names of topics and of transactions.
static void check_name(
    const struct policy *policy, const struct config_node *node, const char *key, const char *value) {
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    size_t size = value ? strlen(value) : 0;
    if (value && (size == 0 || size > 60 || strspn(value, allowed) != size))
        config_error(config_get(node, key), policy->report,
            "\"%s\" is no name here: 1 to 60 letters, digits, \"-\" and \"_\"", value);
}

static void load_kafka(struct policy *policy, const struct config_node *node) {
    struct policy_cluster *cluster = &policy->settings.cluster;
    int64_t partitions = cluster->partitions;
    int64_t replication = cluster->replication;
    if (!config_expect_mapping(node, "\"kafka\"", kafka_keys, policy->report))
        return;
    config_read_string(node, "brokers", &cluster->brokers, policy->report);
    config_read_string(node, "prefix", &cluster->prefix, policy->report);
    config_read_string(node, "name", &cluster->name, policy->report);
    config_read_int(node, "partitions", 1, 1000, &partitions, policy->report);
    config_read_int(node, "replication", 1, 100, &replication, policy->report);
    if (!config_is_null(config_get(node, "settings_file"))) {
        config_read_string(node, "settings_file", &cluster->settings_file, policy->report);
        const char *path = cluster->settings_file ? policy_path(policy, cluster->settings_file) : NULL;
        cluster->settings_file = path ? path : cluster->settings_file;
    }
    check_name(policy, node, "prefix", cluster->prefix);
    check_name(policy, node, "name", cluster->name);
    cluster->partitions = (uint32_t)partitions;
    cluster->replication = (uint32_t)replication;
}

// Settings of files say nothing of a cluster: whoever writes them there thinks they do.
static void refuse_with_kafka(const struct policy *policy, const struct config_node *journal) {
    static const char *const files[] = {"folder", "segment_size", "limit", "digest"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (config_get(journal, files[i]))
            config_error(config_get(journal, files[i]), policy->report,
                "\"%s\" is a setting of the journal in files, and this one is on Kafka", files[i]);
}

void policy_load_cluster(struct policy *policy, const struct config_node *journal) {
    static const char *const backends[] = {"file", "kafka", NULL};
    struct policy_cluster *cluster = &policy->settings.cluster;
    const struct config_node *kafka = config_get(journal, "kafka");
    size_t backend = 0;
    *cluster = (struct policy_cluster){.prefix = "hutong", .partitions = 12, .replication = 3};
    config_read_choice(journal, "backend", backends, &backend, policy->report);
    cluster->used = backend == 1;
    if (cluster->used && config_is_null(kafka))
        config_error(journal, policy->report,
            "the journal is on Kafka: write \"kafka: { brokers: HOST:PORT, name: OF-THIS-BROKER }\" beside "
            "it");
    else if (!cluster->used && !config_is_null(kafka))
        config_error(kafka, policy->report, "the journal is in files; did you mean \"backend: kafka\" too?");
    else if (cluster->used)
        load_kafka(policy, kafka);
    if (cluster->used)
        refuse_with_kafka(policy, journal);
}
