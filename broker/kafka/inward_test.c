// What comes from the cluster, on librdkafka's own stand-in for one: a queue's partitions are read once their
// state is known, what arrived is the core's, and goes from it when they are another's. What a real one does:
// test/scenario/test_kafka_bus.py.
#include "broker/delivery/record.h"
#include "broker/kafka/journal_internal.h"
#include "core/base/clock.h"

#include <librdkafka/rdkafka_mock.h>

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cmocka.h>

enum { HEARTBEAT = 12, PARTITIONS = 2 };
#define PATIENCE_NS (60 * CLOCK_SECOND_NS)

struct testing {
    rd_kafka_t *rk; // the stand-in lives in it
    rd_kafka_mock_cluster_t *mock;
    rd_kafka_t *producer;
    struct kafka_journal *journal;
    struct destination *destination;
    struct error error;
    size_t here; // deliveries that the core has
    size_t arrived;
    size_t withdrawn;
};

// ---- The core's side ----

static int on_arrived(void *context, const struct journal_arrival *arrival) {
    struct testing *testing = context;
    testing->here++;
    testing->arrived++;
    return arrival->queue == 1 ? 0 : -EBADMSG;
}

static int on_withdrawn(void *context, uint32_t queue, uint64_t position, size_t bytes) {
    struct testing *testing = context;
    (void)position;
    testing->here--;
    testing->withdrawn++;
    return queue == 1 && bytes == 8 ? 0 : -EBADMSG;
}

static bool on_weighed(void *context, uint32_t queue) {
    (void)context;
    (void)queue;
    return false;
}

// ---- A journal with its topics on the stand-in ----

static void open_follow(struct testing *testing, const char *topic, struct follow **out) {
    const struct follow_options options = {.topic = topic, .partitions = PARTITIONS};
    assert_int_equal(follow_open(&testing->journal->options.cluster, &options, out, &testing->error), 0);
    assert_int_equal(kafka_watch(testing->journal, follow_fd(*out), &testing->error), 0);
}

static void open_journal(struct testing *testing) {
    static const struct cluster_setting quick[] = {{"retry.backoff.ms", "10"},
        {"reconnect.backoff.max.ms", "100"}, {"heartbeat.interval.ms", "100"},
        {"session.timeout.ms", "6000"}};
    struct kafka_journal *journal = testing->journal = calloc(1, sizeof *journal);
    journal->options.cluster = (struct cluster){.brokers = rd_kafka_mock_cluster_bootstraps(testing->mock),
        .prefix = "p",
        .name = "n",
        .settings = quick,
        .setting_count = 4};
    journal->owner = (struct journal_owner){
        .context = testing, .arrived = on_arrived, .withdrawn = on_withdrawn, .weighed = on_weighed};
    journal->partitions = PARTITIONS;
    journal->batch = gathered_new((size_t)1 << 20, (size_t)1 << 20);
    journal->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    journal->destination_count = 1;
    journal->destinations = calloc(1, sizeof(struct destination *));
    testing->destination = journal->destinations[0] = destination_new(1, "a/b", 1);
    open_follow(testing, "p.state", &journal->state);
    open_follow(testing, "p.streams", &journal->streams);
    assert_int_equal(topics_open(&journal->options.cluster, 10000, &journal->admin, &testing->error), 0);
    assert_int_equal(heights_open(journal->admin, &journal->heights, &testing->error), 0);
}

static int set_up(void **state) {
    static struct testing testing;
    static const struct cluster_setting none[] = {{NULL, NULL}};
    testing = (struct testing){0};
    testing.rk = rd_kafka_new(RD_KAFKA_PRODUCER, NULL, testing.error.text, sizeof testing.error.text);
    testing.mock = rd_kafka_mock_cluster_new(testing.rk, 1);
    rd_kafka_mock_topic_create(testing.mock, "p.to.a.b", PARTITIONS, 1);
    rd_kafka_mock_topic_create(testing.mock, "p.state", PARTITIONS, 1);
    rd_kafka_mock_topic_create(testing.mock, "p.streams", PARTITIONS, 1);
    open_journal(&testing);
    assert_int_equal(cluster_handle(&testing.journal->options.cluster, RD_KAFKA_PRODUCER, none, none,
                         &testing.producer, &testing.error),
        0);
    *state = &testing;
    return 0;
}

static int tear_down(void **state) {
    struct testing *testing = *state;
    struct kafka_journal *journal = testing->journal;
    inward_leave_all(journal);
    destination_destroy(&journal->destinations[0]);
    free(journal->destinations);
    gathered_destroy(&journal->batch);
    follow_close(&journal->state);
    follow_close(&journal->streams);
    heights_close(&journal->heights);
    topics_close(&journal->admin);
    close(journal->epoll_fd);
    free(journal);
    rd_kafka_destroy(testing->producer);
    rd_kafka_mock_cluster_destroy(testing->mock);
    rd_kafka_destroy(testing->rk);
    return 0;
}

// ---- What others wrote ----

static void write_one(
    struct testing *testing, const char *topic, int32_t partition, struct bytes key, struct bytes value) {
    assert_int_equal(
        rd_kafka_producev(testing->producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
            RD_KAFKA_V_KEY(key.data, key.size), RD_KAFKA_V_VALUE((void *)(uintptr_t)value.data, value.size),
            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END),
        0);
    assert_int_equal(rd_kafka_flush(testing->producer, 30000), 0);
}

static int append(void *context, const struct journal_record *record) {
    return buffer_append_bytes(context, record->body);
}

static void write_delivery(struct testing *testing, int32_t partition) {
    const struct record_message message = {
        .source = bytes_of_string("x/y"), .envelope = bytes_of_string("envelope")};
    const struct record_delivery to = {
        .queue = 1, .position = 1, .route = bytes_of_string("r"), .rule = {.route = "r"}};
    struct journal_batch *batch = journal_batch_new((size_t)16 << 20);
    struct bytes parts[RECORD_PARTS(1, 0)];
    struct buffer room = {0};
    struct buffer body = {0};
    size_t count;
    assert_int_equal(record_message_parts(&message, &to, 1, &room, parts, &count), 0);
    assert_int_equal(
        journal_batch_add(batch, HUTONG__BUS__V1__RECORD_KIND__RECORD_MESSAGE, NULL, 0, parts, count), 0);
    assert_int_equal(journal_batch_each(batch, testing->journal->entries, append, &body), 0);
    write_one(testing, "p.to.a.b", partition, bytes_of_string("k"), buffer_bytes(&body));
    journal_batch_destroy(&batch);
    buffer_destroy(&room);
    buffer_destroy(&body);
}

// As an owner before kept it: all up to `settled`, and no more.
static void write_state(struct testing *testing, int32_t partition, uint64_t settled, uint64_t beyond) {
    struct part part = {.destination = testing->destination, .partition = partition};
    struct buffer key = {0};
    struct buffer value = {0};
    assert_int_equal(lane_init(&part.lane, settled), 0);
    const struct lane_origin nobody = {0};
    assert_int_equal(lane_look(&part.lane, settled + 1, &nobody), LANE_NEW);
    assert_int_equal(lane_look(&part.lane, beyond, &nobody), LANE_NEW);
    assert_int_equal(lane_settle(&part.lane, beyond), 0);
    assert_int_equal(lane_state(&part.lane, &value), 0);
    assert_int_equal(lane_key(&part, false, &key), 0);
    write_one(
        testing, "p.state", lane_home(testing->journal, &part), buffer_bytes(&key), buffer_bytes(&value));
    lane_destroy(&part.lane);
    buffer_destroy(&key);
    buffer_destroy(&value);
}

// ---- Running ----

static void run_once(struct testing *testing) {
    struct pollfd one = {.fd = testing->journal->epoll_fd, .events = POLLIN};
    poll(&one, 1, 100);
    assert_int_equal(inward_run(testing->journal, &testing->error), 0);
}

#define RUN_UNTIL(testing, condition)                                                                        \
    do {                                                                                                     \
        for (uint64_t until = clock_monotonic_ns() + PATIENCE_NS; !(condition);) {                           \
            assert_true(clock_monotonic_ns() < until);                                                       \
            run_once(testing);                                                                               \
        }                                                                                                    \
    } while (0)

static bool caught_up(const struct testing *testing) {
    size_t count = 0;
    LIST_EACH(node, &testing->destination->parts) {
        count += LIST_ITEM(node, const struct part, link)->caught_up;
    }
    return count == PARTITIONS;
}

static void serve(struct testing *testing) {
    assert_int_equal(inward_serve(testing->journal, 1, true, &testing->error), 0);
}

static void what_is_there_arrives(void **state) {
    struct testing *testing = *state;
    write_delivery(testing, 0);
    write_delivery(testing, 1);
    write_delivery(testing, 1);
    run_once(testing);
    assert_int_equal(testing->arrived, 0); // nobody takes from it
    serve(testing);
    RUN_UNTIL(testing, caught_up(testing));
    assert_int_equal(testing->arrived, 3);
    write_delivery(testing, 0);
    RUN_UNTIL(testing, testing->arrived == 4);
    assert_int_equal(testing->withdrawn, 0);
}

static void what_an_owner_before_settled_does_not_come(void **state) {
    struct testing *testing = *state;
    for (size_t i = 0; i < 3; i++)
        write_delivery(testing, 1);
    write_state(testing, 1, 0, 2);
    serve(testing);
    RUN_UNTIL(testing, caught_up(testing));
    assert_int_equal(testing->arrived, 2); // the first and the third
    assert_int_equal(destination_part(testing->destination, 1)->lane.beyond.count, 1);
}

static void what_is_taken_away_is_withdrawn_and_comes_again(void **state) {
    struct testing *testing = *state;
    write_delivery(testing, 0);
    write_delivery(testing, 1);
    serve(testing);
    RUN_UNTIL(testing, testing->here == 2);
    struct gathered *batch = testing->journal->batch;
    testing->journal->batch = NULL; // settlements are under way
    rd_kafka_mock_push_request_errors(testing->mock, HEARTBEAT, 1, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID);
    RUN_UNTIL(testing, testing->withdrawn == 2);
    assert_true(testing->here == 0 && testing->destination->releasing);
    for (size_t i = 0; i < 5; i++)
        run_once(testing);
    assert_true(testing->destination->releasing); // the next owner has to wait for them
    testing->journal->batch = batch;
    RUN_UNTIL(testing, testing->here == 2);
    assert_int_equal(testing->arrived, 4);
}

static void who_has_too_much_reads_no_further(void **state) {
    struct testing *testing = *state;
    serve(testing);
    RUN_UNTIL(testing, caught_up(testing));
    testing->destination->bytes += KAFKA_HELD_BYTES + 1; // as if so much had arrived
    write_delivery(testing, 0);
    write_delivery(testing, 1);
    RUN_UNTIL(testing, testing->destination->held);
    size_t before = testing->arrived;
    write_delivery(testing, 0);
    write_delivery(testing, 1);
    for (size_t i = 0; i < 5; i++)
        run_once(testing);
    assert_true(before <= 2 && testing->arrived <= 2);
    testing->destination->bytes -= KAFKA_HELD_BYTES + 1;
    RUN_UNTIL(testing, testing->arrived == 4);
    assert_false(testing->destination->held);
}

static void whom_nobody_serves_is_left(void **state) {
    struct testing *testing = *state;
    write_delivery(testing, 0);
    serve(testing);
    RUN_UNTIL(testing, testing->here == 1);
    assert_int_equal(inward_serve(testing->journal, 1, false, &testing->error), 0);
    assert_true(testing->destination->leave_ms > 0);
    run_once(testing);
    assert_int_equal(testing->here, 1); // its receiver may be back in a moment
    testing->destination->leave_ms = 1; // and was not
    RUN_UNTIL(testing, !testing->destination->group);
    assert_int_equal(testing->here, 0);
    serve(testing);
    RUN_UNTIL(testing, testing->here == 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_is_there_arrives),
        TEST(what_an_owner_before_settled_does_not_come),
        TEST(what_is_taken_away_is_withdrawn_and_comes_again),
        TEST(who_has_too_much_reads_no_further),
        TEST(whom_nobody_serves_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
