#include "core/codes/divisions.h"

enum {
    COUNTY_SIZE = 6,
    SUCCESSION_LIMIT = 16, // changes in a row: more is a loop in the data
};

bool division_well_formed(struct bytes code) {
    for (size_t i = 0; i < code.size; i++)
        if (code.data[i] < '0' || code.data[i] > '9')
            return false;
    return code.size == 2 || code.size == 4 || code.size == 6 || code.size == 9 || code.size == 12;
}

// The digits that matter: without the zeros for all of a town, county, city or province.
static struct bytes significant(struct bytes code) {
    while (code.size > COUNTY_SIZE && memcmp(code.data + code.size - 3, "000", 3) == 0)
        code.size -= 3;
    while (code.size > 2 && code.size <= COUNTY_SIZE && memcmp(code.data + code.size - 2, "00", 2) == 0)
        code.size -= 2;
    return code;
}

unsigned division_level(struct bytes code) {
    size_t size = division_well_formed(code) ? significant(code).size : 0;
    return size == 12 ? 5 : size == 9 ? 4 : (unsigned)size / 2;
}

size_t division_parent(struct bytes code, char out[DIVISION_SIZE]) {
    unsigned level = division_level(code);
    struct bytes head = significant(code);
    if (level < 2)
        return 0;
    size_t kept = level > 3 ? head.size - 3 : head.size - 2;
    size_t size = kept < COUNTY_SIZE && code.size >= COUNTY_SIZE ? COUNTY_SIZE : kept;
    memset(out, '0', size);
    memcpy(out, head.data, kept);
    return size;
}

bool division_within(struct bytes code, struct bytes ancestor) {
    if (!division_well_formed(code) || !division_well_formed(ancestor))
        return false;
    struct bytes head = significant(ancestor);
    return code.size >= head.size && memcmp(code.data, head.data, head.size) == 0;
}

bool division_known(const struct code_list *list, struct bytes code, int64_t time) {
    if (!division_well_formed(code) || code.size < COUNTY_SIZE)
        return false;
    return code_list_contains(list, bytes_of(code.data, COUNTY_SIZE), time);
}

const struct code_entry *division_successor(const struct code_list *list, struct bytes code, int64_t time) {
    const struct code_entry *entry = code_list_find(list, code, time);
    for (int i = 0; entry && i < SUCCESSION_LIMIT; i++) {
        if (entry->until == CODES_ALWAYS_UNTIL)
            return entry;
        if (entry->replaced_by.size == 0)
            return NULL;
        entry = code_list_find(list, entry->replaced_by, entry->until);
    }
    return NULL;
}
