#include "core/codes/load.h"

#include "core/base/buffer.h"
#include "core/base/map.h"
#include "core/codes/load_table.h"
#include "core/config/config.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

static const struct config_key list_keys[] = {
    {"code_list", CONFIG_REQUIRED},
    {"title", CONFIG_REQUIRED},
    {"standard", CONFIG_OPTIONAL},
    {"source", CONFIG_REQUIRED},
    {"as_of", CONFIG_REQUIRED},
    {"note", CONFIG_OPTIONAL},
    {"file", CONFIG_OPTIONAL},
    {"entries", CONFIG_OPTIONAL},
    {NULL, CONFIG_OPTIONAL},
};

static const struct config_key list_entry_keys[] = {
    {"code", CONFIG_REQUIRED},
    {"name", CONFIG_REQUIRED},
    {"from", CONFIG_OPTIONAL},
    {"until", CONFIG_OPTIONAL},
    {"replaced_by", CONFIG_OPTIONAL},
    {"note", CONFIG_OPTIONAL},
    {NULL, CONFIG_OPTIONAL},
};

static const struct config_key map_keys[] = {
    {"code_map", CONFIG_REQUIRED},
    {"title", CONFIG_REQUIRED},
    {"source", CONFIG_REQUIRED},
    {"as_of", CONFIG_REQUIRED},
    {"note", CONFIG_OPTIONAL},
    {"from_list", CONFIG_OPTIONAL},
    {"to_list", CONFIG_OPTIONAL},
    {"entries", CONFIG_REQUIRED},
    {NULL, CONFIG_OPTIONAL},
};

static const struct config_key map_entry_keys[] = {
    {"from", CONFIG_REQUIRED},
    {"to", CONFIG_REQUIRED},
    {"since", CONFIG_OPTIONAL},
    {"until", CONFIG_OPTIONAL},
    {"note", CONFIG_OPTIONAL},
    {NULL, CONFIG_OPTIONAL},
};

struct loader {
    struct codes *codes;
    const char *folder;
    struct report *report;
    struct map *partial; // lists, by name, that could not be read whole
    struct config_file **files;
    size_t file_count;
};

// Codes are strings: an unquoted 01 or 330106 would be a number to other readers of YAML, and lose its zeros
// there.
static bool read_code(
    const struct config_node *entry, const char *key, struct bytes *out, struct report *report) {
    const struct config_node *node = config_get(entry, key);
    if (!node)
        return true;
    const char *text = NULL;
    if (!config_read_string(entry, key, &text, report))
        return false;
    if (node->kind == CONFIG_SCALAR && !node->quoted) {
        config_error(node, report, "a code is a string: put it in quotes");
        return false;
    }
    *out = bytes_of_string(text);
    return true;
}

static bool read_entry(const struct config_node *node, const char *code_key, const char *name_key,
    const char *from_key, struct code_entry *out, struct report *report) {
    const char *name = NULL;
    bool fine = read_code(node, code_key, &out->code, report);
    fine &= config_read_string(node, name_key, &name, report);
    fine &= config_read_time(node, from_key, &out->from, report);
    fine &= config_read_time(node, "until", &out->until, report);
    out->name = bytes_of_string(name);
    return fine && out->code.data && name; // a missing one was reported
}

static int report_entry(
    const struct config_node *node, int rc, const struct error *error, struct report *report) {
    if (rc && rc != -ENOMEM)
        config_error(node, report, "%s", error->text);
    return rc == -ENOMEM ? rc : 0;
}

static int load_list_entry(struct code_list *list, const struct config_node *node, struct report *report) {
    struct code_entry entry = {.from = CODES_ALWAYS_FROM, .until = CODES_ALWAYS_UNTIL};
    struct error error;
    if (!config_expect_mapping(node, "a code", list_entry_keys, report))
        return 0;
    if (!read_entry(node, "code", "name", "from", &entry, report) ||
        !read_code(node, "replaced_by", &entry.replaced_by, report))
        return 0;
    return report_entry(node, code_list_add(list, &entry, &error), &error, report);
}

static int load_map_entry(struct code_map *map, const struct config_node *node, struct report *report) {
    struct code_entry entry = {.from = CODES_ALWAYS_FROM, .until = CODES_ALWAYS_UNTIL};
    struct error error;
    if (!config_expect_mapping(node, "a map's entry", map_entry_keys, report) ||
        !read_entry(node, "from", "to", "since", &entry, report))
        return 0;
    return report_entry(node, code_map_add(map, &entry, &error), &error, report);
}

static int load_list_file(struct loader *loader, const struct config_node *root, struct code_list *list) {
    const char *name = NULL;
    if (!config_read_string(root, "file", &name, loader->report) || !name)
        return 0;
    if (strchr(name, '/')) {
        config_error(config_get(root, "file"), loader->report,
            "the table lies in the same folder: give its name only");
        return 0;
    }
    struct buffer path = {0};
    int rc = buffer_append_format(&path, "%s/%s", loader->folder, name);
    const char *text = rc ? NULL : buffer_text(&path);
    rc = text ? load_table(list, text, loader->report) : -ENOMEM;
    buffer_destroy(&path);
    return rc == -ENOMEM ? rc : 0;
}

static int load_list_entries(struct loader *loader, const struct config_node *root, struct code_list *list) {
    const struct config_node *entries = config_get(root, "entries");
    if (!entries && !config_get(root, "file"))
        config_error(root, loader->report, "a code list has \"entries\" or a \"file\"");
    int rc = load_list_file(loader, root, list);
    if (rc || !entries || !config_expect_sequence(entries, "the entries", loader->report))
        return rc;
    for (size_t i = 0; rc == 0 && i < entries->count; i++)
        rc = load_list_entry(list, entries->values[i], loader->report);
    return rc;
}

static int load_list(struct loader *loader, const struct config_node *root) {
    const char *name = NULL;
    struct code_list *list = NULL;
    struct error error;
    size_t errors = report_errors(loader->report);
    if (!config_expect_mapping(root, "a code list", list_keys, loader->report) ||
        !config_read_string(root, "code_list", &name, loader->report) || !name) {
        codes_note_missing(loader->codes);
        return 0;
    }
    int rc = codes_add_list(loader->codes, bytes_of_string(name), &list, &error);
    if (rc == CODES_DUPLICATE && map_put(loader->partial, bytes_of_string(name), loader) != 0)
        return -ENOMEM; // which of the two is meant, nobody knows
    if (rc)
        return report_entry(config_get(root, "code_list"), rc, &error, loader->report);
    rc = load_list_entries(loader, root, list);
    if (rc == 0 && report_errors(loader->report) > errors)
        rc = map_put(loader->partial, bytes_of_string(name), list);
    return rc;
}

// The list that a map names under `key`; NULL when it names none.
static const struct code_list *named_list(
    const struct loader *loader, const struct config_node *root, const char *key) {
    const char *name = NULL;
    if (!config_read_string(root, key, &name, loader->report) || !name)
        return NULL;
    struct bytes wanted = bytes_of_string(name);
    const struct code_list *list = codes_find_list(loader->codes, wanted);
    if (map_get(loader->partial, wanted))
        return NULL; // what it lacks is no mistake of the map
    if (list || codes_may_have(loader->codes) || config_full_width(config_get(root, key), loader->report))
        return list;
    size_t count;
    const char *const *names = codes_list_names(loader->codes, &count);
    const char *nearest = report_nearest(bytes_of_string(name), names, count);
    config_error(config_get(root, key), loader->report, "no code list \"%s\"%s%s%s", name,
        nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    return NULL;
}

static int load_map(struct loader *loader, const struct config_node *root) {
    const char *name = NULL;
    struct code_map *map = NULL;
    struct error error;
    if (!config_expect_mapping(root, "a code map", map_keys, loader->report) ||
        !config_read_string(root, "code_map", &name, loader->report) || !name) {
        codes_note_missing(loader->codes);
        return 0;
    }
    const struct code_list *from = named_list(loader, root, "from_list");
    const struct code_list *to = named_list(loader, root, "to_list");
    int rc = codes_add_map(loader->codes, bytes_of_string(name), from, to, &map, &error);
    if (rc)
        return report_entry(config_get(root, "code_map"), rc, &error, loader->report);
    const struct config_node *entries = config_get(root, "entries");
    if (!entries || !config_expect_sequence(entries, "the entries", loader->report))
        return 0;
    for (size_t i = 0; rc == 0 && i < entries->count; i++)
        rc = load_map_entry(map, entries->values[i], loader->report);
    return rc;
}

static bool is_map(const struct config_node *root) {
    return root && root->kind == CONFIG_MAPPING && config_get(root, "code_map");
}

static int load_roots(struct loader *loader, bool maps) {
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < loader->file_count; i++) {
        const struct config_node *root = loader->files[i] ? config_root(loader->files[i]) : NULL;
        if (root && is_map(root) == maps)
            rc = maps ? load_map(loader, root) : load_list(loader, root);
    }
    return rc;
}

static int is_yaml(const struct dirent *entry) {
    size_t size = strlen(entry->d_name);
    return size > 5 && entry->d_name[0] != '.' && strcmp(entry->d_name + size - 5, ".yaml") == 0;
}

static int parse_files(struct loader *loader, struct dirent **names, size_t count) {
    loader->files = calloc(count + 1, sizeof *loader->files);
    if (!loader->files)
        return -ENOMEM;
    struct buffer path = {0};
    int rc = 0;
    for (; rc == 0 && loader->file_count < count; loader->file_count++) {
        buffer_clear(&path);
        rc = buffer_append_format(&path, "%s/%s", loader->folder, names[loader->file_count]->d_name);
        const char *text = rc ? NULL : buffer_text(&path);
        if (text)
            loader->files[loader->file_count] = config_load(text, NULL, loader->report);
        else
            rc = -ENOMEM;
        if (text && !loader->files[loader->file_count])
            codes_note_missing(loader->codes);
    }
    buffer_destroy(&path);
    return rc;
}

int codes_load(struct codes *codes, const char *folder, struct report *report) {
    struct loader loader = {.codes = codes, .folder = folder, .report = report, .partial = map_new()};
    size_t errors = report_errors(report);
    struct dirent **names = NULL;
    int count = scandir(folder, &names, is_yaml, alphasort);
    if (count < 0) {
        report_add(report, REPORT_ERROR, folder, (struct bytes){0}, (struct mark){0}, 0,
            "cannot read the folder: %s", strerror(errno));
        codes_note_missing(codes);
        map_destroy(&loader.partial);
        return -EINVAL;
    }
    int rc = loader.partial ? 0 : -ENOMEM;
    rc = rc ? rc : parse_files(&loader, names, (size_t)count);
    if (rc == 0)
        rc = load_roots(&loader, false);
    if (rc == 0)
        rc = load_roots(&loader, true);
    for (size_t i = 0; i < loader.file_count; i++)
        config_destroy(&loader.files[i]);
    free(loader.files);
    map_destroy(&loader.partial);
    for (int i = 0; i < count; i++)
        free(names[i]);
    free(names);
    if (rc == 0 && report_errors(report) > errors)
        rc = -EINVAL;
    return rc;
}
