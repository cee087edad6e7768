// The broker as a process: the loop between the socket, the core and the journal.
#pragma once

#include "broker/broker.h"
#include "broker/net/router.h"

struct daemon;

struct daemon_options {
    const struct policy *policy; // borrowed
    const struct routes *routes; // borrowed
    // How the journal is opened; journal_file_open but in tests.
    int (*open_journal)(const struct journal_options *options, const struct journal_owner *owner,
        struct journal **out, struct error *error);
};

// Recovers and listens. 0 or a negative errno with the text. Returns owned.
int daemon_new(const struct daemon_options *options, struct daemon **out, struct error *error);
void daemon_destroy(struct daemon **self);
struct router *daemon_router(struct daemon *daemon);

// Runs until `stop_fd` is readable, then drains within the deadline. 0, or a negative errno with the text.
int daemon_run(struct daemon *daemon, int stop_fd, struct error *error);
