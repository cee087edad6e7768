// The file of rows that could not become a message, for the people who own the data: one JSON object a line
// with time, place, reason and the row as the database had it. Readable by the adapter's user only. After a
// crash a row may be in it twice.
#pragma once

#include "core/base/buffer.h"
#include "core/base/error.h"

struct refused_file;

struct refused_value {
    const char *name;
    struct bytes text; // data NULL: NULL
};

// Opens nothing yet: the file appears with the first row. `path` is copied. Returns owned or NULL.
struct refused_file *refused_file_new(const char *path);
void refused_file_destroy(struct refused_file **self);
int refused_file_add(struct refused_file *file, const char *place, const char *reason,
    const struct refused_value *values, size_t count, struct error *error);
int refused_file_sync(struct refused_file *file, struct error *error); // durable when it returns 0
