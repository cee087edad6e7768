// routes/*.yaml: files, routes, and what a route has besides its destinations (docs/routes.md).
#include "broker/routing/internal.h"

#include <errno.h>
#include <stdlib.h>

#define SECOND 1000000000ULL
#define DAY (86400 * SECOND)
#define ROUTE_NAME_LIMIT 100
#define DESTINATIONS_LIMIT 1000

static const struct config_key file_keys[] = {{"routes", CONFIG_REQUIRED}, {NULL, CONFIG_OPTIONAL}};

static const struct config_key route_keys[] = {
    {"name", CONFIG_REQUIRED},
    {"on", CONFIG_REQUIRED},
    {"from", CONFIG_REQUIRED},
    {"when", CONFIG_OPTIONAL},
    {"order_by", CONFIG_OPTIONAL},
    {"to", CONFIG_REQUIRED},
    {"deliver", CONFIG_OPTIONAL},
    {NULL, CONFIG_OPTIONAL},
};

static const struct config_key deliver_keys[] = {
    {"retries", CONFIG_OPTIONAL},
    {"backoff", CONFIG_OPTIONAL},
    {"expires", CONFIG_OPTIONAL},
    {NULL, CONFIG_OPTIONAL},
};

void *routes_keep(struct routes *routes, void *value) {
    if (!value)
        routes->no_memory = true;
    return value;
}

// ---- What a route names ----

const struct schema_message *routes_type(const struct routes *routes, const struct config_node *scalar) {
    const char *name;
    if (!config_string(scalar, &name, routes->report))
        return NULL;
    const struct catalogue *catalogue = policy_catalogue(routes->policy);
    const struct schema_message *type = catalogue_message(catalogue, scalar->text);
    if (type)
        return type;
    const char *nearest = catalogue_nearest_message(catalogue, scalar->text);
    config_error(scalar, routes->report, "no type \"%s\" in the catalogue%s%s%s", name,
        nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    return NULL;
}

const struct policy_system *routes_system(const struct routes *routes, const struct config_node *scalar) {
    const char *name;
    if (!config_string(scalar, &name, routes->report))
        return NULL;
    const struct policy_system *system = policy_system_named(routes->policy, scalar->text);
    if (system)
        return system;
    const char *nearest = policy_nearest_system(routes->policy, scalar->text);
    config_error(scalar, routes->report, "no system \"%s\"%s%s%s", name, nearest ? "; did you mean \"" : "",
        nearest ? nearest : "", nearest ? "\"?" : "");
    return NULL;
}

static bool name_valid(struct bytes name) {
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && (!c || !strchr("-_.", c)))
            return false;
    }
    return name.size > 0 && name.size <= ROUTE_NAME_LIMIT;
}

static void load_name(struct routes *routes, struct route *route, const struct config_node *node) {
    const char *name = NULL;
    const struct config_node *scalar = config_get(node, "name");
    route->name = "";
    if (!config_read_string(node, "name", &name, routes->report) || !name)
        return;
    if (!name_valid(scalar->text)) {
        config_error(scalar, routes->report,
            "\"%s\" is no name of a route; use letters, digits, \"-\", \"_\" and \".\", at most %d", name,
            ROUTE_NAME_LIMIT);
        return;
    }
    const struct route *other = map_get(routes->by_name, scalar->text);
    if (other)
        config_error(scalar, routes->report, "there is a route \"%s\" already, at %s:%u", name,
            config_path(other->node->file), config_get(other->node, "name")->mark.line);
    else if (map_put(routes->by_name, scalar->text, route) != 0)
        routes->no_memory = true;
    route->name = name;
}

// ---- Topics ----

// The package of a type: its name up to the last dot. The names inside the type itself resolve anyway.
static int make_env(struct routes *routes, struct topic *topic) {
    char package[512];
    const char *dot = strrchr(topic->type->full_name, '.');
    size_t size = dot ? (size_t)(dot - topic->type->full_name) : 0;
    if (size >= sizeof package)
        size = 0;
    memcpy(package, topic->type->full_name, size);
    package[size] = '\0';
    topic->paths = paths_new(topic->type);
    topic->env =
        cel_env_new(policy_catalogue(routes->policy), policy_codes(routes->policy), size ? package : NULL);
    if (!topic->paths || !topic->env)
        return -ENOMEM;
    return cel_env_declare_message(topic->env, "msg", topic->paths, &topic->variable);
}

static int add_topic(struct routes *routes, struct topic *topic) {
    if (routes->topic_count == routes->topic_capacity) {
        size_t capacity = routes->topic_capacity ? routes->topic_capacity * 2 : 16;
        struct topic **topics = realloc(routes->topics, capacity * sizeof(struct topic *));
        if (!topics)
            return -ENOMEM;
        routes->topics = topics;
        routes->topic_capacity = capacity;
    }
    topic->index = routes->topic_count;
    routes->topics[routes->topic_count++] = topic; // from here on it is freed with the routes
    int rc = make_env(routes, topic);
    return rc ? rc : number_map_put(&routes->by_type, type_key(topic->type), topic);
}

// The topic of a type, made when there is none. NULL without memory (noted).
static struct topic *topic_of(struct routes *routes, const struct schema_message *type) {
    struct topic *topic = number_map_get(&routes->by_type, type_key(type));
    if (topic)
        return topic;
    topic = routes_keep(routes, arena_alloc(&routes->arena, sizeof *topic));
    if (!topic)
        return NULL;
    topic->type = type;
    if (add_topic(routes, topic) == 0)
        return topic;
    routes->no_memory = true;
    return NULL;
}

// Behind the others of its sender, so that routes apply in the order in which they were read.
static void file_under_sender(struct routes *routes, struct route *route) {
    struct number_map *senders = &route->topic->senders;
    uint64_t key = route->from->index;
    size_t matches = route->destination_count;
    struct route *last = number_map_get(senders, key);
    if (!last && number_map_put(senders, key, route) != 0)
        routes->no_memory = true;
    for (; last; last = last->next) {
        matches += last->destination_count;
        if (!last->next) {
            last->next = route;
            break;
        }
    }
    if (matches > routes->most_matches)
        routes->most_matches = matches;
}

// ---- Routes ----

static void load_deliver(const struct routes *routes, struct route *route, const struct config_node *node) {
    int64_t retries = 10;
    uint64_t low = 1 * SECOND;
    uint64_t high = 600 * SECOND;
    uint64_t expires = 7 * DAY;
    if (!config_is_null(node) && config_expect_mapping(node, "\"deliver\"", deliver_keys, routes->report)) {
        config_read_int(node, "retries", 0, 1000000, &retries, routes->report);
        config_read_duration_range(node, "backoff", &low, &high, routes->report);
        config_read_duration(node, "expires", 0, 3650 * DAY, &expires, routes->report);
        if (low < SECOND / 1000 || high > 7 * DAY)
            config_error(config_get(node, "backoff"), routes->report, "\"backoff\" is from 1ms to 7d");
    }
    route->retries = (uint32_t)retries;
    route->backoff_min_ms = (uint32_t)(low / 1000000);
    route->backoff_max_ms = (uint32_t)(high / 1000000);
    route->expires_us = (int64_t)(expires / 1000);
}

static struct cel_program *load_expression(
    const struct routes *routes, const struct route *route, const char *key, enum cel_kind want) {
    const struct config_node *node = config_get(route->node, key);
    if (config_is_null(node))
        return NULL;
    if (node->kind == CONFIG_SCALAR)
        return mapping_expression(node, route->topic->env, want, routes->report);
    config_error(node, routes->report, "\"%s\" is an expression", key);
    return NULL;
}

static void load_order(const struct routes *routes, struct route *route) {
    route->order_by = load_expression(routes, route, "order_by", CEL_DYN);
    if (!route->order_by)
        return;
    const struct cel_type *type = cel_program_type(route->order_by);
    if (type->kind == CEL_STRING || type->kind == CEL_INT || type->kind == CEL_UINT)
        return;
    char name[256];
    config_error(config_get(route->node, "order_by"), routes->report,
        "\"order_by\" is a string or a whole number, not %s; messages of the same value stay in order",
        cel_type_name(type, name, sizeof name));
}

// 0 when type and sender are there, so that the rest can be checked.
static bool load_source(struct routes *routes, struct route *route, const struct config_node *node) {
    const struct config_node *on = config_get(node, "on");
    const struct config_node *from = config_get(node, "from");
    const struct schema_message *type = config_is_null(on) ? NULL : routes_type(routes, on);
    route->from = config_is_null(from) ? NULL : routes_system(routes, from);
    if (type && route->from && !policy_may_publish(route->from, type))
        config_error(from, routes->report, "%s may not publish %s: its agency's file doesn't allow it",
            route->from->address, type->full_name);
    route->topic = type ? topic_of(routes, type) : NULL;
    return route->topic != NULL;
}

static int add_route(struct routes *routes, struct route *route) {
    if (routes->count == routes->capacity) {
        size_t capacity = routes->capacity ? routes->capacity * 2 : 16;
        struct route **all = realloc(routes->all, capacity * sizeof(struct route *));
        if (!all)
            return -ENOMEM;
        routes->all = all;
        routes->capacity = capacity;
    }
    routes->all[routes->count++] = route;
    return 0;
}

static void load_route(struct routes *routes, const struct config_node *node) {
    if (!config_expect_mapping(node, "a route", route_keys, routes->report))
        return;
    struct route *route = routes_keep(routes, arena_alloc(&routes->arena, sizeof *route));
    if (!route)
        return;
    route->node = node;
    if (add_route(routes, route) != 0) {
        routes->no_memory = true;
        return;
    }
    load_name(routes, route, node);
    load_deliver(routes, route, config_get(node, "deliver"));
    if (!load_source(routes, route, node))
        return;
    route->when = load_expression(routes, route, "when", CEL_BOOL);
    load_order(routes, route);
    const struct config_node *to = config_get(node, "to");
    if (config_is_null(to) || !config_expect_sequence(to, "\"to\"", routes->report))
        return;
    if (to->count == 0 || to->count > DESTINATIONS_LIMIT)
        config_error(to, routes->report, "a route has 1 to %d destinations", DESTINATIONS_LIMIT);
    else
        routes_load_destinations(routes, route, to);
    if (route->from)
        file_under_sender(routes, route);
}

void routes_load_file(struct routes *routes, const struct config_file *file) {
    const struct config_node *root = config_root(file);
    if (!root) // a file whose routes were all commented out
        return;
    if (!config_expect_mapping(root, "a file of routes", file_keys, routes->report))
        return;
    const struct config_node *list = config_get(root, "routes");
    if (config_is_null(list) || !config_expect_sequence(list, "\"routes\"", routes->report))
        return;
    for (size_t i = 0; i < list->count; i++)
        load_route(routes, list->values[i]);
}
