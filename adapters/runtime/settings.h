// Texts of adapter.yaml. `${NAME}` stands for an environment variable, which must be set; `${NAME:-text}` for
// it or, when it is not set or empty, the text; `$$` for a dollar sign. Used by the sidecar and by the
// connectors for what differs from place to place: connection strings, addresses, folders. A text that comes
// out empty counts as absent.
#pragma once

#include "adapters/runtime/connector.h"

// mapping[key] expanded, into `*out` (owned; NULL stays when absent). False when reported.
bool settings_text(const struct config_node *mapping, const char *key, char **out, struct report *report);
// As settings_text, for a path: a relative one starts at `base_folder` (that of adapter.yaml).
bool settings_path(const struct config_node *mapping, const char *key, const char *base_folder, char **out,
    struct report *report);
// A secret: from a file (`<key>_file`, its first line) or an environment variable (`<key>_env`); never in the
// YAML itself, never logged. Read at each open, so that it may change. `out` stays empty when neither is
// said. 0, negative with the text.
int settings_secret(const struct config_node *mapping, const char *key, const char *base_folder,
    struct buffer *out, struct error *error);
