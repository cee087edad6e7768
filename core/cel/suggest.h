// What someone may have meant, in words.
#pragma once

#include "core/schema/nearest.h"

// "; did you mean WORD?", or "" without one. Into `out`, which it returns.
#define SUGGEST_SIZE 160
const char *suggest_text(
    const struct nearest *nearest, const char *before, const char *after, char out[SUGGEST_SIZE]);
