// A mapping: a target message type and a CEL expression for each of its fields, from a YAML mapping node.
// Used by routes (message to message) and by adapters (row to message). Loaded once, then immutable.
#pragma once

#include "core/cel/cel.h"
#include "core/config/config.h"

struct mapping;

enum {
    MAPPING_REFUSED =
        1, // this message can't be mapped (an unmapped code, a failed expression): the text names the field
};

// `node`: a YAML mapping of target field to what fills it. An expression; a nested YAML mapping for a
// message; a sequence, or {for, in, map}, for a list; a YAML mapping of key to value for a map; the name of
// an enum's value in quotes. Or `node` is one expression, whose value is the whole message. Every problem is
// reported at its place: unknown field (with the nearest), unlike types, a required field that isn't mapped.
// Returns NULL when there was any. Returns owned; `env` and the types are borrowed and must outlive it.
// docs/routes.md
struct mapping *mapping_load(const struct config_node *node, const struct schema_message *target,
    const struct cel_env *env, struct report *report);
// The same, and what could be read also when there were problems: to be looked at, not run.
struct mapping *mapping_load_partial(const struct config_node *node, const struct schema_message *target,
    const struct cel_env *env, struct report *report);
void mapping_destroy(struct mapping **self);
const struct schema_message *mapping_target(const struct mapping *mapping);

// Calls `visit` for each target field path that is filled ("address.division"), for agreements to be checked
// against; "" is the whole message.
void mapping_each_field(const struct mapping *mapping,
    void (*visit)(void *context, const char *path, const struct config_node *at), void *context);

// A long text that went over as it is: `size` bytes of the output, from `at` on, are the ones at `from`,
// which is borrowed from what was mapped.
struct mapping_copy {
    size_t at;
    size_t size; // at least MAPPING_COPY_LEAST
    const uint8_t *from;
};
#define MAPPING_COPY_LEAST ((size_t)64)
struct mapping_copies {
    struct mapping_copy *items; // by `at`
    size_t count;
    size_t capacity; // what is beyond it is not noted
};

// Appends the target message's wire bytes. A null or absent source leaves the field out, unless it is
// required. The activation may be of the mapping's env or of one inside it. `copies`, empty before, gets long
// texts of it, their `at` counted from where `out` ended; NULL: nobody wants to know. 0, MAPPING_REFUSED,
// -ENOMEM.
int mapping_run(const struct mapping *mapping, struct cel_activation *activation, struct buffer *out,
    struct mapping_copies *copies, struct error *error);

// A typed expression from a scalar node, with its problems reported inside the scalar. `want`: the kind that
// it must have (CEL_DYN: any). NULL when it has problems. Returns owned.
struct cel_program *mapping_expression(
    const struct config_node *scalar, const struct cel_env *env, enum cel_kind want, struct report *report);
