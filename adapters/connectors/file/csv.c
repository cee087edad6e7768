#include "adapters/connectors/file/csv.h"

#include <errno.h>
#include <stdlib.h>

// Where a scan is within a record.
enum place {
    AT_START, // of a field
    PLAIN,
    QUOTED,
    AFTER_QUOTE, // a quote within a quoted field: its end, or the first of two
};

static enum place step(const struct csv_dialect *dialect, enum place place, char c) {
    if (place == QUOTED)
        return c == '"' ? AFTER_QUOTE : QUOTED;
    if (place == AFTER_QUOTE && c == '"')
        return QUOTED;
    if (c == dialect->delimiter)
        return AT_START;
    return place == AT_START && c == '"' && dialect->quotes ? QUOTED : PLAIN;
}

static void first_line(struct bytes bytes, size_t *text, size_t *whole) {
    const uint8_t *end = bytes.size ? memchr(bytes.data, '\n', bytes.size) : NULL;
    size_t size = end ? (size_t)(end - bytes.data) : bytes.size;
    *whole = end ? size + 1 : size;
    *text = end && size && bytes.data[size - 1] == '\r' ? size - 1 : size;
}

int csv_extent(const struct charset *charset, const struct csv_dialect *dialect, struct bytes bytes,
    bool last, size_t *text, size_t *whole, struct error *error) {
    enum place place = AT_START;
    for (size_t i = 0; i < bytes.size;) {
        char c = (char)bytes.data[i];
        if (c == '\n' && place != QUOTED) {
            *whole = i + 1;
            *text = i && bytes.data[i - 1] == '\r' ? i - 1 : i;
            return 0;
        }
        // A byte of a longer character may look like the delimiter, never like a quote or a line end.
        size_t length = c & 0x80 ? charset_step(charset, bytes_of(bytes.data + i, bytes.size - i)) : 1;
        place = step(dialect, place, length == 1 ? c : 'x');
        i += length;
    }
    if (!last)
        return CSV_MORE;
    if (place == QUOTED) {
        first_line(bytes, text, whole);
        return error_set(error, CSV_BAD, "a quote is never closed");
    }
    *text = *whole = bytes.size;
    return 0;
}

int csv_row_add(struct csv_row *row, struct bytes value, struct error *error) {
    if (row->count == CSV_FIELDS)
        return error_set(error, CSV_BAD, "more than %d fields", CSV_FIELDS);
    if (row->count == row->capacity) {
        size_t capacity = row->capacity ? row->capacity * 2 : 32;
        struct bytes *values = realloc(row->values, capacity * sizeof *values);
        if (!values)
            return error_no_memory(error);
        row->values = values;
        row->capacity = capacity;
    }
    row->values[row->count++] = value;
    return 0;
}

// A quoted field from behind its first quote; `*next`: behind its last. Its text is collected in
// row->unquoted, which has room for the whole record and so never moves.
static int quoted_field(
    struct bytes record, size_t at, struct csv_row *row, size_t *next, struct error *error) {
    size_t start = row->unquoted.size;
    for (;;) {
        const uint8_t *quote = memchr(record.data + at, '"', record.size - at);
        if (!quote)
            return error_set(error, CSV_BAD, "a quote is never closed");
        size_t end = (size_t)(quote - record.data);
        bool doubled = end + 1 < record.size && record.data[end + 1] == '"';
        int rc = buffer_append(&row->unquoted, record.data + at, end - at + (doubled ? 1 : 0));
        if (rc != 0)
            return error_no_memory(error);
        at = end + (doubled ? 2 : 1);
        if (!doubled)
            break;
    }
    *next = at;
    return csv_row_add(row, bytes_of(row->unquoted.data + start, row->unquoted.size - start), error);
}

static int plain_field(const struct csv_dialect *dialect, struct bytes record, size_t at, struct csv_row *row,
    size_t *next, struct error *error) {
    const uint8_t *from = record.data + at;
    const uint8_t *end = at < record.size ? memchr(from, dialect->delimiter, record.size - at) : NULL;
    size_t size = end ? (size_t)(end - from) : record.size - at;
    *next = at + size;
    return csv_row_add(row, bytes_of(from, size), error);
}

int csv_split(
    const struct csv_dialect *dialect, struct bytes record, struct csv_row *row, struct error *error) {
    static const uint8_t empty[1];
    if (!record.data)
        record.data = empty;
    row->count = 0;
    buffer_clear(&row->unquoted);
    if (buffer_reserve(&row->unquoted, record.size + 1) != 0)
        return error_no_memory(error);
    for (size_t at = 0;; at++) {
        bool quoted = dialect->quotes && at < record.size && record.data[at] == '"';
        int rc = quoted ? quoted_field(record, at + 1, row, &at, error)
                        : plain_field(dialect, record, at, row, &at, error);
        if (rc != 0)
            return rc;
        if (at == record.size)
            return 0;
        if (record.data[at] != (uint8_t)dialect->delimiter)
            return error_set(error, CSV_BAD, "field %zu goes on behind its closing quote", row->count);
    }
}

void csv_row_destroy(struct csv_row *row) {
    free(row->values);
    buffer_destroy(&row->unquoted);
    *row = (struct csv_row){0};
}

static bool needs_quotes(
    const struct csv_dialect *dialect, const struct charset *charset, struct bytes value) {
    if (value.size && value.data[0] == '"' && dialect->quotes)
        return true;
    for (size_t i = 0; i < value.size;) {
        char c = (char)value.data[i];
        size_t length = c & 0x80 ? charset_step(charset, bytes_of(value.data + i, value.size - i)) : 1;
        if (length == 1 &&
            (c == dialect->delimiter || c == '\n' || c == '\r' || (c == '"' && dialect->quotes)))
            return true;
        i += length;
    }
    return false;
}

int csv_put(const struct csv_dialect *dialect, const struct charset *charset, struct bytes value,
    struct buffer *out, struct error *error) {
    if (!needs_quotes(dialect, charset, value))
        return buffer_append_bytes(out, value) ? error_no_memory(error) : 0;
    if (!dialect->quotes)
        return error_set(error, CSV_BAD, "holds a delimiter or a line end, and this format has no quotes");
    int rc = buffer_append_byte(out, '"');
    for (size_t i = 0; i < value.size && rc == 0; i++) {
        rc = buffer_append_byte(out, value.data[i]);
        if (rc == 0 && value.data[i] == '"')
            rc = buffer_append_byte(out, '"');
    }
    if (rc == 0)
        rc = buffer_append_byte(out, '"');
    return rc ? error_no_memory(error) : 0;
}
