// A batch in its gathered form: what one transaction will write. It is kept until that is committed, so that
// it can be begun again. No I/O.
//
// What depends on a destination's settlements (the group's offsets, the state, dead letters) is a *part*. A
// part may turn out to be refused, because the group has another generation by now; then it is left out
// whole.
#pragma once

#include "core/base/buffer.h"

#include <librdkafka/rdkafka.h>

#include <stddef.h>

#define GATHERED_RECORDS 262144u // of one batch
#define GATHERED_PARTS 4096u     // of one batch; a broker has a group for each destination
#define GATHERED_HEADERS 64u     // of one record
#define GATHERED_RECORD_COST 64u // what a record counts besides its key, value and headers

struct put_header {
    const char *name;
    struct bytes value;
};

struct put {
    uint32_t topic; // as transactions_topic() gave it
    int32_t partition;
    uint32_t part;      // 0: of the batch itself
    struct bytes key;   // absent: none
    struct bytes value; // absent: none, which deletes the key where the topic is compacted
    const struct put_header *headers;
    size_t header_count;
};

struct gathered;

// `limit` is of all records, `record_limit` of the key, value and headers of one. Owned, or NULL.
struct gathered *gathered_new(size_t limit, size_t record_limit);
void gathered_destroy(struct gathered **self);
void gathered_clear(struct gathered *batch);

// Copies. 0; KAFKA_FULL: commit what is there first; -EMSGSIZE: it fits in no batch; -ENOMEM. Then nothing
// was taken.
int gathered_put(struct gathered *batch, const struct put *put);

// The part of a group in the generation that `token` says (group.h): a number from 1, the same for the same
// token. 0, KAFKA_FULL, -ENOMEM, -EINVAL (no token).
int gathered_part(struct gathered *batch, struct bytes token, uint32_t *out);
// The part's group has everything before `next` of a partition behind it. The last one counts. Each part
// needs one, also one that says what was said before: the cluster looks at the generation when it takes them.
// 0, -ENOMEM.
int gathered_offset(
    struct gathered *batch, uint32_t part, const char *topic, int32_t partition, int64_t next);

size_t gathered_size(const struct gathered *batch);
size_t gathered_records(const struct gathered *batch);
size_t gathered_parts(const struct gathered *batch);
bool gathered_refused(const struct gathered *batch, uint32_t part); // it was left out of what was committed

// ---- For the one who writes it ----

struct gathered_part {
    struct buffer token;
    rd_kafka_topic_partition_list_t *offsets;
    bool refused;
};
struct gathered_part *gathered_part_at(struct gathered *batch, uint32_t part);

// Visits the records in order, but for those of refused parts. Pointers are valid inside the visit. What is
// not 0 is forwarded.
typedef int gathered_visit(void *context, const struct put *put);
int gathered_each(const struct gathered *batch, gathered_visit *visit, void *context);
