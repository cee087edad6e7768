// What a bus that has ended leaves in its journal: publishers' last sequences, and of each queue what is not
// settled, from where it lies. For who takes it elsewhere (`hutong journal export`).
#pragma once

#include "broker/broker.h"

#include "hutong/bus/v1/journal.pb-c.h"

struct leaving_item {
    uint32_t queue;
    uint64_t position;
    const char *system;
    const struct journal_record *record; // as it first was; body absent (data NULL): erased, a dead letter
    Hutong__Bus__V1__FailedDelivery *failed; // of a delivery that failed; otherwise NULL
};

struct leaving_sink { // each 0 or what ends the walk
    void *context;
    int (*stream)(void *context, const char *system, const uint8_t stream[16], uint64_t sequence,
        int64_t time_us, struct error *error);
    int (*delivery)(void *context, const struct leaving_item *item, struct error *error);
    int (*letter)(void *context, const struct leaving_item *item, struct error *error);
};

// All streams; then the queues by their numbers, from behind this position of this queue on, each in order.
// The broker was recovered from the journal, and not started. 0; JOURNAL_DAMAGED, JOURNAL_UNREAD with the
// place; what the sink returned; negative.
int leaving_walk(const struct broker *broker, struct journal *journal, uint32_t queue, uint64_t position,
    const struct leaving_sink *sink, struct error *error);
