#include "adapters/connectors/kafka/kafka.h"

#include "adapters/runtime/settings.h"
#include "core/base/clock.h"
#include "core/schema/nearest.h"

#include <stdlib.h>

static const struct config_key kafka_keys[] = {{"brokers", CONFIG_REQUIRED}, {"settings", CONFIG_OPTIONAL},
    {"password_file", CONFIG_OPTIONAL}, {"password_env", CONFIG_OPTIONAL},
    {"key_password_file", CONFIG_OPTIONAL}, {"key_password_env", CONFIG_OPTIONAL},
    {"schemas", CONFIG_OPTIONAL}, {"record", CONFIG_OPTIONAL}, {"queue", CONFIG_OPTIONAL},
    {"group", CONFIG_OPTIONAL}, {"start", CONFIG_OPTIONAL}, {"commit", CONFIG_OPTIONAL},
    {"read", CONFIG_OPTIONAL}, {"positions", CONFIG_OPTIONAL}, {"take", CONFIG_OPTIONAL}, {NULL, 0}};

// ---- Settings of librdkafka ----

// What the connector sets itself, and what to say instead; NULL: nothing.
static const struct {
    const char *name;
    const char *instead;
} own_settings[] = {
    {"bootstrap.servers", "brokers"},
    {"metadata.broker.list", "brokers"},
    {"group.id", "group"},
    {"transactional.id", "positions"},
    {"auto.offset.reset", "start"},
    {"message.max.bytes", "record"},
    {"queue.buffering.max.kbytes", "queue"},
    {"queued.max.messages.kbytes", "queue"},
    {"sasl.password", "password_file or password_env"},
    {"ssl.key.password", "key_password_file or key_password_env"},
    {"ssl.key.pem", "ssl.key.location in settings"},
    {"ssl.keystore.password", "ssl.key.location in settings"},
    {"sasl.oauthbearer.client.secret", NULL},
    {"sasl.oauthbearer.config", NULL},
    {"enable.auto.commit", NULL},
    {"enable.auto.offset.store", NULL},
    {"enable.partition.eof", NULL},
    {"isolation.level", NULL},
    {"enable.idempotence", NULL},
    {"acks", NULL},
    {"request.required.acks", NULL},
    {"partition.assignment.strategy", NULL},
    {"plugin.library.paths", NULL},
};

static bool is_own(const struct config_node *key, struct report *report) {
    for (size_t i = 0; i < sizeof own_settings / sizeof *own_settings; i++) {
        if (!bytes_equal_string(key->text, own_settings[i].name))
            continue;
        const char *instead = own_settings[i].instead;
        config_error(key, report, "%s is no setting here%s%s", own_settings[i].name,
            instead ? "; say " : ": the connector depends on how it is set", instead ? instead : "");
        return true;
    }
    return false;
}

static void report_unknown(
    const struct config_node *key, const rd_kafka_conf_t *conf, struct report *report) {
    size_t count = 0;
    const char **names = rd_kafka_conf_dump((rd_kafka_conf_t *)(uintptr_t)conf, &count);
    struct nearest nearest = nearest_start(key->text);
    for (size_t i = 0; i + 1 < count; i += 2) // name, value, …
        nearest_offer(&nearest, names[i]);
    config_error(key, report, "librdkafka has no setting \"%s\"%s%s%s", (const char *)key->text.data,
        nearest.best ? "; did you mean \"" : "", nearest.best ? nearest.best : "", nearest.best ? "\"?" : "");
    rd_kafka_conf_dump_free(names, count);
}

static bool try_setting(const struct config_node *key, const struct config_node *at, const char *value,
    rd_kafka_conf_t *conf, struct report *report) {
    char text[256];
    rd_kafka_conf_res_t rc = rd_kafka_conf_set(conf, (const char *)key->text.data, value, text, sizeof text);
    if (rc == RD_KAFKA_CONF_OK)
        return true;
    if (rc == RD_KAFKA_CONF_UNKNOWN)
        report_unknown(key, conf, report);
    else
        config_error(at, report, "%s", text);
    return false;
}

static bool read_setting(const struct config_node *node, size_t i, struct common *common,
    rd_kafka_conf_t *conf, struct report *report) {
    const struct config_node *key = node->keys[i];
    const char *name = (const char *)key->text.data;
    char *value = NULL;
    if (is_own(key, report) || !settings_text(node, name, &value, report))
        return false;
    if (!value) // absent, such as an empty variable
        return true;
    if (!try_setting(key, node->values[i], value, conf, report)) {
        free(value);
        return false;
    }
    common->settings[common->setting_count++] = (struct setting){.name = name, .value = value};
    return true;
}

static bool read_settings(const struct config_node *node, struct common *common, struct report *report) {
    if (!node)
        return true;
    if (node->kind != CONFIG_MAPPING) {
        config_error(node, report, "expected a mapping of librdkafka's settings");
        return false;
    }
    common->settings = calloc(node->count + 1, sizeof *common->settings);
    if (!common->settings)
        return false;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    bool good = true;
    for (size_t i = 0; i < node->count; i++)
        good = read_setting(node, i, common, conf, report) && good;
    rd_kafka_conf_destroy(conf);
    return good;
}

static bool one_secret(
    const struct config_node *node, const char *file, const char *variable, struct report *report) {
    if (!config_get(node, file) || !config_get(node, variable))
        return true;
    config_error(
        config_get(node, variable), report, "a secret is in a file or in the environment, not in both");
    return false;
}

// ---- Both directions ----

static bool read_reading(const struct config_node *node, struct reader *reader, struct report *report) {
    static const char *const starts[] = {"earliest", "latest", NULL};
    size_t start = 0;
    reader->commit_ns = CLOCK_SECOND_NS;
    bool good = settings_text(node, "group", &reader->group, report);
    if (!reader->group && good) {
        config_error(node, report, "\"read\" needs \"group\", the consumer group's name");
        good = false;
    }
    good = config_read_choice(node, "start", starts, &start, report) && good;
    good = config_read_duration(
               node, "commit", 10 * CLOCK_MILLISECOND_NS, 60 * CLOCK_SECOND_NS, &reader->commit_ns, report) &&
           good;
    reader->latest = start == 1;
    return kafka_read_topics(config_get(node, "read"), reader, report) && good;
}

static bool read_writing(const struct config_node *node, struct writer *writer, struct report *report) {
    bool good = settings_text(node, "positions", &writer->name, report);
    if (!writer->name && good) {
        config_error(node, report,
            "\"take\" needs \"positions\", the name of this adapter's own topic with one partition and "
            "cleanup.policy=compact");
        good = false;
    }
    return kafka_read_rules(node, writer, report) && good;
}

static bool read_common(const struct config_node *node, struct common *common, struct report *report) {
    common->record_limit = RECORD_DEFAULT;
    common->queue_limit = QUEUE_DEFAULT;
    bool good = settings_text(node, "brokers", &common->brokers, report) && common->brokers;
    good = read_settings(config_get(node, "settings"), common, report) && good;
    good = one_secret(node, "password_file", "password_env", report) && good;
    good = one_secret(node, "key_password_file", "key_password_env", report) && good;
    good = config_read_size(node, "record", 1024, (uint64_t)8 << 20, &common->record_limit, report) && good;
    good =
        config_read_size(node, "queue", (uint64_t)1 << 20, (uint64_t)1 << 30, &common->queue_limit, report) &&
        good;
    return kafka_read_schemas(config_get(node, "schemas"), common, report) && good;
}

static bool read_all(const struct config_node *node, struct connector *connector, struct report *report) {
    bool good = read_common(node, &connector->common, report);
    connector->reads = config_get(node, "read") != NULL;
    connector->writes = config_get(node, "take") != NULL;
    if (!connector->reads && !connector->writes) {
        config_error(node, report, "there is nothing to do: say read: or take:");
        return false;
    }
    if (connector->reads)
        good = read_reading(node, &connector->reader, report) && good;
    if (connector->writes)
        good = read_writing(node, &connector->writer, report) && good;
    return good;
}

// A check has no folder of its own: the file appears with the first record that is refused.
static bool make_refused(struct connector *connector) {
    struct buffer path = {0};
    const char *folder = connector->common.host->state_folder;
    if (buffer_append_format(&path, "%s/refused.jsonl", folder ? folder : ".") == 0 && buffer_text(&path))
        connector->reader.refused = refused_file_new((const char *)path.data);
    buffer_destroy(&path);
    return connector->reader.refused != NULL;
}

struct connector *kafka_configure(
    const struct config_node *node, const struct connector_host *host, struct report *report) {
    size_t errors = report_errors(report);
    if (!config_expect_mapping(node, "kafka", kafka_keys, report))
        return NULL;
    struct connector *connector = calloc(1, sizeof *connector);
    if (!connector) {
        config_error(node, report, "out of memory");
        return NULL;
    }
    connector->common.host = host;
    connector->common.node = node;
    connector->reader.fd = -1;
    connector->reader.common = connector->writer.common = &connector->common;
    bool good = read_all(node, connector, report) && make_refused(connector);
    if (!good && report_errors(report) == errors)
        config_error(node, report, "out of memory");
    if (report_errors(report) > errors)
        kafka_destroy(&connector);
    return connector;
}
