// Between template.c, its parts and its escaping.
#pragma once

#include "adapters/connectors/http/template.h"
#include "adapters/runtime/text.h"

enum template_place {
    PLACE_TEXT,   // XML text, a URL, a header
    PLACE_QUOTED, // XML attribute value, inside a JSON string
    PLACE_VALUE,  // JSON: a value of its own
    PLACE_NONE,   // where nothing may be put in
};

// Follows the literal text to know what a placeholder stands in.
struct template_scan {
    enum template_kind kind;
    int state;
    char quote;
    char tail[3]; // the last bytes seen
};

void template_scan_text(struct template_scan *scan, struct bytes text);
enum template_place template_scan_place(const struct template_scan *scan);
const char *template_scan_says(const struct template_scan *scan); // why it is PLACE_NONE

// Appends `text` so that it is only text at `place`. 0, TEMPLATE_REFUSED, -ENOMEM.
int template_escape(enum template_kind kind, enum template_place place, struct bytes text, struct buffer *out,
    struct error *error);

// A placeholder within a source: "${" at `start`, the expression, the form, behind "}" at `end`.
struct template_hole {
    size_t start;
    size_t end;
    size_t expression;
    size_t expression_size;
    size_t form; // offset of the form's name; 0: none
    size_t form_size;
};
// The next placeholder from `from` on: 0, 1 when there is none more, -EINVAL with `*at` of one that is never
// closed.
int template_next_hole(struct bytes source, size_t from, struct template_hole *out, size_t *at);
