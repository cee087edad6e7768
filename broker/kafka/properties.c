#include "broker/kafka/properties.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// What a structure owns, GCC's analyzer takes for lost.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

#define PROPERTIES_LIMIT 256
#define LINE_LIMIT 65536 // a certificate in one line

void properties_destroy(struct properties *properties) {
    for (size_t i = 0; i < properties->count; i++) {
        char *value = (char *)(uintptr_t)properties->items[i].value;
        explicit_bzero(value, strlen(value));
        free(value);
        free((char *)(uintptr_t)properties->items[i].name);
    }
    free(properties->items);
    *properties = (struct properties){0};
}

// Without what stands around it.
static char *trim(char *text) {
    text += strspn(text, " \t");
    size_t size = strcspn(text, "\r\n");
    while (size && (text[size - 1] == ' ' || text[size - 1] == '\t'))
        size--;
    text[size] = '\0';
    return text;
}

static int add(struct properties *out, const char *name, const char *value) {
    struct cluster_setting *items = reallocarray(out->items, out->count + 1, sizeof *items);
    if (!items)
        return -ENOMEM;
    out->items = items;
    items[out->count] = (struct cluster_setting){.name = strdup(name), .value = strdup(value)};
    if (items[out->count].name && items[out->count].value) {
        out->count++;
        return 0;
    }
    free((char *)(uintptr_t)items[out->count].name);
    free((char *)(uintptr_t)items[out->count].value);
    return -ENOMEM;
}

// Never says what the value is.
static int take_line(
    struct properties *out, const char *path, unsigned number, char *line, struct error *error) {
    char *text = trim(line);
    char *equals = strchr(text, '=');
    if (!*text || *text == '#')
        return 0;
    if (!equals || equals == text)
        return error_set(error, -EINVAL, "%s:%u: expected name=value", path, number);
    if (out->count == PROPERTIES_LIMIT)
        return error_set(error, -EINVAL, "%s:%u: more than %d settings", path, number, PROPERTIES_LIMIT);
    *equals = '\0';
    int rc = add(out, trim(text), trim(equals + 1));
    return rc ? error_no_memory(error) : 0;
}

static int read_lines(FILE *file, const char *path, struct properties *out, struct error *error) {
    char *line = malloc(LINE_LIMIT);
    if (!line)
        return error_no_memory(error);
    int rc = 0;
    for (unsigned number = 1; rc == 0 && fgets(line, LINE_LIMIT, file); number++)
        rc = take_line(out, path, number, line, error);
    if (rc == 0 && ferror(file))
        rc = error_set(error, -EIO, "%s can't be read", path);
    explicit_bzero(line, LINE_LIMIT);
    free(line);
    return rc;
}

int properties_read(const char *path, struct properties *out, struct error *error) {
    FILE *file = fopen(path, "re");
    if (!file)
        return error_set(error, -errno, "%s: %s", path, strerror(errno));
    int rc = read_lines(file, path, out, error);
    fclose(file);
    if (rc)
        properties_destroy(out);
    return rc;
}
