// Reads the records of one file from any position, in bounded memory: delimited lines or fixed widths, to
// UTF-8 values.
#pragma once

#include "adapters/connectors/file/csv.h"

enum format_name {
    FORMAT_CSV,
    FORMAT_TSV,
    FORMAT_FIXED,
};

struct format {
    enum format_name name;
    enum charset_name charset;
    struct csv_dialect dialect;
    size_t record_limit;  // bytes of a record
    const size_t *widths; // FIXED: bytes of each column, in order; borrowed
    size_t width_count;
};

// A place between two records.
struct place_in_file {
    uint64_t offset; // bytes from the start
    uint64_t line;   // of the record there, from 1
};

// Borrowed until the next call.
struct record {
    struct place_in_file at;
    struct place_in_file next;
    struct bytes raw; // as it came, without its line end; at most record_limit bytes of it
    const struct bytes *values;
    size_t count;
};

enum {
    // Apart from the codes of a connector, for a row is read and given in one step.
    READER_END = 41,
    READER_BAD = 42, // this record is unusable: `at`, `next`, `raw` are set, the text says why; reading goes
                     // on behind it
};

struct file_reader;

// `format` is borrowed. 0 and `*out` owned; negative (-ENOENT …).
int file_reader_open(const struct format *format, const char *path, struct place_in_file from,
    struct file_reader **out, struct error *error);
void file_reader_destroy(struct file_reader **self);

// Reads the next record; lines without any character are passed over. 0, READER_END, READER_BAD, negative.
int file_reader_next(struct file_reader *reader, struct record *out, struct error *error);
// The next record is read from here.
void file_reader_seek(struct file_reader *reader, struct place_in_file to);
const struct charset *file_reader_charset(const struct file_reader *reader);
