#include "core/base/varint.h"
#include "core/wire/wire.h"

int wire_body_next(struct bytes *rest, struct bytes *raw, struct error *error) {
    struct bytes at = *rest;
    uint64_t size;
    if (!varint_get(&at, &size))
        return error_set(
            error, WIRE_REFUSED, "body: a length that can't be read, %zu bytes before the end", rest->size);
    if (rest->size - at.size != varint_size(size))
        return error_set(error, WIRE_REFUSED, "body: a length that is written longer than it need be");
    if (size > at.size)
        return error_set(error, WIRE_REFUSED, "body: an envelope of %llu bytes where %zu are left",
            (unsigned long long)size, at.size);
    *raw = bytes_of(at.data, (size_t)size);
    *rest = bytes_of(at.data + size, at.size - (size_t)size);
    return 0;
}

#define HEAD 256 // bytes: the attributes of most envelopes, and where their payload starts

void wire_body_expect(struct bytes rest) {
    for (size_t at = 0; at < HEAD && at < rest.size; at += 64)
        __builtin_prefetch(rest.data + at);
}

int wire_body_append(struct buffer *out, struct bytes raw) {
    int rc = buffer_reserve(out, VARINT_SIZE + raw.size);
    if (rc != 0)
        return rc;
    out->size += varint_put(out->data + out->size, raw.size);
    return buffer_append_bytes(out, raw);
}
