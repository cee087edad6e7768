#include "core/wire/wire.h"

// Three numbers of one copy: how much of its own stands before it, from where, how much.
enum { BEFORE, FROM, SIZE, NUMBERS };

size_t wire_spliced_size(const struct wire_spliced *spliced) {
    size_t size = spliced->own.size;
    for (size_t i = 0; i < spliced->count; i++)
        size += spliced->copies[NUMBERS * i + SIZE];
    return size;
}

bool wire_spliced_fits(const struct wire_spliced *spliced, size_t original) {
    size_t own = spliced->own.size;
    for (size_t i = 0; i < spliced->count; i++) {
        const uint32_t *copy = &spliced->copies[NUMBERS * i];
        if (copy[BEFORE] > own || copy[FROM] > original || copy[SIZE] > original - copy[FROM])
            return false;
        own -= copy[BEFORE];
    }
    return true;
}

static uint8_t *put(uint8_t *at, const uint8_t *from, size_t size) {
    if (size)
        memcpy(at, from, size);
    return at + size;
}

int wire_spliced_put(const struct wire_spliced *spliced, struct bytes original, uint8_t *out) {
    struct bytes own = spliced->own;
    if (!wire_spliced_fits(spliced, original.size))
        return WIRE_REFUSED;
    for (size_t i = 0; i < spliced->count; i++) {
        const uint32_t *copy = &spliced->copies[NUMBERS * i];
        out = put(out, own.data, copy[BEFORE]);
        out = put(out, original.data + copy[FROM], copy[SIZE]);
        own = bytes_of(own.data + copy[BEFORE], own.size - copy[BEFORE]);
    }
    put(out, own.data, own.size);
    return 0;
}
