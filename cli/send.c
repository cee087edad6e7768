#include "cli/cli.h"

#include "cli/objects.h"
#include "sdk/hutong.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] = "Usage: hutong send --bus ENDPOINT --system SYSTEM [OPTION…] [FILE…]\n"
                            "Publishes JSON as a system. Each FILE (none, or -: standard input) holds one or "
                            "more JSON objects, one after the\n"
                            "other: a payload of --type, or an envelope {\"type\": …, \"subject\": …, "
                            "\"id\": …, \"data\": {…}}.\n\n" CLI_BUS_HELP
                            "  -t, --type TYPE        of payloads without an envelope: a full protobuf name\n"
                            "      --subject SUBJECT  of those: what they are about\n"
                            "      --timeout SECONDS  to wait for the broker's answer to each (default: 10;\n"
                            "                         10 for the session itself)\n"
                            "      --json             print what became of each as a JSON object\n"
                            "  -h, --help             this text\n\n"
                            "Exit status: 0 all are accepted, each on the broker's disk; 1 one was refused "
                            "or the broker is away; 2 wrong input.\n";

struct sender {
    struct cli_bus bus;
    const char *type;
    const char *subject;
    uint32_t timeout_ms;
    bool json;
    struct catalogue *catalogue;
    struct hutong *hutong;
    size_t accepted;
    size_t failed;
};

static void tell(struct sender *sender, const char *type, const struct hutong_error *error) {
    bool accepted = error->code == HUTONG_OK;
    sender->accepted += accepted;
    sender->failed += !accepted;
    if (sender->json) {
        json_t *line = accepted
                           ? json_pack("{s:s, s:b}", "type", type, "accepted", 1)
                           : json_pack("{s:s, s:b, s:s}", "type", type, "accepted", 0, "error", error->text);
        json_dumpf(line, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(line);
    } else if (!accepted) {
        fprintf(stderr, "hutong send: refused: %s\n", error->text);
    }
}

static int send_payload(
    struct sender *sender, const char *where, const json_t *payload, struct hutong_message *message) {
    const struct schema_message *type;
    struct buffer wire = {0};
    int rc = cli_payload("send", where, sender->catalogue, message->type, payload, &type, &wire);
    if (rc)
        return rc;
    message->payload = wire.data;
    message->payload_size = wire.size;
    struct hutong_error outcome = {0};
    hutong_publish_wait(sender->hutong, message, sender->timeout_ms, &outcome);
    buffer_destroy(&wire);
    tell(sender, message->type, &outcome);
    return EXIT_DONE;
}

static int send_object(void *context, const char *where, const json_t *object) {
    struct sender *sender = context;
    if (!cli_is_envelope(object)) {
        struct hutong_message bare = {.type = sender->type, .subject = sender->subject};
        return send_payload(sender, where, object, &bare);
    }
    struct hutong_message message = {.type = cli_attribute(object, "type"),
        .subject = cli_attribute(object, "subject"),
        .id = cli_attribute(object, "id")};
    return send_payload(sender, where, json_object_get(object, "data"), &message);
}

static int send_file(struct sender *sender, const char *path) {
    return cli_each_object("send", path, send_object, sender);
}

static int parse(struct sender *sender, int argc, char **argv) {
    static const struct option options[] = {CLI_BUS_OPTIONS, {"type", required_argument, NULL, 't'},
        {"subject", required_argument, NULL, 2000}, {"timeout", required_argument, NULL, 2001},
        {"json", no_argument, NULL, 2002}, {"help", no_argument, NULL, 'h'}, {0}};
    for (int option; (option = getopt_long(argc, argv, CLI_BUS_SHORT "t:h", options, NULL)) != -1;) {
        if (cli_bus_option(&sender->bus, option, optarg))
            continue;
        switch (option) {
        case 't':
            sender->type = optarg;
            break;
        case 2000:
            sender->subject = optarg;
            break;
        case 2001:
            sender->timeout_ms = (uint32_t)(strtod(optarg, NULL) * 1000);
            break;
        case 2002:
            sender->json = true;
            break;
        case 'h':
            fputs(usage, stdout);
            return -1;
        default:
            return EXIT_WRONG;
        }
    }
    return EXIT_DONE;
}

int command_send(int argc, char **argv) {
    struct sender sender = {.timeout_ms = 10000};
    int rc = parse(&sender, argc, argv);
    if (rc)
        return rc < 0 ? EXIT_DONE : rc;
    struct error error = {0};
    if (cli_catalogue(sender.bus.catalogue, &sender.catalogue, &error) != 0)
        return cli_wrong("send", "%s", error.text);
    rc = cli_connect("send", &sender.bus, false, &sender.hutong);
    if (rc == EXIT_DONE && optind == argc)
        rc = send_file(&sender, "-");
    for (int i = optind; rc == EXIT_DONE && i < argc; i++)
        rc = send_file(&sender, argv[i]);
    if (sender.hutong && !sender.json)
        printf("%zu accepted, %zu refused\n", sender.accepted, sender.failed);
    hutong_close(&sender.hutong, 1000);
    catalogue_destroy(&sender.catalogue);
    return rc ? rc : sender.failed ? EXIT_FAILED : EXIT_DONE;
}
