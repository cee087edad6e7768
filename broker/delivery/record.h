// What the broker writes into its journal and reads back: the records of proto/hutong/bus/v1/journal.proto.
// Messages are written and read by hand, since they pass at full speed; the small records are protobuf-c's.
#pragma once

#include "core/base/buffer.h"
#include "core/base/error.h"
#include "core/journal/journal.h"

#include "hutong/bus/v1/journal.pb-c.h"

// How a delivery is to be tried, from its route.
struct delivery_rule {
    const char *route; // borrowed: lives as long as the configuration, or interned by the broker
    uint32_t retries;
    uint32_t backoff_min_ms;
    uint32_t backoff_max_ms;
    int64_t expires_us; // absolute; 0: never
};

// One delivery of a message record.
struct record_delivery {
    uint32_t queue;
    uint64_t position;
    uint64_t place; // as receivers know it; 0: its position
    uint64_t subject_hash;
    struct delivery_rule rule;
    bool replay;            // an operator sent it again
    struct bytes route;     // when read, rule.route is not set
    struct bytes agreement; // only written; size 0: without one
    struct bytes envelope;  // as it goes out; size 0: the original
    // Of the envelope, when written: long parts that stand in the original too, as struct wire_spliced has
    // them.
    const uint32_t *copies;
    size_t copy_count;
    struct bytes packed; // when read: the same as the record has it; `envelope` is without them
    struct chunk *chunk; // of an envelope that is on its way; the record knows nothing of it
};

struct record_message {
    uint32_t publisher;
    uint64_t sequence;
    uint64_t replay_of; // the record it comes from; 0: it is new
    struct bytes source;
    struct bytes envelope;
};

// At most, of a message with so many deliveries and copies in them.
#define RECORD_PARTS(deliveries, copies) (2 * ((deliveries) + (copies)) + 2)

// Makes a message record's body of parts, for journal_batch_add(): the envelopes where they lie, and what
// stands around them, which is appended to `room`. Borrowed. 0, or -ENOMEM.
int record_message_parts(const struct record_message *message, const struct record_delivery *deliveries,
    size_t count, struct buffer *room, struct bytes *parts, size_t *part_count);

// Reads a message record: the message, and the delivery of (queue, position). 0 or -EBADMSG.
int record_message_read(struct bytes body, uint32_t queue, uint64_t position, struct record_message *message,
    struct record_delivery *delivery);

// The same of a record that has one delivery only, whatever queue and position that names.
int record_message_only(struct bytes body, struct record_message *message, struct record_delivery *delivery);

// Calls `visit` for each delivery of a message record, before the message's envelope is known. Forwards its
// return.
int record_message_each(struct bytes body, struct record_message *message,
    int (*visit)(void *context, const struct record_delivery *delivery), void *context);

// Of a delivery that was read, the bytes of an envelope of its own; 0: the original goes out. 0 or -EBADMSG.
int record_own_size(const struct record_delivery *delivery, size_t *size);
// Of the envelope that goes out, whose copies all lie in the original. 0 or -EBADMSG.
int record_envelope_size(
    const struct record_message *message, const struct record_delivery *delivery, size_t *size);
// Writes it. 0 or -EBADMSG.
int record_envelope_put(
    const struct record_message *message, const struct record_delivery *delivery, uint8_t *out);

struct failure;
// What the record, or a checkpoint, has of it; the text is borrowed.
void record_failure(const struct failure *failure, Hutong__Bus__V1__FailedDelivery *out);
// The other way.
struct failure record_failure_read(const Hutong__Bus__V1__FailedDelivery *from);

// Packs a small record and adds it to the batch.
int record_add_packed(struct journal_batch *batch, Hutong__Bus__V1__RecordKind kind,
    const ProtobufCMessage *message, const struct journal_entry *entry);
