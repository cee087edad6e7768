// The topics of a bus, made where they are missing and compared with what the bus has said of itself. For the
// back end and for the export of a journal to a cluster. It blocks.
#pragma once

#include "broker/kafka/bus.h"
#include "broker/kafka/journal.h"

struct making {
    struct admin *admin;                         // borrowed, as all it points to
    const struct journal_kafka_options *options; // of what is made
    const uint8_t *claim; // the bus of the journal that is exported here; NULL: there is none
    // The answer:
    uint8_t id[BUS_ID_SIZE];
    bool complete;      // with a claim: the export is
    int32_t partitions; // the same for all topics but PREFIX.bus
};

// PREFIX's own topics and those of these systems. 0, KAFKA_WRONG, KAFKA_AGAIN, negative.
int making_run(struct making *making, const char *const *systems, size_t count, struct error *error);
