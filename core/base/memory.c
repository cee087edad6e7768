#include "core/base/memory.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct mapping {
    uintptr_t start;
    uintptr_t end;
    bool droppable; // a file's, not writable
};

// "start-end perms offset device inode   path" begins a mapping; any other line says something of it.
static bool parse_head(const char *line, struct mapping *out) {
    char *rest;
    uintptr_t start = strtoul(line, &rest, 16);
    if (rest == line || *rest != '-')
        return false;
    const char *second = rest + 1;
    uintptr_t end = strtoul(second, &rest, 16);
    if (rest == second || *rest != ' ')
        return false;
    *out = (struct mapping){.start = start, .end = end};
    out->droppable = rest[1] == 'r' && rest[2] == '-' && rest[4] == 'p' && strchr(rest, '/') != NULL;
    return true;
}

// Pages that were written once, such as relocations, are "Anonymous": a mapping with any of them is left
// alone.
static size_t drop(const struct mapping *mapping, const char *line) {
    static const char key[] = "Anonymous:";
    if (!mapping->droppable || strncmp(line, key, sizeof key - 1) != 0 ||
        strtoul(line + sizeof key - 1, NULL, 10) != 0)
        return 0;
    size_t size = mapping->end - mapping->start;
    // NOLINTNEXTLINE(performance-no-int-to-ptr): the kernel says where
    return madvise((void *)mapping->start, size, MADV_DONTNEED) == 0 ? size : 0;
}

void memory_trim(void) {
    malloc_trim(0);
}

size_t memory_settle(void) {
    memory_trim();
    FILE *file = fopen("/proc/self/smaps", "re");
    if (!file)
        return 0;
    char line[4352];
    struct mapping mapping = {0};
    struct mapping next;
    size_t dropped = 0;
    while (fgets(line, sizeof line, file)) {
        if (parse_head(line, &next))
            mapping = next;
        else
            dropped += drop(&mapping, line);
    }
    fclose(file);
    return dropped;
}
