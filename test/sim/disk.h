// The simulated disk of the broker's machine, in place of core/journal/disk.c (the seam of
// core/journal/disk.h). What is written lies in a cache until it is synced; at a power cut each unsynced
// sector is lost, kept or torn by chance, in no order, and names that no sync of their folder secured are
// lost from some point on.
#pragma once

#include "test/sim/world.h"

enum {
    DISK_SECTOR = 512,
    DISK_FOLDERS = 4,
    DISK_NAMES = 256,
    DISK_FILES = 64, // descriptors
};

enum {
    DIRTY_CHANGED = 1, // since the last sync began
    DIRTY_SYNCING = 2, // under way to the platter
};

struct disk_node {       // a file, whatever its names
    unsigned references; // of names (both kinds) and descriptors
    uint8_t *now;        // as a reader sees it; owned
    uint8_t *platter;    // as it is after a power cut; owned
    uint8_t *dirty;      // DIRTY_… of each sector; owned
    size_t capacity;     // of all three, in bytes
    uint64_t size, platter_size;
    bool any_dirty;
};

struct disk_name {
    char name[64];
    struct disk_node *node;
};

struct disk_names {
    struct disk_name items[DISK_NAMES];
    size_t count;
};

struct disk_change { // of a folder, not yet synced
    char from[64];   // "": `to` was made
    char to[64];     // "": `from` was removed
    struct disk_node *node;
};

struct disk_folder {
    char path[128];
    struct disk_names now, platter;
    struct disk_change changes[DISK_NAMES];
    size_t change_count;
    bool open;
    bool locked;
};

struct disk {
    struct world *world;
    struct disk_folder *folders; // DISK_FOLDERS of them; owned
    size_t folder_count;
    struct disk_node *files[DISK_FILES];
    uint64_t capacity; // bytes of all files
    uint64_t room;     // of `capacity`, what is left to us: others fill the disk too
    uint64_t latency;  // ns of a sync, about
    unsigned errors;   // per mille of calls that fail with EIO
    unsigned shorts;   // per mille of writes that are short
    bool cheap_zero;   // the file system can zero a range
    const bool *dead;  // the process that asks is gone: nothing is done for it
    void (*pass)(struct world *world, uint64_t ns); // time, for the one that called
    void (*called)(void *context);                  // before each call
    void *context;
};

void disk_init(struct disk *disk, struct world *world, const bool *dead);
void disk_destroy(struct disk *disk);
uint64_t disk_used(const struct disk *disk);
bool disk_idle(const struct disk *disk); // no descriptor is open
void disk_power_cut(struct disk *disk);  // what no sync secured is lost, or not
void disk_leave(struct disk *disk);      // the process is gone: its descriptors close
void disk_heal(struct disk *disk);       // no faults any more, and room

extern struct disk *the_disk;
