// How a topic is kept, compared with how it must be kept.
#include "broker/kafka/admin.h"
#include "core/base/buffer.h"

#include <stdio.h>
#include <stdlib.h>

#define ASK_AT_ONCE 100u // topics in one request

// "9437184" is at least "1048576"; -1 is without an end.
static bool is_at_least(const char *value, const char *wanted) {
    long long has = strtoll(value, NULL, 10);
    long long needs = strtoll(wanted, NULL, 10);
    return has == -1 || (needs != -1 && has >= needs);
}

static bool is_right(const struct topic_setting *setting, const char *value) {
    if (setting->rule == TOPIC_AT_LEAST)
        return is_at_least(value, setting->value);
    return strcmp(value, setting->value) == 0;
}

static const char *value_of(const rd_kafka_ConfigEntry_t **entries, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), name) == 0)
            return rd_kafka_ConfigEntry_value(entries[i]);
    return NULL;
}

// Adds to `wrong` what isn't as it must be.
static int compare(const struct topic *topic, const rd_kafka_ConfigResource_t *found, struct buffer *wrong) {
    size_t count = 0;
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(found, &count);
    int rc = 0;
    for (size_t i = 0; i < topic->setting_count && rc == 0; i++) {
        const struct topic_setting *setting = &topic->settings[i];
        const char *value = value_of(entries, count, setting->name);
        if (value && !is_right(setting, value))
            rc = buffer_append_format(wrong, "%stopic %s has %s=%s instead of %s%s", wrong->size ? "; " : "",
                topic->name, setting->name, value, setting->value,
                setting->rule == TOPIC_AT_LEAST ? " or more" : "");
    }
    return rc;
}

static const struct topic *topic_of(const struct topic *topics, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(topics[i].name, name) == 0)
            return &topics[i];
    return NULL;
}

static int look(rd_kafka_event_t *event, const struct topic *topics, size_t count, struct buffer *wrong,
    struct error *error) {
    size_t found_count = 0;
    const rd_kafka_ConfigResource_t **found =
        rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &found_count);
    for (size_t i = 0; i < found_count; i++) {
        const char *name = rd_kafka_ConfigResource_name(found[i]);
        const struct topic *topic = topic_of(topics, count, name);
        rd_kafka_resp_err_t code = rd_kafka_ConfigResource_error(found[i]);
        // The node that was asked may not have heard yet of one that was made just now.
        if (code)
            return error_set(error,
                code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ? KAFKA_AGAIN : topics_code(code),
                "asking for the settings of topic %s: %s", name,
                rd_kafka_ConfigResource_error_string(found[i]));
        if (topic && compare(topic, found[i], wrong))
            return error_no_memory(error);
    }
    return 0;
}

static int check_some(struct admin *admin, const struct topic *topics, size_t count, struct buffer *wrong,
    struct error *error) {
    rd_kafka_ConfigResource_t *asked[ASK_AT_ONCE];
    for (size_t i = 0; i < count; i++)
        asked[i] = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topics[i].name);
    rd_kafka_AdminOptions_t *options = topics_options(admin, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    rd_kafka_DescribeConfigs(admin->rk, asked, count, options, admin->answers);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_ConfigResource_destroy_array(asked, count);
    rd_kafka_event_t *event = topics_answer(admin, "asking for the topics' settings", error);
    if (!event)
        return error->code;
    int rc = look(event, topics, count, wrong, error);
    rd_kafka_event_destroy(event);
    return rc;
}

int topics_check(struct admin *admin, const struct topics *topics, struct error *error) {
    struct buffer wrong = {0};
    int rc = 0;
    for (size_t at = 0; at < topics->count && rc == 0; at += ASK_AT_ONCE) {
        size_t left = topics->count - at;
        rc = check_some(admin, &topics->items[at], left < ASK_AT_ONCE ? left : ASK_AT_ONCE, &wrong, error);
    }
    if (rc == 0 && wrong.size)
        rc = buffer_text(&wrong) ? error_set(error, KAFKA_WRONG, "%s", (const char *)wrong.data)
                                 : error_no_memory(error);
    buffer_destroy(&wrong);
    return rc;
}
