// The rejects file: what of a file was unusable, for the people who own it. CSV in the encoding of its file,
// with the line number, the reason and the row as it came. Its size goes along in the position of the source,
// so that a row that is read again after a crash is not in it twice.
#pragma once

#include "adapters/connectors/file/csv.h"

struct rejects;

// Opens nothing yet; the file appears with the first row. `path` is copied; what lies behind `size` is cut
// off at open. 0 and `*out` owned, negative.
int rejects_open(const char *path, uint64_t size, struct rejects **out, struct error *error);
void rejects_destroy(struct rejects **self);

int rejects_add(struct rejects *rejects, const struct charset *charset, uint64_t line, const char *reason,
    struct bytes row, struct error *error);
// What was added is durable when it returns 0. Call before a position with this size is stored.
int rejects_sync(struct rejects *rejects, struct error *error);
uint64_t rejects_size(const struct rejects *rejects);
