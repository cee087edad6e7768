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

// They stand one behind the other.
static size_t first_of(const struct routes *routes, const struct route *route) {
    size_t i = 0;
    while (i < routes->count && routes->all[i]->node != route->node)
        i++;
    return i;
}

bool routes_first(const struct routes *routes, const struct route *route) {
    return routes->all[first_of(routes, route)] == route;
}

bool routes_any_on(
    const struct routes *routes, const struct route *route, const struct schema_message *type) {
    for (size_t i = first_of(routes, route); i < routes->count && routes->all[i]->node == route->node; i++)
        if (routes->all[i]->topic->type == type)
            return true;
    return false;
}

bool routes_any_takes(const struct routes *routes, const struct route *route,
    const struct schema_message *type, const struct policy_system *system) {
    for (size_t i = first_of(routes, route); i < routes->count && routes->all[i]->node == route->node; i++)
        if (routes->all[i]->topic->type == type && route_takes_from(routes->all[i], system))
            return true;
    return false;
}

int routes_append_on(const struct routes *routes, const struct route *route, struct buffer *out) {
    size_t first = first_of(routes, route);
    int rc = 0;
    for (size_t i = first; rc == 0 && i < routes->count && routes->all[i]->node == route->node; i++)
        rc = buffer_append_format(out, "%s%s", i > first ? ", " : "", routes->all[i]->topic->type->full_name);
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
