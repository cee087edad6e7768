#include "core/journal/left.h"

#include "core/journal/disk.h"
#include "core/journal/journal.h"

#include <errno.h>
#include <fcntl.h>

#define MARK JOURNAL_LEFT_MARK
#define MARK_MADE JOURNAL_LEFT_MARK ".new"
#define WHERE_SIZE 400

static int read_mark(int folder, char *where, size_t size) {
    int file;
    size_t got = 0;
    int rc = disk_open(folder, MARK, O_RDONLY, true, &file);
    if (rc)
        return rc;
    rc = disk_read(file, (uint8_t *)where, size - 1, 0, &got);
    disk_close(file);
    where[rc ? 0 : got] = '\0';
    return rc;
}

int left_check(int folder, struct error *error) {
    char where[WHERE_SIZE];
    int rc = read_mark(folder, where, sizeof where);
    if (rc == -ENOENT)
        return 0;
    if (rc)
        return error_set(error, rc, "reading its mark: %s", strerror(-rc));
    return error_set(error, JOURNAL_LEFT, "%s", where[0] ? where : "it goes on elsewhere");
}

// All of it or nothing is there after a crash.
static int write_mark(int folder, struct bytes where) {
    int file;
    size_t done = 0;
    int rc = disk_open(folder, MARK_MADE, O_WRONLY | O_CREAT | O_TRUNC, true, &file);
    if (rc)
        return rc;
    for (size_t at = 0; at < where.size && rc == 0; at += done)
        rc = disk_write(file, where.data + at, where.size - at, at, &done);
    rc = rc ? rc : disk_sync_all(file);
    disk_close(file);
    rc = rc ? rc : disk_rename(folder, MARK_MADE, MARK);
    return rc ? rc : disk_folder_sync(folder);
}

int journal_folder_leave(const char *path, const char *where, struct error *error) {
    int folder;
    int rc = disk_folder_open(path, false, &folder);
    if (rc == 0) {
        rc = write_mark(folder, bytes_of_string(where));
        disk_close(folder);
    }
    return rc ? error_set(error, rc, "journal %s: marking it: %s", path, strerror(-rc)) : 0;
}

int journal_folder_left(const char *path, struct error *error) {
    int folder;
    int rc = disk_folder_open(path, false, &folder);
    if (rc)
        return error_set(error, rc, "journal %s: %s", path, strerror(-rc));
    rc = left_check(folder, error);
    disk_close(folder);
    return rc;
}
