#include "broker/configuration/configuration.h"

#include "broker/configuration/internal.h"

#include <errno.h>
#include <stdlib.h>

#define RECORD_ROOM 32768 // what a batch has to hold besides the record of an activation

struct loading {
    struct configuration *configuration;
    struct report *report;
    const char *broker_yaml;
    uint8_t before[DIGEST_SIZE]; // of the files, taken before they were loaded
    bool has_before;
    size_t restart_count;
};

static void problem(const struct loading *loading, const char *text) {
    report_add(loading->report, REPORT_ERROR, loading->broker_yaml, (struct bytes){0}, (struct mark){0}, 0,
        "%s", text);
}

static void on_settings(void *context, const struct policy_settings *settings) {
    struct loading *loading = context;
    // What can't be read is said by the loading itself, in better words.
    loading->has_before = digest_files(settings, NULL, loading->before) == 0;
}

static void on_restart(void *context, const char *key) {
    struct loading *loading = context;
    struct configuration *configuration = loading->configuration;
    size_t last = sizeof configuration->restart / sizeof configuration->restart[0] - 1;
    if (loading->restart_count < last)
        configuration->restart[loading->restart_count++] = key;
}

// Files and digest must be one: what changed between is found by reading the files once more.
static void take_digest(struct loading *loading) {
    struct configuration *configuration = loading->configuration;
    uint8_t after[DIGEST_SIZE];
    struct files routes = {0};
    int rc = digest_files(policy_settings(configuration->policy), &routes, after);
    if (rc == 0 && (!loading->has_before || memcmp(after, loading->before, sizeof after) != 0))
        problem(loading, "the files changed while they were read; try again");
    else if (rc == 0)
        rc = digest_with_keys(configuration->policy, after, configuration->digest);
    rc = rc ? rc : pack_record(configuration, &routes);
    files_destroy(&routes);
    if (rc)
        problem(loading, rc == -ENOMEM ? "out of memory" : "the files can't be read again for the digest");
    else if (configuration->record.size + RECORD_ROOM >
             policy_settings(configuration->policy)->journal_batch_limit)
        problem(loading, "the routes' files, compressed, don't fit a batch of the journal; make "
                         "\"batch_limit\" larger");
}

static void load_all(struct loading *loading, const struct policy_settings *running) {
    struct configuration *configuration = loading->configuration;
    size_t errors = report_errors(loading->report);
    configuration->policy = policy_load_watched(loading->broker_yaml, on_settings, loading, loading->report);
    if (!configuration->policy)
        return;
    if (running && policy_keep_settings(configuration->policy, running, on_restart, loading) != 0)
        problem(loading, "out of memory");
    configuration->routes =
        routes_load(configuration->policy, policy_settings(configuration->policy)->routes, loading->report);
    if (!configuration->routes || report_errors(loading->report) > errors)
        return;
    configuration->matcher = matcher_new(configuration->routes);
    if (configuration->matcher)
        take_digest(loading);
    else
        problem(loading, "out of memory");
}

struct configuration *configuration_load(
    const char *broker_yaml, const struct policy_settings *running, struct report *report) {
    size_t errors = report_errors(report);
    struct loading loading = {.report = report, .broker_yaml = broker_yaml};
    loading.configuration = calloc(1, sizeof *loading.configuration);
    if (loading.configuration)
        load_all(&loading, running);
    else
        problem(&loading, "out of memory");
    if (report_errors(report) > errors)
        configuration_destroy(&loading.configuration);
    return loading.configuration;
}

void configuration_destroy(struct configuration **self) {
    struct configuration *configuration = *self;
    if (!configuration)
        return;
    matcher_destroy(&configuration->matcher);
    routes_destroy(&configuration->routes);
    policy_destroy(&configuration->policy);
    buffer_destroy(&configuration->record);
    free(configuration);
    *self = NULL;
}
