// SQL with named parameters, `:name`, to what ODBC takes: `?`, with the name of each. Quoted texts, comments
// and `::` casts stay as they are.
#pragma once

#include "core/base/buffer.h"

struct sql_parameter {
    struct bytes name; // in the source
    size_t offset;     // of the colon
};

struct sql_text {
    char *text;                       // owned: with ? for each parameter
    struct sql_parameter *parameters; // owned, in order
    size_t count;
};

int sql_parse(struct bytes source, struct sql_text *out); // 0, -ENOMEM; `source` is borrowed
void sql_destroy(struct sql_text *sql);
