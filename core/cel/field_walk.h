// All that a message's bytes say of one field. Private to core/cel.
#pragma once

#include "core/schema/view.h"

struct field_walk {
    const struct schema_field *field;
    const uint8_t *p;
    const uint8_t *end;
    const uint8_t *packed_end; // inside a packed field: where it ends; `p` is in it
    bool cleared;              // since the last value another member of the oneof came
};

struct field_walk field_walk_start(const struct schema_field *field, struct bytes bytes);
// The next value; false at the end. Malformed bytes end it too: they were checked when they came in.
bool field_walk_next(struct field_walk *walk, struct view_value *out);
