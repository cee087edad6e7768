// How commands ask a running broker: HTTP at its admin interface (docs/operations.md).
#pragma once

#include "cli/cli.h"

#include <jansson.h>

#define ADMIN_HELP                                                                                           \
    "  -a, --admin SOCKET   what broker.yaml names as admin: a socket's path, or 127.0.0.1:PORT\n"

// The answer's JSON (owned) with its HTTP status, or NULL with the problem printed. A GET where `body` is
// NULL, else a POST. A reload may take its time: `timeout_s` 0 is for ever.
json_t *admin_ask(const char *command, const char *admin, const char *path, const json_t *body,
    long timeout_s, long *status);
