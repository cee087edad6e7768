// What the parts of core/config share.
#pragma once

#include "core/config/config.h"

#include <stdarg.h>

void report_add_list(struct report *report, enum report_severity severity, const char *path,
    struct bytes source, struct mark mark, size_t length, const char *format, va_list args)
    __attribute__((format(printf, 7, 0)));
// A problem of another report, with `more` and `name` behind its text.
void report_add_copy(
    struct report *report, const struct report_problem *problem, const char *more, const char *name);

// Counts an error that there was no memory for.
void report_no_memory(struct report *report);

// Appends the two lines of an excerpt: the source line that `mark` is in, cut to a window, and a caret under
// it.
int excerpt_append(struct buffer *out, struct bytes source, struct mark mark, size_t length);

// What a problem's text suggests for `underlined`, appended to `out`; nothing where it suggests nothing. 0 or
// -ENOMEM.
int suggestion_append(struct buffer *out, const char *text, struct bytes underlined);

// ---- The source of a file ----

// Where each line starts; lines end with LF or CR LF.
struct lines {
    uint32_t *starts; // owned
    size_t count;
    size_t capacity;
};

// Fills `lines`; reports and returns 1 at bytes that are not UTF-8, at characters that YAML or people can't
// see, at byte order marks. 0, 1, -ENOMEM.
int source_scan(const char *path, struct bytes source, struct lines *lines, struct report *report);
struct mark source_mark(struct bytes source, const struct lines *lines, size_t offset);

// ---- The tree ----

enum node_style {
    NODE_PLAIN,
    NODE_SINGLE,
    NODE_DOUBLE,
    NODE_LITERAL,
    NODE_FOLDED,
};

struct node {
    struct config_node public; // first, so that a config_node is a node
    enum node_style style;     // of a scalar
    uint32_t end;              // offset behind it
};

static inline const struct node *node_of(const struct config_node *node) {
    return (const struct node *)node;
}

struct config_file {
    char *path;           // owned
    struct buffer source; // owned
    struct lines lines;
    struct config_node *root; // in the blocks
    struct block *blocks;     // memory of nodes, texts and arrays
};

void *file_alloc(struct config_file *file, size_t size); // zeroed; NULL without memory; freed with the file

// Reads the events of libyaml into the tree. 0, 1 (reported), -ENOMEM.
int parse_tree(struct config_file *file, const struct config_limits *limits, struct report *report);

// Reports each key of a mapping that was there before, with the place of the first. 0 or -ENOMEM.
int check_duplicates(const struct config_node *node, struct report *report);

// What libyaml says, in words that say what would be right; `wrong` is what stands there.
const char *yaml_words(const char *problem, struct bytes rest);

// Calls `visit` with the source offset of each byte of a scalar's value, in order, until it returns false.
// Returns the offset behind the last byte.
typedef bool (*position_visit)(void *context, uint8_t byte, size_t source_offset);
size_t position_walk(const struct config_node *scalar, position_visit visit, void *context);

// The bytes of the file that `length` bytes of the value take, from byte `offset` of it.
size_t position_length(const struct config_node *scalar, size_t offset, size_t length);

// The first full-width sign in [from, to) of valid UTF-8; `to` where there is none.
struct full_width;
size_t full_width_find(struct bytes text, size_t from, size_t to, struct full_width *sign);

// ---- What libyaml could not read ----

struct syntax {
    const struct config_file *file;
    struct report *report;
    const char *problem; // libyaml's words
    const char *context; // libyaml's words for what it was in; or NULL
    size_t at;           // where it noticed
    size_t began;        // where what it was in began
};

// Says what was most likely meant, and where.
void syntax_report(const struct syntax *syntax);

// ---- Reads ----

bool scalar_equals_any(
    const struct config_node *node, const char *const *words); // plain only; `words` end with NULL
// mapping[key] as a scalar; NULL when absent, null, or (reported, `*fine` false) no scalar. `what`: "a
// number".
const struct config_node *read_scalar(
    const struct config_node *mapping, const char *key, const char *what, bool *fine, struct report *report);
