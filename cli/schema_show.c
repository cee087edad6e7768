// hutong schema show: one type, as a .proto file has it.
#include "cli/schema_text.h"
#include "core/schema/nearest.h"

#include <getopt.h>
#include <string.h>

static const char help[] =
    "Usage: hutong schema show [OPTION…] TYPE [CATALOGUE]\n"
    "Prints a message, an enum or a service as a .proto file has it, with comments where the catalogue has "
    "them\n"
    "(hutong schema build keeps them), and behind a message the enums that its fields have.\n\n"
    "  -j, --json  a JSON object\n"
    "  -h, --help  this text\n";

// Whether `name` is the end of a full name: "OccupancyNotice" of "gov.housing.v1.OccupancyNotice".
static bool ends(const char *full_name, const char *name) {
    size_t size = strlen(name), full = strlen(full_name);
    return full > size && full_name[full - size - 1] == '.' && strcmp(full_name + full - size, name) == 0;
}

static void offer(struct nearest *nearest, const char **same_end, const char *full_name, const char *name) {
    if (!*same_end && ends(full_name, name))
        *same_end = full_name;
    nearest_offer(nearest, full_name);
}

static int unknown(const struct model *model, const char *name) {
    struct nearest nearest = nearest_start(bytes_of_string(name));
    const char *best = NULL;
    for (size_t i = 0; i < model_message_count(model); i++)
        if (!model_message_at(model, i)->map_entry)
            offer(&nearest, &best, model_message_at(model, i)->full_name, name);
    for (size_t i = 0; i < model_enum_count(model); i++)
        offer(&nearest, &best, model_enum_at(model, i)->full_name, name);
    for (size_t i = 0; i < model_service_count(model); i++)
        offer(&nearest, &best, model_service_at(model, i)->full_name, name);
    best = best ? best : nearest.best;
    return cli_wrong("schema show", "there is no type \"%s\"%s%s%s", name, best ? "; did you mean \"" : "",
        best ? best : "; hutong schema list names them", best ? "\"?" : "");
}

static int show(const char *name, const char *path, bool json) {
    struct schema_input input = {0};
    int exit_status = schema_open("schema show", path, &input);
    if (exit_status != EXIT_DONE)
        return exit_status;
    const struct model_message *message = model_message(input.model, name);
    const struct model_enum *enumeration = model_enum(input.model, name);
    const struct model_service *service = model_service(input.model, name);
    json_t *object = NULL;
    if (!message && !enumeration && !service)
        exit_status = unknown(input.model, name);
    else if (json)
        object = message       ? schema_message_json(input.model, message)
                 : enumeration ? schema_enum_json(enumeration)
                               : schema_service_json(service);
    else if (message)
        schema_print_message(input.model, message, stdout);
    else if (enumeration)
        schema_print_enum(enumeration, stdout);
    else
        schema_print_service(service, stdout);
    if (exit_status == EXIT_DONE && json) {
        int rc = object ? json_dumpf(object, stdout, JSON_INDENT(1)) : -1;
        putchar('\n');
        exit_status = rc == 0 ? EXIT_DONE : cli_failed("schema show", "out of memory");
    }
    json_decref(object);
    schema_input_destroy(&input);
    return exit_status;
}

int schema_show(int argc, char **argv) {
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
    bool json = false;
    for (int option; (option = getopt_long(argc, argv, "jh", options, NULL)) != -1;) {
        if (option == 'h') {
            fputs(help, stdout);
            return EXIT_DONE;
        }
        if (option == '?')
            return EXIT_WRONG;
        json = true;
    }
    if (optind == argc)
        return cli_wrong("schema show", "the name of a type is needed; hutong schema list names them");
    if (argc - optind > 2)
        return cli_wrong("schema show", "\"%s\" is too much; see --help", argv[optind + 2]);
    return show(argv[optind], optind + 1 < argc ? argv[optind + 1] : NULL, json);
}
