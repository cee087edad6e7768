#include "broker/routing/inspect.h"
#include "broker/routing/internal.h"
#include "core/wire/wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define REASON_UNMAPPED HUTONG__BUS__V1__REASON__REASON_UNMAPPED
#define REASON_FILTER HUTONG__BUS__V1__REASON__REASON_FILTER
#define REASON_NOT_ALLOWED HUTONG__BUS__V1__REASON__REASON_NOT_ALLOWED

// Of one topic.
struct scratch {
    struct scan *scan;
    struct cel_activation *activation;
};

// Where something lies in a buffer that still grows.
struct place {
    size_t offset;
    size_t size;
    bool mapped; // in `output`, maybe with no bytes at all
};

#define NUMBER_SIZE 24

struct matcher {
    const struct routes *routes;
    struct scratch *scratches; // parallel to routes->topics
    struct match *matches;     // routes->most_matches of them
    struct place *places;      // of payloads in `output`, or of dead letters' texts in `texts`
    size_t count;
    struct buffer output;
    struct buffer texts;
    char (
        *numbers)[NUMBER_SIZE]; // subjects that are numbers, each under the index of its route's first match
    match_observe observe;      // or NULL
    void *observer;
};

// One call of matcher_match().
struct passage {
    struct matcher *matcher;
    struct cel_activation *activation;
    struct bytes subject; // of the envelope
    int64_t now;
};

static int scratch_new(const struct topic *topic, struct scratch *out) {
    out->scan = scan_new(topic->paths);
    out->activation = cel_activation_new(topic->env);
    if (!out->scan || !out->activation)
        return -ENOMEM;
    return 0;
}

struct matcher *matcher_new(const struct routes *routes) {
    struct matcher *matcher = calloc(1, sizeof *matcher);
    if (!matcher)
        return NULL;
    matcher->routes = routes;
    matcher->scratches = calloc(routes->topic_count + 1, sizeof *matcher->scratches);
    matcher->matches = calloc(routes->most_matches + 1, sizeof *matcher->matches);
    matcher->places = calloc(routes->most_matches + 1, sizeof *matcher->places);
    matcher->numbers = calloc(routes->most_matches + 1, sizeof *matcher->numbers);
    int rc = matcher->scratches && matcher->matches && matcher->places && matcher->numbers ? 0 : -ENOMEM;
    rc = rc ? rc : buffer_reserve(&matcher->output, 4096); // so that an empty payload has a place too
    for (size_t i = 0; rc == 0 && i < routes->topic_count; i++)
        rc = scratch_new(routes->topics[i], &matcher->scratches[i]);
    if (rc != 0)
        matcher_destroy(&matcher);
    return matcher;
}

void matcher_destroy(struct matcher **self) {
    struct matcher *matcher = *self;
    if (!matcher)
        return;
    for (size_t i = 0; matcher->scratches && i < matcher->routes->topic_count; i++) {
        cel_activation_destroy(&matcher->scratches[i].activation);
        scan_destroy(&matcher->scratches[i].scan);
    }
    free(matcher->scratches);
    free(matcher->matches);
    free(matcher->places);
    free(matcher->numbers);
    buffer_destroy(&matcher->output);
    buffer_destroy(&matcher->texts);
    free(matcher);
    *self = NULL;
}

void matcher_observe(struct matcher *matcher, match_observe observe, void *context) {
    matcher->observe = observe;
    matcher->observer = context;
}

// Tells what became of a route, whose matches begin at `first`.
static void tell(const struct passage *passage, const struct route *route, enum match_verdict verdict,
    const char *key, const char *text, size_t first) {
    const struct matcher *matcher = passage->matcher;
    if (!matcher->observe)
        return;
    const struct match_event event = {.route = route,
        .verdict = verdict,
        .key = key,
        .text = text,
        .activation = passage->activation,
        .first = first,
        .count = matcher->count - first};
    matcher->observe(matcher->observer, &event);
}

// ---- One destination ----

static struct match *add_match(struct matcher *matcher, const struct route *route,
    const struct destination *destination, struct bytes subject) {
    struct match *match = &matcher->matches[matcher->count];
    matcher->places[matcher->count++] = (struct place){0};
    *match = (struct match){
        .route = route->name,
        .agreement = destination->agreement->id,
        .destination = (size_t)(destination - route->destinations),
        .to = destination->to,
        .type = destination->type,
        .subject = subject,
        .retries = route->retries,
        .backoff_min_ms = route->backoff_min_ms,
        .backoff_max_ms = route->backoff_max_ms,
        .expires_us = route->expires_us,
    };
    return match;
}

// Makes the last match a dead letter, which holds the original.
static int bury(struct matcher *matcher, const struct route *route, int reason, const char *text) {
    struct match *match = &matcher->matches[matcher->count - 1];
    struct place *place = &matcher->places[matcher->count - 1];
    match->dead_reason = reason;
    match->type = route->topic->type;
    place->offset = matcher->texts.size;
    int rc = buffer_append_string(&matcher->texts, text);
    return rc ? rc : buffer_append_byte(&matcher->texts, 0);
}

// An agreement may end while the broker runs.
static bool in_force(const struct policy_agreement *agreement, int64_t now) {
    return agreement->from <= now && now < agreement->until;
}

static int map_payload(
    struct passage *passage, const struct route *route, const struct destination *destination) {
    struct matcher *matcher = passage->matcher;
    struct place *place = &matcher->places[matcher->count - 1];
    struct error error = {0};
    place->offset = matcher->output.size;
    int rc = mapping_run(destination->mapping, passage->activation, &matcher->output, &error);
    size_t size = matcher->output.size - place->offset;
    if (rc == 0 && size > policy_settings(matcher->routes->policy)->message_bytes)
        rc = error_set(&error, MAPPING_REFUSED, "the mapped message is larger than a message may be");
    if (rc <= 0) {
        place->size = size;
        place->mapped = true;
        return rc;
    }
    matcher->output.size = place->offset;
    return bury(matcher, route, REASON_UNMAPPED, error.text);
}

static int pass_destination(struct passage *passage, const struct route *route,
    const struct destination *destination, struct bytes subject) {
    add_match(passage->matcher, route, destination, subject);
    if (!in_force(destination->agreement, passage->now)) {
        struct error error;
        error_set(&error, 0, "agreement %s is not in force", destination->agreement->id);
        return bury(passage->matcher, route, REASON_NOT_ALLOWED, error.text);
    }
    return destination->mapping ? map_payload(passage, route, destination) : 0;
}

// ---- One route ----

// Nothing is guessed when an expression of the route itself fails: all its destinations get a dead letter.
static int bury_all(
    struct passage *passage, const struct route *route, const char *key, struct error *error) {
    int rc = 0;
    const size_t first = passage->matcher->count;
    struct error told = *error;
    error_prefix(error, "%s: ", key);
    for (size_t i = 0; rc == 0 && i < route->destination_count; i++) {
        add_match(passage->matcher, route, &route->destinations[i], passage->subject);
        rc = bury(passage->matcher, route, REASON_FILTER, error->text);
    }
    if (rc == 0)
        tell(passage, route, MATCH_FAILED, key, told.text, first);
    return rc;
}

static struct bytes number_text(struct passage *passage, const struct cel_value *value) {
    char *out = passage->matcher->numbers[passage->matcher->count];
    int size = value->kind == CEL_UINT ? snprintf(out, NUMBER_SIZE, "%llu", (unsigned long long)value->u64)
                                       : snprintf(out, NUMBER_SIZE, "%lld", (long long)value->i64);
    return bytes_of(out, size > 0 ? (size_t)size : 0);
}

// 0, CEL_FAILED, -ENOMEM.
static int find_subject(
    struct passage *passage, const struct route *route, struct bytes *out, struct error *error) {
    struct cel_value value;
    *out = passage->subject;
    if (!route->order_by)
        return 0;
    int rc = cel_eval(route->order_by, passage->activation, &value, error);
    if (rc != 0)
        return rc;
    *out = value.kind == CEL_STRING ? value.bytes : number_text(passage, &value);
    if (out->size > WIRE_SUBJECT_LIMIT)
        return error_set(
            error, CEL_FAILED, "%zu bytes, at most %u are a subject", out->size, WIRE_SUBJECT_LIMIT);
    return 0;
}

static int pass_route(struct passage *passage, const struct route *route) {
    const size_t first = passage->matcher->count;
    bool wanted = true;
    struct bytes subject;
    struct error error = {0};
    int rc = route->when ? cel_eval_bool(route->when, passage->activation, &wanted, &error) : 0;
    if (rc == CEL_FAILED)
        return bury_all(passage, route, "when", &error);
    if (rc == 0 && !wanted)
        tell(passage, route, MATCH_LEFT, NULL, NULL, first);
    if (rc != 0 || !wanted)
        return rc;
    rc = find_subject(passage, route, &subject, &error);
    if (rc == CEL_FAILED)
        return bury_all(passage, route, "order_by", &error);
    for (size_t i = 0; rc == 0 && i < route->destination_count; i++)
        rc = pass_destination(passage, route, &route->destinations[i], subject);
    if (rc == 0)
        tell(passage, route, MATCH_TAKEN, NULL, NULL, first);
    return rc;
}

// ---- One message ----

// The buffers have stopped growing: places become pointers.
static void settle_places(struct matcher *matcher) {
    for (size_t i = 0; i < matcher->count; i++) {
        struct match *match = &matcher->matches[i];
        const struct place *place = &matcher->places[i];
        if (match->dead_reason)
            match->dead_text = (const char *)matcher->texts.data + place->offset;
        else if (place->mapped)
            match->payload = bytes_of(matcher->output.data + place->offset, place->size);
    }
}

static int check_only(const struct schema_message *type, struct bytes payload, struct error *error) {
    return view_check(type, payload, NULL, error) == 0 ? 0 : MATCH_REFUSED;
}

int matcher_match(struct matcher *matcher, const struct policy_system *from,
    const struct schema_message *type, struct bytes subject, struct bytes payload, int64_t now_us,
    const struct match **out, size_t *count, struct error *error) {
    struct topic *topic = number_map_get(&matcher->routes->by_type, type_key(type));
    const struct route *route = topic ? number_map_get(&topic->senders, from->index) : NULL;
    *out = matcher->matches;
    *count = 0;
    if (!route)
        return check_only(type, payload, error);
    struct scratch *scratch = &matcher->scratches[topic->index];
    struct passage passage = {
        .matcher = matcher, .activation = scratch->activation, .subject = subject, .now = now_us / 1000000};
    int rc = scan_run(scratch->scan, payload, false, error);
    if (rc != 0)
        return rc == VIEW_REFUSED ? MATCH_REFUSED : rc;
    matcher->count = 0;
    buffer_clear(&matcher->output);
    buffer_clear(&matcher->texts);
    cel_activation_reset(scratch->activation);
    cel_activation_set_scan(scratch->activation, topic->variable, scratch->scan);
    cel_activation_set_time(scratch->activation, passage.now);
    for (; rc == 0 && route; route = route->next)
        rc = pass_route(&passage, route);
    if (rc != 0)
        return rc == -ENOMEM ? error_no_memory(error) : error_set(error, rc, "a route can't be applied");
    settle_places(matcher);
    *count = matcher->count;
    return 0;
}
