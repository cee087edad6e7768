// An expression taken apart, for people who ask what of a condition was false; never on the way of a message.
#pragma once

#include "core/base/buffer.h"
#include "core/cel/cel.h"

enum cel_part_kind {
    CEL_PART_PLAIN, // anything but the next two
    CEL_PART_AND,   // a && b && c
    CEL_PART_OR,
};

// Something that a part reads of a variable, as far as it is written: msg.address.division,
// has(msg.resident); and what a comparison compares, where that is a call.
struct cel_read {
    struct bytes text; // as it stands in the source
    struct cel_program *program;
};

struct cel_part {
    enum cel_part_kind kind;
    size_t offset; // in the source, with parentheses
    size_t length;
    struct cel_program *program;
    const struct cel_part *parts; // of AND, OR
    size_t part_count;
    const struct cel_read *reads; // each once, in the order of their places; of a PLAIN part
    size_t read_count;
};

struct cel_parts;

// Takes apart what cel_compile() accepts with the same `env` (borrowed). It adds nothing that the whole
// expression does not read, but make it before the scans all the same. 0 and `*out` owned, CEL_REFUSED,
// -ENOMEM.
int cel_parts_new(const struct cel_env *env, struct bytes source, struct cel_parts **out);
void cel_parts_destroy(struct cel_parts **self);
const struct cel_part *cel_parts_root(const struct cel_parts *parts);

// The plain parts that settled it: of a && b the first that was false, of a || b all. A part that failed
// comes with its error, one that was false with NULL. Nothing is visited where the whole is true. 0, -ENOMEM.
typedef void (*cel_part_visit)(void *context, const struct cel_part *part, const struct error *error);
int cel_parts_blame(
    const struct cel_parts *parts, struct cel_activation *activation, cel_part_visit visit, void *context);

// Appends a value as CEL writes it ("330108", 3, [1, 2], timestamp("2026-03-01T00:00:00Z")), a message as
// JSON. `type` is its static type, so that an enum's value has its name; NULL: not known. Long texts and
// lists are cut, with an ellipsis. 0, -ENOMEM.
int cel_value_show(const struct cel_value *value, const struct cel_type *type,
    struct cel_activation *activation, struct buffer *out);
