// What a record of the broker's journal says, without what it holds of persons: ids, types, routes and sizes,
// never a subject or a payload.
#pragma once

#include "core/journal/journal.h"

#include <jansson.h>

// Returns owned an object, or NULL without memory. A body that is not what its kind says gives "unreadable":
// true.
json_t *record_describe(const struct journal_record *record);
const char *record_kind_name(uint8_t kind); // "message"; NULL when unknown
bool record_kind_parse(const char *name, uint8_t *kind);
// One line of a description: sequence, time and kind by themselves, the others as key=value.
void record_print(const json_t *description, FILE *to);
