#include "core/schema/nearest.h"

#include <strings.h>

#define WORD_MAX 128 // longer names get no suggestion

struct nearest nearest_start(struct bytes word) {
    size_t near = word.size / 3 ? word.size / 3 : 1;
    return (struct nearest){.word = word, .distance = near + 1};
}

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

// Levenshtein's distance, by one row that is updated for each character of `a`.
static size_t edits(struct bytes a, struct bytes b) {
    size_t row[WORD_MAX + 1];
    for (size_t j = 0; j <= b.size; j++)
        row[j] = j;
    for (size_t i = 0; i < a.size; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < b.size; j++) {
            size_t changed = diagonal + (a.data[i] != b.data[j]);
            diagonal = row[j + 1];
            row[j + 1] = least(changed, least(diagonal, row[j]) + 1);
        }
    }
    return row[b.size];
}

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

static bool same_but_case(struct bytes a, struct bytes b) {
    return a.size == b.size && strncasecmp((const char *)a.data, (const char *)b.data, a.size) == 0;
}

void nearest_offer(struct nearest *nearest, const char *candidate) {
    struct bytes word = nearest->word, other = bytes_of_string(candidate);
    size_t gap = word.size > other.size ? word.size - other.size : other.size - word.size;
    if (gap >= nearest->distance || word.size > WORD_MAX || other.size > WORD_MAX)
        return;
    size_t distance = same_but_case(word, other) ? 0 : same_letters(word, other) ? 1 : edits(word, other);
    if (distance < nearest->distance) {
        nearest->distance = distance;
        nearest->best = candidate;
    }
}
