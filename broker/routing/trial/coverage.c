// What the cases have seen of the routes.
#include "broker/routing/trial/cases.h"
#include "core/base/map.h"
#include "core/schema/arena.h"

#include <stdio.h>
#include <stdlib.h>

// A route of the files, whatever the types that it is compiled for.
struct covered {
    const struct config_node *node;
    const struct config_node *when; // or NULL
    const struct route *route;      // one of its types
    bool taken;
    bool left;
    bool *delivered; // by destination; in the arena
};

struct coverage {
    struct covered *items;
    size_t count;
    struct number_map by_node; // struct covered, by the address of the route's node
    struct arena arena;
    char text[256]; // of the last gap
};

static struct covered *find(const struct coverage *coverage, const struct route *route) {
    return number_map_get(&coverage->by_node, (uintptr_t)route_node(route));
}

static bool add(struct coverage *coverage, const struct route *route) {
    struct covered *item = &coverage->items[coverage->count];
    const struct config_node *when = config_get(route_node(route), "when");
    *item = (struct covered){
        .node = route_node(route), .route = route, .when = config_is_null(when) ? NULL : when};
    item->delivered =
        arena_alloc(&coverage->arena, (route_destination_count(route) + 1) * sizeof *item->delivered);
    coverage->count++;
    return item->delivered && number_map_put(&coverage->by_node, (uintptr_t)item->node, item) == 0;
}

static bool fill(struct coverage *coverage, const struct routes *routes, const char *only) {
    const struct route *route;
    size_t count = 0;
    while (routes_at(routes, count))
        count++;
    coverage->items = calloc(count + 1, sizeof *coverage->items);
    bool fine = coverage->items != NULL;
    for (size_t i = 0; fine && (route = routes_at(routes, i)); i++)
        if ((!only || strcmp(only, route_name(route)) == 0) && !find(coverage, route))
            fine = add(coverage, route);
    return fine;
}

struct coverage *coverage_new(const struct routes *routes, const char *only) {
    struct coverage *coverage = calloc(1, sizeof *coverage);
    if (coverage && !fill(coverage, routes, only))
        coverage_destroy(&coverage);
    return coverage;
}

void coverage_destroy(struct coverage **self) {
    struct coverage *coverage = *self;
    if (!coverage)
        return;
    arena_destroy(&coverage->arena);
    number_map_destroy(&coverage->by_node);
    free(coverage->items);
    free(coverage);
    *self = NULL;
}

void coverage_add(struct coverage *coverage, const struct trial_result *result) {
    for (size_t i = 0; i < result->route_count; i++) {
        const struct trial_route *told = &result->routes[i];
        struct covered *item = find(coverage, told->route);
        if (!item)
            continue;
        item->taken = item->taken || told->verdict == MATCH_TAKEN;
        item->left = item->left || told->verdict == MATCH_LEFT;
        for (size_t k = 0; k < told->count; k++) {
            const struct match *match = &result->matches[told->first + k];
            if (!match->dead_reason)
                item->delivered[match->destination] = true;
        }
    }
}

// ---- What is to be seen, one after the other ----

struct walk {
    struct coverage *coverage;
    size_t total;
    size_t seen;
    size_t wanted; // the gap of this index
    struct coverage_gap *out;
    bool found;
};

static void look(struct walk *walk, const struct covered *item, bool seen, const struct config_node *at,
    const char *text, const char *which) {
    walk->total++;
    if (seen) {
        walk->seen++;
        return;
    }
    if (!walk->out || walk->total - walk->seen != walk->wanted + 1)
        return;
    snprintf(walk->coverage->text, sizeof walk->coverage->text, "%s%s", text, which);
    *walk->out =
        (struct coverage_gap){.route = route_name(item->route), .at = at, .text = walk->coverage->text};
    walk->found = true;
}

static void walk_route(struct walk *walk, const struct covered *item) {
    if (item->when) {
        look(walk, item, item->taken, item->when, "\"when\" was never true", "");
        look(walk, item, item->left, item->when, "\"when\" was never false", "");
    } else {
        look(walk, item, item->taken, item->node, "never matched", "");
    }
    for (size_t i = 0; i < route_destination_count(item->route); i++) {
        struct route_destination destination = route_destination(item->route, i);
        look(walk, item, item->delivered[i], destination.node, "nothing was delivered to ",
            destination.to->address);
    }
}

static void walk_all(struct walk *walk) {
    for (size_t i = 0; i < walk->coverage->count; i++)
        walk_route(walk, &walk->coverage->items[i]);
}

size_t coverage_total(const struct coverage *coverage) {
    struct walk walk = {.coverage = (struct coverage *)(uintptr_t)coverage};
    walk_all(&walk);
    return walk.total;
}

size_t coverage_seen(const struct coverage *coverage) {
    struct walk walk = {.coverage = (struct coverage *)(uintptr_t)coverage};
    walk_all(&walk);
    return walk.seen;
}

unsigned coverage_percent(const struct coverage *coverage) {
    size_t total = coverage_total(coverage);
    return total ? (unsigned)(coverage_seen(coverage) * 100 / total) : 100;
}

bool coverage_gap(struct coverage *coverage, size_t i, struct coverage_gap *out) {
    struct walk walk = {.coverage = coverage, .wanted = i, .out = out};
    walk_all(&walk);
    return walk.found;
}
