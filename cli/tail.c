#include "cli/cli.h"

#include "core/schema/json.h"
#include "sdk/hutong.h"

#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "Usage: hutong tail --bus ENDPOINT --system SYSTEM [OPTION…]\n"
    "Receives what is routed to a system and prints each message as one JSON object a line. Printed ones are "
    "settled:\n"
    "they are taken from the system's queue. While an adapter of the system is connected, this stands "
    "by.\n\n" CLI_BUS_HELP "      --keep             settle nothing: all of it is delivered again later\n"
    "  -n, --count N          end after N messages\n"
    "      --timeout SECONDS  end when nothing came for so long\n"
    "  -h, --help             this text\n\n"
    "Exit status: 0 ended as asked; 1 the broker is away, or the timeout came before N messages; 2 wrong "
    "usage.\n";

struct tail {
    struct cli_bus bus;
    struct catalogue *catalogue;
    struct hutong *hutong;
    bool keep;
    uint64_t count; // 0: no end
    uint64_t seen;
    uint32_t timeout_ms; // 0: none
};

static struct hutong *to_stop;

static void on_signal(int number) {
    (void)number;
    hutong_stop(to_stop);
}

// The payload as JSON text; bytes that the catalogue can't read as {"base64"…}-free null with the reason
// beside.
static json_t *payload_of(struct tail *tail, const struct hutong_delivery *delivery, struct error *error) {
    const struct schema_message *type = catalogue_message(tail->catalogue, bytes_of_string(delivery->type));
    struct buffer text = {0};
    json_t *payload = NULL;
    if (!type)
        error_set(error, -1, "the catalogue has no type %s", delivery->type);
    else if (json_from_message(
                 type, bytes_of(delivery->payload, delivery->payload_size), NULL, &text, error) == 0)
        payload = json_loadb((const char *)text.data, text.size, 0, NULL);
    buffer_destroy(&text);
    return payload ? payload : json_null();
}

static void print_delivery(struct tail *tail, const struct hutong_delivery *delivery) {
    struct error error = {0};
    json_t *payload = payload_of(tail, delivery, &error);
    json_t *line =
        json_pack("{s:I, s:i, s:s, s:s, s:s, s:s, s:s, s:I, s:o}", "position", (json_int_t)delivery->position,
            "attempt", (int)delivery->attempt, "route", delivery->route, "id", delivery->id, "source",
            delivery->source, "type", delivery->type, "subject", delivery->subject ? delivery->subject : "",
            "time_us", (json_int_t)delivery->time_us, "data", payload);
    if (error.text[0])
        json_object_set_new(line, "problem", json_string(error.text));
    json_dumpf(line, stdout, JSON_COMPACT);
    putchar('\n');
    fflush(stdout);
    json_decref(line);
}

static void on_delivery(
    void *context, const struct hutong_delivery *delivery, struct hutong_settlement *settlement) {
    struct tail *tail = context;
    if (tail->count && tail->seen >= tail->count) {
        settlement->verdict = HUTONG_LATER;
        return;
    }
    print_delivery(tail, delivery);
    settlement->verdict = tail->keep ? HUTONG_LATER : HUTONG_DONE;
    if (++tail->seen == tail->count)
        hutong_stop(tail->hutong);
}

static int parse(struct tail *tail, int argc, char **argv) {
    static const struct option options[] = {CLI_BUS_OPTIONS, {"keep", no_argument, NULL, 2000},
        {"count", required_argument, NULL, 'n'}, {"timeout", required_argument, NULL, 2001},
        {"help", no_argument, NULL, 'h'}, {0}};
    for (int option; (option = getopt_long(argc, argv, CLI_BUS_SHORT "n:h", options, NULL)) != -1;) {
        if (cli_bus_option(&tail->bus, option, optarg))
            continue;
        switch (option) {
        case 2000:
            tail->keep = true;
            break;
        case 'n':
            tail->count = strtoull(optarg, NULL, 10);
            break;
        case 2001:
            tail->timeout_ms = (uint32_t)(strtod(optarg, NULL) * 1000);
            break;
        case 'h':
            fputs(usage, stdout);
            return -1;
        default:
            return EXIT_WRONG;
        }
    }
    return optind == argc ? EXIT_DONE : cli_wrong("tail", "\"%s\" is too much; see --help", argv[optind]);
}

static int run(struct tail *tail) {
    if (hutong_handle(tail->hutong, NULL, on_delivery, tail, NULL) != HUTONG_OK)
        return EXIT_FAILED;
    to_stop = tail->hutong;
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    if (tail->timeout_ms == 0) {
        hutong_run(tail->hutong);
        return EXIT_DONE;
    }
    while (tail->count == 0 || tail->seen < tail->count)
        if (hutong_dispatch(tail->hutong, tail->timeout_ms) == 0)
            return tail->count ? EXIT_FAILED : EXIT_DONE;
    return EXIT_DONE;
}

int command_tail(int argc, char **argv) {
    struct tail tail = {0};
    int rc = parse(&tail, argc, argv);
    if (rc)
        return rc < 0 ? EXIT_DONE : rc;
    struct error error = {0};
    if (cli_catalogue(tail.bus.catalogue, &tail.catalogue, &error) != 0)
        return cli_wrong("tail", "%s", error.text);
    rc = cli_connect("tail", &tail.bus, true, &tail.hutong);
    rc = rc ? rc : run(&tail);
    hutong_close(&tail.hutong, 2000);
    catalogue_destroy(&tail.catalogue);
    return rc;
}
