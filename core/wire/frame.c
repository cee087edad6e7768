#include "core/wire/field.h"
#include "core/wire/wire.h"

#include <errno.h>

#define SOFTWARE_LIMIT 128u
#define SYSTEM_LIMIT 128u
#define ROUTE_LIMIT 256u

// ---- Before protobuf-c sees it: what its unpacking takes wrongly (docs/protocol.md, "What is refused") ----

static uint32_t wire_type_of(const ProtobufCFieldDescriptor *field) {
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return VARINT_WIRE_BYTES;
    default:
        return VARINT_WIRE_NUMBER; // the frames have no fixed-size numbers
    }
}

static int check_message(const ProtobufCMessageDescriptor *type, struct bytes bytes, struct error *error);

static int check_field(
    const ProtobufCFieldDescriptor *field, const struct wire_field *found, struct error *error) {
    if (found->type != wire_type_of(field))
        return error_set(error, WIRE_REFUSED, "%s has wire type %u", field->name, found->type);
    if (field->type == PROTOBUF_C_TYPE_STRING && !wire_text_valid(found->bytes))
        return error_set(error, WIRE_REFUSED, "%s is not UTF-8 without NUL", field->name);
    if (field->type != PROTOBUF_C_TYPE_MESSAGE)
        return 0;
    int rc = check_message(field->descriptor, found->bytes, error);
    if (rc != 0)
        error_prefix(error, "%s: ", field->name);
    return rc;
}

// The types of a frame don't contain themselves, so this ends.
// NOLINTNEXTLINE(misc-no-recursion)
static int check_message(const ProtobufCMessageDescriptor *type, struct bytes bytes, struct error *error) {
    uint64_t seen = 0;
    for (struct bytes rest = bytes; rest.size;) {
        size_t at = bytes.size - rest.size;
        struct wire_field found = {0};
        const char *wrong = wire_field_next(&rest, &found);
        if (wrong)
            return error_set(error, WIRE_REFUSED, "%s at byte %zu", wrong, at);
        const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(type, found.number);
        if (!field)
            continue;
        uint64_t bit = 1ull << ((size_t)(field - type->fields) % 64);
        if (field->label != PROTOBUF_C_LABEL_REPEATED && (seen & bit))
            return error_set(error, WIRE_REFUSED, "%s twice", field->name);
        seen |= bit;
        int rc = check_field(field, &found, error);
        if (rc != 0)
            return rc;
    }
    if (type == &hutong__bus__v1__frame__descriptor && (seen == 0 || (seen & (seen - 1)) != 0))
        return error_set(
            error, WIRE_REFUSED, "%s", seen ? "more than one kind" : "no kind that version 1 knows");
    return 0;
}

// ---- Limits of what was unpacked ----

static int refuse_long(struct error *error, const char *name, size_t limit) {
    return error_set(error, WIRE_REFUSED, "%s is longer than %zu bytes", name, limit);
}

static int check_hello(const Hutong__Bus__V1__Hello *hello, struct error *error) {
    if (strlen(hello->software) > SOFTWARE_LIMIT)
        return refuse_long(error, "hello: software", SOFTWARE_LIMIT);
    if (hello->stream.len != 0 && hello->stream.len != WIRE_STREAM_SIZE)
        return error_set(error, WIRE_REFUSED, "hello: stream has %zu bytes; none or %u are right",
            hello->stream.len, WIRE_STREAM_SIZE);
    if (!wire_address_valid(bytes_of_string(hello->system)))
        return error_set(error, WIRE_REFUSED, "hello: system is not an address such as 'agency/system'");
    if (*hello->instance && !wire_instance_valid(bytes_of_string(hello->instance)))
        return error_set(
            error, WIRE_REFUSED, "hello: instance must be 1 to 64 letters, digits, '-', '_' or '.'");
    return 0;
}

static int check_welcome(const Hutong__Bus__V1__Welcome *welcome, struct error *error) {
    if (strlen(welcome->system) > SYSTEM_LIMIT)
        return refuse_long(error, "welcome: system", SYSTEM_LIMIT);
    if (welcome->bus.len != WIRE_STREAM_SIZE)
        return error_set(error, WIRE_REFUSED, "welcome: bus has %zu bytes; %u are right", welcome->bus.len,
            WIRE_STREAM_SIZE);
    return 0;
}

// A run of sequences or positions: at least one, from 1 on, and not beyond the largest number.
static int check_run(const char *name, uint64_t first, uint64_t count, struct error *error) {
    if (count == 0 || first == 0 || count - 1 > UINT64_MAX - first)
        return error_set(error, WIRE_REFUSED, "%s of %llu from %llu on: both must be at least 1", name,
            (unsigned long long)count, (unsigned long long)first);
    return 0;
}

static int check_accepted(const Hutong__Bus__V1__Accepted *accepted, struct error *error) {
    for (size_t i = 0; i < accepted->n_refusals; i++)
        if (strlen(accepted->refusals[i]->text) > WIRE_TEXT_LIMIT)
            return refuse_long(error, "accepted: a refusal's text", WIRE_TEXT_LIMIT);
    if (accepted->hold && strlen(accepted->hold->text) > WIRE_TEXT_LIMIT)
        return refuse_long(error, "accepted: hold: text", WIRE_TEXT_LIMIT);
    return 0;
}

static uint64_t lane_start(uint64_t position) {
    return position >> WIRE_LANE_SHIFT << WIRE_LANE_SHIFT;
}

// Within one lane, and not of its start, which is no position.
static int check_lane(const char *name, uint64_t first, uint64_t last, struct error *error) {
    if (last < first || first >> WIRE_LANE_SHIFT != last >> WIRE_LANE_SHIFT || lane_start(first) == first)
        return error_set(error, WIRE_REFUSED, "%s from %llu to %llu is not within one lane", name,
            (unsigned long long)first, (unsigned long long)last);
    return 0;
}

static int check_delivery_run(const Hutong__Bus__V1__DeliveryRun *run, struct error *error) {
    if (strlen(run->route) > ROUTE_LIMIT)
        return refuse_long(error, "deliver: a route's name", ROUTE_LIMIT);
    int rc = check_run("deliver: a run", run->first_position, run->count, error);
    return rc ? rc
              : check_lane(
                    "deliver: a run", run->first_position, run->first_position + run->count - 1, error);
}

static int check_deliver(const Hutong__Bus__V1__Deliver *deliver, struct error *error) {
    int rc = 0;
    for (size_t i = 0; i < deliver->n_runs && rc == 0; i++)
        rc = check_delivery_run(deliver->runs[i], error);
    for (size_t i = 0; i < deliver->n_settled_ranges && rc == 0; i++)
        rc = check_lane("deliver: a settled range", deliver->settled_ranges[i]->first,
            deliver->settled_ranges[i]->last, error);
    return rc;
}

static int check_settle(const Hutong__Bus__V1__Settle *settle, struct error *error) {
    for (size_t i = 0; i < settle->n_done; i++) {
        const Hutong__Bus__V1__PositionRange *range = settle->done[i];
        if (range->first == 0 || range->last < range->first)
            return error_set(error, WIRE_REFUSED, "settle: a range from %llu to %llu",
                (unsigned long long)range->first, (unsigned long long)range->last);
    }
    for (size_t i = 0; i < settle->n_failures; i++) {
        const Hutong__Bus__V1__Failure *failure = settle->failures[i];
        if (failure->position == 0)
            return error_set(error, WIRE_REFUSED, "settle: a failure of position 0");
        if (strlen(failure->text) > WIRE_TEXT_LIMIT)
            return refuse_long(error, "settle: a failure's text", WIRE_TEXT_LIMIT);
    }
    return 0;
}

static int check_end(const char *text, struct error *error) {
    return strlen(text) > WIRE_TEXT_LIMIT ? refuse_long(error, "text", WIRE_TEXT_LIMIT) : 0;
}

static int check_limits(const wire_frame *frame, struct error *error) {
    switch (frame->kind_case) {
    case HUTONG__BUS__V1__FRAME__KIND_HELLO:
        return check_hello(frame->hello, error);
    case HUTONG__BUS__V1__FRAME__KIND_WELCOME:
        return check_welcome(frame->welcome, error);
    case HUTONG__BUS__V1__FRAME__KIND_PUBLISH:
        return check_run("publish", frame->publish->first_sequence, frame->publish->count, error);
    case HUTONG__BUS__V1__FRAME__KIND_ACCEPTED:
        return check_accepted(frame->accepted, error);
    case HUTONG__BUS__V1__FRAME__KIND_DELIVER:
        return check_deliver(frame->deliver, error);
    case HUTONG__BUS__V1__FRAME__KIND_SETTLE:
        return check_settle(frame->settle, error);
    case HUTONG__BUS__V1__FRAME__KIND_ERROR:
        return check_end(frame->error->text, error);
    case HUTONG__BUS__V1__FRAME__KIND_BYE:
        return check_end(frame->bye->text, error);
    default:
        return 0;
    }
}

// ---- The interface ----

int wire_frame_parse(struct bytes bytes, wire_frame **out, struct error *error) {
    if (bytes.size > WIRE_FRAME_LIMIT)
        return error_set(error, WIRE_REFUSED, "frame: %zu bytes; a control frame has at most %u", bytes.size,
            WIRE_FRAME_LIMIT);
    int rc = check_message(&hutong__bus__v1__frame__descriptor, bytes, error);
    if (rc != 0)
        return error_prefix(error, "frame: "), rc;
    wire_frame *frame = hutong__bus__v1__frame__unpack(NULL, bytes.size, bytes.data);
    if (!frame)
        return error_no_memory(error); // the bytes were checked: nothing else is left
    rc = check_limits(frame, error);
    if (rc != 0) {
        wire_frame_free(&frame);
        return error_prefix(error, "frame: "), rc;
    }
    *out = frame;
    return 0;
}

void wire_frame_free(wire_frame **self) {
    if (*self)
        hutong__bus__v1__frame__free_unpacked(*self, NULL);
    *self = NULL;
}

uint64_t wire_settled_in_lane(const Hutong__Bus__V1__Deliver *deliver, uint64_t position) {
    uint64_t start = lane_start(position);
    uint64_t floor = lane_start(deliver->settled) == start ? deliver->settled : start;
    for (size_t i = 0; i < deliver->n_settled_ranges; i++) {
        const Hutong__Bus__V1__PositionRange *range = deliver->settled_ranges[i];
        if (range->first == start + 1 && range->last > floor)
            floor = range->last;
    }
    return floor;
}

int wire_frame_append(const wire_frame *frame, struct buffer *out) {
    size_t size = hutong__bus__v1__frame__get_packed_size(frame);
    if (size > WIRE_FRAME_LIMIT)
        return -EMSGSIZE;
    int rc = buffer_reserve(out, size);
    if (rc != 0)
        return rc;
    out->size += hutong__bus__v1__frame__pack(frame, out->data + out->size);
    return 0;
}
