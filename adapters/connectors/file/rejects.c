#include "adapters/connectors/file/rejects.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct rejects {
    char *path; // owned
    int fd;     // -1: not there yet
    uint64_t size;
    bool dirty;
    bool created; // its name in the folder is not durable yet
};

int rejects_open(const char *path, uint64_t size, struct rejects **out, struct error *error) {
    struct rejects *rejects = calloc(1, sizeof *rejects);
    if (!rejects)
        return error_no_memory(error);
    *rejects = (struct rejects){.fd = -1, .size = size, .path = strdup(path)};
    int rc = rejects->path ? 0 : error_no_memory(error);
    if (rc == 0) {
        rejects->fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        bool missing = rejects->fd < 0 && errno == ENOENT && size == 0; // as it should be
        if (!missing && (rejects->fd < 0 || ftruncate(rejects->fd, (off_t)size) != 0))
            rc = error_set(error, -errno, "%s: %s", path, strerror(errno));
    }
    if (rc == 0 && rejects->fd >= 0 && size == 0) { // of rows that are read again
        close(rejects->fd);
        rejects->fd = -1;
        unlink(path);
    }
    if (rc != 0)
        rejects_destroy(&rejects);
    else
        *out = rejects;
    return rc;
}

void rejects_destroy(struct rejects **self) {
    struct rejects *rejects = *self;
    *self = NULL;
    if (!rejects)
        return;
    if (rejects->fd >= 0)
        close(rejects->fd);
    free(rejects->path);
    free(rejects);
}

uint64_t rejects_size(const struct rejects *rejects) {
    return rejects->size;
}

static int write_text(struct rejects *rejects, struct bytes bytes, struct error *error) {
    for (size_t done = 0; done < bytes.size;) {
        ssize_t n = pwrite(rejects->fd, bytes.data + done, bytes.size - done, (off_t)(rejects->size + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_set(error, -errno, "%s: %s", rejects->path, strerror(errno));
        done += (size_t)n;
    }
    rejects->size += bytes.size;
    rejects->dirty = true;
    return 0;
}

static int create(struct rejects *rejects, struct error *error) {
    rejects->fd = open(rejects->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (rejects->fd < 0)
        return error_set(error, -errno, "%s: %s", rejects->path, strerror(errno));
    rejects->created = true;
    return write_text(rejects, bytes_of_string("line,reason,row\r\n"), error);
}

// The reason may hold characters that the file's encoding lacks.
static int put_reason(
    const struct charset *charset, const char *reason, struct buffer *out, struct error *error) {
    int rc = charset_encode(charset, bytes_of_string(reason), out, error);
    for (const char *p = reason; rc == CHARSET_BAD && *p; p++)
        if (buffer_append_byte(out, *p & 0x80 ? (uint8_t)'?' : (uint8_t)*p) != 0)
            return error_no_memory(error);
    return rc < 0 ? rc : 0;
}

int rejects_add(struct rejects *rejects, const struct charset *charset, uint64_t line, const char *reason,
    struct bytes row, struct error *error) {
    static const struct csv_dialect dialect = {.delimiter = ',', .quotes = true};
    struct buffer text = {0};
    struct buffer cell = {0};
    int rc = rejects->fd < 0 ? create(rejects, error) : 0;
    if (rc == 0)
        rc = buffer_append_format(&text, "%llu,", (unsigned long long)line) ? error_no_memory(error) : 0;
    if (rc == 0)
        rc = put_reason(charset, reason, &cell, error);
    if (rc == 0)
        rc = csv_put(&dialect, charset, buffer_bytes(&cell), &text, error);
    if (rc == 0 && buffer_append_byte(&text, ',') != 0)
        rc = error_no_memory(error);
    if (rc == 0)
        rc = csv_put(&dialect, charset, row, &text, error);
    if (rc == 0 && buffer_append_string(&text, "\r\n") != 0)
        rc = error_no_memory(error);
    if (rc == 0)
        rc = write_text(rejects, buffer_bytes(&text), error);
    buffer_destroy(&text);
    buffer_destroy(&cell);
    return rc;
}

static int sync_folder_of(const char *path) {
    char folder[4096];
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 0;
    if (length >= sizeof folder)
        return -ENAMETOOLONG;
    memcpy(folder, slash ? path : ".", slash ? length : 1);
    folder[slash ? length : 1] = '\0';
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 || fsync(fd) != 0 ? -errno : 0;
    if (fd >= 0)
        close(fd);
    return rc;
}

int rejects_sync(struct rejects *rejects, struct error *error) {
    if (!rejects->dirty)
        return 0;
    int rc = fsync(rejects->fd) == 0 ? 0 : -errno;
    if (rc == 0 && rejects->created)
        rc = sync_folder_of(rejects->path);
    if (rc != 0)
        return error_set(error, rc, "%s: %s", rejects->path, strerror(-rc));
    rejects->dirty = rejects->created = false;
    return 0;
}
