// A system that receives a type may publish it again, when it has routes of that type: then the message could
// come back to where it was, and go round for ever. So (system, type) to (system, type) must have no circle.
#include "broker/routing/internal.h"

#include <stdlib.h>

enum colour {
    WHITE, // not visited
    GREY,  // on the way that is being followed
    BLACK, // known to lead into no circle
};

// A sender on the way, and what of it is being followed.
struct step {
    const struct sender *sender;
    const struct listing *listing;
    size_t destination; // of the listing's route; behind the one that led to the next step
};

struct graph {
    struct routes *routes;
    enum colour *colours; // of senders
    struct step *way;     // from the sender where it began
    size_t depth;
};

static const struct destination *followed(const struct step *step) {
    return &step->listing->route->destinations[step->destination - 1];
}

// The way from its `first` step on leads back there.
static void tell(const struct graph *graph, size_t first) {
    struct buffer text = {0};
    int rc = 0;
    for (size_t i = first; rc == 0 && i < graph->depth; i++) {
        const struct sender *sender = graph->way[i].sender;
        rc = buffer_append_format(
            &text, "%s (%s) -> ", sender->system->address, sender->topic->type->full_name);
    }
    const struct destination *last = followed(&graph->way[graph->depth - 1]);
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

static void enter(struct graph *graph, const struct sender *sender) {
    graph->colours[sender->index] = GREY;
    graph->way[graph->depth++] = (struct step){.sender = sender, .listing = sender->first};
}

// The next place that a step leads to; NULL when all were followed. A destination that is wrong leads
// nowhere.
static const struct sender *next_sender(const struct routes *routes, struct step *step) {
    for (; step->listing; step->listing = step->listing->next, step->destination = 0) {
        const struct route *route = step->listing->route;
        while (step->destination < route->destination_count) {
            const struct destination *destination = &route->destinations[step->destination++];
            if (!destination->to || !destination->type)
                continue;
            const struct topic *topic = number_map_get(&routes->by_type, type_key(destination->type));
            const struct sender *sender = topic ? routes_sender(topic, destination->to) : NULL;
            if (sender)
                return sender;
        }
    }
    return NULL;
}

static void close_circle(const struct graph *graph, const struct sender *sender) {
    size_t first = 0;
    while (graph->way[first].sender != sender)
        first++;
    tell(graph, first);
}

// In depth first, with a stack of its own: the way may be as long as there are senders.
static void follow(struct graph *graph, const struct sender *start) {
    enter(graph, start);
    while (graph->depth > 0) {
        struct step *step = &graph->way[graph->depth - 1];
        const struct sender *next = next_sender(graph->routes, step);
        if (!next) {
            graph->colours[step->sender->index] = BLACK;
            graph->depth--;
        } else if (graph->colours[next->index] == WHITE) {
            enter(graph, next);
        } else if (graph->colours[next->index] == GREY) {
            close_circle(graph, next);
        }
    }
}

void routes_check_loops(struct routes *routes) {
    struct graph graph = {.routes = routes};
    graph.colours = routes_keep(routes, calloc(routes->sender_count + 1, sizeof *graph.colours));
    graph.way = routes_keep(routes, calloc(routes->sender_count + 1, sizeof *graph.way));
    if (graph.colours && graph.way)
        for (size_t i = 0; i < routes->sender_count; i++)
            if (graph.colours[i] == WHITE)
                follow(&graph, routes->senders[i]);
    free(graph.colours);
    free(graph.way);
}
