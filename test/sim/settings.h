// Configurations of the simulated broker: the routes' two sets, each under settings that press on one limit
// or another. Loaded once a process, by the real loader.
#pragma once

#include "broker/configuration/configuration.h"
#include "test/sim/message.h"

struct settings {
    const char *name;
    const char *text;      // of broker.yaml
    uint64_t segment_size; // smaller than broker.yaml allows: so that segments roll in each seed
    uint64_t size_limit;
    bool may_overflow;
    struct configuration *sets[ROUTE_SETS]; // owned
};

// Loads all; ends the process with the problems where there are any.
void settings_load(void);
void settings_unload(void);
size_t settings_count(void);
const struct settings *settings_at(size_t index);
