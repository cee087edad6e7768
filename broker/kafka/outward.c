// What the core appended, as what one transaction writes: each delivery to its destination's topic, what was
// settled and failed to the state of its lane with the group's offset, dead letters to theirs, the rest to
// PREFIX.record.
#include "broker/kafka/journal_internal.h"

#include "broker/delivery/carried.h"
#include "broker/delivery/record.h"
#include "core/base/clock.h"

#include <errno.h>
#include <stdlib.h>

struct outward {
    struct kafka_journal *journal;
    struct error *error;
    struct journal_record record; // that is being written
    struct buffer scratch;
};

static int put(struct outward *outward, struct put *put, struct bytes value) {
    put->value = value;
    if (put->partition < 0)
        put->partition = put->key.data
                             ? partition_of(put->key, outward->journal->partitions)
                             : (int32_t)(outward->journal->turn++ % (uint64_t)outward->journal->partitions);
    int rc = gathered_put(outward->journal->batch, put);
    if (rc)
        error_set(outward->error, rc, "a batch is too large for one transaction");
    return rc;
}

// ---- Messages ----

struct sending {
    struct outward *outward;
    const struct record_message *message; // its publisher and sequence are known before its deliveries
    bool alone;                           // it has one delivery
    struct put_header header;
    uint8_t origin[KAFKA_ORIGIN_SIZE];
};

static void fill_origin(struct sending *sending, const struct author *author, uint32_t element) {
    memcpy(sending->origin, author->stream, sizeof author->stream);
    store_u64(sending->origin + 16, sending->message->sequence);
    store_u32(sending->origin + 24, element);
    sending->header =
        (struct put_header){.name = KAFKA_ORIGIN, .value = bytes_of(sending->origin, sizeof sending->origin)};
}

// What its destination needs of the record: all of it where nothing else is in it.
static int value_of(
    const struct sending *sending, const struct record_delivery *delivery, struct bytes *out) {
    struct outward *outward = sending->outward;
    *out = outward->record.body;
    if (sending->alone && delivery->envelope.size == 0 && delivery->packed.size == 0)
        return 0;
    buffer_clear(&outward->scratch);
    int rc = carried_reduce(outward->record.body, delivery->queue, delivery->position, &outward->scratch);
    *out = buffer_bytes(&outward->scratch);
    return rc;
}

static int send_delivery(void *context, const struct record_delivery *delivery) {
    struct sending *sending = context;
    struct outward *outward = sending->outward;
    struct kafka_journal *journal = outward->journal;
    const struct destination *destination = kafka_destination(journal, delivery->queue);
    const struct author *author = authors_get(&journal->authors, sending->message->publisher);
    if (!destination)
        return -EBADMSG;
    uint8_t hash[8];
    store_u64(hash, delivery->subject_hash);
    struct put one = {.topic = destination->topic, .partition = -1};
    if (author) {
        fill_origin(sending, author, (uint32_t)delivery->position);
        one.headers = &sending->header;
        one.header_count = 1;
        one.key = sending->header.value; // a repeat comes to the same partition
    }
    if (delivery->subject_hash)
        one.key = bytes_of(hash, sizeof hash);
    struct bytes value;
    bool gone = false;
    int rc = 0;
    if (sending->message->replay_of) // it goes out if its dead letter is settled by that, or not at all
        rc = letters_part(
            journal, letters_of(journal, destination), sending->message->replay_of, &one.part, &gone);
    if (rc || gone)
        return rc;
    rc = value_of(sending, delivery, &value);
    return rc ? rc : put(outward, &one, value);
}

struct survey {
    size_t count;
    struct record_delivery last;
};

static int survey_delivery(void *context, const struct record_delivery *delivery) {
    struct survey *survey = context;
    survey->count++;
    survey->last = *delivery;
    return 0;
}

// The record itself: its deliveries hold what it says, but where there is none.
static int put_record_in(struct outward *outward, struct bytes body, uint32_t part) {
    struct put one = {.topic = outward->journal->record_topic, .partition = -1, .part = part};
    uint8_t kind = outward->record.kind;
    const struct put_header header = {.name = "kind", .value = bytes_of(&kind, 1)};
    one.headers = &header;
    one.header_count = 1;
    return put(outward, &one, body);
}

static int put_record(struct outward *outward, struct bytes body) {
    return put_record_in(outward, body, 0);
}

static int send_message(struct outward *outward) {
    struct record_message message;
    struct survey found = {0};
    int rc = record_message_each(outward->record.body, &message, survey_delivery, &found);
    if (rc)
        return rc;
    struct sending sending = {.outward = outward, .message = &message, .alone = found.count == 1};
    struct record_message again; // its fields are read before its deliveries, and read once more
    if (sending.alone)
        rc = send_delivery(&sending, &found.last);
    else if (found.count)
        rc = record_message_each(outward->record.body, &again, send_delivery, &sending);
    else
        rc = put_record(outward, outward->record.body);
    if (rc == 0)
        authors_advance(&outward->journal->authors, message.publisher, message.sequence);
    return rc;
}

// ---- What came back ----

static void settle(struct destination *destination, uint64_t position, int *rc) {
    struct arrival *arrival = destination->letters ? destination_at_place(destination, position)
                                                   : destination_at(destination, position);
    if (!arrival)
        return; // another's by now
    struct part *part = arrival->part;
    *rc = lane_settle(&part->lane, arrival->number);
    part->news = true;
    if (*rc == 0)
        destination_forget(destination, arrival);
}

static int put_settled(struct outward *outward) {
    const struct bytes body = outward->record.body;
    Hutong__Bus__V1__SettledRecord *settled =
        hutong__bus__v1__settled_record__unpack(NULL, body.size, body.data);
    struct destination *destination = settled ? kafka_destination(outward->journal, settled->queue) : NULL;
    int rc = destination ? 0 : -EBADMSG;
    for (size_t i = 0; rc == 0 && i < settled->n_spans; i++)
        for (uint64_t n = 0; n < settled->spans[i]->count && rc == 0; n++)
            settle(destination, settled->spans[i]->first + n, &rc);
    hutong__bus__v1__settled_record__free_unpacked(settled, NULL);
    return rc;
}

static int put_failed(struct outward *outward) {
    const struct bytes body = outward->record.body;
    Hutong__Bus__V1__FailedRecord *failed =
        hutong__bus__v1__failed_record__unpack(NULL, body.size, body.data);
    struct destination *destination = failed ? kafka_destination(outward->journal, failed->queue) : NULL;
    int rc = destination ? 0 : -EBADMSG;
    for (size_t i = 0; rc == 0 && i < failed->n_failures; i++) {
        struct arrival *arrival = destination_at(destination, failed->failures[i]->position);
        if (!arrival)
            continue;
        arrival->part->news = true;
        rc = lane_fail(&arrival->part->lane, arrival->number, failed->failures[i]);
    }
    hutong__bus__v1__failed_record__free_unpacked(failed, NULL);
    return rc;
}

// ---- Dead letters ----

static bool has_news(const struct destination *letters) {
    LIST_EACH(node, &letters->parts) {
        if (LIST_ITEM(node, const struct part, link)->news)
            return true;
    }
    return false;
}

// Whether what receivers know by this place is this process's.
static bool is_mine(const struct destination *destination, uint64_t place) {
    int32_t partition = place_partition(place);
    return partition < 0 ? destination_at_place(destination, place) != NULL
                         : destination_part(destination, partition) != NULL;
}

// The part of the lane that a dead letter's delivery is of: both are in it or neither.
static int part_of(
    struct outward *outward, const Hutong__Bus__V1__DeadRecord *dead, uint32_t *part, bool *void_) {
    struct destination *destination = kafka_destination(outward->journal, dead->queue);
    *part = 0;
    *void_ = false;
    if (dead->position == 0)
        return 0; // it never got there
    if (!destination || !destination->group || !is_mine(destination, dead->position)) {
        *void_ = true; // another's by now, who will make one of its own
        return 0;
    }
    return gathered_part(outward->journal->batch, group_token(destination->group), part);
}

static int put_dead(struct outward *outward) {
    const struct bytes body = outward->record.body;
    Hutong__Bus__V1__DeadRecord *dead = hutong__bus__v1__dead_record__unpack(NULL, body.size, body.data);
    struct destination *letters = dead ? kafka_destination(outward->journal, dead->dead_queue) : NULL;
    struct put one = {.partition = -1};
    uint8_t hash[8];
    bool void_ = false;
    int rc = letters ? part_of(outward, dead, &one.part, &void_) : -EBADMSG;
    if (rc == 0 && !void_) {
        one.topic = letters->topic;
        store_u64(hash, dead->subject_hash);
        if (dead->subject_hash)
            one.key = bytes_of(hash, sizeof hash);
        rc = put(outward, &one, body);
    }
    hutong__bus__v1__dead_record__free_unpacked(dead, NULL);
    return rc;
}

// Who did what with dead letters and why, where it was done.
static int put_operated(struct outward *outward) {
    const struct bytes body = outward->record.body;
    Hutong__Bus__V1__OperatedRecord *operated =
        hutong__bus__v1__operated_record__unpack(NULL, body.size, body.data);
    struct destination *letters = operated ? kafka_destination(outward->journal, operated->dead_queue) : NULL;
    int rc = operated ? 0 : -EBADMSG;
    uint32_t part = 0;
    if (letters && has_news(letters)) {
        rc = gathered_part(outward->journal->batch, group_token(letters->group), &part);
        rc = rc ? rc : put_record_in(outward, body, part);
    }
    if (operated)
        hutong__bus__v1__operated_record__free_unpacked(operated, NULL);
    return rc;
}

// ---- A record ----

static int put_refused(struct outward *outward) {
    const struct bytes body = outward->record.body;
    Hutong__Bus__V1__RefusedRecord *refused =
        hutong__bus__v1__refused_record__unpack(NULL, body.size, body.data);
    if (!refused)
        return -EBADMSG;
    authors_advance(&outward->journal->authors, refused->publisher, refused->sequence);
    hutong__bus__v1__refused_record__free_unpacked(refused, NULL);
    return put_record(outward, body);
}

static int note_author(struct outward *outward) {
    const struct bytes body = outward->record.body;
    Hutong__Bus__V1__PublisherRecord *named =
        hutong__bus__v1__publisher_record__unpack(NULL, body.size, body.data);
    int rc = named ? authors_add(&outward->journal->authors, named->publisher, named->system,
                         bytes_of(named->stream.data, named->stream.len))
                   : -EBADMSG;
    hutong__bus__v1__publisher_record__free_unpacked(named, NULL);
    return rc;
}

static int write_record(void *context, const struct journal_record *record) {
    struct outward *outward = context;
    outward->record = *record;
    switch (record->kind) {
    case HUTONG__BUS__V1__RECORD_KIND__RECORD_MESSAGE:
        return send_message(outward);
    case HUTONG__BUS__V1__RECORD_KIND__RECORD_SETTLED:
        return put_settled(outward);
    case HUTONG__BUS__V1__RECORD_KIND__RECORD_FAILED:
        return put_failed(outward);
    case HUTONG__BUS__V1__RECORD_KIND__RECORD_DEAD:
        return put_dead(outward);
    case HUTONG__BUS__V1__RECORD_KIND__RECORD_ACTIVATED: {
        int rc = activations_keep(&outward->journal->activations, record);
        return rc ? rc : put_record(outward, record->body);
    }
    case HUTONG__BUS__V1__RECORD_KIND__RECORD_OPERATED:
        return put_operated(outward);
    case HUTONG__BUS__V1__RECORD_KIND__RECORD_REFUSED:
        return put_refused(outward);
    case HUTONG__BUS__V1__RECORD_KIND__RECORD_PUBLISHER:
        return note_author(outward);
    case HUTONG__BUS__V1__RECORD_KIND__RECORD_QUEUE:
        return 0; // queues.c
    default:
        return put_record(outward, record->body);
    }
}

// ---- At the end of a batch: what it changed of streams and lanes ----

static int put_stream(struct outward *outward, const struct author *author) {
    struct bytes broker = bytes_of_string(outward->journal->options.cluster.name);
    Hutong__Bus__V1__StreamState state = HUTONG__BUS__V1__STREAM_STATE__INIT;
    uint8_t packed[32];
    struct put one = {.topic = outward->journal->streams_topic, .partition = -1};
    state.sequence = author->sequence;
    state.time_us = clock_realtime_ns() / 1000;
    buffer_clear(&outward->scratch);
    int rc = author_key(author->system, author->stream, &outward->scratch);
    // All that is said of a stream is in one partition, whoever says it.
    one.partition = partition_of(buffer_bytes(&outward->scratch), outward->journal->partitions);
    rc = rc ? rc : buffer_append_bytes(&outward->scratch, broker);
    one.key = buffer_bytes(&outward->scratch);
    size_t size = hutong__bus__v1__stream_state__pack(&state, packed);
    return rc ? rc : put(outward, &one, bytes_of(packed, size));
}

static int put_streams(struct outward *outward) {
    struct authors *authors = &outward->journal->authors;
    int rc = 0;
    while (rc == 0 && authors_news(authors)) {
        rc = put_stream(outward, authors_news(authors));
        if (rc == 0)
            authors_said(authors);
    }
    return rc;
}

static int put_state(struct outward *outward, struct part *part, uint32_t of, bool streams) {
    struct buffer key = {0};
    struct put one = {
        .topic = outward->journal->state_topic, .partition = lane_home(outward->journal, part), .part = of};
    buffer_clear(&outward->scratch);
    int rc = lane_key(part, streams, &key);
    rc = rc        ? rc
         : streams ? lane_streams(&part->lane, &outward->scratch)
                   : lane_state(&part->lane, &outward->scratch);
    one.key = buffer_bytes(&key);
    // An empty one is none, which would delete it.
    static const uint8_t nothing[] = {0x08, 0x00};
    struct bytes value = outward->scratch.size ? buffer_bytes(&outward->scratch) : bytes_of(nothing, 2);
    rc = rc ? rc : put(outward, &one, value);
    buffer_destroy(&key);
    return rc;
}

static int put_lane(struct outward *outward, struct destination *destination, struct part *part) {
    char topic[TOPIC_NAME_SIZE];
    uint32_t of = 0;
    uint64_t now_ms = clock_monotonic_ns() / CLOCK_MILLISECOND_NS;
    int rc = kafka_topic(outward->journal, destination, topic, outward->error);
    rc = rc ? rc : gathered_part(outward->journal->batch, group_token(destination->group), &of);
    rc = rc ? rc : put_state(outward, part, of, false);
    bool due = part->streams_ms == 0 || now_ms - part->streams_ms >= KAFKA_STREAMS_MS;
    if (rc == 0 && due && !destination->letters) {
        part->streams_ms = now_ms;
        part->noted = part->lane.next - 1;
        rc = put_state(outward, part, of, true);
    }
    rc = rc ? rc
            : gathered_offset(
                  outward->journal->batch, of, topic, part->partition, (int64_t)part->lane.settled);
    part->written = part->lane.settled;
    part->written_as = of;
    part->news = false;
    return rc;
}

static int put_lanes(struct outward *outward) {
    struct kafka_journal *journal = outward->journal;
    int rc = 0;
    for (size_t i = 0; i < journal->destination_count; i++) {
        struct destination *destination = journal->destinations[i];
        if (!destination || !destination->group)
            continue;
        for (struct list *node = destination->parts.next; node != &destination->parts && rc == 0;
            node = node->next) {
            struct part *part = LIST_ITEM(node, struct part, link);
            rc = part->news ? put_lane(outward, destination, part) : 0;
        }
    }
    return rc;
}

int outward_gather_lanes(struct kafka_journal *journal, struct error *error) {
    struct outward outward = {.journal = journal, .error = error};
    int rc = put_lanes(&outward);
    buffer_destroy(&outward.scratch);
    return rc;
}

int outward_gather(struct kafka_journal *journal, const struct journal_batch *batch, struct error *error) {
    struct outward outward = {.journal = journal, .error = error};
    int rc = journal_batch_each(batch, journal->entries, write_record, &outward);
    rc = rc ? rc : put_streams(&outward);
    rc = rc ? rc : put_lanes(&outward);
    buffer_destroy(&outward.scratch);
    return rc;
}
