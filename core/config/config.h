// YAML files to a node tree with marks, and from the tree to plain values. The only user of libyaml. The
// subset: one document, block and flow style, YAML 1.2 scalars; no anchors, aliases, tags or merge keys;
// duplicate keys refused.
#pragma once

#include "core/base/error.h"
#include "core/config/report.h"

struct config_limits {
    size_t bytes; // of a file; 4 MiB
    size_t nodes; // 100,000
    size_t depth; // 32
};
extern const struct config_limits config_default_limits;

enum config_kind {
    CONFIG_SCALAR,
    CONFIG_SEQUENCE,
    CONFIG_MAPPING,
};

struct config_file;

// All nodes, texts and marks belong to the file. A text is NUL-terminated UTF-8 without NUL inside.
struct config_node {
    enum config_kind kind;
    struct mark mark;  // where it starts (for a quoted scalar: at the quote)
    size_t length;     // bytes that it takes in the file, on its first line
    bool quoted;       // a scalar in quotes or a block scalar: always a string
    struct bytes text; // scalar: its value
    size_t count;      // children
    struct config_node *const *values;
    struct config_node *const *keys; // mapping: scalar nodes, parallel to values
    const struct config_file *file;
};

// Reads and parses; problems go to the report (and the return is NULL). A file that can't be read is a
// problem too. `limits` NULL: the defaults. Returns owned.
struct config_file *config_load(const char *path, const struct config_limits *limits, struct report *report);
struct config_file *config_parse(const char *path, struct bytes source, const struct config_limits *limits,
    struct report *report); // copies source
void config_destroy(struct config_file **self);
const struct config_node *config_root(const struct config_file *file); // NULL for an empty document
const char *config_path(const struct config_file *file);
struct bytes config_source(const struct config_file *file);

// All *.yaml of a folder, in order of name; hidden files and tests (*.test.yaml) are left out.
struct config_folder {
    struct config_file **files; // owned; those that could be parsed
    size_t count;
};
// True when the folder and each file could be read; what could not is reported, and the others are there. At
// most 10,000 files.
bool config_load_folder(const char *path, struct config_folder *out, struct report *report);
void config_folder_destroy(struct config_folder *folder);

// The place in the file of byte `offset` of a scalar's value: right through quoting, escapes, folding, block
// indent.
struct mark config_mark_inside(const struct config_node *scalar, size_t offset);

// A problem at a node, or at `offset` bytes into a scalar's value with `length` bytes underlined.
void config_error(const struct config_node *node, struct report *report, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void config_warning(const struct config_node *node, struct report *report, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void config_error_inside(const struct config_node *scalar, size_t offset, size_t length,
    struct report *report, const char *format, ...) __attribute__((format(printf, 5, 6)));

// A problem of all that a scalar says: inside its quotes, without the blanks and breaks around it.
void config_error_whole(const struct config_node *scalar, struct report *report, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// What a name becomes with `between` for blanks and hyphens or underlines, and small letters where `lower`: a
// suggestion for one that isn't allowed. NULL where something else is wrong with it too, or it doesn't fit.
const char *config_name_meant(struct bytes name, char between, bool lower, char *out, size_t size);
// Whether a " #" cut the scalar off: it is plain, and a comment follows.
bool config_cut_by_comment(const struct config_node *scalar);
// Reports the first full-width sign in a scalar that should be a name in ASCII: "a，b". False where there is
// none.
bool config_full_width(const struct config_node *scalar, struct report *report);

// The keys that a mapping may have. Ends with {NULL}.
struct config_key {
    const char *name;
    enum {
        CONFIG_OPTIONAL,
        CONFIG_REQUIRED,
    } need;
};

// Checks that `node` is a mapping with only these keys and all required ones; `what` names it in messages ("a
// route"). False when it is no mapping at all; a missing or unknown key is reported and leaves the rest
// readable.
bool config_expect_mapping(
    const struct config_node *node, const char *what, const struct config_key *keys, struct report *report);
bool config_expect_sequence(const struct config_node *node, const char *what, struct report *report);

const struct config_node *config_get(const struct config_node *mapping, const char *key); // NULL when absent
bool config_is_null(const struct config_node *node); // NULL, or a plain ~, null or nothing

// Reads a scalar node as a text: an entry of a list. A list, a mapping or a null is reported: false.
bool config_string(const struct config_node *node, const char **out, struct report *report);

// Typed reads of mapping[key]. Absent (or a YAML null): true, `*out` untouched. Present and wrong: reported,
// false,
// `*out` untouched. Texts are borrowed from the file.
bool config_read_string(
    const struct config_node *mapping, const char *key, const char **out, struct report *report);
bool config_read_bool(const struct config_node *mapping, const char *key, bool *out, struct report *report);
bool config_read_int(const struct config_node *mapping, const char *key, int64_t min, int64_t max,
    int64_t *out, struct report *report);
// "500ms", "30s", "10m", "72h", "7d"; combinations as "1h30m"; a bare 0. In nanoseconds.
bool config_read_duration(const struct config_node *mapping, const char *key, uint64_t min, uint64_t max,
    uint64_t *out, struct report *report);
// "1s..10m": two durations, the first not larger.
bool config_read_duration_range(
    const struct config_node *mapping, const char *key, uint64_t *low, uint64_t *high, struct report *report);
// "64KiB", "8MiB", "100GiB", "1000" (bytes); also KB, MB, GB in powers of 1000.
bool config_read_size(const struct config_node *mapping, const char *key, uint64_t min, uint64_t max,
    uint64_t *out, struct report *report);
// One of `names` (ends with NULL); its index.
bool config_read_choice(const struct config_node *mapping, const char *key, const char *const *names,
    size_t *out, struct report *report);
// 2026-03-01 (a date at 00:00 UTC) or RFC 3339; seconds since 1970.
bool config_read_time(
    const struct config_node *mapping, const char *key, int64_t *out, struct report *report);
