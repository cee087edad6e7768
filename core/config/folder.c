#include "core/config/internal.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

#define FILES_MAX 10000

static bool ends_with(const char *name, const char *end) {
    size_t size = strlen(name);
    size_t tail = strlen(end);
    return size > tail && strcmp(name + size - tail, end) == 0;
}

static int is_yaml(const struct dirent *entry) {
    const char *name = entry->d_name;
    return name[0] != '.' && ends_with(name, ".yaml") && !ends_with(name, ".test.yaml");
}

static void problem(const char *path, struct report *report, const char *what, const char *why) {
    report_add(report, REPORT_ERROR, path, (struct bytes){0}, (struct mark){0}, 0, "%s%s", what, why);
}

static struct config_file *load_entry(const char *folder, const char *name, struct report *report) {
    struct buffer path = {0};
    struct config_file *file = NULL;
    const char *text = buffer_append_format(&path, "%s/%s", folder, name) == 0 ? buffer_text(&path) : NULL;
    if (text)
        file = config_load(text, NULL, report);
    else
        problem(folder, report, "out of memory", "");
    buffer_destroy(&path);
    return file;
}

static bool load_entries(
    const char *path, struct dirent **names, size_t count, struct config_folder *out, struct report *report) {
    bool fine = true;
    out->files = calloc(count + 1, sizeof(struct config_file *));
    if (!out->files) {
        problem(path, report, "out of memory", "");
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        struct config_file *file = load_entry(path, names[i]->d_name, report);
        if (file)
            out->files[out->count++] = file;
        else
            fine = false;
    }
    return fine;
}

bool config_load_folder(const char *path, struct config_folder *out, struct report *report) {
    struct dirent **names = NULL;
    *out = (struct config_folder){0};
    int count = scandir(path, &names, is_yaml, alphasort);
    if (count < 0) {
        problem(path, report, "cannot read the folder: ", strerror(errno));
        return false;
    }
    bool fine = count <= FILES_MAX;
    if (fine)
        fine = load_entries(path, names, (size_t)count, out, report);
    else
        problem(path, report, "the folder has more than 10,000 files", "");
    for (int i = 0; i < count; i++)
        free(names[i]);
    free(names);
    return fine;
}

void config_folder_destroy(struct config_folder *folder) {
    for (size_t i = 0; i < folder->count; i++)
        config_destroy(&folder->files[i]);
    free(folder->files);
    *folder = (struct config_folder){0};
}
