// routes/*.yaml: files, routes, and what a route has besides its source and destinations (docs/routes.md).
#include "broker/routing/internal.h"

#include <errno.h>
#include <stdlib.h>

#define SECOND 1000000000ULL
#define DAY (86400 * SECOND)
#define DESTINATIONS_LIMIT 1000

static const struct config_key file_keys[] = {{"routes", CONFIG_REQUIRED}, {NULL, CONFIG_OPTIONAL}};

static const struct config_key route_keys[] = {
    {"name", CONFIG_REQUIRED},
    {"on", CONFIG_REQUIRED},
    {"from", CONFIG_REQUIRED},
    {"when", CONFIG_OPTIONAL},
    {"split", CONFIG_OPTIONAL},
    {"order_by", CONFIG_OPTIONAL},
    {"to", CONFIG_REQUIRED},
    {"deliver", CONFIG_OPTIONAL},
    {NULL, CONFIG_OPTIONAL},
};

void *routes_keep(struct routes *routes, void *value) {
    if (!value)
        routes->no_memory = true;
    return value;
}

void *routes_alloc(struct routes *routes, size_t size) {
    return routes_keep(routes, arena_alloc(&routes->arena, size));
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

// Takes the name for the route, until it is compiled.
static void load_name(struct routes *routes, struct route *route) {
    const char *name = NULL;
    const struct config_node *scalar = config_get(route->node, "name");
    route->name = "";
    if (!config_read_string(route->node, "name", &name, routes->report) || !name)
        return;
    char meant[ROUTE_NAME_LIMIT + 1];
    if (!name_valid(scalar->text) && config_full_width(scalar, routes->report))
        return;
    if (!name_valid(scalar->text) && config_name_meant(scalar->text, '-', false, meant, sizeof meant)) {
        config_error(scalar, routes->report,
            "\"%s\" is no name of a route, which has letters, digits, \"-\", \"_\" and \".\"; did you mean "
            "\"%s\"?",
            name, meant);
        return;
    }
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

// ---- Routes ----

// The env of what is asked of each element, or of the whole message where it isn't split.
static const struct cel_env *inner_env(const struct route *route) {
    return route->elements ? route->elements : route->topic->env;
}

static struct cel_program *load_expression(const struct routes *routes, const struct route *route,
    const char *key, const struct cel_env *env, enum cel_kind want) {
    const struct config_node *node = config_get(route->node, key);
    if (config_is_null(node))
        return NULL;
    if (node->kind == CONFIG_SCALAR)
        return mapping_expression(node, env, want, routes->report);
    config_error(node, routes->report, "\"%s\" is an expression", key);
    return NULL;
}

static void load_order(const struct routes *routes, struct route *route) {
    route->order_by = load_expression(routes, route, "order_by", inner_env(route), CEL_DYN);
    if (!route->order_by)
        return;
    const struct cel_type *type = cel_program_type(route->order_by);
    if (type->kind == CEL_STRING || type->kind == CEL_INT || type->kind == CEL_UINT)
        return;
    char name[256];
    config_error_whole(config_get(route->node, "order_by"), routes->report,
        "\"order_by\" is a string or a whole number, not %s; messages of the same value stay in order",
        cel_type_name(type, name, sizeof name));
}

static const struct cel_type any = {.kind = CEL_DYN};

// The variables of an element: what the list holds, and its place in it.
static int declare_element(struct route *route, const struct cel_type *list) {
    route->elements = cel_env_new_inside(route->topic->env);
    if (!route->elements)
        return -ENOMEM;
    const struct cel_type *element = list->kind == CEL_LIST && list->element ? list->element : &any;
    int rc = cel_env_declare_typed(route->elements, "item", element, &route->item);
    rc = rc ? rc : cel_env_declare(route->elements, "index", CEL_INT, &route->index);
    if (rc == 0 && route->topic->variables < cel_env_count(route->elements))
        route->topic->variables = cel_env_count(route->elements);
    return rc;
}

static void load_split(struct routes *routes, struct route *route) {
    const struct config_node *node = config_get(route->node, "split");
    route->split = load_expression(routes, route, "split", route->topic->env, CEL_DYN);
    if (config_is_null(node))
        return;
    // Of a wrong list nothing is known, but what speaks of its elements is not wrong too.
    const struct cel_type *type = route->split ? cel_program_type(route->split) : &any;
    char name[256];
    if (type->kind != CEL_LIST && type->kind != CEL_DYN)
        config_error_whole(node, routes->report,
            "\"split\" is a list, whose elements become messages of their own; this is %s",
            cel_type_name(type, name, sizeof name));
    if (declare_element(route, type) != 0)
        routes->no_memory = true;
}

static int add_route(struct routes *routes, struct route *route) {
    int rc = routes_grow(&routes->all, routes->count, &routes->capacity);
    if (rc == 0)
        routes->all[routes->count++] = route;
    return rc;
}

// ---- A route for each of its types ----

static void find_senders(struct routes *routes, struct route *route, const struct source *source) {
    route->from = routes_alloc(routes, (source->system_count + 1) * sizeof(struct policy_system *));
    // A single one that lacks the right was reported; the rest of the route is checked as if it had it.
    for (size_t i = 0; route->from && i < source->system_count; i++)
        if (source->system_count == 1 || policy_may_publish(source->systems[i], route->topic->type))
            route->from[route->from_count++] = source->systems[i];
}

// The list of destinations, or NULL (reported).
static const struct config_node *find_destinations(
    const struct routes *routes, const struct config_node *node) {
    const struct config_node *to = config_get(node, "to");
    if (config_is_null(to) || !config_expect_sequence(to, "\"to\"", routes->report))
        return NULL;
    if (to->count > 0 && to->count <= DESTINATIONS_LIMIT)
        return to;
    config_error(to, routes->report, "a route has 1 to %d destinations", DESTINATIONS_LIMIT);
    return NULL;
}

static void load_expressions(struct routes *routes, struct route *route) {
    route->when = load_expression(routes, route, "when", route->topic->env, CEL_BOOL);
    load_split(routes, route);
    if (route->split && !route->elements)
        return;
    load_order(routes, route);
    const struct config_node *to = find_destinations(routes, route->node);
    if (to)
        routes_load_destinations(routes, route, to);
    routes_list(routes, route);
}

// `model` holds what all types share.
static void compile(struct routes *routes, const struct route *model, const struct source *source,
    const struct schema_message *type) {
    struct route *route = routes_alloc(routes, sizeof *route);
    if (!route)
        return;
    *route = *model;
    route->topic = routes_topic(routes, type);
    if (!route->topic)
        return;
    find_senders(routes, route, source);
    if (add_route(routes, route) != 0) {
        routes->no_memory = true;
        return;
    }
    if (map_get(routes->by_name, bytes_of_string(route->name)) == model &&
        map_put(routes->by_name, bytes_of_string(route->name), route) != 0)
        routes->no_memory = true;
    load_expressions(routes, route);
}

// Each type is tried with a report of its own, so that what is wrong with all is told once.
static void compile_each(struct routes *routes, const struct route *model, const struct source *source) {
    struct report *all = routes->report;
    struct report *tries[ROUTE_TYPES_LIMIT] = {0};
    const char *names[ROUTE_TYPES_LIMIT] = {0};
    size_t count = 0;
    for (; count < source->type_count; count++) {
        names[count] = source->types[count]->full_name;
        routes->report = tries[count] = routes_keep(routes, report_new(0));
        if (!tries[count])
            break;
        compile(routes, model, source, source->types[count]);
    }
    routes->report = all;
    report_merge(all, (const struct report *const *)tries, names, count);
    for (size_t i = 0; i < count; i++)
        report_destroy(&tries[i]);
}

// Of a route whose types are wrong, what doesn't depend on them.
static void check_untyped(struct routes *routes, const struct config_node *node) {
    const struct config_node *to = find_destinations(routes, node);
    if (to)
        routes_check_destinations(routes, to);
}

static void load_route(struct routes *routes, const struct config_node *node) {
    if (!config_expect_mapping(node, "a route", route_keys, routes->report))
        return;
    struct route *model = routes_alloc(routes, sizeof *model);
    struct source *source = model ? routes_keep(routes, malloc(sizeof *source)) : NULL;
    if (!source)
        return;
    model->node = node;
    load_name(routes, model);
    model->deliver = policy_deliver_default;
    policy_read_deliver(config_get(node, "deliver"), &model->deliver, routes->report);
    routes_load_source(routes, node, source);
    routes->file_count++;
    if (source->type_count == 1)
        compile(routes, model, source, source->types[0]);
    else if (source->type_count > 1)
        compile_each(routes, model, source);
    else
        check_untyped(routes, node);
    free(source);
}

void routes_load_file(struct routes *routes, const struct config_file *file) {
    const struct config_node *root = config_root(file);
    // Its routes may all be commented out; but no bytes at all is what an editor leaves for a moment while it
    // saves, and messages without a route are gone.
    if (!root && config_source(file).size == 0)
        report_add(routes->report, REPORT_ERROR, config_path(file), (struct bytes){0}, (struct mark){0}, 0,
            "the file is empty; a file without routes says \"routes: []\"");
    if (!root)
        return;
    if (!config_expect_mapping(root, "a file of routes", file_keys, routes->report))
        return;
    const struct config_node *list = config_get(root, "routes");
    if (config_is_null(list) || !config_expect_sequence(list, "\"routes\"", routes->report))
        return;
    for (size_t i = 0; i < list->count; i++)
        load_route(routes, list->values[i]);
}
