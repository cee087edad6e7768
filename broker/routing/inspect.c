#include "broker/routing/inspect.h"

#include "broker/routing/internal.h"

const struct route *routes_at(const struct routes *routes, size_t i) {
    return i < routes->count ? routes->all[i] : NULL;
}

const struct route *routes_named(const struct routes *routes, struct bytes name) {
    return map_get(routes->by_name, name);
}

const char *routes_nearest(const struct routes *routes, struct bytes name) {
    const char *best = NULL;
    for (size_t i = 0; i < routes->count; i++) {
        const char *pair[] = {best, routes->all[i]->name};
        const char *nearer = report_nearest(name, best ? pair : pair + 1, best ? 2 : 1);
        best = nearer ? nearer : best;
    }
    return best;
}

const struct policy *routes_policy(const struct routes *routes) {
    return routes->policy;
}

const char *route_name(const struct route *route) {
    return route->name;
}

const struct config_node *route_node(const struct route *route) {
    return route->node;
}

const struct schema_message *route_type(const struct route *route) {
    return route->topic->type;
}

size_t route_from_count(const struct route *route) {
    return route->from_count;
}

const struct policy_system *route_from(const struct route *route, size_t i) {
    return route->from[i];
}

bool route_takes_from(const struct route *route, const struct policy_system *system) {
    for (size_t i = 0; i < route->from_count; i++)
        if (route->from[i] == system)
            return true;
    return false;
}

int route_append_from(const struct route *route, struct buffer *out) {
    int rc = 0;
    for (size_t i = 0; i < route->from_count && rc == 0; i++)
        rc = buffer_append_format(out, "%s%s", i ? ", " : "", route->from[i]->address);
    return rc;
}

const struct cel_env *route_env(const struct route *route) {
    return route->topic->env;
}

const struct cel_env *route_element_env(const struct route *route) {
    return route->elements ? route->elements : route->topic->env;
}

size_t route_destination_count(const struct route *route) {
    return route->destination_count;
}

struct route_destination route_destination(const struct route *route, size_t i) {
    const struct destination *destination = &route->destinations[i];
    return (struct route_destination){.node = destination->node,
        .to = destination->to,
        .agreement = destination->agreements[0],
        .type = destination->type,
        .mapped = destination->mapping != NULL};
}
