#include "adapters/connectors/file/file_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#define READ_AHEAD ((size_t)64 << 10)

struct file_reader {
    const struct format *format;
    struct charset *charset;
    int fd;
    struct place_in_file next;
    struct buffer window; // bytes of the file from window_offset on
    uint64_t window_offset;
    bool at_end;        // the window reaches to the end of the file
    struct buffer text; // the record in UTF-8
    struct csv_row row;
};

int file_reader_open(const struct format *format, const char *path, struct place_in_file from,
    struct file_reader **out, struct error *error) {
    struct file_reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return error_no_memory(error);
    *reader = (struct file_reader){.format = format, .next = from, .window_offset = from.offset};
    reader->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    int rc = reader->fd < 0 ? error_set(error, -errno, "%s: %s", path, strerror(errno)) : 0;
    if (rc == 0) {
        reader->charset = charset_new(format->charset);
        rc = reader->charset
                 ? 0
                 : error_set(error, -ENOMEM, "no converter for %s", charset_names[format->charset]);
    }
    if (rc != 0) {
        file_reader_destroy(&reader);
        return rc;
    }
    *out = reader;
    return 0;
}

void file_reader_destroy(struct file_reader **self) {
    struct file_reader *reader = *self;
    *self = NULL;
    if (!reader)
        return;
    if (reader->fd >= 0)
        close(reader->fd);
    charset_destroy(&reader->charset);
    buffer_destroy(&reader->window);
    buffer_destroy(&reader->text);
    csv_row_destroy(&reader->row);
    free(reader);
}

const struct charset *file_reader_charset(const struct file_reader *reader) {
    return reader->charset;
}

void file_reader_seek(struct file_reader *reader, struct place_in_file to) {
    reader->next = to;
}

// What was read of the file from the next record on.
static struct bytes pending(const struct file_reader *reader) {
    size_t start = (size_t)(reader->next.offset - reader->window_offset);
    if (reader->window.size == start)
        return (struct bytes){0};
    return bytes_of(reader->window.data + start, reader->window.size - start);
}

// Starts the window anew when the next record lies outside of it.
static void find_window(struct file_reader *reader) {
    uint64_t at = reader->next.offset;
    if (at >= reader->window_offset && at <= reader->window_offset + reader->window.size)
        return;
    reader->window.size = 0;
    reader->window_offset = at;
    reader->at_end = false;
}

static int read_more(struct file_reader *reader, struct error *error) {
    struct buffer *window = &reader->window;
    struct bytes keep = pending(reader);
    if (keep.size < window->size) { // drops what lies before the next record
        if (keep.size)
            memmove(window->data, keep.data, keep.size);
        window->size = keep.size;
        reader->window_offset = reader->next.offset;
    }
    if (buffer_reserve(window, READ_AHEAD) != 0)
        return error_no_memory(error);
    off_t from = (off_t)(reader->window_offset + window->size);
    ssize_t n = pread(reader->fd, window->data + window->size, READ_AHEAD, from);
    if (n < 0)
        return errno == EINTR ? 0 : error_set(error, -errno, "reading: %s", strerror(errno));
    window->size += (size_t)n;
    reader->at_end = n == 0;
    return 0;
}

// What the start of the window is: 0 a record, CSV_BAD, CSV_MORE.
static int extent(const struct file_reader *reader, size_t *text, size_t *whole, struct error *error) {
    const struct format *format = reader->format;
    struct csv_dialect dialect = format->dialect;
    if (format->name == FORMAT_FIXED)
        dialect.quotes = false;
    struct bytes bytes = pending(reader);
    int rc = csv_extent(reader->charset, &dialect, bytes, reader->at_end, text, whole, error);
    if (rc == CSV_MORE && bytes.size > format->record_limit) {
        // Too long, unless it is a stray quote that swallows the lines after it: then only its own line is
        // lost.
        const uint8_t *end = memchr(bytes.data, '\n', bytes.size);
        *whole = end ? (size_t)(end - bytes.data) + 1 : 0;
        *text = end ? *whole - 1 : format->record_limit;
        return error_set(error, CSV_BAD,
            end ? "a quote isn't closed within %zu bytes" : "longer than %zu bytes", format->record_limit);
    }
    if (rc == 0 && *text > format->record_limit)
        return error_set(error, CSV_BAD, "longer than %zu bytes", format->record_limit);
    return rc;
}

// Passes over the rest of a line that is longer than the window may be.
static int skip_line(struct file_reader *reader, struct error *error) {
    for (;;) {
        struct bytes bytes = pending(reader);
        const uint8_t *end = bytes.size ? memchr(bytes.data, '\n', bytes.size) : NULL;
        reader->next.offset += end ? (size_t)(end - bytes.data) + 1 : bytes.size;
        if (end || reader->at_end)
            return 0;
        int rc = read_more(reader, error);
        if (rc != 0)
            return rc;
    }
}

static uint64_t count_lines(struct bytes bytes) {
    uint64_t n = 0;
    for (size_t i = 0; i < bytes.size; i++)
        n += bytes.data[i] == '\n';
    return n;
}

// "line 12, column 7 (byte 9)": where byte `at` of the record lies.
static int bad_byte(
    const struct file_reader *reader, const struct record *record, size_t at, struct error *error) {
    uint64_t line = record->at.line;
    size_t start = 0;
    for (size_t i = 0; i < at; i++)
        if (record->raw.data[i] == '\n') {
            line++;
            start = i + 1;
        }
    size_t column = 1;
    for (size_t i = start; i < at; column++)
        i += charset_step(reader->charset, bytes_of(record->raw.data + i, at - i));
    error_prefix(error, "line %llu, column %zu (byte %zu of the line): ", (unsigned long long)line, column,
        at - start + 1);
    return READER_BAD;
}

static int split_delimited(struct file_reader *reader, struct record *record, struct error *error) {
    buffer_clear(&reader->text);
    size_t at = 0;
    int rc = charset_decode(reader->charset, record->raw, &reader->text, &at, error);
    if (rc == CHARSET_BAD)
        return bad_byte(reader, record, at, error);
    if (rc == 0)
        rc = csv_split(&reader->format->dialect, buffer_bytes(&reader->text), &reader->row, error);
    return rc == CSV_BAD ? READER_BAD : rc;
}

static struct bytes trimmed(struct bytes value) {
    while (value.size && value.data[value.size - 1] == ' ')
        value.size--;
    while (value.size && value.data[0] == ' ') {
        value.data++;
        value.size--;
    }
    return value;
}

// One column after the other is decoded by itself, so that a character cut in two by a width is found where
// it is.
static int split_fixed(struct file_reader *reader, struct record *record, struct error *error) {
    const struct format *format = reader->format;
    size_t want = 0;
    for (size_t i = 0; i < format->width_count; i++)
        want += format->widths[i];
    if (record->raw.size != want)
        return error_set(error, READER_BAD, "%zu bytes, the columns need %zu", record->raw.size, want);
    buffer_clear(&reader->text);
    reader->row.count = 0;
    // No value may move while others point into it: four bytes of GB 18030 or three of UTF-8 are the worst.
    if (buffer_reserve(&reader->text, want * 3 + 1) != 0)
        return error_no_memory(error);
    for (size_t i = 0, from = 0; i < format->width_count; from += format->widths[i++]) {
        size_t start = reader->text.size;
        size_t at = 0;
        struct bytes column = bytes_of(record->raw.data + from, format->widths[i]);
        int rc = charset_decode(reader->charset, column, &reader->text, &at, error);
        if (rc == CHARSET_BAD)
            return bad_byte(reader, record, from + at, error);
        if (rc == 0)
            rc = csv_row_add(
                &reader->row, trimmed(bytes_of(reader->text.data + start, reader->text.size - start)), error);
        if (rc != 0)
            return rc == CSV_BAD ? READER_BAD : rc;
    }
    return 0;
}

// A record without a line end in sight: what was read of it is kept, the rest passed over.
static int take_endless(struct file_reader *reader, struct record *record) {
    struct error failure = {0};
    buffer_clear(&reader->text);
    if (buffer_append_bytes(&reader->text, record->raw) != 0)
        return -ENOMEM;
    record->raw = buffer_bytes(&reader->text);
    int rc = skip_line(reader, &failure);
    reader->next.line++;
    return rc;
}

// Finds the next record's bytes and moves behind it. 0, READER_END, READER_BAD, negative.
static int take(struct file_reader *reader, struct record *record, struct error *error) {
    find_window(reader);
    size_t text = 0;
    size_t whole = 0;
    int rc = 0;
    while ((rc = extent(reader, &text, &whole, error)) == CSV_MORE)
        if ((rc = read_more(reader, error)) != 0)
            return rc;
    struct bytes bytes = pending(reader);
    if (bytes.size == 0)
        return READER_END;
    size_t limit = reader->format->record_limit;
    *record = (struct record){.at = reader->next, .raw = bytes_of(bytes.data, text < limit ? text : limit)};
    if (whole == 0) {
        int endless = take_endless(reader, record);
        if (endless != 0)
            return error_set(error, endless, "reading: %s", strerror(-endless));
    } else {
        reader->next.line += count_lines(bytes_of(bytes.data, whole));
        reader->next.offset += whole;
    }
    record->next = reader->next;
    return rc == CSV_BAD ? READER_BAD : 0;
}

static bool is_mark(const struct file_reader *reader, struct place_in_file at, struct bytes *raw) {
    if (at.offset != 0 || reader->format->charset != CHARSET_UTF8 || raw->size < 3 ||
        memcmp(raw->data, "\xEF\xBB\xBF", 3) != 0)
        return false;
    *raw = bytes_of(raw->data + 3, raw->size - 3);
    return true;
}

int file_reader_next(struct file_reader *reader, struct record *out, struct error *error) {
    struct record record = {0};
    int rc = 0;
    do {
        rc = take(reader, &record, error);
        if (rc == READER_END || rc < 0)
            return rc;
        is_mark(reader, record.at, &record.raw);
        // Nothing in it, or the end mark that DOS programs leave.
    } while (rc == 0 && (record.raw.size == 0 || (record.raw.size == 1 && record.raw.data[0] == 0x1A)));
    if (rc == 0)
        rc = reader->format->name == FORMAT_FIXED ? split_fixed(reader, &record, error)
                                                  : split_delimited(reader, &record, error);
    if (rc == 0) {
        record.values = reader->row.values;
        record.count = reader->row.count;
    }
    if (rc >= 0)
        *out = record;
    return rc;
}
