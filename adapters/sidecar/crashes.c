#include "adapters/sidecar/crashes.h"

#include "core/base/bytes.h"
#include "core/crypto/crc32c.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// u32 check of the rest, u32 version, u64 whether a process runs, then each: bus, u64 position, u32 count,
// u32 trying. Little-endian.
#define HEAD 16u
#define ITEM 32u
#define FILE_SIZE (HEAD + CRASHES_LIMIT * ITEM)
#define VERSION 1u

static int store(const struct crashes *crashes, bool running) {
    uint8_t bytes[FILE_SIZE] = {0};
    store_u32(bytes + 4, VERSION);
    store_u64(bytes + 8, running);
    for (size_t i = 0; i < CRASHES_LIMIT; i++) {
        uint8_t *at = bytes + HEAD + i * ITEM;
        memcpy(at, crashes->items[i].bus, CRASHES_BUS_SIZE);
        store_u64(at + 16, crashes->items[i].position);
        store_u32(at + 24, crashes->items[i].count);
        store_u32(at + 28, crashes->items[i].trying);
    }
    store_u32(bytes, crc32c(0, bytes + 4, sizeof bytes - 4));
    ssize_t n = pwrite(crashes->fd, bytes, sizeof bytes, 0);
    return n == (ssize_t)sizeof bytes ? 0 : n < 0 ? -errno : -ENOSPC;
}

// A file that can't be read says nothing.
static void load(struct crashes *crashes) {
    uint8_t bytes[FILE_SIZE];
    if (pread(crashes->fd, bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes ||
        load_u32(bytes) != crc32c(0, bytes + 4, sizeof bytes - 4) || load_u32(bytes + 4) != VERSION)
        return;
    crashes->careful = load_u64(bytes + 8) != 0;
    for (size_t i = 0; i < CRASHES_LIMIT; i++) {
        const uint8_t *at = bytes + HEAD + i * ITEM;
        struct crash *item = &crashes->items[i];
        memcpy(item->bus, at, CRASHES_BUS_SIZE);
        item->position = load_u64(at + 16);
        item->count = load_u32(at + 24) + (load_u32(at + 28) != 0);
    }
}

int crashes_open(const char *state_folder, struct crashes *out, struct error *error) {
    char path[4200];
    snprintf(path, sizeof path, "%s/crashes", state_folder);
    *out = (struct crashes){.fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)};
    if (out->fd < 0)
        return error_set(error, -errno, "%s: %s", path, strerror(errno));
    load(out);
    (void)store(out, true); // no room for so little: then crashes go uncounted
    return 0;
}

void crashes_close(struct crashes *crashes, bool well) {
    if (crashes->fd < 0)
        return;
    if (well)
        (void)store(crashes, false);
    close(crashes->fd);
    crashes->fd = -1;
}

static struct crash *find(const struct crashes *crashes, const uint8_t *bus, uint64_t position) {
    for (size_t i = 0; i < CRASHES_LIMIT; i++) {
        const struct crash *item = &crashes->items[i];
        if (item->position == position && memcmp(item->bus, bus, CRASHES_BUS_SIZE) == 0)
            return (struct crash *)(uintptr_t)item;
    }
    return NULL;
}

uint32_t crashes_count(const struct crashes *crashes, const uint8_t *bus, uint64_t position) {
    const struct crash *item = find(crashes, bus, position);
    return item ? item->count : 0;
}

// To the front, so that the last is the one seen longest ago.
static void touch(struct crashes *crashes, const uint8_t *bus, uint64_t position) {
    struct crash item = {.position = position};
    struct crash *at = find(crashes, bus, position);
    memcpy(item.bus, bus, CRASHES_BUS_SIZE);
    if (at)
        item.count = at->count;
    else
        at = &crashes->items[CRASHES_LIMIT - 1];
    item.trying = true;
    memmove(crashes->items + 1, crashes->items, (size_t)(at - crashes->items) * sizeof item);
    crashes->items[0] = item;
}

void crashes_begin(struct crashes *crashes, const uint8_t *bus, uint64_t position) {
    touch(crashes, bus, position);
    (void)store(crashes, true);
}

void crashes_end(struct crashes *crashes) {
    struct crash *first = &crashes->items[0];
    first->trying = false;
    if (first->count == 0) { // nothing to remember, or settled meanwhile
        memmove(crashes->items, crashes->items + 1, (CRASHES_LIMIT - 1) * sizeof *first);
        crashes->items[CRASHES_LIMIT - 1] = (struct crash){0};
    }
    (void)store(crashes, true);
}

void crashes_forget(struct crashes *crashes, const uint8_t *bus, uint64_t position) {
    struct crash *item = find(crashes, bus, position);
    if (!item)
        return;
    *item = (struct crash){0};
    (void)store(crashes, true);
}
