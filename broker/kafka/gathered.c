#include "broker/kafka/gathered.h"

#include "broker/kafka/cluster.h"

#include <stdlib.h>

#define ABSENT UINT32_MAX

struct stored { // followed by the key, the value, and the headers
    uint32_t topic;
    int32_t partition;
    uint32_t part;
    uint32_t key_size; // or ABSENT, as the next
    uint32_t value_size;
    uint32_t header_count;
};

struct stored_header { // followed by the name with its NUL, and the value
    uint32_t name_size;
    uint32_t value_size;
};

struct gathered {
    struct buffer records;
    size_t record_limit;
    size_t size; // of all records, by their cost
    size_t limit;
    size_t count;
    struct gathered_part *parts;
    size_t part_count;
    size_t part_capacity;
};

struct gathered *gathered_new(size_t limit, size_t record_limit) {
    struct gathered *batch = calloc(1, sizeof *batch);
    if (!batch)
        return NULL;
    batch->limit = limit;
    batch->record_limit = record_limit < limit ? record_limit : limit;
    return batch;
}

static void clear_parts(struct gathered *batch) {
    for (size_t i = 0; i < batch->part_count; i++) {
        buffer_destroy(&batch->parts[i].token);
        if (batch->parts[i].offsets)
            rd_kafka_topic_partition_list_destroy(batch->parts[i].offsets);
    }
    batch->part_count = 0;
}

void gathered_clear(struct gathered *batch) {
    buffer_clear(&batch->records);
    batch->size = 0;
    batch->count = 0;
    clear_parts(batch);
}

void gathered_destroy(struct gathered **self) {
    struct gathered *batch = *self;
    *self = NULL;
    if (!batch)
        return;
    clear_parts(batch);
    free(batch->parts);
    buffer_destroy(&batch->records);
    free(batch);
}

size_t gathered_size(const struct gathered *batch) {
    return batch->size;
}

size_t gathered_records(const struct gathered *batch) {
    return batch->count;
}

size_t gathered_parts(const struct gathered *batch) {
    return batch->part_count;
}

// ---- Records ----

static size_t cost_of(const struct put *put) {
    size_t cost = GATHERED_RECORD_COST + put->key.size + put->value.size;
    for (size_t i = 0; i < put->header_count; i++)
        cost += sizeof(struct stored_header) + strlen(put->headers[i].name) + 1 + put->headers[i].value.size;
    return cost;
}

static uint32_t size_of(struct bytes bytes) {
    return bytes.data ? (uint32_t)bytes.size : ABSENT;
}

static int store(struct buffer *out, const struct put *put) {
    const struct stored head = {put->topic, put->partition, put->part, size_of(put->key), size_of(put->value),
        (uint32_t)put->header_count};
    int rc = buffer_append(out, &head, sizeof head);
    rc = rc ? rc : buffer_append_bytes(out, put->key);
    rc = rc ? rc : buffer_append_bytes(out, put->value);
    for (size_t i = 0; i < put->header_count && rc == 0; i++) {
        const struct put_header *header = &put->headers[i];
        const struct stored_header small = {(uint32_t)strlen(header->name) + 1, (uint32_t)header->value.size};
        rc = buffer_append(out, &small, sizeof small);
        rc = rc ? rc : buffer_append(out, header->name, small.name_size);
        rc = rc ? rc : buffer_append_bytes(out, header->value);
    }
    return rc;
}

int gathered_put(struct gathered *batch, const struct put *put) {
    size_t cost = cost_of(put);
    size_t before = batch->records.size;
    if (cost > batch->record_limit || cost >= ABSENT || put->header_count > GATHERED_HEADERS)
        return -EMSGSIZE;
    if (put->part > batch->part_count)
        return -EINVAL;
    if (cost > batch->limit - batch->size || batch->count == GATHERED_RECORDS)
        return KAFKA_FULL;
    int rc = store(&batch->records, put);
    if (rc) {
        batch->records.size = before;
        return rc;
    }
    batch->size += cost;
    batch->count++;
    return 0;
}

static const uint8_t *take(const uint8_t **at, size_t size) {
    const uint8_t *start = *at;
    *at += size;
    return start;
}

static struct bytes take_bytes(const uint8_t **at, uint32_t size) {
    return size == ABSENT ? (struct bytes){0} : bytes_of(take(at, size), size);
}

static void take_headers(const uint8_t **at, struct put_header *out, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct stored_header head;
        memcpy(&head, take(at, sizeof head), sizeof head);
        out[i].name = (const char *)take(at, head.name_size);
        out[i].value = bytes_of(take(at, head.value_size), head.value_size);
    }
}

int gathered_each(const struct gathered *batch, gathered_visit *visit, void *context) {
    const uint8_t *at = batch->records.data;
    struct put_header headers[GATHERED_HEADERS];
    int rc = 0;
    for (size_t i = 0; i < batch->count && rc == 0; i++) {
        struct stored head;
        memcpy(&head, take(&at, sizeof head), sizeof head);
        struct put put = {.topic = head.topic,
            .partition = head.partition,
            .part = head.part,
            .headers = headers,
            .header_count = head.header_count};
        put.key = take_bytes(&at, head.key_size);
        put.value = take_bytes(&at, head.value_size);
        take_headers(&at, headers, head.header_count);
        if (!gathered_refused(batch, put.part))
            rc = visit(context, &put);
    }
    return rc;
}

// ---- Parts ----

struct gathered_part *gathered_part_at(struct gathered *batch, uint32_t part) {
    return part && part <= batch->part_count ? &batch->parts[part - 1] : NULL;
}

bool gathered_refused(const struct gathered *batch, uint32_t part) {
    return part && part <= batch->part_count && batch->parts[part - 1].refused;
}

static bool find_part(const struct gathered *batch, struct bytes token, uint32_t *out) {
    for (size_t i = batch->part_count; i > 0; i--)
        if (bytes_equal(buffer_bytes(&batch->parts[i - 1].token), token)) {
            *out = (uint32_t)i;
            return true;
        }
    return false;
}

static int make_room(struct gathered *batch) {
    if (batch->part_count < batch->part_capacity)
        return 0;
    size_t capacity = batch->part_capacity ? 2 * batch->part_capacity : 8;
    struct gathered_part *larger = reallocarray(batch->parts, capacity, sizeof *larger);
    if (!larger)
        return -ENOMEM;
    batch->parts = larger;
    batch->part_capacity = capacity;
    return 0;
}

int gathered_part(struct gathered *batch, struct bytes token, uint32_t *out) {
    if (token.size == 0)
        return -EINVAL;
    if (find_part(batch, token, out))
        return 0;
    if (batch->part_count == GATHERED_PARTS)
        return KAFKA_FULL;
    int rc = make_room(batch);
    if (rc)
        return rc;
    struct gathered_part *part = &batch->parts[batch->part_count];
    *part = (struct gathered_part){.offsets = NULL};
    if (buffer_append_bytes(&part->token, token))
        return -ENOMEM;
    batch->part_count++;
    *out = (uint32_t)batch->part_count;
    return 0;
}

int gathered_offset(
    struct gathered *batch, uint32_t part, const char *topic, int32_t partition, int64_t next) {
    struct gathered_part *of = gathered_part_at(batch, part);
    if (!of)
        return -EINVAL;
    if (!of->offsets)
        of->offsets = rd_kafka_topic_partition_list_new(1);
    if (!of->offsets)
        return -ENOMEM;
    rd_kafka_topic_partition_t *item = rd_kafka_topic_partition_list_find(of->offsets, topic, partition);
    if (!item)
        item = rd_kafka_topic_partition_list_add(of->offsets, topic, partition);
    item->offset = next;
    return 0;
}
