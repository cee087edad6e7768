// What tests of matching share: a small town, a set of routes, a matcher.
#pragma once

#include "broker/policy/testing.h"
#include "broker/routing/routing.h"
#include "core/schema/json.h"
#include "core/wire/wire.h"

#include "test/support/alloc_fail.h"

#include <errno.h>

#define NOW_US 1790000000000000 // 2026-09-21
#define UNMAPPED HUTONG__BUS__V1__REASON__REASON_UNMAPPED
#define FILTER HUTONG__BUS__V1__REASON__REASON_FILTER
#define NOT_ALLOWED HUTONG__BUS__V1__REASON__REASON_NOT_ALLOWED
#define TOO_LARGE HUTONG__BUS__V1__REASON__REASON_TOO_LARGE

#define POPULATION "public_security/population"

struct bench {
    struct tree tree;
    struct policy *policy;
    struct routes *routes;
    struct matcher *matcher;
    struct buffer payload;
    struct buffer text;
    const struct match *matches;
    size_t count;
    struct error error;
};

static const char bench_codes[] = "code_map: letters\ntitle: t\nsource: s\nas_of: 2026-11-24\nentries:\n"
                                  "  - { from: \"01\", to: SELF }\n  - { from: \"10\", to: SPOUSE }\n";

// The routes must be right.
static inline void bench_open_with(struct bench *bench, const char *routes) {
    char folder[128];
    struct report *report = report_new(0);
    *bench = (struct bench){0};
    tree_make(&bench->tree);
    tree_write(&bench->tree, "codes/letters.yaml", bench_codes);
    tree_write(&bench->tree, "agreements/b.yaml",
        "agreement: A-2\nprovider: public_security\nreceiver: housing/registry\n"
        "type: gov.public_security.v1.ResidenceRegistered\nfields: [resident, address, kind, relation, "
        "registered_at, organ, "
        "household_number, previous_division, entry_number]\npurpose: p\nbasis: b\nfrom: 2020-01-01\nuntil: "
        "2098-12-31\n");
    tree_write(&bench->tree, "routes/r.yaml", routes);
    bench->policy = tree_load(&bench->tree, report);
    snprintf(folder, sizeof folder, "%s/routes", bench->tree.folder);
    bench->routes = bench->policy ? routes_load(bench->policy, folder, report) : NULL;
    assert_string_equal(tree_printed(&bench->tree, report), "");
    bench->matcher = matcher_new(bench->routes);
    assert_non_null(bench->matcher);
    report_destroy(&report);
}

static inline void bench_close(struct bench *bench) {
    buffer_destroy(&bench->payload);
    buffer_destroy(&bench->text);
    matcher_destroy(&bench->matcher);
    routes_destroy(&bench->routes);
    policy_destroy(&bench->policy);
    tree_remove(&bench->tree);
}

static inline const struct schema_message *type_named(const struct bench *bench, const char *name) {
    const struct schema_message *type =
        catalogue_message(policy_catalogue(bench->policy), bytes_of_string(name));
    assert_non_null(type);
    return type;
}

static inline int match_bytes(
    struct bench *bench, const char *from, const char *type, struct bytes payload, int64_t now_us) {
    const struct policy_system *system = policy_system_named(bench->policy, bytes_of_string(from));
    return matcher_match(bench->matcher, system, type_named(bench, type), bytes_of_string("own subject"),
        payload, now_us, &bench->matches, &bench->count, &bench->error);
}

static inline int match_json(struct bench *bench, const char *from, const char *type, const char *json) {
    buffer_clear(&bench->payload);
    assert_int_equal(
        json_to_message(type_named(bench, type), bytes_of_string(json), &bench->payload, &bench->error), 0);
    return match_bytes(bench, from, type, buffer_bytes(&bench->payload), NOW_US);
}

static inline void delivers(
    const struct match *match, const char *route, const char *to, const char *subject) {
    assert_string_equal(match->route, route);
    assert_string_equal(match->to->address, to);
    assert_true(bytes_equal_string(match->subject, subject));
    assert_int_equal(match->dead_reason, 0);
}

// The payload as JSON, until the next call.
static inline const char *payload_of(struct bench *bench, const struct match *match) {
    buffer_clear(&bench->text);
    assert_non_null(match->payload.data);
    assert_int_equal(json_from_message(
                         match->type, match->payload, &(struct json_options){0}, &bench->text, &bench->error),
        0);
    return buffer_text(&bench->text);
}
