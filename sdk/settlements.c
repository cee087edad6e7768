#include "sdk/internal.h"

#include <errno.h>
#include <stdlib.h>

// The array with room for one more, or NULL without memory (then it is as it was).
static void *grow(void *items, size_t count, size_t *capacity, size_t size) {
    if (items && count < *capacity)
        return items;
    size_t wanted = *capacity ? *capacity * 2 : 16;
    void *larger = reallocarray(items, wanted, size);
    if (larger)
        *capacity = wanted;
    return larger;
}

int settlements_done(struct settlements *settlements, uint64_t position) {
    size_t count = settlements->done_count;
    if (count > 0 && settlements->done[count - 1].last + 1 == position) {
        settlements->done[count - 1].last = position;
        return 0;
    }
    struct range *done = grow(settlements->done, count, &settlements->done_capacity, sizeof *done);
    if (!done)
        return -ENOMEM;
    done[count] = (struct range){position, position};
    settlements->done = done;
    settlements->done_count++;
    return 0;
}

// Where the text stands in `texts`, from 1; 0: none. -ENOMEM by leaving `*at` as it is.
static int keep_text(struct settlements *settlements, const char *text, size_t *at) {
    if (!text[0])
        return 0;
    size_t offset = settlements->texts.size;
    int rc = buffer_append(&settlements->texts, text, strlen(text) + 1);
    if (rc == 0)
        *at = offset + 1;
    return rc;
}

int settlements_fail(
    struct settlements *settlements, uint64_t position, const struct hutong_settlement *settlement) {
    size_t count = settlements->failure_count;
    struct failure failure = {.position = position,
        .retry_after_ms = settlement->retry_after_ms,
        .reject = settlement->verdict == HUTONG_REJECT};
    struct failure *failures =
        grow(settlements->failures, count, &settlements->failure_capacity, sizeof *failures);
    if (!failures)
        return -ENOMEM;
    settlements->failures = failures;
    int rc = keep_text(settlements, settlement->text, &failure.text);
    if (rc != 0)
        return rc;
    failures[count] = failure;
    settlements->failure_count++;
    return 0;
}

const char *settlements_text(const struct settlements *settlements, const struct failure *failure) {
    return failure->text ? (const char *)settlements->texts.data + failure->text - 1 : "";
}

void settlements_clear(struct settlements *settlements) {
    buffer_clear(&settlements->texts);
    settlements->failure_count = 0;
    settlements->done_count = 0;
}

void settlements_destroy(struct settlements *settlements) {
    buffer_destroy(&settlements->texts);
    free(settlements->done);
    free(settlements->failures);
    *settlements = (struct settlements){0};
}
