// Any bytes are tests of the shipped routes or a list of problems; and what could be loaded runs, and is
// explained where it failed.
#include "broker/routing/trial/cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define NOW_US 1795478400000000 // 2026-11-24

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct policy *policy;
static struct routes *routes;
static struct trial *trial;

#define MUST(condition)                                                                                      \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            abort();                                                                                         \
    } while (0)

static void load_routes(void) {
    struct report *report = report_new(0);
    MUST(report);
    policy = policy_load_for_check(
        HUTONG_SOURCE_DIR "/conf/broker.yaml", HUTONG_BUILD_DIR "/catalogue.binpb", report);
    MUST(policy);
    routes = routes_load(policy, policy_settings(policy)->routes, report);
    MUST(routes && trial_new(routes, &trial) == 0);
    report_destroy(&report);
}

static void run_all(const struct cases *cases) {
    struct coverage *coverage = coverage_new(routes, NULL);
    MUST(coverage);
    for (size_t i = 0; i < cases_count(cases); i++) {
        struct case_outcome outcome;
        struct buffer explained = {0};
        struct buffer text = {0};
        struct report *problems = report_new(0);
        MUST(problems);
        MUST(cases_run(cases, i, trial, NOW_US, coverage, &explained, problems, &outcome) == 0);
        MUST(outcome.passed == (report_errors(problems) == 0));
        MUST(report_print(problems, &text) == 0);
        buffer_destroy(&text);
        buffer_destroy(&explained);
        report_destroy(&problems);
    }
    MUST(coverage_percent(coverage) <= 100);
    coverage_destroy(&coverage);
}

// A file in memory, so that the loader itself is what reads it.
static int make_file(const uint8_t *data, size_t size, char path[64]) {
    int file = memfd_create("cases", 0);
    MUST(file >= 0 && write(file, data, size) == (ssize_t)size);
    snprintf(path, 64, "/proc/self/fd/%d", file);
    return file;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[64];
    const char *const paths[] = {path};
    if (!trial)
        load_routes();
    if (size > 65536)
        return 0;
    int file = make_file(data, size, path);
    struct report *report = report_new(0);
    MUST(report);
    struct cases *cases = cases_load(routes, paths, 1, report);
    MUST((cases == NULL) == (report_errors(report) > 0));
    if (cases)
        run_all(cases);
    cases_destroy(&cases);
    report_destroy(&report);
    close(file);
    return 0;
}
