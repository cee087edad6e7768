#include "broker/routing/trial/trial.h"

#include "core/base/map.h"
#include "core/cel/parts.h"
#include "core/cel/value.h"
#include "core/schema/arena.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct trial {
    const struct routes *routes;
    struct cel_parts **parts; // owned; of each route's `when`, in the order of routes_at(); NULL: it has none
    size_t count;
    struct number_map by_route; // struct cel_parts, by the route's address
    bool why;                   // of this run: causes are looked for
    struct matcher *matcher;
    struct arena arena; // of the last run
    struct report *causes;
    struct trial_route *told; // in the arena
    size_t told_capacity;
    struct trial_result result;
    int rc; // of the observer
};

static const struct config_node *when_of(const struct route *route) {
    const struct config_node *node = config_get(route_node(route), "when");
    return config_is_null(node) ? NULL : node;
}

static int take_apart(struct trial *trial) {
    for (size_t i = 0; i < trial->count; i++) {
        const struct route *route = routes_at(trial->routes, i);
        const struct config_node *when = when_of(route);
        int rc = when ? cel_parts_new(route_env(route), when->text, &trial->parts[i]) : 0;
        if (rc)
            return -ENOMEM; // it was compiled before
        if (when && number_map_put(&trial->by_route, (uintptr_t)route, trial->parts[i]) != 0)
            return -ENOMEM;
    }
    return 0;
}

int trial_new(const struct routes *routes, struct trial **out) {
    struct trial *trial = calloc(1, sizeof *trial);
    if (!trial)
        return -ENOMEM;
    trial->routes = routes;
    while (routes_at(routes, trial->count))
        trial->count++;
    trial->parts = calloc(trial->count + 1, sizeof(struct cel_parts *));
    int rc = trial->parts ? take_apart(trial) : -ENOMEM;
    if (rc == 0 && !(trial->matcher = matcher_new(routes)))
        rc = -ENOMEM;
    if (rc)
        trial_destroy(&trial);
    else
        *out = trial;
    return rc;
}

void trial_destroy(struct trial **self) {
    struct trial *trial = *self;
    if (!trial)
        return;
    matcher_destroy(&trial->matcher);
    for (size_t i = 0; trial->parts && i < trial->count; i++)
        cel_parts_destroy(&trial->parts[i]);
    free(trial->parts);
    number_map_destroy(&trial->by_route);
    free(trial->told);
    report_destroy(&trial->causes);
    arena_destroy(&trial->arena);
    free(trial);
    *self = NULL;
}

const struct routes *trial_routes(const struct trial *trial) {
    return trial->routes;
}

// ---- Why ----

struct causes {
    struct trial *trial;
    const struct config_node *scalar; // the expression
    struct cel_activation *activation;
    struct trial_cause *items; // in the arena
    size_t count;
    size_t capacity;
    int rc;
};

static void *keep(struct trial *trial, size_t size, int *rc) {
    void *memory = arena_alloc(&trial->arena, size);
    if (!memory)
        *rc = -ENOMEM;
    return memory;
}

static const char *keep_text(struct trial *trial, struct bytes text, int *rc) {
    const char *copy = arena_string(&trial->arena, text);
    if (!copy)
        *rc = -ENOMEM;
    return copy;
}

static void add_value(struct causes *causes, const struct cel_read *read, struct trial_cause *cause) {
    struct cel_value value;
    struct buffer text = {0};
    struct trial_value *values = (struct trial_value *)(uintptr_t)cause->values;
    int rc = cel_eval(read->program, causes->activation, &value, NULL);
    if (rc == CEL_FAILED)
        return; // that is what the cause says
    rc = rc ? rc : cel_value_show(&value, cel_program_type(read->program), causes->activation, &text);
    if (rc == 0) {
        struct trial_value *out = &values[cause->value_count++];
        out->expression = keep_text(causes->trial, read->text, &rc);
        out->value = keep_text(causes->trial, buffer_bytes(&text), &rc);
    }
    buffer_destroy(&text);
    causes->rc = causes->rc ? causes->rc : rc;
}

// The excerpt is cut by the report, as for everything that is said of a file.
static void place(struct causes *causes, size_t offset, size_t length, struct trial_cause *cause) {
    struct report *report = causes->trial->causes;
    size_t i = report_size(report);
    config_error_inside(causes->scalar, offset, length, report, "%s", "");
    const struct report_problem *problem = report_problem(report, i);
    if (!problem) {
        causes->rc = -ENOMEM;
        return;
    }
    cause->path = config_path(causes->scalar->file);
    cause->mark = problem->mark;
    cause->excerpt = problem->excerpt;
}

// A stretch of the expression that was false, or failed with a text.
static struct trial_cause *new_cause(
    struct causes *causes, size_t offset, size_t length, const char *failed) {
    struct trial_cause *cause = &causes->items[causes->count++];
    struct bytes text = bytes_of(causes->scalar->text.data + offset, length);
    *cause = (struct trial_cause){.expression = keep_text(causes->trial, text, &causes->rc)};
    if (failed)
        cause->failed = keep_text(causes->trial, bytes_of_string(failed), &causes->rc);
    if (causes->rc == 0)
        place(causes, offset, length, cause);
    return cause;
}

static void add_cause(void *context, const struct cel_part *part, const struct error *error) {
    struct causes *causes = context;
    if (causes->rc || causes->count == causes->capacity)
        return;
    struct trial_cause *cause = new_cause(causes, part->offset, part->length, error ? error->text : NULL);
    cause->values = keep(causes->trial, (part->read_count + 1) * sizeof *cause->values, &causes->rc);
    for (size_t i = 0; causes->rc == 0 && i < part->read_count; i++)
        add_value(causes, &part->reads[i], cause);
}

// NOLINTNEXTLINE(misc-no-recursion): the expression's height is limited
static size_t plain_parts(const struct cel_part *part) {
    size_t count = part->kind == CEL_PART_PLAIN;
    for (size_t i = 0; i < part->part_count; i++)
        count += plain_parts(&part->parts[i]);
    return count;
}

// What is said of `order_by` and `split` is about the whole of it.
static void blame_whole(struct causes *causes, const struct match_event *event) {
    causes->scalar = config_get(route_node(event->route), event->key);
    if (causes->scalar && causes->scalar->kind == CONFIG_SCALAR)
        new_cause(causes, 0, causes->scalar->text.size, event->text);
}

static int find_causes(struct trial *trial, const struct match_event *event, struct trial_route *told) {
    const struct cel_parts *parts = number_map_get(&trial->by_route, (uintptr_t)event->route);
    bool by_when = !event->key || strcmp(event->key, "when") == 0;
    if (!trial->why || event->verdict == MATCH_TAKEN || (by_when && !parts))
        return 0;
    struct causes causes = {.trial = trial, .scalar = when_of(event->route), .activation = event->activation};
    causes.capacity = by_when ? plain_parts(cel_parts_root(parts)) : 1;
    causes.items = keep(trial, causes.capacity * sizeof *causes.items, &causes.rc);
    if (!causes.items)
        return -ENOMEM;
    if (!by_when)
        blame_whole(&causes, event);
    int rc = by_when ? cel_parts_blame(parts, event->activation, add_cause, &causes) : 0;
    told->causes = causes.items;
    told->cause_count = causes.count;
    return rc ? rc : causes.rc;
}

// ---- One run ----

static struct trial_route *next_told(struct trial *trial) {
    if (trial->result.route_count == trial->told_capacity) {
        size_t capacity = trial->told_capacity ? trial->told_capacity * 2 : 16;
        struct trial_route *told = realloc(trial->told, capacity * sizeof *told);
        if (!told)
            return NULL;
        trial->told = told;
        trial->told_capacity = capacity;
    }
    return &trial->told[trial->result.route_count++];
}

static void observe(void *context, const struct match_event *event) {
    struct trial *trial = context;
    struct trial_route *told = trial->rc ? NULL : next_told(trial);
    if (!told) {
        trial->rc = -ENOMEM;
        return;
    }
    *told = (struct trial_route){.route = event->route,
        .verdict = event->verdict,
        .key = event->key,
        .first = event->first,
        .count = event->count};
    if (event->text)
        told->text = keep_text(trial, bytes_of_string(event->text), &trial->rc);
    if (trial->rc == 0)
        trial->rc = find_causes(trial, event, told);
}

// What the broker asks before it routes (broker/intake.c).
static int admit(const struct trial *trial, const struct trial_message *message, struct error *error) {
    const struct policy *policy = routes_policy(trial->routes);
    size_t limit = policy_settings(policy)->message_bytes;
    if (message->payload.size > limit)
        return error_set(error, MATCH_REFUSED, "TOO_LARGE: a payload of %zu bytes; %zu are allowed",
            message->payload.size, limit);
    if (!policy_may_publish(message->from, message->type))
        return error_set(error, MATCH_REFUSED, "NOT_ALLOWED: %s may not publish %s", message->from->address,
            message->type->full_name);
    return 0;
}

static int match(struct trial *trial, const struct trial_message *message, struct error *error) {
    matcher_observe(trial->matcher, observe, trial);
    int rc = matcher_match(trial->matcher, message->from, message->type, message->subject, message->payload,
        message->now_us, &trial->result.matches, &trial->result.match_count, error);
    if (rc == MATCH_REFUSED)
        error_prefix(error, "INVALID: ");
    if (rc == MATCH_TOO_LARGE)
        error_prefix(error, "TOO_LARGE: ");
    if (rc == 0 && trial->rc)
        return error_no_memory(error);
    return rc;
}

int trial_run(struct trial *trial, const struct trial_message *message, bool why,
    const struct trial_result **out, struct error *error) {
    report_destroy(&trial->causes);
    arena_destroy(&trial->arena);
    trial->arena = (struct arena){0};
    trial->result = (struct trial_result){0};
    trial->rc = 0;
    trial->why = why;
    trial->causes = report_new(100000);
    if (!trial->causes)
        return error_no_memory(error);
    int rc = admit(trial, message, error);
    rc = rc ? rc : match(trial, message, error);
    if (rc)
        return rc < 0 ? rc : MATCH_REFUSED;
    trial->result.routes = trial->told;
    for (size_t i = 0; i < trial->result.match_count; i++)
        trial->result.dead += trial->result.matches[i].dead_reason != 0;
    *out = &trial->result;
    return 0;
}

bool trial_wanted(const struct trial_options *options, const struct route *route) {
    return !options->only || strcmp(options->only, route_name(route)) == 0;
}

struct trial_sum trial_sum(const struct trial_result *result, const struct trial_options *options) {
    struct trial_sum sum = {0};
    for (size_t i = 0; i < result->route_count; i++) {
        const struct trial_route *told = &result->routes[i];
        if (!trial_wanted(options, told->route))
            continue;
        sum.routes++;
        sum.matched += told->verdict == MATCH_TAKEN;
        for (size_t k = told->first; k < told->first + told->count; k++) {
            sum.dead += result->matches[k].dead_reason != 0;
            sum.delivered += result->matches[k].dead_reason == 0;
        }
    }
    return sum;
}
