// Runs a case: what came against what was expected.
#include "broker/routing/trial/cases_internal.h"

#include <errno.h>
#include <stdlib.h>

struct run {
    const struct test_case *item;
    struct trial *trial;
    const struct trial_message *message;
    const struct trial_result *result;
    struct report *problems;
    bool *used;      // by match: an expectation has it
    bool *paired;    // by expectation
    bool *concerned; // by route of the result: it is explained
    bool *shown;     // by match: it is part of that
    int rc;
};

// ---- One expectation against one match ----

static void check_text(const struct config_node *node, const char *what, struct bytes got,
    const struct expectation *expectation, struct report *report) {
    if (node && !bytes_equal(node->text, got))
        config_error(node, report, "%s: %s: expected \"%.*s\", got \"%.*s\"", expectation->to->address, what,
            BYTES_ARGS(node->text), BYTES_ARGS(got));
}

static void check_item(
    const struct expectation *expectation, const struct match *match, struct report *report) {
    if (!expectation->item || (uint32_t)expectation->item_number + 1 == match->element)
        return;
    if (match->element == 0)
        config_error(expectation->item, report, "%s: the route has no \"split\"", expectation->to->address);
    else
        config_error(expectation->item, report, "%s: item: expected %lld, got %u", expectation->to->address,
            (long long)expectation->item_number, match->element - 1);
}

static bool contains(const char *text, struct bytes part) {
    return memmem(text, strlen(text), part.data, part.size) != NULL;
}

static void check_dead(
    const struct expectation *expectation, const struct match *match, struct report *report) {
    check_text(
        expectation->dead, "dead", bytes_of_string(trial_reason(match->dead_reason)), expectation, report);
    if (expectation->text && !contains(match->dead_text, expectation->text->text))
        config_error(expectation->text, report, "%s: the dead letter says \"%s\"", expectation->to->address,
            match->dead_text);
}

static int check_fields(const struct expectation *expectation, const struct match *match,
    struct bytes original, struct report *report) {
    struct error error = {0};
    const struct config_node *node = expectation->message ? expectation->message : expectation->has;
    if (!expectation->fields)
        return 0;
    struct bytes payload = match->payload.data ? match->payload : original;
    json_t *got = fields_parse(match->type, payload, expectation->has != NULL, &error);
    if (!got && error.code != -ENOMEM) {
        config_error(node, report, "%s: %s", expectation->to->address, error.text);
        return 0;
    }
    const struct fields_diff diff = {
        .what = expectation->to->address, .exact = expectation->message != NULL, .report = report};
    int rc = got ? fields_compare(&diff, node, match->type, expectation->fields, got) : -ENOMEM;
    json_decref(got);
    return rc;
}

// Reports what of it is not as expected.
static int check(
    const struct run *run, const struct expectation *expectation, size_t i, struct report *report) {
    const struct match *match = &run->result->matches[i];
    check_text(expectation->route, "route", bytes_of_string(match->route), expectation, report);
    check_text(expectation->agreement, "agreement", bytes_of_string(match->agreement), expectation, report);
    check_item(expectation, match, report);
    if (expectation->dead) {
        check_dead(expectation, match, report);
        return 0;
    }
    check_text(expectation->order_by, "order_by", match->subject, expectation, report);
    return check_fields(expectation, match, run->message->payload, report);
}

// ---- Which belongs to which ----

static bool comparable(const struct run *run, const struct expectation *expectation, size_t i) {
    const struct match *match = &run->result->matches[i];
    if (run->used[i] || match->to != expectation->to)
        return false;
    if (expectation->dead || match->dead_reason)
        return expectation->dead && match->dead_reason;
    return !expectation->type || match->type == expectation->type;
}

// How many things are not as expected; SIZE_MAX without memory.
static size_t distance(struct run *run, const struct expectation *expectation, size_t i) {
    struct report *report = report_new(1);
    if (!report || check(run, expectation, i, report) != 0) {
        report_destroy(&report);
        run->rc = -ENOMEM;
        return SIZE_MAX;
    }
    size_t errors = report_errors(report);
    report_destroy(&report);
    return errors;
}

// The match that is nearest to it; SIZE_MAX: there is none that could be meant.
static size_t nearest(struct run *run, const struct expectation *expectation, size_t limit) {
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < run->result->match_count && limit > 0; i++) {
        size_t far = comparable(run, expectation, i) ? distance(run, expectation, i) : SIZE_MAX;
        if (far < limit) {
            best = i;
            limit = far;
        }
    }
    return best;
}

// Notes what leads to a system, so that it is explained.
static void concern_system(struct run *run, const struct policy_system *to) {
    for (size_t i = 0; i < run->result->match_count; i++)
        run->shown[i] = run->shown[i] || run->result->matches[i].to == to;
    for (size_t i = 0; i < run->result->route_count; i++) {
        const struct route *route = run->result->routes[i].route;
        for (size_t k = 0; k < route_destination_count(route); k++)
            run->concerned[i] = run->concerned[i] || route_destination(route, k).to == to;
    }
}

static void concern_match(struct run *run, size_t match) {
    run->shown[match] = true;
    for (size_t i = 0; i < run->result->route_count; i++) {
        const struct trial_route *told = &run->result->routes[i];
        if (match >= told->first && match < told->first + told->count)
            run->concerned[i] = true;
    }
}

static void pair(struct run *run, size_t expectation, size_t limit) {
    const struct expectation *wanted = &run->item->expectations[expectation];
    size_t i = nearest(run, wanted, limit);
    if (i == SIZE_MAX || run->rc)
        return;
    size_t errors = report_errors(run->problems);
    run->used[i] = true;
    run->paired[expectation] = true;
    run->rc = check(run, wanted, i, run->problems);
    if (report_errors(run->problems) > errors)
        concern_match(run, i);
}

// ---- What is too much or too little ----

static void describe(const struct match *match, char *out, size_t size) {
    if (match->dead_reason)
        snprintf(out, size, "a dead letter %s: %s", trial_reason(match->dead_reason), match->dead_text);
    else
        snprintf(out, size, "%s", match->type->full_name);
}

static void report_missing(struct run *run, const struct expectation *expectation) {
    const struct config_node *at = config_get(expectation->node, "to");
    const char *what = expectation->dead ? "a dead letter" : "a delivery";
    char got[800];
    concern_system(run, expectation->to);
    for (size_t i = 0; i < run->result->match_count; i++) {
        const struct match *match = &run->result->matches[i];
        if (run->used[i] || match->to != expectation->to)
            continue;
        run->used[i] = true;
        describe(match, got, sizeof got);
        config_error(at, run->problems, "%s: expected %s%s%s, got %s", expectation->to->address, what,
            expectation->type ? " of " : "", expectation->type ? expectation->type->full_name : "", got);
        return;
    }
    config_error(at, run->problems, "%s: expected %s, got nothing", expectation->to->address, what);
}

static void report_surplus(struct run *run, size_t i) {
    const struct match *match = &run->result->matches[i];
    char got[800];
    describe(match, got, sizeof got);
    config_error(run->item->expect, run->problems, "%s: expected nothing, got %s by route %s",
        match->to->address, got, match->route);
    concern_match(run, i);
}

// Those that fit wholly find each other first.
static void compare(struct run *run) {
    for (size_t i = 0; i < run->item->count; i++)
        pair(run, i, 1);
    for (size_t i = 0; i < run->item->count; i++)
        if (!run->paired[i])
            pair(run, i, SIZE_MAX);
    for (size_t i = 0; i < run->item->count; i++)
        if (!run->paired[i])
            report_missing(run, &run->item->expectations[i]);
    for (size_t i = 0; i < run->result->match_count; i++)
        if (!run->used[i])
            report_surplus(run, i);
}

// Of a case that failed: only then it is worth the time to find out why.
static int explain(struct run *run, struct buffer *out) {
    int rc = trial_run(run->trial, run->message, true, &run->result, NULL);
    const struct trial_options options = {.matches = run->shown};
    for (size_t i = 0; rc == 0 && i < run->result->route_count; i++)
        if (run->concerned[i])
            rc = trial_print_route(run->message, run->result, &run->result->routes[i], &options, out);
    return rc;
}

static int judge_routed(struct run *run, struct buffer *explained) {
    const struct trial_result *result = run->result;
    if (run->item->refused) {
        config_error(run->item->refused, run->problems,
            "expected to be refused, but it is routed: %zu delivered, %zu dead letters",
            result->match_count - result->dead, result->dead);
        return 0;
    }
    run->used = calloc(result->match_count + 1, sizeof *run->used);
    run->paired = calloc(run->item->count + 1, sizeof *run->paired);
    run->concerned = calloc(result->route_count + 1, sizeof *run->concerned);
    run->shown = calloc(result->match_count + 1, sizeof *run->shown);
    if (!run->used || !run->paired || !run->concerned || !run->shown)
        run->rc = -ENOMEM;
    else
        compare(run);
    if (run->rc == 0 && report_errors(run->problems))
        run->rc = explain(run, explained);
    free(run->used);
    free(run->paired);
    free(run->concerned);
    free(run->shown);
    return run->rc;
}

static void judge_refused(const struct test_case *item, const char *text, struct report *problems) {
    if (!item->refused)
        config_error(item->expect, problems, "the message is refused: %s", text);
    else if (!contains(text, item->refused->text))
        config_error(item->refused, problems, "it is refused, but the text is \"%s\"", text);
}

int cases_run(const struct cases *cases, size_t i, struct trial *trial, int64_t now_us,
    struct coverage *coverage, struct buffer *explained, struct report *problems, struct case_outcome *out) {
    const struct test_case *item = &cases->items[i];
    struct error error = {0};
    const struct trial_message message = {.from = item->from,
        .type = item->type,
        .subject = item->subject,
        .payload = buffer_bytes(&item->payload),
        .now_us = item->at ? item->at_us : now_us};
    struct run run = {.item = item, .trial = trial, .message = &message, .problems = problems};
    int rc = trial_run(trial, &message, false, &run.result, &error);
    if (rc < 0)
        return rc;
    if (rc == 0 && coverage)
        coverage_add(coverage, run.result);
    if (rc == 0)
        rc = judge_routed(&run, explained);
    else
        judge_refused(item, error.text, problems), rc = 0;
    *out = (struct case_outcome){.name = item->name,
        .path = config_path(item->node->file),
        .mark = config_get(item->node, "name")->mark,
        .passed = report_errors(problems) == 0,
        .problems = problems,
        .explained = buffer_bytes(explained)};
    return rc;
}

bool cases_concern(const struct cases *cases, size_t i, const char *name) {
    const struct test_case *item = &cases->items[i];
    const struct route *route;
    for (size_t k = 0; (route = routes_at(cases->routes, k)); k++)
        if (strcmp(route_name(route), name) == 0 && case_takes(route, item))
            return true;
    return false;
}
