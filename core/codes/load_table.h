// The table file of a large code list: TSV, UTF-8, "#" comments, a header line with code and name, and
// optionally from, until, replaced_by; dates as YYYY-MM-DD. Private to codes_load().
#pragma once

#include "core/codes/codes.h"
#include "core/config/report.h"

#define LOAD_TABLE_BYTES ((size_t)16 << 20)

// Adds all rows to `list`; problems, with their places, go to the report. 0, -EINVAL (the report has why),
// -ENOMEM.
int load_table(struct code_list *list, const char *path, struct report *report);
