// What was in force since this process began, newest last: what its history and a rollback are made of. All
// activations of all brokers are in PREFIX.record.
#include "broker/kafka/journal_internal.h"

#include "core/base/clock.h"

#include <errno.h>
#include <stdlib.h>

#define KEPT_BYTES ((size_t)16 << 20)

struct activation_kept {
    uint32_t queue;
    uint64_t position;
    int64_t time_ns;
    struct buffer body;
};

static void forget_oldest(struct activations *kept) {
    struct activation_kept *oldest = kept->items[0];
    kept->count--;
    memmove(kept->items, kept->items + 1, kept->count * sizeof(struct activation_kept *));
    kept->bytes -= oldest->body.size;
    buffer_destroy(&oldest->body);
    free(oldest);
}

void activations_destroy(struct activations *kept) {
    while (kept->count)
        forget_oldest(kept);
}

int activations_keep(struct activations *kept, const struct journal_record *record) {
    struct activation_kept *one = record->entry_count ? calloc(1, sizeof *one) : NULL;
    if (!record->entry_count)
        return 0;
    if (!one || buffer_append_bytes(&one->body, record->body) != 0) {
        free(one);
        return -ENOMEM;
    }
    one->queue = record->entries[0].queue;
    one->position = record->entries[0].position;
    one->time_ns = clock_realtime_ns();
    while (kept->count == ACTIVATIONS_KEPT || (kept->count && kept->bytes + one->body.size > KEPT_BYTES))
        forget_oldest(kept);
    kept->items[kept->count++] = one;
    kept->bytes += one->body.size;
    return 0;
}

int activations_read(const struct activations *kept, uint32_t queue, uint64_t from, size_t max_count,
    size_t max_bytes, journal_visit *visit, void *context) {
    int rc = 0;
    for (size_t i = 0; i < kept->count && max_count && rc == 0; i++) {
        const struct activation_kept *one = kept->items[i];
        if (one->queue != queue || one->position < from)
            continue;
        const struct journal_record record = {.kind = HUTONG__BUS__V1__RECORD_KIND__RECORD_ACTIVATED,
            .time_ns = one->time_ns,
            .body = buffer_bytes(&one->body)};
        rc = visit(context, &record, one->position);
        if (record.body.size >= max_bytes)
            break;
        max_bytes -= record.body.size;
        max_count--;
    }
    return rc;
}
