#include "test/sim/disk.h"

#include "core/journal/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

struct disk *the_disk;

#define FOLDER_BASE 1000 // numbers of folders; those below are files'

void disk_init(struct disk *disk, struct world *world, const bool *dead) {
    *disk = (struct disk){.world = world,
        .dead = dead,
        .pass = world_pass,
        .capacity = (uint64_t)1 << 30,
        .latency = world_skewed(world, 30000, 50 * MS_NS),
        .errors = world_chance(world, 200) ? 4 : 0,
        .shorts = world_chance(world, 300) ? 20 : 0,
        .cheap_zero = world_chance(world, 700)};
    disk->room = disk->capacity;
    disk->folders = calloc(DISK_FOLDERS, sizeof *disk->folders);
    if (!disk->folders)
        abort();
    the_disk = disk;
}

// ---- Nodes ----

static struct disk_node *node_new(void) {
    struct disk_node *node = calloc(1, sizeof *node);
    if (!node)
        abort();
    return node;
}

static void node_drop(struct disk_node *node) {
    if (!node || --node->references > 0)
        return;
    free(node->now);
    free(node->platter);
    free(node->dirty);
    free(node);
}

static struct disk_node *node_take(struct disk_node *node) {
    node->references++;
    return node;
}

static void *widen(void *bytes, size_t from, size_t to) {
    uint8_t *wider = realloc(bytes, to);
    if (!wider)
        abort();
    memset(wider + from, 0, to - from);
    return wider;
}

static void node_reserve(struct disk_node *node, uint64_t size) {
    if (size <= node->capacity)
        return;
    size_t capacity = node->capacity ? node->capacity : 1 << 16;
    while (capacity < size)
        capacity *= 2;
    node->now = widen(node->now, node->capacity, capacity);
    node->platter = widen(node->platter, node->capacity, capacity);
    node->dirty = widen(node->dirty, node->capacity / DISK_SECTOR, capacity / DISK_SECTOR);
    node->capacity = capacity;
}

static void mark(struct disk_node *node, uint64_t offset, uint64_t size) {
    if (size == 0)
        return;
    node->any_dirty = true;
    for (uint64_t i = offset / DISK_SECTOR; i <= (offset + size - 1) / DISK_SECTOR; i++)
        node->dirty[i] |= DIRTY_CHANGED;
}

static void node_resize(struct disk_node *node, uint64_t size) {
    node_reserve(node, size);
    uint64_t low = size < node->size ? size : node->size;
    uint64_t high = size < node->size ? node->size : size;
    memset(node->now + low, 0, high - low);
    mark(node, low, high - low);
    node->size = size;
}

// What is written while a sync is under way is no part of it.
static void node_sync_begin(struct disk_node *node) {
    for (size_t i = 0; node->any_dirty && i < node->capacity / DISK_SECTOR; i++)
        if (node->dirty[i])
            node->dirty[i] = DIRTY_SYNCING;
}

static void node_sync_end(struct disk_node *node) {
    bool left = false;
    for (size_t i = 0; node->any_dirty && i < node->capacity / DISK_SECTOR; i++) {
        if (node->dirty[i] & DIRTY_SYNCING) {
            memcpy(node->platter + i * DISK_SECTOR, node->now + i * DISK_SECTOR, DISK_SECTOR);
            node->dirty[i] &= DIRTY_CHANGED;
        }
        left |= node->dirty[i] != 0;
    }
    node->any_dirty = left;
    node->platter_size = node->size;
}

// ---- Names ----

static struct disk_name *find(struct disk_names *names, const char *name) {
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->items[i].name, name) == 0)
            return &names->items[i];
    return NULL;
}

static void unname(struct disk_names *names, struct disk_name *item) {
    node_drop(item->node);
    *item = names->items[--names->count];
}

static void name(struct disk_names *names, const char *text, struct disk_node *node) {
    struct disk_name *old = find(names, text);
    node_take(node);
    if (old) {
        struct disk_node *replaced = old->node;
        old->node = node;
        node_drop(replaced);
        return;
    }
    if (names->count == DISK_NAMES)
        abort();
    struct disk_name *item = &names->items[names->count++];
    snprintf(item->name, sizeof item->name, "%s", text);
    item->node = node;
}

static void apply(struct disk_names *names, const struct disk_change *change) {
    struct disk_name *old = change->from[0] ? find(names, change->from) : NULL;
    node_take(change->node);
    if (old)
        unname(names, old);
    if (change->to[0])
        name(names, change->to, change->node);
    node_drop(change->node);
}

static void sync_names(struct disk_folder *folder, size_t count) {
    for (size_t i = 0; i < folder->change_count; i++) {
        if (i < count)
            apply(&folder->platter, &folder->changes[i]);
        // NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the change has a reference of its own
        node_drop(folder->changes[i].node);
    }
    folder->change_count = 0;
}

static bool is_segment(const char *name) {
    return strstr(name, ".segment") != NULL;
}

static void count_change(const struct disk_change *change) {
    struct world *world = the_disk->world;
    world_note(world, change->to[0] ? "disk: name" : "disk: remove", strtoull(change->from, NULL, 10),
        strtoull(change->to, NULL, 10), is_segment(change->from) * 2u + is_segment(change->to));
    world_count(world, COUNT_ROLLS, is_segment(change->to) && !is_segment(change->from));
    world_count(world, COUNT_RETIRED, is_segment(change->from) && !is_segment(change->to));
}

static void change(struct disk_folder *folder, const char *from, const char *to, struct disk_node *node) {
    if (folder->change_count == DISK_NAMES)
        sync_names(folder, folder->change_count); // so long nothing stays unwritten
    struct disk_change *made = &folder->changes[folder->change_count++];
    snprintf(made->from, sizeof made->from, "%s", from);
    snprintf(made->to, sizeof made->to, "%s", to);
    made->node = node_take(node);
    count_change(made);
    apply(&folder->now, made);
}

static void drop_names(struct disk_names *names) {
    for (size_t i = 0; i < names->count; i++)
        node_drop(names->items[i].node);
    names->count = 0;
}

void disk_destroy(struct disk *disk) {
    disk_leave(disk);
    for (size_t i = 0; i < disk->folder_count; i++) {
        sync_names(&disk->folders[i], 0);
        drop_names(&disk->folders[i].now);
        drop_names(&disk->folders[i].platter);
    }
    free(disk->folders);
    the_disk = NULL;
}

// ---- Power ----

enum style { STYLE_LOST, STYLE_KEPT, STYLE_MIXED, STYLE_FRONT };

static void tear(struct world *world, struct disk_node *node, size_t sector) {
    size_t at = sector * DISK_SECTOR + (size_t)world_below(world, DISK_SECTOR);
    size_t end = (sector + 1) * DISK_SECTOR;
    // A part of the new bytes over the old ones, from the front or from the back.
    if (world_chance(world, 500))
        memcpy(node->platter + sector * DISK_SECTOR, node->now + sector * DISK_SECTOR,
            at - sector * DISK_SECTOR);
    else
        memcpy(node->platter + at, node->now + at, end - at);
    world_count(world, COUNT_TORN_SECTORS, 1);
}

static void lose_sectors(struct world *world, struct disk_node *node, enum style style) {
    size_t total = 0;
    for (size_t i = 0; node->any_dirty && i < node->capacity / DISK_SECTOR; i++)
        total += node->dirty[i] != 0;
    size_t front = (size_t)world_below(world, total + 1);
    for (size_t i = 0, seen = 0; node->any_dirty && i < node->capacity / DISK_SECTOR; i++) {
        if (!node->dirty[i])
            continue;
        node->dirty[i] = 0;
        seen++;
        bool kept = style == STYLE_KEPT || (style == STYLE_MIXED && world_chance(world, 500)) ||
                    (style == STYLE_FRONT && seen <= front);
        if (kept)
            memcpy(node->platter + i * DISK_SECTOR, node->now + i * DISK_SECTOR, DISK_SECTOR);
        else if (world_chance(world, 50))
            tear(world, node, i);
        else
            world_count(world, COUNT_LOST_SECTORS, 1);
    }
    node->any_dirty = false;
    if (style == STYLE_KEPT || world_chance(world, 500))
        node->platter_size = node->size;
    node->size = node->platter_size;
    if (node->capacity)
        memcpy(node->now, node->platter, node->capacity);
    // What lies behind the end is no part of the file.
    if (node->capacity > node->size) {
        memset(node->now + node->size, 0, node->capacity - node->size);
        memset(node->platter + node->size, 0, node->capacity - node->size);
    }
}

static void lose_names(struct world *world, struct disk_folder *folder) {
    size_t kept = (size_t)world_below(world, folder->change_count + 1);
    world_count(world, COUNT_LOST_NAMES, folder->change_count - kept);
    sync_names(folder, kept);
    drop_names(&folder->now);
    for (size_t i = 0; i < folder->platter.count; i++)
        name(&folder->now, folder->platter.items[i].name, folder->platter.items[i].node);
}

void disk_power_cut(struct disk *disk) {
    enum style style = (enum style)world_below(disk->world, 4);
    for (size_t i = 0; i < disk->folder_count; i++) {
        lose_names(disk->world, &disk->folders[i]);
        for (size_t k = 0; k < disk->folders[i].now.count; k++)
            lose_sectors(disk->world, disk->folders[i].now.items[k].node, style);
    }
}

void disk_leave(struct disk *disk) {
    for (size_t i = 0; i < DISK_FILES; i++) {
        node_drop(disk->files[i]);
        disk->files[i] = NULL;
    }
    for (size_t i = 0; i < disk->folder_count; i++)
        disk->folders[i].open = disk->folders[i].locked = false;
}

bool disk_idle(const struct disk *disk) {
    for (size_t i = 0; i < DISK_FILES; i++)
        if (disk->files[i])
            return false;
    for (size_t i = 0; i < disk->folder_count; i++)
        if (disk->folders[i].open)
            return false;
    return true;
}

uint64_t disk_used(const struct disk *disk) {
    uint64_t used = 0;
    for (size_t i = 0; i < disk->folder_count; i++)
        for (size_t k = 0; k < disk->folders[i].now.count; k++)
            used += disk->folders[i].now.items[k].node->size;
    return used;
}

void disk_heal(struct disk *disk) {
    disk->errors = disk->shorts = 0;
    disk->room = disk->capacity;
}

// ---- The seam ----

// Every call: time passes, and may bring the end. 0 or a negative errno.
static int begin(uint64_t ns) {
    struct disk *disk = the_disk;
    if (*disk->dead)
        return -EIO;
    disk->called(disk->context);
    if (ns && !*disk->dead)
        disk->pass(disk->world, ns);
    if (*disk->dead)
        return -EIO;
    if (disk->errors && !disk->world->healed && world_below(disk->world, 4000) < disk->errors) {
        world_note(disk->world, "disk: EIO", 0, 0, 0);
        world_count(disk->world, COUNT_DISK_ERRORS, 1);
        return -EIO;
    }
    return 0;
}

static uint64_t sync_time(void) {
    struct world *world = the_disk->world;
    if (!world->healed && world_chance(world, 3))
        return world_between(world, 100, 3000) * MS_NS; // a disk that stands still for a while
    return world_skewed(world, the_disk->latency / 2, 8 * the_disk->latency);
}

static struct disk_folder *folder_of(int folder) {
    return &the_disk->folders[folder - FOLDER_BASE];
}

static bool has_room(uint64_t more) {
    struct disk *disk = the_disk;
    if (more == 0 || disk_used(disk) + more <= disk->room)
        return true;
    world_note(disk->world, "disk: full", more, 0, 0);
    world_count(disk->world, COUNT_DISK_FULL, 1);
    return false;
}

int disk_folder_open(const char *path, bool make, int *folder) {
    struct disk *disk = the_disk;
    int rc = begin(0);
    size_t i = 0;
    while (rc == 0 && i < disk->folder_count && strcmp(disk->folders[i].path, path) != 0)
        i++;
    if (rc == 0 && i == disk->folder_count && !make)
        rc = -ENOENT;
    if (rc)
        return rc;
    if (i == disk->folder_count) {
        if (i == DISK_FOLDERS)
            abort();
        snprintf(disk->folders[i].path, sizeof disk->folders[i].path, "%s", path);
        disk->folder_count++;
    }
    disk->folders[i].open = true;
    *folder = FOLDER_BASE + (int)i;
    return 0;
}

int disk_folder_lock(int folder) {
    if (folder_of(folder)->locked)
        return -EWOULDBLOCK;
    folder_of(folder)->locked = true;
    return 0;
}

int disk_folder_list(int folder, int (*visit)(void *context, const char *name), void *context) {
    int rc = begin(0);
    for (size_t i = 0; i < folder_of(folder)->now.count && rc == 0; i++)
        rc = visit(context, folder_of(folder)->now.items[i].name);
    return rc;
}

int disk_folder_sync(int folder) {
    int rc = begin(sync_time());
    if (rc == 0)
        sync_names(folder_of(folder), folder_of(folder)->change_count);
    return rc;
}

int disk_rename(int folder, const char *from, const char *to) {
    int rc = begin(5000);
    struct disk_name *item = rc ? NULL : find(&folder_of(folder)->now, from);
    if (rc || !item)
        return rc ? rc : -ENOENT;
    change(folder_of(folder), from, to, item->node);
    return 0;
}

int disk_remove(int folder, const char *text) {
    int rc = begin(5000);
    struct disk_name *item = rc ? NULL : find(&folder_of(folder)->now, text);
    if (rc || !item)
        return rc ? rc : -ENOENT;
    change(folder_of(folder), text, "", item->node);
    return 0;
}

int disk_size_of(int folder, const char *text, uint64_t *size) {
    int rc = begin(0);
    const struct disk_name *item = rc ? NULL : find(&folder_of(folder)->now, text);
    if (rc || !item)
        return rc ? rc : -ENOENT;
    *size = item->node->size;
    return 0;
}

int disk_open(int folder, const char *text, int flags, bool buffered, int *file) {
    struct disk *disk = the_disk;
    (void)buffered;
    int rc = begin(3000);
    if (rc)
        return rc;
    struct disk_name *item = find(&folder_of(folder)->now, text);
    if (!item && !(flags & O_CREAT))
        return -ENOENT;
    int number = 0;
    while (number < DISK_FILES && disk->files[number])
        number++;
    if (number == DISK_FILES)
        return -EMFILE;
    struct disk_node *node = item ? item->node : node_new();
    disk->files[number] = node_take(node);
    if (!item)
        change(folder_of(folder), "", text, node);
    else if (flags & O_TRUNC)
        node_resize(node, 0);
    *file = number;
    return 0;
}

void disk_close(int descriptor) {
    struct disk *disk = the_disk;
    if (descriptor >= FOLDER_BASE) {
        folder_of(descriptor)->open = folder_of(descriptor)->locked = false;
        return;
    }
    node_drop(disk->files[descriptor]);
    disk->files[descriptor] = NULL;
}

int disk_write(int file, const uint8_t *data, size_t size, uint64_t offset, size_t *done) {
    struct disk *disk = the_disk;
    struct disk_node *node = disk->files[file];
    size_t part = size;
    if (size > DISK_SECTOR && !disk->world->healed && world_chance(disk->world, disk->shorts)) {
        part = DISK_SECTOR * (1 + (size_t)world_below(disk->world, size / DISK_SECTOR));
        part = part < size ? part : size;
        world_count(disk->world, COUNT_SHORT_WRITES, part < size);
    }
    // The bytes reach the cache before the call returns: a process that ends here has written them.
    bool more = offset + part > node->size;
    bool dead = *disk->dead;
    if (!dead && more && !has_room(offset + part - node->size))
        return -ENOSPC;
    if (!dead) {
        if (more)
            node_resize(node, offset + part);
        memcpy(node->now + offset, data, part);
        mark(node, offset, part);
    }
    int rc = begin(10000 + part / 2);
    if (rc == 0)
        *done = part;
    return rc;
}

int disk_read(int file, uint8_t *data, size_t size, uint64_t offset, size_t *got) {
    const struct disk_node *node = the_disk->files[file];
    int rc = begin(2000 + size / 4);
    if (rc)
        return rc;
    size_t there = offset < node->size ? (size_t)(node->size - offset) : 0;
    *got = size < there ? size : there;
    if (*got)
        memcpy(data, node->now + offset, *got);
    return 0;
}

int disk_sync(int file) {
    struct disk_node *node = the_disk->files[file];
    if (!*the_disk->dead)
        node_sync_begin(node);
    int rc = begin(sync_time());
    if (rc == 0)
        node_sync_end(node);
    return rc;
}

int disk_sync_all(int file) {
    return disk_sync(file);
}

int disk_truncate(int file, uint64_t size) {
    struct disk_node *node = the_disk->files[file];
    int rc = begin(5000);
    if (rc == 0)
        node_resize(node, size);
    return rc;
}

int disk_reserve(int file, uint64_t offset, uint64_t size) {
    struct disk_node *node = the_disk->files[file];
    int rc = begin(5000);
    if (rc || offset + size <= node->size)
        return rc;
    if (!has_room(offset + size - node->size))
        return -ENOSPC;
    node_resize(node, offset + size);
    return 0;
}

int disk_zero(int file, uint64_t offset, uint64_t size) {
    struct disk_node *node = the_disk->files[file];
    int rc = begin(5000);
    if (rc)
        return rc;
    if (!the_disk->cheap_zero)
        return -EOPNOTSUPP;
    if (offset + size > node->size)
        node_resize(node, offset + size);
    memset(node->now + offset, 0, size);
    mark(node, offset, size);
    return 0;
}

int disk_size(int file, uint64_t *size) {
    int rc = begin(0);
    if (rc == 0)
        *size = the_disk->files[file]->size;
    return rc;
}

int disk_ahead_new(struct disk_ahead **out) {
    (void)out;
    return -EOPNOTSUPP; // it has no time that could pass meanwhile
}

void disk_ahead_destroy(struct disk_ahead **self) {
    (void)self;
}

// NOLINTBEGIN(readability-non-const-parameter): of the seam
int disk_ahead_begin(struct disk_ahead *ahead, int file, uint8_t *data, size_t size, uint64_t offset) {
    (void)ahead, (void)file, (void)data, (void)size, (void)offset;
    return -EOPNOTSUPP;
}

int disk_ahead_wait(struct disk_ahead *ahead, size_t *got) {
    (void)ahead, (void)got;
    return -EOPNOTSUPP;
}
// NOLINTEND(readability-non-const-parameter)
