// What may name a person, left out of what is printed.
#pragma once

#include "core/base/buffer.h"

// Appends the text with "…" for all that stands in quotes, as a shell or an error's text has them. 0 or
// -ENOMEM.
int mask_quoted(const char *text, struct buffer *out);
// Whether words that go with this reason were made of a message's values.
bool mask_needed(const char *reason);
