// For the fuzzers: a scan of every path of a type down to a depth, so that all of it can be compared with
// another reading of the same bytes.
#pragma once

#include "core/schema/view.h"

#include <stdlib.h>

#define ALL_PATHS_DEEP 3

struct all_path {
    const struct schema_field *fields[ALL_PATHS_DEEP];
    size_t count;
    size_t slot;
};

struct all_paths {
    const struct schema_message *type;
    struct paths *paths;
    struct scan *scan;
    struct all_path *list;
    size_t count;
    size_t capacity;
};

static inline void all_paths_must(bool right) {
    if (!right)
        abort();
}

static inline void all_paths_add(
    struct all_paths *all, const struct schema_message *type, struct all_path path) {
    for (size_t i = 0; i < type->field_count; i++) {
        const struct schema_field *field = &type->fields[i];
        path.fields[path.count] = field;
        struct all_path added = path;
        added.count++;
        all_paths_must(paths_add(all->paths, added.fields, added.count, &added.slot) == 0);
        if (all->count == all->capacity) {
            all->capacity = all->capacity * 2 + 64;
            struct all_path *larger = realloc(all->list, all->capacity * sizeof *larger);
            if (!larger)
                abort();
            all->list = larger;
        }
        all->list[all->count++] = added;
        if (field->message && !field->repeated && added.count < ALL_PATHS_DEEP)
            all_paths_add(all, field->message, added);
    }
}

// Never freed: a fuzzer needs it to its end.
static inline void all_paths_open(
    struct all_paths *all, const struct catalogue *catalogue, const char *type) {
    *all = (struct all_paths){.type = catalogue_message(catalogue, bytes_of_string(type))};
    all_paths_must(all->type != NULL);
    all->paths = paths_new(all->type);
    all_paths_must(all->paths != NULL);
    all_paths_add(all, all->type, (struct all_path){0});
    all->scan = scan_new(all->paths);
    all_paths_must(all->scan != NULL);
}
