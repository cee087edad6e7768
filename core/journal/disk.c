#include "core/journal/disk.h"

#include "core/journal/format.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int disk_open(int folder, const char *name, int flags, bool buffered, int *fd) {
    int opened = -1;
    if (!buffered)
        opened = openat(folder, name, flags | O_DIRECT | O_CLOEXEC, 0600);
    if (opened < 0 && (buffered || errno == EINVAL || errno == EOPNOTSUPP))
        opened = openat(folder, name, flags | O_CLOEXEC, 0600);
    if (opened < 0)
        return -errno;
    *fd = opened;
    return 0;
}

int disk_write(int fd, const uint8_t *data, size_t size, uint64_t offset) {
    while (size > 0) {
        ssize_t n = pwrite(fd, data, size, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        size_t done = (size_t)n;
        if (done < size && done >= JOURNAL_BLOCK)
            done -= done % JOURNAL_BLOCK; // O_DIRECT goes on at a block only
        else if (done < size)
            return -ENOSPC; // the rest of a block is not coming
        data += done;
        size -= done;
        offset += done;
    }
    return 0;
}

int disk_write_zeros(int fd, uint64_t offset, uint64_t size) {
    static _Alignas(4096) uint8_t zeros[1 << 18]; // never written to: pages that cost nothing
    while (size > 0) {
        size_t n = size < sizeof zeros ? (size_t)size : sizeof zeros;
        int rc = disk_write(fd, zeros, n, offset);
        if (rc)
            return rc;
        offset += n;
        size -= n;
    }
    return 0;
}

int disk_read(int fd, uint8_t *data, size_t size, uint64_t offset, size_t *got) {
    size_t have = 0;
    while (have < size) {
        ssize_t n = pread(fd, data + have, size - have, (off_t)(offset + have));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        have += (size_t)n;
    }
    *got = have;
    return 0;
}

int disk_sync(int fd) {
    return fdatasync(fd) ? -errno : 0;
}

int disk_sync_folder(int folder) {
    return fsync(folder) ? -errno : 0;
}

int disk_reserve(int fd, uint64_t offset, uint64_t size) {
    int rc = 0;
    do
        rc = fallocate(fd, 0, (off_t)offset, (off_t)size) ? -errno : 0;
    while (rc == -EINTR);
    if (rc != -EOPNOTSUPP)
        return rc;
    // A file system that can't: written zeros have room too, but what is there already must stay.
    uint64_t have = 0;
    rc = disk_size(fd, &have);
    have = block_up(have);
    if (rc || have >= offset + size)
        return rc;
    return disk_write_zeros(fd, have, offset + size - have);
}

int disk_erase(int fd, uint64_t offset, uint64_t size, bool cheaply) {
    if (size == 0 || fallocate(fd, FALLOC_FL_ZERO_RANGE, (off_t)offset, (off_t)size) == 0)
        return 0;
    if (errno != EOPNOTSUPP)
        return -errno;
    return cheaply ? -EOPNOTSUPP : disk_write_zeros(fd, offset, size);
}

int disk_size(int fd, uint64_t *size) {
    struct stat st;
    if (fstat(fd, &st))
        return -errno;
    *size = (uint64_t)st.st_size;
    return 0;
}

bool disk_is_full(int rc) {
    return rc == -ENOSPC || rc == -EDQUOT || rc == -EFBIG;
}

uint8_t *disk_memory(size_t size, void **memory) {
    void *got = calloc(1, size + JOURNAL_BLOCK);
    if (!got)
        return NULL;
    *memory = got;
    return (uint8_t *)got + (-(uintptr_t)got & (JOURNAL_BLOCK - 1));
}
