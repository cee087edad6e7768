#include "sdk/internal.h"

#include <errno.h>
#include <stdlib.h>

static int grow(void *array, size_t count, size_t *capacity, size_t size) {
    if (count < *capacity)
        return 0;
    void **items = array;
    size_t wanted = *capacity ? *capacity * 2 : 16;
    void *larger = reallocarray(*items, wanted, size);
    if (!larger)
        return -ENOMEM;
    *items = larger;
    *capacity = wanted;
    return 0;
}

int settlements_done(struct settlements *settlements, uint64_t position) {
    struct range *last = settlements->done_count ? &settlements->done[settlements->done_count - 1] : NULL;
    if (last && last->last + 1 == position) {
        last->last = position;
        return 0;
    }
    int rc = grow(
        &settlements->done, settlements->done_count, &settlements->done_capacity, sizeof *settlements->done);
    if (rc == 0)
        settlements->done[settlements->done_count++] = (struct range){position, position};
    return rc;
}

int settlements_fail(
    struct settlements *settlements, uint64_t position, const struct hutong_settlement *settlement) {
    int rc = grow(&settlements->failures, settlements->failure_count, &settlements->failure_capacity,
        sizeof *settlements->failures);
    if (rc != 0)
        return rc;
    settlements->failures[settlements->failure_count++] = (struct failure){
        .position = position,
        .retry_after_ms = settlement->retry_after_ms,
        .reject = settlement->verdict == HUTONG_REJECT,
        .text = settlement->text[0] ? strndup(settlement->text, sizeof settlement->text - 1) : NULL,
    };
    return 0;
}

void settlements_clear(struct settlements *settlements) {
    for (size_t i = 0; i < settlements->failure_count; i++)
        free(settlements->failures[i].text);
    settlements->failure_count = 0;
    settlements->done_count = 0;
}

void settlements_destroy(struct settlements *settlements) {
    settlements_clear(settlements);
    free(settlements->done);
    free(settlements->failures);
    *settlements = (struct settlements){0};
}
