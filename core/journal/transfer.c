#include "core/journal/transfer.h"

#include "core/journal/disk.h"
#include "core/journal/format.h"

#include <errno.h>
#include <stdlib.h>

int transfer_write(int file, const uint8_t *data, size_t size, uint64_t offset) {
    while (size > 0) {
        size_t done = 0;
        int rc = disk_write(file, data, size, offset, &done);
        if (rc)
            return rc;
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

int transfer_zeros(int file, uint64_t offset, uint64_t size) {
    static _Alignas(4096) uint8_t zeros[1 << 18]; // never written to: pages that cost nothing
    while (size > 0) {
        size_t n = size < sizeof zeros ? (size_t)size : sizeof zeros;
        int rc = transfer_write(file, zeros, n, offset);
        if (rc)
            return rc;
        offset += n;
        size -= n;
    }
    return 0;
}

int transfer_read(int file, uint8_t *data, size_t size, uint64_t offset, size_t *got) {
    size_t have = 0;
    for (size_t n = 1; have < size && n > 0; have += n) {
        int rc = disk_read(file, data + have, size - have, offset + have, &n);
        if (rc)
            return rc;
    }
    *got = have;
    return 0;
}

int transfer_reserve(int file, uint64_t offset, uint64_t size) {
    int rc = disk_reserve(file, offset, size);
    if (rc != -EOPNOTSUPP)
        return rc;
    // A file system that can't: written zeros have room too, but what is there already must stay.
    uint64_t have = 0;
    rc = disk_size(file, &have);
    have = block_up(have);
    if (rc || have >= offset + size)
        return rc;
    return transfer_zeros(file, have, offset + size - have);
}

int transfer_erase(int file, uint64_t offset, uint64_t size, bool cheaply) {
    int rc = size == 0 ? 0 : disk_zero(file, offset, size);
    if (rc != -EOPNOTSUPP || cheaply)
        return rc;
    return transfer_zeros(file, offset, size);
}

bool transfer_is_full(int rc) {
    return rc == -ENOSPC || rc == -EDQUOT || rc == -EFBIG;
}

uint8_t *transfer_memory(size_t size, void **memory) {
    void *got = calloc(1, size + JOURNAL_BLOCK);
    if (!got)
        return NULL;
    *memory = got;
    return (uint8_t *)got + (-(uintptr_t)got & (JOURNAL_BLOCK - 1));
}
