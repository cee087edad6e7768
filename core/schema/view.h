// The checked view over wire bytes: the one authority on what a message says (protobuf encoding
// specification). Foreign bytes pass through here before anything else reads them. It copies nothing: values
// point into the bytes.
#pragma once

#include "core/schema/catalogue.h"

struct view_limits {
    size_t bytes;    // 8 MiB
    size_t depth;    // nested messages: 64
    size_t elements; // fields and repeated elements in all: 1,000,000
};
extern const struct view_limits view_default_limits;

enum {
    VIEW_REFUSED = 1, // not a valid message of the type; the text says where (field path, offset) and why
};

// Whole-message check: wire types, lengths, overlong varints, groups, UTF-8 of strings, depth, counts,
// required fields (proto2). Unknown fields are allowed and skipped. 0 or VIEW_REFUSED; with required fields
// also -ENOMEM. `limits` NULL: the defaults.
int view_check(const struct schema_message *type, struct bytes message, const struct view_limits *limits,
    struct error *error);

// ---- Paths: all that expressions read of a type forms one trie, which one scan of a message fills. ----

struct paths; // of one root type; built at load time, then immutable and shared

struct paths *paths_new(const struct schema_message *root); // returns owned, or NULL
void paths_destroy(struct paths **self);
const struct schema_message *paths_root(const struct paths *paths);

// The slot of the field reached by `fields` (each the child of the one before; only the last may be repeated
// or a map; a message-valued path is fine). The same path gives the same slot. `*slot` counts from 0. 0 or
// -ENOMEM, -EINVAL.
int paths_add(struct paths *paths, const struct schema_field *const *fields, size_t count, size_t *slot);
size_t paths_size(const struct paths *paths);

// What a scan found at a slot.
struct view_value {
    // Seen in the bytes; of a field without presence: and not its default, as that says the same as nothing.
    // So this is what has() asks for, whatever the field.
    bool present;
    uint32_t occurrences; // elements of a repeated field (packed ones counted singly), or pieces of a message
    union {
        int64_t i64;  // int32 int64 sint* sfixed* enum
        uint64_t u64; // uint32 uint64 fixed*
        double f64;   // float double
        bool boolean;
        struct bytes bytes; // string, bytes; a message in one piece (what lies inside its length)
    };
    // A repeated field or a message in several pieces: its occurrences, to be walked with scan_next().
    uint32_t first_piece; // index in the scan's pieces
    uint32_t piece_count;
};

// The filled slots of one message; reused from message to message, so that a scan allocates nothing.
struct scan;

struct scan *scan_new(const struct paths *paths); // returns owned; `paths` is borrowed and must outlive it
void scan_destroy(struct scan **self);

// Fills the slots, last-wins and merge rules as the specification has them, oneofs included. Absent scalars
// hold the proto3 default with present == false. `message` is borrowed until the next run. It does the whole
// of view_check() too when `checked` is false; with true the bytes are known to be good and only the paths
// are read. 0, VIEW_REFUSED, -ENOMEM.
int scan_run(struct scan *scan, struct bytes message, bool checked, struct error *error);
struct bytes scan_message(const struct scan *scan); // that of the last run; borrowed
// Whether the last run, which must have checked, saw a field that its type doesn't know, or of another wire
// type, at any depth. What is in an Any is bytes to it.
bool scan_has_unknown(const struct scan *scan);
const struct view_value *scan_value(const struct scan *scan, size_t slot);

// Walks the elements of a repeated field (each like a singular value of the field's kind; messages as bytes),
// packed or not. `cursor` is zero-initialised.
struct view_cursor {
    uint32_t piece;
    size_t offset;
};
bool scan_next(const struct scan *scan, const struct schema_field *field, const struct view_value *value,
    struct view_cursor *cursor, struct view_value *element);

// Appends a whole message value to `out`: its pieces one after the other, which is the merge by the
// specification.
int scan_append_message(const struct scan *scan, const struct view_value *value, struct buffer *out);

// Appends the message without the fields that its types don't know. 0; -ENOMEM, -EMSGSIZE; -EINVAL for bytes
// that were not checked. `out` is untouched on failure.
int view_append_known(const struct schema_message *type, struct bytes message, struct buffer *out);

// ---- Writing, for mappings and JSON. ----

// A record with its tag is appended whole or not at all. 0; -ENOMEM, -EMSGSIZE; -ERANGE: the field can't hold
// the value; -EINVAL: not a field of that sort. Elements of repeated fields are written one by one.
int view_put_tag(struct buffer *out, uint32_t number, uint32_t wire_type);
int view_put_varint(struct buffer *out, uint64_t value);
// Any integer kind, bool, enum.
int view_put_int(struct buffer *out, const struct schema_field *field, int64_t value);
int view_put_uint(struct buffer *out, const struct schema_field *field, uint64_t value);
int view_put_double(struct buffer *out, const struct schema_field *field, double value);
// string, bytes; a message or group: its content.
int view_put_bytes(struct buffer *out, const struct schema_field *field, struct bytes value);
