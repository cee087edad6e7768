// One system's queue as it lies on the cluster: what of its topic this process owns, and what arrived of it
// at which position of the core's.
#pragma once

#include "broker/kafka/lane.h"
#include "core/base/list.h"
#include "core/journal/journal.h"

struct group;
struct destination;

// A partition that is this process's.
struct part {
    struct list link; // of destination.parts
    struct destination *destination;
    int32_t partition;
    struct lane lane;
    int64_t offset;      // that the group committed
    uint64_t question;   // of follow_ask(): until that is answered nothing is known of it; 0: it is
    bool caught_up;      // what arrives from now on no process can have sent before
    bool news;           // something was settled or failed since the last batch
    uint64_t written;    // lane.settled in the batch that is under way
    uint32_t written_as; // the number of its group's part there; 0: it has nothing of it
    uint64_t told;       // what the core knows to be settled and durable
    uint64_t streams_ms; // when its streams were last written; 0: they are to be
    uint64_t noted;      // up to which number they hold
};

// What arrived, until it is settled.
struct arrival {
    struct part *part; // NULL: settled, or another's now
    uint64_t position; // the core's
    uint64_t number;   // in its lane
    uint64_t former;   // where it was in the journal of files that it was exported from; 0: it wasn't
    size_t size;       // of the envelope, as the core counts it
    int64_t time_ms;   // when it was written, since 1970
    struct buffer value;
};

struct destination {
    char *name;          // "agency/system", or "dead:…"; owned
    struct group *group; // while this process is in it
    struct list parts;
    uint32_t id;
    uint32_t topic; // of transactions_topic()
    bool letters;   // dead ones: served while an operator is at them
    bool served;    // somebody takes from it
    bool releasing; // revoked: that is answered when nothing of it is under way
    bool leaving;
    bool held;                // as many as may be: nothing is read for now
    bool yields;              // of dead letters: it leaves at once, so that another process has all of them,
    uint64_t again_ms;        // and comes back only then
    uint64_t leave_ms;        // nobody takes any more: when to leave
    struct arrival *arrivals; // owned, by position, from `head` on; also some that are forgotten
    size_t head, count, capacity;
    size_t forgotten; // of them
    uint64_t next_position;
    uint64_t bytes;              // of values that are kept
    struct number_map at_places; // of dead letters, and of what was exported: place -> position
};

struct destination *destination_new(uint32_t id, const char *name, uint32_t topic); // owned, or NULL
void destination_destroy(struct destination **self); // it has no group any more

struct part *destination_part(const struct destination *destination, int32_t partition); // or NULL
struct part *destination_add_part(
    struct destination *destination, int32_t partition); // or NULL without memory
void destination_drop_part(struct part *part);           // nothing that arrived names it any more

uint64_t destination_next(const struct destination *destination); // the next position
// At the next position. The value is copied. 0 or -ENOMEM.
int destination_arrive(struct destination *destination, const struct arrival *arrival, struct bytes value);
// What is at a position: NULL where it never came, is settled, or another's.
struct arrival *destination_at(const struct destination *destination, uint64_t position);
// The same of a dead letter, or of what was exported from a journal of files.
struct arrival *destination_at_place(const struct destination *destination, uint64_t place);
// The first at this position or behind it; NULL: none.
struct arrival *destination_from(const struct destination *destination, uint64_t position);
// It needs no memory any more. Others may lie elsewhere then.
void destination_forget(struct destination *destination, struct arrival *arrival);

// Lane 0 is that of a journal on files: what was exported from one keeps its positions.
static inline uint64_t part_place(const struct part *part, uint64_t number) {
    return ((uint64_t)part->partition + 1) << JOURNAL_LANE_SHIFT | number;
}
static inline int32_t place_partition(uint64_t place) { // -1: of a journal on files
    return (int32_t)(place >> JOURNAL_LANE_SHIFT) - 1;
}
static inline uint64_t arrival_place(const struct arrival *arrival) {
    return arrival->former ? arrival->former : part_place(arrival->part, arrival->number);
}
