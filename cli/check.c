// hutong check: what the broker would say of its configuration, without starting it.
#include "broker/configuration/configuration.h"
#include "broker/routing/routing.h"
#include "cli/cli.h"
#include "core/crypto/digest.h"

#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

struct check {
    const char *broker_yaml;
    const char *catalogue;
    struct report *report;
    size_t systems;
    size_t agreements;
    size_t routes;
    bool looked;                      // at the routes too: the catalogue could be loaded
    char digest[2 * DIGEST_SIZE + 1]; // "" where the routes are not fine
};

static void run(struct check *check) {
    struct policy *policy = policy_load_for_check(check->broker_yaml, check->catalogue, check->report);
    if (!policy)
        return;
    check->looked = true;
    struct routes *routes = routes_load(policy, policy_settings(policy)->routes, check->report);
    check->systems = policy_system_count(policy);
    check->agreements = policy_agreement_count(policy);
    if (routes) {
        check->routes = routes_count(routes);
        uint8_t digest[DIGEST_SIZE];
        if (configuration_digest(policy, digest) == 0)
            digest_hex(digest, check->digest);
    }
    routes_destroy(&routes);
    policy_destroy(&policy);
}

static const char *plural(size_t count) {
    return count == 1 ? "" : "s";
}

static int print_text(const struct check *check) {
    struct buffer out = {0};
    size_t errors = report_errors(check->report);
    size_t warnings = report_warnings(check->report);
    int rc = report_print(check->report, &out);
    if (rc == 0 && out.size > 0)
        fwrite(out.data, 1, out.size, stderr);
    buffer_destroy(&out);
    printf("%s: ", check->broker_yaml);
    if (errors || warnings)
        printf("%zu error%s, %zu warning%s", errors, plural(errors), warnings, plural(warnings));
    else
        printf("fine");
    if (!errors)
        printf(" (%zu systems, %zu agreements, %zu routes, digest %.12s)", check->systems, check->agreements,
            check->routes, check->digest);
    puts(check->looked ? "" : "; the routes were not checked");
    return rc;
}

static int print_json(const struct check *check) {
    struct buffer out = {0};
    int rc = buffer_append_format(&out,
        "{\"errors\":%zu,\"warnings\":%zu,\"systems\":%zu,\"agreements\":%zu,\"routes\":%zu,\"digest\":\"%"
        "s\",\"problems\":",
        report_errors(check->report), report_warnings(check->report), check->systems, check->agreements,
        check->routes, check->digest);
    rc = rc ? rc : report_print_json(check->report, &out);
    rc = rc ? rc : buffer_append_string(&out, "}\n");
    if (rc == 0)
        fwrite(out.data, 1, out.size, stdout);
    buffer_destroy(&out);
    return rc;
}

static const char help[] =
    "Usage: hutong check [OPTION…] [BROKER_YAML]\n"
    "Checks a broker's configuration with all agencies, agreements, code lists and routes, and prints every\n"
    "problem with its place, without starting anything. BROKER_YAML: conf/broker.yaml here, else\n"
    "/etc/hutong/broker.yaml. Exit status 2 when there was an error; warnings alone are fine.\n\n"
    "  -c, --catalogue FILE  message types (default: those that the configuration names)\n"
    "  -j, --json            one JSON object: counts, digest of the whole set, problems\n"
    "  -h, --help            this text\n";

struct arguments {
    bool json;
    const char *catalogue;
    const char *broker_yaml;
};

// -1: go on; otherwise the exit status.
static int parse(int argc, char **argv, struct arguments *out) {
    static const struct option options[] = {{"catalogue", required_argument, NULL, 'c'},
        {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
    for (int option; (option = getopt_long(argc, argv, "c:jh", options, NULL)) != -1;) {
        if (option == 'h') {
            fputs(help, stdout);
            return EXIT_DONE;
        }
        if (option == '?')
            return EXIT_WRONG;
        if (option == 'j')
            out->json = true;
        else
            out->catalogue = optarg;
    }
    if (argc - optind > 1)
        return cli_wrong("check", "\"%s\" is too much; see --help", argv[optind + 1]);
    bool here = access("conf/broker.yaml", F_OK) == 0;
    out->broker_yaml = optind < argc ? argv[optind] : here ? "conf/broker.yaml" : "/etc/hutong/broker.yaml";
    return -1;
}

int command_check(int argc, char **argv) {
    struct arguments arguments = {0};
    int exit_status = parse(argc, argv, &arguments);
    if (exit_status >= 0)
        return exit_status;
    struct check check = {
        .broker_yaml = arguments.broker_yaml, .catalogue = arguments.catalogue, .report = report_new(0)};
    if (!check.report)
        return cli_failed("check", "out of memory");
    run(&check);
    int rc = arguments.json ? print_json(&check) : print_text(&check);
    exit_status = report_errors(check.report) ? EXIT_WRONG : EXIT_DONE;
    report_destroy(&check.report);
    return rc == 0 ? exit_status : cli_failed("check", "out of memory");
}
