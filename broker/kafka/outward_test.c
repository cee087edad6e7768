// What the core appended, as the records of one transaction; what of it counts once that is committed; and
// what arrives of a topic. No cluster: the gathered batch is looked at.
#include "broker/delivery/record.h"
#include "broker/kafka/group_internal.h"
#include "broker/kafka/journal_internal.h"
#include "test/support/alloc_fail.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ONE = 1, DEAD = 2, TWO = 3, RECORD = 7, STATE = 8, STREAMS = 9 }; // queues, and topics as well
#define MUCH ((size_t)1 << 20)
#define STREAM "aaaaaaaaaaaaaaaa"
#define KIND(name) HUTONG__BUS__V1__RECORD_KIND__RECORD_##name

struct testing {
    struct kafka_journal *journal;
    struct destination *one;
    struct group group;
    struct journal_batch *batch;
    struct error error;
    uint64_t arrived;     // the last position
    uint64_t arrived_old; // deliveries that another process may have sent
    uint64_t settled;     // the last place
    uint64_t failures;    // that the core was told of
};

// ---- The core's side ----

static int on_arrived(void *context, const struct journal_arrival *arrival) {
    struct testing *testing = context;
    testing->arrived = arrival->position;
    testing->arrived_old += arrival->maybe_sent;
    return arrival->queue == ONE && arrival->size == 8 ? 0 : -EBADMSG;
}

static int on_settled(void *context, uint32_t queue, uint64_t place) {
    ((struct testing *)context)->settled = place;
    return queue == ONE ? 0 : -EBADMSG;
}

static int on_replay(void *context, const struct journal_record *record, struct error *error) {
    (void)error;
    ((struct testing *)context)->failures += record->kind == KIND(FAILED);
    return 0;
}

// ---- A journal that owns partitions 0 and 1 of queue ONE ----

static void make_destination(struct testing *testing, uint32_t id, const char *name) {
    testing->journal->destinations[id - 1] = destination_new(id, name, id);
    assert_non_null(testing->journal->destinations[id - 1]);
}

static void own(struct testing *testing, int32_t partition) {
    struct part *part = destination_add_part(testing->one, partition);
    assert_non_null(part);
    assert_int_equal(lane_init(&part->lane, 0), 0);
}

static int set_up(void **state) {
    static struct testing testing;
    testing = (struct testing){.journal = calloc(1, sizeof *testing.journal)};
    struct kafka_journal *journal = testing.journal;
    if (!journal)
        abort(); // tests set up again and again
    journal->owner = (struct journal_owner){
        .context = &testing, .arrived = on_arrived, .settled = on_settled, .replay = on_replay};
    journal->partitions = 2;
    journal->options.cluster.prefix = "p";
    journal->options.cluster.name = "broker-1";
    journal->record_topic = RECORD;
    journal->state_topic = STATE;
    journal->streams_topic = STREAMS;
    journal->batch = gathered_new(MUCH, MUCH);
    journal->destination_count = 3;
    journal->destinations = calloc(3, sizeof(struct destination *));
    make_destination(&testing, ONE, "a/b");
    make_destination(&testing, DEAD, "dead:a/b");
    make_destination(&testing, TWO, "c/d");
    testing.batch = journal_batch_new((size_t)16 << 20);
    testing.one = journal->destinations[ONE - 1];
    testing.one->group = &testing.group;
    assert_int_equal(buffer_append_string(&testing.group.token, "generation 3"), 0);
    own(&testing, 0);
    own(&testing, 1);
    *state = &testing;
    return 0;
}

static int tear_down(void **state) {
    struct testing *testing = *state;
    testing->one->group = NULL;
    for (size_t i = 0; i < 3; i++)
        destination_destroy(&testing->journal->destinations[i]);
    free(testing->journal->destinations);
    gathered_destroy(&testing->journal->batch);
    journal_batch_destroy(&testing->batch);
    authors_destroy(&testing->journal->authors);
    buffer_destroy(&testing->group.token);
    free(testing->journal);
    return 0;
}

// ---- What the core appends ----

static void add_packed(struct testing *testing, uint8_t kind, const ProtobufCMessage *message) {
    assert_int_equal(record_add_packed(testing->batch, kind, message, NULL), 0);
}

static void add_publisher(struct testing *testing, uint32_t id) {
    Hutong__Bus__V1__PublisherRecord named = HUTONG__BUS__V1__PUBLISHER_RECORD__INIT;
    named.publisher = id;
    named.system = (char *)(uintptr_t)"x/y";
    named.stream.data = (uint8_t *)(uintptr_t)STREAM;
    named.stream.len = 16;
    add_packed(testing, KIND(PUBLISHER), &named.base);
}

// To queues ONE and TWO, or to some of them.
static void add_message(
    struct testing *testing, uint32_t publisher, uint64_t sequence, uint64_t subject, size_t deliveries) {
    const struct record_message message = {.publisher = publisher,
        .sequence = sequence,
        .source = bytes_of_string("x/y"),
        .envelope = bytes_of_string("envelope")};
    struct record_delivery to[2] = {{.queue = ONE, .position = 1}, {.queue = TWO, .position = 2}};
    for (size_t i = 0; i < 2; i++) {
        to[i].subject_hash = subject;
        to[i].route = bytes_of_string("r");
        to[i].rule.route = "r";
    }
    struct bytes parts[RECORD_PARTS(2, 0)];
    struct buffer room = {0};
    size_t count;
    assert_int_equal(record_message_parts(&message, to, deliveries, &room, parts, &count), 0);
    assert_int_equal(journal_batch_add(testing->batch, KIND(MESSAGE), NULL, 0, parts, count), 0);
    buffer_destroy(&room);
}

static void add_settled(struct testing *testing, uint64_t first, uint64_t count) {
    Hutong__Bus__V1__PositionSpan span = HUTONG__BUS__V1__POSITION_SPAN__INIT;
    Hutong__Bus__V1__PositionSpan *spans = &span;
    Hutong__Bus__V1__SettledRecord settled = HUTONG__BUS__V1__SETTLED_RECORD__INIT;
    span.first = first;
    span.count = count;
    settled.queue = ONE;
    settled.n_spans = 1;
    settled.spans = &spans;
    add_packed(testing, KIND(SETTLED), &settled.base);
}

static void add_failed(struct testing *testing, uint64_t position) {
    Hutong__Bus__V1__FailedDelivery one = HUTONG__BUS__V1__FAILED_DELIVERY__INIT;
    Hutong__Bus__V1__FailedDelivery *all = &one;
    Hutong__Bus__V1__FailedRecord failed = HUTONG__BUS__V1__FAILED_RECORD__INIT;
    one.position = position;
    one.attempt = 2;
    failed.queue = ONE;
    failed.n_failures = 1;
    failed.failures = &all;
    add_packed(testing, KIND(FAILED), &failed.base);
}

static void add_dead(struct testing *testing, uint64_t place) {
    Hutong__Bus__V1__DeadRecord dead = HUTONG__BUS__V1__DEAD_RECORD__INIT;
    dead.queue = ONE;
    dead.dead_queue = DEAD;
    dead.position = place;
    dead.subject_hash = 5;
    add_packed(testing, KIND(DEAD), &dead.base);
}

static void add_refused(struct testing *testing, uint32_t publisher, uint64_t sequence) {
    Hutong__Bus__V1__RefusedRecord refused = HUTONG__BUS__V1__REFUSED_RECORD__INIT;
    refused.publisher = publisher;
    refused.sequence = sequence;
    add_packed(testing, KIND(REFUSED), &refused.base);
}

// ---- What a transaction writes ----

struct written {
    size_t count;
    struct wrote {
        uint32_t topic;
        int32_t partition;
        uint32_t part;
        char header[16];
        uint8_t head[64]; // the header's value
        size_t head_size;
        uint8_t key[64];
        size_t key_size;
        uint8_t value[128];
        size_t size;
    } all[16];
};

static void copy(uint8_t *to, size_t *size, size_t room, struct bytes from) {
    assert_true(from.size <= room);
    *size = from.size;
    if (from.size)
        memcpy(to, from.data, from.size);
}

static int note_put(void *context, const struct put *put) {
    struct written *written = context;
    struct wrote *one = &written->all[written->count++];
    assert_true(written->count <= 16 && put->header_count <= 1);
    *one = (struct wrote){.topic = put->topic, .partition = put->partition, .part = put->part};
    if (put->header_count) {
        snprintf(one->header, sizeof one->header, "%s", put->headers->name);
        copy(one->head, &one->head_size, sizeof one->head, put->headers->value);
    }
    copy(one->key, &one->key_size, sizeof one->key, put->key);
    copy(one->value, &one->size, sizeof one->value, put->value);
    return 0;
}

// Of the last look or gathering.
static const struct written *look(const struct testing *testing) {
    static struct written written;
    written = (struct written){0};
    assert_int_equal(gathered_each(testing->journal->batch, note_put, &written), 0);
    return &written;
}

static const struct written *gather(struct testing *testing) {
    assert_int_equal(outward_gather(testing->journal, testing->batch, &testing->error), 0);
    journal_batch_clear(testing->batch);
    return look(testing);
}

static void expect_origin(const struct wrote *one, uint64_t sequence, uint32_t element) {
    assert_string_equal(one->header, KAFKA_ORIGIN);
    assert_int_equal(one->head_size, KAFKA_ORIGIN_SIZE);
    assert_memory_equal(one->head, STREAM, 16);
    assert_int_equal(load_u64(one->head + 16), sequence);
    assert_int_equal(load_u32(one->head + 24), element);
}

static void expect_stream(const struct wrote *one, uint64_t sequence) {
    struct bytes key = bytes_of(one->key, one->key_size);
    Hutong__Bus__V1__StreamState *said = hutong__bus__v1__stream_state__unpack(NULL, one->size, one->value);
    assert_int_equal(one->topic, STREAMS);
    assert_true(bytes_equal(key, bytes_of("x/y\0" STREAM "broker-1", 28)));
    assert_int_equal(one->partition, partition_of(author_key_of(key), 2));
    assert_non_null(said);
    assert_int_equal(said->sequence, sequence);
    hutong__bus__v1__stream_state__free_unpacked(said, NULL);
}

static void a_message_goes_to_each_system(void **state) {
    struct testing *testing = *state;
    uint8_t hash[8];
    store_u64(hash, 77);
    add_publisher(testing, 4);
    add_message(testing, 4, 9, 77, 2);
    add_message(testing, 4, 10, 0, 1);
    const struct written *written = gather(testing);
    assert_int_equal(written->count, 4);
    for (size_t i = 0; i < 2; i++) { // by its subject
        assert_int_equal(written->all[i].topic, i ? TWO : ONE);
        assert_true(bytes_equal(bytes_of(written->all[i].key, written->all[i].key_size), bytes_of(hash, 8)));
        assert_int_equal(written->all[i].partition, partition_of(bytes_of(hash, 8), 2));
        assert_int_equal(written->all[i].part, 0);
        expect_origin(&written->all[i], 9, (uint32_t)i + 1);
    }
    expect_origin(&written->all[2], 10, 1); // without one a repeat of it comes to the same partition
    assert_memory_equal(written->all[2].key, written->all[2].head, KAFKA_ORIGIN_SIZE);
    expect_stream(&written->all[3], 10); // once for all of them
}

static void add_mapped(struct testing *testing) {
    const struct record_message message = {
        .source = bytes_of_string("x/y"), .envelope = bytes_of_string("original")};
    const struct record_delivery to = {.queue = ONE,
        .position = 1,
        .route = bytes_of_string("r"),
        .rule.route = "r",
        .envelope = bytes_of_string("mapped")};
    struct bytes parts[RECORD_PARTS(1, 0)];
    struct buffer room = {0};
    size_t count;
    assert_int_equal(record_message_parts(&message, &to, 1, &room, parts, &count), 0);
    assert_int_equal(journal_batch_add(testing->batch, KIND(MESSAGE), NULL, 0, parts, count), 0);
    buffer_destroy(&room);
}

static void expect_envelopes(const struct wrote *one, const char *original, const char *own) {
    struct record_message message;
    struct record_delivery delivery;
    assert_int_equal(record_message_only(bytes_of(one->value, one->size), &message, &delivery), 0);
    assert_true(bytes_equal(message.envelope, bytes_of_string(original)));
    assert_true(bytes_equal(delivery.envelope, bytes_of_string(own)));
}

static void only_what_goes_out_is_written(void **state) {
    struct testing *testing = *state;
    add_message(testing, 0, 0, 77, 1); // as it came
    add_mapped(testing);
    add_message(testing, 0, 0, 77, 2); // to two: each has its own delivery only
    const struct written *written = gather(testing);
    assert_int_equal(written->count, 4);
    expect_envelopes(&written->all[0], "envelope", "");
    expect_envelopes(&written->all[1], "", "mapped");
    expect_envelopes(&written->all[2], "envelope", "");
    expect_envelopes(&written->all[3], "envelope", "");
}

static void what_goes_to_nobody_is_recorded(void **state) {
    struct testing *testing = *state;
    add_publisher(testing, 4);
    add_message(testing, 4, 9, 77, 0);
    add_refused(testing, 4, 10);
    const struct written *written = gather(testing);
    assert_int_equal(written->count, 3);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(written->all[i].topic, RECORD);
        assert_string_equal(written->all[i].header, "kind");
        assert_int_equal(written->all[i].head[0], i ? KIND(REFUSED) : KIND(MESSAGE));
    }
    assert_int_equal(written->all[0].partition + written->all[1].partition, 1); // by turns
    expect_stream(&written->all[2], 10);
    gathered_clear(testing->journal->batch);
    add_message(testing, 0, 0, 77, 1); // of no durable stream
    written = gather(testing);
    assert_true(written->count == 1 && written->all[0].topic == ONE && !written->all[0].header[0]);
}

// ---- What arrives, and is settled ----

static int arrive_at(struct testing *testing, int32_t partition, int64_t offset, struct bytes value) {
    const struct group_event event = {.partition = partition, .offset = offset, .time_ms = 5, .value = value};
    return arriving_take(testing->journal, testing->one, &event, &testing->error);
}

// Three deliveries in partition 0, at positions 1 to 3, numbers 1, 2 and 4.
static int arrive_some(struct testing *testing) {
    static const int64_t offsets[] = {0, 1, 3};
    const struct written *written;
    int rc = 0;
    add_message(testing, 0, 0, 77, 1);
    written = gather(testing);
    gathered_clear(testing->journal->batch);
    for (size_t i = 0; i < 3 && rc == 0; i++)
        rc = arrive_at(testing, 0, offsets[i], bytes_of(written->all[0].value, written->all[0].size));
    return rc;
}

static void expect_lane(const struct testing *testing, uint64_t settled, size_t beyond, size_t failures) {
    const struct written *written = look(testing);
    const struct wrote *one = &written->all[0];
    assert_true(written->count >= 1 && one->topic == STATE && one->part == 1);
    assert_true(bytes_equal(bytes_of(one->key, one->key_size), bytes_of("a/b\0\0\0\0\0", 8)));
    Hutong__Bus__V1__LaneState *said = hutong__bus__v1__lane_state__unpack(NULL, one->size, one->value);
    assert_non_null(said);
    assert_int_equal(said->settled, settled);
    assert_int_equal(said->n_settled_beyond, beyond);
    assert_int_equal(said->n_failures, failures);
    hutong__bus__v1__lane_state__free_unpacked(said, NULL);
    const rd_kafka_topic_partition_list_t *offsets = gathered_part_at(testing->journal->batch, 1)->offsets;
    assert_true(offsets->cnt == 1 && offsets->elems[0].offset == (int64_t)settled);
    assert_string_equal(offsets->elems[0].topic, "p.to.a.b");
}

static void what_is_settled_is_in_the_lanes_state(void **state) {
    struct testing *testing = *state;
    assert_int_equal(arrive_some(testing), 0);
    assert_int_equal(testing->arrived, 3);
    assert_int_equal(testing->arrived_old, 3); // before its end another may have sent them
    add_settled(testing, 3, 1);
    add_failed(testing, 2);
    add_failed(testing, 9); // another's by now
    gather(testing);
    expect_lane(testing, 0, 1, 1);
    assert_int_equal(inward_committed(testing->journal, testing->journal->batch), 0);
    assert_int_equal(testing->settled, 0);
    gathered_clear(testing->journal->batch);
    add_settled(testing, 1, 5);
    gather(testing);
    expect_lane(testing, 4, 0, 0);
    assert_int_equal(inward_committed(testing->journal, testing->journal->batch), 0);
    assert_int_equal(testing->settled, (uint64_t)1 << JOURNAL_LANE_SHIFT | 4); // of partition 0
    gathered_clear(testing->journal->batch);
    assert_int_equal(gather(testing)->count, 0); // nothing new
}

static void what_the_cluster_refused_is_not_told(void **state) {
    struct testing *testing = *state;
    assert_int_equal(arrive_some(testing), 0);
    add_settled(testing, 1, 3);
    gather(testing);
    gathered_part_at(testing->journal->batch, 1)->refused = true; // the group has another generation
    assert_int_equal(inward_committed(testing->journal, testing->journal->batch), 0);
    assert_int_equal(testing->settled, 0);
}

static void what_is_no_delivery_is_passed_by(void **state) {
    struct testing *testing = *state;
    assert_int_equal(arrive_at(testing, 0, 0, bytes_of_string("\xff\xff")), 0);
    assert_int_equal(arrive_at(testing, 0, 1, bytes_of(NULL, 0)), 0);
    assert_int_equal(arrive_at(testing, 5, 1, bytes_of_string("not mine")), 0);
    assert_int_equal(testing->arrived, 0);
    gather(testing);
    expect_lane(testing, 2, 0, 0);
}

static void a_failure_that_was_kept_is_told_with_its_delivery(void **state) {
    struct testing *testing = *state;
    Hutong__Bus__V1__FailedDelivery failed = HUTONG__BUS__V1__FAILED_DELIVERY__INIT;
    assert_int_equal(lane_fail(&destination_part(testing->one, 0)->lane, 2, &failed), 0);
    assert_int_equal(arrive_some(testing), 0);
    assert_int_equal(testing->failures, 1);
}

static void a_dead_letter_goes_with_its_lane(void **state) {
    struct testing *testing = *state;
    add_dead(testing, (uint64_t)1 << JOURNAL_LANE_SHIFT | 3);
    add_dead(testing, 0);                                     // its mapping failed
    add_dead(testing, (uint64_t)6 << JOURNAL_LANE_SHIFT | 3); // another's, who makes one of its own
    const struct written *written = gather(testing);
    assert_int_equal(written->count, 2);
    assert_true(written->all[0].topic == DEAD && written->all[0].part == 1 && written->all[0].key_size == 8);
    assert_true(written->all[1].topic == DEAD && written->all[1].part == 0);
}

// ---- What can't be ----

static void what_the_core_can_not_have_said_is_refused(void **state) {
    static const uint8_t kinds[] = {
        KIND(MESSAGE), KIND(SETTLED), KIND(FAILED), KIND(DEAD), KIND(REFUSED), KIND(PUBLISHER)};
    struct testing *testing = *state;
    struct bytes nonsense = bytes_of_string("\xff\xff\xff");
    for (size_t i = 0; i < sizeof kinds; i++) {
        assert_int_equal(journal_batch_add(testing->batch, kinds[i], NULL, 0, &nonsense, 1), 0);
        assert_int_equal(outward_gather(testing->journal, testing->batch, &testing->error), -EBADMSG);
        journal_batch_clear(testing->batch);
    }
    destination_destroy(&testing->journal->destinations[TWO - 1]);
    add_message(testing, 0, 0, 77, 2); // to a queue that nobody named
    assert_int_equal(outward_gather(testing->journal, testing->batch, &testing->error), -EBADMSG);
}

static void what_is_too_large_for_a_transaction_is_said(void **state) {
    struct testing *testing = *state;
    gathered_destroy(&testing->journal->batch);
    testing->journal->batch = gathered_new(200, MUCH);
    for (size_t i = 0; i < 8; i++)
        add_message(testing, 0, 0, 77, 1);
    assert_int_equal(outward_gather(testing->journal, testing->batch, &testing->error), KAFKA_FULL);
    assert_string_equal(testing->error.text, "a batch is too large for one transaction");
}

// protobuf-c says the same of bytes that it can't read and of memory that it doesn't get: both end the
// process.
static void no_memory_is_said(void **state) {
    int rc = -ENOMEM;
    for (size_t n = 0; rc; n++) {
        tear_down(state);
        set_up(state);
        struct testing *testing = *state;
        assert_int_equal(arrive_some(testing), 0);
        add_publisher(testing, 4);
        add_message(testing, 4, 9, 77, 2);
        add_settled(testing, 1, 1);
        add_failed(testing, 2);
        add_dead(testing, (uint64_t)1 << JOURNAL_LANE_SHIFT | 3);
        add_refused(testing, 4, 10);
        alloc_fail_once(n);
        rc = outward_gather(testing->journal, testing->batch, &testing->error);
        alloc_fail_never();
        assert_true(rc == 0 || rc == -ENOMEM || rc == -EBADMSG);
    }
    assert_int_equal(
        look(*state)->count, 7); // two, a letter, a refusal, the stream, the lane and its streams
}

static void an_arrival_is_whole_or_not(void **state) {
    struct testing *testing = *state;
    Hutong__Bus__V1__FailedDelivery failed = HUTONG__BUS__V1__FAILED_DELIVERY__INIT;
    add_message(testing, 0, 0, 77, 1);
    const struct written *written = gather(testing);
    struct bytes value = bytes_of(written->all[0].value, written->all[0].size);
    int rc = -ENOMEM;
    for (size_t n = 0; rc; n++) {
        tear_down(state);
        set_up(state);
        testing = *state;
        assert_int_equal(lane_fail(&destination_part(testing->one, 0)->lane, 1, &failed), 0);
        alloc_fail_once(n);
        rc = arrive_at(testing, 0, 0, value);
        alloc_fail_never();
        assert_true(rc == 0 || rc == -ENOMEM || rc == -EBADMSG);
        assert_int_equal(destination_next(testing->one), testing->arrived + 1);
    }
    assert_true(testing->arrived == 1 && testing->failures == 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_message_goes_to_each_system),
        TEST(only_what_goes_out_is_written),
        TEST(what_goes_to_nobody_is_recorded),
        TEST(what_is_settled_is_in_the_lanes_state),
        TEST(what_the_cluster_refused_is_not_told),
        TEST(what_is_no_delivery_is_passed_by),
        TEST(a_failure_that_was_kept_is_told_with_its_delivery),
        TEST(a_dead_letter_goes_with_its_lane),
        TEST(what_the_core_can_not_have_said_is_refused),
        TEST(what_is_too_large_for_a_transaction_is_said),
        TEST(no_memory_is_said),
        TEST(an_arrival_is_whole_or_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
