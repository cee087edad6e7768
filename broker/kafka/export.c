#include "broker/kafka/export.h"

#include "broker/delivery/carried.h"
#include "broker/delivery/record.h"
#include "broker/kafka/author.h"
#include "broker/kafka/exported.h"
#include "broker/kafka/follow.h"
#include "broker/kafka/making.h"
#include "broker/kafka/transactions.h"
#include "core/base/clock.h"

#include "hutong/bus/v1/cluster.pb-c.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#define NAME "+export" // no broker can have this name
#define STATE_KEY "export"
#define ADMIN_MS 30000
#define BATCH_BYTES ((size_t)4 << 20) // of one transaction, or a record more
#define BATCH_RECORDS 500u
#define READ_NS (60 * CLOCK_SECOND_NS) // how long it waits for what an earlier run has written
#define READ_MS 200

struct kafka_export {
    struct journal_kafka_options options;
    struct export_source source;
    struct admin *admin;
    struct transactions *transactions;
    struct gathered *batch;
    struct making making;
    struct export_mark done; // with what is gathered
    bool complete;
    uint64_t turn; // what has no subject takes partitions by turns
    struct buffer scratch;
};

// ---- Opening ----

static int read_state(struct kafka_export *self, struct bytes value, struct error *error) {
    if (!value.data)
        return 0; // the first run
    Hutong__Bus__V1__ExportState *state = hutong__bus__v1__export_state__unpack(NULL, value.size, value.data);
    if (!state)
        return error_set(error, KAFKA_WRONG, "how far the export is can't be read");
    self->done = (struct export_mark){.queue = state->queue, .position = state->position};
    self->complete = state->complete;
    uint64_t last = state->last;
    hutong__bus__v1__export_state__free_unpacked(state, NULL);
    if (last != self->source.last && !self->source.left) // otherwise a tool has erased something
        return error_set(error, KAFKA_WRONG,
            "the journal went on after its export had begun (it had %llu records, and has %llu now): export "
            "it "
            "to another prefix",
            (unsigned long long)last, (unsigned long long)self->source.last);
    return 0;
}

// To the end that the topic has now, with all transactions decided that were open.
static int follow_to_end(struct follow *follow, struct error *error) {
    uint64_t token = 0;
    bool more = false;
    uint64_t until = clock_monotonic_ns() + READ_NS;
    int rc = follow_ask(follow, FOLLOW_ALL, 1);
    while (rc == 0 && !follow_answered(follow, &token)) {
        struct pollfd readable = {.fd = follow_fd(follow), .events = POLLIN};
        if (clock_monotonic_ns() > until)
            return error_set(error, KAFKA_AGAIN, "the cluster doesn't say how far the export is");
        poll(&readable, 1, more ? 0 : READ_MS);
        rc = follow_work(follow, &more, error);
    }
    return rc;
}

static int read_progress(struct kafka_export *self, struct error *error) {
    char topic[TOPIC_NAME_SIZE];
    struct follow *follow = NULL;
    int rc = topic_name(TOPIC_STATE, self->options.cluster.prefix, NULL, topic, error);
    const struct follow_options options = {.topic = topic, .partitions = self->making.partitions};
    rc = rc ? rc : follow_open(&self->options.cluster, &options, &follow, error);
    rc = rc ? rc : follow_to_end(follow, error);
    rc = rc ? rc : read_state(self, follow_get(follow, bytes_of_string(STATE_KEY)), error);
    follow_close(&follow);
    return rc;
}

// An earlier run can commit nothing more from here on.
static int take_over(struct kafka_export *self, struct error *error) {
    const struct transactions_options options = {.batch_limit = BATCH_BYTES + 2 * self->options.record_limit,
        .record_limit = self->options.record_limit};
    int rc = transactions_open(&self->options.cluster, &options, &self->transactions, error);
    self->batch = rc ? NULL : transactions_batch(self->transactions);
    return rc == 0 && !self->batch ? error_no_memory(error) : rc;
}

static int open_parts(struct kafka_export *self, struct error *error) {
    self->options.cluster.name = NAME;
    self->making = (struct making){.options = &self->options, .claim = self->source.bus};
    int rc = topics_open(&self->options.cluster, ADMIN_MS, &self->admin, error);
    self->making.admin = self->admin;
    rc = rc ? rc : making_run(&self->making, NULL, 0, error);
    rc = rc ? rc : take_over(self, error);
    return rc ? rc : read_progress(self, error);
}

int export_open(const struct journal_kafka_options *options, const struct export_source *source,
    struct kafka_export **out, struct error *error) {
    struct kafka_export *self = calloc(1, sizeof *self);
    if (!self)
        return error_no_memory(error);
    self->options = *options;
    self->source = *source;
    int rc = open_parts(self, error);
    if (rc)
        export_close(&self);
    else
        *out = self;
    return rc;
}

void export_close(struct kafka_export **self_) {
    struct kafka_export *self = *self_;
    *self_ = NULL;
    if (!self)
        return;
    transactions_close(&self->transactions);
    gathered_destroy(&self->batch);
    topics_close(&self->admin);
    buffer_destroy(&self->scratch);
    free(self);
}

bool export_complete(const struct kafka_export *self) {
    return self->making.complete;
}

bool export_written(const struct kafka_export *self) {
    return self->complete;
}

struct export_mark export_done(const struct kafka_export *self) {
    return self->done;
}

int export_systems(struct kafka_export *self, const char *const *systems, size_t count, struct error *error) {
    return count ? making_run(&self->making, systems, count, error) : 0;
}

// ---- Writing ----

static int put(struct kafka_export *self, enum topic_kind kind, const char *system, struct put *put,
    struct error *error) {
    char topic[TOPIC_NAME_SIZE];
    int rc = topic_name(kind, self->options.cluster.prefix, system, topic, error);
    rc = rc ? rc : transactions_topic(self->transactions, topic, &put->topic);
    if (rc)
        return rc < 0 ? rc : error_set(error, -ENOSPC, "too many topics");
    uint32_t partitions = (uint32_t)self->making.partitions;
    put->partition = put->key.data ? partition_of(put->key, self->making.partitions)
                                   : (int32_t)(self->turn++ % partitions);
    rc = gathered_put(self->batch, put);
    if (rc == -EMSGSIZE || rc == KAFKA_FULL)
        return error_set(
            error, -EMSGSIZE, "a record of %zu bytes is above what limits.message allows", put->value.size);
    return rc ? error_no_memory(error) : 0;
}

static int put_state(struct kafka_export *self, bool complete, struct error *error) {
    uint8_t packed[64];
    Hutong__Bus__V1__ExportState state = HUTONG__BUS__V1__EXPORT_STATE__INIT;
    state.bus.data = self->source.bus;
    state.bus.len = sizeof self->source.bus;
    state.last = self->source.last;
    state.queue = self->done.queue;
    state.position = self->done.position;
    state.complete = complete;
    size_t size = hutong__bus__v1__export_state__pack(&state, packed);
    struct put one = {.key = bytes_of_string(STATE_KEY), .value = bytes_of(packed, size)};
    return put(self, TOPIC_STATE, NULL, &one, error);
}

static int commit(struct kafka_export *self, bool complete, struct error *error) {
    int rc = put_state(self, complete, error);
    rc = rc ? rc : transactions_start(self->transactions, &self->batch, error);
    rc = rc ? rc : transactions_collect(self->transactions, true, &self->batch, error);
    if (rc)
        return rc < 0 ? rc : -EIO;
    gathered_clear(self->batch);
    return 0;
}

// What was gathered and is enough goes first.
static int make_room(struct kafka_export *self, struct error *error) {
    bool full = gathered_size(self->batch) >= BATCH_BYTES || gathered_records(self->batch) >= BATCH_RECORDS;
    return full ? commit(self, false, error) : 0;
}

int export_stream(struct kafka_export *self, const char *system, const uint8_t stream[16], uint64_t sequence,
    int64_t time_us, struct error *error) {
    Hutong__Bus__V1__StreamState state = HUTONG__BUS__V1__STREAM_STATE__INIT;
    uint8_t packed[32];
    state.sequence = sequence;
    state.time_us = time_us;
    int rc = make_room(self, error);
    if (rc)
        return rc;
    buffer_clear(&self->scratch);
    if (author_key(system, stream, &self->scratch))
        return error_no_memory(error);
    size_t size = hutong__bus__v1__stream_state__pack(&state, packed);
    struct put one = {.key = buffer_bytes(&self->scratch), .value = bytes_of(packed, size)};
    return put(self, TOPIC_STREAMS, NULL, &one, error);
}

static int reduce(struct kafka_export *self, const struct export_delivery *delivery, uint64_t *subject_hash,
    struct error *error) {
    struct record_message message;
    struct record_delivery own;
    buffer_clear(&self->scratch);
    int rc = carried_reduce(delivery->body, delivery->at.queue, delivery->at.position, &self->scratch);
    rc = rc ? rc : record_message_only(buffer_bytes(&self->scratch), &message, &own);
    if (rc)
        return error_set(error, rc, "%s, position %llu: a message that can't be decoded", delivery->system,
            (unsigned long long)delivery->at.position);
    *subject_hash = own.subject_hash;
    return 0;
}

static int put_delivery(struct kafka_export *self, const struct export_delivery *delivery,
    const struct put_header *headers, size_t header_count, struct error *error) {
    uint8_t hash[8];
    uint64_t subject_hash = 0;
    int rc = reduce(self, delivery, &subject_hash, error);
    if (rc)
        return rc;
    struct put one = {
        .value = buffer_bytes(&self->scratch), .headers = headers, .header_count = header_count};
    store_u64(hash, subject_hash);
    if (subject_hash) // the seed of hashes is the bus's id: what comes later goes to the same partition
        one.key = bytes_of(hash, sizeof hash);
    rc = put(self, TOPIC_TO, delivery->system, &one, error);
    if (rc == 0)
        self->done = delivery->at;
    return rc;
}

static int pack_failed(Hutong__Bus__V1__FailedDelivery *failed, struct buffer *out) {
    uint8_t *at = buffer_extend(out, hutong__bus__v1__failed_delivery__get_packed_size(failed));
    if (at)
        hutong__bus__v1__failed_delivery__pack(failed, at);
    return at ? 0 : -ENOMEM;
}

int export_delivery(struct kafka_export *self, const struct export_delivery *delivery, struct error *error) {
    struct buffer failed = {0};
    uint8_t position[8];
    struct put_header headers[2];
    size_t count = 0;
    int rc = make_room(self, error);
    store_u64(position, delivery->at.position);
    if (delivery->maybe_done)
        headers[count++] = (struct put_header){KAFKA_FORMER, bytes_of(position, sizeof position)};
    if (rc == 0 && delivery->failed) {
        if (pack_failed(delivery->failed, &failed))
            return error_no_memory(error);
        headers[count++] = (struct put_header){KAFKA_FAILED, buffer_bytes(&failed)};
    }
    rc = rc ? rc : put_delivery(self, delivery, headers, count, error);
    buffer_destroy(&failed);
    return rc;
}

int export_letter(struct kafka_export *self, const struct export_letter *letter, struct error *error) {
    uint8_t hash[8];
    int rc = make_room(self, error);
    Hutong__Bus__V1__DeadRecord *dead =
        rc ? NULL : hutong__bus__v1__dead_record__unpack(NULL, letter->body.size, letter->body.data);
    if (rc)
        return rc;
    if (!dead)
        return error_set(error, -EBADMSG, "dead letters of %s, position %llu: one that can't be decoded",
            letter->system, (unsigned long long)letter->at.position);
    struct put one = {.value = letter->body};
    store_u64(hash, dead->subject_hash);
    if (dead->subject_hash)
        one.key = bytes_of(hash, sizeof hash);
    hutong__bus__v1__dead_record__free_unpacked(dead, NULL);
    rc = put(self, TOPIC_DEAD, letter->system, &one, error);
    if (rc == 0)
        self->done = letter->at;
    return rc;
}

// ---- The end ----

int export_finish(struct kafka_export *self, struct error *error) {
    int rc = self->complete ? 0 : commit(self, true, error);
    rc = rc ? rc : bus_complete(self->admin, self->options.cluster.prefix, self->source.bus, error);
    self->complete |= rc == 0;
    rc = rc ? rc : making_run(&self->making, NULL, 0, error); // it is there
    if (rc == 0 && !self->making.complete)
        rc = error_set(error, -EIO, "the cluster has not kept that the export is complete: run it again");
    return rc;
}
