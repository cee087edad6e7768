// Between operation.c (a part of a command), dead.c (one dead letter) and replay.c (one message of the
// journal, and what both send). Inside the broker's core.
#pragma once

#include "broker/internal.h"
#include "broker/operation.h"
#include "broker/parcel.h"

struct queue *operation_queue(const struct broker *broker, const struct operation *operation); // or NULL
// Bytes of the batch that must be left for the end of the part when one item more is done.
size_t operation_room(const struct operation *operation);
// The same as operation_refuse(), and the item counts as left.
int operation_refuse_item(struct operation *operation, uint64_t item, wire_reason reason, const char *text);

// One item each. 0: done, refused or gone, as `operation` says; JOURNAL_BATCH_FULL: nothing happened to it;
// -ENOMEM.
int dead_letter(struct broker *broker, struct operation *operation, uint64_t position,
    const struct journal_record *record, struct update *update);
int replay_record(struct broker *broker, struct operation *operation, const struct journal_record *record,
    struct update *update);

// ---- What goes out again ----
struct resend {
    uint64_t item;
    uint64_t record; // that it comes from
    struct bytes source;
    struct bytes raw;   // the envelope
    struct bytes route; // only by this one; empty: by any
    uint32_t element;   // only this one of a message that is split, from 1; 0: all
    bool whole;         // nothing goes unless all of it can
    uint64_t subject_hash;
};
// By today's matcher, only to the operation's system. `*sent` is how many deliveries that made; 0: it was
// refused. As above.
int resend_original(struct broker *broker, struct operation *operation, const struct resend *resend,
    struct update *update, size_t *sent);
// What a route made already goes as it is, when that route may still give it.
int resend_made(struct broker *broker, struct operation *operation, const struct resend *resend,
    struct update *update, size_t *sent);
