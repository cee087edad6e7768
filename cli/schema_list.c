// hutong schema list: the types of a catalogue, a line each.
#include "cli/schema.h"

#include <jansson.h>

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Usage: hutong schema list [OPTION…] [CATALOGUE]\n"
    "Prints the types of a catalogue in the order of their names: what it is, how many fields or values, "
    "name, file.\n\n"
    "  -p, --package NAME  only of this package and of those below it\n"
    "  -j, --json          a JSON array of {kind, name, package, fields, file, line, comment}\n"
    "  -h, --help          this text\n";

struct item {
    const char *kind;
    const char *name;
    size_t size; // fields, values, methods
    const struct model_file *file;
    struct model_note note;
};

static bool in_package(const struct model_file *file, const char *package) {
    size_t size = package ? strlen(package) : 0;
    return !package || (strncmp(file->package, package, size) == 0 &&
                           (file->package[size] == '\0' || file->package[size] == '.'));
}

static int by_item(const void *a, const void *b) {
    return strcmp(((const struct item *)a)->name, ((const struct item *)b)->name);
}

// Returns owned, or NULL without memory.
static struct item *collect(const struct model *model, const char *package, size_t *count) {
    size_t most = model_message_count(model) + model_enum_count(model) + model_service_count(model);
    struct item *items = calloc(most + 1, sizeof *items);
    if (!items)
        return NULL;
    for (size_t i = 0; i < model_message_count(model); i++) {
        const struct model_message *message = model_message_at(model, i);
        if (!message->map_entry && in_package(message->file, package))
            items[(*count)++] = (struct item){
                "message", message->full_name, message->field_count, message->file, message->note};
    }
    for (size_t i = 0; i < model_enum_count(model); i++) {
        const struct model_enum *type = model_enum_at(model, i);
        if (in_package(type->file, package))
            items[(*count)++] =
                (struct item){"enum", type->full_name, type->value_count, type->file, type->note};
    }
    for (size_t i = 0; i < model_service_count(model); i++) {
        const struct model_service *service = model_service_at(model, i);
        if (in_package(service->file, package))
            items[(*count)++] = (struct item){
                "service", service->full_name, service->method_count, service->file, service->note};
    }
    qsort(items, *count, sizeof *items, by_item);
    return items;
}

static const char *what(const struct item *item) {
    bool one = item->size == 1;
    return item->kind[0] == 'm'   ? one ? "field" : "fields"
           : item->kind[0] == 'e' ? one ? "value" : "values"
           : one                  ? "method"
                                  : "methods";
}

static void print_text(const struct item *items, size_t count) {
    int width = 0;
    for (size_t i = 0; i < count; i++) {
        int size = (int)strlen(items[i].name);
        width = size > width && size < 60 ? size : width;
    }
    for (size_t i = 0; i < count; i++)
        printf("%-7s %3zu %-7s %-*s  %s\n", items[i].kind, items[i].size, what(&items[i]), width,
            items[i].name, items[i].file->name);
}

static int print_json(const struct item *items, size_t count) {
    json_t *list = json_array();
    for (size_t i = 0; list && i < count; i++) {
        const struct item *item = &items[i];
        json_t *object = json_pack("{s:s, s:s, s:s, s:I, s:s, s:I}", "kind", item->kind, "name", item->name,
            "package", item->file->package, what(&(struct item){item->kind, NULL, 2, NULL, {{0}, NULL}}),
            (json_int_t)item->size, "file", item->file->name, "line", (json_int_t)item->note.place.line);
        if (object && item->note.comment)
            json_object_set_new(object, "comment", json_string(item->note.comment));
        json_array_append_new(list, object);
    }
    int rc = list ? json_dumpf(list, stdout, JSON_INDENT(1)) : -1;
    json_decref(list);
    putchar('\n');
    return rc == 0 ? EXIT_DONE : cli_failed("schema list", "out of memory");
}

static int list(const char *path, const char *package, bool json) {
    struct schema_input input = {0};
    int exit_status = schema_open("schema list", path, &input);
    if (exit_status != EXIT_DONE)
        return exit_status;
    size_t count = 0;
    struct item *items = collect(input.model, package, &count);
    if (!items)
        exit_status = cli_failed("schema list", "out of memory");
    else if (count == 0 && package)
        exit_status = cli_wrong("schema list", "there is no package \"%s\" with types", package);
    else if (json)
        exit_status = print_json(items, count);
    else
        print_text(items, count);
    free(items);
    schema_input_destroy(&input);
    return exit_status;
}

int schema_list(int argc, char **argv) {
    static const struct option options[] = {{"package", required_argument, NULL, 'p'},
        {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
    const char *package = NULL;
    bool json = false;
    for (int option; (option = getopt_long(argc, argv, "p:jh", options, NULL)) != -1;) {
        if (option == 'h') {
            fputs(help, stdout);
            return EXIT_DONE;
        }
        if (option == '?')
            return EXIT_WRONG;
        if (option == 'p')
            package = optarg;
        else
            json = true;
    }
    if (argc - optind > 1)
        return cli_wrong("schema list", "\"%s\" is too much; see --help", argv[optind + 1]);
    return list(optind < argc ? argv[optind] : NULL, package, json);
}
