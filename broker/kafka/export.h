// Writes what a journal on files leaves to a cluster, as the brokers there read it: publishers' last
// sequences, deliveries that wait with what they failed by, dead letters. In transactions that have with them
// how far it is, so that it can be killed at any moment and run again. It blocks
// (docs/decisions/0030-kafka-journal.md, "Changing over").
#pragma once

#include "broker/kafka/bus.h"
#include "broker/kafka/journal.h"

#include "hutong/bus/v1/journal.pb-c.h"

struct kafka_export;

struct export_source {
    uint8_t bus[BUS_ID_SIZE]; // its id, which the bus there has from then on
    uint64_t last;            // its last record: what went on since is found by that
    bool left;                // no broker has been at it since it was marked
};

// How far it is: all queues with a lower number, and this one up to the position.
struct export_mark {
    uint32_t queue;
    uint64_t position;
};

// Makes the topics, and takes over from an export that was killed. `options` is borrowed until it is closed.
// 0; KAFKA_WRONG: there is another bus, or another state of this journal was exported; KAFKA_AGAIN: no
// answer; negative.
int export_open(const struct journal_kafka_options *options, const struct export_source *source,
    struct kafka_export **out, struct error *error);
void export_close(struct kafka_export **self); // what isn't committed is given up

// By an earlier run: brokers may have started, and nothing is to be written any more.
bool export_complete(const struct kafka_export *self);
// The same, but that it was killed before it could say so: only export_finish() is left.
bool export_written(const struct kafka_export *self);
struct export_mark export_done(const struct kafka_export *self);

// The topics of these systems ("agency/system"), before anything goes there. As export_open().
int export_systems(struct kafka_export *self, const char *const *systems, size_t count, struct error *error);

// Each is gathered, and what was gathered before it is committed when that is enough. 0 or negative.
int export_stream(struct kafka_export *self, const char *system, const uint8_t stream[16], uint64_t sequence,
    int64_t time_us, struct error *error);
struct export_delivery {
    const char *system;
    struct export_mark at;
    bool maybe_done;   // by a receiver, which knows it by its position there, and will again
    struct bytes body; // of its message record, with this delivery among others
    Hutong__Bus__V1__FailedDelivery *failed; // NULL: it didn't
};
int export_delivery(struct kafka_export *self, const struct export_delivery *delivery, struct error *error);
struct export_letter {
    const char *system;
    struct export_mark at;
    struct bytes body; // DeadRecord
};
int export_letter(struct kafka_export *self, const struct export_letter *letter, struct error *error);

// Commits the rest, and says that it is complete: brokers may start. As export_open().
int export_finish(struct kafka_export *self, struct error *error);
