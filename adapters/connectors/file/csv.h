// Delimited text (RFC 4180 with any one-character delimiter, CRLF or LF): where a record ends in the bytes of
// a file, its fields in UTF-8, and writing. A quote opens only at the start of a field; elsewhere it is a
// plain character.
#pragma once

#include "adapters/connectors/file/charset.h"

struct csv_dialect {
    char delimiter; // ASCII
    bool quotes;    // false: a quote is a plain character everywhere, and no field holds a line end
};

enum {
    CSV_MORE = 1, // the record goes on behind the bytes given
    CSV_BAD = 2,  // the text says why; the rest of the file can be read
};

// The record at the start of `bytes` (still in its encoding): `*text` bytes, and `*whole` with its line end.
// CSV_MORE when `last` is false and it isn't whole. CSV_BAD for a quote that is never closed: the sizes are
// those of the first line, so that one stray quote costs one line and not the rest of the file.
int csv_extent(const struct charset *charset, const struct csv_dialect *dialect, struct bytes bytes,
    bool last, size_t *text, size_t *whole, struct error *error);

// The fields of a record, borrowed until the next call.
struct csv_row {
    struct bytes *values; // owned
    size_t count;
    size_t capacity;
    struct buffer unquoted; // owned
};
#define CSV_FIELDS 4096 // of a record, at most

// Splits a record (UTF-8, without its line end). 0, CSV_BAD, -ENOMEM.
int csv_split(
    const struct csv_dialect *dialect, struct bytes record, struct csv_row *row, struct error *error);
int csv_row_add(
    struct csv_row *row, struct bytes value, struct error *error); // 0, CSV_BAD (too many), -ENOMEM
void csv_row_destroy(struct csv_row *row);

// Appends a field in quotes where it needs them (`value` in the file's encoding). Without quotes in the
// dialect a value with a delimiter or a line end is CSV_BAD.
int csv_put(const struct csv_dialect *dialect, const struct charset *charset, struct bytes value,
    struct buffer *out, struct error *error);
