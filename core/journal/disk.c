// The real disk.
#include "core/journal/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// ---- Folders ----

int disk_folder_open(const char *path, bool make, int *folder) {
    if (make && mkdir(path, 0700) && errno != EEXIST)
        return -errno;
    int opened = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (opened < 0)
        return -errno;
    *folder = opened;
    return 0;
}

int disk_folder_lock(int folder) {
    return flock(folder, LOCK_EX | LOCK_NB) ? -errno : 0;
}

int disk_folder_list(int folder, int (*visit)(void *context, const char *name), void *context) {
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *names = fd < 0 ? NULL : fdopendir(fd);
    if (!names) {
        int rc = -errno;
        if (fd >= 0)
            close(fd);
        return rc;
    }
    int rc = 0;
    errno = 0;
    for (struct dirent *entry; !rc && (entry = readdir(names)) != NULL; errno = 0)
        rc = visit(context, entry->d_name);
    if (!rc)
        rc = -errno;
    closedir(names);
    return rc;
}

int disk_folder_sync(int folder) {
    return fsync(folder) ? -errno : 0;
}

int disk_rename(int folder, const char *from, const char *to) {
    return renameat(folder, from, folder, to) ? -errno : 0;
}

int disk_remove(int folder, const char *name) {
    return unlinkat(folder, name, 0) ? -errno : 0;
}

int disk_size_of(int folder, const char *name, uint64_t *size) {
    struct stat st;
    if (fstatat(folder, name, &st, 0))
        return -errno;
    *size = (uint64_t)st.st_size;
    return 0;
}

// ---- Files ----

int disk_open(int folder, const char *name, int flags, bool buffered, int *file) {
    int opened = -1;
    if (!buffered)
        opened = openat(folder, name, flags | O_DIRECT | O_CLOEXEC, 0600);
    if (opened < 0 && (buffered || errno == EINVAL || errno == EOPNOTSUPP))
        opened = openat(folder, name, flags | O_CLOEXEC, 0600);
    if (opened < 0)
        return -errno;
    *file = opened;
    return 0;
}

void disk_close(int descriptor) {
    close(descriptor);
}

int disk_write(int file, const uint8_t *data, size_t size, uint64_t offset, size_t *done) {
    ssize_t n = 0;
    do
        n = pwrite(file, data, size, (off_t)offset);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return n < 0 ? -errno : -EIO;
    *done = (size_t)n;
    return 0;
}

int disk_read(int file, uint8_t *data, size_t size, uint64_t offset, size_t *got) {
    ssize_t n = 0;
    do
        n = pread(file, data, size, (off_t)offset);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    *got = (size_t)n;
    return 0;
}

int disk_sync(int file) {
    return fdatasync(file) ? -errno : 0;
}

int disk_sync_all(int file) {
    return fsync(file) ? -errno : 0;
}

int disk_truncate(int file, uint64_t size) {
    return ftruncate(file, (off_t)size) ? -errno : 0;
}

int disk_reserve(int file, uint64_t offset, uint64_t size) {
    int rc = 0;
    do
        rc = fallocate(file, 0, (off_t)offset, (off_t)size) ? -errno : 0;
    while (rc == -EINTR);
    return rc;
}

int disk_zero(int file, uint64_t offset, uint64_t size) {
    int rc = 0;
    do
        rc = fallocate(file, FALLOC_FL_ZERO_RANGE, (off_t)offset, (off_t)size) ? -errno : 0;
    while (rc == -EINTR);
    return rc;
}

int disk_size(int file, uint64_t *size) {
    struct stat st;
    if (fstat(file, &st))
        return -errno;
    *size = (uint64_t)st.st_size;
    return 0;
}

// ---- Reading ahead ----

struct disk_ahead {
    aio_context_t context;
    struct iocb request;
};

int disk_ahead_new(struct disk_ahead **out) {
    struct disk_ahead *ahead = calloc(1, sizeof *ahead);
    if (!ahead)
        return -ENOMEM;
    if (syscall(SYS_io_setup, 1, &ahead->context)) {
        int rc = -errno;
        free(ahead);
        return rc;
    }
    *out = ahead;
    return 0;
}

void disk_ahead_destroy(struct disk_ahead **self) {
    if (!*self)
        return;
    (void)syscall(SYS_io_destroy, (*self)->context);
    free(*self);
    *self = NULL;
}

// NOLINTNEXTLINE(readability-non-const-parameter): the kernel writes there
int disk_ahead_begin(struct disk_ahead *ahead, int file, uint8_t *data, size_t size, uint64_t offset) {
    ahead->request = (struct iocb){.aio_lio_opcode = IOCB_CMD_PREAD,
        .aio_fildes = (uint32_t)file,
        .aio_buf = (uintptr_t)data,
        .aio_nbytes = size,
        .aio_offset = (int64_t)offset};
    struct iocb *requests[] = {&ahead->request};
    return syscall(SYS_io_submit, ahead->context, 1, requests) == 1 ? 0 : -errno;
}

int disk_ahead_wait(struct disk_ahead *ahead, size_t *got) {
    struct io_event event = {0};
    long n = 0;
    do
        n = syscall(SYS_io_getevents, ahead->context, 1, 1, &event, NULL);
    while (n < 0 && errno == EINTR);
    if (n != 1)
        return n < 0 ? -errno : -EIO;
    if (event.res < 0)
        return (int)event.res;
    *got = (size_t)event.res;
    return 0;
}
