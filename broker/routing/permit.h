// Whether a delivery that was made once may still be made: by today's routes and agreements.
#pragma once

#include "broker/routing/routing.h"

struct permit {
    const char *route; // its name; lives as long as the routes
    const struct policy_agreement *agreement;
    uint32_t retries;
    uint32_t backoff_min_ms;
    uint32_t backoff_max_ms;
    int64_t expires_us; // from now; 0: never
};

// Whether the route of this name gives what it makes as `type` of messages from `from` to `to`, under an
// agreement that is in force at `now_us`. If not, why.
bool routes_permit(const struct routes *routes, struct bytes name, const struct policy_system *from,
    const struct policy_system *to, const struct schema_message *type, int64_t now_us, struct permit *out,
    struct error *why);
