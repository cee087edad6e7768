// How much waits in a queue for all brokers, once a second, where the core wants to know it: what lies behind
// the state of its lanes, up to their ends.
#include "broker/kafka/journal_internal.h"

#include "core/base/clock.h"

#define WEIGH_MS 1000

static int lane_waits(struct kafka_journal *journal, const struct destination *destination, int32_t partition,
    int64_t end, uint64_t *waiting) {
    const struct part part = {
        .destination = (struct destination *)(uintptr_t)destination, .partition = partition};
    struct buffer key = {0};
    int rc = lane_key(&part, false, &key);
    uint64_t settled = rc ? 0 : lane_past(follow_get(journal->state, buffer_bytes(&key)), NULL);
    buffer_destroy(&key);
    // Each transaction leaves a mark behind at least one delivery, so half of it is what there is at least.
    if (rc == 0 && (uint64_t)end > settled)
        *waiting += ((uint64_t)end - settled) / 2;
    return rc;
}

static int tell(struct kafka_journal *journal, uint32_t queue, const int64_t *ends) {
    const struct destination *destination = kafka_destination(journal, queue);
    uint64_t waiting = 0;
    int rc = 0;
    for (int32_t i = 0; i < journal->partitions && rc == 0 && destination; i++)
        rc = lane_waits(journal, destination, i, ends[i], &waiting);
    return rc || !destination ? rc : journal->owner.waiting(journal->owner.context, queue, waiting);
}

static int hear(struct kafka_journal *journal) {
    uint32_t queue;
    const int64_t *ends;
    int rc = 0;
    for (size_t i = 0; rc == 0 && heights_answer(journal->heights, i, &queue, &ends); i++)
        rc = ends ? tell(journal, queue, ends) : 0;
    heights_clear(journal->heights);
    return rc;
}

static int ask(struct kafka_journal *journal, struct error *error) {
    bool any = false;
    int rc = 0;
    for (size_t i = 0; i < journal->destination_count && rc == 0; i++) {
        const struct destination *destination = journal->destinations[i];
        char topic[TOPIC_NAME_SIZE];
        if (!destination || destination->letters ||
            !journal->owner.weighed(journal->owner.context, destination->id))
            continue;
        rc = kafka_topic(journal, destination, topic, error);
        rc = rc ? rc : heights_add(journal->heights, topic, journal->partitions, destination->id);
        any = true;
    }
    if (rc == 0 && any)
        heights_start(journal->heights);
    return rc;
}

int weighing_run(struct kafka_journal *journal, struct error *error) {
    uint64_t now_ms = clock_monotonic_ns() / CLOCK_MILLISECOND_NS;
    if (heights_busy(journal->heights))
        return 0;
    int rc = hear(journal);
    if (rc || now_ms < journal->weigh_ms)
        return rc;
    journal->weigh_ms = now_ms + WEIGH_MS;
    return ask(journal, error);
}
