#include "adapters/connectors/http/seen.h"

#include "core/base/map.h"
#include "core/crypto/crc32c.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// An entry in the file: u32 check of the rest, u16 size of the id, u64 sequence, i64 seconds, the id.
// Little-endian.
#define HEAD 22u

struct entry {
    uint64_t sequence;
    int64_t time_s;
    struct bytes id; // owned
};

struct seen {
    char *path; // owned
    int fd;
    uint64_t size;       // of the file
    uint64_t previous;   // its size before the last entry
    struct map *ids;     // to struct entry
    struct entry **ring; // oldest first, owned
    size_t head;
    size_t count;
    size_t limit;
    size_t written; // entries in the file
    uint64_t window_s;
    uint64_t sequence;
};

// Where the i-th oldest entry lies.
static size_t slot(const struct seen *seen, size_t i) {
    size_t at = seen->head + i;
    return at >= seen->limit ? at - seen->limit : at;
}

void seen_destroy(struct seen **self) {
    struct seen *seen = *self;
    *self = NULL;
    if (!seen)
        return;
    for (size_t i = 0; i < seen->count; i++)
        free(seen->ring[slot(seen, i)]);
    map_destroy(&seen->ids);
    free(seen->ring);
    free(seen->path);
    if (seen->fd >= 0)
        close(seen->fd);
    free(seen);
}

static void drop(struct seen *seen, size_t i) {
    struct entry *entry = seen->ring[slot(seen, i)];
    if (map_get(seen->ids, entry->id) == entry) // not a later one of the same id
        map_remove(seen->ids, entry->id);
    free(entry);
}

static void drop_oldest(struct seen *seen) {
    drop(seen, 0);
    seen->head = slot(seen, 1);
    seen->count--;
}

static void expire(struct seen *seen, int64_t now_s) {
    while (seen->count > 0 && seen->ring[seen->head]->time_s + (int64_t)seen->window_s < now_s)
        drop_oldest(seen);
}

static int keep(struct seen *seen, uint64_t sequence, int64_t time_s, struct bytes id) {
    struct entry *entry = malloc(sizeof *entry + id.size);
    if (!entry)
        return -ENOMEM;
    uint8_t *copy = (uint8_t *)(entry + 1);
    memcpy(copy, id.data, id.size);
    *entry = (struct entry){.sequence = sequence, .time_s = time_s, .id = bytes_of(copy, id.size)};
    if (seen->count == seen->limit)
        drop_oldest(seen);
    if (map_put(seen->ids, entry->id, entry) != 0) {
        free(entry);
        return -ENOMEM;
    }
    seen->ring[slot(seen, seen->count++)] = entry;
    return 0;
}

static int put_entry(struct buffer *out, uint64_t sequence, int64_t time_s, struct bytes id) {
    uint8_t *at = buffer_extend(out, HEAD + id.size);
    if (!at)
        return -ENOMEM;
    store_u16(at + 4, (uint16_t)id.size);
    store_u64(at + 6, sequence);
    store_u64(at + 14, (uint64_t)time_s);
    memcpy(at + HEAD, id.data, id.size);
    store_u32(at, crc32c(0, at + 4, HEAD - 4 + id.size));
    return 0;
}

// Reads the entries up to the sequence that is durable; the file is cut behind the last of them.
static int take_all(struct seen *seen, struct bytes file, uint64_t durable) {
    size_t at = 0;
    int rc = 0;
    while (rc == 0 && file.size - at >= HEAD) {
        const uint8_t *head = file.data + at;
        size_t size = load_u16(head + 4);
        if (size > SEEN_ID_LIMIT || file.size - at - HEAD < size ||
            crc32c(0, head + 4, HEAD - 4 + size) != load_u32(head) || load_u64(head + 6) > durable)
            break;
        seen->sequence = load_u64(head + 6);
        rc = keep(seen, seen->sequence, (int64_t)load_u64(head + 14), bytes_of(head + HEAD, size));
        at += HEAD + size;
        seen->written++;
    }
    seen->size = at;
    return rc;
}

static int read_file(int fd, struct buffer *out) {
    for (;;) {
        if (buffer_reserve(out, 65536) != 0)
            return -ENOMEM;
        ssize_t n = read(fd, out->data + out->size, 65536);
        if (n < 0)
            return -errno;
        if (n == 0)
            return 0;
        out->size += (size_t)n;
    }
}

static int load(struct seen *seen, uint64_t durable) {
    struct buffer file = {0};
    seen->fd = open(seen->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    int rc = seen->fd < 0 ? -errno : read_file(seen->fd, &file);
    if (rc == 0)
        rc = take_all(seen, buffer_bytes(&file), durable);
    if (rc == 0 && seen->size < file.size &&
        (ftruncate(seen->fd, (off_t)seen->size) != 0 || fdatasync(seen->fd) != 0))
        rc = -errno;
    buffer_destroy(&file);
    if (seen->sequence < durable)
        seen->sequence = durable;
    return rc;
}

int seen_open(const char *path, uint64_t sequence, uint64_t window_s, size_t limit, int64_t now_s,
    struct seen **out, struct error *error) {
    struct seen *seen = calloc(1, sizeof *seen);
    if (!seen)
        return error_no_memory(error);
    *seen = (struct seen){.fd = -1, .limit = limit ? limit : 1, .window_s = window_s};
    seen->path = strdup(path);
    seen->ids = map_new();
    seen->ring = calloc(seen->limit, sizeof(struct entry *));
    int rc = seen->path && seen->ids && seen->ring ? load(seen, sequence) : -ENOMEM;
    if (rc != 0) {
        seen_destroy(&seen);
        return error_set(error, rc, "%s: %s", path, strerror(-rc));
    }
    expire(seen, now_s);
    *out = seen;
    return 0;
}

bool seen_has(const struct seen *seen, struct bytes id, int64_t now_s) {
    const struct entry *entry = map_get(seen->ids, id);
    return entry && entry->time_s + (int64_t)seen->window_s >= now_s;
}

static int write_at(int fd, uint64_t offset, struct bytes bytes) {
    for (size_t done = 0; done < bytes.size;) {
        ssize_t n = pwrite(fd, bytes.data + done, bytes.size - done, (off_t)(offset + done));
        if (n < 0 && errno != EINTR)
            return -errno;
        done += n > 0 ? (size_t)n : 0;
    }
    return fdatasync(fd) == 0 ? 0 : -errno;
}

// Once most of the file is of no use any more, what is kept is written anew beside it and put in its place.
static int compact(struct seen *seen) {
    struct buffer text = {0};
    char *path = NULL;
    int rc = asprintf(&path, "%s.new", seen->path) < 0 ? -ENOMEM : 0;
    for (size_t i = 0; i < seen->count && rc == 0; i++) {
        const struct entry *entry = seen->ring[slot(seen, i)];
        rc = put_entry(&text, entry->sequence, entry->time_s, entry->id);
    }
    int fd = rc == 0 ? open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;
    if (rc == 0 && fd < 0)
        rc = -errno;
    if (rc == 0)
        rc = write_at(fd, 0, buffer_bytes(&text));
    if (rc == 0 && rename(path, seen->path) != 0)
        rc = -errno;
    if (rc == 0) {
        close(seen->fd);
        seen->fd = fd;
        seen->size = text.size;
        seen->written = seen->count;
    } else if (fd >= 0) {
        close(fd);
    }
    buffer_destroy(&text);
    free(path);
    return rc;
}

int seen_add(struct seen *seen, struct bytes id, int64_t now_s, uint64_t *sequence, struct error *error) {
    struct buffer text = {0};
    expire(seen, now_s);
    int rc = seen->written > 1000 && seen->written > 2 * seen->count ? compact(seen) : 0;
    if (rc == 0)
        rc = put_entry(&text, seen->sequence + 1, now_s, id);
    if (rc == 0)
        rc = write_at(seen->fd, seen->size, buffer_bytes(&text));
    if (rc == 0)
        rc = keep(seen, seen->sequence + 1, now_s, id);
    if (rc == 0) {
        seen->previous = seen->size;
        seen->size += text.size;
        seen->written++;
        *sequence = ++seen->sequence;
    }
    buffer_destroy(&text);
    return rc ? error_set(error, rc, "%s: %s", seen->path, strerror(-rc)) : 0;
}

int seen_undo(struct seen *seen, struct error *error) {
    drop(seen, seen->count - 1);
    seen->count--;
    seen->written--;
    seen->size = seen->previous;
    if (ftruncate(seen->fd, (off_t)seen->size) != 0)
        return error_set(error, -errno, "%s: %s", seen->path, strerror(errno));
    return 0;
}
