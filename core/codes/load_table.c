#include "core/codes/load_table.h"

#include "core/base/buffer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum column {
    COLUMN_CODE,
    COLUMN_NAME,
    COLUMN_FROM,
    COLUMN_UNTIL,
    COLUMN_REPLACED_BY,
    COLUMNS,
};
static const char *const column_names[COLUMNS] = {"code", "name", "from", "until", "replaced_by"};

struct reader {
    const char *path;
    struct bytes source;
    size_t offset; // of the line
    uint32_t line;
    enum column order[COLUMNS]; // what each field of a line is
    size_t fields;              // 0: the header is still to come
    struct report *report;
};

static int read_whole(const char *path, struct buffer *out, struct error *error) {
    FILE *file = fopen(path, "rbe");
    if (!file)
        return error_set(error, -errno, "cannot open: %s", strerror(errno));
    out->limit = LOAD_TABLE_BYTES;
    uint8_t block[65536];
    size_t n = sizeof block;
    int rc = 0;
    while (rc == 0 && n == sizeof block) { // fewer: the end, or a failure
        n = fread(block, 1, sizeof block, file);
        rc = buffer_append(out, block, n);
    }
    if (rc)
        error_set(error, rc, "larger than %zu bytes", LOAD_TABLE_BYTES);
    else if (ferror(file))
        rc = error_set(error, -EIO, "cannot read");
    fclose(file);
    return rc;
}

static uint32_t characters(const uint8_t *data, size_t size) {
    uint32_t count = 0;
    for (size_t i = 0; i < size; i++)
        count += (data[i] & 0xC0) != 0x80;
    return count;
}

static int complain(struct reader *reader, struct bytes line, struct bytes at, const char *text) {
    size_t inside = at.data ? (size_t)(at.data - line.data) : 0;
    struct mark mark = {
        .line = reader->line,
        .column = 1 + characters(line.data, inside),
        .offset = (uint32_t)(reader->offset + inside),
    };
    report_add(reader->report, REPORT_ERROR, reader->path, reader->source, mark, at.size, "%s", text);
    return -EINVAL;
}

// The part of `rest` up to the separator; takes it off with the separator.
static struct bytes cut(struct bytes *rest, char separator) {
    const uint8_t *end = rest->size ? memchr(rest->data, separator, rest->size) : NULL;
    size_t size = end ? (size_t)(end - rest->data) : rest->size;
    struct bytes head = bytes_of(rest->data, size);
    size_t taken = end ? size + 1 : size;
    *rest = bytes_of(rest->data + taken, rest->size - taken);
    return head;
}

static bool parse_date(struct bytes text, int64_t *out) {
    char copy[11] = {0};
    struct tm tm = {0};
    if (text.size != 10)
        return false;
    memcpy(copy, text.data, 10);
    const char *end = strptime(copy, "%Y-%m-%d", &tm);
    if (!end || *end != '\0')
        return false;
    int day = tm.tm_mday;
    time_t seconds = timegm(&tm);
    if (tm.tm_mday != day) // the 31st of a shorter month
        return false;
    *out = seconds;
    return true;
}

static int read_header(struct reader *reader, struct bytes line) {
    bool seen[COLUMNS] = {false};
    for (struct bytes rest = line; rest.size && reader->fields < COLUMNS;) {
        struct bytes field = cut(&rest, '\t');
        size_t column = 0;
        while (column < COLUMNS && !bytes_equal_string(field, column_names[column]))
            column++;
        if (column == COLUMNS || seen[column])
            return complain(reader, line, field, "a column is one of: code, name, from, until, replaced_by");
        seen[column] = true;
        reader->order[reader->fields++] = (enum column)column;
    }
    if (!seen[COLUMN_CODE] || !seen[COLUMN_NAME])
        return complain(reader, line, line, "the first line must name the columns, at least code and name");
    return 0;
}

static int read_field(struct reader *reader, struct bytes line, enum column column, struct bytes field,
    struct code_entry *entry) {
    switch (column) {
    case COLUMN_CODE:
        entry->code = field;
        return 0;
    case COLUMN_NAME:
        entry->name = field;
        return 0;
    case COLUMN_REPLACED_BY:
        entry->replaced_by = field;
        return 0;
    case COLUMN_FROM:
    case COLUMN_UNTIL:
        if (field.size && !parse_date(field, column == COLUMN_FROM ? &entry->from : &entry->until))
            return complain(reader, line, field, "not a date; expected YYYY-MM-DD");
        return 0;
    case COLUMNS:
        break;
    }
    return 0;
}

static int read_row(struct reader *reader, struct bytes line, struct code_list *list) {
    struct code_entry entry = {.from = CODES_ALWAYS_FROM, .until = CODES_ALWAYS_UNTIL};
    struct bytes rest = line;
    for (size_t i = 0; i < reader->fields; i++) {
        int rc = read_field(reader, line, reader->order[i], cut(&rest, '\t'), &entry);
        if (rc)
            return rc;
    }
    if (rest.size)
        return complain(reader, line, rest, "more fields than the first line names");
    struct error error;
    int rc = code_list_add(list, &entry, &error);
    if (rc == 0 || rc == -ENOMEM)
        return rc;
    return complain(reader, line, entry.code, error.text);
}

static int read_lines(struct reader *reader, struct code_list *list) {
    int result = 0;
    for (struct bytes rest = reader->source; rest.size;) {
        reader->offset = (size_t)(rest.data - reader->source.data);
        reader->line++;
        struct bytes line = cut(&rest, '\n');
        if (line.size && line.data[line.size - 1] == '\r')
            line.size--;
        if (line.size == 0 || line.data[0] == '#')
            continue;
        bool header = reader->fields == 0;
        int rc = header ? read_header(reader, line) : read_row(reader, line, list);
        if (rc == -ENOMEM || (rc && header))
            return rc;
        if (rc)
            result = rc;
    }
    if (reader->fields == 0)
        return complain(
            reader, (struct bytes){0}, (struct bytes){0}, "the table has no line with the columns' names");
    return result;
}

int load_table(struct code_list *list, const char *path, struct report *report) {
    struct buffer text = {0};
    struct error error;
    struct reader reader = {.path = path, .report = report};
    int rc = read_whole(path, &text, &error);
    if (rc) {
        report_add(
            report, REPORT_ERROR, path, (struct bytes){0}, (struct mark){1, 1, 0}, 0, "%s", error.text);
        rc = -EINVAL;
    } else {
        reader.source = buffer_bytes(&text);
        rc = read_lines(&reader, list);
    }
    buffer_destroy(&text);
    return rc;
}
