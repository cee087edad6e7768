// libyaml says where it got stuck; what was mistaken often stands before that.
#include "core/base/full_width.h"

#include "core/config/internal.h"
#include "core/config/text.h"

#include <ctype.h>

static bool is(const struct syntax *syntax, const char *problem) {
    return strcmp(syntax->problem, problem) == 0;
}

static struct bytes source_of(const struct syntax *syntax) {
    return buffer_bytes(&syntax->file->source);
}

__attribute__((format(printf, 4, 5))) static void complain(
    const struct syntax *syntax, size_t offset, size_t length, const char *format, ...) {
    va_list args;
    struct bytes source = source_of(syntax);
    va_start(args, format);
    report_add_list(syntax->report, REPORT_ERROR, syntax->file->path, source,
        source_mark(source, &syntax->file->lines, offset), length, format, args);
    va_end(args);
}

static struct bytes line_around(struct bytes source, size_t offset, size_t *start) {
    size_t first = offset < source.size ? offset : source.size;
    size_t end = first;
    while (first > 0 && source.data[first - 1] != '\n')
        first--;
    while (end < source.size && source.data[end] != '\n' && source.data[end] != '\r')
        end++;
    *start = first;
    return bytes_of(source.data + first, end - first);
}

static size_t pass_blanks(struct bytes line, size_t at) {
    while (at < line.size && line.data[at] == ' ')
        at++;
    return at;
}

// A word such as a key, or one character.
static size_t word_length(struct bytes source, size_t at) {
    size_t end = at;
    while (end < source.size &&
           (isalnum(source.data[end]) || source.data[end] == '_' || source.data[end] == '-'))
        end++;
    return end > at ? end - at : 1;
}

// ---- Full-width signs ----

static void say_full_width(const struct syntax *syntax, size_t offset, struct full_width *sign) {
    struct bytes source = source_of(syntax);
    struct bytes rest = bytes_of(source.data + offset, source.size - offset);
    char words[160];
    bool colon = strcmp(sign->ascii, ":") == 0 && rest.size > sign->size && !isspace(rest.data[sign->size]);
    if (colon)
        memcpy(sign->ascii, ": ", 3);
    full_width_say(rest, sign, words, sizeof words);
    complain(syntax, offset, sign->size, "%s", words);
}

// Where the key ends: at ": " outside of quotes, at a comment, at the end.
static size_t key_end(struct bytes line) {
    size_t at = 0;
    while (at < line.size) {
        uint8_t c = line.data[at];
        bool last = at + 1 == line.size;
        bool blank_before = at == 0 || line.data[at - 1] == ' ';
        if ((c == ':' && (last || line.data[at + 1] == ' ')) || (c == '#' && blank_before) || c == '"' ||
            c == '\'')
            break;
        at++;
    }
    return at;
}

// One before the first ": ", or at the start of the value: elsewhere it may be text.
static bool full_width_in_line(const struct syntax *syntax, size_t offset) {
    size_t start;
    struct full_width sign;
    struct bytes line = line_around(source_of(syntax), offset, &start);
    size_t end = key_end(line);
    size_t at = full_width_find(line, 0, end, &sign);
    if (at == end) {
        at = end < line.size && line.data[end] == ':' ? pass_blanks(line, end + 1) : line.size;
        if (at == line.size || !full_width_at(bytes_of(line.data + at, line.size - at), &sign))
            return false;
    }
    say_full_width(syntax, start + at, &sign);
    return true;
}

// In what braces or brackets hold, up to where it could not be read.
static bool full_width_in_flow(const struct syntax *syntax) {
    struct full_width sign;
    if (!is(syntax, "did not find expected ',' or '}'") && !is(syntax, "did not find expected ',' or ']'"))
        return false;
    size_t at = full_width_find(source_of(syntax), syntax->began, syntax->at, &sign);
    if (at < syntax->at)
        say_full_width(syntax, at, &sign);
    return at < syntax->at;
}

// ---- The line above, which went on here as one text ----

static bool line_above(const struct syntax *syntax, size_t *offset) {
    size_t start;
    struct bytes source = source_of(syntax);
    line_around(source, syntax->at, &start);
    while (start > 0) {
        struct bytes line = line_around(source, start - 1, &start);
        size_t first = pass_blanks(line, 0);
        *offset = start + first;
        if (first < line.size && line.data[first] != '#')
            return true;
    }
    return false;
}

static bool wrong_above(const struct syntax *syntax) {
    size_t above;
    struct bytes source = source_of(syntax);
    if (!is(syntax, "mapping values are not allowed in this context") || !line_above(syntax, &above))
        return false;
    if (full_width_in_line(syntax, above))
        return true;
    bool dash = source.data[above] == '-' && isalnum(source.data[above + 1]);
    if (dash)
        complain(syntax, above, 1, "a blank is missing behind the \"-\" of a list; write \"- \"");
    return dash;
}

// ---- Text behind a closing quote ----

// The end of the quoted text that starts at `at`; the end of the line where it has none there.
static size_t closing_quote(struct bytes line, size_t at) {
    uint8_t quote = line.data[at];
    for (size_t i = at + 1; i < line.size; i++) {
        bool twice = quote == '\'' && line.data[i] == quote && i + 1 < line.size && line.data[i + 1] == quote;
        if (twice || (quote == '"' && line.data[i] == '\\'))
            i++;
        else if (line.data[i] == quote)
            return i + 1;
    }
    return line.size;
}

static bool behind_quote(const struct syntax *syntax) {
    size_t start;
    struct bytes line = line_around(source_of(syntax), syntax->at, &start);
    size_t key = key_end(line);
    size_t value = key < line.size && line.data[key] == ':' ? pass_blanks(line, key + 1) : line.size;
    if (value == line.size || (line.data[value] != '"' && line.data[value] != '\''))
        return false;
    size_t behind = pass_blanks(line, closing_quote(line, value));
    if (behind >= line.size || line.data[behind] == '#' || start + behind > syntax->at)
        return false;
    complain(syntax, start + behind, word_length(line, behind),
        "the text in quotes ends before this; put all of the value in quotes: inside '...' a ' is written "
        "'', "
        "inside \"...\" a \" is written \\\"");
    return true;
}

void syntax_report(const struct syntax *syntax) {
    struct bytes source = source_of(syntax);
    bool unclosed = is(syntax, "found unexpected end of stream") && syntax->context;
    bool no_colon = is(syntax, "could not find expected ':'") && syntax->context;
    size_t at = unclosed || no_colon ? syntax->began : syntax->at;
    const char *words = yaml_words(syntax->problem, bytes_of(source.data + at, source.size - at));
    if (full_width_in_line(syntax, at) || full_width_in_flow(syntax) || wrong_above(syntax) ||
        behind_quote(syntax))
        return;
    size_t length = is(syntax, "found unknown escape character") ? 2 : word_length(source, at);
    if (no_colon) {
        size_t start;
        struct bytes line = line_around(source, at, &start);
        size_t end = key_end(line);
        while (end > 0 && line.data[end - 1] == ' ')
            end--;
        complain(syntax, at, start + end > at ? start + end - at : 1, "%s", words);
    } else if (!unclosed && syntax->context && strncmp(syntax->context, "while parsing a ", 16) == 0) {
        complain(syntax, at, length, "%s (in the %s that starts at line %u)", words, syntax->context + 16,
            source_mark(source, &syntax->file->lines, syntax->began).line);
    } else {
        complain(syntax, at, unclosed ? 1 : length, "%s", words);
    }
}
