// What a set of routes does with a message, found out without a broker and told to people: the same matcher
// on the same bytes, and for each route why. Used by hutong explain and hutong test.
#pragma once

#include "broker/routing/inspect.h"
#include "core/base/buffer.h"

struct trial;

// Something that a part of a condition read.
struct trial_value {
    const char *expression; // as it stands in the route
    const char *value;
};

// A part of `when` that settled it.
struct trial_cause {
    const char *expression;
    const char *failed; // why it couldn't be evaluated; NULL: it was false
    const char *path;   // where it stands
    struct mark mark;
    const char *excerpt; // two lines
    const struct trial_value *values;
    size_t value_count;
};

// A route of the message's type and sender.
struct trial_route {
    const struct route *route;
    enum match_verdict verdict;
    const char *key; // FAILED: which expression, and why
    const char *text;
    const struct trial_cause *causes; // LEFT, and FAILED by `when`
    size_t cause_count;
    size_t first; // the matches that came of it
    size_t count;
};

struct trial_message {
    const struct policy_system *from;
    const struct schema_message *type;
    struct bytes subject; // of the envelope
    struct bytes payload;
    int64_t now_us;
};

struct trial_result {
    const struct trial_route *routes; // in the order in which they were looked at
    size_t route_count;
    const struct match *matches;
    size_t match_count;
    size_t dead; // of them
};

// `routes` is borrowed, and no other matcher of it may be in use: its conditions are compiled once more in
// parts. 0 and `*out` owned, or -ENOMEM.
int trial_new(const struct routes *routes, struct trial **out);
void trial_destroy(struct trial **self);
const struct routes *trial_routes(const struct trial *trial);

// Everything in `*out` is valid until the next run; without `why` it has no causes. 0; MATCH_REFUSED with
// what the broker would answer: the message is too large, its sender may not publish it, its bytes are no
// message of the type; -ENOMEM.
int trial_run(struct trial *trial, const struct trial_message *message, bool why,
    const struct trial_result **out, struct error *error);

struct trial_options {
    bool bytes;          // the delivered bytes too, as a hex dump
    const char *only;    // a route's name; NULL: all
    const bool *matches; // by match: whether it is printed; NULL: all
};

// How much of the result these options tell.
struct trial_sum {
    size_t routes;
    size_t matched; // of the routes
    size_t delivered;
    size_t dead;
};
struct trial_sum trial_sum(const struct trial_result *result, const struct trial_options *options);
bool trial_wanted(const struct trial_options *options, const struct route *route);

// What explains it, for people. 0, -ENOMEM.
int trial_print(const struct trial *trial, const struct trial_message *message,
    const struct trial_result *result, const struct trial_options *options, struct buffer *out);
// One route of it, as trial_print() does.
int trial_print_route(const struct trial_message *message, const struct trial_result *result,
    const struct trial_route *route, const struct trial_options *options, struct buffer *out);

// The same as an object, for tools. Returns owned, or NULL without memory. docs/testing-routes.md
struct json_t *trial_json(const struct trial *trial, const struct trial_message *message,
    const struct trial_result *result, const struct trial_options *options);

// The name of a dead letter's reason, as in docs/routes.md: "UNMAPPED".
const char *trial_reason(int reason);
// RFC 3339 in UTC.
#define TRIAL_TIME_SIZE 32
const char *trial_time(int64_t time_us, char out[TRIAL_TIME_SIZE]);
