#include "broker/leaving.h"

#include "broker/internal.h"
#include "broker/reading.h"

#include <inttypes.h>

#define DEAD "dead:"
#define READ_COUNT 1024
#define READ_BYTES ((size_t)16 << 20)

struct walk {
    const struct broker *broker;
    const struct leaving_sink *sink;
    const struct queue *queue;
    const char *system;
    bool letters;
    uint64_t expected; // the next position that isn't settled; 0: none
    struct error *error;
};

static int damaged(const struct walk *walk, uint64_t position, const char *what) {
    return error_set(
        walk->error, JOURNAL_DAMAGED, "%s, position %" PRIu64 ": %s", walk->queue->name, position, what);
}

static int give_delivery(struct walk *walk, struct leaving_item *item) {
    Hutong__Bus__V1__FailedDelivery failed = HUTONG__BUS__V1__FAILED_DELIVERY__INIT;
    const struct failure *failure = number_map_get(&walk->queue->failures, item->position);
    if (item->record->kind != HUTONG__BUS__V1__RECORD_KIND__RECORD_MESSAGE || !item->record->body.data)
        return damaged(walk, item->position, "no message is there");
    if (failure) {
        record_failure(failure, &failed);
        item->failed = &failed;
    }
    return walk->sink->delivery(walk->sink->context, item, walk->error);
}

static int visit(void *context, const struct journal_record *record, uint64_t position) {
    struct walk *walk = context;
    struct leaving_item item = {
        .queue = walk->queue->id, .position = position, .system = walk->system, .record = record};
    if (position != walk->expected)
        return damaged(walk, walk->expected, "the journal doesn't have it");
    walk->expected = broker_next_unsettled(walk->broker, walk->queue->id, position + 1);
    if (!walk->letters)
        return give_delivery(walk, &item);
    if (record->kind != HUTONG__BUS__V1__RECORD_KIND__RECORD_DEAD)
        return damaged(walk, position, "no dead letter is there");
    return walk->sink->letter(walk->sink->context, &item, walk->error);
}

static int walk_queue(struct walk *walk, struct journal *journal, uint64_t from) {
    walk->expected = broker_next_unsettled(walk->broker, walk->queue->id, from);
    for (uint64_t next = walk->expected; next;) {
        struct reading reading = {.broker = walk->broker,
            .journal = journal,
            .queue = walk->queue->id,
            .last = UINT64_MAX,
            .count = READ_COUNT,
            .bytes = READ_BYTES,
            .visit = visit,
            .context = walk};
        int rc = reading_run(&reading, next, walk->error);
        if (rc)
            return rc;
        next = reading.next;
    }
    return walk->expected ? damaged(walk, walk->expected, "the journal doesn't have it") : 0;
}

// False: an internal one, of which nothing is left.
static bool begin_queue(struct walk *walk, const struct queue *queue) {
    walk->queue = queue;
    walk->letters = queue && strncmp(queue->name, DEAD, sizeof DEAD - 1) == 0;
    if (!queue || (!walk->letters && strchr(queue->name, ':')))
        return false;
    walk->system = walk->letters ? queue->name + sizeof DEAD - 1 : queue->name;
    return true;
}

static int give_streams(const struct walk *walk) {
    int rc = 0;
    for (size_t i = 0; i < walk->broker->publishers.count && rc == 0; i++) {
        const struct publisher *publisher = walk->broker->publishers.items[i];
        if (publisher && publisher->sequence)
            rc = walk->sink->stream(walk->sink->context, publisher->system, publisher->stream,
                publisher->sequence, publisher->last_us, walk->error);
    }
    return rc;
}

int leaving_walk(const struct broker *broker, struct journal *journal, uint32_t queue, uint64_t position,
    const struct leaving_sink *sink, struct error *error) {
    struct walk walk = {.broker = broker, .sink = sink, .error = error};
    int rc = give_streams(&walk);
    for (size_t i = 0; i < broker->queue_count && rc == 0; i++) {
        const struct queue *each = broker->queues[i];
        if (begin_queue(&walk, each) && each->id >= queue)
            rc = walk_queue(&walk, journal, each->id == queue ? position + 1 : 1);
    }
    return rc;
}
