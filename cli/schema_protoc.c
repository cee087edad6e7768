#include "cli/schema.h"

#include <errno.h>
#include <fts.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILES_MAX 10000u

struct words { // an argument vector; owned, with NULL at its end
    char **items;
    size_t count;
    size_t capacity;
};

static int add_word(struct words *words, const char *before, const char *text) {
    if (words->count + 2 > words->capacity) {
        size_t larger = words->capacity * 2 + 64;
        char **items = realloc(words->items, larger * sizeof *items);
        if (!items)
            return -ENOMEM;
        words->items = items;
        words->capacity = larger;
    }
    char *word = NULL;
    if (asprintf(&word, "%s%s", before, text) < 0)
        return -ENOMEM;
    words->items[words->count++] = word;
    words->items[words->count] = NULL;
    return 0;
}

static void free_words(struct words *words) {
    for (size_t i = 0; i < words->count; i++)
        free(words->items[i]);
    free(words->items);
}

static bool is_proto(const FTSENT *entry) {
    return entry->fts_info == FTS_F && entry->fts_namelen > 6 &&
           strcmp(entry->fts_name + entry->fts_namelen - 6, ".proto") == 0;
}

static int by_name(const FTSENT **a, const FTSENT **b) {
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int add_protos(struct words *words, const char *folder, struct error *error) {
    char *paths[] = {(char *)(uintptr_t)folder, NULL};
    size_t before = words->count;
    FTS *walk = fts_open(paths, FTS_LOGICAL | FTS_NOCHDIR, by_name);
    if (!walk)
        return error_no_memory(error);
    int rc = 0;
    for (FTSENT *entry; rc == 0 && (entry = fts_read(walk)) != NULL;) {
        if (entry->fts_info == FTS_ERR || entry->fts_info == FTS_DNR || entry->fts_info == FTS_NS)
            rc = error_set(error, -EINVAL, "%s: %s", entry->fts_path, strerror(entry->fts_errno));
        else if (is_proto(entry) && words->count >= FILES_MAX)
            rc = error_set(error, -EINVAL, "%s: there are more than %u .proto files", folder, FILES_MAX);
        else if (is_proto(entry) && add_word(words, "", entry->fts_path) != 0)
            rc = error_no_memory(error);
    }
    fts_close(walk);
    if (rc == 0 && words->count == before)
        return error_set(error, -EINVAL, "%s: there is no .proto file in it", folder);
    return rc;
}

static int make_words(struct words *words, const char *const *folders, size_t count, struct error *error) {
    int rc = add_word(words, "protoc", "");
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = add_word(words, "-I", folders[i]);
    if (rc == 0)
        rc = add_word(words, "--include_imports", "");
    if (rc == 0)
        rc = add_word(words, "--include_source_info", "");
    if (rc == 0)
        rc = add_word(words, "--descriptor_set_out=", "/dev/stdout");
    if (rc != 0) {
        error_no_memory(error);
        return rc;
    }
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = add_protos(words, folders[i], error);
    return rc;
}

// ---- Running it ----

// Its standard output and error, each into a file in memory: no pipe to fill up, nothing to clean away.
static int run(struct words *words, int out, int complaints, int *status, struct error *error) {
    posix_spawn_file_actions_t actions;
    pid_t pid;
    if (posix_spawn_file_actions_init(&actions) != 0)
        return error_no_memory(error);
    int rc = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(&actions, complaints, STDERR_FILENO);
    if (rc == 0)
        rc = posix_spawnp(&pid, "protoc", &actions, NULL, words->items, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (rc == ENOENT)
        return error_set(
            error, -ENOENT, "protoc is not in PATH; it reads the .proto files (Debian: protobuf-compiler)");
    if (rc != 0)
        return error_set(error, -rc, "protoc can't be started: %s", strerror(rc));
    while (waitpid(pid, status, 0) < 0)
        if (errno != EINTR)
            return error_set(error, -errno, "protoc was lost: %s", strerror(errno));
    return 0;
}

static int read_all(int fd, struct buffer *out, struct error *error) {
    if (lseek(fd, 0, SEEK_SET) < 0)
        return error_set(error, -errno, "%s", strerror(errno));
    for (;;) {
        uint8_t *room = buffer_extend(out, 65536);
        if (!room)
            return error_no_memory(error);
        ssize_t size = read(fd, room, 65536);
        out->size -= 65536 - (size > 0 ? (size_t)size : 0);
        if (size <= 0)
            return size == 0 ? 0 : error_set(error, -errno, "%s", strerror(errno));
    }
}

// protoc names a file as imports do; here with its folder, where one has it.
static void print_complaint(const char *line, size_t size, const char *const *folders, size_t count) {
    const char *colon = memchr(line, ':', size);
    char path[4096];
    for (size_t i = 0; colon && i < count; i++) {
        snprintf(path, sizeof path, "%s/%.*s", folders[i], (int)(colon - line), line);
        if (access(path, F_OK) == 0) {
            fprintf(stderr, "%s/", folders[i]);
            break;
        }
    }
    // "file:line:column: what": our own messages say of which sort it is.
    int place = 0;
    sscanf(line, "%*[^:]:%*u:%*u: %n", &place);
    bool error = place > 0 && (size_t)place < size && strncmp(line + place, "warning: ", 9) != 0;
    fprintf(stderr, "%.*s%s%.*s\n", place, line, error ? "error: " : "", (int)size - place, line + place);
}

static void print_complaints(const struct buffer *text, const char *const *folders, size_t count) {
    const char *p = (const char *)text->data, *end = p + text->size;
    while (p < end) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        size_t size = stop ? (size_t)(stop - p) : (size_t)(end - p);
        if (size)
            print_complaint(p, size, folders, count);
        p += size + 1;
    }
}

static int run_with(struct words *words, int out_fd, int complaints_fd, const char *const *folders,
    size_t count, struct buffer *out, struct error *error) {
    struct buffer complaints = {0};
    int status = 0;
    int rc = run(words, out_fd, complaints_fd, &status, error);
    if (rc == 0)
        rc = read_all(complaints_fd, &complaints, error);
    if (rc == 0)
        print_complaints(&complaints, folders, count);
    buffer_destroy(&complaints);
    if (rc == 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
        return error_set(error, -EINVAL, "protoc does not accept the .proto files");
    return rc == 0 ? read_all(out_fd, out, error) : rc;
}

int schema_protoc(const char *const *folders, size_t count, struct buffer *out, struct error *error) {
    struct words words = {0};
    int rc = make_words(&words, folders, count, error);
    if (rc == 0) {
        int out_fd = memfd_create("catalogue", MFD_CLOEXEC),
            complaints_fd = memfd_create("protoc", MFD_CLOEXEC);
        if (out_fd < 0 || complaints_fd < 0)
            rc = error_set(error, -errno, "no memory for what protoc says: %s", strerror(errno));
        else
            rc = run_with(&words, out_fd, complaints_fd, folders, count, out, error);
        if (out_fd >= 0)
            close(out_fd);
        if (complaints_fd >= 0)
            close(complaints_fd);
    }
    free_words(&words);
    return rc;
}
