// HTTP for the admin on a UNIX socket or loopback: GET /status (JSON), /metrics (Prometheus text), /health,
// /routes/history, /routes/files; POST /reload, /routes/rollback. A thread a connection, which asks by
// message. docs/operations.md
#pragma once

#include "core/base/buffer.h"
#include "core/base/error.h"

struct admin;

struct admin_options {
    const char
        *address; // path of a UNIX socket (made 0600, replaced when nobody listens), or "127.0.0.1:PORT"
    // Both are called in a connection's thread. 0 or negative, then nobody answers.
    // Appends the core's answer (JSON) to `answer`.
    int (*ask)(void *context, const char *request, struct buffer *answer);
    // Has a command done: a JSON object with "command", its arguments, and "who" asked. The answer is an HTTP
    // status of three digits and a JSON object.
    int (*command)(void *context, struct bytes request, struct buffer *answer);
    void *context;
};

int admin_start(
    const struct admin_options *options, struct admin **out, struct error *error); // returns owned
void admin_stop(struct admin **self);

// The status as Prometheus text (exposition format 0.0.4). 0, -EBADMSG, -ENOMEM.
int admin_metrics(struct bytes status_json, struct buffer *out);
