#include "cli/objects.h"

#include "core/schema/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int next_character(FILE *file) {
    int c = fgetc(file);
    while (c == ' ' || c == '\n' || c == '\r' || c == '\t')
        c = fgetc(file);
    return c;
}

static int take_next(
    const char *command, FILE *file, const char *where, cli_take_object take, void *context) {
    json_error_t error;
    json_t *object = json_loadf(file, JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES, &error);
    int rc;
    if (!object)
        rc = cli_wrong(command, "%s: line %d, column %d: %s", where, error.line, error.column, error.text);
    else if (!json_is_object(object))
        rc = cli_wrong(command, "%s: expected a JSON object", where);
    else
        rc = take(context, where, object);
    json_decref(object);
    return rc;
}

int cli_each_object(const char *command, const char *path, cli_take_object take, void *context) {
    bool standard = strcmp(path, "-") == 0;
    FILE *file = standard ? stdin : fopen(path, "rb");
    if (!file)
        return cli_wrong(command, "%s: %s", path, strerror(errno));
    int rc = EXIT_DONE;
    for (size_t n = 1; rc == EXIT_DONE; n++) {
        char where[512];
        int c = next_character(file);
        if (c == EOF)
            break;
        ungetc(c, file);
        snprintf(where, sizeof where, "%s, object %zu", standard ? "standard input" : path, n);
        rc = take_next(command, file, where, take, context);
    }
    if (!standard)
        fclose(file);
    return rc;
}

bool cli_is_envelope(const json_t *object) {
    return json_object_get(object, "data") && json_is_string(json_object_get(object, "type"));
}

const char *cli_attribute(const json_t *envelope, const char *name) {
    return json_string_value(json_object_get(envelope, name));
}

const struct schema_message *cli_type(
    const char *command, const char *where, const struct catalogue *catalogue, const char *name) {
    if (!name) {
        cli_wrong(command, "%s: no \"type\" in the object; name one with --type", where);
        return NULL;
    }
    const struct schema_message *type = catalogue_message(catalogue, bytes_of_string(name));
    if (type)
        return type;
    const char *nearest = catalogue_nearest_message(catalogue, bytes_of_string(name));
    cli_wrong(command, "%s: no type \"%s\" in the catalogue%s%s%s", where, name,
        nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    return NULL;
}

// The payload was written anew on one line: its path is right, its line and column would mislead.
static void drop_place(char *text) {
    static const char line[] = ", line 1, column ";
    char *from = strstr(text, line);
    const char *to = from ? strchr(from, ':') : NULL;
    if (to)
        memmove(from, to, strlen(to) + 1);
}

int cli_payload(const char *command, const char *where, const struct catalogue *catalogue, const char *name,
    const json_t *payload, const struct schema_message **out, struct buffer *wire) {
    const struct schema_message *type = cli_type(command, where, catalogue, name);
    if (!type)
        return EXIT_WRONG;
    char *text = json_dumps(payload, JSON_COMPACT | JSON_ENCODE_ANY);
    struct error error = {0};
    int rc = text ? json_to_message(type, bytes_of_string(text), wire, &error) : error_no_memory(&error);
    free(text);
    if (rc == 0) {
        *out = type;
        return EXIT_DONE;
    }
    buffer_destroy(wire);
    drop_place(error.text);
    return cli_wrong(command, "%s: %s", where, error.text);
}
