// The configuration that bench/run routes measures.
#pragma once

#include "broker/routing/routing.h"

#define SET_SIZES 4u // 1, 10, 100, 1,000 filters

struct routed {
    struct routes *routes;
    struct matcher *matcher;
};

struct route_set {
    struct policy *policy;
    struct routed filters[SET_SIZES];
    struct routed mapped; // one route with ten fields
};

// Target field and expression; ends with {NULL}.
struct mapped_expression {
    const char *field;
    const char *text;
};
extern const struct mapped_expression mapped_expressions[];
extern const char mapped_filter[];

// Writes conf/ and routes/ into the empty folder `in` (borrowed), and loads them. Ends the program when that
// fails.
void set_open(struct route_set *set, const char *in, const char *catalogue);
void set_close(struct route_set *set);

// Ends the program with 2 and says `what`.
void must(bool condition, const char *what);
