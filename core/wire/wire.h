// Frames and envelopes of the bus protocol (docs/protocol.md). Control frames are protobuf-c's generated
// types; envelopes are read in place, without copying.
#pragma once

#include "core/base/buffer.h"
#include "core/base/error.h"

#include "hutong/bus/v1/bus.pb-c.h"

#include <stdbool.h>

typedef Hutong__Bus__V1__Frame wire_frame;
typedef Hutong__Bus__V1__Reason wire_reason;

#define WIRE_PROTOCOL 1u
#define WIRE_STREAM_SIZE 16u
#define WIRE_LANE_SHIFT 48u      // a position's lane is what stands above these bits
#define WIRE_FRAME_LIMIT 262144u // bytes of a control frame
#define WIRE_ID_LIMIT 128u
#define WIRE_TYPE_LIMIT 256u
#define WIRE_SUBJECT_LIMIT 256u
#define WIRE_ATTRIBUTE_LIMIT 16u // extension attributes, each name at most 20 and value at most 1,024 bytes
#define WIRE_TEXT_LIMIT 1024u

enum {
    WIRE_REFUSED = 1, // the bytes are not what they should be; the text says where and why
};

// Parses a control frame, with its limits. 0 and `*out` owned (wire_frame_free()), WIRE_REFUSED, -ENOMEM.
int wire_frame_parse(struct bytes bytes, wire_frame **out, struct error *error);
void wire_frame_free(wire_frame **self);
int wire_frame_append(const wire_frame *frame, struct buffer *out); // 0, -ENOMEM, -EMSGSIZE

// Up to where everything in `position`'s lane is settled, as the frame says; the lane's start (no position)
// when it says nothing of that lane.
uint64_t wire_settled_in_lane(const Hutong__Bus__V1__Deliver *deliver, uint64_t position);

// An envelope's attributes; all point into `raw`. Extension attributes are walked with wire_attribute_next().
struct wire_envelope {
    struct bytes raw; // the whole, without its length
    struct bytes id;
    struct bytes source;
    struct bytes type;
    struct bytes subject;
    struct bytes dataschema;
    struct bytes payload;
    int64_t time_us;
    int64_t expires_us;
    size_t attribute_count;
    struct bytes attributes; // from the first attribute's tag on
};

// Reads one envelope: wire types, lengths, UTF-8, limits, required attributes; unknown fields are skipped.
// Cost: well under 100 ns for the usual seven fields. 0 or WIRE_REFUSED.
int wire_envelope_parse(struct bytes raw, struct wire_envelope *out, struct error *error);

// Writes the envelope, without its length, in the order of field numbers, the payload last. `raw` is ignored;
// `attributes` is copied as it is.
size_t wire_envelope_size(const struct wire_envelope *envelope); // bytes that it takes
void wire_envelope_put(const struct wire_envelope *envelope, uint8_t *at);
int wire_envelope_append(const struct wire_envelope *envelope, struct buffer *out);

// `cursor` starts as envelope->attributes.
bool wire_attribute_next(struct bytes *cursor, struct bytes *name, struct bytes *value);
int wire_attribute_append(struct buffer *out, struct bytes name, struct bytes value);

// A body: envelopes with their lengths before them. `rest` starts as the whole body and shrinks. 0,
// WIRE_REFUSED (a length beyond the end or an overlong one).
int wire_body_next(struct bytes *rest, struct bytes *raw, struct error *error);
// The next envelope is read soon: its head is brought near while the one before is worked on.
void wire_body_expect(struct bytes rest);
int wire_body_append(struct buffer *out, struct bytes raw);

// An envelope that repeats parts of another one, the original: its own bytes, and between them the copies. A
// copy is three numbers: how many of its own bytes stand before it (since the copy before), where it begins
// in the original, and how many bytes it has. What is left of its own ends it.
struct wire_spliced {
    struct bytes own;
    const uint32_t *copies; // 3 * `count`
    size_t count;
};
#define WIRE_COPIES_LIMIT 16u // of one envelope
size_t wire_spliced_size(const struct wire_spliced *spliced);
// Whether it can be made of an original of that size.
bool wire_spliced_fits(const struct wire_spliced *spliced, size_t original);
// Writes the whole, of that size. 0, or WIRE_REFUSED: it is not made of this original; then nothing is
// written.
int wire_spliced_put(const struct wire_spliced *spliced, struct bytes original, uint8_t *out);

const char *wire_reason_name(wire_reason reason); // "unknown_type"; for logs and counters; never NULL

// "agency/system": lower-case letters, digits and "_", one "/"; at most 128 bytes.
bool wire_address_valid(struct bytes address);
bool wire_instance_valid(struct bytes instance);
bool wire_text_valid(struct bytes text); // UTF-8 of RFC 3629 without U+0000
bool wire_attribute_valid(
    struct bytes name, struct bytes value); // an extension attribute's, with their limits
