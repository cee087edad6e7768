// The file connector's own parts, between reading its YAML (file_config.c) and running (file.c).
#pragma once

#include "adapters/connectors/file/dropbox.h"
#include "adapters/connectors/file/outfile.h"

struct connector {
    const struct connector_host *host;
    struct dropbox **dropboxes; // owned
    size_t dropbox_count;
    struct take_rules *take;   // NULL: no rules
    struct outfile **outfiles; // owned, one a rule
    size_t outfile_count;
    uint64_t poll_ns;
    int notify; // inotify; -1: not open
    int alarm;  // a timer, for rows that wait to become a file; -1: not open
    int events; // epoll over both; -1: not open
};

struct connector *file_configure(
    const struct config_node *node, const struct connector_host *host, struct report *report);
void file_destroy(struct connector **self);
