#include "adapters/connectors/file/outgoing.h"

#include "core/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct outgoing {
    struct outgoing_options options;
    struct rowlog *log;
    uint64_t since_ns; // when the oldest gathered row came; 0: none
    bool keep;         // see outgoing_keep_positions()
    bool resumed;      // the intent is of an earlier process: whether the file was renamed is yet to be seen
    char temporary[256];
};

static const char *const placeholders[] = {"{name}", "{date}", "{time}", "{first}", "{last}", "{rows}"};

static size_t placeholder_at(const char *text) {
    for (size_t i = 0; i < sizeof placeholders / sizeof *placeholders; i++)
        if (strncmp(text, placeholders[i], strlen(placeholders[i])) == 0)
            return i + 1;
    return 0;
}

const char *outgoing_check_template(const char *name) {
    if (strchr(name, '/') || name[0] == '.' || name[0] == '\0')
        return "is no plain file name";
    if (strlen(name) > 120)
        return "is longer than 120 bytes";
    for (const char *p = strchr(name, '{'); p; p = strchr(p + 1, '{'))
        if (!placeholder_at(p))
            return "has an unknown placeholder; known are {name} {date} {time} {first} {last} {rows}";
    if (!strstr(name, "{first}") && !strstr(name, "{last}"))
        return "needs {first} or {last} (positions in the queue), so that no two files have one name";
    return NULL;
}

static int put_placeholder(
    const struct outgoing *outgoing, size_t which, const struct tm *now, struct buffer *out) {
    char text[32];
    switch (which) {
    case 1:
        return buffer_append_string(out, outgoing->options.name);
    case 2:
        strftime(text, sizeof text, "%Y%m%d", now);
        return buffer_append_string(out, text);
    case 3:
        strftime(text, sizeof text, "%H%M%S", now);
        return buffer_append_string(out, text);
    case 4:
        return buffer_append_format(out, "%llu", (unsigned long long)rowlog_first(outgoing->log));
    case 5:
        return buffer_append_format(out, "%llu", (unsigned long long)rowlog_last(outgoing->log));
    default:
        return buffer_append_format(out, "%zu", rowlog_rows(outgoing->log));
    }
}

static int make_name(const struct outgoing *outgoing, struct buffer *out) {
    time_t seconds = (time_t)(clock_realtime_ns() / (int64_t)CLOCK_SECOND_NS);
    struct tm now;
    localtime_r(&seconds, &now);
    int rc = 0;
    for (const char *p = outgoing->options.file; *p && rc == 0;) {
        size_t which = *p == '{' ? placeholder_at(p) : 0;
        rc = which ? put_placeholder(outgoing, which, &now, out) : buffer_append_byte(out, (uint8_t)*p);
        p += which ? strlen(placeholders[which - 1]) : 1;
    }
    return rc == 0 && !buffer_text(out) ? -ENOMEM : rc;
}

static int later(struct error *error, const struct outgoing *outgoing, const char *what, const char *name) {
    return error_set(
        error, OUTGOING_LATER, "%s/%s: %s: %s", outgoing->options.folder, name, what, strerror(errno));
}

static int put_row(void *context, uint64_t position, struct bytes row) {
    (void)position;
    return fwrite(row.data, 1, row.size, context) == row.size ? 0 : OUTGOING_LATER;
}

// The temporary file: whole, synced, and known to be in its folder.
static int write_temporary(struct outgoing *outgoing, int folder, struct error *error) {
    int fd = openat(folder, outgoing->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "wb");
    if (!file) {
        int rc = later(error, outgoing, "creating", outgoing->temporary);
        if (fd >= 0)
            close(fd);
        return rc;
    }
    struct bytes header = outgoing->options.header;
    int rc = fwrite(header.data, 1, header.size, file) == header.size ? 0 : OUTGOING_LATER;
    if (rc == 0)
        rc = rowlog_each(outgoing->log, put_row, file, error);
    if (rc == 0 && (fflush(file) != 0 || fsync(fd) != 0 || fsync(folder) != 0))
        rc = OUTGOING_LATER;
    if (rc == OUTGOING_LATER)
        later(error, outgoing, "writing", outgoing->temporary);
    fclose(file);
    return rc;
}

// Renames unless the name is taken. Network file systems can't do both in one step.
static int rename_free(int folder, const char *from, const char *to) {
    if (renameat2(folder, from, folder, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    if (faccessat(folder, to, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
        errno = EEXIST;
        return -1;
    }
    return renameat(folder, from, folder, to);
}

// Gives the temporary file its name; when another file has it, a number is added. The name used is left in
// `name`.
static int rename_temporary(
    struct outgoing *outgoing, int folder, char *name, size_t size, struct error *error) {
    const char *wanted = rowlog_name(outgoing->log);
    const char *dot = strrchr(wanted, '.');
    int stem = dot ? (int)(dot - wanted) : (int)strlen(wanted);
    snprintf(name, size, "%s", wanted);
    for (int n = 2; rename_free(folder, outgoing->temporary, name) != 0; n++) {
        if (errno == ENOENT &&
            outgoing->resumed) { // it was renamed before the crash, and maybe taken away since
            snprintf(name, size, "%s", wanted);
            return 0;
        }
        if (errno == ENOENT) { // someone tidied up
            int rc = write_temporary(outgoing, folder, error);
            return rc ? rc
                      : error_set(
                            error, OUTGOING_LATER, "%s: was removed; written again", outgoing->temporary);
        }
        if (errno != EEXIST || n > 9999)
            return later(error, outgoing, "renaming to", name);
        snprintf(name, size, "%.*s-%d%s", stem, wanted, n, dot ? dot : "");
    }
    return fsync(folder) == 0 ? 0 : later(error, outgoing, "syncing", name);
}

static int make_marker(const struct outgoing *outgoing, int folder, const char *name, struct error *error) {
    char marker[512];
    if (!outgoing->options.marker || faccessat(folder, name, F_OK, 0) != 0)
        return 0; // a file that was taken away had its marker
    snprintf(marker, sizeof marker, "%s%s", name, outgoing->options.marker);
    int fd = openat(folder, marker, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0)
        return later(error, outgoing, "creating", marker);
    close(fd);
    return fsync(folder) == 0 ? 0 : later(error, outgoing, "syncing", marker);
}

// All that follows the intent.
static int complete(struct outgoing *outgoing, int folder, struct error *error) {
    char name[256];
    int rc = rename_temporary(outgoing, folder, name, sizeof name, error);
    if (rc == 0)
        rc = make_marker(outgoing, folder, name, error);
    if (rc == 0)
        rc = rowlog_reset(outgoing->log, outgoing->keep, error);
    if (rc == 0)
        outgoing->since_ns = 0;
    if (rc == 0)
        outgoing->resumed = false;
    return rc;
}

static int publish(struct outgoing *outgoing, struct error *error) {
    int folder = open(outgoing->options.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return later(error, outgoing, "opening the folder", "");
    int rc = 0;
    if (!rowlog_name(outgoing->log)) {
        struct buffer name = {0};
        rc = write_temporary(outgoing, folder, error);
        if (rc == 0 && make_name(outgoing, &name) != 0)
            rc = error_no_memory(error);
        if (rc == 0)
            rc = rowlog_finish(outgoing->log, buffer_text(&name), error);
        buffer_destroy(&name);
    }
    if (rc == 0)
        rc = complete(outgoing, folder, error);
    close(folder);
    return rc;
}

int outgoing_open(const struct outgoing_options *options, const char *state_folder, uint64_t now_ns,
    struct outgoing **out, struct error *error) {
    struct outgoing *outgoing = calloc(1, sizeof *outgoing);
    struct buffer path = {0};
    if (!outgoing || buffer_append_format(&path, "%s/%s.rows", state_folder, options->name) != 0) {
        free(outgoing);
        buffer_destroy(&path);
        return error_no_memory(error);
    }
    outgoing->options = *options;
    outgoing->keep = true;
    snprintf(outgoing->temporary, sizeof outgoing->temporary, ".hutong-%s.tmp", options->name);
    int rc = rowlog_open(buffer_text(&path), &outgoing->log, error);
    buffer_destroy(&path);
    if (rc == 0 && (rowlog_rows(outgoing->log) > 0 || rowlog_name(outgoing->log)))
        outgoing->since_ns = now_ns;
    outgoing->resumed = rc == 0 && rowlog_name(outgoing->log);
    if (outgoing->resumed)
        rc = publish(outgoing, error);
    if (rc == OUTGOING_LATER) // it goes on at the next publish
        rc = 0;
    if (rc != 0)
        outgoing_destroy(&outgoing);
    else
        *out = outgoing;
    return rc;
}

void outgoing_destroy(struct outgoing **self) {
    struct outgoing *outgoing = *self;
    *self = NULL;
    if (!outgoing)
        return;
    rowlog_destroy(&outgoing->log);
    free(outgoing);
}

struct rowlog *outgoing_log(struct outgoing *outgoing) {
    return outgoing->log;
}

void outgoing_keep_positions(struct outgoing *outgoing, bool keep) {
    outgoing->keep = keep;
}

bool outgoing_full(const struct outgoing *outgoing) {
    return rowlog_name(outgoing->log) ||
           rowlog_rows(outgoing->log) + rowlog_pending(outgoing->log) >= outgoing->options.rows;
}

int outgoing_publish_due(struct outgoing *outgoing, uint64_t now_ns, struct error *error) {
    size_t rows = rowlog_rows(outgoing->log);
    if (rows == 0 && !rowlog_name(outgoing->log))
        return 0;
    if (outgoing->since_ns == 0)
        outgoing->since_ns = now_ns;
    bool due = rows >= outgoing->options.rows || rowlog_name(outgoing->log) ||
               now_ns - outgoing->since_ns >= outgoing->options.wait_ns;
    return due ? publish(outgoing, error) : 0;
}

uint64_t outgoing_due_in(struct outgoing *outgoing, uint64_t now_ns) {
    if (rowlog_rows(outgoing->log) == 0 && !rowlog_name(outgoing->log))
        return UINT64_MAX;
    if (outgoing->since_ns == 0)
        outgoing->since_ns = now_ns;
    uint64_t age = now_ns - outgoing->since_ns;
    return age >= outgoing->options.wait_ns ? 0 : outgoing->options.wait_ns - age;
}
