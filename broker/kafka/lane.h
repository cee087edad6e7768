// One partition of a destination's topic, as its owner keeps it: what of it is settled, what failed, and
// which repeats are void. No I/O. Numbers count the partition's offsets from 1.
#pragma once

#include "broker/delivery/spans.h"
#include "core/base/buffer.h"
#include "core/base/error.h"
#include "core/base/map.h"

#include "hutong/bus/v1/cluster.pb-c.h"

#define LANE_STREAM_SIZE 16

struct lane {
    uint64_t next;    // the first number that wasn't looked at
    uint64_t settled; // all up to here, with what lies between records
    struct spans beyond;
    struct number_map failures; // number -> the packed FailedDelivery (struct buffer, owned)
    struct map *streams;        // stream -> struct lane_stream (owned)
    uint64_t streams_upto;      // what `streams` was, when it was restored, covers
};

// Where a delivery comes from: the same for each repeat of it.
struct lane_origin {
    struct bytes stream; // LANE_STREAM_SIZE; absent: of no durable stream, and never a repeat
    uint64_t sequence;
    uint32_t element; // which delivery of its message, from 1
};

int lane_init(struct lane *lane, uint64_t settled); // the group's offset. 0 or -ENOMEM
void lane_destroy(struct lane *lane);
// What an owner before kept; absent: nothing. Before anything is looked at. 0, -EBADMSG, -ENOMEM.
int lane_restore_state(struct lane *lane, struct bytes state);
int lane_restore_streams(struct lane *lane, struct bytes streams);
// From where the partition is to be read: repeats are only known from there on.
uint64_t lane_start(const struct lane *lane);

enum {
    LANE_NEW = 0,
    LANE_OVER = 1, // settled before, or void: nothing is to be done
};
// Looks at the next record. What lies before it since the last one is settled. LANE_NEW, LANE_OVER, -ENOMEM.
int lane_look(struct lane *lane, uint64_t number, const struct lane_origin *origin);
// What it failed by, as an owner before kept it; NULL: it didn't. Borrowed.
const struct buffer *lane_failure(const struct lane *lane, uint64_t number);

int lane_settle(struct lane *lane, uint64_t number); // 0 or -ENOMEM
// Kept until it is settled; the position in `failed` is left out. 0 or -ENOMEM.
int lane_fail(struct lane *lane, uint64_t number, const Hutong__Bus__V1__FailedDelivery *failed);

// What the next owner has to know. Appended; 0 or -ENOMEM.
int lane_state(const struct lane *lane, struct buffer *out);
int lane_streams(const struct lane *lane, struct buffer *out);

// Up to which number no owner will read any more, by what one of them kept; 0 where that can't be read.
// `streams` NULL: its lanes have none.
uint64_t lane_past(struct bytes state, const struct bytes *streams);
