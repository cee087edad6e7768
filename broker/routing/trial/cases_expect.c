// What a case expects: one delivery or dead letter a time.
#include "broker/routing/trial/cases_internal.h"

#include <errno.h>

static const struct config_key expectation_keys[] = {{"to", CONFIG_REQUIRED}, {"as", CONFIG_OPTIONAL},
    {"message", CONFIG_OPTIONAL}, {"has", CONFIG_OPTIONAL}, {"route", CONFIG_OPTIONAL},
    {"agreement", CONFIG_OPTIONAL}, {"order_by", CONFIG_OPTIONAL}, {"dead", CONFIG_OPTIONAL},
    {"text", CONFIG_OPTIONAL}, {"item", CONFIG_OPTIONAL}, {NULL, CONFIG_OPTIONAL}};

static const char *const reasons[] = {"UNMAPPED", "FILTER", "NOT_ALLOWED", "TOO_LARGE", NULL};

bool case_takes(const struct route *route, const struct test_case *item) {
    return route_type(route) == item->type && route_takes_from(route, item->from);
}

// The type that the routes of the message deliver to a system, where there is only one.
static const struct schema_message *only_type(
    const struct cases *cases, const struct test_case *item, const struct policy_system *to, bool *several) {
    const struct schema_message *found = NULL;
    const struct route *route;
    *several = false;
    for (size_t i = 0; (route = routes_at(cases->routes, i)); i++) {
        for (size_t k = 0; case_takes(route, item) && k < route_destination_count(route); k++) {
            struct route_destination destination = route_destination(route, k);
            if (destination.to != to)
                continue;
            *several = *several || (found && found != destination.type);
            found = destination.type;
        }
    }
    return *several ? NULL : found;
}

static void load_type(struct cases *cases, const struct test_case *item, struct expectation *out) {
    const struct config_node *as = config_get(out->node, "as");
    bool several;
    if (!config_is_null(as)) {
        out->type = case_type(cases, as);
        return;
    }
    out->type = only_type(cases, item, out->to, &several);
    const struct config_node *fields = out->message ? out->message : out->has;
    if (!item->type || !item->from)
        return; // said already
    if (fields && several)
        config_error(fields, cases->report, "%s may receive several types; say with \"as\" which one this is",
            out->to->address);
    else if (fields && !out->type)
        config_error(config_get(out->node, "to"), cases->report, "no route of %s from %s leads to %s",
            item->type->full_name, item->from->address, out->to->address);
}

static void load_fields(struct cases *cases, struct expectation *out) {
    const struct config_node *node = out->message ? out->message : out->has;
    struct buffer wire = {0};
    if (node->kind != CONFIG_MAPPING) {
        config_error(node, cases->report, "this is a mapping of fields of %s", out->type->full_name);
        return;
    }
    json_t *fields = fields_read(node, out->type, cases->report);
    int rc = fields ? fields_write(fields, out->type, &node, 1, cases->report, &wire) : 1;
    if (rc == 0 && !(out->fields = fields_parse(out->type, buffer_bytes(&wire), out->has != NULL, NULL)))
        rc = -ENOMEM;
    if (rc == -ENOMEM)
        cases->no_memory = true;
    json_decref(fields);
    buffer_destroy(&wire);
}

// A scalar of the entry, or NULL.
static const struct config_node *scalar_of(
    struct cases *cases, const struct config_node *entry, const char *key) {
    const char *text;
    const struct config_node *node = config_get(entry, key);
    return !config_is_null(node) && config_string(node, &text, cases->report) ? node : NULL;
}

static const struct config_node *given(const struct config_node *entry, const char *key) {
    const struct config_node *node = config_get(entry, key);
    return config_is_null(node) ? NULL : node;
}

static void check_dead(struct cases *cases, const struct expectation *out) {
    static const char *const delivered[] = {"as", "message", "has", "order_by"};
    size_t reason;
    config_read_choice(out->node, "dead", reasons, &reason, cases->report);
    for (size_t i = 0; out->dead && i < sizeof delivered / sizeof *delivered; i++)
        if (given(out->node, delivered[i]))
            config_error(given(out->node, delivered[i]), cases->report,
                "a dead letter has no \"%s\": it holds the message as it came", delivered[i]);
    if (out->text && !out->dead)
        config_error(out->text, cases->report, "\"text\" is about dead letters; add \"dead\"");
}

static void check_route(struct cases *cases, const struct expectation *out) {
    if (!out->route || routes_named(cases->routes, out->route->text))
        return;
    const char *nearest = routes_nearest(cases->routes, out->route->text);
    config_error(out->route, cases->report, "no route \"%.*s\"%s%s%s", BYTES_ARGS(out->route->text),
        nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
}

void expectation_load(struct cases *cases, const struct test_case *item, const struct config_node *node,
    struct expectation *out) {
    *out = (struct expectation){.node = node};
    if (!config_expect_mapping(node, "a delivery", expectation_keys, cases->report))
        return;
    out->to = case_system(cases, config_get(node, "to"));
    out->message = given(node, "message");
    out->has = given(node, "has");
    out->route = scalar_of(cases, node, "route");
    out->agreement = scalar_of(cases, node, "agreement");
    out->order_by = scalar_of(cases, node, "order_by");
    out->dead = scalar_of(cases, node, "dead");
    out->text = scalar_of(cases, node, "text");
    if (config_read_int(node, "item", 0, ROUTE_ELEMENTS_LIMIT - 1, &out->item_number, cases->report))
        out->item = given(node, "item");
    check_dead(cases, out);
    check_route(cases, out);
    if (out->message && out->has)
        config_error(out->has, cases->report, "\"message\" says all of it already; use one of both");
    if (!out->to || out->dead)
        return;
    load_type(cases, item, out);
    if (out->type && (out->message || out->has))
        load_fields(cases, out);
}
