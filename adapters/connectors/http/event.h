// What was posted, whichever way: a CloudEvent in binary or structured mode (CloudEvents 1.0, HTTP binding
// and JSON format), or plain JSON.
#pragma once

#include "adapters/connectors/http/server.h"

#include <stdbool.h>

struct event {
    bool is_event; // a CloudEvent; otherwise only `data` is set, and `id` from the header Idempotency-Key
    struct buffer id;
    struct buffer source;
    struct buffer type;
    struct buffer subject;
    int64_t time_us;    // 0: none
    struct buffer data; // JSON
};

// Reads the request. 0, or the HTTP status of what is wrong (400, 415) with the text, -ENOMEM.
int event_read(const struct server_request *request, struct event *out, struct error *error);
void event_destroy(struct event *event);
