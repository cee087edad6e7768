#include "sdk/internal.h"

#include <errno.h>
#include <stdlib.h>

static struct outcome *at(const struct outcomes *outcomes, size_t i) {
    return &outcomes->entries[(outcomes->head + i) & (outcomes->capacity - 1)];
}

int outcomes_reserve(struct outcomes *outcomes) {
    if (outcomes->count < outcomes->capacity)
        return 0;
    size_t capacity = outcomes->capacity ? outcomes->capacity * 2 : 64;
    struct outcome *entries = calloc(capacity, sizeof *entries);
    if (!entries)
        return -ENOMEM;
    for (size_t i = 0; i < outcomes->count; i++)
        entries[i] = *at(outcomes, i);
    free(outcomes->entries);
    outcomes->entries = entries;
    outcomes->capacity = capacity;
    outcomes->head = 0;
    return 0;
}

void outcomes_push(struct outcomes *outcomes, const struct outcome *outcome) {
    *at(outcomes, outcomes->count++) = *outcome;
}

void outcomes_drop_last(struct outcomes *outcomes, uint64_t sequence) {
    if (outcomes->count > 0 && at(outcomes, outcomes->count - 1)->sequence == sequence)
        outcomes->count--;
}

void outcomes_refuse(struct outcomes *outcomes, uint64_t sequence, char *text) {
    size_t low = 0;
    size_t high = outcomes->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (at(outcomes, middle)->sequence < sequence)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == outcomes->count || at(outcomes, low)->sequence != sequence) {
        free(text);
        return;
    }
    at(outcomes, low)->refused = true;
    at(outcomes, low)->refusal = text;
}

bool outcomes_ready(const struct outcomes *outcomes, uint64_t decided) {
    return outcomes->count > 0 && at(outcomes, 0)->sequence <= decided;
}

size_t outcomes_take(struct outcomes *outcomes, uint64_t decided, struct outcome *out, size_t limit) {
    size_t n = 0;
    while (n < limit && outcomes_ready(outcomes, decided)) {
        out[n++] = *at(outcomes, 0);
        outcomes->head = (outcomes->head + 1) & (outcomes->capacity - 1);
        outcomes->count--;
    }
    return n;
}

void outcomes_destroy(struct outcomes *outcomes) {
    for (size_t i = 0; i < outcomes->count; i++)
        free(at(outcomes, i)->refusal);
    free(outcomes->entries);
    *outcomes = (struct outcomes){0};
}
