// Where a route leads, in which form, and whether its agreement allows it.
#include "broker/routing/internal.h"

#include <stdio.h>
#include <time.h>

static const struct config_key destination_keys[] = {
    {"system", CONFIG_REQUIRED},
    {"agreement", CONFIG_REQUIRED},
    {"as", CONFIG_OPTIONAL},
    {"map", CONFIG_OPTIONAL},
    {NULL, CONFIG_OPTIONAL},
};

static const char *date_of(int64_t seconds, char out[16]) {
    time_t time = (time_t)seconds;
    struct tm tm = {0};
    if (!gmtime_r(&time, &tm) || strftime(out, 16, "%Y-%m-%d", &tm) == 0)
        out[0] = '\0';
    return out;
}

// ---- Who, what and when ----

static bool provides(const struct policy_agreement *agreement, const struct policy_system *from) {
    return !agreement->provider || strcmp(agreement->provider, from->address) == 0 ||
           strcmp(agreement->provider, from->agency) == 0;
}

static bool is_about(const struct policy_agreement *agreement, const struct schema_message *type) {
    return !type || !agreement->type || strcmp(agreement->type, type->full_name) == 0;
}

static void check_provider(const struct routes *routes, const struct policy_system *from,
    const struct policy_agreement *agreement, const struct config_node *node) {
    if (!provides(agreement, from))
        config_error(node, routes->report, "agreement %s is about what %s provides, not %s", agreement->id,
            agreement->provider, from->address);
}

static void check_type(const struct routes *routes, const struct destination *destination,
    const struct policy_agreement *agreement, const struct config_node *node) {
    if (destination->type && !is_about(agreement, destination->type))
        config_error(node, routes->report, "agreement %s is about %s, not %s", agreement->id, agreement->type,
            destination->type->full_name);
}

static void check_receiver(const struct routes *routes, const struct destination *destination,
    const struct policy_agreement *agreement, const struct config_node *node) {
    if (destination->to && agreement->receiver && strcmp(agreement->receiver, destination->to->address) != 0)
        config_error(node, routes->report, "agreement %s lets %s receive, not %s", agreement->id,
            agreement->receiver, destination->to->address);
}

static void check_term(
    const struct routes *routes, const struct policy_agreement *agreement, const struct config_node *node) {
    char date[16];
    if (agreement->until <= routes->now)
        config_error(node, routes->report, "agreement %s has ended: its last day was %s", agreement->id,
            date_of(agreement->until - 1, date));
    else if (agreement->from > routes->now)
        config_warning(node, routes->report,
            "agreement %s begins on %s; what is routed before becomes a dead letter", agreement->id,
            date_of(agreement->from, date));
}

static const struct policy_agreement *find_agreement(
    const struct routes *routes, const struct config_node *node) {
    const char *id;
    if (config_is_null(node) || !config_string(node, &id, routes->report))
        return NULL;
    const struct policy_agreement *agreement = policy_agreement(routes->policy, node->text);
    if (agreement || policy_may_have_agreement(routes->policy) || config_full_width(node, routes->report))
        return agreement;
    const char *nearest = policy_nearest_agreement(routes->policy, node->text);
    config_error(node, routes->report, "no agreement \"%s\"%s%s%s", id, nearest ? "; did you mean \"" : "",
        nearest ? nearest : "", nearest ? "\"?" : "");
    return NULL;
}

// ---- Which agreement: one, or of a list the one that fits the type and the sender ----

static void load_single(struct routes *routes, const struct route *route,
    const struct destination *destination, const struct config_node *node) {
    const struct policy_agreement *agreement = find_agreement(routes, node);
    if (!agreement)
        return;
    check_receiver(routes, destination, agreement, node);
    check_type(routes, destination, agreement, node);
    check_term(routes, agreement, node);
    for (size_t i = 0; i < route->from_count; i++) {
        check_provider(routes, route->from[i], agreement, node);
        destination->agreements[i] = agreement;
    }
}

static void load_one_of(struct routes *routes, const struct route *route,
    const struct destination *destination, const struct config_node *node) {
    const struct policy_agreement *agreement = find_agreement(routes, node);
    if (!agreement || !destination->type || !is_about(agreement, destination->type))
        return;
    check_receiver(routes, destination, agreement, node);
    check_term(routes, agreement, node);
    for (size_t i = 0; i < route->from_count; i++) {
        const struct policy_agreement *other = destination->agreements[i];
        if (!provides(agreement, route->from[i]))
            continue;
        if (other)
            config_error(node, routes->report, "agreements %s and %s are both about %s from %s", other->id,
                agreement->id, destination->type->full_name, route->from[i]->address);
        destination->agreements[i] = agreement;
    }
}

static void load_agreements(struct routes *routes, const struct route *route, struct destination *destination,
    const struct config_node *node) {
    destination->agreements =
        routes_alloc(routes, (route->from_count + 1) * sizeof(struct policy_agreement *));
    if (!destination->agreements || config_is_null(node))
        return;
    if (node->kind != CONFIG_SEQUENCE) {
        load_single(routes, route, destination, node);
        return;
    }
    size_t errors = report_errors(routes->report);
    for (size_t i = 0; i < node->count; i++)
        load_one_of(routes, route, destination, node->values[i]);
    bool fine = errors == report_errors(routes->report) && destination->type;
    for (size_t i = 0; fine && i < route->from_count; i++)
        if (!destination->agreements[i])
            config_error(node, routes->report, "none of these agreements is about %s from %s",
                destination->type->full_name, route->from[i]->address);
}

// ---- Which fields ----

struct coverage {
    const struct routes *routes;
    const struct destination *destination;
    const struct policy_agreement *agreement;
};

static void check_field(void *context, const char *path, const struct config_node *at) {
    const struct coverage *coverage = context;
    const struct policy_agreement *agreement = coverage->agreement;
    char missing[POLICY_PATH_SIZE];
    if (policy_covers(agreement, coverage->destination->type, path, missing))
        return;
    config_error(at, coverage->routes->report,
        "agreement %s doesn't list \"%s\" (%s:%u); remove it here, or have the agreement changed",
        agreement->id, missing, config_path(agreement->node->file), agreement->node->mark.line);
}

static void check_fields(const struct routes *routes, const struct destination *destination,
    const struct policy_agreement *agreement) {
    struct coverage coverage = {.routes = routes, .destination = destination, .agreement = agreement};
    char missing[POLICY_PATH_SIZE];
    if (!agreement->type || !is_about(agreement, destination->type))
        return; // said already; its fields are another type's
    if (destination->mapping)
        mapping_each_field(destination->mapping, check_field, &coverage);
    else if (!config_get(destination->node, "map") &&
             !policy_covers(agreement, destination->type, "", missing))
        config_error(config_get(destination->node, "agreement"), routes->report,
            "without \"map\" the whole message goes out, and agreement %s doesn't list \"%s\"; add \"as\" "
            "and \"map\"",
            agreement->id, missing);
}

// Each agreement once, though several senders may have it.
static void check_coverage(
    const struct routes *routes, const struct route *route, const struct destination *destination) {
    for (size_t i = 0; destination->type && i < route->from_count; i++) {
        const struct policy_agreement *agreement = destination->agreements[i];
        bool seen = false;
        for (size_t j = 0; j < i && !seen; j++)
            seen = destination->agreements[j] == agreement;
        if (agreement && !seen)
            check_fields(routes, destination, agreement);
    }
}

// ---- In which form ----

static void load_form(struct routes *routes, const struct route *route, struct destination *destination) {
    const struct config_node *as = config_get(destination->node, "as");
    const struct config_node *map = config_get(destination->node, "map");
    destination->type = route->topic->type;
    if (!config_is_null(as))
        destination->type = routes_type(routes, as);
    if (config_is_null(map)) {
        if (map)
            config_error(map, routes->report, "\"map\" has no value");
        else if (route->split)
            config_error(destination->node, routes->report,
                "a destination of a route with \"split\" needs \"as\" and \"map\": what it gets of each "
                "element");
        else if (destination->type && destination->type != route->topic->type)
            config_error(as, routes->report,
                "\"as\" names another type: add \"map\", which says how its fields are filled");
        if (map || destination->type != route->topic->type)
            destination->type = NULL;
        return;
    }
    if (config_is_null(as)) {
        config_error(map, routes->report, "\"map\" needs \"as\": the type whose fields it fills");
        destination->type = NULL;
    } else if (destination->type) {
        const struct cel_env *env = route->elements ? route->elements : route->topic->env;
        destination->mapping = mapping_load_partial(map, destination->type, env, routes->report);
    }
}

static void check_repeated(const struct routes *routes, const struct route *route, size_t count) {
    const struct destination *last = &route->destinations[count];
    for (size_t i = 0; i < count && last->to; i++)
        if (route->destinations[i].to == last->to && route->destinations[i].type == last->type)
            config_error(config_get(last->node, "system"), routes->report,
                "%s is a destination of this route already, with the same type", last->to->address);
}

static void load_destination(struct routes *routes, const struct route *route,
    struct destination *destination, const struct config_node *node) {
    const struct config_node *system = config_get(node, "system");
    destination->node = node;
    destination->to = config_is_null(system) ? NULL : routes_system(routes, system);
    load_form(routes, route, destination);
    load_agreements(routes, route, destination, config_get(node, "agreement"));
    if (destination->agreements)
        check_coverage(routes, route, destination);
}

void routes_load_destinations(struct routes *routes, struct route *route, const struct config_node *list) {
    route->destinations = routes_alloc(routes, list->count * sizeof *route->destinations);
    if (!route->destinations)
        return;
    for (size_t i = 0; i < list->count; i++) {
        if (!config_expect_mapping(list->values[i], "a destination", destination_keys, routes->report))
            continue;
        load_destination(routes, route, &route->destinations[route->destination_count], list->values[i]);
        check_repeated(routes, route, route->destination_count++);
    }
}

void routes_check_destinations(struct routes *routes, const struct config_node *list) {
    static const struct route unknown;
    for (size_t i = 0; i < list->count; i++) {
        const struct config_node *node = list->values[i];
        if (!config_expect_mapping(node, "a destination", destination_keys, routes->report))
            continue;
        const struct config_node *system = config_get(node, "system");
        const struct config_node *as = config_get(node, "as");
        struct destination destination = {.node = node};
        destination.to = config_is_null(system) ? NULL : routes_system(routes, system);
        destination.type = config_is_null(as) ? NULL : routes_type(routes, as);
        load_agreements(routes, &unknown, &destination, config_get(node, "agreement"));
    }
}
