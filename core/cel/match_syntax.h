#pragma once

#include "core/base/bytes.h"

// What in a pattern is not RE2's, with its place; NULL: nothing that is known to be. The pattern may still be
// wrong.
const char *match_syntax(struct bytes pattern, size_t *offset);
