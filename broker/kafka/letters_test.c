// Dead letters as an operator has them: by their places, in order, and what is done with one goes out only
// with its settlement. No cluster: what a transaction would write is looked at.
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

enum { TO = 1, DEAD = 2 }; // queues, and topics as well
#define MUCH ((size_t)1 << 20)
#define PLACE(partition, number) ((uint64_t)((partition) + 1) << JOURNAL_LANE_SHIFT | (number))

struct testing {
    struct kafka_journal *journal;
    struct destination *to;
    struct destination *letters;
    struct group group;
    struct journal_batch *batch;
    struct error error;
};

static void own(struct testing *testing, int32_t partition) {
    struct part *part = destination_add_part(testing->letters, partition);
    assert_non_null(part);
    assert_int_equal(lane_init(&part->lane, 0), 0);
    part->caught_up = true;
}

static int set_up(void **state) {
    static struct testing testing;
    testing = (struct testing){.journal = calloc(1, sizeof *testing.journal)};
    struct kafka_journal *journal = testing.journal;
    if (!journal)
        return -1;
    journal->partitions = 2;
    journal->options.cluster.prefix = "p";
    journal->record_topic = 7;
    journal->state_topic = 8;
    journal->batch = gathered_new(MUCH, MUCH);
    journal->destination_count = 2;
    journal->destinations = calloc(2, sizeof(struct destination *));
    testing.to = journal->destinations[0] = destination_new(TO, "a/b", TO);
    testing.letters = journal->destinations[1] = destination_new(DEAD, "dead:a/b", DEAD);
    testing.batch = journal_batch_new((size_t)16 << 20);
    assert_true(testing.letters->letters && !testing.to->letters);
    testing.letters->group = &testing.group;
    assert_int_equal(buffer_append_string(&testing.group.token, "generation 3"), 0);
    own(&testing, 1);
    own(&testing, 0);
    *state = &testing;
    return 0;
}

static int tear_down(void **state) {
    struct testing *testing = *state;
    testing->letters->group = NULL;
    destination_destroy(&testing->journal->destinations[0]);
    destination_destroy(&testing->journal->destinations[1]);
    free(testing->journal->destinations);
    gathered_destroy(&testing->journal->batch);
    journal_batch_destroy(&testing->batch);
    buffer_destroy(&testing->group.token);
    free(testing->journal);
    return 0;
}

static int arrive(struct testing *testing, int32_t partition, int64_t offset, const char *letter) {
    const struct group_event event = {.partition = partition,
        .offset = offset,
        .time_ms = 5,
        .value = letter ? bytes_of_string(letter) : bytes_of(NULL, 0)};
    return letters_arrive(testing->journal, destination_part(testing->letters, partition), &event);
}

static void arrive_some(struct testing *testing) {
    assert_int_equal(arrive(testing, 1, 0, "d"), 0);
    assert_int_equal(arrive(testing, 0, 3, "a"), 0);
    assert_int_equal(arrive(testing, 1, 1, "e"), 0);
    assert_int_equal(arrive(testing, 0, 5, "b"), 0);
    assert_int_equal(arrive(testing, 0, 6, "c"), 0);
    assert_int_equal(arrive(testing, 0, 5, "b"), 0); // a second time: it is known
}

// ---- Reading ----

static int note(void *context, const struct journal_record *record, uint64_t place) {
    assert_true(record->sequence == place && record->place == place && record->time_ns == 5000000);
    return buffer_append_bytes(context, record->body);
}

static void expect_read(
    struct testing *testing, uint64_t from, size_t count, size_t bytes, const char *text) {
    struct buffer seen = {0};
    assert_int_equal(
        letters_read(testing->journal, testing->letters, from, count, bytes, note, &seen, &testing->error),
        0);
    assert_string_equal(buffer_text(&seen), text);
    buffer_destroy(&seen);
}

static void they_are_read_in_the_order_of_places(void **state) {
    struct testing *testing = *state;
    arrive_some(testing);
    expect_read(testing, 1, 100, MUCH, "abcde");
    expect_read(testing, PLACE(0, 6), 100, MUCH, "bcde");
    expect_read(testing, PLACE(0, 7) + 1, 100, MUCH, "de");
    expect_read(testing, PLACE(1, 2), 100, MUCH, "e");
    expect_read(testing, PLACE(1, 3), 100, MUCH, "");
    expect_read(testing, PLACE(0, 4), 2, MUCH, "ab");
    expect_read(testing, PLACE(0, 6), 100, 2, "bc");
    struct arrival *arrival = destination_at_place(testing->letters, PLACE(0, 6));
    assert_non_null(arrival);
    destination_forget(testing->letters, arrival);
    assert_null(destination_at_place(testing->letters, PLACE(0, 6)));
    expect_read(testing, 1, 100, MUCH, "acde");
    assert_int_equal(arrive(testing, 0, 8, NULL), 0); // no letter at all
    expect_read(testing, 1, 100, MUCH, "acde");
}

static void they_are_read_whole_or_not(void **state) {
    struct testing *testing = *state;
    arrive_some(testing);
    assert_int_equal(letters_fetch(testing->journal, DEAD, &testing->error), 0);
    assert_int_equal(letters_fetch(testing->journal, TO, &testing->error), JOURNAL_REFUSED);
    destination_part(testing->letters, 1)->caught_up = false;
    assert_int_equal(letters_fetch(testing->journal, DEAD, &testing->error), JOURNAL_BUSY);
    testing->letters->held = true; // as many as may be
    assert_int_equal(letters_fetch(testing->journal, DEAD, &testing->error), 0);
    letters_revoked(testing->journal, testing->letters); // another broker's operator comes
    assert_true(testing->letters->yields);
    assert_int_equal(letters_fetch(testing->journal, DEAD, &testing->error), JOURNAL_BUSY);
    testing->letters->releasing = true;
    assert_int_equal(letters_read(testing->journal, testing->letters, 1, 1, 1, note, NULL, &testing->error),
        JOURNAL_REFUSED);
}

static void who_has_some_of_them_makes_room(void **state) {
    struct testing *testing = *state;
    letters_assigned(testing->journal, testing->letters);
    assert_false(testing->letters->yields); // it has all
    destination_drop_part(destination_part(testing->letters, 1));
    letters_assigned(testing->journal, testing->letters);
    assert_false(testing->letters->yields); // it has the first
    letters_revoked(testing->journal, testing->letters);
    assert_false(testing->letters->yields); // and is to have the others
    destination_drop_part(destination_part(testing->letters, 0));
    own(testing, 1);
    letters_assigned(testing->journal, testing->letters);
    assert_true(testing->letters->yields);
}

// ---- Acts ----

static void add_replay(struct testing *testing, uint64_t place) {
    const struct record_message message = {
        .replay_of = place, .source = bytes_of_string("c/d"), .envelope = bytes_of_string("envelope")};
    const struct record_delivery delivery = {.queue = TO,
        .position = 1,
        .subject_hash = 9,
        .replay = true,
        .route = bytes_of_string("r"),
        .rule = {.route = "r"}};
    struct bytes parts[RECORD_PARTS(1, 0)];
    struct buffer room = {0};
    size_t count;
    assert_int_equal(record_message_parts(&message, &delivery, 1, &room, parts, &count), 0);
    assert_int_equal(journal_batch_add(
                         testing->batch, HUTONG__BUS__V1__RECORD_KIND__RECORD_MESSAGE, NULL, 0, parts, count),
        0);
    buffer_destroy(&room);
}

// What the core adds at the end of a part.
static void add_end(struct testing *testing, uint64_t place) {
    Hutong__Bus__V1__PositionSpan span = HUTONG__BUS__V1__POSITION_SPAN__INIT;
    Hutong__Bus__V1__PositionSpan *spans = &span;
    Hutong__Bus__V1__SettledRecord settled = HUTONG__BUS__V1__SETTLED_RECORD__INIT;
    Hutong__Bus__V1__OperatedRecord operated = HUTONG__BUS__V1__OPERATED_RECORD__INIT;
    span.first = place;
    span.count = 1;
    settled.queue = operated.dead_queue = DEAD;
    settled.n_spans = 1;
    settled.spans = &spans;
    operated.queue = TO;
    assert_int_equal(
        record_add_packed(testing->batch, HUTONG__BUS__V1__RECORD_KIND__RECORD_SETTLED, &settled.base, NULL),
        0);
    assert_int_equal(record_add_packed(
                         testing->batch, HUTONG__BUS__V1__RECORD_KIND__RECORD_OPERATED, &operated.base, NULL),
        0);
}

struct written {
    unsigned of[9];   // records by topic
    unsigned outside; // of no group's part
};

static int count_put(void *context, const struct put *put) {
    struct written *written = context;
    written->of[put->topic]++;
    written->outside += put->part == 0;
    return 0;
}

static struct written gather(struct testing *testing) {
    struct written written = {0};
    assert_int_equal(outward_gather(testing->journal, testing->batch, &testing->error), 0);
    assert_int_equal(gathered_each(testing->journal->batch, count_put, &written), 0);
    journal_batch_clear(testing->batch);
    return written;
}

static void a_replay_goes_with_its_settlement(void **state) {
    struct testing *testing = *state;
    arrive_some(testing);
    add_replay(testing, PLACE(0, 6));
    add_end(testing, PLACE(0, 6));
    struct written written = gather(testing);
    assert_true(written.of[TO] == 1 && written.of[7] == 1 && written.of[8] == 1 && written.outside == 0);
    assert_int_equal(gathered_parts(testing->journal->batch), 1);
    assert_null(destination_at_place(testing->letters, PLACE(0, 6)));
    assert_int_equal(testing->journal->counters.letters_lost, 0);

    // The cluster refuses the part: another broker is in the group.
    gathered_part_at(testing->journal->batch, 1)->refused = true;
    assert_int_equal(inward_committed(testing->journal, testing->journal->batch), 0);
    assert_int_equal(testing->journal->counters.letters_lost, 1);
    written = (struct written){0};
    assert_int_equal(gathered_each(testing->journal->batch, count_put, &written), 0);
    assert_true(written.of[TO] + written.of[7] + written.of[8] == 0);
}

static void what_is_not_here_any_more_is_not_sent(void **state) {
    struct testing *testing = *state;
    arrive_some(testing);
    destination_forget(testing->letters, destination_at_place(testing->letters, PLACE(1, 1)));
    add_replay(testing, PLACE(1, 1)); // settled
    add_end(testing, PLACE(1, 1));
    add_replay(testing, PLACE(1, 9)); // never here, or withdrawn
    add_end(testing, PLACE(1, 9));
    struct written written = gather(testing);
    assert_true(written.of[TO] + written.of[7] + written.of[8] == 0);
    assert_int_equal(testing->journal->counters.letters_lost, 2);
}

static void a_drop_is_settled_and_recorded(void **state) {
    struct testing *testing = *state;
    arrive_some(testing);
    add_end(testing, PLACE(1, 1));
    struct written written = gather(testing);
    assert_true(written.of[TO] == 0 && written.of[7] == 1 && written.of[8] == 1 && written.outside == 0);
    gathered_clear(testing->journal->batch);
    add_end(testing, PLACE(1, 1)); // once more
    written = gather(testing);
    assert_true(written.of[7] + written.of[8] == 0);
}

static void no_memory_is_said(void **state) {
    struct testing *testing = *state;
    int rc = -ENOMEM;
    for (size_t n = 0; rc; n++) {
        alloc_fail_once(n);
        rc = arrive(testing, 0, 3, "a");
        alloc_fail_never();
        assert_true(rc == 0 || rc == -ENOMEM);
        if (rc) // the process ends by it; what came is not half there
            assert_null(destination_at_place(testing->letters, PLACE(0, 4)));
        if (rc)
            destination_part(testing->letters, 0)->lane.next = 1;
    }
    rc = -ENOMEM;
    for (size_t n = 0; rc; n++) {
        add_replay(testing, PLACE(0, 4));
        add_end(testing, PLACE(0, 4));
        alloc_fail_once(n);
        rc = outward_gather(testing->journal, testing->batch, &testing->error);
        alloc_fail_never();
        assert_true(rc == 0 || rc == -ENOMEM || rc == -EBADMSG);
        gathered_clear(testing->journal->batch);
        journal_batch_clear(testing->batch);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(they_are_read_in_the_order_of_places, set_up, tear_down),
        cmocka_unit_test_setup_teardown(they_are_read_whole_or_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_has_some_of_them_makes_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_replay_goes_with_its_settlement, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_here_any_more_is_not_sent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_drop_is_settled_and_recorded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_memory_is_said, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
