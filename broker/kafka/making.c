#include "broker/kafka/making.h"

#include "core/base/clock.h"

#include <poll.h>

#define MAKE_NS (15 * CLOCK_SECOND_NS) // how long what the cluster does not know yet is asked again
#define MAKE_AGAIN_MS 500

static int make(struct making *making, struct topics *topics, struct error *error) {
    int rc = topics_make(making->admin, topics, error);
    rc = rc ? rc : topics_describe(making->admin, topics, error);
    rc = rc ? rc : topics_check(making->admin, topics, error);
    if (rc)
        return rc;
    if (!making->claim)
        return bus_agree(making->admin, topics, making->id, error);
    memcpy(making->id, making->claim, sizeof making->id);
    return bus_claim(making->admin, topics, making->claim, &making->complete, error);
}

int making_run(struct making *making, const char *const *systems, size_t count, struct error *error) {
    const struct journal_kafka_options *options = making->options;
    const struct topics_wanted wanted = {.destinations = systems,
        .destination_count = count,
        .partitions = options->partitions,
        .replication = options->replication,
        .retention_ms = options->retention_ms,
        .record_limit = options->record_limit};
    struct topics topics;
    int rc = topics_plan(options->cluster.prefix, &wanted, &topics, error);
    if (rc)
        return rc;
    uint64_t until = clock_monotonic_ns() + MAKE_NS;
    rc = make(making, &topics, error);
    while (rc == KAFKA_AGAIN && clock_monotonic_ns() < until) {
        poll(NULL, 0, MAKE_AGAIN_MS); // nodes hear of a new topic one after the other
        rc = make(making, &topics, error);
    }
    for (size_t i = 0; i < topics.count && rc == 0; i++)
        if (topics.items[i].kind != TOPIC_BUS)
            making->partitions = topics.items[i].partitions;
    topics_destroy(&topics);
    return rc;
}
