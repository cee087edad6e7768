// Files *.test.yaml: the messages that cases share, and the cases (docs/testing-routes.md).
#include "broker/routing/trial/cases_internal.h"
#include "core/wire/wire.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

#define NAME_LIMIT 200 // bytes of a case's name

static const struct config_key file_keys[] = {{"at", CONFIG_OPTIONAL}, {"messages", CONFIG_OPTIONAL},
    {"cases", CONFIG_REQUIRED}, {NULL, CONFIG_OPTIONAL}};

static const struct config_key case_keys[] = {{"name", CONFIG_REQUIRED}, {"message", CONFIG_REQUIRED},
    {"with", CONFIG_OPTIONAL}, {"from", CONFIG_OPTIONAL}, {"subject", CONFIG_OPTIONAL},
    {"at", CONFIG_OPTIONAL}, {"expect", CONFIG_REQUIRED}, {NULL, CONFIG_OPTIONAL}};

static const struct config_key refused_keys[] = {{"refused", CONFIG_REQUIRED}, {NULL, CONFIG_OPTIONAL}};

// ---- One case ----

// Whether the case may be named in this way.
static void load_name(struct cases *cases, struct test_case *item) {
    const struct config_node *name = config_get(item->node, "name");
    item->name = "";
    if (config_is_null(name) || !config_string(name, &item->name, cases->report))
        return;
    if (name->text.size == 0 || name->text.size > NAME_LIMIT)
        config_error(name, cases->report, "a case's name has 1 to %d bytes", NAME_LIMIT);
    for (const struct test_case *other = cases->items; other < item; other++)
        if (other->node->file == item->node->file && strcmp(other->name, item->name) == 0)
            config_error(name, cases->report, "there is a case \"%s\" already, at line %u", item->name,
                other->node->mark.line);
}

// What a file says for all of its cases.
struct defaults {
    const struct config_node *at; // or NULL
    int64_t at_us;
    struct fixtures fixtures;
};

static void load_time(
    struct cases *cases, const struct config_node *from, const struct config_node **at, int64_t *at_us) {
    int64_t seconds = 0;
    const struct config_node *node = config_get(from, "at");
    if (config_is_null(node) || !config_read_time(from, "at", &seconds, cases->report))
        return;
    *at = node;
    *at_us = seconds * 1000000;
}

static void load_refused(struct cases *cases, struct test_case *item) {
    const char *text;
    if (!config_expect_mapping(item->expect, "\"expect\"", refused_keys, cases->report))
        return;
    item->refused = config_get(item->expect, "refused");
    if (!config_is_null(item->refused)) // null: said already
        config_string(item->refused, &text, cases->report);
}

static void load_list(struct cases *cases, struct test_case *item) {
    const struct config_node *list = item->expect;
    struct expectation *expectations = arena_alloc(&cases->arena, (list->count + 1) * sizeof *expectations);
    if (!expectations) {
        cases->no_memory = true;
        return;
    }
    item->expectations = expectations;
    if (list->count == 0)
        config_error(list, cases->report, "an empty list says nothing; write \"expect: nobody\"");
    for (size_t i = 0; i < list->count; i++)
        expectation_load(cases, item, list->values[i], &expectations[item->count++]);
}

static void load_expect(struct cases *cases, struct test_case *item) {
    item->expect = config_get(item->node, "expect");
    if (config_is_null(item->expect))
        return; // said already
    if (item->expect->kind == CONFIG_SEQUENCE)
        load_list(cases, item);
    else if (item->expect->kind == CONFIG_MAPPING)
        load_refused(cases, item);
    else if (!bytes_equal_string(item->expect->text, "nobody"))
        config_error(item->expect, cases->report,
            "\"expect\" is a list of deliveries, \"nobody\", or { refused: TEXT }");
}

static struct test_case *next_case(struct cases *cases) {
    if (cases->count == cases->capacity) {
        size_t capacity = cases->capacity ? cases->capacity * 2 : 32;
        struct test_case *items = realloc(cases->items, capacity * sizeof *items);
        if (!items) {
            cases->no_memory = true;
            return NULL;
        }
        cases->items = items;
        cases->capacity = capacity;
    }
    struct test_case *item = &cases->items[cases->count++];
    *item = (struct test_case){0};
    return item;
}

static void load_case(struct cases *cases, const struct config_node *node, const struct defaults *defaults) {
    if (!config_expect_mapping(node, "a case", case_keys, cases->report))
        return;
    struct test_case *item = next_case(cases);
    if (!item)
        return;
    item->node = node;
    item->at = defaults->at;
    item->at_us = defaults->at_us;
    load_name(cases, item);
    load_time(cases, node, &item->at, &item->at_us);
    input_load(cases, item, &defaults->fixtures);
    load_expect(cases, item);
}

// ---- Files ----

static void load_file(struct cases *cases, const struct config_file *file) {
    const struct config_node *root = config_root(file);
    if (!root) {
        report_add(cases->report, REPORT_ERROR, config_path(file), (struct bytes){0}, (struct mark){0}, 0,
            "there are no cases; a file of tests begins with \"cases:\"");
        return;
    }
    if (!config_expect_mapping(root, "a file of tests", file_keys, cases->report))
        return;
    struct defaults defaults = {0};
    size_t errors = report_errors(cases->report);
    const struct config_node *messages = config_get(root, "messages");
    const struct config_node *list = config_get(root, "cases");
    load_time(cases, root, &defaults.at, &defaults.at_us);
    fixtures_load(cases, messages, &defaults.fixtures);
    if (!config_is_null(list) && config_expect_sequence(list, "\"cases\"", cases->report))
        for (size_t i = 0; i < list->count; i++)
            load_case(cases, list->values[i], &defaults);
    if (report_errors(cases->report) == errors) // else a misspelled name may be why
        fixtures_unused(cases, messages, list);
    fixtures_free(&defaults.fixtures);
}

static struct cases *cases_new(const struct routes *routes, size_t files, struct report *report) {
    struct cases *cases = calloc(1, sizeof *cases);
    if (!cases)
        return NULL;
    cases->routes = routes;
    cases->report = report;
    cases->files = calloc(files + 1, sizeof(struct config_file *));
    if (!cases->files)
        cases_destroy(&cases);
    return cases;
}

struct cases *cases_load(
    const struct routes *routes, const char *const *paths, size_t count, struct report *report) {
    size_t errors = report_errors(report);
    struct cases *cases = cases_new(routes, count, report);
    for (size_t i = 0; cases && i < count; i++) {
        struct config_file *file = config_load(paths[i], NULL, report);
        if (!file)
            continue;
        cases->files[cases->file_count++] = file;
        load_file(cases, file);
    }
    bool whole = cases && !cases->no_memory;
    if (!whole)
        report_add(report, REPORT_ERROR, "tests", (struct bytes){0}, (struct mark){0}, 0, "out of memory");
    if (!whole || report_errors(report) > errors)
        cases_destroy(&cases);
    else
        cases->report = NULL;
    return cases;
}

static int is_test(const struct dirent *entry) {
    static const char end[] = ".test.yaml";
    size_t size = strlen(entry->d_name);
    return size > strlen(end) && entry->d_name[0] != '.' &&
           strcmp(entry->d_name + size - strlen(end), end) == 0;
}

static struct cases *load_names(const struct routes *routes, const char *folder, struct dirent *const *names,
    size_t count, struct report *report) {
    struct cases *cases = NULL;
    const char **paths = calloc(count + 1, sizeof *paths);
    struct arena arena = {0};
    bool fine = paths != NULL;
    for (size_t i = 0; fine && i < count; i++) {
        struct buffer path = {0};
        fine = buffer_append_format(&path, "%s/%s", folder, names[i]->d_name) == 0;
        paths[i] = fine ? arena_string(&arena, buffer_bytes(&path)) : NULL;
        fine = paths[i] != NULL;
        buffer_destroy(&path);
    }
    if (fine)
        cases = cases_load(routes, paths, count, report);
    else
        report_add(report, REPORT_ERROR, folder, (struct bytes){0}, (struct mark){0}, 0, "out of memory");
    arena_destroy(&arena);
    free(paths);
    return cases;
}

struct cases *cases_load_folder(const struct routes *routes, const char *folder, struct report *report) {
    struct dirent **names = NULL;
    int count = scandir(folder, &names, is_test, alphasort);
    if (count < 0) {
        report_add(report, REPORT_ERROR, folder, (struct bytes){0}, (struct mark){0}, 0,
            "cannot read the folder: %s", strerror(errno));
        return NULL;
    }
    struct cases *cases = load_names(routes, folder, names, (size_t)count, report);
    for (int i = 0; i < count; i++)
        free(names[i]);
    free(names);
    return cases;
}

void cases_destroy(struct cases **self) {
    struct cases *cases = *self;
    if (!cases)
        return;
    for (size_t i = 0; i < cases->count; i++) {
        struct test_case *item = &cases->items[i];
        buffer_destroy(&item->payload);
        for (size_t k = 0; k < item->count; k++)
            json_decref(item->expectations[k].fields);
    }
    free(cases->items);
    arena_destroy(&cases->arena);
    for (size_t i = 0; cases->files && i < cases->file_count; i++)
        config_destroy(&cases->files[i]);
    free(cases->files);
    free(cases);
    *self = NULL;
}

size_t cases_count(const struct cases *cases) {
    return cases->count;
}

size_t cases_file_count(const struct cases *cases) {
    return cases->file_count;
}
