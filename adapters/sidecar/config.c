#include "adapters/sidecar/config.h"

#include "adapters/runtime/settings.h"
#include "core/base/clock.h"
#include "core/wire/wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct connector_class *const classes[] = {
    &odbc_connector, &file_connector, &http_connector, &kafka_connector};
#define CLASSES (sizeof classes / sizeof *classes)

static char *folder_of(const char *path) {
    const char *slash = strrchr(path, '/');
    if (!slash)
        return strdup(".");
    return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

// A text that is there but came out empty.
static void need(
    const char *text, const struct config_node *mapping, const char *key, struct report *report) {
    const struct config_node *node = config_get(mapping, key);
    if (!text && node && report_errors(report) == 0)
        config_error(node, report, "%s is empty", key);
}

// A file that is not there yet may come before the start, so that is a warning only, as for the broker.
static void check_key(
    const struct config_node *node, const char *key, const char *path, struct report *report) {
    if (path && access(path, R_OK) != 0)
        config_warning(config_get(node, key), report, "%s: %s; the adapter can't start without it", path,
            strerror(errno));
}

static bool is_this_machine(const char *endpoint) {
    return strncmp(endpoint, "tcp://127.", 10) == 0 || strncmp(endpoint, "tcp://localhost:", 16) == 0 ||
           strncmp(endpoint, "tcp://[::1]:", 12) == 0 || strncmp(endpoint, "ipc://", 6) == 0;
}

static void check_bus(
    const struct config_node *node, const struct sidecar_config *out, struct report *report) {
    if (out->system && !wire_address_valid(bytes_of_string(out->system)))
        config_error(config_get(node, "system"), report,
            "\"%s\" is no system; write \"agency/system\", in lower-case letters, digits and \"_\"",
            out->system);
    if (out->instance && !wire_instance_valid(bytes_of_string(out->instance)))
        config_error(config_get(node, "instance"), report,
            "\"%s\" is no instance; write 1 to 64 letters, digits, \"-\", \"_\" or \".\"", out->instance);
    if (out->endpoint && !out->key && !out->broker_key && !is_this_machine(out->endpoint))
        config_error(config_get(node, "endpoint"), report,
            "without key and broker_key only a broker on this machine can be reached, such as "
            "tcp://127.0.0.1:7400");
    check_key(node, "key", out->key, report);
    check_key(node, "broker_key", out->broker_key, report);
}

static void read_bus(const struct config_node *node, struct sidecar_config *out, struct report *report) {
    static const struct config_key keys[] = {{"endpoint", CONFIG_REQUIRED}, {"system", CONFIG_REQUIRED},
        {"instance", CONFIG_OPTIONAL}, {"key", CONFIG_OPTIONAL}, {"broker_key", CONFIG_OPTIONAL},
        {"spool", CONFIG_OPTIONAL}, {"receive", CONFIG_OPTIONAL}, {NULL, CONFIG_OPTIONAL}};
    if (!config_expect_mapping(node, "bus", keys, report))
        return;
    settings_text(node, "endpoint", &out->endpoint, report);
    settings_text(node, "system", &out->system, report);
    settings_text(node, "instance", &out->instance, report);
    bool fine = settings_path(node, "key", out->base_folder, &out->key, report);
    fine = settings_path(node, "broker_key", out->base_folder, &out->broker_key, report) && fine;
    config_read_size(node, "spool", 32 << 20, (uint64_t)1 << 44, &out->spool_limit, report);
    config_read_int(node, "receive", 1, 100000, &out->receive, report);
    need(out->endpoint, node, "endpoint", report);
    need(out->system, node, "system", report);
    if (fine && !out->key != !out->broker_key)
        config_error(config_get(node, out->key ? "key" : "broker_key"), report,
            "key and broker_key go together: both, or neither for a bus without encryption");
    check_bus(node, out, report);
}

static bool two_digits(const char *text, int most, int *out) {
    if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9')
        return false;
    *out = (text[0] - '0') * 10 + text[1] - '0';
    return *out <= most;
}

// "Z", "+08:00", "-05:30"
static bool parse_zone(const char *text, int32_t *out) {
    int hours;
    int minutes;
    if (strcmp(text, "Z") == 0) {
        *out = 0;
        return true;
    }
    if (strlen(text) != 6 || (*text != '+' && *text != '-') || text[3] != ':' ||
        !two_digits(text + 1, 18, &hours) || !two_digits(text + 4, 59, &minutes))
        return false;
    *out = (*text == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
    return true;
}

static void read_zone(const struct config_node *root, struct sidecar_config *out, struct report *report) {
    const char *text = NULL;
    if (config_read_string(root, "zone", &text, report) && text && !parse_zone(text, &out->zone))
        config_error(config_get(root, "zone"), report,
            "a zone is the distance from UTC, such as \"+08:00\", or Z; in quotes");
}

static void read_level(const struct config_node *root, struct sidecar_config *out, struct report *report) {
    static const char *const names[] = {"debug", "info", "warning", "error", NULL};
    size_t level = LOG_INFO;
    config_read_choice(root, "log", names, &level, report);
    out->level = (enum log_level)level;
}

static void find_connector(
    const struct config_node *root, struct sidecar_config *out, struct report *report) {
    for (size_t i = 0; i < CLASSES; i++) {
        const struct config_node *node = config_get(root, classes[i]->name);
        if (node && out->class)
            config_error(
                node, report, "an adapter has one connector, and %s: is there already", out->class->name);
        if (node && !out->class) {
            out->class = classes[i];
            out->node = node;
        }
    }
    if (!out->class)
        config_error(root, report, "there is no connector: say odbc:, file:, http: or kafka:");
    out->takes = out->node && out->node->kind == CONFIG_MAPPING && config_get(out->node, "take");
}

static void read_root(const struct config_node *root, struct sidecar_config *out, struct report *report) {
    static const struct config_key keys[] = {{"bus", CONFIG_REQUIRED}, {"catalogue", CONFIG_REQUIRED},
        {"codes", CONFIG_OPTIONAL}, {"state", CONFIG_REQUIRED}, {"log", CONFIG_OPTIONAL},
        {"zone", CONFIG_OPTIONAL}, {"drain", CONFIG_OPTIONAL}, {"crash_attempts", CONFIG_OPTIONAL},
        {"odbc", CONFIG_OPTIONAL}, {"file", CONFIG_OPTIONAL}, {"http", CONFIG_OPTIONAL},
        {"kafka", CONFIG_OPTIONAL}, {NULL, CONFIG_OPTIONAL}};
    if (!config_expect_mapping(root, "adapter.yaml", keys, report))
        return;
    if (config_get(root, "bus"))
        read_bus(config_get(root, "bus"), out, report);
    settings_path(root, "catalogue", out->base_folder, &out->catalogue, report);
    settings_path(root, "codes", out->base_folder, &out->codes, report);
    settings_path(root, "state", out->base_folder, &out->state, report);
    config_read_duration(root, "drain", 0, 600 * CLOCK_SECOND_NS, &out->drain_ns, report);
    config_read_int(root, "crash_attempts", 1, 1000, &out->crash_attempts, report);
    read_level(root, out, report);
    read_zone(root, out, report);
    find_connector(root, out, report);
    need(out->catalogue, root, "catalogue", report);
    need(out->state, root, "state", report);
}

int sidecar_config_load(const char *path, struct sidecar_config *out, struct report *report) {
    *out = (struct sidecar_config){.level = LOG_INFO,
        .zone = 8 * 3600,
        .spool_limit = (uint64_t)1 << 30,
        .receive = 1000,
        .crash_attempts = 5,
        .drain_ns = 10 * CLOCK_SECOND_NS};
    out->base_folder = folder_of(path);
    if (!out->base_folder)
        return -ENOMEM;
    out->file = config_load(path, NULL, report);
    if (!out->file)
        return -EINVAL;
    const struct config_node *root = config_root(out->file);
    if (!root) {
        report_add(
            report, REPORT_ERROR, path, (struct bytes){0}, (struct mark){1, 1, 0}, 0, "the file is empty");
        return -EINVAL;
    }
    read_root(root, out, report);
    return report_errors(report) ? -EINVAL : 0;
}

void sidecar_config_destroy(struct sidecar_config *config) {
    config_destroy(&config->file);
    char *const texts[] = {config->base_folder, config->endpoint, config->system, config->instance,
        config->key, config->broker_key, config->catalogue, config->codes, config->state};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
    *config = (struct sidecar_config){0};
}
