// The gate between two states of the message types: what the new one breaks of what was written for the old
// one. The rules are those of protobuf's language guide ("Updating a message type") and of its JSON mapping;
// docs/schema.md lists each with an example.
#pragma once

#include "core/schema/model.h"

enum {                 // whom a change breaks
    COMPAT_WIRE = 1,   // stored and travelling bytes: they are refused, lost or read as something else
    COMPAT_JSON = 2,   // JSON and YAML: names of fields and values, and the form of values
    COMPAT_ROUTES = 4, // expressions of routes and mappings, agreements: names, types, has()
    COMPAT_SOURCE = 8, // generated code
    COMPAT_DEFAULT = COMPAT_WIRE | COMPAT_JSON | COMPAT_ROUTES,
    COMPAT_ALL = COMPAT_DEFAULT | COMPAT_SOURCE,
};

struct compat_rule {
    const char *id; // "field-number-changed"
    unsigned breaks;
    const char *advice; // what would be right
};

struct compat_finding {
    const struct compat_rule *rule;
    bool breaks;      // someone who was asked about; otherwise a warning
    const char *text; // what changed
    // Where: in the new files, of what is gone its parent; NULL where there is none.
    const char *file;
    struct model_place place;
    const char *old_file; // where it was; NULL for what is new
    struct model_place old_place;
};

struct compat;

// `whom`: COMPAT_… that count as breaks. Types of google.protobuf are left out. Both models are borrowed and
// must outlive the result. 0 and `*out` owned, or -ENOMEM.
int compat_check(const struct model *old_model, const struct model *new_model, unsigned whom,
    struct compat **out, struct error *error);
void compat_destroy(struct compat **self);

// In the order of file, line, column.
size_t compat_count(const struct compat *compat);
const struct compat_finding *compat_at(const struct compat *compat, size_t i);
size_t compat_breaks(const struct compat *compat);

size_t compat_rule_count(void);
const struct compat_rule *compat_rule_at(size_t i);
