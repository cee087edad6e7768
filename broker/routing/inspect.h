// A set of routes from the outside, for tools: what the routes are, and what a matcher thinks of a message.
#pragma once

#include "broker/routing/routing.h"
#include "core/base/buffer.h"
#include "core/cel/cel.h"

struct route;

// In order of file name and place; a route of several types is there once for each. NULL behind the end.
const struct route *routes_at(const struct routes *routes, size_t i);
const struct route *routes_named(
    const struct routes *routes, struct bytes name); // for the first of its types; or NULL
const char *routes_nearest(const struct routes *routes, struct bytes name); // or NULL
const struct policy *routes_policy(const struct routes *routes);

const char *route_name(const struct route *route);
const struct config_node *route_node(const struct route *route); // its mapping in the file
const struct schema_message *route_type(const struct route *route);
// Those of its senders that may publish the type.
size_t route_from_count(const struct route *route);
const struct policy_system *route_from(const struct route *route, size_t i); // i below the count
bool route_takes_from(const struct route *route, const struct policy_system *system);
int route_append_from(const struct route *route, struct buffer *out); // "a/x, b/y"; 0, -ENOMEM
// Of a route with several types, which is there once for each: whether this is the first of them, whether any
// of them is this type, whether any takes a message of this type and system, and all their names, "T, U" (0,
// -ENOMEM).
bool routes_first(const struct routes *routes, const struct route *route);
bool routes_any_on(const struct routes *routes, const struct route *route, const struct schema_message *type);
bool routes_any_takes(const struct routes *routes, const struct route *route,
    const struct schema_message *type, const struct policy_system *system);
int routes_append_on(const struct routes *routes, const struct route *route, struct buffer *out);
// In which `when` and `split` are compiled, and in which the rest: with `item` and `index` where it is split.
const struct cel_env *route_env(const struct route *route);
const struct cel_env *route_element_env(const struct route *route);

struct route_destination {
    const struct config_node *node;
    const struct policy_system *to;
    const struct policy_agreement *agreement; // under which its first sender gives
    const struct schema_message *type;        // that is delivered
    bool mapped;
};
size_t route_destination_count(const struct route *route);
struct route_destination route_destination(const struct route *route, size_t i); // i below the count

// What a matcher tells of each route of the message's type and sender, in order, before it goes on.
enum match_verdict {
    MATCH_TAKEN,
    MATCH_LEFT,   // `when` was false
    MATCH_FAILED, // an expression of the route itself failed: dead letters for all its destinations
};
struct match_event {
    const struct route *route;
    enum match_verdict verdict;
    const char *key;                   // FAILED: which expression: "when", "split", "order_by"
    const char *text;                  // FAILED: why
    struct cel_activation *activation; // holds the message; expressions may be evaluated in it
    size_t first;                      // the matches that came of it, of those of matcher_match()
    size_t count;
};
typedef void (*match_observe)(void *context, const struct match_event *event);
// NULL: nobody is told.
void matcher_observe(struct matcher *matcher, match_observe observe, void *context);
