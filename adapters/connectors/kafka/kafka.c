// The connector to Kafka: reader.c and writer.c do the work, here is what they share.
#include "adapters/connectors/kafka/kafka.h"

#include "adapters/runtime/settings.h"
#include "core/base/log.h"

#include <stdlib.h>

// ---- librdkafka's settings ----

int conf_set(rd_kafka_conf_t *conf, const char *name, const char *value, struct error *error) {
    char text[256];
    if (rd_kafka_conf_set(conf, name, value, text, sizeof text) == RD_KAFKA_CONF_OK)
        return 0;
    return error_set(error, -EINVAL, "%s: %s", name, text);
}

int conf_set_size(rd_kafka_conf_t *conf, const char *name, uint64_t value, struct error *error) {
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    return conf_set(conf, name, text, error);
}

// From librdkafka's threads. It names brokers and topics, never what a record holds or a secret.
static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text) {
    char quoted[1024];
    (void)rk;
    log_event(level <= 4   ? LOG_WARNING
              : level <= 6 ? LOG_INFO
                           : LOG_DEBUG,
        "kafka.client", "facility=%s text=%s", facility, log_quote(text, quoted, sizeof quoted));
}

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque) {
    (void)opaque;
    on_log(rk, 5, rd_kafka_err2name((rd_kafka_resp_err_t)code), reason);
}

static void forget(struct buffer *secret) {
    if (secret->data)
        explicit_bzero(secret->data, secret->capacity);
    buffer_destroy(secret);
}

// A secret from its file or variable; none is fine.
static int set_secret(const struct common *common, rd_kafka_conf_t *conf, const char *key, const char *name,
    struct error *error) {
    struct buffer secret = {0};
    char text[256];
    int rc = settings_secret(common->node, key, common->host->base_folder, &secret, error);
    if (rc == 0 && secret.size && !buffer_text(&secret))
        rc = error_no_memory(error);
    if (rc == 0 && secret.size &&
        rd_kafka_conf_set(conf, name, (const char *)secret.data, text, sizeof text) != RD_KAFKA_CONF_OK)
        rc = error_set(error, -EINVAL, "%s can't be set", name); // its text may hold the secret
    forget(&secret);
    return rc;
}

static int fill_conf(const struct common *common, rd_kafka_conf_t *conf, struct error *error) {
    int rc = 0;
    for (size_t i = 0; i < common->setting_count && rc == 0; i++)
        rc = conf_set(conf, common->settings[i].name, common->settings[i].value, error);
    rc = rc ? rc : conf_set(conf, "bootstrap.servers", common->brokers, error);
    rc = rc ? rc : set_secret(common, conf, "password", "sasl.password", error);
    rc = rc ? rc : set_secret(common, conf, "key_password", "ssl.key.password", error);
    return rc;
}

int common_conf(const struct common *common, rd_kafka_conf_t **out, struct error *error) {
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_conf_set_error_cb(conf, on_error);
    int rc = fill_conf(common, conf, error);
    if (rc)
        rd_kafka_conf_destroy(conf);
    else
        *out = conf;
    return rc;
}

// ---- The functions of a connector ----

static void common_destroy(struct common *common) {
    for (size_t i = 0; i < common->setting_count; i++)
        free(common->settings[i].value);
    free(common->settings);
    free(common->schemas.items);
    free(common->brokers);
}

void kafka_destroy(struct connector **self) {
    struct connector *connector = *self;
    *self = NULL;
    if (!connector)
        return;
    kafka_reader_destroy(&connector->reader);
    kafka_writer_destroy(&connector->writer);
    common_destroy(&connector->common);
    free(connector);
}

static int open_all(struct connector *connector, struct error *error) {
    int rc = connector->writes ? kafka_writer_open(&connector->writer, error) : 0;
    if (rc == 0 && connector->reads)
        rc = kafka_reader_open(&connector->reader, error);
    return rc;
}

static int poll_all(
    struct connector *connector, bool *more, uint32_t *wait_ms, int *fd, struct error *error) {
    if (connector->writer.fenced)
        return error_set(error, -EPERM,
            "another process writes as \"%s\" by now, or this one was stopped for too long: it ends",
            connector->writer.name);
    *wait_ms = 1000;
    *fd = -1;
    *more = false;
    if (connector->writer.rk)
        rd_kafka_poll(connector->writer.rk, 0);
    return connector->reads ? kafka_reader_poll(&connector->reader, more, wait_ms, fd, error) : 0;
}

static int deliver(
    struct connector *connector, const struct connector_delivery *delivery, struct error *error) {
    if (!connector->writes)
        return error_set(error, CONNECTOR_REJECT, "this adapter takes no messages: it has no take: rules");
    if (connector->writer.fenced)
        return error_set(error, CONNECTOR_RETRY, "another process writes by now");
    return kafka_writer_deliver(&connector->writer, delivery, error);
}

static int commit(struct connector *connector, struct error *error) {
    return connector->writes ? kafka_writer_commit(&connector->writer, error) : 0;
}

static void finish(struct connector *connector) {
    if (connector->reads)
        kafka_reader_finish(&connector->reader);
}

const struct connector_class kafka_connector = {
    .name = "kafka",
    .own_inbox = true,
    .configure = kafka_configure,
    .open = open_all,
    .poll = poll_all,
    .deliver = deliver,
    .commit = commit,
    .finish = finish,
    .destroy = kafka_destroy,
};
