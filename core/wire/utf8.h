// UTF-8 of RFC 3629, for the texts of this protocol. Private to core/wire.
#pragma once

#include "core/base/bytes.h"

// True for well-formed UTF-8 without U+0000: overlong forms, surrogates and values over U+10FFFF are not.
bool wire_text_valid(struct bytes text);
