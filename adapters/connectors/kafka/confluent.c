// The wire format of Confluent's serializers for protobuf: a zero byte, the schema's id (4 bytes, the highest
// first), the path of the message's index in the schema (its length and its parts, zigzag varints; a single 0
// stands for the first message), the message.
#include "adapters/connectors/kafka/record.h"
#include "core/base/varint.h"

#define HEAD_SIZE 5u

static uint64_t zigzag(uint32_t value) {
    return (uint64_t)value << 1;
}

// The next one; false at a negative or overlarge one.
static bool read_number(struct bytes *rest, uint32_t *out) {
    uint64_t value;
    if (!varint_get(rest, &value) || (value & 1) || value >> 1 > UINT32_MAX)
        return false;
    *out = (uint32_t)(value >> 1);
    return true;
}

static bool read_index(struct bytes *rest, struct schema_entry *out) {
    uint32_t depth;
    if (!read_number(rest, &depth) || depth > INDEX_LIMIT)
        return false;
    out->depth = depth ? depth : 1; // 0: the first message
    out->index[0] = 0;
    for (size_t i = 0; i < depth; i++)
        if (!read_number(rest, &out->index[i]))
            return false;
    return true;
}

static bool same(const struct schema_entry *a, const struct schema_entry *b) {
    return a->id == b->id && a->depth == b->depth &&
           memcmp(a->index, b->index, a->depth * sizeof *a->index) == 0;
}

int confluent_read(const struct schema_table *schemas, struct bytes *value,
    const struct schema_message **type, struct error *error) {
    struct schema_entry found = {0};
    struct bytes rest = *value;
    if (rest.size < HEAD_SIZE || rest.data[0] != 0)
        return error_set(
            error, CONNECTOR_BAD_ROW, "expected a zero byte and a schema's id in front (format confluent)");
    found.id = (uint32_t)rest.data[1] << 24 | (uint32_t)rest.data[2] << 16 | (uint32_t)rest.data[3] << 8 |
               (uint32_t)rest.data[4];
    rest = bytes_of(rest.data + HEAD_SIZE, rest.size - HEAD_SIZE);
    if (!read_index(&rest, &found))
        return error_set(
            error, CONNECTOR_BAD_ROW, "the index of the message behind the schema's id is broken");
    for (size_t i = 0; i < schemas->count; i++)
        if (same(&schemas->items[i], &found)) {
            *type = schemas->items[i].type;
            *value = rest;
            return 0;
        }
    return error_set(error, CONNECTOR_BAD_ROW,
        "no entry of \"schemas\" has the id %u and the message's index %u%s", found.id, found.index[0],
        found.depth > 1 ? ", …" : "");
}

static int put_number(struct buffer *out, uint32_t value) {
    uint8_t bytes[VARINT_SIZE];
    return buffer_append(out, bytes, varint_put(bytes, zigzag(value)));
}

static int write_entry(const struct schema_entry *entry, struct buffer *out) {
    const uint8_t head[HEAD_SIZE] = {0, (uint8_t)(entry->id >> 24), (uint8_t)(entry->id >> 16),
        (uint8_t)(entry->id >> 8), (uint8_t)entry->id};
    int rc = buffer_append(out, head, sizeof head);
    if (entry->depth == 1 && entry->index[0] == 0)
        return rc ? rc : buffer_append_byte(out, 0);
    rc = rc ? rc : put_number(out, (uint32_t)entry->depth);
    for (size_t i = 0; i < entry->depth && rc == 0; i++)
        rc = put_number(out, entry->index[i]);
    return rc;
}

int confluent_write(const struct schema_table *schemas, const struct schema_message *type, struct buffer *out,
    struct error *error) {
    for (size_t i = 0; i < schemas->count; i++)
        if (schemas->items[i].type == type)
            return write_entry(&schemas->items[i], out) ? error_no_memory(error) : 0;
    return error_set(error, CONNECTOR_REJECT, "\"schemas\" has no id for the type %s", type->full_name);
}
