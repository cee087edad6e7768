// Private to core/cel.
#pragma once

#include "core/base/bytes.h"

// Whether the text is base64 (RFC 4648, section 4; the padding may be missing); `*at`: the byte that is
// wrong.
bool base64_check(struct bytes text, size_t *at);
