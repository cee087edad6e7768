#include "cli/cli.h"

#include "core/schema/json.h"
#include "sdk/hutong.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
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
    if (!message->type)
        return cli_wrong("send", "%s: no \"type\" in the object; name one with --type", where);
    const struct schema_message *type = catalogue_message(sender->catalogue, bytes_of_string(message->type));
    if (!type) {
        const char *nearest = catalogue_nearest_message(sender->catalogue, bytes_of_string(message->type));
        return cli_wrong("send", "%s: no type \"%s\" in the catalogue%s%s%s", where, message->type,
            nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    }
    char *text = json_dumps(payload, JSON_COMPACT);
    struct buffer wire = {0};
    struct error error = {0};
    int rc = text ? json_to_message(type, bytes_of_string(text), &wire, &error) : -ENOMEM;
    free(text);
    if (rc) {
        buffer_destroy(&wire);
        return cli_wrong("send", "%s: %s", where, error.text);
    }
    message->payload = wire.data;
    message->payload_size = wire.size;
    struct hutong_error outcome = {0};
    hutong_publish_wait(sender->hutong, message, sender->timeout_ms, &outcome);
    buffer_destroy(&wire);
    tell(sender, message->type, &outcome);
    return EXIT_DONE;
}

static int send_object(struct sender *sender, const char *where, const json_t *object) {
    const json_t *data = json_object_get(object, "data");
    const json_t *type = json_object_get(object, "type");
    if (!data || !json_is_string(type)) {
        struct hutong_message bare = {.type = sender->type, .subject = sender->subject};
        return send_payload(sender, where, object, &bare);
    }
    struct hutong_message message = {.type = json_string_value(type),
        .subject = json_string_value(json_object_get(object, "subject")),
        .id = json_string_value(json_object_get(object, "id"))};
    return send_payload(sender, where, data, &message);
}

static int send_file(struct sender *sender, const char *path) {
    bool standard = strcmp(path, "-") == 0;
    FILE *file = standard ? stdin : fopen(path, "rb");
    if (!file)
        return cli_wrong("send", "%s: %s", path, strerror(errno));
    int rc = EXIT_DONE;
    for (size_t n = 1; rc == EXIT_DONE; n++) {
        int c = fgetc(file);
        while (c == ' ' || c == '\n' || c == '\r' || c == '\t')
            c = fgetc(file);
        if (c == EOF)
            break;
        ungetc(c, file);
        json_error_t error;
        json_t *object = json_loadf(file, JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES, &error);
        char where[512];
        snprintf(where, sizeof where, "%s, object %zu", standard ? "standard input" : path, n);
        if (!object)
            rc = cli_wrong("send", "%s: line %d, column %d: %s", where, error.line, error.column, error.text);
        else if (!json_is_object(object))
            rc = cli_wrong("send", "%s: expected a JSON object", where);
        else
            rc = send_object(sender, where, object);
        json_decref(object);
    }
    if (!standard)
        fclose(file);
    return rc;
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
