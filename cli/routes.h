// The routes of a configuration, for commands that try them without a broker.
#pragma once

#include "broker/policy/policy.h"
#include "broker/routing/trial/trial.h"
#include "cli/cli.h"

struct cli_routes {
    struct policy *policy; // owned
    struct routes *routes; // owned
    struct trial *trial;   // owned
};

// Loads what `broker_yaml` names, with another catalogue where one is given. EXIT_DONE, or prints what is
// wrong with it and returns EXIT_WRONG. Keys need not be there.
int cli_routes_load(
    const char *command, const char *broker_yaml, const char *catalogue, struct cli_routes *out);
void cli_routes_destroy(struct cli_routes *routes);

// The system that someone named, or NULL: told, with the nearest.
const struct policy_system *cli_system(
    const char *command, const char *where, const struct policy *policy, const char *name);
// Whether there is a route of the name; told when not, with the nearest.
bool cli_route_exists(const char *command, const struct routes *routes, const char *name);

// conf/broker.yaml here, else /etc/hutong/broker.yaml.
const char *cli_broker_yaml(void);

// RFC 3339 or a date, in microseconds since 1970. False when it is none.
bool cli_time(const char *text, int64_t *out);
