#include "adapters/connectors/file/rowlog.h"

#include "adapters/connectors/file/frame.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PENDING_LIMIT ((size_t)64 << 20)

struct rowlog {
    char *path; // owned
    int fd;
    uint64_t size; // of what is committed, bytes of the log
    size_t rows;
    uint64_t first;
    uint64_t last;
    char *name;          // owned
    struct buffer known; // positions of rows before, as they are in the file
    uint8_t bus[ROWLOG_BUS_SIZE];
    bool has_bus;
    uint64_t bus_start;    // offset from which on rows are of this bus
    struct buffer pending; // frames
    uint64_t *positions;   // owned
    size_t position_count;
    size_t position_capacity;
};

// What a walk over the frames has seen, up to the last commit.
struct scan_state {
    struct rowlog *log;
    size_t rows;
    uint64_t first;
    uint64_t last;
};

// Positions count within a bus: those of another one before are of no use any more. Before log->size moves
// on.
static void take_bus(struct rowlog *log, const uint8_t *bus) {
    if (log->has_bus && memcmp(log->bus, bus, ROWLOG_BUS_SIZE) != 0) {
        log->bus_start = log->size;
        buffer_clear(&log->known);
    }
    memcpy(log->bus, bus, ROWLOG_BUS_SIZE);
    log->has_bus = true;
}

static int take_frame(struct scan_state *state, const struct buffer *frame, uint64_t end) {
    struct rowlog *log = state->log;
    struct bytes bytes = bytes_of(frame->data + FRAME_BODY, frame->size - FRAME_BODY);
    uint64_t position = load_u64(frame->data + 1);
    if (frame->data[0] == FRAME_ROW) {
        state->first = state->rows++ ? state->first : position;
        state->last = position;
        return 0;
    }
    if (frame->data[0] == FRAME_KNOWN)
        return buffer_append_bytes(&log->known, bytes);
    if (frame->data[0] == FRAME_FINISH) {
        char *name = strndup((const char *)bytes.data, bytes.size);
        if (!name)
            return -ENOMEM;
        free(log->name);
        log->name = name;
    } else if (bytes.size == ROWLOG_BUS_SIZE) {
        take_bus(log, bytes.data);
    }
    log->rows = state->rows;
    log->first = state->first;
    log->last = state->last;
    log->size = end;
    return 0;
}

// Reads the log, and cuts off what no commit follows.
static int recover(struct rowlog *log) {
    struct scan_state state = {.log = log};
    struct buffer frame = {0};
    off_t end = lseek(log->fd, 0, SEEK_END);
    int rc = end < 0 ? -errno : 0;
    for (uint64_t at = 0; rc == 0;) {
        rc = frame_read(log->fd, at, (uint64_t)end, &frame);
        if (rc != 0)
            break;
        at += FRAME_HEAD + frame.size;
        rc = take_frame(&state, &frame, at);
    }
    buffer_destroy(&frame);
    if (rc != -ENODATA)
        return rc;
    if ((uint64_t)end == log->size)
        return 0;
    return ftruncate(log->fd, (off_t)log->size) != 0 || fdatasync(log->fd) != 0 ? -errno : 0;
}

int rowlog_open(const char *path, struct rowlog **out, struct error *error) {
    struct rowlog *log = calloc(1, sizeof *log);
    if (!log)
        return error_no_memory(error);
    log->pending.limit = PENDING_LIMIT;
    log->path = strdup(path);
    log->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    int rc = !log->path ? -ENOMEM : log->fd < 0 ? -errno : recover(log);
    if (rc != 0) {
        rowlog_destroy(&log);
        return error_set(error, rc, "%s: %s", path, strerror(-rc));
    }
    *out = log;
    return 0;
}

void rowlog_destroy(struct rowlog **self) {
    struct rowlog *log = *self;
    *self = NULL;
    if (!log)
        return;
    if (log->fd >= 0)
        close(log->fd);
    buffer_destroy(&log->pending);
    buffer_destroy(&log->known);
    free(log->positions);
    free(log->name);
    free(log->path);
    free(log);
}

size_t rowlog_rows(const struct rowlog *log) {
    return log->rows;
}

uint64_t rowlog_first(const struct rowlog *log) {
    return log->first;
}

uint64_t rowlog_last(const struct rowlog *log) {
    return log->last;
}

size_t rowlog_pending(const struct rowlog *log) {
    return log->position_count;
}

const uint64_t *rowlog_pending_positions(const struct rowlog *log) {
    return log->positions;
}

const char *rowlog_name(const struct rowlog *log) {
    return log->name;
}

int rowlog_add(struct rowlog *log, uint64_t position, struct bytes row) {
    if (row.size > ROW_LIMIT || row.size + FRAME_HEAD + FRAME_BODY > PENDING_LIMIT - log->pending.size)
        return -EMSGSIZE;
    if (log->position_count == log->position_capacity) {
        size_t capacity = log->position_capacity ? log->position_capacity * 2 : 64;
        uint64_t *positions = realloc(log->positions, capacity * sizeof *positions);
        if (!positions)
            return -ENOMEM;
        log->positions = positions;
        log->position_capacity = capacity;
    }
    int rc = frame_put(&log->pending, FRAME_ROW, position, row);
    if (rc == 0)
        log->positions[log->position_count++] = position;
    return rc;
}

void rowlog_rollback(struct rowlog *log) {
    buffer_clear(&log->pending);
    log->position_count = 0;
}

// Writes the frames that are pending and makes them durable, or leaves the log as it was.
static int append(struct rowlog *log, struct error *error) {
    int rc = frame_write(log->fd, log->size, buffer_bytes(&log->pending));
    if (rc == 0 && fdatasync(log->fd) != 0)
        rc = -errno;
    if (rc == 0) {
        log->size += log->pending.size;
        return 0;
    }
    // Whether this cut reaches the disk or not: without a whole commit frame the rows don't count, and with
    // one the positions are known at the next open.
    if (ftruncate(log->fd, (off_t)log->size) != 0)
        return error_set(error, rc, "gathering rows: %s; cutting them off failed too", strerror(-rc));
    return error_set(error, rc, "gathering rows: %s", strerror(-rc));
}

int rowlog_commit(struct rowlog *log, const uint8_t bus[ROWLOG_BUS_SIZE], struct error *error) {
    size_t count = log->position_count;
    if (count == 0)
        return 0;
    size_t before = log->pending.size;
    if (frame_put(&log->pending, FRAME_COMMIT, 0, bytes_of(bus, ROWLOG_BUS_SIZE)) != 0)
        return error_no_memory(error);
    take_bus(log, bus);
    int rc = append(log, error);
    if (rc != 0) {
        log->pending.size = before;
        return rc;
    }
    log->first = log->rows ? log->first : log->positions[0];
    log->last = log->positions[count - 1];
    log->rows += count;
    rowlog_rollback(log);
    return 0;
}

int rowlog_finish(struct rowlog *log, const char *name, struct error *error) {
    char *copy = strdup(name);
    if (!copy || frame_put(&log->pending, FRAME_FINISH, 0, bytes_of_string(name)) != 0) {
        free(copy);
        return error_no_memory(error);
    }
    int rc = append(log, error);
    rowlog_rollback(log);
    if (rc != 0) {
        free(copy);
        return rc;
    }
    free(log->name);
    log->name = copy;
    return 0;
}

static int each_from(struct rowlog *log, uint64_t at,
    int (*visit)(void *context, uint64_t position, struct bytes row), void *context, struct error *error) {
    struct buffer frame = {0};
    int rc = 0;
    for (; rc == 0 && at < log->size; at += FRAME_HEAD + frame.size) {
        rc = frame_read(log->fd, at, log->size, &frame);
        if (rc != 0)
            error_set(error, rc, "reading gathered rows: %s", strerror(-rc));
        else if (frame.data[0] == FRAME_ROW)
            rc = visit(context, load_u64(frame.data + 1),
                bytes_of(frame.data + FRAME_BODY, frame.size - FRAME_BODY));
    }
    buffer_destroy(&frame);
    return rc;
}

int rowlog_each(struct rowlog *log, int (*visit)(void *context, uint64_t position, struct bytes row),
    void *context, struct error *error) {
    return each_from(log, 0, visit, context, error);
}

const uint8_t *rowlog_bus(const struct rowlog *log) {
    return log->has_bus ? log->bus : NULL;
}

static int add_position(void *context, uint64_t position, struct bytes row) {
    (void)row;
    uint8_t *at = buffer_extend(context, sizeof position);
    if (!at)
        return -ENOMEM;
    store_u64(at, position);
    return 0;
}

// The positions as they are in the file.
static int collect(struct rowlog *log, struct buffer *out, struct error *error) {
    if (buffer_append_bytes(out, buffer_bytes(&log->known)) != 0)
        return error_no_memory(error);
    return each_from(log, log->bus_start, add_position, out, error);
}

int rowlog_positions(struct rowlog *log, uint64_t **out, size_t *count, struct error *error) {
    struct buffer known = {0};
    uint64_t *positions = NULL;
    int rc = collect(log, &known, error);
    size_t n = known.size / sizeof *positions;
    if (rc == 0 && n) {
        positions = malloc(n * sizeof *positions);
        rc = positions ? 0 : error_no_memory(error);
    }
    for (size_t i = 0; positions && i < n; i++)
        positions[i] = load_u64(known.data + i * sizeof *positions);
    buffer_destroy(&known);
    if (rc != 0)
        return rc;
    *out = positions;
    *count = n;
    return 0;
}

static int sync_folder(const char *path) {
    char *folder = strdup(path);
    if (!folder)
        return -ENOMEM;
    char *slash = strrchr(folder, '/');
    if (slash)
        *slash = '\0';
    int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 || fsync(fd) != 0 ? -errno : 0;
    if (fd >= 0)
        close(fd);
    free(folder);
    return rc;
}

// What the log begins with anew: the positions, and the commit that makes them count.
static int make_known(struct rowlog *log, struct buffer *known, struct buffer *out, struct error *error) {
    int rc = collect(log, known, error);
    if (rc == 0)
        rc = frame_put(out, FRAME_KNOWN, 0, buffer_bytes(known));
    return rc ? rc : frame_put(out, FRAME_COMMIT, 0, bytes_of(log->bus, ROWLOG_BUS_SIZE));
}

// A new file beside the log takes its place in one step.
static int replace(struct rowlog *log, struct bytes with, int *fd) {
    char *path = NULL;
    if (asprintf(&path, "%s.new", log->path) < 0)
        return -ENOMEM;
    *fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    int rc = *fd < 0 ? -errno : frame_write(*fd, 0, with);
    if (rc == 0 && (fdatasync(*fd) != 0 || rename(path, log->path) != 0))
        rc = -errno;
    if (rc == 0)
        rc = sync_folder(log->path);
    if (rc != 0 && *fd >= 0)
        close(*fd);
    free(path);
    return rc;
}

static int keep_positions(struct rowlog *log, struct error *error) {
    struct buffer known = {0};
    struct buffer text = {0};
    int fd = -1;
    int rc = make_known(log, &known, &text, error);
    if (rc == 0)
        rc = replace(log, buffer_bytes(&text), &fd);
    if (rc == 0) {
        close(log->fd);
        log->fd = fd;
        log->size = text.size;
        buffer_destroy(&log->known);
        log->known = known;
    } else {
        buffer_destroy(&known);
    }
    buffer_destroy(&text);
    return rc ? error_set(error, rc, "%s: %s", log->path, strerror(-rc)) : 0;
}

static int empty(struct rowlog *log, struct error *error) {
    if (ftruncate(log->fd, 0) != 0 || fdatasync(log->fd) != 0)
        return error_set(error, -errno, "%s: %s", log->path, strerror(errno));
    buffer_clear(&log->known);
    log->size = 0;
    return 0;
}

int rowlog_reset(struct rowlog *log, bool keep, struct error *error) {
    int rc = keep && log->has_bus ? keep_positions(log, error) : empty(log, error);
    if (rc != 0)
        return rc;
    free(log->name);
    log->name = NULL;
    log->rows = 0;
    log->first = log->last = 0;
    log->bus_start = 0;
    return 0;
}
