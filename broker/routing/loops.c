// A system that receives a type may publish it again, when it has routes of that type: then the message could
// come back to where it was, and go round for ever. So (system, type) to (system, type) must have no circle.
#include "broker/routing/internal.h"

#include <stdlib.h>

struct edge {
    const struct route *route;
    const struct destination *destination;
};

enum colour {
    WHITE, // not visited
    GREY,  // on the way that is being followed
    BLACK, // known to lead into no circle
};

struct graph {
    struct routes *routes;
    enum colour *colours; // of routes
    const struct edge *way;
    struct edge *stack;
    size_t depth;
};

static void tell(const struct graph *graph, size_t first) {
    struct buffer text = {0};
    int rc = 0;
    for (size_t i = first; rc == 0 && i < graph->depth; i++) {
        const struct route *route = graph->stack[i].route;
        rc = buffer_append_format(&text, "%s (%s) -> ", route->from->address, route->topic->type->full_name);
    }
    const struct destination *last = graph->stack[graph->depth - 1].destination;
    if (rc == 0)
        rc = buffer_append_format(&text, "%s (%s)", last->to->address, last->type->full_name);
    const char *way = rc == 0 ? buffer_text(&text) : NULL;
    if (way)
        config_error(config_get(last->node, "system"), graph->routes->report,
            "a loop: %s; what goes round never ends", way);
    else
        graph->routes->no_memory = true;
    buffer_destroy(&text);
}

static bool follows(const struct destination *destination, const struct route *route) {
    return route->from && route->from == destination->to && route->topic &&
           route->topic->type == destination->type;
}

static bool usable(const struct route *route) {
    return route->from && route->topic;
}

static void follow(struct graph *graph, size_t at);

// As deep as there are routes; each is entered once.
// NOLINTNEXTLINE(misc-no-recursion)
static void follow_destination(struct graph *graph, size_t at, const struct destination *destination) {
    graph->stack[graph->depth++] = (struct edge){.route = graph->routes->all[at], .destination = destination};
    for (size_t next = 0; next < graph->routes->count; next++) {
        if (!follows(destination, graph->routes->all[next]))
            continue;
        if (graph->colours[next] == WHITE)
            follow(graph, next);
        else if (graph->colours[next] == GREY)
            for (size_t i = 0; i < graph->depth; i++)
                if (graph->stack[i].route == graph->routes->all[next]) {
                    tell(graph, i);
                    break;
                }
    }
    graph->depth--;
}

// NOLINTNEXTLINE(misc-no-recursion)
static void follow(struct graph *graph, size_t at) {
    const struct route *route = graph->routes->all[at];
    graph->colours[at] = GREY;
    for (size_t i = 0; i < route->destination_count; i++)
        if (route->destinations[i].to && route->destinations[i].type)
            follow_destination(graph, at, &route->destinations[i]);
    graph->colours[at] = BLACK;
}

void routes_check_loops(struct routes *routes) {
    struct graph graph = {.routes = routes};
    graph.colours = routes_keep(routes, calloc(routes->count + 1, sizeof *graph.colours));
    graph.stack = routes_keep(routes, calloc(routes->count + 1, sizeof *graph.stack));
    if (graph.colours && graph.stack)
        for (size_t i = 0; i < routes->count; i++)
            if (graph.colours[i] == WHITE && usable(routes->all[i]))
                follow(&graph, i);
    free(graph.colours);
    free(graph.stack);
}
