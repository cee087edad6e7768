#include "core/journal/model_disk.h"

#include "core/journal/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES 64 // in the folder at once
#define FILES 512
#define FOLDER 1000 // the number of an open folder; files are from 0
#define OPEN 64

// Allocations here are no site of the journal's: they must not be the ones that fail.
void *__real_calloc(size_t count, size_t size) __attribute__((weak));
void *__real_realloc(void *old, size_t size) __attribute__((weak));

static void *get(void *old, size_t size) {
    void *memory = __real_realloc ? __real_realloc(old, size) : realloc(old, size);
    if (!memory)
        abort();
    return memory;
}

struct image {
    uint8_t *bytes;
    size_t size;
    size_t capacity;
};

struct change { // of a file, not synced yet
    enum { WROTE, SIZED } kind;
    uint64_t order;
    uint64_t offset; // SIZED: the size
    size_t size;
    uint8_t *bytes;
};

struct inode {
    bool used;
    struct image now;
    struct image durable;
    struct change *changes;
    size_t change_count;
    size_t change_capacity;
};

struct name {
    char text[48];
    int inode;
};

struct folder {
    struct name names[NAMES];
    size_t count;
};

struct act { // on names, not synced yet
    enum { MADE, RENAMED, REMOVED } kind;
    uint64_t order;
    char from[48];
    char to[48];
    int inode;
};

struct model_disk {
    struct inode inodes[FILES];
    struct folder now;
    struct folder durable;
    struct act acts[256];
    size_t act_count;
    uint64_t order;
    int open[OPEN]; // inode + 1; 0: free
    bool locked;
};

static struct model_disk *current;
static void (*on_sync)(void *context);
static void *on_sync_context;
static model_disk_hook *on_call;
static long fail_calls = -1;
static int fail_code;
static bool fail_keep;
static size_t longest;
static bool full;
static struct model_disk_counts counts;

// ---- Images and names ----

static void image_resize(struct image *image, size_t size) {
    if (size > image->capacity) {
        image->capacity = size + size / 2;
        image->bytes = get(image->bytes, image->capacity);
    }
    if (size > image->size)
        memset(image->bytes + image->size, 0, size - image->size);
    image->size = size;
}

static void image_write(struct image *image, uint64_t offset, const uint8_t *bytes, size_t size) {
    if (offset + size > image->size)
        image_resize(image, (size_t)offset + size);
    if (!image->bytes)
        return; // nothing was to be written
    if (bytes)
        memcpy(image->bytes + offset, bytes, size);
    else
        memset(image->bytes + offset, 0, size);
}

static void image_copy(struct image *to, const struct image *from) {
    image_resize(to, from->size);
    if (from->size)
        memcpy(to->bytes, from->bytes, from->size);
}

static struct name *find(struct folder *folder, const char *text) {
    for (size_t i = 0; i < folder->count; i++)
        if (strcmp(folder->names[i].text, text) == 0)
            return &folder->names[i];
    return NULL;
}

static void put(struct folder *folder, const char *text, int inode) {
    struct name *name = find(folder, text);
    if (!name) {
        if (folder->count == NAMES)
            abort();
        name = &folder->names[folder->count++];
        snprintf(name->text, sizeof name->text, "%s", text);
    }
    name->inode = inode;
}

static void take(struct folder *folder, const char *text) {
    struct name *name = find(folder, text);
    if (name)
        *name = folder->names[--folder->count];
}

static void act_on(struct folder *folder, const struct act *act) {
    const struct name *from = find(folder, act->from);
    int inode = from ? from->inode : -1;
    if (act->kind == MADE)
        put(folder, act->from, act->inode);
    else if (inode >= 0 && inode == act->inode) {
        take(folder, act->from);
        if (act->kind == RENAMED)
            put(folder, act->to, inode);
    }
}

static void note_act(int kind, const char *from, const char *to, int inode) {
    if (current->act_count == sizeof current->acts / sizeof *current->acts)
        abort();
    struct act *act = &current->acts[current->act_count++];
    *act = (struct act){.kind = (unsigned)kind, .order = current->order++, .inode = inode};
    snprintf(act->from, sizeof act->from, "%s", from);
    snprintf(act->to, sizeof act->to, "%s", to);
    act_on(&current->now, act);
}

static void note_change(struct inode *inode, int kind, uint64_t offset, const uint8_t *bytes, size_t size) {
    if (inode->change_count == inode->change_capacity) {
        inode->change_capacity = inode->change_capacity ? 2 * inode->change_capacity : 16;
        inode->changes = get(inode->changes, inode->change_capacity * sizeof *inode->changes);
    }
    struct change *change = &inode->changes[inode->change_count++];
    *change =
        (struct change){.kind = (unsigned)kind, .order = current->order++, .offset = offset, .size = size};
    if (kind == WROTE) {
        change->bytes = get(NULL, size ? size : 1);
        if (bytes)
            memcpy(change->bytes, bytes, size);
        else
            memset(change->bytes, 0, size);
        image_write(&inode->now, offset, bytes, size);
    } else
        image_resize(&inode->now, (size_t)offset);
}

static void drop_changes(struct inode *inode) {
    for (size_t i = 0; i < inode->change_count; i++)
        free(inode->changes[i].bytes);
    inode->change_count = 0;
}

// ---- Life ----

struct model_disk *model_disk_new(void) {
    struct model_disk *disk = get(NULL, sizeof *disk);
    memset(disk, 0, sizeof *disk);
    return disk;
}

void model_disk_destroy(struct model_disk **self) {
    for (size_t i = 0; *self && i < FILES; i++) {
        struct inode *inode = &(*self)->inodes[i];
        drop_changes(inode);
        free(inode->changes);
        free(inode->now.bytes);
        free(inode->durable.bytes);
    }
    free(*self);
    *self = NULL;
}

struct model_disk *model_disk_use(struct model_disk *disk) {
    struct model_disk *before = current;
    current = disk;
    return before;
}

void model_disk_on_sync(void (*hook)(void *context), void *context) {
    on_sync = hook;
    on_sync_context = context;
}

model_disk_hook *model_disk_on_call(model_disk_hook *hook) {
    model_disk_hook *before = on_call;
    on_call = hook;
    return before;
}

void model_disk_fail_after(long calls, int code, bool keep_failing) {
    fail_calls = calls;
    fail_code = code;
    fail_keep = keep_failing;
}

long model_disk_calls_left(void) {
    return fail_calls;
}

void model_disk_shorten(size_t at_most) {
    longest = at_most;
}

void model_disk_fill(bool is_full) {
    full = is_full;
}

struct model_disk_counts model_disk_counts(void) {
    return counts;
}

// ---- Power cuts ----

static uint64_t next(uint64_t *seed) {
    *seed += 0x9e3779b97f4a7c15u;
    uint64_t z = *seed;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

// Every piece of `grain` bytes is in one of the states it went through.
static void cut_pieces(struct inode *to, const struct inode *from, size_t grain, uint64_t *seed) {
    size_t size = from->durable.size;
    for (size_t i = 0; i < from->change_count; i++) {
        const struct change *change = &from->changes[i];
        if (change->kind == SIZED && next(seed) % 2)
            size = (size_t)change->offset;
        for (size_t at = 0; change->kind == WROTE && at < change->size;) {
            size_t end = (size_t)((change->offset + at) / grain + 1) * grain - (size_t)change->offset;
            size_t n = (end < change->size ? end : change->size) - at;
            if (next(seed) % 2)
                image_write(&to->durable, change->offset + at, change->bytes + at, n);
            at += n;
        }
        if (to->durable.size > size)
            size = change->kind == WROTE ? to->durable.size : size;
    }
    image_resize(&to->durable, size);
}

static void cut_prefix(struct inode *to, const struct inode *from, uint64_t until, uint64_t *seed) {
    for (size_t i = 0; i < from->change_count && from->changes[i].order <= until; i++) {
        const struct change *change = &from->changes[i];
        size_t size = change->size;
        if (change->order == until && change->kind == WROTE)
            size = (size_t)(next(seed) % (size / 512 + 1)) * 512;
        if (change->kind == SIZED)
            image_resize(&to->durable, (size_t)change->offset);
        else
            image_write(&to->durable, change->offset, change->bytes, size);
    }
}

static void cut_inode(
    struct inode *to, const struct inode *from, enum model_cut how, uint64_t until, uint64_t *seed) {
    to->used = from->used;
    image_copy(&to->durable, &from->durable);
    if (how == CUT_ALL_UNSYNCED)
        image_copy(&to->durable, &from->now);
    else if (how == CUT_PREFIX)
        cut_prefix(to, from, until, seed);
    else if (how == CUT_SECTORS || how == CUT_BLOCKS)
        cut_pieces(to, from, how == CUT_SECTORS ? 512 : 4096, seed);
    image_copy(&to->now, &to->durable);
}

struct model_disk *model_disk_cut(const struct model_disk *disk, enum model_cut how, uint64_t seed) {
    struct model_disk *cut = model_disk_new();
    uint64_t until = disk->order ? next(&seed) % disk->order : 0;
    if (next(&seed) % 2 && disk->order > 4) // what is unsynced is young
        until = disk->order - 1 - next(&seed) % 4;
    for (size_t i = 0; i < FILES; i++)
        if (disk->inodes[i].used)
            cut_inode(&cut->inodes[i], &disk->inodes[i], how, until, &seed);
    cut->durable = disk->durable;
    for (size_t i = 0; i < disk->act_count; i++) {
        bool there = how == CUT_ALL_UNSYNCED || (how == CUT_PREFIX && disk->acts[i].order <= until) ||
                     ((how == CUT_SECTORS || how == CUT_BLOCKS) && next(&seed) % 2);
        if (there)
            act_on(&cut->durable, &disk->acts[i]);
    }
    cut->now = cut->durable;
    cut->order = disk->order;
    return cut;
}

// ---- disk.h ----

static int enter(void) {
    if (on_call)
        on_call();
    counts.calls++;
    if (fail_calls < 0)
        return 0;
    if (fail_calls > 0) {
        fail_calls--;
        return 0;
    }
    if (!fail_keep)
        fail_calls = -1;
    return fail_code;
}

static int enter_sync(void) {
    counts.syncs++;
    if (on_sync)
        on_sync(on_sync_context);
    return enter();
}

static struct inode *inode_of(int file) {
    if (file < 0 || file >= OPEN || !current->open[file])
        abort(); // of no file that is open
    return &current->inodes[current->open[file] - 1];
}

int disk_folder_open(const char *path, bool make, int *folder) {
    (void)path, (void)make;
    int rc = enter();
    if (!rc)
        *folder = FOLDER;
    return rc;
}

int disk_folder_lock(int folder) {
    (void)folder;
    int rc = enter();
    if (!rc && current->locked)
        rc = -EWOULDBLOCK;
    if (!rc)
        current->locked = true;
    return rc;
}

int disk_folder_list(int folder, int (*visit)(void *context, const char *name), void *context) {
    (void)folder;
    int rc = enter();
    for (size_t i = 0; i < current->now.count && !rc; i++)
        rc = visit(context, current->now.names[i].text);
    return rc;
}

int disk_folder_sync(int folder) {
    (void)folder;
    int rc = enter_sync();
    if (rc)
        return rc;
    current->durable = current->now;
    current->act_count = 0;
    return 0;
}

int disk_rename(int folder, const char *from, const char *to) {
    (void)folder;
    int rc = enter();
    const struct name *name = find(&current->now, from);
    if (!rc && !name)
        rc = -ENOENT;
    if (!rc)
        note_act(RENAMED, from, to, name->inode);
    return rc;
}

int disk_remove(int folder, const char *text) {
    (void)folder;
    int rc = enter();
    const struct name *name = find(&current->now, text);
    if (!rc && !name)
        rc = -ENOENT;
    if (!rc)
        note_act(REMOVED, text, "", name->inode);
    return rc;
}

int disk_size_of(int folder, const char *text, uint64_t *size) {
    (void)folder;
    int rc = enter();
    const struct name *name = find(&current->now, text);
    if (!rc && !name)
        rc = -ENOENT;
    if (!rc)
        *size = current->inodes[name->inode].now.size;
    return rc;
}

static int make(const char *text) {
    for (int i = 0; i < FILES; i++) {
        if (current->inodes[i].used)
            continue;
        current->inodes[i].used = true;
        note_act(MADE, text, "", i);
        return i;
    }
    abort();
}

int disk_open(int folder, const char *text, int flags, bool buffered, int *file) {
    (void)folder, (void)buffered;
    int rc = enter();
    const struct name *name = find(&current->now, text);
    if (!rc && !name && !(flags & O_CREAT))
        rc = -ENOENT;
    if (rc)
        return rc;
    int inode = name ? name->inode : make(text);
    int fd = 0;
    while (fd < OPEN && current->open[fd])
        fd++;
    if (fd == OPEN)
        return -EMFILE; // a descriptor was leaked
    current->open[fd] = inode + 1;
    if (flags & O_TRUNC && current->inodes[inode].now.size > 0)
        note_change(&current->inodes[inode], SIZED, 0, NULL, 0);
    *file = fd;
    counts.opens++;
    return 0;
}

void disk_close(int descriptor) {
    if (descriptor == FOLDER)
        current->locked = false;
    else {
        inode_of(descriptor);
        current->open[descriptor] = 0;
    }
}

int disk_write(int file, const uint8_t *data, size_t size, uint64_t offset, size_t *done) {
    int rc = enter();
    struct inode *inode = inode_of(file);
    if (!rc && full && offset + size > inode->now.size)
        rc = -ENOSPC;
    if (rc)
        return rc;
    size_t n = longest && size > longest ? longest : size;
    note_change(inode, WROTE, offset, data, n);
    counts.written_bytes += n;
    *done = n;
    return 0;
}

int disk_read(int file, uint8_t *data, size_t size, uint64_t offset, size_t *got) {
    int rc = enter();
    const struct inode *inode = inode_of(file);
    if (rc)
        return rc;
    size_t n = longest && size > longest ? longest : size;
    size_t have = offset < inode->now.size ? inode->now.size - (size_t)offset : 0;
    *got = have < n ? have : n;
    if (*got)
        memcpy(data, inode->now.bytes + offset, *got);
    counts.read_bytes += *got;
    return 0;
}

int disk_sync(int file) {
    int rc = enter_sync();
    struct inode *inode = inode_of(file);
    if (rc)
        return rc;
    image_copy(&inode->durable, &inode->now);
    drop_changes(inode);
    return 0;
}

int disk_sync_all(int file) {
    return disk_sync(file);
}

int disk_truncate(int file, uint64_t size) {
    int rc = enter();
    if (!rc)
        note_change(inode_of(file), SIZED, size, NULL, 0);
    return rc;
}

int disk_reserve(int file, uint64_t offset, uint64_t size) {
    int rc = enter();
    struct inode *inode = inode_of(file);
    bool grows = offset + size > inode->now.size;
    if (!rc && grows && full)
        rc = -ENOSPC;
    if (!rc && grows)
        note_change(inode, SIZED, offset + size, NULL, 0);
    return rc;
}

int disk_zero(int file, uint64_t offset, uint64_t size) {
    int rc = enter();
    if (!rc)
        note_change(inode_of(file), WROTE, offset, NULL, (size_t)size);
    return rc;
}

int disk_size(int file, uint64_t *size) {
    int rc = enter();
    if (!rc)
        *size = inode_of(file)->now.size;
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
