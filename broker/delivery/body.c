#include "broker/delivery/body.h"

#include "core/base/varint.h"

#include <errno.h>

#define WORTH ((size_t)16 * 1024) // to copy less costs less than another frame does

// Whether these `size` bytes are the value as varint_put() writes it.
static bool is_varint(const uint8_t *bytes, size_t size, uint64_t value) {
    for (; size > 1; size--, value >>= 7)
        if (*bytes++ != (uint8_t)(value | 0x80))
            return false;
    return *bytes == value;
}

bool body_laid(const struct chunk *chunk, struct bytes envelope) {
    size_t length = varint_size(envelope.size);
    return (size_t)(envelope.data - chunk->bytes.data) >= length &&
           is_varint(envelope.data - length, length, envelope.size);
}

// The envelope with its length before it, where both stand so in the chunk; else none.
static struct bytes laid(const struct delivery *delivery) {
    size_t length = varint_size(delivery->envelope.size);
    return delivery->laid ? bytes_of(delivery->envelope.data - length, length + delivery->envelope.size)
                          : bytes_of(NULL, 0);
}

static bool goes_on(const struct slice *slice, const struct delivery *delivery, struct bytes laid) {
    return slice->chunk == delivery->chunk && laid.data == slice->bytes.data + slice->bytes.size;
}

// A frame in a slow receiver's socket holds all of its chunk, and is counted by its own bytes: it may hold
// twice as much at most.
static bool is_dense(const struct slice *slice) {
    return slice->chunk && slice->bytes.size >= slice->chunk->bytes.size / 2;
}

static int copy_slice(struct body *body, size_t more) {
    int rc = buffer_reserve(&body->copy, body->slice.bytes.size + more);
    rc = rc ? rc : buffer_append_bytes(&body->copy, body->slice.bytes);
    if (rc == 0)
        slice_drop(&body->slice);
    return rc;
}

// What there is so far goes, where a chunk begins that may go as it is.
static bool ends_before(const struct body *body, const struct delivery *delivery, struct bytes laid) {
    const struct chunk *chunk = delivery->chunk;
    return body_size(body) >= WORTH && laid.data == chunk->bytes.data && chunk->bytes.size >= WORTH;
}

int body_add(struct body *body, const struct delivery *delivery, size_t more) {
    struct bytes it = laid(delivery);
    if (it.data && body_size(body) == 0) {
        body->slice = (struct slice){.chunk = chunk_ref(delivery->chunk), .bytes = it};
        return 0;
    }
    if (goes_on(&body->slice, delivery, it)) {
        body->slice.bytes.size += it.size;
        return 0;
    }
    if (ends_before(body, delivery, it) || (is_dense(&body->slice) && body->slice.bytes.size >= WORTH))
        return BODY_ENDS;
    int rc = body->copy.data ? 0 : copy_slice(body, more);
    return rc ? rc : wire_body_append(&body->copy, delivery->envelope);
}

int body_finish(struct body *body, struct slice *out) {
    if (is_dense(&body->slice)) {
        *out = body->slice;
        body->slice = (struct slice){0};
        return 0;
    }
    int rc = body->copy.data ? 0 : copy_slice(body, 0);
    struct bytes bytes = buffer_bytes(&body->copy);
    struct chunk *chunk = rc ? NULL : chunk_take(&body->copy);
    *out = chunk ? (struct slice){.chunk = chunk, .bytes = bytes} : (struct slice){0};
    return chunk ? 0 : -ENOMEM;
}

void body_destroy(struct body *body) {
    slice_drop(&body->slice);
    buffer_destroy(&body->copy);
}
