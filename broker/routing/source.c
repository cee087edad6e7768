// What a route is about: `on`, its types, and `from`, its senders.
#include "broker/routing/internal.h"

#include <stdlib.h>

static void report_nothing(const struct routes *routes, const struct config_node *scalar, const char *what,
    const char *nearest, const char *end) {
    config_error(scalar, routes->report, "no %s \"%.*s\"%s%s%s%s", what, BYTES_ARGS(scalar->text),
        nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? end : "", nearest ? "\"?" : "");
}

const struct schema_message *routes_type(const struct routes *routes, const struct config_node *scalar) {
    return policy_type_named(routes->policy, scalar, routes->report);
}

const struct policy_system *routes_system(const struct routes *routes, const struct config_node *scalar) {
    const char *name;
    if (!config_string(scalar, &name, routes->report))
        return NULL;
    const struct policy_system *system = policy_system_named(routes->policy, scalar->text);
    if (!system && !policy_may_have_system(routes->policy, scalar->text) &&
        !config_full_width(scalar, routes->report))
        report_nothing(routes, scalar, "system", policy_nearest_system(routes->policy, scalar->text), "");
    return system;
}

// "x.*" or "x/*": what stands before the sign and its separator. False where it is no such pattern.
static bool pattern(const struct config_node *scalar, char separator, struct bytes *out) {
    struct bytes text = scalar->text;
    if (scalar->kind != CONFIG_SCALAR || text.size < 3 || text.data[text.size - 1] != '*' ||
        text.data[text.size - 2] != (uint8_t)separator)
        return false;
    *out = bytes_of(text.data, text.size - 2);
    return true;
}

// ---- Types ----

static void add_type(const struct routes *routes, struct source *source, const struct schema_message *type,
    const struct config_node *at) {
    for (size_t i = 0; i < source->type_count; i++)
        if (source->types[i] == type) {
            config_error(at, routes->report, "%s is in \"on\" already", type->full_name);
            return;
        }
    if (source->type_count == ROUTE_TYPES_LIMIT) // told once: by the first that is too much
        config_error(at, routes->report, "a route is about at most %d types", ROUTE_TYPES_LIMIT);
    if (source->type_count < ROUTE_TYPES_LIMIT)
        source->types[source->type_count++] = type;
}

static bool may_publish(const struct source *source, const struct schema_message *type) {
    for (size_t i = 0; i < source->system_count; i++)
        if (policy_may_publish(source->systems[i], type))
            return true;
    return false;
}

// The package of a type, unless the type lies in another one. The size is 0 without.
static struct bytes package_of(const struct catalogue *catalogue, const struct schema_message *type) {
    const char *dot = strrchr(type->full_name, '.');
    struct bytes package = bytes_of(type->full_name, dot ? (size_t)(dot - type->full_name) : 0);
    return catalogue_message(catalogue, package) ? (struct bytes){0} : package;
}

static void report_no_package(struct routes *routes, const struct config_node *scalar, struct bytes package) {
    const struct catalogue *catalogue = policy_catalogue(routes->policy);
    size_t count = catalogue_message_count(catalogue);
    const char **names = routes_alloc(routes, (count + 1) * sizeof *names);
    size_t n = 0;
    for (size_t i = 0; names && i < count; i++) {
        struct bytes name = package_of(catalogue, catalogue_message_at(catalogue, i));
        if (name.size && !(n && bytes_equal_string(name, names[n - 1])) &&
            (names[n] = routes_keep(routes, arena_string(&routes->arena, name))))
            n++;
    }
    report_nothing(routes, scalar, "package", names ? report_nearest(package, names, n) : NULL, ".*");
}

// The types of a package that one of the senders may publish.
static void add_package(
    struct routes *routes, struct source *source, const struct config_node *scalar, struct bytes package) {
    const struct catalogue *catalogue = policy_catalogue(routes->policy);
    bool known = false;
    size_t before = source->type_count;
    for (size_t i = 0; i < catalogue_message_count(catalogue); i++) {
        const struct schema_message *type = catalogue_message_at(catalogue, i);
        if (!bytes_equal(package_of(catalogue, type), package))
            continue;
        known = true;
        if (may_publish(source, type))
            add_type(routes, source, type, scalar);
    }
    if (!known)
        report_no_package(routes, scalar, package);
    else if (source->type_count == before && source->system_count)
        config_error(
            scalar, routes->report, "no system of \"from\" may publish a type of %.*s", BYTES_ARGS(package));
}

static void load_type(struct routes *routes, struct source *source, const struct config_node *scalar) {
    struct bytes package;
    if (pattern(scalar, '.', &package)) {
        add_package(routes, source, scalar, package);
        return;
    }
    const struct schema_message *type = routes_type(routes, scalar);
    if (!type)
        return;
    add_type(routes, source, type, scalar);
    if (source->system_count == 0 || may_publish(source, type))
        return;
    if (source->system_count > 1)
        config_error(scalar, routes->report, "no system of \"from\" may publish %s", type->full_name);
    else
        config_error(source->from, routes->report,
            "%s may not publish %s: its agency's file doesn't allow it", source->systems[0]->address,
            type->full_name);
}

// ---- Senders ----

static void add_system(const struct routes *routes, struct source *source, const struct policy_system *system,
    const struct config_node *at) {
    for (size_t i = 0; i < source->system_count; i++)
        if (source->systems[i] == system) {
            config_error(at, routes->report, "%s is in \"from\" already", system->address);
            return;
        }
    if (source->system_count == ROUTE_SYSTEMS_LIMIT)
        config_error(at, routes->report, "a route has at most %d senders", ROUTE_SYSTEMS_LIMIT);
    if (source->system_count < ROUTE_SYSTEMS_LIMIT)
        source->systems[source->system_count++] = system;
}

static void report_no_agency(struct routes *routes, const struct config_node *scalar, struct bytes agency) {
    size_t count = policy_system_count(routes->policy);
    const char **names = routes_alloc(routes, (count + 1) * sizeof *names);
    for (size_t i = 0; names && i < count; i++)
        names[i] = policy_system_at(routes->policy, i)->agency;
    report_nothing(routes, scalar, "agency", names ? report_nearest(agency, names, count) : NULL, "/*");
}

static void load_system(struct routes *routes, struct source *source, const struct config_node *scalar) {
    struct bytes agency;
    bool known = false;
    if (!pattern(scalar, '/', &agency)) {
        const struct policy_system *system = routes_system(routes, scalar);
        if (system)
            add_system(routes, source, system, scalar);
        return;
    }
    for (size_t i = 0; i < policy_system_count(routes->policy); i++) {
        const struct policy_system *system = policy_system_at(routes->policy, i);
        if (!bytes_equal_string(agency, system->agency))
            continue;
        known = true;
        add_system(routes, source, system, scalar);
    }
    if (!known && !policy_may_have_system(routes->policy, agency) &&
        !config_full_width(scalar, routes->report))
        report_no_agency(routes, scalar, agency);
}

// One of several that may publish none of the types.
static void check_system(struct routes *routes, struct source *source, const struct config_node *scalar) {
    const struct policy_system *system = policy_system_named(routes->policy, scalar->text);
    if (!system || source->type_count == 0)
        return;
    for (size_t i = 0; i < source->type_count; i++)
        if (policy_may_publish(system, source->types[i]))
            return;
    config_error(scalar, routes->report, "%s may publish none of the types of \"on\"", system->address);
}

// ---- Both ----

// One scalar, or a list of them.
static void each_scalar(struct routes *routes, struct source *source, const struct config_node *node,
    const char *empty, void (*load)(struct routes *, struct source *, const struct config_node *)) {
    if (config_is_null(node))
        return;
    if (node->kind == CONFIG_SEQUENCE && node->count == 0)
        config_error(node, routes->report, "%s", empty);
    else if (node->kind == CONFIG_SEQUENCE)
        for (size_t i = 0; i < node->count; i++)
            load(routes, source, node->values[i]);
    else
        load(routes, source, node);
}

void routes_load_source(struct routes *routes, const struct config_node *route, struct source *out) {
    const struct config_node *on = config_get(route, "on");
    const struct config_node *from = config_get(route, "from");
    *out = (struct source){.from = from};
    each_scalar(routes, out, from, "\"from\" is a system, a list of them, or \"agency/*\"", load_system);
    each_scalar(routes, out, on, "\"on\" is a type, a list of them, or \"package.*\"", load_type);
    if (out->system_count > 1)
        each_scalar(routes, out, from, "", check_system);
}
