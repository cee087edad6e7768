// A disk in memory in place of disk.c, for tests: it knows what is on the platter and what a power cut may
// take away, and fails on purpose. One folder. Programs that link model_disk.c get it instead of the real
// one.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct model_disk;

struct model_disk *model_disk_new(void);
void model_disk_destroy(struct model_disk **self);
// All of disk.h works on this one from now on. Returns the one before.
struct model_disk *model_disk_use(struct model_disk *disk);

// ---- Power cuts ----

enum model_cut {
    CUT_NOTHING_UNSYNCED, // nothing that was not synced is there
    CUT_ALL_UNSYNCED,     // all of it is
    CUT_PREFIX,           // the calls up to some moment, in order; the last one torn at a sector
    CUT_SECTORS,          // of 512 bytes, each in any of its states; names likewise
    CUT_BLOCKS,           // the same, of 4,096 bytes
    CUT_KINDS,
};

// A copy of the disk as it may be after a cut now: owned. `seed` chooses among what may be.
struct model_disk *model_disk_cut(const struct model_disk *disk, enum model_cut how, uint64_t seed);
// Called before each call that syncs, while it is set.
void model_disk_on_sync(void (*hook)(void *context), void *context);

// Called before each call, while it is set. Returns the one before.
typedef void model_disk_hook(void);
model_disk_hook *model_disk_on_call(model_disk_hook *hook);

// ---- Faults ----

// After so many calls (-1: never) one fails with `code` (a negative errno), or all from there on.
void model_disk_fail_after(long calls, int code, bool keep_failing);
long model_disk_calls_left(void);        // -1: it has failed, or never will
void model_disk_shorten(size_t longest); // transfers take no more at once; 0: all
// No room for anything new: disk_reserve() and growing writes say -ENOSPC.
void model_disk_fill(bool full);

struct model_disk_counts {
    uint64_t calls, opens, read_bytes, written_bytes, syncs;
};
struct model_disk_counts model_disk_counts(void);
