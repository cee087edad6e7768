// Shared by reload and routes rollback: what came of an activation, for people.
#pragma once

#include "cli/admin.h"

// Takes the answer; returns the exit status.
int reload_print(const char *command, json_t *answer, bool as_json);
