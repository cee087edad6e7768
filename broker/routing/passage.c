// One route after the other: the condition, the elements, the destinations.
#include "broker/routing/passage.h"

#include "core/cel/value.h"
#include "core/wire/wire.h"

#include <errno.h>
#include <stdio.h>

#define REASON_UNMAPPED HUTONG__BUS__V1__REASON__REASON_UNMAPPED
#define REASON_FILTER HUTONG__BUS__V1__REASON__REASON_FILTER
#define REASON_TOO_LARGE HUTONG__BUS__V1__REASON__REASON_TOO_LARGE
#define REASON_NOT_ALLOWED HUTONG__BUS__V1__REASON__REASON_NOT_ALLOWED

// What orders a delivery.
struct subject {
    struct bytes text;
    char number[NUMBER_SIZE]; // "": `text` holds it
};

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

static int add_match(const struct passage *passage, const struct route *route,
    const struct destination *destination, const struct subject *subject) {
    struct matcher *matcher = passage->matcher;
    if (matcher->count == MATCHES_LIMIT)
        return error_set(
            passage->error, MATCH_TOO_LARGE, "the routes make more than %d deliveries of it", MATCHES_LIMIT);
    if (matcher->count == matcher->capacity && matcher_grow(matcher) != 0)
        return -ENOMEM;
    const struct policy_deliver deliver = policy_deliver_of(destination->to, &route->deliver);
    matcher->places[matcher->count] = (struct place){0};
    memcpy(matcher->places[matcher->count].number, subject->number, NUMBER_SIZE);
    matcher->matches[matcher->count++] = (struct match){
        .route = route->name,
        .agreement = destination->agreements[passage->sender]->id,
        .destination = (size_t)(destination - route->destinations),
        .to = destination->to,
        .type = destination->type,
        .subject = subject->text,
        .retries = deliver.retries,
        .backoff_min_ms = deliver.backoff_min_ms,
        .backoff_max_ms = deliver.backoff_max_ms,
        .expires_us = deliver.expires_us,
        .element = (uint32_t)(passage->item + 1),
    };
    return 0;
}

// Makes the last match a dead letter, which holds the original.
static int bury(const struct passage *passage, const struct route *route, int reason, const char *text) {
    struct matcher *matcher = passage->matcher;
    struct match *match = &matcher->matches[matcher->count - 1];
    struct place *place = &matcher->places[matcher->count - 1];
    match->dead_reason = reason;
    match->type = route->topic->type;
    place->offset = matcher->texts.size;
    int rc = passage->item < 0 ? 0 : buffer_append_format(&matcher->texts, "item %d: ", passage->item);
    rc = rc ? rc : buffer_append_string(&matcher->texts, text);
    return rc ? rc : buffer_append_byte(&matcher->texts, 0);
}

// An agreement may end while the broker runs.
static bool in_force(const struct policy_agreement *agreement, int64_t now) {
    return agreement->from <= now && now < agreement->until;
}

// All that goes out of one message is one record.
static int check_output(const struct passage *passage) {
    size_t limit = policy_settings(passage->matcher->routes->policy)->journal_batch_limit;
    if (passage->matcher->output.size <= limit)
        return 0;
    return error_set(passage->error, MATCH_TOO_LARGE,
        "with its mappings it is larger than a journal batch, which has %zu bytes at most", limit);
}

// What the mapping takes over as it is, as far as there is room for it.
static struct mapping_copies free_copies(struct matcher *matcher) {
    size_t room = MATCH_COPIES_LIMIT - matcher->copy_count;
    return (struct mapping_copies){.items = matcher->copies + matcher->copy_count,
        .capacity = room < WIRE_COPIES_LIMIT ? room : WIRE_COPIES_LIMIT};
}

static void keep_copies(struct matcher *matcher, const struct mapping_copies *copies) {
    struct match *match = &matcher->matches[matcher->count - 1];
    match->copies = copies->items;
    match->copy_count = copies->count;
    matcher->copy_count += copies->count;
}

static int map_payload(
    const struct passage *passage, const struct route *route, const struct destination *destination) {
    struct matcher *matcher = passage->matcher;
    struct place *place = &matcher->places[matcher->count - 1];
    struct error error; // large, and set by what fails
    size_t limit = policy_settings(matcher->routes->policy)->message_bytes;
    place->offset = matcher->output.size;
    matcher->output.limit = matcher->output.size + limit;
    struct mapping_copies copies = free_copies(matcher);
    int rc = mapping_run(destination->mapping, passage->activation, &matcher->output, &copies, &error);
    size_t size = matcher->output.size - place->offset;
    if (rc > 0) {
        matcher->output.size = place->offset;
        return bury(passage, route, REASON_UNMAPPED, error.text);
    }
    place->size = size;
    place->mapped = true;
    keep_copies(matcher, &copies);
    return rc ? rc : check_output(passage);
}

// The whole message, but for what the catalogue doesn't know.
static int copy_known(const struct passage *passage) {
    struct matcher *matcher = passage->matcher;
    struct place *place = &matcher->places[matcher->count - 1];
    place->offset = matcher->output.size;
    matcher->output.limit = 0;
    int rc = buffer_append_bytes(&matcher->output, buffer_bytes(&matcher->known));
    place->size = matcher->output.size - place->offset;
    place->mapped = true;
    matcher->matches[matcher->count - 1].whole = true;
    return rc ? rc : check_output(passage);
}

static int pass_destination(const struct passage *passage, const struct route *route,
    const struct destination *destination, const struct subject *subject) {
    const struct policy_agreement *agreement = destination->agreements[passage->sender];
    int rc = add_match(passage, route, destination, subject);
    if (rc)
        return rc;
    if (!in_force(agreement, passage->now)) {
        struct error error;
        error_set(&error, 0, "agreement %s is not in force", agreement->id);
        return bury(passage, route, REASON_NOT_ALLOWED, error.text);
    }
    if (destination->mapping)
        return map_payload(passage, route, destination);
    return passage->less ? copy_known(passage) : 0;
}

// ---- One route ----

// Nothing is guessed when an expression of the route itself fails: all its destinations get a dead letter.
static int bury_all(const struct passage *passage, const struct route *route, int reason, const char *key,
    struct error *error) {
    int rc = 0;
    const size_t first = passage->matcher->count;
    const struct subject subject = {.text = passage->subject};
    struct error told = *error;
    error_prefix(error, "%s: ", key);
    for (size_t i = 0; rc == 0 && i < route->destination_count; i++) {
        rc = add_match(passage, route, &route->destinations[i], &subject);
        rc = rc ? rc : bury(passage, route, reason, error->text);
    }
    if (rc == 0 && passage->item < 0)
        tell(passage, route, MATCH_FAILED, key, told.text, first);
    return rc;
}

// Null, of a wrapper that isn't set, is no order.
static void set_subject(struct subject *subject, const struct cel_value *value) {
    *subject = (struct subject){0};
    if (value->kind == CEL_NULL)
        return;
    if (value->kind == CEL_STRING)
        subject->text = value->bytes;
    else if (value->kind == CEL_UINT)
        snprintf(subject->number, NUMBER_SIZE, "%llu", (unsigned long long)value->u64);
    else
        snprintf(subject->number, NUMBER_SIZE, "%lld", (long long)value->i64);
}

// 0, CEL_FAILED, -ENOMEM.
static int find_subject(
    const struct passage *passage, const struct route *route, struct subject *out, struct error *error) {
    struct cel_value value;
    *out = (struct subject){.text = passage->subject};
    if (!route->order_by)
        return 0;
    int rc = cel_eval(route->order_by, passage->activation, &value, error);
    if (rc != 0)
        return rc;
    set_subject(out, &value);
    if (out->text.size > WIRE_SUBJECT_LIMIT)
        return error_set(
            error, CEL_FAILED, "%zu bytes, at most %u are a subject", out->text.size, WIRE_SUBJECT_LIMIT);
    return 0;
}

// The message, or the element that `item` holds, to each destination. `*failed` is set where that was told.
static int pass_once(const struct passage *passage, const struct route *route, bool *failed) {
    struct subject subject;
    struct error error; // large, and set by what fails
    int rc = find_subject(passage, route, &subject, &error);
    *failed = rc == CEL_FAILED;
    if (*failed)
        return bury_all(passage, route, REASON_FILTER, "order_by", &error);
    for (size_t i = 0; rc == 0 && i < route->destination_count; i++)
        rc = pass_destination(passage, route, &route->destinations[i], &subject);
    return rc;
}

// One that holds no value, such as a time that is none, is a dead letter, and the others go on.
static int pass_element(struct passage *passage, const struct route *route, const struct cel_value *element) {
    struct cel_value index = {.kind = CEL_INT, .i64 = passage->item};
    struct error error = {0};
    bool unused;
    if (element->kind == CEL_ERROR) {
        error_set(&error, CEL_FAILED, "%s", element->error->text);
        return bury_all(passage, route, REASON_FILTER, "split", &error);
    }
    cel_activation_set(passage->activation, route->item, element);
    cel_activation_set(passage->activation, route->index, &index);
    return pass_once(passage, route, &unused);
}

static int find_elements(const struct passage *passage, const struct route *route,
    const struct cel_list **out, int *reason, struct error *error) {
    struct cel_value list;
    int rc = cel_eval(route->split, passage->activation, &list, error);
    *reason = REASON_FILTER;
    if (rc == 0 && list.kind != CEL_LIST)
        rc = error_set(error, CEL_FAILED, "this is no list, but a %s", cel_kind_name(list.kind));
    if (rc == 0 && cel_list_size(list.list) > ROUTE_ELEMENTS_LIMIT) {
        *reason = REASON_TOO_LARGE;
        rc = error_set(error, CEL_FAILED, "%zu elements; a message is split into at most %d",
            cel_list_size(list.list), ROUTE_ELEMENTS_LIMIT);
    }
    if (rc == 0)
        *out = list.list;
    return rc;
}

static int pass_elements(struct passage *passage, const struct route *route, bool *failed) {
    const struct cel_list *list = NULL;
    struct error error = {0};
    int reason;
    int rc = find_elements(passage, route, &list, &reason, &error);
    *failed = rc == CEL_FAILED;
    if (*failed)
        return bury_all(passage, route, reason, "split", &error);
    for (size_t i = 0; rc == 0 && i < cel_list_size(list); i++) {
        struct cel_value element;
        passage->item = (int32_t)i;
        rc = cel_list_get(list, passage->activation, i, &element);
        rc = rc ? rc : pass_element(passage, route, &element);
    }
    passage->item = -1;
    return rc;
}

int passage_route(struct passage *passage, const struct route *route) {
    const size_t first = passage->matcher->count;
    bool wanted = true;
    bool failed;
    struct error error; // large, and set by what fails
    int rc = route->when ? cel_eval_bool(route->when, passage->activation, &wanted, &error) : 0;
    if (rc == CEL_FAILED)
        return bury_all(passage, route, REASON_FILTER, "when", &error);
    if (rc == 0 && !wanted)
        tell(passage, route, MATCH_LEFT, NULL, NULL, first);
    if (rc != 0 || !wanted)
        return rc;
    rc = route->split ? pass_elements(passage, route, &failed) : pass_once(passage, route, &failed);
    if (rc == 0 && !failed)
        tell(passage, route, MATCH_TAKEN, NULL, NULL, first);
    return rc;
}
