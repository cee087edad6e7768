// Back to the routes of an earlier activation: their files are written into a folder beside the routes', the
// two are exchanged at one point (renameat2 with RENAME_EXCHANGE), and what is there now is loaded as by a
// reload. A set that is refused is exchanged back. So a crash leaves the one or the other, whole.
#include "broker/loader_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct exchange {
    char *folder; // the routes', without links in its path; owned
    char *beside; // a folder of our own in the same place; owned
    int from;     // the former, open
    int to;       // the latter
};

static int failed(struct error *error, const char *what, const char *name) {
    int rc = errno ? -errno : -EIO;
    error_set(error, rc, "%s %s: %s", what, name, strerror(-rc));
    return rc;
}

static void exchange_close(struct exchange *exchange) {
    if (exchange->from >= 0)
        close(exchange->from);
    if (exchange->to >= 0)
        close(exchange->to);
    free(exchange->folder);
    free(exchange->beside);
    *exchange = (struct exchange){.from = -1, .to = -1};
}

// Removes the folder beside, with the files in it. What is left of an interrupted one is removed the same
// way.
static int remove_beside(const char *path, struct error *error) {
    DIR *folder = opendir(path);
    if (!folder)
        return errno == ENOENT ? 0 : failed(error, "can't open", path);
    int at = dirfd(folder);
    int rc = at < 0 ? failed(error, "can't open", path) : 0;
    for (const struct dirent *entry; at >= 0 && rc == 0 && (entry = readdir(folder));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            unlinkat(at, entry->d_name, 0) != 0)
            rc = failed(error, "can't remove", entry->d_name);
    closedir(folder);
    return rc || rmdir(path) == 0 ? rc : failed(error, "can't remove", path);
}

static int exchange_open(const char *folder, struct exchange *out, struct error *error) {
    struct exchange exchange = {.from = -1, .to = -1};
    struct stat st = {0};
    static const char tail[] = ".rollback";
    exchange.folder = realpath(folder, NULL);
    size_t size = exchange.folder ? strlen(exchange.folder) + sizeof tail : 0;
    exchange.beside = size ? malloc(size) : NULL;
    if (!exchange.beside) {
        int rc = -ENOMEM;
        if (exchange.folder)
            error_no_memory(error);
        else
            rc = failed(error, "can't find", folder);
        exchange_close(&exchange);
        return rc;
    }
    snprintf(exchange.beside, size, "%s%s", exchange.folder, tail);
    int rc = remove_beside(exchange.beside, error);
    if (rc == 0 && ((exchange.from = open(exchange.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
                       fstat(exchange.from, &st) != 0))
        rc = failed(error, "can't open", exchange.folder);
    if (rc == 0 && (mkdir(exchange.beside, 0700) != 0 ||
                       (exchange.to = open(exchange.beside, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
                       fchmod(exchange.to, st.st_mode & 07777) != 0))
        rc = failed(error, "can't make", exchange.beside);
    if (rc)
        exchange_close(&exchange);
    else
        *out = exchange;
    return rc;
}

// ---- Filling the folder beside ----

static int write_whole(int fd, struct bytes text) {
    while (text.size) {
        ssize_t n = write(fd, text.data, text.size);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0)
            text = bytes_of(text.data + n, text.size - (size_t)n);
    }
    return fsync(fd) == 0 ? 0 : -errno;
}

static int write_file(const struct exchange *exchange, const struct file *file, struct error *error) {
    struct stat st;
    mode_t mode = fstatat(exchange->from, file->name, &st, 0) == 0 ? st.st_mode & 0777 : 0644;
    int fd = openat(exchange->to, file->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return failed(error, "can't write", file->name);
    int rc = write_whole(fd, buffer_bytes(&file->text));
    if (close(fd) != 0 && rc == 0)
        rc = -errno;
    return rc ? error_set(error, rc, "can't write %s: %s", file->name, strerror(-rc)) : 0;
}

// Everything that is no route goes along, such as their tests; of the routes those that stay the same.
static int take_along(const struct exchange *exchange, const char *name, const struct files *now,
    const struct files *target, struct error *error) {
    struct stat st;
    if (fstatat(exchange->from, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return failed(error, "can't look at", name);
    if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
        return error_set(error, -ENOTSUP,
            "the routes' folder holds \"%s\", which is no file; a rollback replaces the folder and can't "
            "take "
            "it along: move it elsewhere",
            name);
    if (name[0] != '.' && files_is_route(name)) {
        const struct file *old = files_named(now, name);
        const struct file *new = files_named(target, name);
        if (!old || !new || !bytes_equal(buffer_bytes(&old->text), buffer_bytes(&new->text)))
            return 0;
    }
    return linkat(exchange->from, name, exchange->to, name, 0) == 0 ? 0 : failed(error, "can't link", name);
}

static int fill(const struct exchange *exchange, const struct files *now, const struct files *target,
    struct error *error) {
    struct dirent **entries = NULL;
    int count = scandir(exchange->folder, &entries, NULL, alphasort);
    int rc = count < 0 ? failed(error, "can't read", exchange->folder) : 0;
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        if (rc == 0 && strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
            rc = take_along(exchange, name, now, target, error);
        free(entries[i]);
    }
    free(entries);
    for (size_t i = 0; i < target->count && rc == 0; i++) {
        struct stat st;
        if (fstatat(exchange->to, target->items[i].name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            rc = write_file(exchange, &target->items[i], error);
    }
    return rc || fsync(exchange->to) == 0 ? rc : failed(error, "can't write", exchange->beside);
}

// ---- The exchange ----

static int sync_parent(const char *path) {
    char *parent = strdup(path);
    char *slash = parent ? strrchr(parent, '/') : NULL;
    if (slash)
        slash[slash == parent ? 1 : 0] = '\0';
    int fd = slash ? open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    int rc = fd >= 0 && fsync(fd) == 0 ? 0 : -EIO;
    if (fd >= 0)
        close(fd);
    free(parent);
    return rc;
}

// `*swapped` changes as soon as the folders did.
static int swap_folders(const struct exchange *exchange, bool *swapped, struct error *error) {
    if (renameat2(AT_FDCWD, exchange->beside, AT_FDCWD, exchange->folder, RENAME_EXCHANGE) != 0)
        return error_set(error, -errno, "this file system can't exchange %s and %s at one point: %s",
            exchange->beside, exchange->folder, strerror(errno));
    *swapped = !*swapped;
    return sync_parent(exchange->folder) == 0 ? 0 : error_set(error, -EIO, "the exchange is not on the disk");
}

// Puts the target in place, has it loaded, and undoes it when it is refused.
static void replace(struct loader *loader, const struct files *now, const struct files *target,
    const char *who, const char *why, struct answer *answer) {
    struct error error = {0};
    struct exchange exchange = {.from = -1, .to = -1};
    int rc = exchange_open(policy_settings(loader->active->policy)->routes, &exchange, &error);
    bool swapped = false;
    if (rc == 0)
        rc = fill(&exchange, now, target, &error);
    if (rc == 0)
        rc = swap_folders(&exchange, &swapped, &error);
    bool stays = rc == 0 && loader_reload(loader, who, why, answer);
    if (swapped && !stays) {
        int back = swap_folders(&exchange, &swapped, &error);
        rc = rc ? rc : back;
    }
    if (exchange.beside && (stays || !swapped)) // otherwise it holds what was there before
        remove_beside(exchange.beside, rc ? NULL : &error);
    exchange_close(&exchange);
    if (rc)
        answer_problem(answer, 503, "%s", error.text);
}

// ---- Where to ----

// The one before the one in force: the newest with other routes.
static bool has_other_routes(void *context, const Hutong__Bus__V1__ActivatedRecord *record) {
    const uint8_t *now = context;
    return record->files.len && record->routes_digest.len == DIGEST_SIZE &&
           memcmp(record->routes_digest.data, now, DIGEST_SIZE) != 0;
}

static int find_target(struct loader *loader, const char *of, struct history *out) {
    if (of && of[0])
        return history_named(loader, of, out);
    uint8_t now[DIGEST_SIZE];
    memcpy(now, routes_digest(loader->active->routes), sizeof now);
    return history_find(loader, has_other_routes, now, out);
}

// Names the files that are not as the configuration in force has them.
static void say_differences(const struct files *now, const struct files *active, struct answer *answer) {
    struct buffer names = {0};
    size_t count = 0;
    for (size_t i = 0; i < now->count; i++) {
        const struct file *other = files_named(active, now->items[i].name);
        if (!other || !bytes_equal(buffer_bytes(&other->text), buffer_bytes(&now->items[i].text)))
            if (count++ < 10)
                buffer_append_format(&names, " %s%s", now->items[i].name, other ? "" : " (new)");
    }
    for (size_t i = 0; i < active->count; i++)
        if (!files_named(now, active->items[i].name) && count++ < 10)
            buffer_append_format(&names, " %s (gone)", active->items[i].name);
    answer_problem(answer, 409,
        "%zu file%s of the routes differ%s from what is in force, and a rollback would lose that:%s%s. "
        "Reload "
        "first, or say --force",
        count, count == 1 ? "" : "s", count == 1 ? "s" : "", names.size ? buffer_text(&names) : "",
        count > 10 ? " …" : "");
    buffer_destroy(&names);
}

static bool may_replace(struct loader *loader, const struct files *now, bool force, struct answer *answer) {
    struct files active = {0};
    Hutong__Bus__V1__ActivatedRecord *record = history_record_of(loader->active);
    int rc = record ? configuration_unpack(record, &active) : -ENOMEM;
    bool same = rc == 0 && files_equal(now, &active);
    if (rc)
        answer_problem(answer, 503, "what is in force can't be compared: %s", strerror(-rc));
    else if (!same && !force)
        say_differences(now, &active, answer);
    if (record)
        hutong__bus__v1__activated_record__free_unpacked(record, NULL);
    files_destroy(&active);
    return rc == 0 && (same || force);
}

static void roll_back_to(struct loader *loader, const Hutong__Bus__V1__ActivatedRecord *record,
    const json_t *request, struct answer *answer) {
    const char *who = json_string_value(json_object_get(request, "who"));
    const char *given = json_string_value(json_object_get(request, "why"));
    bool force = json_is_true(json_object_get(request, "force"));
    struct files target = {0};
    struct files now = {0};
    struct error error = {0};
    struct buffer why = {0};
    int rc = buffer_append_format(&why, "rollback to %llu%s%s", (unsigned long long)record->number,
        given && given[0] ? ": " : "", given ? given : "");
    rc = rc ? rc : configuration_unpack(record, &target);
    if (rc)
        answer_problem(answer, rc == -ENODATA ? 404 : 503, "the record of activation %llu %s",
            (unsigned long long)record->number,
            rc == -ENODATA ? "has no files: an older version wrote it" : "can't be read");
    else if (files_read(policy_settings(loader->active->policy)->routes, files_is_route, &now, &error) != 0)
        answer_problem(answer, 503, "%s", error.text);
    else if (may_replace(loader, &now, force, answer))
        replace(loader, &now, &target, who ? who : "", buffer_text(&why), answer);
    if (rc == 0 && answer->body)
        json_object_set_new(answer->body, "to", json_integer((json_int_t)record->number));
    buffer_destroy(&why);
    files_destroy(&target);
    files_destroy(&now);
}

void loader_rollback(struct loader *loader, const json_t *request, struct answer *answer) {
    const char *of = json_string_value(json_object_get(request, "of"));
    struct history found = {0};
    int rc = find_target(loader, of, &found);
    if (rc)
        answer_problem(answer, 503, "the history can't be read");
    else if (found.count == 0 && of && of[0])
        answer_problem(answer, 404, "there is no activation \"%s\"; see: hutong routes history", of);
    else if (found.count == 0)
        answer_problem(answer, 404, "there is nothing to go back to: no activation had other routes");
    else
        roll_back_to(loader, found.items[0].record, request, answer);
    history_destroy(&found);
}
