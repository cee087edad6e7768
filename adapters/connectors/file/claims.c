#include "adapters/connectors/file/claims.h"

#include "core/base/clock.h"
#include "core/base/map.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STAMP_SIZE 20 // 16 hexadecimal digits of nanoseconds, 3 of a counter, "-"
#define NAME_LIMIT 200
#define SEEN_LIMIT 10000

// A dropped file as it was seen last.
struct seen {
    int64_t size;
    struct timespec changed;
    uint64_t since_ns;
};

struct claims {
    struct claims_options options;
    struct map *seen; // name to struct seen
    unsigned counter;
};

struct claims *claims_new(const struct claims_options *options) {
    struct claims *claims = calloc(1, sizeof *claims);
    if (!claims)
        return NULL;
    claims->options = *options;
    claims->seen = map_new();
    if (!claims->seen)
        claims_destroy(&claims);
    return claims;
}

static void forget_all(struct claims *claims) {
    size_t cursor = 0;
    struct bytes key;
    void *value = NULL;
    while (claims->seen && map_next(claims->seen, &cursor, &key, &value))
        free(value);
    map_destroy(&claims->seen);
}

void claims_destroy(struct claims **self) {
    struct claims *claims = *self;
    *self = NULL;
    if (!claims)
        return;
    forget_all(claims);
    free(claims);
}

static int later(struct error *error, const char *what, const char *path) {
    return error_set(error, CLAIMS_LATER, "%s %s: %s", what, path, strerror(errno));
}

static int make_folder(const char *path, struct error *error) {
    if (!path || mkdir(path, 0750) == 0 || errno == EEXIST)
        return 0;
    return later(error, "creating", path);
}

int claims_open(struct claims *claims, struct error *error) {
    const struct claims_options *options = &claims->options;
    struct stat drop;
    struct stat work;
    if (stat(options->folder, &drop) != 0 || access(options->folder, R_OK | W_OK | X_OK) != 0)
        return later(error, "opening", options->folder);
    int rc = make_folder(options->work, error);
    if (rc == 0)
        rc = make_folder(options->done, error);
    if (rc == 0)
        rc = make_folder(options->rejects, error);
    if (rc == 0 && stat(options->work, &work) == 0 && work.st_dev != drop.st_dev)
        rc = error_set(error, CLAIMS_LATER,
            "%s must be on the same file system as %s: a file is claimed by renaming it", options->work,
            options->folder);
    return rc;
}

const char *claims_dropped_name(const char *name) {
    return strlen(name) > STAMP_SIZE ? name + STAMP_SIZE : name;
}

char *claims_path(const struct claims *claims, const char *name, const char *suffix) {
    char *path = NULL;
    return asprintf(&path, "%s/%s%s", claims->options.work, name, suffix) < 0 ? NULL : path;
}

bool claims_exists(const struct claims *claims, const char *name) {
    char *path = claims_path(claims, name, "");
    bool exists = path && access(path, F_OK) == 0;
    free(path);
    return exists;
}

static int sync_folder(const char *path) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int rc = fsync(fd);
    close(fd);
    return rc;
}

// The first file by name (a claim's stamp rises with time) in the work folder.
static int claimed_before(const struct claims *claims, char **name, struct error *error) {
    DIR *folder = opendir(claims->options.work);
    if (!folder)
        return later(error, "reading", claims->options.work);
    char *first = NULL;
    int rc = CLAIMS_NONE;
    for (struct dirent *entry; rc >= 0 && (entry = readdir(folder)) != NULL;) {
        size_t length = strlen(entry->d_name);
        bool rejects = length > 8 && strcmp(entry->d_name + length - 8, ".rejects") == 0;
        if (entry->d_name[0] == '.' || length <= STAMP_SIZE || rejects ||
            (first && strcmp(entry->d_name, first) >= 0))
            continue;
        free(first);
        first = strdup(entry->d_name);
        rc = first ? 0 : error_no_memory(error);
    }
    closedir(folder);
    if (rc == 0)
        *name = first;
    return rc;
}

// A file that could be claimed.
struct candidate {
    char name[NAME_LIMIT + 1];
    struct timespec changed;
};

static bool before(const struct claims *claims, const struct candidate *a, const struct candidate *b) {
    if (claims->options.by_time && a->changed.tv_sec != b->changed.tv_sec)
        return a->changed.tv_sec < b->changed.tv_sec;
    if (claims->options.by_time && a->changed.tv_nsec != b->changed.tv_nsec)
        return a->changed.tv_nsec < b->changed.tv_nsec;
    return strcmp(a->name, b->name) < 0;
}

// Whether nobody has changed the file for the settle time; `*wait_ns` shrinks to what is left of it.
static int settled(
    struct claims *claims, const char *name, const struct stat *now, uint64_t now_ns, uint64_t *wait_ns) {
    struct seen *seen = map_get(claims->seen, bytes_of_string(name));
    if (!seen && map_size(claims->seen) >= SEEN_LIMIT) { // names that went away unclaimed
        forget_all(claims);
        claims->seen = map_new();
    }
    if (!claims->seen)
        return -ENOMEM;
    if (!seen) {
        seen = calloc(1, sizeof *seen);
        if (!seen || map_put(claims->seen, bytes_of_string(name), seen) != 0) {
            free(seen);
            return -ENOMEM;
        }
        seen->size = -1;
    }
    if (seen->size != now->st_size || seen->changed.tv_sec != now->st_mtim.tv_sec ||
        seen->changed.tv_nsec != now->st_mtim.tv_nsec)
        *seen = (struct seen){.size = now->st_size, .changed = now->st_mtim, .since_ns = now_ns};
    uint64_t age = now_ns - seen->since_ns;
    if (age >= claims->options.settle_ns)
        return 0;
    if (claims->options.settle_ns - age < *wait_ns)
        *wait_ns = claims->options.settle_ns - age;
    return CLAIMS_NONE;
}

// Whether this entry is a file that is ready.
static int ready(struct claims *claims, int folder, const char *name, uint64_t now_ns, struct candidate *out,
    uint64_t *wait_ns) {
    struct stat now;
    size_t length = strlen(name);
    const char *marker = claims->options.marker;
    if (length > NAME_LIMIT || fnmatch(claims->options.pattern, name, FNM_PERIOD) != 0 ||
        fstatat(folder, name, &now, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(now.st_mode))
        return CLAIMS_NONE;
    memcpy(out->name, name, length + 1);
    out->changed = now.st_mtim;
    if (!marker)
        return settled(claims, name, &now, now_ns, wait_ns);
    char mark[NAME_LIMIT + 64];
    snprintf(mark, sizeof mark, "%s%s", name, marker);
    size_t suffix = strlen(marker);
    bool is_marker = length > suffix && strcmp(name + length - suffix, marker) == 0;
    return !is_marker && faccessat(folder, mark, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : CLAIMS_NONE;
}

static int choose(
    struct claims *claims, uint64_t now_ns, struct candidate *best, uint64_t *wait_ns, struct error *error) {
    DIR *folder = opendir(claims->options.folder);
    if (!folder)
        return later(error, "reading", claims->options.folder);
    int found = CLAIMS_NONE;
    int fd = dirfd(folder);
    for (struct dirent *entry; fd >= 0 && found >= 0 && (entry = readdir(folder)) != NULL;) {
        struct candidate candidate;
        int rc = ready(claims, fd, entry->d_name, now_ns, &candidate, wait_ns);
        if (rc < 0)
            found = error_no_memory(error);
        else if (rc == 0 && (found == CLAIMS_NONE || before(claims, &candidate, best))) {
            *best = candidate;
            found = 0;
        }
    }
    closedir(folder);
    return found;
}

static int claim(struct claims *claims, const struct candidate *candidate, char **name, struct error *error) {
    const struct claims_options *options = &claims->options;
    char *from = NULL;
    char *to = NULL;
    char *claimed = NULL;
    unsigned long long stamp = (unsigned long long)clock_realtime_ns();
    int n = asprintf(&claimed, "%016llx%03x-%s", stamp, claims->counter++ & 0xFFF, candidate->name);
    int m = asprintf(&from, "%s/%s", options->folder, candidate->name);
    if (n < 0 || m < 0 || !(to = claims_path(claims, claimed, ""))) {
        free(n < 0 ? NULL : claimed);
        free(m < 0 ? NULL : from);
        return error_no_memory(error);
    }
    int rc = rename(from, to) == 0 ? 0 : errno == ENOENT ? CLAIMS_NONE : later(error, "claiming", from);
    if (rc == 0 && options->marker) {
        char mark[4096 + 64];
        snprintf(mark, sizeof mark, "%s%s", from, options->marker);
        unlink(mark);
    }
    if (rc == 0 && (sync_folder(options->work) != 0 || sync_folder(options->folder) != 0))
        rc = later(error, "syncing", options->work);
    free(map_remove(claims->seen, bytes_of_string(candidate->name)));
    free(from);
    free(to);
    if (rc == 0)
        *name = claimed;
    else
        free(claimed);
    return rc;
}

int claims_next(struct claims *claims, uint64_t now_ns, char **name, uint64_t *wait_ns, struct error *error) {
    *wait_ns = UINT64_MAX;
    int rc = claimed_before(claims, name, error);
    if (rc != CLAIMS_NONE)
        return rc;
    struct candidate best = {.name = ""};
    rc = choose(claims, now_ns, &best, wait_ns, error);
    return rc == 0 ? claim(claims, &best, name, error) : rc;
}

// Moves work/name+suffix into `folder` under its dropped name, or with the stamp where that is taken. A file
// that isn't there was moved before.
static int put_away(const struct claims *claims, const char *name, const char *suffix, const char *folder,
    const char *as, struct error *error) {
    char *from = claims_path(claims, name, suffix);
    char *to = NULL;
    if (!from || asprintf(&to, "%s/%s%s", folder, claims_dropped_name(name), as) < 0) {
        free(from);
        return error_no_memory(error);
    }
    int rc = 0;
    if (access(to, F_OK) == 0) {
        free(to);
        if (asprintf(&to, "%s/%s%s", folder, name, as) < 0) {
            free(from);
            return error_no_memory(error);
        }
    }
    if (rename(from, to) != 0 && errno != ENOENT)
        rc = later(error, "moving to", to);
    else if (sync_folder(folder) != 0)
        rc = later(error, "syncing", folder);
    free(from);
    free(to);
    return rc;
}

int claims_finish(struct claims *claims, const char *name, bool refused, struct error *error) {
    const struct claims_options *options = &claims->options;
    int rc = put_away(claims, name, ".rejects", options->rejects, ".rejects.csv", error);
    const char *folder = refused ? options->rejects : options->done;
    if (rc == 0 && folder)
        rc = put_away(claims, name, "", folder, "", error);
    if (rc == 0 && !folder) {
        char *path = claims_path(claims, name, "");
        if (!path)
            return error_no_memory(error);
        if (unlink(path) != 0 && errno != ENOENT)
            rc = later(error, "deleting", path);
        free(path);
    }
    if (rc == 0 && sync_folder(options->work) != 0)
        rc = later(error, "syncing", options->work);
    return rc;
}
