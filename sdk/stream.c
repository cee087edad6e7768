#include "sdk/stream.h"

#include "core/base/buffer.h"
#include "core/crypto/crc32c.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// u32 check of the rest, u32 version, id, u64 base, u64 sent, u64 whether the bus is known, bus. Within one
// sector, so a write is whole or did not happen. Little-endian.
#define FILE_SIZE 64u
#define VERSION 1u

// The descriptor, or negative.
static int open_file(const char *folder, int flags, struct error *error) {
    char path[4200];
    if (snprintf(path, sizeof path, "%s/stream", folder) >= (int)sizeof path)
        return error_set(error, -ENAMETOOLONG, "spool: the folder's name is too long");
    int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
    return fd >= 0 ? fd : error_set(error, -errno, "%s: %s", path, strerror(errno));
}

static int read_all(int fd, uint8_t *bytes, size_t size, size_t *got) {
    while (*got < size) {
        ssize_t n = pread(fd, bytes + *got, size - *got, (off_t)*got);
        if (n == 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return -errno;
        *got += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

int stream_load(const char *folder, struct stream *out, struct error *error) {
    uint8_t bytes[FILE_SIZE];
    int fd = open_file(folder, O_RDONLY, error);
    if (fd < 0)
        return fd == -ENOENT ? STREAM_NONE : fd;
    size_t size = 0;
    int rc = read_all(fd, bytes, sizeof bytes, &size);
    close(fd);
    if (rc != 0)
        return error_set(error, rc, "spool: reading stream: %s", strerror(-rc));
    if (size != sizeof bytes || load_u32(bytes) != crc32c(0, bytes + 4, sizeof bytes - 4) ||
        load_u32(bytes + 4) != VERSION)
        return STREAM_NONE;
    *out = (struct stream){
        .base = load_u64(bytes + 24), .sent = load_u64(bytes + 32), .bus_known = load_u64(bytes + 40) == 1};
    memcpy(out->id, bytes + 8, STREAM_SIZE);
    memcpy(out->bus, bytes + 48, STREAM_SIZE);
    return 0;
}

static int sync_folder(const char *folder) {
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int rc = fsync(fd) == 0 ? 0 : -errno;
    close(fd);
    return rc;
}

static int write_all(int fd, const uint8_t *bytes, size_t size) {
    for (size_t done = 0; done < size;) {
        ssize_t n = pwrite(fd, bytes + done, size - done, (off_t)done);
        if (n < 0 && errno != EINTR)
            return -errno;
        done += n > 0 ? (size_t)n : 0;
    }
    return fdatasync(fd) == 0 ? 0 : -errno;
}

int stream_store(const char *folder, const struct stream *stream, struct error *error) {
    uint8_t bytes[FILE_SIZE];
    store_u32(bytes + 4, VERSION);
    memcpy(bytes + 8, stream->id, STREAM_SIZE);
    store_u64(bytes + 24, stream->base);
    store_u64(bytes + 32, stream->sent);
    store_u64(bytes + 40, stream->bus_known);
    memcpy(bytes + 48, stream->bus, STREAM_SIZE);
    store_u32(bytes, crc32c(0, bytes + 4, sizeof bytes - 4));
    int fd = open_file(folder, O_WRONLY, error);
    bool made = fd == -ENOENT;
    if (made)
        fd = open_file(folder, O_WRONLY | O_CREAT, error);
    if (fd < 0)
        return fd;
    int rc = write_all(fd, bytes, sizeof bytes);
    close(fd);
    if (rc == 0 && made)
        rc = sync_folder(folder);
    return rc == 0 ? 0 : error_set(error, rc, "spool: writing stream: %s", strerror(-rc));
}
