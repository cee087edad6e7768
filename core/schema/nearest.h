// What someone may have meant by a name that does not exist.
#pragma once

#include "core/base/bytes.h"

struct nearest {
    struct bytes word;
    const char *best; // NULL: nothing near enough yet
    size_t distance;  // of best; at first one more than is near enough
};

// Near enough: at most a third of the word's length in edits, and one at least.
struct nearest nearest_start(struct bytes word);
void nearest_offer(struct nearest *nearest, const char *candidate);
