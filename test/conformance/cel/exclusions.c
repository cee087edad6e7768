// What is left out: a line each, "FILE", "FILE/SECTION" or "FILE/SECTION/TEST", then ": " and the reason.
#include "test/conformance/cel/harness.h"

#include <stdio.h>
#include <stdlib.h>

struct exclusion {
    struct exclusion *next;
    size_t line;
    bool used;
    char path[];
};

struct exclusions {
    struct exclusion *first; // owned
};

static bool add(struct exclusions *exclusions, const char *text, size_t line) {
    const char *colon = strstr(text, ": ");
    size_t length = colon ? (size_t)(colon - text) : 0;
    if (length == 0 || strlen(colon + 2) < 5) {
        fprintf(stderr, "line %zu of the exclusions: expected \"file/section/test: reason\"\n", line);
        return false;
    }
    struct exclusion *made = calloc(1, sizeof *made + length + 1);
    if (!made)
        return false;
    memcpy(made->path, text, length);
    made->line = line;
    made->next = exclusions->first;
    exclusions->first = made;
    return true;
}

struct exclusions *exclusions_load(const char *path) {
    struct exclusions *exclusions = calloc(1, sizeof *exclusions);
    FILE *file = fopen(path, "r");
    char text[1024];
    bool ok = exclusions && file;
    if (!file)
        fprintf(stderr, "%s can't be read\n", path);
    for (size_t line = 1; ok && fgets(text, sizeof text, file); line++)
        if (text[0] != '#' && text[0] != '\n')
            ok = add(exclusions, text, line);
    if (file)
        fclose(file);
    if (!ok)
        exclusions_destroy(&exclusions);
    return exclusions;
}

static bool covers(const char *exclusion, const char *path) {
    size_t length = strlen(exclusion);
    return strncmp(exclusion, path, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

bool exclusions_cover(struct exclusions *exclusions, const char *path) {
    bool found = false;
    for (struct exclusion *e = exclusions->first; e; e = e->next)
        if (covers(e->path, path))
            found = e->used = true;
    return found;
}

size_t exclusions_report_unused(const struct exclusions *exclusions) {
    size_t count = 0;
    for (const struct exclusion *e = exclusions->first; e; e = e->next)
        if (!e->used) {
            fprintf(stderr, "line %zu of the exclusions: no test is called %s\n", e->line, e->path);
            count++;
        }
    return count;
}

void exclusions_destroy(struct exclusions **self) {
    struct exclusions *exclusions = *self;
    while (exclusions && exclusions->first) {
        struct exclusion *next = exclusions->first->next;
        free(exclusions->first);
        exclusions->first = next;
    }
    free(exclusions);
    *self = NULL;
}
