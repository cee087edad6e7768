// hutong explain: what the routes do with a message, and why, without a broker.
#include "cli/objects.h"
#include "cli/routes.h"
#include "core/base/clock.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Usage: hutong explain [OPTION…] MESSAGE [BROKER_YAML]\n"
    "Says what the routes would do with a message, without a broker: which match and which not, which part "
    "of\n"
    "\"when\" was false and what it read, and what would go to whom, byte for byte.\n\n"
    "MESSAGE (-: standard input) holds one or more JSON objects: a payload of --type, or an envelope\n"
    "{\"type\": …, \"source\": …, \"subject\": …, \"data\": {…}}. A file *.binpb holds the bytes of one "
    "payload.\n"
    "BROKER_YAML: conf/broker.yaml here, else /etc/hutong/broker.yaml.\n\n"
    "  -f, --from SYSTEM     who publishes it, where no envelope says \"source\"\n"
    "  -t, --type TYPE       of payloads without an envelope: a full protobuf name\n"
    "  -s, --subject TEXT    of those: what they are about\n"
    "  -a, --at TIME         route as of then, such as 2026-03-01 or 2026-03-01T08:00:00+08:00 (default: "
    "now)\n"
    "  -r, --route NAME      only this route\n"
    "  -b, --bytes           the delivered bytes too\n"
    "  -c, --catalogue FILE  message types (default: those that the configuration names)\n"
    "  -j, --json            a JSON object for each message\n"
    "  -h, --help            this text\n\n"
    "Exit status: 0 it was explained; 2 wrong input, or a message that the broker would refuse.\n";

struct explain {
    const char *message;
    const char *broker_yaml;
    const char *catalogue;
    const char *from;
    const char *type;
    const char *subject;
    struct trial_options options;
    bool json;
    int64_t now_us;
    struct cli_routes loaded;
    size_t explained;
    bool refused;
};

static int print(
    const struct explain *explain, const struct trial_message *message, const struct trial_result *result) {
    if (explain->json) {
        json_t *object = trial_json(explain->loaded.trial, message, result, &explain->options);
        int rc = object ? json_dumpf(object, stdout, JSON_COMPACT) : -1;
        json_decref(object);
        return rc == 0 && putchar('\n') != EOF ? EXIT_DONE : cli_failed("explain", "it can't be printed");
    }
    struct buffer out = {0};
    int rc = trial_print(explain->loaded.trial, message, result, &explain->options, &out);
    if (rc == 0)
        fwrite(out.data, 1, out.size, stdout);
    buffer_destroy(&out);
    return rc ? cli_failed("explain", "out of memory") : EXIT_DONE;
}

static int print_refused(struct explain *explain, const char *where, const struct trial_message *message,
    const struct error *error) {
    explain->refused = true;
    if (!explain->json) {
        cli_wrong("explain", "%s: the broker would refuse it: %s", where, error->text);
        return EXIT_DONE;
    }
    json_t *object = json_pack("{s:s, s:s, s:s}", "type", message->type->full_name, "from",
        message->from->address, "refused", error->text);
    json_dumpf(object, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(object);
    return EXIT_DONE;
}

static int run(struct explain *explain, const char *where, const struct trial_message *message) {
    const struct trial_result *result;
    struct error error = {0};
    if (explain->explained++ && !explain->json)
        putchar('\n');
    int rc = trial_run(explain->loaded.trial, message, true, &result, &error);
    if (rc == MATCH_REFUSED)
        return print_refused(explain, where, message, &error);
    return rc ? cli_failed("explain", "%s", error.text) : print(explain, message, result);
}

// The systems from which the routes take the type, as a hint.
static int tell_no_sender(
    const struct explain *explain, const char *where, const struct schema_message *type) {
    struct buffer senders = {0};
    const struct route *route;
    const struct policy_system *last = NULL;
    for (size_t i = 0; (route = routes_at(explain->loaded.routes, i)); i++) {
        size_t count = route_from_count(route);
        if (route_type(route) != type || count == 0 || (count == 1 && route_from(route, 0) == last))
            continue;
        last = route_from(route, count - 1);
        if (buffer_append_string(&senders, senders.size ? ", " : "; routes take this type from ") != 0 ||
            route_append_from(route, &senders) != 0)
            break;
    }
    const char *text = buffer_text(&senders);
    int rc =
        cli_wrong("explain", "%s: who publishes it? Name the system with --from%s", where, text ? text : "");
    buffer_destroy(&senders);
    return rc;
}

static int explain_payload(struct explain *explain, const char *where, const struct schema_message *type,
    const char *from, const char *subject, struct bytes payload) {
    if (!from)
        return tell_no_sender(explain, where, type);
    const struct policy_system *system = cli_system("explain", where, explain->loaded.policy, from);
    if (!system)
        return EXIT_WRONG;
    const struct trial_message message = {.from = system,
        .type = type,
        .subject = bytes_of_string(subject ? subject : ""),
        .payload = payload,
        .now_us = explain->now_us};
    return run(explain, where, &message);
}

static const char *either(const char *one, const char *other) {
    return one ? one : other;
}

static int explain_object(void *context, const char *where, const json_t *object) {
    struct explain *explain = context;
    const struct schema_message *type;
    struct buffer wire = {0};
    bool envelope = cli_is_envelope(object);
    const json_t *attributes = envelope ? object : NULL;
    const json_t *data = envelope ? json_object_get(object, "data") : object;
    int rc = cli_payload("explain", where, policy_catalogue(explain->loaded.policy),
        either(cli_attribute(attributes, "type"), explain->type), data, &type, &wire);
    if (rc)
        return rc;
    rc = explain_payload(explain, where, type, either(cli_attribute(attributes, "source"), explain->from),
        either(cli_attribute(attributes, "subject"), explain->subject), buffer_bytes(&wire));
    buffer_destroy(&wire);
    return rc;
}

// ---- Bytes ----

static int read_bytes(const char *path, size_t limit, struct buffer *out) {
    FILE *file = fopen(path, "rb");
    if (!file)
        return cli_wrong("explain", "%s: %s", path, strerror(errno));
    int rc = 0;
    while (rc == 0 && out->size <= limit && !feof(file) && !ferror(file)) {
        uint8_t block[65536];
        size_t got = fread(block, 1, sizeof block, file);
        rc = buffer_append(out, block, got);
    }
    bool failed = ferror(file) != 0;
    fclose(file);
    if (rc)
        return cli_failed("explain", "out of memory");
    return failed ? cli_wrong("explain", "%s: %s", path, strerror(errno)) : EXIT_DONE;
}

static int explain_bytes(struct explain *explain, const char *path) {
    struct buffer bytes = {0};
    const struct policy *policy = explain->loaded.policy;
    const struct schema_message *type = cli_type("explain", path, policy_catalogue(policy), explain->type);
    int rc = type ? read_bytes(path, policy_settings(policy)->message_bytes, &bytes) : EXIT_WRONG;
    if (rc == EXIT_DONE)
        rc = explain_payload(explain, path, type, explain->from, explain->subject, buffer_bytes(&bytes));
    buffer_destroy(&bytes);
    return rc;
}

// ---- Arguments ----

static int take_time(struct explain *explain, const char *text) {
    if (cli_time(text, &explain->now_us))
        return EXIT_DONE;
    return cli_wrong(
        "explain", "--at \"%s\" is no time; write 2026-03-01 or 2026-03-01T08:00:00+08:00", text);
}

static int take_option(struct explain *explain, int option, const char *value) {
    switch (option) {
    case 'f':
        explain->from = value;
        return EXIT_DONE;
    case 't':
        explain->type = value;
        return EXIT_DONE;
    case 's':
        explain->subject = value;
        return EXIT_DONE;
    case 'a':
        return take_time(explain, value);
    case 'r':
        explain->options.only = value;
        return EXIT_DONE;
    case 'b':
        explain->options.bytes = true;
        return EXIT_DONE;
    case 'c':
        explain->catalogue = value;
        return EXIT_DONE;
    case 'j':
        explain->json = true;
        return EXIT_DONE;
    default:
        return EXIT_WRONG;
    }
}

// -1: it was help.
static int parse(struct explain *explain, int argc, char **argv) {
    static const struct option options[] = {{"from", required_argument, NULL, 'f'},
        {"type", required_argument, NULL, 't'}, {"subject", required_argument, NULL, 's'},
        {"at", required_argument, NULL, 'a'}, {"route", required_argument, NULL, 'r'},
        {"bytes", no_argument, NULL, 'b'}, {"catalogue", required_argument, NULL, 'c'},
        {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
    for (int option; (option = getopt_long(argc, argv, "f:t:s:a:r:bc:jh", options, NULL)) != -1;) {
        if (option == 'h') {
            fputs(help, stdout);
            return -1;
        }
        if (take_option(explain, option, optarg) != EXIT_DONE)
            return EXIT_WRONG;
    }
    if (optind == argc)
        return cli_wrong("explain", "which message? Name a file, or -; see --help");
    if (argc - optind > 2)
        return cli_wrong("explain", "\"%s\" is too much; see --help", argv[optind + 2]);
    explain->message = argv[optind];
    explain->broker_yaml = argc - optind == 2 ? argv[optind + 1] : cli_broker_yaml();
    return EXIT_DONE;
}

static int run_all(struct explain *explain) {
    const char *only = explain->options.only;
    const char *dot = strrchr(explain->message, '.');
    if (only && !cli_route_exists("explain", explain->loaded.routes, only))
        return EXIT_WRONG;
    if (dot && strcmp(dot, ".binpb") == 0)
        return explain_bytes(explain, explain->message);
    int rc = cli_each_object("explain", explain->message, explain_object, explain);
    if (rc == EXIT_DONE && explain->explained == 0)
        return cli_wrong("explain", "%s: there is no message in it", explain->message);
    return rc;
}

int command_explain(int argc, char **argv) {
    struct explain explain = {.now_us = clock_realtime_ns() / 1000};
    int rc = parse(&explain, argc, argv);
    if (rc)
        return rc < 0 ? EXIT_DONE : rc;
    rc = cli_routes_load("explain", explain.broker_yaml, explain.catalogue, &explain.loaded);
    rc = rc ? rc : run_all(&explain);
    cli_routes_destroy(&explain.loaded);
    return rc == EXIT_DONE && explain.refused ? EXIT_WRONG : rc;
}
