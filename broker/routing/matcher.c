#include "broker/routing/passage.h"

#include <errno.h>
#include <stdlib.h>

static int scratch_new(const struct topic *topic, struct scratch *out) {
    out->scan = scan_new(topic->paths);
    out->activation = cel_activation_new(topic->env);
    if (!out->scan || !out->activation)
        return -ENOMEM;
    return cel_activation_reserve(out->activation, topic->variables);
}

int matcher_grow(struct matcher *matcher) {
    size_t capacity = matcher->capacity ? matcher->capacity * 2 : 64;
    struct match *matches = realloc(matcher->matches, capacity * sizeof *matches);
    if (matches)
        matcher->matches = matches;
    struct place *places = realloc(matcher->places, capacity * sizeof *places);
    if (places)
        matcher->places = places;
    if (!matches || !places)
        return -ENOMEM;
    matcher->capacity = capacity;
    return 0;
}

struct matcher *matcher_new(const struct routes *routes) {
    struct matcher *matcher = calloc(1, sizeof *matcher);
    if (!matcher)
        return NULL;
    matcher->routes = routes;
    matcher->scratches = calloc(routes->topic_count + 1, sizeof *matcher->scratches);
    int rc = matcher->scratches ? matcher_grow(matcher) : -ENOMEM;
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
    buffer_destroy(&matcher->output);
    buffer_destroy(&matcher->texts);
    buffer_destroy(&matcher->known);
    free(matcher);
    *self = NULL;
}

void matcher_observe(struct matcher *matcher, match_observe observe, void *context) {
    matcher->observe = observe;
    matcher->observer = context;
}

// ---- One message ----

// The buffers have stopped growing: places become pointers.
static void settle_places(struct matcher *matcher) {
    for (size_t i = 0; i < matcher->count; i++) {
        struct match *match = &matcher->matches[i];
        const struct place *place = &matcher->places[i];
        if (place->number[0])
            match->subject = bytes_of_string(place->number);
        if (match->dead_reason)
            match->dead_text = (const char *)matcher->texts.data + place->offset;
        else if (place->mapped)
            match->payload = bytes_of(matcher->output.data + place->offset, place->size);
    }
}

static int check_only(const struct schema_message *type, struct bytes payload, struct error *error) {
    return view_check(type, payload, NULL, error) == 0 ? 0 : MATCH_REFUSED;
}

// What the passage of a message before this one left.
static void begin(struct matcher *matcher, const struct topic *topic, const struct passage *passage) {
    const struct scratch *scratch = &matcher->scratches[topic->index];
    matcher->count = 0;
    matcher->copy_count = 0;
    buffer_clear(&matcher->output);
    buffer_clear(&matcher->texts);
    cel_activation_reset(scratch->activation);
    cel_activation_set_scan(scratch->activation, topic->variable, scratch->scan);
    cel_activation_set_time(scratch->activation, passage->now);
}

// What no catalogue knows, no agreement lists: no route sees it, and it goes to nobody.
static int leave_unknown(struct matcher *matcher, const struct schema_message *type, struct scan *scan,
    struct bytes payload, struct error *error) {
    buffer_clear(&matcher->known);
    if (view_append_known(type, payload, &matcher->known) != 0)
        return error_no_memory(error);
    return scan_run(scan, buffer_bytes(&matcher->known), true, error);
}

int matcher_match(struct matcher *matcher, const struct policy_system *from,
    const struct schema_message *type, struct bytes subject, struct bytes payload, int64_t now_us,
    const struct match **out, size_t *count, struct error *error) {
    struct topic *topic = number_map_get(&matcher->routes->by_type, type_key(type));
    const struct sender *sender = topic ? routes_sender(topic, from) : NULL;
    *out = matcher->matches;
    *count = 0;
    if (!sender)
        return check_only(type, payload, error);
    const struct scratch *scratch = &matcher->scratches[topic->index];
    struct passage passage = {.matcher = matcher,
        .activation = scratch->activation,
        .subject = subject,
        .now = now_us / 1000000,
        .item = -1,
        .error = error};
    int rc = scan_run(scratch->scan, payload, false, error);
    if (rc == 0 && scan_has_unknown(scratch->scan)) {
        passage.less = true;
        rc = leave_unknown(matcher, type, scratch->scan, payload, error);
    }
    if (rc != 0)
        return rc == VIEW_REFUSED ? MATCH_REFUSED : rc;
    begin(matcher, topic, &passage);
    for (const struct listing *listing = sender->first; rc == 0 && listing; listing = listing->next) {
        passage.sender = listing->sender;
        rc = passage_route(&passage, listing->route);
    }
    if (rc == MATCH_TOO_LARGE)
        return rc;
    if (rc != 0)
        return rc == -ENOMEM ? error_no_memory(error) : error_set(error, rc, "a route can't be applied");
    settle_places(matcher);
    *out = matcher->matches;
    *count = matcher->count;
    return 0;
}
