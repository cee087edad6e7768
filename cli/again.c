#include "cli/again.h"

#include <errno.h>
#include <stdlib.h>

#define MARK ((uint64_t)1 << 63)

int again_choose(struct again *again, uint64_t sequence) {
    if (again->count == AGAIN_LIMIT) {
        again->full = true;
        return 0;
    }
    if (again->count == again->capacity) {
        size_t capacity = again->capacity ? again->capacity * 2 : 1024;
        uint64_t *chosen = realloc(again->chosen, capacity * sizeof *chosen);
        if (!chosen)
            return -ENOMEM;
        again->chosen = chosen;
        again->capacity = capacity;
    }
    again->chosen[again->count++] = sequence;
    return 0;
}

// The first that is not below.
static size_t find(const struct again *again, uint64_t sequence) {
    size_t low = 0;
    size_t high = again->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if ((again->chosen[middle] & ~MARK) < sequence)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void mark(struct again *again, const Hutong__Bus__V1__PositionSpan *span) {
    for (size_t i = find(again, span->first);
        i < again->count && (again->chosen[i] & ~MARK) - span->first < span->count; i++)
        if (!(again->chosen[i] & MARK)) {
            again->chosen[i] |= MARK;
            again->before++;
        }
}

int again_operated(struct again *again, const struct journal_record *record) {
    Hutong__Bus__V1__OperatedRecord *operated =
        hutong__bus__v1__operated_record__unpack(NULL, record->body.size, record->body.data);
    if (!operated)
        return -ENOMEM;
    if (operated->act == HUTONG__BUS__V1__OPERATED_RECORD__ACT__ACT_REPLAY && operated->queue == again->queue)
        for (size_t i = 0; i < operated->n_done; i++)
            mark(again, operated->done[i]);
    hutong__bus__v1__operated_record__free_unpacked(operated, NULL);
    return 0;
}

void again_destroy(struct again *again) {
    free(again->chosen);
    *again = (struct again){0};
}
