#include "core/config/report.h"
#include "core/config/text.h"

#define WORD 64 // characters; a longer word has no suggestion

static size_t decode(struct bytes word, uint32_t out[WORD]) {
    size_t count = 0;
    for (size_t at = 0; at < word.size;) {
        size_t size;
        bool valid;
        uint32_t character = text_decode(word, at, &size, &valid);
        if (count == WORD)
            return WORD + 1;
        out[count++] = character >= 'A' && character <= 'Z' ? character + 32 : character;
        at += size;
    }
    return count;
}

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

// Optimal string alignment: insert, delete, replace and swap of neighbours count one each. Letter case counts
// nothing.
static size_t distance(const uint32_t *a, size_t a_count, const uint32_t *b, size_t b_count) {
    size_t rows[3][WORD + 1];
    for (size_t j = 0; j <= b_count; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_count; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3];
        const size_t *two_above = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_count; j++) {
            row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], two_above[j - 2] + 1);
        }
    }
    return rows[a_count % 3][b_count];
}

const char *report_nearest(struct bytes word, const char *const *candidates, size_t count) {
    uint32_t a[WORD];
    uint32_t b[WORD];
    size_t a_count = decode(word, a);
    if (a_count == 0 || a_count > WORD)
        return NULL;
    size_t best = (a_count / 3 > 1 ? a_count / 3 : 1) + 1;
    const char *nearest = NULL;
    for (size_t i = 0; i < count; i++) {
        size_t b_count = decode(bytes_of_string(candidates[i]), b);
        if (b_count == 0 || b_count > WORD)
            continue;
        size_t apart = distance(a, a_count, b, b_count);
        if (apart < best && apart < a_count && apart < b_count) {
            best = apart;
            nearest = candidates[i];
        }
    }
    return nearest;
}
