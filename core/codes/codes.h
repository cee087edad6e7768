// Dated code lists and maps between them. Filled at load time, then immutable: lookups need no lock and do
// not allocate.
//
// Times are seconds since 1970-01-01T00:00:00Z. An entry holds from its first moment up to, not including,
// its end.
#pragma once

#include "core/base/error.h"

struct codes;     // all lists and maps, by name
struct code_list; // GB/T 2261.1 and so on
struct code_map;  // from the codes of one list to those of another

#define CODES_CURRENT ((int64_t)0)   // as a time: what is in force without an end
#define CODES_EVER INT64_MIN         // as a time: what was ever in force; of several entries the newest
#define CODES_ALWAYS_FROM INT64_MIN  // as a start: since ever
#define CODES_ALWAYS_UNTIL INT64_MAX // as an end: none

enum {
    CODES_UNMAPPED = 1,    // the map has no entry for this code at this time
    CODES_UNKNOWN_MAP = 2, // no map of this name
    CODES_DUPLICATE = 3, // a list, map or entry of this name is there, or an entry's time overlaps another's
};

// Limits on what is added; more is -EMSGSIZE.
#define CODES_NAME_SIZE 64     // of a list or map
#define CODES_CODE_SIZE 64     // of a code
#define CODES_TEXT_SIZE 512    // of an entry's name
#define CODES_LIST_SIZE 100000 // entries of a list or map

struct code_entry {
    struct bytes code;
    struct bytes name;        // map: what the code maps to
    struct bytes replaced_by; // the code that took over at its end; size 0: none
    int64_t from;             // CODES_ALWAYS_FROM: since ever
    int64_t until;            // CODES_ALWAYS_UNTIL: no end
};

struct codes *codes_new(void); // returns owned, or NULL
void codes_destroy(struct codes **self);

// ---- Filling. All bytes are copied. 0, CODES_DUPLICATE, -EMSGSIZE, -EINVAL (empty code, end before start),
// -ENOMEM ----

int codes_add_list(struct codes *codes, struct bytes name, struct code_list **out, struct error *error);
int code_list_add(struct code_list *list, const struct code_entry *entry, struct error *error);
// `from_list` and `to_list` are borrowed from `codes`, NULL: free text. With lists, an entry's codes must
// have been in them at some time (-EINVAL).
int codes_add_map(struct codes *codes, struct bytes name, const struct code_list *from_list,
    const struct code_list *to_list, struct code_map **out, struct error *error);
int code_map_add(struct code_map *map, const struct code_entry *entry, struct error *error);

// Some list or map could not be read, so that its name is not known: what isn't found may be that one.
void codes_note_missing(struct codes *codes);
bool codes_may_have(const struct codes *codes);

// ---- Lists ----

const struct code_list *codes_find_list(const struct codes *codes, struct bytes name); // NULL: none
size_t code_list_size(const struct code_list *list);                                   // entries
// The entry of `code` in force at `time`, or NULL.
const struct code_entry *code_list_find(const struct code_list *list, struct bytes code, int64_t time);

static inline bool code_list_contains(const struct code_list *list, struct bytes code, int64_t time) {
    return code_list_find(list, code, time) != NULL;
}

// By names, for those who ask once: the code's name at `time`, size 0 when list or code is unknown.
bool codes_contains(const struct codes *codes, struct bytes list_name, struct bytes code, int64_t time);
struct bytes codes_name(const struct codes *codes, struct bytes list_name, struct bytes code, int64_t time);

// ---- Maps ----

const struct code_map *codes_find_map(const struct codes *codes, struct bytes name); // NULL: none
// 0 and `*to` (borrowed from the map), or CODES_UNMAPPED. Nothing is guessed: no default, no nearest.
int code_map_get(const struct code_map *map, struct bytes from, int64_t time, struct bytes *to);
// The same by name; also CODES_UNKNOWN_MAP.
int codes_map(
    const struct codes *codes, struct bytes map_name, struct bytes from, int64_t time, struct bytes *to);

// The names of all maps or lists, in the order they were added, for suggestions. Borrowed until the next is
// added.
const char *const *codes_map_names(const struct codes *codes, size_t *count);
const char *const *codes_list_names(const struct codes *codes, size_t *count);
