#include "cli/routes.h"

#include "core/schema/json_text.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int print_problems(const char *command, const struct report *report) {
    struct buffer out = {0};
    int rc = report_print(report, &out);
    if (rc == 0 && out.size > 0)
        fwrite(out.data, 1, out.size, stderr);
    buffer_destroy(&out);
    return rc ? cli_failed(command, "out of memory")
              : cli_wrong(command, "the configuration is wrong; see above");
}

// Without the broker's key hash() gives other pseudonyms than the broker would.
static void warn_of_key(const char *command, const struct policy *policy) {
    const char *file = policy_settings(policy)->hash_key_file;
    if (file && access(file, R_OK) != 0)
        fprintf(stderr,
            "hutong %s: warning: %s can't be read; what hash() gives here is not what the broker will give\n",
            command, file);
}

static int load(const char *command, const char *broker_yaml, const char *catalogue, struct report *report,
    struct cli_routes *out) {
    out->policy = policy_load_for_check(broker_yaml, catalogue, report);
    if (out->policy)
        out->routes = routes_load(out->policy, policy_settings(out->policy)->routes, report);
    if (report_errors(report) || !out->routes)
        return print_problems(command, report);
    warn_of_key(command, out->policy);
    return trial_new(out->routes, &out->trial) ? cli_failed(command, "out of memory") : EXIT_DONE;
}

int cli_routes_load(
    const char *command, const char *broker_yaml, const char *catalogue, struct cli_routes *out) {
    struct report *report = report_new(0);
    struct cli_routes routes = {0};
    int rc = report ? load(command, broker_yaml, catalogue, report, &routes)
                    : cli_failed(command, "out of memory");
    report_destroy(&report);
    if (rc == EXIT_DONE)
        *out = routes;
    else
        cli_routes_destroy(&routes);
    return rc;
}

void cli_routes_destroy(struct cli_routes *routes) {
    trial_destroy(&routes->trial);
    routes_destroy(&routes->routes);
    policy_destroy(&routes->policy);
}

static void tell_unknown(
    const char *command, const char *where, const char *what, const char *name, const char *nearest) {
    cli_wrong(command, "%s%sno %s \"%s\"%s%s%s", where, where[0] ? ": " : "", what, name,
        nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
}

const struct policy_system *cli_system(
    const char *command, const char *where, const struct policy *policy, const char *name) {
    const struct policy_system *system = policy_system_named(policy, bytes_of_string(name));
    if (!system)
        tell_unknown(command, where, "system", name, policy_nearest_system(policy, bytes_of_string(name)));
    return system;
}

bool cli_route_exists(const char *command, const struct routes *routes, const char *name) {
    if (routes_named(routes, bytes_of_string(name)))
        return true;
    tell_unknown(command, "", "route", name, routes_nearest(routes, bytes_of_string(name)));
    return false;
}

const char *cli_broker_yaml(void) {
    return access("conf/broker.yaml", F_OK) == 0 ? "conf/broker.yaml" : "/etc/hutong/broker.yaml";
}

bool cli_time(const char *text, int64_t *out) {
    char whole[64];
    struct json_time time;
    const char *clock = strlen(text) == strlen("2026-03-01") ? "T00:00:00Z" : "";
    int size = snprintf(whole, sizeof whole, "%s%s", text, clock);
    if (size < 0 || (size_t)size >= sizeof whole || json_read_timestamp(bytes_of_string(whole), &time) != 0)
        return false;
    *out = time.seconds * 1000000 + time.nanos / 1000;
    return true;
}
