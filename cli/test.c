// hutong test: the cases in routes/*.test.yaml, and what of the routes they have seen.
#include "broker/routing/trial/cases.h"
#include "cli/routes.h"
#include "core/base/clock.h"

#include <getopt.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Usage: hutong test [OPTION…] [BROKER_YAML] [FILE.test.yaml…]\n"
    "Runs the tests of the routes, without a broker: each case sends a message and says who receives what. "
    "FILE:\n"
    "all *.test.yaml in the folder of the routes. BROKER_YAML: conf/broker.yaml here, else\n"
    "/etc/hutong/broker.yaml. How cases are written: docs/testing-routes.md.\n\n"
    "  -r, --route NAME        only the cases that this route is looked at for\n"
    "  -C, --coverage          also what of the routes no case has seen\n"
    "  -m, --min-coverage N    fail below N percent\n"
    "  -v, --verbose           name the cases that passed too\n"
    "  -c, --catalogue FILE    message types (default: those that the configuration names)\n"
    "  -j, --json              one JSON object: cases, problems, coverage\n"
    "  -h, --help              this text\n\n"
    "Exit status: 0 all passed; 1 a case failed, or the coverage is too low; 2 the files are wrong.\n";

struct test {
    const char *broker_yaml;
    const char *catalogue;
    const char *route;
    const char *const *files;
    size_t file_count;
    bool with_coverage;
    bool verbose;
    bool json;
    unsigned min_coverage;
    int64_t now_us;
    struct cli_routes loaded;
    struct cases *cases;
    struct coverage *coverage;
    size_t passed;
    size_t failed;
    json_t *list; // of cases, for --json
};

static const char *plural(size_t count) {
    return count == 1 ? "" : "s";
}

// ---- One case ----

// Each line of the explanation behind two blanks.
static void print_indented(struct bytes text) {
    bool start = true;
    for (size_t i = 0; i < text.size; i++) {
        if (start && text.data[i] != '\n')
            fputs("  ", stdout);
        putchar(text.data[i]);
        start = text.data[i] == '\n';
    }
}

static int print_outcome(const struct test *test, const struct case_outcome *outcome) {
    struct buffer problems = {0};
    if (outcome->passed) {
        if (test->verbose)
            printf("passed: %s\n", outcome->name);
        return 0;
    }
    int rc = report_print(outcome->problems, &problems);
    if (rc == 0) {
        printf("FAILED: %s\n%.*s", outcome->name, BYTES_ARGS(buffer_bytes(&problems)));
        if (outcome->explained.size > 0) {
            puts("  why:");
            print_indented(outcome->explained);
        }
        putchar('\n');
    }
    buffer_destroy(&problems);
    return rc;
}

static json_t *problems_json(const struct report *problems) {
    struct buffer text = {0};
    json_t *list = report_print_json(problems, &text) == 0
                       ? json_loadb((const char *)text.data, text.size, 0, NULL)
                       : NULL;
    buffer_destroy(&text);
    return list;
}

static int add_outcome(const struct test *test, const struct case_outcome *outcome) {
    json_t *problems = problems_json(outcome->problems);
    json_t *one =
        problems ? json_pack("{s:s, s:s, s:I, s:I, s:b, s:o}", "name", outcome->name, "file", outcome->path,
                       "line", (json_int_t)outcome->mark.line, "column", (json_int_t)outcome->mark.column,
                       "passed", (int)outcome->passed, "problems", problems)
                 : NULL;
    return one ? json_array_append_new(test->list, one) : -1;
}

static int run_case(struct test *test, size_t i) {
    struct case_outcome outcome;
    struct buffer explained = {0};
    struct report *problems = report_new(0);
    int rc = problems ? cases_run(test->cases, i, test->loaded.trial, test->now_us, test->coverage,
                            &explained, problems, &outcome)
                      : -1;
    if (rc == 0)
        rc = test->json ? add_outcome(test, &outcome) : print_outcome(test, &outcome);
    if (rc == 0)
        ++*(outcome.passed ? &test->passed : &test->failed);
    buffer_destroy(&explained);
    report_destroy(&problems);
    return rc;
}

// ---- Coverage ----

static void print_coverage(const struct test *test) {
    struct coverage_gap gap;
    printf("coverage: %zu of %zu, %u %%\n", coverage_seen(test->coverage), coverage_total(test->coverage),
        coverage_percent(test->coverage));
    for (size_t i = 0; coverage_gap(test->coverage, i, &gap); i++)
        printf("  %s:%u:%u: %s: %s\n", config_path(gap.at->file), gap.at->mark.line, gap.at->mark.column,
            gap.route, gap.text);
}

static json_t *coverage_json(const struct test *test) {
    json_t *gaps = json_array();
    struct coverage_gap gap;
    for (size_t i = 0; coverage_gap(test->coverage, i, &gap); i++)
        json_array_append_new(gaps, json_pack("{s:s, s:s, s:I, s:I, s:s}", "route", gap.route, "file",
                                        config_path(gap.at->file), "line", (json_int_t)gap.at->mark.line,
                                        "column", (json_int_t)gap.at->mark.column, "text", gap.text));
    return json_pack("{s:I, s:I, s:I, s:o}", "seen", (json_int_t)coverage_seen(test->coverage), "total",
        (json_int_t)coverage_total(test->coverage), "percent", (json_int_t)coverage_percent(test->coverage),
        "missing", gaps);
}

// ---- All ----

static bool covers_enough(const struct test *test) {
    return coverage_percent(test->coverage) >= test->min_coverage;
}

static int finish_json(struct test *test) {
    json_t *whole = json_pack("{s:I, s:I, s:O, s:o}", "passed", (json_int_t)test->passed, "failed",
        (json_int_t)test->failed, "cases", test->list, "coverage", coverage_json(test));
    int rc = whole ? json_dumpf(whole, stdout, JSON_COMPACT) : -1;
    json_decref(whole);
    putchar('\n');
    return rc;
}

static int finish(struct test *test) {
    if (test->json) {
        if (finish_json(test) != 0)
            return cli_failed("test", "out of memory");
    } else {
        if (test->with_coverage || !covers_enough(test))
            print_coverage(test);
        if (!covers_enough(test))
            printf("coverage is below %u %%\n", test->min_coverage);
        printf("%zu passed, %zu failed\n", test->passed, test->failed);
    }
    return test->failed || !covers_enough(test) ? EXIT_FAILED : EXIT_DONE;
}

static int run_all(struct test *test) {
    for (size_t i = 0; i < cases_count(test->cases); i++) {
        if (test->route && !cases_concern(test->cases, i, test->route))
            continue;
        if (run_case(test, i) != 0)
            return cli_failed("test", "out of memory");
    }
    return finish(test);
}

// Prints what is wrong with the files, and what is odd.
static int print_report(const struct report *report) {
    struct buffer out = {0};
    int rc = report_print(report, &out);
    if (rc == 0 && out.size > 0)
        fwrite(out.data, 1, out.size, stderr);
    buffer_destroy(&out);
    return rc;
}

static int load(struct test *test, struct report *report) {
    const struct routes *routes = test->loaded.routes;
    const char *folder = policy_settings(test->loaded.policy)->routes;
    test->cases = test->file_count ? cases_load(routes, test->files, test->file_count, report)
                                   : cases_load_folder(routes, folder, report);
    int rc = print_report(report);
    if (rc)
        return cli_failed("test", "out of memory");
    if (!test->cases)
        return cli_wrong("test", "the tests are wrong; %zu error%s above", report_errors(report),
            plural(report_errors(report)));
    if (cases_file_count(test->cases) == 0)
        return cli_wrong("test", "there are no tests: no file *.test.yaml in %s", folder);
    test->coverage = coverage_new(routes, test->route);
    test->list = json_array();
    return test->coverage && test->list ? EXIT_DONE : cli_failed("test", "out of memory");
}

static int load_and_run(struct test *test) {
    if (test->route && !cli_route_exists("test", test->loaded.routes, test->route))
        return EXIT_WRONG;
    struct report *report = report_new(0);
    int rc = report ? load(test, report) : cli_failed("test", "out of memory");
    rc = rc ? rc : run_all(test);
    report_destroy(&report);
    cases_destroy(&test->cases);
    coverage_destroy(&test->coverage);
    json_decref(test->list);
    return rc;
}

// ---- Arguments ----

static int take_percent(struct test *test, const char *text) {
    char *end;
    unsigned long percent = strtoul(text, &end, 10);
    if (end == text || *end || percent > 100)
        return cli_wrong("test", "--min-coverage is 0 to 100, not \"%s\"", text);
    test->min_coverage = (unsigned)percent;
    return EXIT_DONE;
}

static int take_option(struct test *test, int option, const char *value) {
    switch (option) {
    case 'r':
        test->route = value;
        return EXIT_DONE;
    case 'C':
        test->with_coverage = true;
        return EXIT_DONE;
    case 'm':
        return take_percent(test, value);
    case 'v':
        test->verbose = true;
        return EXIT_DONE;
    case 'c':
        test->catalogue = value;
        return EXIT_DONE;
    case 'j':
        test->json = true;
        return EXIT_DONE;
    default:
        return EXIT_WRONG;
    }
}

static bool is_test_file(const char *name) {
    static const char end[] = ".test.yaml";
    size_t size = strlen(name);
    return size > strlen(end) && strcmp(name + size - strlen(end), end) == 0;
}

// The files of tests behind the configuration, which comes first or is left out.
static int take_files(struct test *test, int argc, char **argv) {
    int first = optind;
    test->broker_yaml = cli_broker_yaml();
    if (first < argc && !is_test_file(argv[first]))
        test->broker_yaml = argv[first++];
    for (int i = first; i < argc; i++)
        if (!is_test_file(argv[i]))
            return cli_wrong("test", "\"%s\" is no file of tests: those are named *.test.yaml", argv[i]);
    test->files = (const char *const *)(argv + first);
    test->file_count = (size_t)(argc - first);
    return EXIT_DONE;
}

// -1: it was help.
static int parse(struct test *test, int argc, char **argv) {
    static const struct option options[] = {{"route", required_argument, NULL, 'r'},
        {"coverage", no_argument, NULL, 'C'}, {"min-coverage", required_argument, NULL, 'm'},
        {"verbose", no_argument, NULL, 'v'}, {"catalogue", required_argument, NULL, 'c'},
        {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
    for (int option; (option = getopt_long(argc, argv, "r:Cm:vc:jh", options, NULL)) != -1;) {
        if (option == 'h') {
            fputs(help, stdout);
            return -1;
        }
        if (take_option(test, option, optarg) != EXIT_DONE)
            return EXIT_WRONG;
    }
    return take_files(test, argc, argv);
}

int command_test(int argc, char **argv) {
    struct test test = {.now_us = clock_realtime_ns() / 1000};
    int rc = parse(&test, argc, argv);
    if (rc)
        return rc < 0 ? EXIT_DONE : rc;
    rc = cli_routes_load("test", test.broker_yaml, test.catalogue, &test.loaded);
    rc = rc ? rc : load_and_run(&test);
    cli_routes_destroy(&test.loaded);
    return rc;
}
