// adapter.yaml: everything but the connector's own part.
#pragma once

#include "adapters/runtime/connector.h"
#include "core/base/log.h"

struct sidecar_config {
    struct config_file *file; // owned; connectors keep nodes of it
    char *base_folder;        // owned, as all texts: the folder of the file
    char *endpoint;
    char *system;
    char *instance;   // NULL: default
    char *key;        // NULL: no CURVE
    char *broker_key; // NULL: no CURVE
    char *catalogue;
    char *codes; // NULL: no code lists
    char *state;
    enum log_level level;
    int32_t zone; // seconds east of UTC
    uint64_t spool_limit;
    int64_t receive;
    uint64_t drain_ns;
    int64_t crash_attempts;
    const struct connector_class *class;
    const struct config_node *node; // the connector's part
    bool takes;
};

// Problems go to the report. 0, -EINVAL, -ENOMEM. `out` is to be destroyed in any case.
int sidecar_config_load(const char *path, struct sidecar_config *out, struct report *report);
void sidecar_config_destroy(struct sidecar_config *config);
