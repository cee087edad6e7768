// What came back from receivers, on its way into the journal: settled positions and failures of one queue.
// They happened when they were said, and stay in queue->unwritten until the batch has room for their records;
// one frame may bring more than fits.
#include "broker/internal.h"

#include <errno.h>
#include <stdlib.h>

// A record with as many fits any batch that the configuration allows (64 KiB and more).
#define SPANS_A_RECORD ((size_t)512)   // each has 24 bytes at most
#define FAILURES_A_RECORD ((size_t)32) // each has 1,100 bytes at most
#define KEPT_CAPACITY ((size_t)1024)   // what grew beyond gives its memory back

static int write_spans(struct broker *broker, struct queue *queue, const struct span *spans, size_t count,
    struct update *update) {
    Hutong__Bus__V1__PositionSpan items[SPANS_A_RECORD];
    Hutong__Bus__V1__PositionSpan *pointers[SPANS_A_RECORD];
    for (size_t i = 0; i < count; i++) {
        hutong__bus__v1__position_span__init(&items[i]);
        items[i].first = spans[i].first;
        items[i].count = spans[i].last - spans[i].first + 1;
        pointers[i] = &items[i];
    }
    Hutong__Bus__V1__SettledRecord record = HUTONG__BUS__V1__SETTLED_RECORD__INIT;
    record.queue = queue->id;
    record.n_spans = count;
    record.spans = pointers;
    record.bytes = queue->unwritten.bytes; // all with the first
    int rc =
        record_add_packed(update->batch, HUTONG__BUS__V1__RECORD_KIND__RECORD_SETTLED, &record.base, NULL);
    if (rc)
        return rc;
    queue->unwritten.bytes = 0;
    // Nobody waits for it: after a crash they are delivered again, and their adapters know them.
    queue->settle_record = broker->next_record++;
    return 0;
}

static int write_settled(struct broker *broker, struct queue *queue, struct update *update) {
    struct spans *spans = &queue->unwritten.settled;
    size_t written = 0;
    int rc = 0;
    while (written < spans->count && rc == 0) {
        size_t left = spans->count - written;
        size_t count = left < SPANS_A_RECORD ? left : SPANS_A_RECORD;
        rc = write_spans(broker, queue, spans->items + written, count, update);
        written += rc ? 0 : count;
    }
    spans_drop(spans, written);
    if (spans->count == 0 && spans->capacity > KEPT_CAPACITY)
        spans_destroy(spans);
    return rc;
}

// Those of the positions that are still unsettled: of the others nothing need be kept.
static int write_failures(struct broker *broker, const struct queue *queue, const uint64_t *positions,
    size_t count, struct update *update) {
    Hutong__Bus__V1__FailedDelivery items[FAILURES_A_RECORD];
    Hutong__Bus__V1__FailedDelivery *pointers[FAILURES_A_RECORD];
    Hutong__Bus__V1__FailedRecord record = HUTONG__BUS__V1__FAILED_RECORD__INIT;
    for (size_t i = 0; i < count; i++) {
        const struct failure *failure = number_map_get(&queue->failures, positions[i]);
        if (!failure)
            continue;
        record_failure(failure, &items[record.n_failures]);
        pointers[record.n_failures] = &items[record.n_failures];
        record.n_failures++;
    }
    record.queue = queue->id;
    record.failures = pointers;
    return record.n_failures ? broker_record(broker, update, HUTONG__BUS__V1__RECORD_KIND__RECORD_FAILED,
                                   &record.base, NULL)
                             : 0;
}

static int write_failed(struct broker *broker, struct queue *queue, struct update *update) {
    struct positions *failed = &queue->unwritten.failed;
    size_t written = 0;
    int rc = 0;
    while (written < failed->count && rc == 0) {
        size_t left = failed->count - written;
        size_t count = left < FAILURES_A_RECORD ? left : FAILURES_A_RECORD;
        rc = write_failures(broker, queue, failed->items + written, count, update);
        written += rc ? 0 : count;
    }
    positions_drop(failed, written);
    if (failed->count == 0 && failed->capacity > KEPT_CAPACITY)
        positions_destroy(failed);
    return rc;
}

// What is free to go by a settlement or failure waits for the record that was the next one then: that is not
// the one that says so where the batch had no room.
bool settlement_holds(const struct broker *broker, const struct queue *queue) {
    return queue->unwritten.overflowed || queue->unwritten.late > broker->durable;
}

bool settlement_waits(const struct queue *queue) {
    return queue->unwritten.settled.count || queue->unwritten.failed.count;
}

uint64_t settlement_recorded(const struct queue *queue) {
    const struct spans *waits = &queue->unwritten.settled;
    return waits->count && waits->items[0].first <= queue->settled ? waits->items[0].first - 1
                                                                   : queue->settled;
}

// Adds what of [next, last] isn't among those that wait.
static int add_recorded(const struct spans *waits, uint64_t next, uint64_t last, struct spans *out) {
    int rc = 0;
    for (size_t i = 0; i < waits->count && rc == 0 && next <= last; i++) {
        const struct span *wait = &waits->items[i];
        if (wait->last < next || wait->first > last)
            continue;
        if (wait->first > next)
            rc = spans_add(out, next, wait->first - 1);
        next = wait->last + 1;
    }
    return rc || next > last ? rc : spans_add(out, next, last);
}

int settlement_recorded_beyond(const struct queue *queue, struct spans *out) {
    uint64_t settled = settlement_recorded(queue);
    int rc = settled < queue->settled
                 ? add_recorded(&queue->unwritten.settled, settled + 1, queue->settled, out)
                 : 0;
    for (size_t i = 0; i < queue->settled_beyond.count && rc == 0; i++)
        rc = add_recorded(&queue->unwritten.settled, queue->settled_beyond.items[i].first,
            queue->settled_beyond.items[i].last, out);
    return rc;
}

int settlement_write(struct broker *broker, struct queue *queue, struct update *update) {
    int rc = write_settled(broker, queue, update);
    rc = rc ? rc : write_failed(broker, queue, update);
    if (rc == JOURNAL_BATCH_FULL) {
        queue->unwritten.overflowed = true;
        queue_wake(queue);
        update->more = true;
        return 0;
    }
    if (rc == 0 && queue->unwritten.overflowed) {
        queue->unwritten.overflowed = false;
        queue->unwritten.late = broker->next_record - 1;
        broker_await(broker, queue->unwritten.late);
    }
    broker_await(broker, queue->freeing);
    return rc;
}
