// Where each partition that is read has got to, and its form as the source's position (4 KiB at most).
#pragma once

#include "core/base/buffer.h"

#define OFFSETS_SIZE_LIMIT ((size_t)4096)
#define OFFSET_NONE ((int64_t)-1)

struct offset {
    char *topic; // owned
    int32_t partition;
    int64_t next; // the first that was not taken
};

struct offsets { // zero-initialised it is empty
    struct offset *items;
    size_t count;
    size_t capacity;
};

int64_t offsets_get(const struct offsets *offsets, const char *topic, int32_t partition); // or OFFSET_NONE
int offsets_set(struct offsets *offsets, const char *topic, int32_t partition, int64_t next); // 0, -ENOMEM
void offsets_remove(struct offsets *offsets, const char *topic, int32_t partition);
int offsets_write(const struct offsets *offsets, struct buffer *out); // appended; 0, -ENOMEM, -EMSGSIZE
int offsets_read(struct offsets *offsets, struct bytes bytes);        // replaces; 0, -EINVAL, -ENOMEM
void offsets_destroy(struct offsets *offsets);
