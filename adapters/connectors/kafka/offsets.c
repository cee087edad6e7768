#include "adapters/connectors/kafka/offsets.h"

#include "core/base/varint.h"

#include <stdlib.h>

#define FORM 1 // the first byte

static struct offset *find(const struct offsets *offsets, const char *topic, int32_t partition) {
    for (size_t i = 0; i < offsets->count; i++)
        if (offsets->items[i].partition == partition && strcmp(offsets->items[i].topic, topic) == 0)
            return &offsets->items[i];
    return NULL;
}

int64_t offsets_get(const struct offsets *offsets, const char *topic, int32_t partition) {
    const struct offset *offset = find(offsets, topic, partition);
    return offset ? offset->next : OFFSET_NONE;
}

static bool before(const struct offset *offset, const char *topic, int32_t partition) {
    int order = strcmp(offset->topic, topic);
    return order < 0 || (order == 0 && offset->partition < partition);
}

// Sorted, so that a topic's name is written once.
static int insert(struct offsets *offsets, const char *topic, int32_t partition, int64_t next) {
    if (offsets->count == offsets->capacity) {
        size_t capacity = offsets->capacity ? offsets->capacity * 2 : 8;
        struct offset *larger = reallocarray(offsets->items, capacity, sizeof *larger);
        if (!larger)
            return -ENOMEM;
        offsets->items = larger;
        offsets->capacity = capacity;
    }
    char *name = strdup(topic);
    if (!name)
        return -ENOMEM;
    size_t at = 0;
    while (at < offsets->count && before(&offsets->items[at], topic, partition))
        at++;
    memmove(&offsets->items[at + 1], &offsets->items[at], (offsets->count - at) * sizeof *offsets->items);
    offsets->items[at] = (struct offset){.topic = name, .partition = partition, .next = next};
    offsets->count++;
    return 0;
}

int offsets_set(struct offsets *offsets, const char *topic, int32_t partition, int64_t next) {
    struct offset *offset = find(offsets, topic, partition);
    if (!offset)
        return insert(offsets, topic, partition, next);
    offset->next = next;
    return 0;
}

void offsets_remove(struct offsets *offsets, const char *topic, int32_t partition) {
    struct offset *offset = find(offsets, topic, partition);
    if (!offset)
        return;
    free(offset->topic);
    offsets->count--;
    memmove(offset, offset + 1, (size_t)(&offsets->items[offsets->count] - offset) * sizeof *offset);
}

static int put(struct buffer *out, uint64_t value) {
    uint8_t bytes[VARINT_SIZE];
    return buffer_append(out, bytes, varint_put(bytes, value));
}

static size_t count_of_topic(const struct offsets *offsets, size_t first) {
    size_t count = 1;
    while (first + count < offsets->count &&
           strcmp(offsets->items[first].topic, offsets->items[first + count].topic) == 0)
        count++;
    return count;
}

// For each topic: its name with its size, how many partitions, and their numbers and offsets.
int offsets_write(const struct offsets *offsets, struct buffer *out) {
    size_t start = out->size;
    int rc = buffer_append_byte(out, FORM);
    for (size_t i = 0; i < offsets->count && rc == 0;) {
        size_t count = count_of_topic(offsets, i);
        size_t size = strlen(offsets->items[i].topic);
        rc = put(out, size);
        rc = rc ? rc : buffer_append(out, offsets->items[i].topic, size);
        rc = rc ? rc : put(out, count);
        for (size_t end = i + count; i < end && rc == 0; i++) {
            rc = put(out, (uint64_t)offsets->items[i].partition);
            rc = rc ? rc : put(out, (uint64_t)offsets->items[i].next);
        }
    }
    return rc ? rc : out->size - start > OFFSETS_SIZE_LIMIT ? -EMSGSIZE : 0;
}

static int read_partitions(struct offsets *out, const char *topic, uint64_t count, struct bytes *rest) {
    uint64_t partition;
    uint64_t next;
    int rc = 0;
    for (; count && rc == 0; count--) {
        if (!varint_get(rest, &partition) || !varint_get(rest, &next) || partition > INT32_MAX ||
            next > INT64_MAX)
            return -EINVAL;
        rc = offsets_set(out, topic, (int32_t)partition, (int64_t)next);
    }
    return rc;
}

static int read_topic(struct offsets *out, struct bytes *rest) {
    char topic[256]; // Kafka allows 249
    uint64_t size;
    uint64_t count;
    if (!varint_get(rest, &size) || size >= sizeof topic || size > rest->size)
        return -EINVAL;
    memcpy(topic, rest->data, size);
    topic[size] = '\0';
    *rest = bytes_of(rest->data + size, rest->size - size);
    return varint_get(rest, &count) ? read_partitions(out, topic, count, rest) : -EINVAL;
}

int offsets_read(struct offsets *offsets, struct bytes bytes) {
    offsets_destroy(offsets);
    if (bytes.size == 0)
        return 0;
    int rc = bytes.data[0] == FORM ? 0 : -EINVAL;
    struct bytes rest = bytes_of(bytes.data + 1, bytes.size - 1);
    while (rest.size && rc == 0)
        rc = read_topic(offsets, &rest);
    if (rc)
        offsets_destroy(offsets);
    return rc;
}

void offsets_destroy(struct offsets *offsets) {
    for (size_t i = 0; i < offsets->count; i++)
        free(offsets->items[i].topic);
    free(offsets->items);
    *offsets = (struct offsets){0};
}
