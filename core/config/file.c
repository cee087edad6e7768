#include "core/config/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

const struct config_limits config_default_limits = {.bytes = 4u << 20, .nodes = 100000, .depth = 32};

#define BLOCK_SIZE 8192u

struct block {
    struct block *next;
    size_t used;
    size_t size;
    max_align_t data[];
};

void *file_alloc(struct config_file *file, size_t size) {
    size = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    struct block *block = file->blocks;
    if (!block || block->size - block->used < size) {
        size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;
        block = calloc(1, sizeof *block + room);
        if (!block)
            return NULL;
        *block = (struct block){.next = file->blocks, .size = room};
        file->blocks = block;
    }
    void *at = (uint8_t *)block->data + block->used;
    block->used += size;
    return at;
}

void config_destroy(struct config_file **self) {
    struct config_file *file = *self;
    if (!file)
        return;
    while (file->blocks) {
        struct block *next = file->blocks->next;
        free(file->blocks);
        file->blocks = next;
    }
    free(file->lines.starts);
    buffer_destroy(&file->source);
    free(file->path);
    free(file);
    *self = NULL;
}

const struct config_node *config_root(const struct config_file *file) {
    return file->root;
}

const char *config_path(const struct config_file *file) {
    return file->path;
}

struct bytes config_source(const struct config_file *file) {
    return buffer_bytes(&file->source);
}

static void report_file(const char *path, struct report *report, const char *what, const char *why) {
    report_add(report, REPORT_ERROR, path, (struct bytes){0}, (struct mark){0}, 0, "%s%s%s", what,
        why ? ": " : "", why ? why : "");
}

static struct config_file *file_new(const char *path) {
    struct config_file *file = calloc(1, sizeof *file);
    size_t size = strlen(path) + 1;
    if (!file)
        return NULL;
    file->path = calloc(1, size);
    if (!file->path) {
        free(file);
        return NULL;
    }
    memcpy(file->path, path, size);
    return file;
}

// Takes the file, whose source is filled.
static struct config_file *parse_file(
    struct config_file *file, const struct config_limits *limits, struct report *report) {
    size_t errors = report_errors(report);
    struct bytes source = buffer_bytes(&file->source);
    int rc = 0;
    if (source.size > limits->bytes || source.size >= UINT32_MAX) {
        report_add(report, REPORT_ERROR, file->path, (struct bytes){0}, (struct mark){0}, 0,
            "the file is larger than %zu bytes", limits->bytes);
        rc = 1;
    }
    if (rc == 0 && !buffer_text(&file->source)) // also gives an empty source a place
        rc = -ENOMEM;
    source = buffer_bytes(&file->source);
    if (rc == 0)
        rc = source_scan(file->path, source, &file->lines, report);
    if (rc == 0)
        rc = parse_tree(file, limits, report);
    if (rc < 0)
        report_file(file->path, report, "out of memory", NULL);
    if (rc != 0 || report_errors(report) > errors)
        config_destroy(&file);
    return file;
}

struct config_file *config_parse(
    const char *path, struct bytes source, const struct config_limits *limits, struct report *report) {
    struct config_file *file = file_new(path);
    if (!file || buffer_append_bytes(&file->source, source) != 0) {
        report_file(path, report, "out of memory", NULL);
        config_destroy(&file);
        return NULL;
    }
    return parse_file(file, limits ? limits : &config_default_limits, report);
}

// 0 or a negative errno. Reads at most one byte more than the limit, which then is noticed.
static int read_all(int fd, size_t limit, struct buffer *out) {
    for (;;) {
        int rc = buffer_reserve(out, 16384);
        if (rc != 0)
            return rc;
        ssize_t n = read(fd, out->data + out->size, 16384);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        out->size += (size_t)n;
        if (n == 0 || out->size > limit)
            return 0;
    }
}

static int open_regular(const char *path) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // a FIFO must not block us
    if (fd < 0)
        return -errno;
    int rc = fstat(fd, &st) != 0 ? -errno : S_ISDIR(st.st_mode) ? -EISDIR : S_ISREG(st.st_mode) ? 0 : -ENXIO;
    if (rc == 0)
        return fd;
    close(fd);
    return rc;
}

struct config_file *config_load(const char *path, const struct config_limits *limits, struct report *report) {
    limits = limits ? limits : &config_default_limits;
    int fd = open_regular(path);
    if (fd < 0) {
        report_file(
            path, report, "cannot read the file", fd == -ENXIO ? "it is no regular file" : strerror(-fd));
        return NULL;
    }
    struct config_file *file = file_new(path);
    int rc = file ? read_all(fd, limits->bytes, &file->source) : -ENOMEM;
    close(fd);
    if (rc == 0)
        return parse_file(file, limits, report);
    report_file(path, report, "cannot read the file", strerror(-rc));
    config_destroy(&file);
    return NULL;
}
