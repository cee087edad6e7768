// HTTP for the admin on a UNIX socket or loopback: GET /status (JSON), /metrics (Prometheus text), /health.
// One thread of its own, which asks the core by message. docs/operations.md
#pragma once

#include "core/base/buffer.h"
#include "core/base/error.h"

struct admin;

struct admin_options {
    const char
        *address; // path of a UNIX socket (made 0600, replaced when nobody listens), or "127.0.0.1:PORT"
    // Called in the admin's thread: appends the core's answer (JSON) to `answer`. 0 or negative.
    int (*ask)(void *context, const char *request, struct buffer *answer);
    void *context;
};

int admin_start(
    const struct admin_options *options, struct admin **out, struct error *error); // returns owned
void admin_stop(struct admin **self);

// The status as Prometheus text (exposition format 0.0.4). 0, -EBADMSG, -ENOMEM.
int admin_metrics(struct bytes status_json, struct buffer *out);
