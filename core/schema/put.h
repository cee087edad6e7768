// Inside of writing: a number as the wire holds it.
#pragma once

#include "core/schema/view.h"

// What goes onto the wire for `value`. 0, -ERANGE, -EINVAL.
int put_raw_int(const struct schema_field *field, int64_t value, uint64_t *raw);
int put_raw_uint(const struct schema_field *field, uint64_t value, uint64_t *raw);
int put_raw_double(const struct schema_field *field, double value, uint64_t *raw);
// Appends it with its tag, or without (an element of a packed field).
int put_raw(struct buffer *out, const struct schema_field *field, uint64_t raw, bool bare);
// Puts the length of all that follows `at` there. 0, -ENOMEM, -EMSGSIZE.
int put_length(struct buffer *out, size_t at);
