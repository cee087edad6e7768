#include "broker/kafka/cluster.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

void cluster_tell(const struct cluster *cluster, int level, const char *facility, const char *format, ...) {
    char text[ERROR_TEXT_SIZE];
    va_list arguments;
    if (!cluster->tell)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    cluster->tell(cluster->tell_context, level, facility, text);
}

static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text) {
    const struct cluster *cluster = rd_kafka_opaque(rk);
    if (cluster)
        cluster_tell(cluster, level, facility, "%s", text);
}

static int set(rd_kafka_conf_t *conf, const struct cluster_setting *setting, struct error *error) {
    char text[256];
    if (rd_kafka_conf_set(conf, setting->name, setting->value, text, sizeof text) == RD_KAFKA_CONF_OK)
        return 0;
    return error_set(error, -EINVAL, "%s: %s", setting->name, text);
}

static int set_pairs(rd_kafka_conf_t *conf, const struct cluster_setting *pairs, struct error *error) {
    int rc = 0;
    for (; pairs && pairs->name && rc == 0; pairs++)
        rc = set(conf, pairs, error);
    return rc;
}

static int fill(rd_kafka_conf_t *conf, const struct cluster *cluster, const struct cluster_setting *defaults,
    const struct cluster_setting *musts, struct error *error) {
    rd_kafka_conf_set_opaque(conf, (void *)(uintptr_t)cluster);
    rd_kafka_conf_set_log_cb(conf, on_log);
    int rc = set_pairs(conf, defaults, error);
    for (size_t i = 0; i < cluster->setting_count && rc == 0; i++)
        rc = set(conf, &cluster->settings[i], error);
    rc = rc ? rc : set_pairs(conf, musts, error);
    rc = rc ? rc : set(conf, &(struct cluster_setting){"bootstrap.servers", cluster->brokers}, error);
    return rc;
}

int cluster_handle(const struct cluster *cluster, rd_kafka_type_t type,
    const struct cluster_setting *defaults, const struct cluster_setting *musts, rd_kafka_t **out,
    struct error *error) {
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (type == RD_KAFKA_CONSUMER) // otherwise a group's partitions are taken without asking
        rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_REBALANCE);
    int rc = fill(conf, cluster, defaults, musts, error);
    rd_kafka_t *rk = rc ? NULL : rd_kafka_new(type, conf, text, sizeof text);
    if (!rk) {
        rd_kafka_conf_destroy(conf);
        return rc ? rc : error_set(error, -EINVAL, "%s", text);
    }
    *out = rk;
    return 0;
}

static int kind_of(rd_kafka_t *rk, const rd_kafka_error_t *why) {
    char text[256];
    rd_kafka_resp_err_t code = rd_kafka_error_code(why);
    if (code == RD_KAFKA_RESP_ERR__FATAL || rd_kafka_error_is_fatal(why))
        code = rd_kafka_fatal_error(rk, text, sizeof text);
    if (code == RD_KAFKA_RESP_ERR__FENCED || code == RD_KAFKA_RESP_ERR_PRODUCER_FENCED ||
        code == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH)
        return KAFKA_FENCED;
    return rd_kafka_error_is_retriable(why) ? KAFKA_AGAIN : -EIO;
}

int cluster_failed(rd_kafka_t *rk, const char *what, rd_kafka_error_t *why, struct error *error) {
    int rc = kind_of(rk, why);
    error_set(error, rc, "%s: %s", what, rd_kafka_error_string(why));
    rd_kafka_error_destroy(why);
    return rc;
}
