#include "adapters/runtime/positions.h"

#include "core/base/varint.h"

#define FORM 1 // the first byte

void positions_destroy(struct positions *positions) {
    ranges_destroy(&positions->ranges);
    *positions = (struct positions){0};
}

bool positions_is_of(const struct positions *positions, const uint8_t *bus) {
    return memcmp(positions->bus, bus, POSITIONS_BUS_SIZE) == 0;
}

void positions_of(struct positions *positions, const uint8_t *bus) {
    if (positions_is_of(positions, bus))
        return;
    positions_destroy(positions);
    memcpy(positions->bus, bus, POSITIONS_BUS_SIZE);
}

static int put(struct buffer *out, uint64_t value) {
    uint8_t bytes[VARINT_SIZE];
    return buffer_append(out, bytes, varint_put(bytes, value));
}

// Each range as its distance from the end of the one before, and its length less one.
int positions_write(const struct positions *positions, struct buffer *out) {
    const struct ranges *ranges = &positions->ranges;
    uint64_t end = ranges->floor;
    int rc = buffer_append_byte(out, FORM);
    rc = rc ? rc : buffer_append(out, positions->bus, POSITIONS_BUS_SIZE);
    rc = rc ? rc : put(out, ranges->floor);
    for (size_t i = 0; i < ranges->count && rc == 0; i++) {
        rc = put(out, ranges->items[i].first - end);
        rc = rc ? rc : put(out, ranges->items[i].last - ranges->items[i].first);
        end = ranges->items[i].last;
    }
    return rc;
}

static int read_ranges(struct ranges *out, struct bytes rest) {
    uint64_t end;
    uint64_t distance;
    uint64_t length;
    if (!varint_get(&rest, &end))
        return -EINVAL;
    ranges_raise(out, end);
    while (rest.size) {
        if (!varint_get(&rest, &distance) || !varint_get(&rest, &length) || distance == 0 ||
            distance > UINT64_MAX - end || length > UINT64_MAX - end - distance)
            return -EINVAL;
        if (ranges_add(out, end + distance, end + distance + length))
            return -ENOMEM;
        end += distance + length;
    }
    return 0;
}

int positions_read(struct positions *positions, struct bytes bytes) {
    positions_destroy(positions);
    if (bytes.size < 1 + POSITIONS_BUS_SIZE || bytes.data[0] != FORM)
        return -EINVAL;
    memcpy(positions->bus, bytes.data + 1, POSITIONS_BUS_SIZE);
    size_t head = 1 + POSITIONS_BUS_SIZE;
    int rc = read_ranges(&positions->ranges, bytes_of(bytes.data + head, bytes.size - head));
    if (rc)
        positions_destroy(positions);
    return rc;
}
