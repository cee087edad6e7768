// hutong-adapter: the sidecar beside one legacy system.
#include "adapters/sidecar/sidecar.h"

#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define KEPT_BYTES (32 << 20)

static const char usage[] =
    "usage: hutong-adapter -c adapter.yaml [--check | --status | --new-stream]\n"
    "\n"
    "Connects one legacy system to the bus, as its adapter.yaml says (docs/adapters.md).\n"
    "\n"
    "  -c, --config FILE  the adapter's configuration\n"
    "      --check        check the configuration against catalogue and code lists, and end; opens nothing\n"
    "      --status       print what the running adapter last wrote about itself (JSON)\n"
    "      --new-stream   while it doesn't run, after its state was put back from an old copy: what waits "
    "in\n"
    "                     the spool goes to the broker under a new name at the next start\n"
    "  -h, --help         this text\n"
    "      --version      the version\n"
    "\n"
    "Ends with 0; 1 after a failure (the log says which); 2 for wrong options or configuration.\n"
    "SIGTERM and SIGINT: finishes what it holds, says bye, and ends.\n";

enum mode {
    MODE_RUN,
    MODE_CHECK,
    MODE_STATUS,
    MODE_NEW_STREAM,
};

struct arguments {
    const char *config;
    enum mode mode;
};

static int wrong_usage(const char *text) {
    fprintf(stderr, "hutong-adapter: %s\n%s", text, usage);
    return 2;
}

// -1: go on; otherwise the exit code.
static int read_arguments(int argc, char **argv, struct arguments *out) {
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
        {"check", no_argument, NULL, 'k'}, {"status", no_argument, NULL, 's'},
        {"new-stream", no_argument, NULL, 'n'}, {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'}, {0}};
    for (int c; (c = getopt_long(argc, argv, "c:h", options, NULL)) != -1;) {
        switch (c) {
        case 'c':
            out->config = optarg;
            break;
        case 'k':
            out->mode = MODE_CHECK;
            break;
        case 's':
            out->mode = MODE_STATUS;
            break;
        case 'n':
            out->mode = MODE_NEW_STREAM;
            break;
        case 'h':
            fputs(usage, stdout);
            return 0;
        case 'v':
            puts("hutong-adapter " HUTONG_VERSION);
            return 0;
        default:
            fputs(usage, stderr);
            return 2;
        }
    }
    if (optind < argc)
        return wrong_usage("there are no arguments besides options");
    return out->config ? -1 : wrong_usage("which adapter? say -c adapter.yaml");
}

static void print_report(const struct report *report) {
    struct buffer text = {0};
    if (report_size(report) > 0 && report_print(report, &text) == 0)
        fwrite(text.data, 1, text.size, stderr);
    buffer_destroy(&text);
}

static int print_status(const struct sidecar_config *config) {
    char path[4096], line[4096];
    snprintf(path, sizeof path, "%s/status.json", config->state);
    FILE *file = fopen(path, "re");
    if (!file) {
        fprintf(stderr, "hutong-adapter: %s: %s\n", path, strerror(errno));
        return 1;
    }
    fwrite(line, 1, fread(line, 1, sizeof line, file), stdout); // it is shorter
    fclose(file);
    return 0;
}

static int new_stream(const struct sidecar_config *config) {
    char path[4096];
    struct hutong_error error;
    uint64_t left = 0;
    snprintf(path, sizeof path, "%s/spool", config->state);
    if (access(path, F_OK) != 0) {
        fprintf(stderr, "hutong-adapter: %s: %s\n", path, strerror(errno));
        return 1;
    }
    if (hutong_new_stream(path, &left, &error) != HUTONG_OK) {
        fprintf(stderr, "hutong-adapter: %s\n", error.text);
        return 1;
    }
    printf("%s: a new stream; %llu messages of the spool go out at the next start\n", config->system,
        (unsigned long long)left);
    return 0;
}

static int run_mode(
    const struct arguments *arguments, const struct sidecar_config *config, struct report *report) {
    struct sidecar *sidecar = NULL;
    if (arguments->mode == MODE_STATUS)
        return print_status(config);
    if (arguments->mode == MODE_NEW_STREAM)
        return new_stream(config);
    int rc = sidecar_new(config, &sidecar, report);
    print_report(report); // warnings too
    if (rc == -ENOMEM)
        fputs("hutong-adapter: out of memory\n", stderr);
    if (rc)
        return 2;
    if (arguments->mode == MODE_CHECK) {
        printf("%s: fine: system %s, connector %s\n", arguments->config, config->system, config->class->name);
    } else {
        log_set_level(config->level);
        rc = sidecar_run(sidecar);
    }
    sidecar_destroy(&sidecar);
    return rc;
}

// Before any thread: the SDK's threads inherit what is blocked here.
static void prepare_process(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    setlocale(LC_CTYPE, "C.UTF-8"); // some ODBC drivers convert texts by it
    mallopt(M_ARENA_MAX, 1);
    // Batches of megabytes come and go: mapped anew each time, their pages would cost more than what is done
    // with them. What is kept goes back when the adapter is idle (sidecar.c).
    mallopt(M_MMAP_THRESHOLD, KEPT_BYTES);
    mallopt(M_TRIM_THRESHOLD, 4 * KEPT_BYTES);
}

int main(int argc, char **argv) {
    struct arguments arguments = {0};
    struct sidecar_config config;
    int rc = read_arguments(argc, argv, &arguments);
    if (rc >= 0)
        return rc;
    prepare_process();
    struct report *report = report_new(0);
    if (!report) {
        fputs("hutong-adapter: out of memory\n", stderr);
        return 2;
    }
    if (sidecar_config_load(arguments.config, &config, report)) {
        print_report(report);
        rc = 2;
    } else {
        rc = run_mode(&arguments, &config, report);
    }
    sidecar_config_destroy(&config);
    report_destroy(&report);
    return rc;
}
