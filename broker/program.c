#include "broker/main.h"

#include "broker/admin/admin.h"
#include "broker/loader.h"
#include "core/base/log.h"
#include "core/base/memory.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define SHARED_PROGRAM "/hutong-broker-kafka"

static const char usage[] = "Usage: hutong-broker -c FILE [--check]\n"
                            "The broker of the Hutong message bus.\n"
                            "\n"
                            "  -c, --config FILE  conf/broker.yaml; everything else is found from there\n"
                            "      --check        check all of the configuration and end\n"
                            "  -h, --help         this text\n"
                            "      --version      the version\n"
                            "\n"
                            "SIGTERM and SIGINT drain and end it; SIGHUP checks the configuration anew, and "
                            "if it is right, changes to\n"
                            "it without a pause. It logs to standard error, one line an event.\n"
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

// A signal is read as a file, so that a loop sees it at a point of its choosing.
static int signal_file(const sigset_t *set) {
    int fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

// Before any thread is started: all of them leave these signals to the files.
static int open_signals(int *stop_fd, int *reload_fd) {
    sigset_t stop;
    sigset_t reload;
    sigemptyset(&stop);
    sigemptyset(&reload);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    sigaddset(&reload, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    if (sigprocmask(SIG_BLOCK, &stop, NULL) != 0 || sigprocmask(SIG_BLOCK, &reload, NULL) != 0)
        return -errno;
    *stop_fd = signal_file(&stop);
    *reload_fd = signal_file(&reload);
    return *stop_fd < 0 ? *stop_fd : *reload_fd < 0 ? *reload_fd : 0;
}

// ---- The admin's threads ask the core and the loader. ----

#define CORE_MS 5000

static int ask(
    struct router *router, const char *mailbox, struct bytes request, int timeout_ms, struct buffer *answer) {
    struct control *control = control_new(router, mailbox);
    int rc = control ? control_ask(control, request, answer, timeout_ms) : -ENOMEM;
    control_destroy(&control);
    return rc;
}

static int ask_core(void *context, const char *request, struct buffer *answer) {
    return ask(context, MAILBOX_CORE, bytes_of_string(request), CORE_MS, answer);
}

static int ask_loader(void *context, struct bytes request, struct buffer *answer) {
    return ask(context, LOADER_MAILBOX, request, -1, answer);
}

static int serve(
    struct daemon *daemon, const struct configuration *configuration, int stop_fd, struct error *error) {
    const struct policy_settings *settings = policy_settings(configuration->policy);
    struct router *router = daemon_router(daemon);
    struct admin *admin = NULL;
    int rc = 0;
    if (settings->admin) {
        struct admin_options options = {
            .address = settings->admin, .ask = ask_core, .command = ask_loader, .context = router};
        rc = admin_start(&options, &admin, error);
    }
    if (rc == 0) {
        log_event(LOG_INFO, "broker.ready", "listen=%s curve=%s systems=%zu routes=%zu pid=%d",
            router_endpoint(router), settings->curve ? "on" : "off",
            policy_system_count(configuration->policy), routes_count(configuration->routes), (int)getpid());
        memory_settle();
        rc = daemon_run(daemon, stop_fd, error);
    }
    router_close_mailboxes(router); // so that no thread waits for an answer that will not come
    admin_stop(&admin);
    return rc;
}

// Takes the configuration.
static int run_daemon(const char *broker_yaml, struct configuration *configuration,
    const struct daemon_options *options, int stop_fd, int reload_fd, struct error *error) {
    struct daemon *daemon = NULL;
    struct loader *loader = NULL;
    int rc = daemon_new(options, &daemon, error);
    if (rc == 0) {
        struct loader_options loading = {.broker_yaml = broker_yaml,
            .configuration = configuration,
            .router = daemon_router(daemon),
            .reload_fd = reload_fd};
        rc = loader_start(&loading, &loader, error);
    }
    rc = rc ? rc : serve(daemon, configuration, stop_fd, error);
    if (loader)
        configuration = loader_stop(&loader);
    daemon_destroy(&daemon);
    configuration_destroy(&configuration);
    return rc;
}

// Takes the configuration. The exit status.
static int run(
    const char *broker_yaml, struct configuration *configuration, const struct broker_journals *journals) {
    struct daemon_options options = {.configuration = configuration, .journals = journals};
    struct error error = {0};
    enum log_level level = LOG_INFO;
    int stop_fd = -1;
    int reload_fd = -1;
    log_level_parse(policy_settings(configuration->policy)->log_level, &level);
    log_set_level(level);
    int rc = open_signals(&stop_fd, &reload_fd);
    if (rc) {
        error_set(&error, rc, "signals: %s", strerror(-rc));
        configuration_destroy(&configuration);
    } else {
        rc = run_daemon(broker_yaml, configuration, &options, stop_fd, reload_fd, &error);
    }
    char quoted[ERROR_TEXT_SIZE];
    if (rc)
        log_event(LOG_ERROR, "broker.failed", "reason=%s", log_quote(error.text, quoted, sizeof quoted));
    else
        log_event(LOG_INFO, "broker.stopped", "pid=%d", (int)getpid());
    if (stop_fd >= 0)
        close(stop_fd);
    if (reload_fd >= 0)
        close(reload_fd);
    return rc ? 1 : 0;
}

// With a journal on a cluster the broker is another program, which lies beside this one. Returns only where
// there is none: an exit status.
static int become_shared(char **argv) {
    char path[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", path, sizeof path);
    char *slash = size > 0 && (size_t)size < sizeof path ? memrchr(path, '/', (size_t)size) : NULL;
    if (slash && (size_t)(path + sizeof path - slash) > sizeof SHARED_PROGRAM) {
        memcpy(slash, SHARED_PROGRAM, sizeof SHARED_PROGRAM);
        execv(path, argv);
    }
    fprintf(stderr, "hutong-broker: the journal is on Kafka, and %s can't be started: %s\n",
        slash ? path : SHARED_PROGRAM, strerror(errno));
    return 1;
}

int broker_main(int argc, char **argv, const struct broker_journals *journals) {
    struct arguments arguments = {0};
    int rc = parse(argc, argv, &arguments);
    if (rc || arguments.done)
        return rc;
    mallopt(M_ARENA_MAX, 2); // few threads allocate: more arenas only cost memory
    struct report *report = report_new(0);
    struct configuration *configuration = report ? configuration_load(arguments.config, NULL, report) : NULL;
    if (report)
        print_report(report);
    if (!configuration) {
        fprintf(stderr, "hutong-broker: the configuration has %zu error%s; nothing was started\n",
            report ? report_errors(report) : 0, report && report_errors(report) == 1 ? "" : "s");
        rc = 2;
    }
    report_destroy(&report);
    if (rc == 0 && arguments.check) {
        printf("%s: %zu systems, %zu routes, no errors\n", arguments.config,
            policy_system_count(configuration->policy), routes_count(configuration->routes));
        configuration_destroy(&configuration);
    }
    if (rc || arguments.check)
        return rc;
    if (policy_settings(configuration->policy)->cluster.used && !journals->open_shared) {
        configuration_destroy(&configuration);
        return become_shared(argv);
    }
    return run(arguments.config, configuration, journals);
}
