#include "adapters/runtime/refused.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct refused_file {
    char *path; // owned
    int fd;     // -1: not open
    bool dirty;
    struct buffer line;
};

struct refused_file *refused_file_new(const char *path) {
    struct refused_file *file = calloc(1, sizeof *file);
    if (!file)
        return NULL;
    file->fd = -1;
    file->path = strdup(path);
    if (!file->path)
        refused_file_destroy(&file);
    return file;
}

void refused_file_destroy(struct refused_file **self) {
    if (!*self)
        return;
    if ((*self)->fd >= 0)
        close((*self)->fd);
    free((*self)->path);
    buffer_destroy(&(*self)->line);
    free(*self);
    *self = NULL;
}

// The bytes of a whole UTF-8 character at the front, or 0.
static size_t utf8_size(struct bytes text) {
    uint8_t c = text.data[0];
    size_t n = c < 0x80                ? 1
               : c >= 0xc2 && c < 0xe0 ? 2
               : c >= 0xe0 && c < 0xf0 ? 3
               : c >= 0xf0 && c < 0xf5 ? 4
                                       : 0;
    if (n == 0 || n > text.size)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((text.data[i] & 0xc0) != 0x80)
            return 0;
    if ((c == 0xe0 && text.data[1] < 0xa0) || (c == 0xed && text.data[1] > 0x9f) ||
        (c == 0xf0 && text.data[1] < 0x90) || (c == 0xf4 && text.data[1] > 0x8f))
        return 0;
    return n;
}

static int append_character(struct buffer *out, struct bytes *rest) {
    size_t n = utf8_size(*rest);
    int rc;
    if (n == 0)
        rc = buffer_append_string(out, "\\ufffd");
    else if (n == 1 && (rest->data[0] < 0x20 || rest->data[0] == 0x7f))
        rc = buffer_append_format(out, "\\u%04x", rest->data[0]);
    else if (n == 1 && (rest->data[0] == '"' || rest->data[0] == '\\'))
        rc = buffer_append_format(out, "\\%c", rest->data[0]);
    else
        rc = buffer_append(out, rest->data, n);
    n = n ? n : 1;
    rest->data += n;
    rest->size -= n;
    return rc;
}

static int append_text(struct buffer *out, struct bytes text) {
    int rc = buffer_append_byte(out, '"');
    while (text.size > 0 && rc == 0)
        rc = append_character(out, &text);
    return rc ? rc : buffer_append_byte(out, '"');
}

static int append_pair(struct buffer *out, const char *before, const char *name, struct bytes value) {
    int rc = buffer_append_string(out, before);
    rc = rc ? rc : append_text(out, bytes_of_string(name));
    rc = rc ? rc : buffer_append_byte(out, ':');
    if (rc)
        return rc;
    return value.data ? append_text(out, value) : buffer_append_string(out, "null");
}

static int put_line(struct refused_file *file, const char *place, const char *reason,
    const struct refused_value *values, size_t count) {
    char stamp[32];
    struct tm parts;
    time_t now = time(NULL);
    struct buffer *line = &file->line;
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &parts));
    buffer_clear(line);
    int rc = append_pair(line, "{", "at", bytes_of_string(stamp));
    rc = rc ? rc : append_pair(line, ",", "place", bytes_of_string(place));
    rc = rc ? rc : append_pair(line, ",", "reason", bytes_of_string(reason));
    rc = rc ? rc : buffer_append_string(line, ",\"row\":{");
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = append_pair(line, i ? "," : "", values[i].name, values[i].text);
    return rc ? rc : buffer_append_string(line, "}}\n");
}

static int open_file(struct refused_file *file, struct error *error) {
    if (file->fd < 0)
        file->fd = open(file->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    return file->fd >= 0 ? 0 : error_set(error, -errno, "%s: %s", file->path, strerror(errno));
}

// All of the line, or nothing of it: on a full disk it comes again.
static int write_all(struct refused_file *file, struct error *error) {
    off_t end = file->fd < 0 ? -1 : lseek(file->fd, 0, SEEK_END);
    for (size_t done = 0; done < file->line.size;) {
        ssize_t n = write(file->fd, file->line.data + done, file->line.size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            int why = errno;
            if (done > 0 && end >= 0)
                (void)!ftruncate(file->fd, end);
            return error_set(error, -why, "%s: %s", file->path, strerror(why));
        }
        done += (size_t)n;
    }
    return 0;
}

int refused_file_add(struct refused_file *file, const char *place, const char *reason,
    const struct refused_value *values, size_t count, struct error *error) {
    if (put_line(file, place, reason, values, count))
        return error_no_memory(error);
    int rc = open_file(file, error);
    file->dirty = true;
    return rc ? rc : write_all(file, error);
}

int refused_file_sync(struct refused_file *file, struct error *error) {
    if (!file->dirty)
        return 0;
    if (fdatasync(file->fd))
        return error_set(error, -errno, "%s: %s", file->path, strerror(errno));
    file->dirty = false;
    return 0;
}
