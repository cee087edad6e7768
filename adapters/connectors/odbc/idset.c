#include "adapters/connectors/odbc/idset.h"

#include "core/base/varint.h"

#include <errno.h>
#include <stdlib.h>

void idset_init(struct idset *set) {
    *set = (struct idset){.floor = -1};
}

void idset_destroy(struct idset *set) {
    free(set->runs);
    idset_init(set);
}

void idset_clear(struct idset *set) {
    set->count = 0;
}

// The first run that ends at `id` or above; count when there is none.
static size_t run_at(const struct idset *set, int64_t id) {
    size_t low = 0, high = set->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (set->runs[middle].last < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool idset_has(const struct idset *set, int64_t id) {
    if (id <= set->floor)
        return true;
    size_t i = run_at(set, id);
    return i < set->count && set->runs[i].first <= id;
}

int64_t idset_highest(const struct idset *set) {
    return set->count ? set->runs[set->count - 1].last : set->floor;
}

static int make_room(struct idset *set) {
    if (set->count < set->capacity)
        return 0;
    size_t capacity = set->capacity ? set->capacity * 2 : 16;
    struct idset_run *runs = realloc(set->runs, capacity * sizeof *runs);
    if (!runs)
        return -ENOMEM;
    set->runs = runs;
    set->capacity = capacity;
    return 0;
}

static void remove_run(struct idset *set, size_t i) {
    memmove(&set->runs[i], &set->runs[i + 1], (set->count - i - 1) * sizeof *set->runs);
    set->count--;
}

static int insert_run(struct idset *set, size_t i, struct idset_run run) {
    if (make_room(set))
        return -ENOMEM;
    memmove(&set->runs[i + 1], &set->runs[i], (set->count - i) * sizeof *set->runs);
    set->runs[i] = run;
    set->count++;
    return 0;
}

int idset_add(struct idset *set, int64_t id, uint64_t now_ns) {
    if (idset_has(set, id))
        return 0;
    size_t i = run_at(set, id); // the run behind
    bool joins_before = i > 0 && set->runs[i - 1].last == id - 1;
    bool joins_behind = i < set->count && set->runs[i].first == id + 1;
    if (joins_before && joins_behind) {
        set->runs[i - 1].last = set->runs[i].last;
        remove_run(set, i);
    } else if (joins_before) {
        set->runs[i - 1].last = id;
    } else if (joins_behind) {
        set->runs[i].first = id; // `since` stays: what lies before was under way then
    } else {
        return insert_run(set, i, (struct idset_run){.first = id, .last = id, .since_ns = now_ns});
    }
    return 0;
}

void idset_remove_last(struct idset *set, int64_t id) {
    size_t i = run_at(set, id);
    if (i == set->count || set->runs[i].first > id)
        return;
    struct idset_run *run = &set->runs[i];
    if (run->first == id && run->last == id)
        remove_run(set, i);
    else if (run->last == id)
        run->last--;
    else if (run->first == id)
        run->first++;
    else { // without memory what is behind is given again, and the bus drops what it knows
        struct idset_run behind = {.first = id + 1, .last = run->last, .since_ns = run->since_ns};
        run->last = id - 1;
        (void)insert_run(set, i + 1, behind);
    }
}

void idset_raise(struct idset *set, uint64_t now_ns, uint64_t grace_ns) {
    size_t done = 0;
    while (done < set->count &&
           (set->runs[done].first == set->floor + 1 || now_ns - set->runs[done].since_ns >= grace_ns))
        set->floor = set->runs[done++].last;
    if (done == 0)
        return;
    memmove(set->runs, set->runs + done, (set->count - done) * sizeof *set->runs);
    set->count -= done;
}

// ---- As bytes: floor + 1, then of each run the distance from the end of the one before and its length - 1
// ----

static int put(struct buffer *out, uint64_t value) {
    uint8_t bytes[VARINT_SIZE];
    return buffer_append(out, bytes, varint_put(bytes, value));
}

int idset_write(const struct idset *set, struct buffer *out) {
    size_t before = out->size;
    int rc = put(out, (uint64_t)(set->floor + 1));
    int64_t end = set->floor;
    for (size_t i = 0; i < set->count && rc == 0; i++) {
        rc = put(out, (uint64_t)(set->runs[i].first - end));
        if (!rc)
            rc = put(out, (uint64_t)(set->runs[i].last - set->runs[i].first));
        end = set->runs[i].last;
    }
    if (rc)
        out->size = before;
    return rc;
}

static bool read_run(struct idset *set, struct bytes *rest, int64_t *end, uint64_t now_ns) {
    uint64_t distance, length;
    int64_t first, last;
    if (!varint_get(rest, &distance) || !varint_get(rest, &length) || distance == 0 || distance > INT64_MAX ||
        length > INT64_MAX || __builtin_add_overflow(*end, (int64_t)distance, &first) ||
        __builtin_add_overflow(first, (int64_t)length, &last))
        return false;
    *end = last;
    return insert_run(set, set->count, (struct idset_run){first, last, now_ns}) == 0;
}

bool idset_read(struct idset *set, struct bytes bytes, uint64_t now_ns) {
    struct idset read;
    struct bytes rest = bytes;
    uint64_t floor;
    if (!varint_get(&rest, &floor) || floor > INT64_MAX)
        return false;
    idset_init(&read);
    read.floor = (int64_t)floor - 1;
    int64_t end = read.floor;
    while (rest.size > 0)
        if (!read_run(&read, &rest, &end, now_ns)) {
            idset_destroy(&read);
            return false;
        }
    idset_destroy(set);
    *set = read;
    return true;
}
