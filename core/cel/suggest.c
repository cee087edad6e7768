#include "core/cel/suggest.h"

#include <stdio.h>

const char *suggest_text(
    const struct nearest *nearest, const char *before, const char *after, char out[SUGGEST_SIZE]) {
    out[0] = '\0';
    if (nearest->best)
        snprintf(out, SUGGEST_SIZE, "; did you mean %s%s%s?", before, nearest->best, after);
    return out;
}
