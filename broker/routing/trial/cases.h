// Tests of routes: files *.test.yaml beside them, each a list of cases (docs/testing-routes.md).
#pragma once

#include "broker/routing/trial/trial.h"

struct cases;

// Loads the files against the routes that they test. Every problem goes to the report; NULL when there was
// any. `routes` is borrowed. Returns owned.
struct cases *cases_load(
    const struct routes *routes, const char *const *paths, size_t count, struct report *report);
// All *.test.yaml of the folder, in order of name.
struct cases *cases_load_folder(const struct routes *routes, const char *folder, struct report *report);
void cases_destroy(struct cases **self);
size_t cases_count(const struct cases *cases);
size_t cases_file_count(const struct cases *cases);

// What became of one case. Borrowed until the next.
struct case_outcome {
    const char *name;
    const char *path;
    struct mark mark; // of its name
    bool passed;
    const struct report *problems; // each at the expectation that failed
    struct bytes explained;        // of the routes concerned, as text; empty where it passed
};

// Runs a case. `now_us`: for cases without "at". 0, -ENOMEM.
struct coverage;
int cases_run(const struct cases *cases, size_t i, struct trial *trial, int64_t now_us,
    struct coverage *coverage, struct buffer *explained, struct report *problems, struct case_outcome *out);
// Whether the route of this name is one of those that are looked at for the case.
bool cases_concern(const struct cases *cases, size_t i, const char *route);

// What all cases together have seen of the routes: each that matched; both outcomes of each `when`; a
// delivery of each destination. Returns owned, or NULL.
struct coverage *coverage_new(const struct routes *routes, const char *only); // one route's name; NULL: all
void coverage_destroy(struct coverage **self);
void coverage_add(struct coverage *coverage, const struct trial_result *result);

struct coverage_gap {
    const char *route;
    const struct config_node *at;
    const char *text; // "never matched"
};
size_t coverage_total(const struct coverage *coverage);
size_t coverage_seen(const struct coverage *coverage);
unsigned coverage_percent(const struct coverage *coverage); // rounded down; 100 where there is nothing to see
// The i-th thing that was not seen, in order of file and place; false behind the last. The text lives until
// the next call.
bool coverage_gap(struct coverage *coverage, size_t i, struct coverage_gap *out);
