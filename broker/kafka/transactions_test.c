// Transactions on librdkafka's own stand-in for a cluster, which answers with the errors that it is told to.
// What a real one does is test/scenario/test_kafka_journal.py.
#include "broker/kafka/transactions.h"

#include "core/base/clock.h"

#include <librdkafka/rdkafka_mock.h>

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

#include <cmocka.h>

enum { PRODUCE = 0, INIT = 22, ADD_PARTITIONS = 24, ADD_OFFSETS = 25, END = 26, OFFSETS = 28 };
#define PATIENCE_MS 60000

struct testing {
    rd_kafka_t *rk; // the stand-in lives in it
    rd_kafka_mock_cluster_t *mock;
    struct cluster cluster;
    struct transactions *transactions;
    uint32_t topic;
    struct error error;
};

static atomic_int told;

static void note(void *context, int level, const char *facility, const char *text) {
    (void)context;
    (void)level;
    (void)text;
    if (strcmp(facility, "TRANSACTION") == 0)
        atomic_fetch_add(&told, 1);
}

static void open_them(struct testing *testing) {
    const struct transactions_options options = {.batch_limit = (size_t)1 << 20, .transaction_ms = 60000};
    assert_int_equal(
        transactions_open(&testing->cluster, &options, &testing->transactions, &testing->error), 0);
    assert_int_equal(transactions_topic(testing->transactions, "p.to.a.b", &testing->topic), 0);
}

static int set_up(void **state) {
    static struct testing testing;
    static const struct cluster_setting quick[] = {
        {"retry.backoff.ms", "10"}, {"reconnect.backoff.max.ms", "100"}};
    testing = (struct testing){
        .cluster = {.prefix = "p", .name = "n", .settings = quick, .setting_count = 2, .tell = note}};
    testing.rk = rd_kafka_new(RD_KAFKA_PRODUCER, NULL, testing.error.text, sizeof testing.error.text);
    testing.mock = rd_kafka_mock_cluster_new(testing.rk, 3);
    testing.cluster.brokers = rd_kafka_mock_cluster_bootstraps(testing.mock);
    rd_kafka_mock_topic_create(testing.mock, "p.to.a.b", 1, 1);
    rd_kafka_mock_partition_set_leader(testing.mock, "p.to.a.b", 0, 1);
    rd_kafka_mock_coordinator_set(testing.mock, "group", "g", 1);
    for (int i = 0; i < TRANSACTIONS_IDS; i++) {
        char id[] = {'p', '.', 'n', '.', (char)('0' + i), '\0'};
        rd_kafka_mock_coordinator_set(testing.mock, "transaction", id, i == 1 ? 2 : 1);
    }
    atomic_store(&told, 0);
    *state = &testing;
    return 0;
}

static int tear_down(void **state) {
    struct testing *testing = *state;
    transactions_close(&testing->transactions);
    rd_kafka_mock_cluster_destroy(testing->mock);
    rd_kafka_destroy(testing->rk);
    return 0;
}

static struct gathered *batch_of(struct testing *testing, const char *value) {
    struct gathered *batch = transactions_batch(testing->transactions);
    const struct put put = {
        .topic = testing->topic, .key = bytes_of_string("k"), .value = bytes_of_string(value)};
    assert_int_equal(gathered_put(batch, &put), 0);
    return batch;
}

static int commit(struct testing *testing, struct gathered **batch) {
    int rc = transactions_start(testing->transactions, batch, &testing->error);
    return rc ? rc : transactions_collect(testing->transactions, true, batch, &testing->error);
}

static void commit_one(struct testing *testing) {
    struct gathered *batch = batch_of(testing, "v");
    assert_int_equal(commit(testing, &batch), 0);
    assert_non_null(batch);
    gathered_destroy(&batch);
}

static struct transactions_status status_of(const struct testing *testing) {
    struct transactions_status status;
    transactions_status(testing->transactions, &status);
    return status;
}

static bool readable(int fd, int timeout_ms) {
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    return poll(&poll_fd, 1, timeout_ms) == 1;
}

static void stays_under_way(struct testing *testing, uint64_t ms) {
    uint64_t until = clock_monotonic_ns() + ms * CLOCK_MILLISECOND_NS;
    while (clock_monotonic_ns() < until) {
        struct gathered *batch;
        readable(transactions_fd(testing->transactions), 100);
        assert_int_equal(transactions_collect(testing->transactions, false, &batch, &testing->error), 0);
        assert_null(batch);
    }
}

// ---- Tests ----

static void test_one_is_under_way(void **state) {
    struct testing *testing = *state;
    open_them(testing);
    struct gathered *batch = batch_of(testing, "v");
    struct gathered *next = batch_of(testing, "w");
    assert_int_equal(transactions_start(testing->transactions, &batch, &testing->error), 0);
    assert_null(batch);
    assert_int_equal(transactions_start(testing->transactions, &next, &testing->error), KAFKA_BUSY);
    assert_non_null(next);
    assert_true(readable(transactions_fd(testing->transactions), PATIENCE_MS));
    while (!batch)
        assert_int_equal(transactions_collect(testing->transactions, false, &batch, &testing->error), 0);
    gathered_destroy(&batch);
    assert_int_equal(commit(testing, &next), 0);
    gathered_destroy(&next);
    assert_int_equal(status_of(testing).committed, 2);
}

// The second batch is of the second id, whose coordinator is away: it stays under way until that is back.
static void test_ids_in_turn_and_a_cluster_that_does_not_answer(void **state) {
    struct testing *testing = *state;
    open_them(testing);
    for (int round = 0; round < 2; round++) {
        rd_kafka_mock_broker_set_down(testing->mock, 2);
        commit_one(testing);
        struct gathered *batch = batch_of(testing, "v");
        assert_int_equal(transactions_start(testing->transactions, &batch, &testing->error), 0);
        stays_under_way(testing, 1500);
        rd_kafka_mock_broker_set_up(testing->mock, 2);
        assert_int_equal(transactions_collect(testing->transactions, true, &batch, &testing->error), 0);
        gathered_destroy(&batch);
        commit_one(testing);
        commit_one(testing);
    }
    assert_int_equal(status_of(testing).committed, 8);
}

static void test_what_is_retriable_is_asked_again(void **state) {
    struct testing *testing = *state;
    open_them(testing);
    rd_kafka_mock_push_request_errors(testing->mock, ADD_PARTITIONS, 2,
        RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS);
    rd_kafka_mock_push_request_errors(testing->mock, END, 3, RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
        RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, RD_KAFKA_RESP_ERR__TRANSPORT);
    rd_kafka_mock_push_request_errors(testing->mock, PRODUCE, 1, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION);
    commit_one(testing);
    assert_int_equal(status_of(testing).again, 0);
}

// Each is aborted, and begun again from its gathered form.
static void test_an_aborted_batch_is_begun_again(void **state) {
    struct testing *testing = *state;
    open_them(testing);
    rd_kafka_mock_push_request_errors(testing->mock, PRODUCE, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    commit_one(testing);
    assert_int_equal(status_of(testing).again, 1);
    rd_kafka_mock_push_request_errors(
        testing->mock, ADD_PARTITIONS, 1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    commit_one(testing);
    assert_int_equal(status_of(testing).again, 2);
    assert_true(atomic_load(&told) >= 2);
}

static void expect_fenced(struct testing *testing, int16_t api, rd_kafka_resp_err_t code) {
    open_them(testing);
    struct gathered *batch = batch_of(testing, "v");
    rd_kafka_mock_push_request_errors(testing->mock, api, 1, code);
    assert_int_equal(commit(testing, &batch), KAFKA_FENCED);
    assert_null(batch);
    struct gathered *next = batch_of(testing, "w");
    assert_int_equal(transactions_start(testing->transactions, &next, &testing->error), KAFKA_FENCED);
    gathered_destroy(&next);
    assert_int_equal(status_of(testing).committed, 0);
    transactions_close(&testing->transactions);
}

static void test_another_has_taken_over(void **state) {
    expect_fenced(*state, END, RD_KAFKA_RESP_ERR_PRODUCER_FENCED);
    expect_fenced(*state, END, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH);
    expect_fenced(*state, ADD_PARTITIONS, RD_KAFKA_RESP_ERR_PRODUCER_FENCED);
}

static struct bytes token_of(int32_t generation, char *out, size_t capacity) {
    rd_kafka_consumer_group_metadata_t *group =
        rd_kafka_consumer_group_metadata_new_with_genid("g", generation, "member", NULL);
    const void *written;
    size_t size;
    rd_kafka_error_t *why = rd_kafka_consumer_group_metadata_write(group, (void *)(uintptr_t)&written, &size);
    assert_null(why);
    assert_true(size <= capacity);
    memcpy(out, written, size);
    rd_kafka_mem_free(NULL, (void *)(uintptr_t)written);
    rd_kafka_consumer_group_metadata_destroy(group);
    return bytes_of(out, size);
}

static void test_a_group_of_another_generation(void **state) {
    struct testing *testing = *state;
    char one[128];
    char two[128];
    uint32_t parts[2];
    open_them(testing);
    struct gathered *batch = batch_of(testing, "v");
    assert_int_equal(gathered_part(batch, token_of(1, one, sizeof one), &parts[0]), 0);
    assert_int_equal(gathered_part(batch, token_of(2, two, sizeof two), &parts[1]), 0);
    assert_int_equal(transactions_start(testing->transactions, &batch, &testing->error), -EINVAL);
    assert_int_equal(gathered_offset(batch, parts[0], "p.to.a.b", 0, 1), 0);
    assert_int_equal(gathered_offset(batch, parts[1], "p.to.a.b", 0, 2), 0);
    rd_kafka_mock_push_request_errors(testing->mock, OFFSETS, 1, RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION);
    assert_int_equal(commit(testing, &batch), 0);
    assert_true(gathered_refused(batch, parts[0]));
    assert_false(gathered_refused(batch, parts[1]));
    struct transactions_status status = status_of(testing);
    assert_int_equal(status.committed, 1);
    assert_int_equal(status.again, 1);
    assert_int_equal(status.refused, 1);
    gathered_destroy(&batch);
}

static void test_no_cluster(void **state) {
    struct testing *testing = *state;
    const struct transactions_options options = {.open_ms = 1500};
    rd_kafka_mock_broker_set_down(testing->mock, -1);
    assert_int_equal(
        transactions_open(&testing->cluster, &options, &testing->transactions, &testing->error), KAFKA_AGAIN);
    assert_null(testing->transactions);
    assert_non_null(strstr(testing->error.text, "taking over the transactional ids"));
}

static void test_closing_does_not_wait_for_a_cluster(void **state) {
    struct testing *testing = *state;
    open_them(testing);
    rd_kafka_mock_broker_set_down(testing->mock, -1);
    struct gathered *batch = batch_of(testing, "v");
    assert_int_equal(transactions_start(testing->transactions, &batch, &testing->error), 0);
    uint64_t before = clock_monotonic_ns();
    transactions_close(&testing->transactions);
    assert_true(clock_monotonic_ns() - before < 20 * CLOCK_SECOND_NS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_is_under_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            test_ids_in_turn_and_a_cluster_that_does_not_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_retriable_is_asked_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_aborted_batch_is_begun_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_another_has_taken_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_group_of_another_generation, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_cluster, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_closing_does_not_wait_for_a_cluster, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
