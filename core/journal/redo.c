#include "core/journal/redo.h"

#include "core/crypto/crc32c.h"
#include "core/journal/disk.h"
#include "core/journal/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#define REDO_MAGIC 0x524a5448u // "HTJR"
#define REDO_SIZE ((size_t)80)

// ---- magic, version, crc 8, length 12, segment 16, epoch, offset, sequence 40, leaf 48; zeros to a block
// ----

static void encode(const struct redo *redo, uint8_t *out) {
    store_u32(out, REDO_MAGIC);
    store_u32(out + 4, JOURNAL_VERSION);
    store_u32(out + 12, redo->length);
    store_u64(out + 16, redo->segment);
    store_u64(out + 24, redo->epoch);
    store_u64(out + 32, redo->offset);
    store_u64(out + 40, redo->sequence);
    memcpy(out + 48, redo->leaf, DIGEST_SIZE);
    store_u32(out + 8, crc32c(0, out + 12, REDO_SIZE - 12));
}

static bool decode(const uint8_t *p, struct redo *out) {
    if (load_u32(p) != REDO_MAGIC || load_u32(p + 4) != JOURNAL_VERSION ||
        load_u32(p + 8) != crc32c(0, p + 12, REDO_SIZE - 12))
        return false;
    *out = (struct redo){.length = load_u32(p + 12),
        .segment = load_u64(p + 16),
        .epoch = load_u64(p + 24),
        .offset = load_u64(p + 32),
        .sequence = load_u64(p + 40)};
    memcpy(out->leaf, p + 48, DIGEST_SIZE);
    return true;
}

int redo_read(int folder, struct redo *out) {
    uint8_t bytes[REDO_SIZE];
    size_t got = 0;
    int file = -1;
    *out = (struct redo){0};
    int rc = disk_open(folder, REDO_NAME, O_RDONLY, true, &file);
    if (rc)
        return rc == -ENOENT ? 0 : rc;
    rc = transfer_read(file, bytes, sizeof bytes, 0, &got);
    disk_close(file);
    if (!rc && got == sizeof bytes)
        decode(bytes, out);
    return rc;
}

int redo_write(int folder, const struct redo *redo) {
    void *memory = NULL;
    uint8_t *bytes = transfer_memory(JOURNAL_BLOCK, &memory);
    int file = -1;
    if (!bytes)
        return -ENOMEM;
    encode(redo, bytes);
    int rc = disk_open(folder, REDO_NAME, O_RDWR | O_CREAT | O_TRUNC, true, &file);
    if (!rc)
        rc = transfer_write(file, bytes, JOURNAL_BLOCK, 0);
    if (!rc)
        rc = disk_sync_all(file);
    if (!rc)
        rc = disk_folder_sync(folder);
    if (file >= 0)
        disk_close(file);
    free(memory);
    return rc;
}

int redo_remove(int folder) {
    int rc = disk_remove(folder, REDO_NAME);
    if (rc == -ENOENT)
        return 0;
    return rc ? rc : disk_folder_sync(folder);
}

bool redo_is_of(const struct redo *redo, const uint8_t *record, uint64_t length) {
    // What an erasure does not change is good in the old and the new one, and so in any mixture of both.
    return redo->length <= length && redo->length >= RECORD_SIZE && record_length(record) == redo->length &&
           load_u64(record + 32) == redo->sequence &&
           RECORD_SIZE + load_u16(record + 10) * ENTRY_SIZE + DIGEST_SIZE - JOURNAL_SALT_SIZE <= redo->length;
}

int redo_apply(int file, const struct redo *redo) {
    uint64_t from = redo->offset - redo->offset % JOURNAL_BLOCK;
    size_t size = (size_t)(block_up(redo->offset + redo->length) - from);
    void *memory = NULL;
    uint8_t *bytes = transfer_memory(size, &memory);
    if (!bytes)
        return -ENOMEM;
    size_t got = 0;
    int rc = transfer_read(file, bytes, size, from, &got);
    size_t skip = (size_t)(redo->offset - from);
    if (!rc && (got < size || !redo_is_of(redo, bytes + skip, size - skip)))
        rc = -EBADMSG;
    if (!rc) {
        record_erase(bytes + skip, redo->leaf);
        rc = transfer_write(file, bytes, size, from);
    }
    if (!rc)
        rc = disk_sync(file);
    free(memory);
    return rc;
}
