#include "broker/configuration/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool ends_with(const char *name, const char *end) {
    size_t size = strlen(name);
    size_t tail = strlen(end);
    return size > tail && strcmp(name + size - tail, end) == 0;
}

bool files_is_yaml(const char *name) {
    return ends_with(name, ".yaml");
}

bool files_is_route(const char *name) {
    return ends_with(name, ".yaml") && !ends_with(name, ".test.yaml");
}

bool files_is_code(const char *name) {
    return !ends_with(name, ".md");
}

void files_destroy(struct files *files) {
    for (size_t i = 0; i < files->count; i++) {
        free(files->items[i].name);
        buffer_destroy(&files->items[i].text);
    }
    free(files->items);
    *files = (struct files){0};
}

// An empty one behind the last.
static struct file *add_name(struct files *files, struct bytes name) {
    char *copy = strndup((const char *)name.data, name.size);
    struct file *items = copy ? realloc(files->items, (files->count + 1) * sizeof *items) : NULL;
    if (!items) {
        free(copy);
        return NULL;
    }
    files->items = items;
    items[files->count] = (struct file){.name = copy};
    return &items[files->count++];
}

int files_add(struct files *files, struct bytes name, struct bytes text) {
    struct file *file = add_name(files, name);
    return file ? buffer_append_bytes(&file->text, text) : -ENOMEM;
}

const struct file *files_named(const struct files *files, const char *name) {
    for (size_t i = 0; i < files->count; i++)
        if (strcmp(files->items[i].name, name) == 0)
            return &files->items[i];
    return NULL;
}

bool files_equal(const struct files *a, const struct files *b) {
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->items[i].name, b->items[i].name) != 0 ||
            !bytes_equal(buffer_bytes(&a->items[i].text), buffer_bytes(&b->items[i].text)))
            return false;
    return true;
}

// ---- Reading ----

static int read_all(int fd, size_t expected, struct buffer *out) {
    for (;;) {
        size_t room = out->size < expected ? expected - out->size + 1 : 4096;
        int rc = buffer_reserve(out, room);
        if (rc)
            return rc;
        ssize_t n = read(fd, out->data + out->size, room);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0 ? 0 : -errno;
        out->size += (size_t)n;
    }
}

int files_read_one(const char *path, struct buffer *out) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    int rc = fstat(fd, &st) != 0                ? -errno
             : (size_t)st.st_size > FILES_BYTES ? -EFBIG
                                                : read_all(fd, (size_t)st.st_size, out);
    close(fd);
    return rc;
}

// 1: no regular file, to be passed over.
static int read_one(int folder, const char *name, struct files *files, size_t *left) {
    struct stat st;
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // a FIFO must not block us
    if (fd < 0)
        return -errno;
    int rc = fstat(fd, &st) != 0 ? -errno : S_ISREG(st.st_mode) ? 0 : 1;
    struct file *file = rc ? NULL : add_name(files, bytes_of_string(name));
    if (rc == 0 && !file)
        rc = -ENOMEM;
    if (rc == 0) {
        size_t size = (size_t)st.st_size;
        file->text.limit = *left + 4096;
        rc = size > *left ? -EFBIG : read_all(fd, size, &file->text);
        *left -= file->text.size < *left ? file->text.size : *left;
    }
    close(fd);
    return rc;
}

static int read_entries(int folder, struct dirent **entries, size_t count, bool (*wanted)(const char *name),
    struct files *out, struct error *error) {
    size_t left = FILES_BYTES;
    for (size_t i = 0; entries && i < count; i++) {
        const char *name = entries[i]->d_name;
        if (name[0] == '.' || !wanted(name))
            continue;
        int rc = out->count == FILES_MAX ? -EMFILE : read_one(folder, name, out, &left);
        if (rc < 0)
            return error_set(error, rc, "%s: %s", name, strerror(-rc));
    }
    return 0;
}

int files_read(const char *folder, bool (*wanted)(const char *name), struct files *out, struct error *error) {
    struct dirent **entries = NULL;
    struct files files = {0};
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int count = fd < 0 ? -1 : scandir(folder, &entries, NULL, alphasort);
    int rc = count < 0 ? error_set(error, -errno, "%s: %s", folder, strerror(errno)) : 0;
    if (rc == 0)
        rc = read_entries(fd, entries, (size_t)count, wanted, &files, error);
    for (int i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
    if (fd >= 0)
        close(fd);
    if (rc)
        files_destroy(&files);
    else
        *out = files;
    return rc;
}
