#include "core/config/internal.h"
#include "core/config/text.h"

#include <errno.h>
#include <stdlib.h>

static int add_line(struct lines *lines, size_t start) {
    if (lines->count == lines->capacity) {
        size_t capacity = lines->capacity ? lines->capacity * 2 : 64;
        uint32_t *starts = realloc(lines->starts, capacity * sizeof *starts);
        if (!starts)
            return -ENOMEM;
        lines->starts = starts;
        lines->capacity = capacity;
    }
    lines->starts[lines->count++] = (uint32_t)start;
    return 0;
}

struct mark source_mark(struct bytes source, const struct lines *lines, size_t offset) {
    size_t low = 0;
    size_t high = lines->count;
    if (offset > source.size)
        offset = source.size;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (lines->starts[middle] <= offset)
            low = middle;
        else
            high = middle;
    }
    size_t start = lines->count ? lines->starts[low] : 0;
    return (struct mark){
        .line = (uint32_t)low + 1,
        .column = (uint32_t)text_characters(bytes_of(source.data + start, offset - start)) + 1,
        .offset = (uint32_t)offset,
    };
}

// What is wrong with a character, or NULL. YAML 1.2 forbids most control characters; the other line
// separators end a line for some readers and not for others, so they may only be written as escapes.
static const char *wrong_character(uint32_t character) {
    if (character == '\t' || character == '\n')
        return NULL;
    if (character == '\r')
        return "a carriage return without a line feed; end lines with a line feed";
    if (character == 0x85 || character == 0x2028 || character == 0x2029)
        return "a line separator that editors don't show as one; remove it, or write it in double quotes as "
               "an escape";
    if (character == 0xFEFF)
        return "a byte order mark; save the file as UTF-8 without it";
    if (character < 0x20 || (character >= 0x7F && character < 0xA0))
        return "a control character; remove it, or write it in double quotes as an escape such as \\x07";
    if (character == 0xFFFE || character == 0xFFFF)
        return "a code point that is no character; remove it";
    return NULL;
}

static bool looks_like_utf16(struct bytes source) {
    if (source.size < 2)
        return false;
    bool mark = (source.data[0] == 0xFF && source.data[1] == 0xFE) ||
                (source.data[0] == 0xFE && source.data[1] == 0xFF);
    return mark || source.data[0] == 0 || source.data[1] == 0;
}

static int refuse(const char *path, struct bytes source, const struct lines *lines, size_t offset,
    size_t length, const char *what, struct report *report) {
    report_add(report, REPORT_ERROR, path, source, source_mark(source, lines, offset), length, "%s", what);
    return 1;
}

int source_scan(const char *path, struct bytes source, struct lines *lines, struct report *report) {
    int rc = add_line(lines, 0);
    if (rc == 0 && looks_like_utf16(source)) {
        report_add(report, REPORT_ERROR, path, (struct bytes){0}, (struct mark){1, 1, 0}, 0,
            "the file is not UTF-8 (it looks like UTF-16); save it as UTF-8");
        return 1;
    }
    for (size_t at = 0; rc == 0 && at < source.size;) {
        size_t size;
        bool valid;
        uint32_t character = text_decode(source, at, &size, &valid);
        if (!valid)
            return refuse(path, source, lines, at, 1,
                "the file is not UTF-8 here (GB18030, perhaps); save it as UTF-8", report);
        bool pair = character == '\r' && at + 1 < source.size && source.data[at + 1] == '\n';
        const char *wrong = pair ? NULL : wrong_character(character);
        if (wrong)
            return refuse(path, source, lines, at, size, wrong, report);
        at += size;
        if (character == '\n')
            rc = add_line(lines, at);
    }
    return rc;
}
