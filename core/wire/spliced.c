#include "core/wire/wire.h"

// Three numbers of one copy: how much of its own stands before it, from where, how much.
enum { BEFORE, FROM, SIZE, NUMBERS };

size_t wire_spliced_size(const struct wire_spliced *spliced) {
    size_t size = spliced->own.size;
    for (size_t i = 0; i < spliced->count; i++)
        size += spliced->copies[NUMBERS * i + SIZE];
    return size;
}

static uint8_t *put(uint8_t *at, const uint8_t *from, size_t size) {
    if (size)
        memcpy(at, from, size);
    return at + size;
}

int wire_spliced_put(const struct wire_spliced *spliced, struct bytes original, uint8_t *out) {
    struct bytes own = spliced->own;
    for (size_t i = 0; i < spliced->count; i++) {
        const uint32_t *copy = &spliced->copies[NUMBERS * i];
        if (copy[BEFORE] > own.size || copy[FROM] > original.size || copy[SIZE] > original.size - copy[FROM])
            return WIRE_REFUSED;
        out = put(out, own.data, copy[BEFORE]);
        out = put(out, original.data + copy[FROM], copy[SIZE]);
        own = bytes_of(own.data + copy[BEFORE], own.size - copy[BEFORE]);
    }
    put(out, own.data, own.size);
    return 0;
}
