// Punctuation as Chinese input methods make it where ASCII is meant: "：" for ":", "（" for "(".
#pragma once

#include "core/base/bytes.h"

#define FULL_WIDTH_RUN 16 // characters

struct full_width {
    size_t size;                    // bytes of the source that it takes
    char ascii[FULL_WIDTH_RUN + 1]; // what is meant
    const char *name;               // "full-width comma"
};

// The full-width sign at the start of valid UTF-8, or a run of them such as "＝＝". False where there is
// none.
bool full_width_at(struct bytes text, struct full_width *out);

// Appends to `out` (NUL-terminated, cut at `size`) what to say of it: "，" is a full-width comma; write ","
void full_width_say(struct bytes text, const struct full_width *sign, char *out, size_t size);
