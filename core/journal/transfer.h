// Whole transfers out of the disk's calls, which may come short; full disks told apart. Inside core/journal.
// Functions return 0 or a negative errno.
#pragma once

#include "core/base/bytes.h"

// `data`, `size` and `offset` are multiples of JOURNAL_BLOCK.
int transfer_write(int file, const uint8_t *data, size_t size, uint64_t offset);
int transfer_zeros(int file, uint64_t offset, uint64_t size);
// Stops early only at the end of the file: *got tells.
int transfer_read(int file, uint8_t *data, size_t size, uint64_t offset, size_t *got);
// Makes sure that there is room for these bytes; the file is at least so long afterwards.
int transfer_reserve(int file, uint64_t offset, uint64_t size);
// Makes bytes read as zero, by a call of the file system where it can. -EOPNOTSUPP when `cheaply` and it
// can't.
int transfer_erase(int file, uint64_t offset, uint64_t size, bool cheaply);
// No room: disk, quota or a limit of the process.
bool transfer_is_full(int rc);

// Memory for O_DIRECT: aligned to JOURNAL_BLOCK, zeroed. `*memory` is what to free().
uint8_t *transfer_memory(size_t size, void **memory);
