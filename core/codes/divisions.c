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

// The digits that matter: without the 00 for all of a province or city.
static struct bytes significant(struct bytes code) {
    while (code.size > 2 && code.size <= COUNTY_SIZE && memcmp(code.data + code.size - 2, "00", 2) == 0)
        code.size -= 2;
    return code;
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
