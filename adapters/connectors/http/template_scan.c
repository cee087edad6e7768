#include "adapters/connectors/http/template_internal.h"

#include <errno.h>

enum xml_state {
    XML_TEXT,
    XML_TAG,
    XML_ATTRIBUTE,
    XML_COMMENT,
    XML_CDATA,
    XML_INSTRUCTION,
};

enum json_state {
    JSON_OUTSIDE,
    JSON_STRING,
    JSON_ESCAPE,
};

static bool ends_with(const struct template_scan *scan, char now, const char *text) {
    size_t n = strlen(text);
    if (text[n - 1] != now)
        return false;
    for (size_t i = 0; i + 1 < n; i++)
        if (scan->tail[sizeof scan->tail - (n - 1) + i] != text[i])
            return false;
    return true;
}

static int xml_text_step(char c) {
    return c == '<' ? XML_TAG : XML_TEXT;
}

static int xml_tag_step(struct template_scan *scan, char c) {
    if (ends_with(scan, c, "<?"))
        return XML_INSTRUCTION;
    if (ends_with(scan, c, "<!--"))
        return XML_COMMENT;
    if (ends_with(scan, c, "<!["))
        return XML_CDATA;
    if (c == '"' || c == '\'') {
        scan->quote = c;
        return XML_ATTRIBUTE;
    }
    return c == '>' ? XML_TEXT : XML_TAG;
}

static void xml_step(struct template_scan *scan, char c) {
    switch (scan->state) {
    case XML_TEXT:
        scan->state = xml_text_step(c);
        break;
    case XML_TAG:
        scan->state = xml_tag_step(scan, c);
        break;
    case XML_ATTRIBUTE:
        scan->state = c == scan->quote ? XML_TAG : XML_ATTRIBUTE;
        break;
    case XML_COMMENT:
        scan->state = ends_with(scan, c, "-->") ? XML_TEXT : XML_COMMENT;
        break;
    case XML_CDATA:
        scan->state = ends_with(scan, c, "]]>") ? XML_TEXT : XML_CDATA;
        break;
    default:
        scan->state = ends_with(scan, c, "?>") ? XML_TEXT : XML_INSTRUCTION;
        break;
    }
}

static void json_step(struct template_scan *scan, char c) {
    if (scan->state == JSON_ESCAPE)
        scan->state = JSON_STRING;
    else if (scan->state == JSON_STRING)
        scan->state = c == '"' ? JSON_OUTSIDE : c == '\\' ? JSON_ESCAPE : JSON_STRING;
    else
        scan->state = c == '"' ? JSON_STRING : JSON_OUTSIDE;
}

void template_scan_text(struct template_scan *scan, struct bytes text) {
    for (size_t i = 0; i < text.size; i++) {
        char c = (char)text.data[i];
        if (scan->kind == TEMPLATE_XML)
            xml_step(scan, c);
        else if (scan->kind == TEMPLATE_JSON)
            json_step(scan, c);
        memmove(scan->tail, scan->tail + 1, sizeof scan->tail - 1);
        scan->tail[sizeof scan->tail - 1] = c;
    }
}

enum template_place template_scan_place(const struct template_scan *scan) {
    if (scan->kind == TEMPLATE_XML)
        return scan->state == XML_TEXT        ? PLACE_TEXT
               : scan->state == XML_ATTRIBUTE ? PLACE_QUOTED
                                              : PLACE_NONE;
    if (scan->kind == TEMPLATE_JSON)
        return scan->state == JSON_OUTSIDE  ? PLACE_VALUE
               : scan->state == JSON_STRING ? PLACE_QUOTED
                                            : PLACE_NONE;
    return PLACE_TEXT;
}

const char *template_scan_says(const struct template_scan *scan) {
    if (scan->kind == TEMPLATE_JSON)
        return "behind a backslash";
    switch (scan->state) {
    case XML_TAG:
        return "inside a tag; only text and attribute values in quotes may have one";
    case XML_COMMENT:
        return "inside a comment";
    case XML_CDATA:
        return "inside a CDATA section; in plain text it is escaped as needed";
    default:
        return "inside a processing instruction";
    }
}

// ---- Placeholders ----

// Behind the string literal that opens at `at`, or the size of the source.
static size_t skip_literal(struct bytes source, size_t at) {
    uint8_t quote = source.data[at++];
    while (at < source.size && source.data[at] != quote)
        at += source.data[at] == '\\' ? 2 : 1;
    return at + 1;
}

static bool single_bar(struct bytes source, size_t at) {
    return source.data[at] == '|' && source.data[at - 1] != '|' && at + 1 < source.size &&
           source.data[at + 1] != '|';
}

static void trim(struct bytes source, size_t *start, size_t *size) {
    while (*size && (source.data[*start] == ' ' || source.data[*start] == '\n')) {
        ++*start;
        --*size;
    }
    while (*size && (source.data[*start + *size - 1] == ' ' || source.data[*start + *size - 1] == '\n'))
        --*size;
}

static int close_hole(struct bytes source, size_t bar, size_t end, struct template_hole *hole) {
    hole->end = end + 1;
    hole->expression = hole->start + 2;
    hole->expression_size = (bar ? bar : end) - hole->expression;
    trim(source, &hole->expression, &hole->expression_size);
    hole->form = bar ? bar + 1 : 0;
    hole->form_size = bar ? end - bar - 1 : 0;
    if (bar)
        trim(source, &hole->form, &hole->form_size);
    return 0;
}

int template_next_hole(struct bytes source, size_t from, struct template_hole *out, size_t *at) {
    const uint8_t *open = from < source.size ? memmem(source.data + from, source.size - from, "${", 2) : NULL;
    if (!open)
        return 1;
    struct template_hole hole = {.start = (size_t)(open - source.data)};
    if (hole.start > 0 && source.data[hole.start - 1] == '$') { // "$${": plain text
        *out = (struct template_hole){.start = hole.start - 1, .end = hole.start + 2};
        return 0;
    }
    size_t depth = 0;
    size_t bar = 0;
    for (size_t i = hole.start + 2; i < source.size;) {
        uint8_t c = source.data[i];
        if (c == '}' && depth == 0) {
            *out = hole;
            return close_hole(source, bar, i, out);
        }
        if (c == '"' || c == '\'') {
            i = skip_literal(source, i);
            continue;
        }
        depth += c == '{' || c == '(' || c == '[';
        depth -= (c == '}' || c == ')' || c == ']') && depth > 0;
        if (depth == 0 && single_bar(source, i))
            bar = i;
        i++;
    }
    *at = hole.start;
    return -EINVAL;
}
