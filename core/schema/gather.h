// A message's fields as the specification merges them: the last of a singular one, all pieces of a
// submessage, all elements of a repeated one, the last member of a oneof. For what needs whole messages
// (JSON, required fields), not for the fast path. The bytes are known to be good.
#pragma once

#include "core/schema/view.h"

#define GATHER_NONE UINT32_MAX

struct gather_record {
    struct bytes raw; // what follows the tag, with its length where it has one
    uint32_t tag;
    uint32_t next; // of the same field; GATHER_NONE: the last
};

struct gather { // zero-initialised; a stack of frames
    struct gather_record *records;
    size_t record_count;
    size_t record_capacity;
    uint32_t *heads;
    size_t head_count;
    size_t head_capacity;
};

struct gather_frame {
    const struct schema_message *type;
    size_t records; // where the frame starts
    size_t heads;
};

void gather_destroy(struct gather *gather);
// A list of one message, to start with. 0 or -ENOMEM.
int gather_root(struct gather *gather, struct bytes message, uint32_t *out);
// A list with a copy of one record only, for the element of a repeated field. 0 or -ENOMEM.
int gather_one(struct gather *gather, uint32_t record, uint32_t *out);
// The fields of a message that lies in the records from `first` on. 0 or -ENOMEM (then nothing is to be
// closed).
int gather_open(
    struct gather *gather, const struct schema_message *type, uint32_t first, struct gather_frame *out);
void gather_close(struct gather *gather, const struct gather_frame *frame); // the newest that is open
// The first record of a field, or GATHER_NONE.
uint32_t gather_field(const struct gather *gather, const struct gather_frame *frame, size_t index);
// What is inside a submessage's or group's record.
struct bytes gather_content(const struct gather *gather, uint32_t record);
