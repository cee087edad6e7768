#include "broker/main.h"

#include "broker/admin/admin.h"
#include "core/base/log.h"
#include "core/base/memory.h"

#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const char usage[] =
    "Usage: hutong-broker -c FILE [--check]\n"
    "The broker of the Hutong message bus.\n"
    "\n"
    "  -c, --config FILE  conf/broker.yaml; everything else is found from there\n"
    "      --check        check all of the configuration and end\n"
    "  -h, --help         this text\n"
    "      --version      the version\n"
    "\n"
    "SIGTERM and SIGINT drain and end it. It logs to standard error, one line an event.\n"
    "Exit status: 0 ended as asked; 1 failed; 2 wrong usage or configuration.\n"
    "See also: hutong-broker(8), hutong(1), docs/operations.md\n";

struct arguments {
    const char *config;
    bool check;
    bool done; // help or version was all that was wanted
};

static int parse(int argc, char **argv, struct arguments *out) {
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
        {"check", no_argument, NULL, 'k'}, {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'}, {0}};
    for (int option; (option = getopt_long(argc, argv, "c:h", options, NULL)) != -1;) {
        switch (option) {
        case 'c':
            out->config = optarg;
            break;
        case 'k':
            out->check = true;
            break;
        case 'h':
            fputs(usage, stdout);
            out->done = true;
            return 0;
        case 'v':
            puts("hutong-broker " HUTONG_VERSION);
            out->done = true;
            return 0;
        default:
            fputs("Try: hutong-broker --help\n", stderr);
            return 2;
        }
    }
    if (!out->config || optind != argc) {
        fputs(usage, stderr);
        return 2;
    }
    return 0;
}

static void print_report(const struct report *report) {
    struct buffer text = {0};
    if (report_print(report, &text) == 0 && text.size)
        fwrite(text.data, 1, text.size, stderr);
    buffer_destroy(&text);
}

// A signal is read as a file, so that the loop sees it at a point of its choosing.
static int stop_signals(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    signal(SIGPIPE, SIG_IGN);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return -errno;
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

static int ask_core(void *context, const char *request, struct buffer *answer) {
    return control_ask(context, request, answer, 5000);
}

static int serve(struct daemon *daemon, const struct policy *policy, const struct routes *routes, int stop_fd,
    struct error *error) {
    const struct policy_settings *settings = policy_settings(policy);
    struct control *control = NULL;
    struct admin *admin = NULL;
    int rc = 0;
    if (settings->admin) {
        control = control_new(daemon_router(daemon));
        struct admin_options options = {.address = settings->admin, .ask = ask_core, .context = control};
        rc = control ? admin_start(&options, &admin, error) : error_no_memory(error);
    }
    if (rc == 0) {
        log_event(LOG_INFO, "broker.ready", "listen=%s curve=%s systems=%zu routes=%zu pid=%d",
            router_endpoint(daemon_router(daemon)), settings->curve ? "on" : "off",
            policy_system_count(policy), routes_count(routes), (int)getpid());
        memory_settle();
        rc = daemon_run(daemon, stop_fd, error);
    }
    admin_stop(&admin);
    control_destroy(&control);
    return rc;
}

static int run(
    const struct policy *policy, const struct routes *routes, const struct daemon_options *options) {
    struct error error = {0};
    struct daemon *daemon = NULL;
    enum log_level level = LOG_INFO;
    log_level_parse(policy_settings(policy)->log_level, &level);
    log_set_level(level);
    int stop_fd = stop_signals();
    int rc = stop_fd < 0 ? error_set(&error, stop_fd, "signals: %s", strerror(-stop_fd)) : 0;
    rc = rc ? rc : daemon_new(options, &daemon, &error);
    rc = rc ? rc : serve(daemon, policy, routes, stop_fd, &error);
    char quoted[ERROR_TEXT_SIZE];
    if (rc)
        log_event(LOG_ERROR, "broker.failed", "reason=%s", log_quote(error.text, quoted, sizeof quoted));
    else
        log_event(LOG_INFO, "broker.stopped", "pid=%d", (int)getpid());
    daemon_destroy(&daemon);
    if (stop_fd >= 0)
        close(stop_fd);
    return rc ? 1 : 0;
}

int broker_main(int argc, char **argv,
    int (*open_journal)(const struct journal_options *options, const struct journal_owner *owner,
        struct journal **out, struct error *error)) {
    struct arguments arguments = {0};
    int rc = parse(argc, argv, &arguments);
    if (rc || arguments.done)
        return rc;
    mallopt(M_ARENA_MAX, 2); // few threads allocate: more arenas only cost memory
    struct report *report = report_new(0);
    struct policy *policy = report ? policy_load(arguments.config, report) : NULL;
    struct routes *routes = policy ? routes_load(policy, policy_settings(policy)->routes, report) : NULL;
    if (report)
        print_report(report);
    if (!routes) {
        fprintf(stderr, "hutong-broker: the configuration has %zu errors; nothing was started\n",
            report ? report_errors(report) : 0);
        rc = 2;
    }
    report_destroy(&report);
    if (rc == 0 && arguments.check)
        printf("%s: %zu systems, %zu routes, no errors\n", arguments.config, policy_system_count(policy),
            routes_count(routes));
    else if (rc == 0)
        rc = run(policy, routes,
            &(struct daemon_options){.policy = policy, .routes = routes, .open_journal = open_journal});
    routes_destroy(&routes);
    policy_destroy(&policy);
    return rc;
}
