#include "broker/kafka/lane.h"

#include "core/base/varint.h"

#include <errno.h>
#include <stdlib.h>

struct lane_stream {
    uint64_t sequence;
    uint32_t element;
    uint8_t name[LANE_STREAM_SIZE];
};

int lane_init(struct lane *lane, uint64_t settled) {
    *lane = (struct lane){.next = settled + 1, .settled = settled};
    lane->streams = map_new();
    return lane->streams ? 0 : -ENOMEM;
}

static void free_failure(struct buffer *packed) {
    if (packed)
        buffer_destroy(packed);
    free(packed);
}

static void forget_failure(struct lane *lane, uint64_t number) {
    free_failure(number_map_remove(&lane->failures, number));
}

void lane_destroy(struct lane *lane) {
    size_t cursor = 0;
    void *packed;
    while (number_map_next(&lane->failures, &cursor, NULL, &packed))
        free_failure(packed);
    number_map_destroy(&lane->failures);
    spans_destroy(&lane->beyond);
    cursor = 0;
    void *stream;
    while (lane->streams && map_next(lane->streams, &cursor, NULL, &stream))
        free(stream);
    map_destroy(&lane->streams);
}

// ---- What is settled ----

static int settle_span(struct lane *lane, uint64_t first, uint64_t last) {
    if (first <= lane->settled)
        first = lane->settled + 1;
    int rc = first <= last ? spans_add(&lane->beyond, first, last) : 0;
    if (rc == 0)
        spans_absorb(&lane->beyond, &lane->settled);
    return rc;
}

int lane_settle(struct lane *lane, uint64_t number) {
    forget_failure(lane, number);
    return settle_span(lane, number, number);
}

static bool is_settled(const struct lane *lane, uint64_t number) {
    return number <= lane->settled || spans_has(&lane->beyond, number);
}

// ---- Repeats ----

static struct lane_stream *find_stream(const struct lane *lane, struct bytes name) {
    return map_get(lane->streams, name);
}

static struct lane_stream *make_stream(struct lane *lane, struct bytes name) {
    struct lane_stream *stream = calloc(1, sizeof *stream);
    if (!stream)
        return NULL;
    memcpy(stream->name, name.data, LANE_STREAM_SIZE);
    if (map_put(lane->streams, name, stream) != 0) {
        free(stream);
        return NULL;
    }
    return stream;
}

// LANE_NEW, LANE_OVER for a repeat, -ENOMEM. Depends on nothing but what lies before it in the partition.
static int note_origin(struct lane *lane, const struct lane_origin *origin) {
    if (origin->stream.size != LANE_STREAM_SIZE)
        return LANE_NEW;
    struct lane_stream *stream = find_stream(lane, origin->stream);
    bool repeat = stream && (origin->sequence < stream->sequence ||
                                (origin->sequence == stream->sequence && origin->element <= stream->element));
    if (repeat)
        return LANE_OVER;
    stream = stream ? stream : make_stream(lane, origin->stream);
    if (!stream)
        return -ENOMEM;
    stream->sequence = origin->sequence;
    stream->element = origin->element;
    return LANE_NEW;
}

int lane_look(struct lane *lane, uint64_t number, const struct lane_origin *origin) {
    if (number < lane->next)
        return LANE_OVER; // it was looked at
    int rc = settle_span(lane, lane->next, number - 1);
    int repeat = rc || number <= lane->streams_upto ? rc : note_origin(lane, origin);
    if (rc || repeat < 0)
        return -ENOMEM;
    if (repeat == LANE_OVER)
        rc = lane_settle(lane, number);
    if (rc == 0)
        lane->next = number + 1;
    return rc ? rc : is_settled(lane, number) ? LANE_OVER : LANE_NEW;
}

uint64_t lane_start(const struct lane *lane) {
    return lane->next;
}

// ---- What failed ----

static int keep_failure(struct lane *lane, uint64_t number, const Hutong__Bus__V1__FailedDelivery *failed) {
    struct buffer *packed = calloc(1, sizeof *packed);
    size_t size = hutong__bus__v1__failed_delivery__get_packed_size(failed);
    uint8_t *at = packed ? buffer_extend(packed, size) : NULL;
    if (at)
        hutong__bus__v1__failed_delivery__pack(failed, at);
    if (!at || number_map_put(&lane->failures, number, packed) != 0) {
        free_failure(packed);
        return -ENOMEM;
    }
    return 0;
}

int lane_fail(struct lane *lane, uint64_t number, const Hutong__Bus__V1__FailedDelivery *failed) {
    Hutong__Bus__V1__FailedDelivery mine = *failed;
    mine.position = number;
    if (is_settled(lane, number))
        return 0;
    forget_failure(lane, number);
    return keep_failure(lane, number, &mine);
}

const struct buffer *lane_failure(const struct lane *lane, uint64_t number) {
    return number_map_get(&lane->failures, number);
}

// ---- What an owner before kept ----

static int take_state(struct lane *lane, const Hutong__Bus__V1__LaneState *state) {
    int rc = settle_span(lane, 1, state->settled);
    for (size_t i = 0; i < state->n_settled_beyond && rc == 0; i++) {
        const Hutong__Bus__V1__PositionSpan *span = state->settled_beyond[i];
        if (span->first == 0 || span->count == 0 || span->first + span->count < span->first)
            return -EBADMSG;
        rc = settle_span(lane, span->first, span->first + span->count - 1);
    }
    for (size_t i = 0; i < state->n_failures && rc == 0; i++)
        rc = lane_fail(lane, state->failures[i]->position, state->failures[i]);
    return rc;
}

int lane_restore_state(struct lane *lane, struct bytes state) {
    if (!state.data)
        return 0;
    Hutong__Bus__V1__LaneState *read = hutong__bus__v1__lane_state__unpack(NULL, state.size, state.data);
    if (!read)
        return -EBADMSG;
    int rc = take_state(lane, read);
    hutong__bus__v1__lane_state__free_unpacked(read, NULL);
    lane->next = lane->settled + 1;
    return rc;
}

static int take_stream(struct lane *lane, const Hutong__Bus__V1__LaneStream *read) {
    struct bytes name = bytes_of(read->stream.data, read->stream.len);
    if (name.size != LANE_STREAM_SIZE || find_stream(lane, name))
        return -EBADMSG;
    struct lane_stream *stream = make_stream(lane, name);
    if (!stream)
        return -ENOMEM;
    stream->sequence = read->sequence;
    stream->element = read->element;
    return 0;
}

// What lies between its number and the offset is looked at once more, for its origin.
int lane_restore_streams(struct lane *lane, struct bytes streams) {
    lane->streams_upto = 0;
    Hutong__Bus__V1__LaneStreams *read =
        streams.data ? hutong__bus__v1__lane_streams__unpack(NULL, streams.size, streams.data) : NULL;
    if (streams.data && !read)
        return -EBADMSG;
    int rc = 0;
    for (size_t i = 0; read && i < read->n_streams && rc == 0; i++)
        rc = take_stream(lane, read->streams[i]);
    if (read)
        lane->streams_upto = read->upto;
    if (lane->streams_upto < lane->settled)
        lane->next = lane->streams_upto + 1;
    hutong__bus__v1__lane_streams__free_unpacked(read, NULL);
    return rc;
}

static uint64_t settled_of(struct bytes packed) {
    Hutong__Bus__V1__LaneState *state =
        packed.data ? hutong__bus__v1__lane_state__unpack(NULL, packed.size, packed.data) : NULL;
    uint64_t settled = state ? state->settled : 0;
    if (state)
        hutong__bus__v1__lane_state__free_unpacked(state, NULL);
    return settled;
}

static uint64_t upto_of(struct bytes packed) {
    Hutong__Bus__V1__LaneStreams *streams =
        packed.data ? hutong__bus__v1__lane_streams__unpack(NULL, packed.size, packed.data) : NULL;
    uint64_t upto = streams ? streams->upto : 0;
    if (streams)
        hutong__bus__v1__lane_streams__free_unpacked(streams, NULL);
    return upto;
}

uint64_t lane_past(struct bytes state, const struct bytes *streams) {
    uint64_t settled = settled_of(state);
    uint64_t upto = streams ? upto_of(*streams) : settled;
    return settled < upto ? settled : upto;
}

// ---- For the next owner: packed part by part, so that no tree of it is ever in memory ----

static int append_part(const ProtobufCMessage *part, struct buffer *out) {
    size_t size = protobuf_c_message_get_packed_size(part);
    uint8_t *at = size ? buffer_extend(out, size) : NULL;
    if (!at)
        return size ? -ENOMEM : 0;
    protobuf_c_message_pack(part, at);
    return 0;
}

static int append_span(const struct span *span, struct buffer *out) {
    Hutong__Bus__V1__PositionSpan one = HUTONG__BUS__V1__POSITION_SPAN__INIT;
    Hutong__Bus__V1__PositionSpan *ones = &one;
    Hutong__Bus__V1__LaneState part = HUTONG__BUS__V1__LANE_STATE__INIT;
    one.first = span->first;
    one.count = span->last - span->first + 1;
    part.n_settled_beyond = 1;
    part.settled_beyond = &ones;
    return append_part(&part.base, out);
}

// The packed failure as a field of the state.
static int append_failure(const struct buffer *packed, struct buffer *out) {
    enum { FAILURES = 3 << 3 | VARINT_WIRE_BYTES };
    uint8_t prefix[1 + VARINT_SIZE] = {FAILURES};
    int rc = buffer_append(out, prefix, 1 + varint_put(prefix + 1, packed->size));
    return rc ? rc : buffer_append_bytes(out, buffer_bytes(packed));
}

int lane_state(const struct lane *lane, struct buffer *out) {
    Hutong__Bus__V1__LaneState head = HUTONG__BUS__V1__LANE_STATE__INIT;
    head.settled = lane->settled;
    int rc = append_part(&head.base, out);
    for (size_t i = 0; i < lane->beyond.count && rc == 0; i++)
        rc = append_span(&lane->beyond.items[i], out);
    size_t cursor = 0;
    void *packed;
    while (rc == 0 && number_map_next(&lane->failures, &cursor, NULL, &packed))
        rc = append_failure(packed, out);
    return rc;
}

int lane_streams(const struct lane *lane, struct buffer *out) {
    Hutong__Bus__V1__LaneStreams head = HUTONG__BUS__V1__LANE_STREAMS__INIT;
    // What was restored may hold for more than was looked at since.
    head.upto = lane->next - 1 > lane->streams_upto ? lane->next - 1 : lane->streams_upto;
    int rc = append_part(&head.base, out);
    size_t cursor = 0;
    void *item;
    while (rc == 0 && map_next(lane->streams, &cursor, NULL, &item)) {
        struct lane_stream *stream = item;
        Hutong__Bus__V1__LaneStream one = HUTONG__BUS__V1__LANE_STREAM__INIT;
        Hutong__Bus__V1__LaneStream *ones = &one;
        Hutong__Bus__V1__LaneStreams part = HUTONG__BUS__V1__LANE_STREAMS__INIT;
        one.stream.data = stream->name;
        one.stream.len = sizeof stream->name;
        one.sequence = stream->sequence;
        one.element = stream->element;
        part.n_streams = 1;
        part.streams = &ones;
        rc = append_part(&part.base, out);
    }
    return rc;
}
