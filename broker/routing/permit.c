#include "broker/routing/permit.h"

#include "broker/routing/internal.h"

static size_t sender_in(const struct route *route, const struct policy_system *from) {
    size_t i = 0;
    while (i < route->from_count && route->from[i] != from)
        i++;
    return i;
}

static struct permit permit_of(
    const struct route *route, const struct policy_system *to, const struct policy_agreement *agreement) {
    const struct policy_deliver deliver = policy_deliver_of(to, &route->deliver);
    return (struct permit){.route = route->name,
        .agreement = agreement,
        .retries = deliver.retries,
        .backoff_min_ms = deliver.backoff_min_ms,
        .backoff_max_ms = deliver.backoff_max_ms,
        .expires_us = deliver.expires_us};
}

// Looks through the destinations of one compiled route. `*last` becomes the agreement of one that fits.
static const struct policy_agreement *find_in(const struct route *route, const struct policy_system *from,
    const struct policy_system *to, const struct schema_message *type, int64_t now,
    const struct policy_agreement **last) {
    size_t sender = sender_in(route, from);
    for (size_t i = 0; sender < route->from_count && i < route->destination_count; i++) {
        const struct destination *destination = &route->destinations[i];
        if (destination->to != to || destination->type != type)
            continue;
        *last = destination->agreements[sender];
        if ((*last)->from <= now && now < (*last)->until)
            return *last;
    }
    return NULL;
}

bool routes_permit(const struct routes *routes, struct bytes name, const struct policy_system *from,
    const struct policy_system *to, const struct schema_message *type, int64_t now_us, struct permit *out,
    struct error *why) {
    const struct policy_agreement *last = NULL;
    bool known = false;
    for (size_t i = 0; i < routes->count; i++) {
        const struct route *route = routes->all[i];
        if (!bytes_equal_string(name, route->name))
            continue;
        known = true;
        const struct policy_agreement *agreement = find_in(route, from, to, type, now_us / 1000000, &last);
        if (agreement) {
            *out = permit_of(route, to, agreement);
            return true;
        }
    }
    if (!known)
        error_set(why, 0, "there is no route \"%.*s\" any more", BYTES_ARGS(name));
    else if (last)
        error_set(why, 0, "agreement %s is not in force", last->id);
    else
        error_set(why, 0, "route \"%.*s\" gives no %s of %s to %s today", BYTES_ARGS(name), type->full_name,
            from->address, to->address);
    return false;
}
