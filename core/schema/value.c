#include "core/schema/value.h"

const uint8_t *value_read(
    const uint8_t *p, const uint8_t *end, uint32_t tag, enum schema_kind kind, struct view_value *out) {
    uint64_t raw;
    switch (tag & 7) {
    case ENCODING_VARINT:
        p = encoding_varint(p, end, &raw);
        if (p)
            value_set_number(out, kind, raw);
        return p;
    case ENCODING_I64:
        if (end - p < 8)
            return NULL;
        value_set_number(out, kind, load_u64(p));
        return p + 8;
    case ENCODING_I32:
        if (end - p < 4)
            return NULL;
        value_set_number(out, kind, load_u32(p));
        return p + 4;
    case ENCODING_LEN:
        out->bytes = (struct bytes){0};
        p = encoding_size(p, end, &out->bytes.size);
        out->bytes.data = p;
        return p ? p + out->bytes.size : NULL;
    case ENCODING_START: {
        const uint8_t *close;
        out->bytes.data = p;
        const uint8_t *next = encoding_group(p, end, tag >> 3, view_default_limits.depth, &close);
        out->bytes.size = next ? (size_t)(close - p) : 0;
        return next;
    }
    default:
        return NULL;
    }
}
