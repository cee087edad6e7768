#include "core/cel/zone.h"

#include "core/cel/suggest.h"
#include "core/cel/zone_rule.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct zone {
    size_t count;
    const int64_t *times;   // of changes, rising
    const int32_t *offsets; // count + 1: before the first change, and behind each
    struct zone_rule rule;  // behind the last
    bool ruled;
};

int32_t zone_offset(const struct zone *zone, int64_t seconds) {
    size_t low = 0;
    size_t high = zone->count;
    while (low < high) { // the number of changes up to `seconds`
        size_t middle = (low + high) / 2;
        if (zone->times[middle] <= seconds)
            low = middle + 1;
        else
            high = middle;
    }
    return zone->ruled && low == zone->count ? zone_rule_offset(&zone->rule, seconds) : zone->offsets[low];
}

// ---- Files ----

#define HEADER ((size_t)44)

struct header {
    uint32_t utc, standard, leap, times, types, characters;
    size_t time_size; // 4 in the first block, 8 in the second
};

static uint32_t be32(const uint8_t *from) {
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

static int64_t time_at(const uint8_t *from, size_t size) {
    if (size == 4)
        return (int32_t)be32(from);
    return (int64_t)((uint64_t)be32(from) << 32 | be32(from + 4));
}

static bool read_header(struct bytes file, size_t time_size, struct header *out) {
    if (file.size < HEADER || memcmp(file.data, "TZif", 4) != 0)
        return false;
    const uint8_t *p = file.data + 20;
    *out = (struct header){.utc = be32(p),
        .standard = be32(p + 4),
        .leap = be32(p + 8),
        .times = be32(p + 12),
        .types = be32(p + 16),
        .characters = be32(p + 20),
        .time_size = time_size};
    return true;
}

// Bytes behind the header; each count is below 2^32, so that nothing overflows.
static uint64_t body_size(const struct header *h) {
    return (uint64_t)h->times * (h->time_size + 1) + (uint64_t)h->types * 6 + h->characters +
           (uint64_t)h->leap * (h->time_size + 4) + h->standard + h->utc;
}

// False where it is damaged.
static bool read_changes(const struct header *h, const uint8_t *body, int64_t *times, int32_t *offsets) {
    const uint8_t *indexes = body + h->times * h->time_size;
    const uint8_t *types = indexes + h->times;
    for (size_t i = 0; i <= h->times; i++) {
        size_t type = i ? indexes[i - 1] : 0; // the first type is that before the first change
        if (type >= h->types)
            return false;
        offsets[i] = (int32_t)be32(types + 6 * type);
        if (offsets[i] < -26 * 3600 || offsets[i] > 26 * 3600)
            return false;
        if (i < h->times)
            times[i] = time_at(body + i * h->time_size, h->time_size);
        if (i > 0 && i < h->times && times[i] <= times[i - 1])
            return false;
    }
    return true;
}

// "\nRULE\n" behind the second block; an empty one says nothing.
static bool read_footer(struct bytes rest, struct zone *zone) {
    const uint8_t *end = rest.size > 0 ? memchr(rest.data + 1, '\n', rest.size - 1) : NULL;
    if (!end || rest.data[0] != '\n')
        return false;
    struct bytes rule = bytes_of(rest.data + 1, (size_t)(end - rest.data) - 1);
    zone->ruled = rule.size > 0;
    return !zone->ruled || zone_rule_parse(rule, &zone->rule);
}

static int damaged(struct error *error) {
    return error_set(error, -EINVAL, "it is no time zone file (TZif), or damaged");
}

int zone_parse(struct arena *arena, struct bytes file, const struct zone **out, struct error *error) {
    struct header h;
    if (!read_header(file, 4, &h))
        return damaged(error);
    bool second = file.data[4] >= '2';
    if (second) { // the first block is for programs of before 2005
        uint64_t first = HEADER + body_size(&h);
        if (first > file.size)
            return damaged(error);
        file = bytes_of(file.data + first, file.size - first);
        if (!read_header(file, 8, &h))
            return damaged(error);
    }
    if (h.types == 0 || body_size(&h) > file.size - HEADER)
        return damaged(error);
    if (h.leap > 0)
        return error_set(error, -EINVAL, "its clock counts leap seconds, which timestamps here don't have");
    struct zone *zone = arena_alloc(arena, sizeof *zone);
    int64_t *times = zone ? arena_alloc(arena, (h.times + 1) * sizeof *times) : NULL;
    int32_t *offsets = times ? arena_alloc(arena, (h.times + 1) * sizeof *offsets) : NULL;
    if (!offsets)
        return error_no_memory(error);
    *zone = (struct zone){.count = h.times, .times = times, .offsets = offsets};
    size_t body = (size_t)body_size(&h);
    if (!read_changes(&h, file.data + HEADER, times, offsets) ||
        (second && !read_footer(bytes_of(file.data + HEADER + body, file.size - HEADER - body), zone)))
        return damaged(error);
    *out = zone;
    return 0;
}

// ---- Names ----

bool zone_name_valid(struct bytes name) {
    bool before = false; // a character that may stand before a slash, or at the end
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        bool plain = letter || (c >= '0' && c <= '9') || c == '_' || c == '+' || c == '-';
        if (!plain && (c != '/' || !before))
            return false;
        before = plain;
    }
    return before && name.size < ZONE_NAME_SIZE;
}

// The whole file, at most `limit` bytes; returns owned, or NULL with the errno in `*rc`.
static char *read_file(const char *path, size_t limit, size_t *size, int *rc) {
    FILE *file = fopen(path, "rbe");
    char *data = file ? malloc(limit + 1) : NULL;
    *rc = file ? -ENOMEM : -errno;
    if (data) {
        *size = fread(data, 1, limit, file);
        *rc = ferror(file) ? -errno : 0;
        data[*size] = '\0';
    }
    if (file)
        fclose(file);
    if (data && *rc != 0) {
        free(data);
        data = NULL;
    }
    return data;
}

// Lines of tzdata.zi: "Z Asia/Shanghai …" names a zone, "L Asia/Shanghai PRC" another name for one.
static const char *name_in(char *line) {
    char *save;
    const char *kind = strtok_r(line, " ", &save);
    const char *first = kind ? strtok_r(NULL, " ", &save) : NULL;
    const char *second = first ? strtok_r(NULL, " ", &save) : NULL;
    if (!first || (strcmp(kind, "Z") != 0 && strcmp(kind, "L") != 0))
        return NULL;
    return *kind == 'Z' ? first : second;
}

static int unknown(const char *folder, struct bytes name, struct error *error) {
    char path[512];
    char suggestion[SUGGEST_SIZE] = "";
    char *save;
    size_t size;
    int rc;
    if (access(folder, X_OK) != 0)
        return error_set(error, -ENOENT,
            "named time zones need %s, which can't be read (%s): install the package tzdata", folder,
            strerror(errno));
    snprintf(path, sizeof path, "%s/tzdata.zi", folder);
    char *list = read_file(path, (size_t)1 << 20, &size, &rc);
    struct nearest nearest = nearest_start(name);
    for (char *line = list ? strtok_r(list, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save)) {
        const char *candidate = name_in(line);
        if (candidate)
            nearest_offer(&nearest, candidate);
    }
    suggest_text(&nearest, "\"", "\"", suggestion);
    rc = error_set(error, -ENOENT, "there is no time zone \"%.*s\"%s", BYTES_ARGS(name),
        suggestion[0] ? suggestion
                      : "; one is \"UTC\", an offset such as \"+08:00\" or a name such as \"Asia/Shanghai\"");
    free(list);
    return rc;
}

int zone_load(struct arena *arena, const char *folder, struct bytes name, const struct zone **out,
    struct error *error) {
    char path[512];
    size_t size;
    int rc;
    if (!zone_name_valid(name))
        return unknown(
            folder, bytes_of(name.data, name.size < ZONE_NAME_SIZE ? name.size : ZONE_NAME_SIZE), error);
    snprintf(path, sizeof path, "%s/%.*s", folder, BYTES_ARGS(name));
    char *data = read_file(path, ZONE_FILE_SIZE, &size, &rc);
    if (rc == -ENOENT || rc == -ENOTDIR || rc == -EISDIR)
        return unknown(folder, name, error);
    if (!data)
        return error_set(error, rc, "%s can't be read: %s", path, strerror(-rc));
    rc = zone_parse(arena, bytes_of(data, size), out, error);
    free(data);
    return rc == -EINVAL ? error_prefix(error, "the time zone \"%.*s\": ", BYTES_ARGS(name)) : rc;
}
