#include "adapters/connectors/file/rowlog.h"

#include "core/crypto/crc32c.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define FRAME_HEAD 8u // size and check
#define FRAME_BODY 9u // kind and position
#define ROW_LIMIT ((size_t)16 << 20)
#define PENDING_LIMIT ((size_t)64 << 20)

enum frame_kind {
    FRAME_ROW = 1,
    FRAME_COMMIT = 2,
    FRAME_FINISH = 3, // its bytes: the file's name
};

struct rowlog {
    int fd;
    uint64_t size; // of what is committed, bytes of the log
    size_t rows;
    uint64_t first;
    uint64_t last;
    char *name;            // owned
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

static int put_frame(struct buffer *out, enum frame_kind kind, uint64_t position, struct bytes bytes) {
    uint8_t *at = buffer_extend(out, FRAME_HEAD + FRAME_BODY + bytes.size);
    if (!at)
        return -ENOMEM;
    store_u32(at, (uint32_t)(FRAME_BODY + bytes.size));
    at[FRAME_HEAD] = (uint8_t)kind;
    store_u64(at + FRAME_HEAD + 1, position);
    if (bytes.size)
        memcpy(at + FRAME_HEAD + FRAME_BODY, bytes.data, bytes.size);
    store_u32(at + 4, crc32c(0, at + FRAME_HEAD, FRAME_BODY + bytes.size));
    return 0;
}

static int read_whole(int fd, uint64_t offset, uint8_t *to, size_t size) {
    for (size_t done = 0; done < size;) {
        ssize_t n = pread(fd, to + done, size - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        done += (size_t)n;
    }
    return 0;
}

static int write_whole(int fd, uint64_t offset, struct bytes bytes) {
    for (size_t done = 0; done < bytes.size;) {
        ssize_t n = pwrite(fd, bytes.data + done, bytes.size - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        done += (size_t)n;
    }
    return 0;
}

// The frame at `offset` into `frame`. 0, -ENODATA when there is no whole and right one, other negatives.
static int read_frame(int fd, uint64_t offset, uint64_t end, struct buffer *frame) {
    uint8_t head[FRAME_HEAD];
    if (end - offset < FRAME_HEAD)
        return -ENODATA;
    int rc = read_whole(fd, offset, head, sizeof head);
    if (rc != 0)
        return rc;
    uint32_t size = load_u32(head);
    if (size < FRAME_BODY || size > FRAME_BODY + ROW_LIMIT || size > end - offset - FRAME_HEAD)
        return -ENODATA;
    buffer_clear(frame);
    uint8_t *body = buffer_extend(frame, size);
    if (!body)
        return -ENOMEM;
    rc = read_whole(fd, offset + FRAME_HEAD, body, size);
    if (rc != 0)
        return rc;
    return crc32c(0, frame->data, frame->size) == load_u32(head + 4) ? 0 : -ENODATA;
}

static int take_frame(struct scan_state *state, const struct buffer *frame, uint64_t end) {
    struct rowlog *log = state->log;
    uint64_t position = load_u64(frame->data + 1);
    if (frame->data[0] == FRAME_ROW) {
        state->first = state->rows++ ? state->first : position;
        state->last = position;
        return 0;
    }
    if (frame->data[0] == FRAME_FINISH) {
        char *name = strndup((const char *)frame->data + FRAME_BODY, frame->size - FRAME_BODY);
        if (!name)
            return -ENOMEM;
        free(log->name);
        log->name = name;
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
        rc = read_frame(log->fd, at, (uint64_t)end, &frame);
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
    log->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    int rc = log->fd < 0 ? -errno : recover(log);
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
    free(log->positions);
    free(log->name);
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
    int rc = put_frame(&log->pending, FRAME_ROW, position, row);
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
    int rc = write_whole(log->fd, log->size, buffer_bytes(&log->pending));
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

int rowlog_commit(struct rowlog *log, struct error *error) {
    size_t count = log->position_count;
    if (count == 0)
        return 0;
    size_t before = log->pending.size;
    if (put_frame(&log->pending, FRAME_COMMIT, 0, (struct bytes){0}) != 0)
        return error_no_memory(error);
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
    if (!copy || put_frame(&log->pending, FRAME_FINISH, 0, bytes_of_string(name)) != 0) {
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

int rowlog_each(struct rowlog *log, int (*visit)(void *context, uint64_t position, struct bytes row),
    void *context, struct error *error) {
    struct buffer frame = {0};
    int rc = 0;
    for (uint64_t at = 0; rc == 0 && at < log->size; at += FRAME_HEAD + frame.size) {
        rc = read_frame(log->fd, at, log->size, &frame);
        if (rc != 0)
            error_set(error, rc, "reading gathered rows: %s", strerror(-rc));
        else if (frame.data[0] == FRAME_ROW)
            rc = visit(context, load_u64(frame.data + 1),
                bytes_of(frame.data + FRAME_BODY, frame.size - FRAME_BODY));
    }
    buffer_destroy(&frame);
    return rc;
}

int rowlog_reset(struct rowlog *log, struct error *error) {
    if (ftruncate(log->fd, 0) != 0 || fdatasync(log->fd) != 0)
        return error_set(error, -errno, "emptying gathered rows: %s", strerror(errno));
    free(log->name);
    log->name = NULL;
    log->size = log->rows = 0;
    log->first = log->last = 0;
    return 0;
}
