#include "core/cel/suggest.h"

#include <stdio.h>

// "mgs" for "msg": two wrong letters, but one mistake.
static bool same_letters(struct bytes a, struct bytes b) {
    size_t counts[256] = {0};
    if (a.size != b.size || a.size < 2)
        return false;
    for (size_t i = 0; i < a.size; i++)
        counts[a.data[i]]++;
    for (size_t i = 0; i < b.size; i++)
        if (counts[b.data[i]]-- == 0)
            return false;
    return true;
}

void suggest_offer(struct nearest *nearest, const char *candidate) {
    if (nearest->distance > 1 && same_letters(nearest->word, bytes_of_string(candidate))) {
        nearest->best = candidate;
        nearest->distance = 1;
    } else {
        nearest_offer(nearest, candidate);
    }
}

const char *suggest_text(
    const struct nearest *nearest, const char *before, const char *after, char out[SUGGEST_SIZE]) {
    out[0] = '\0';
    if (nearest->best)
        snprintf(out, SUGGEST_SIZE, "; did you mean %s%s%s?", before, nearest->best, after);
    return out;
}
