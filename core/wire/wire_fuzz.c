// The first byte says what the rest is: a control frame, a body of envelopes, or one envelope.
#include "core/wire/wire.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
    if (!holds)
        abort();
}

// What is accepted survives being written and read again.
static void one_frame(struct bytes bytes) {
    wire_frame *frame;
    struct error error;
    int rc = wire_frame_parse(bytes, &frame, &error);
    must(rc == 0 || rc == WIRE_REFUSED);
    if (rc != 0)
        return;
    struct buffer packed = {0};
    wire_frame *again;
    if (wire_frame_append(frame, &packed) == 0) {
        must(wire_frame_parse(buffer_bytes(&packed), &again, &error) == 0);
        must(again->kind_case == frame->kind_case);
        wire_frame_free(&again);
    }
    buffer_destroy(&packed);
    wire_frame_free(&frame);
}

static void same(const struct wire_envelope *a, const struct wire_envelope *b) {
    must(bytes_equal(a->id, b->id) && bytes_equal(a->source, b->source) && bytes_equal(a->type, b->type));
    must(bytes_equal(a->subject, b->subject) && bytes_equal(a->dataschema, b->dataschema));
    must(bytes_equal(a->payload, b->payload) && a->time_us == b->time_us && a->expires_us == b->expires_us);
    struct bytes left = a->attributes;
    struct bytes right = b->attributes;
    struct bytes names[2];
    struct bytes values[2];
    while (wire_attribute_next(&left, &names[0], &values[0])) {
        must(wire_attribute_next(&right, &names[1], &values[1]));
        must(bytes_equal(names[0], names[1]) && bytes_equal(values[0], values[1]));
    }
    must(!wire_attribute_next(&right, &names[1], &values[1]) && a->attribute_count == b->attribute_count);
}

static void one_envelope(struct bytes bytes) {
    struct wire_envelope envelope;
    struct wire_envelope again;
    struct error error;
    if (wire_envelope_parse(bytes, &envelope, &error) != 0)
        return;
    struct buffer written = {0};
    must(wire_envelope_append(&envelope, &written) == 0);
    must(written.size == wire_envelope_size(&envelope));
    must(wire_envelope_parse(buffer_bytes(&written), &again, &error) == 0);
    same(&envelope, &again);
    buffer_destroy(&written);
}

static void one_body(struct bytes rest) {
    struct bytes raw;
    struct error error;
    while (rest.size && wire_body_next(&rest, &raw, &error) == 0)
        one_envelope(raw);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    struct bytes rest = bytes_of(data + 1, size - 1);
    if (data[0] == 'f')
        one_frame(rest);
    else if (data[0] == 'b')
        one_body(rest);
    else
        one_envelope(rest);
    return 0;
}
