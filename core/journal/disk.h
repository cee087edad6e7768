// The system's files, with short transfers finished, full disks told apart, and O_DIRECT where it is to be
// had. Inside core/journal. Functions return 0 or a negative errno.
#pragma once

#include "core/base/bytes.h"

// With O_DIRECT unless `buffered` or the file system refuses it. The descriptor is in *fd.
int disk_open(int folder, const char *name, int flags, bool buffered, int *fd);
// `data`, `size` and `offset` are multiples of JOURNAL_BLOCK.
int disk_write(int fd, const uint8_t *data, size_t size, uint64_t offset);
int disk_write_zeros(int fd, uint64_t offset, uint64_t size);
// Stops early only at the end of the file: *got tells.
int disk_read(int fd, uint8_t *data, size_t size, uint64_t offset, size_t *got);
int disk_sync(int fd);
int disk_sync_folder(int folder);
// Makes sure that there is room for these bytes; the file is at least so long afterwards.
int disk_reserve(int fd, uint64_t offset, uint64_t size);
// Makes bytes read as zero, by a call of the file system where it can. -EOPNOTSUPP when `cheaply` and it
// can't.
int disk_erase(int fd, uint64_t offset, uint64_t size, bool cheaply);
int disk_size(int fd, uint64_t *size);
// No room: disk, quota or a limit of the process.
bool disk_is_full(int rc);

// Memory for O_DIRECT: aligned to JOURNAL_BLOCK, zeroed. `*memory` is what to free().
uint8_t *disk_memory(size_t size, void **memory);
