#include "broker/policy/testing.h"

#define AGENCY "agency: police\ntitle: t\nsystems:\n  - { name: a, title: t, queue: "

static struct policy_queue loaded(const char *broker, const char *agency) {
    struct tree tree;
    struct report *report = report_new(0);
    tree_make(&tree);
    tree_write(&tree, "broker.yaml", broker);
    tree_write(&tree, "agencies/p.yaml", agency);
    struct policy *policy = tree_load(&tree, report);
    assert_string_equal(tree_printed(&tree, report), "");
    struct policy_queue queue = policy_system_named(policy, bytes_of_string("police/a"))->queue;
    policy_destroy(&policy);
    report_destroy(&report);
    tree_remove(&tree);
    return queue;
}

static void refused(const char *agency, const char *expected) {
    struct tree tree;
    struct report *report = report_new(0);
    tree_make(&tree);
    tree_write(&tree, "agencies/p.yaml", agency);
    assert_null(tree_load(&tree, report));
    const char *all = tree_printed(&tree, report);
    if (strncmp(all, expected, strlen(expected)) != 0)
        assert_string_equal(all, expected);
    assert_int_equal(report_size(report), 1);
    report_destroy(&report);
    tree_remove(&tree);
}

static void a_queue_has_the_brokers_limits(void **state) {
    (void)state;
    struct policy_queue queue = loaded(TREE_BROKER, AGENCY "{} }\n");
    assert_int_equal(queue.count, 10000000);
    assert_int_equal(queue.bytes, 100ull << 30);
    assert_int_equal(queue.age_us, 30LL * 86400 * 1000000);
    assert_false(queue.park);
    queue = loaded(TREE_BROKER "limits: { queue_count: 7, queue_bytes: 2MiB, queue_age: 2h, "
                               "queue_when_full: park }\n",
        "agency: police\ntitle: t\nsystems:\n  - { name: a, title: t }\n");
    assert_int_equal(queue.count, 7);
    assert_int_equal(queue.bytes, 2 << 20);
    assert_int_equal(queue.age_us, 7200LL * 1000000);
    assert_true(queue.park);
}

static void an_agency_has_its_own(void **state) {
    (void)state;
    struct policy_queue queue = loaded(TREE_BROKER "limits: { queue_when_full: park, queue_count: 7 }\n",
        AGENCY "{ bytes: 1MiB, age: 1d, when_full: dead_letter } }\n");
    assert_int_equal(queue.count, 7);
    assert_int_equal(queue.bytes, 1 << 20);
    assert_int_equal(queue.age_us, 86400LL * 1000000);
    assert_false(queue.park);
    queue = loaded(TREE_BROKER, AGENCY "{ count: 3, when_full: park } }\n");
    assert_int_equal(queue.count, 3);
    assert_true(queue.park);
}

static void mistakes_are_told_with_their_place(void **state) {
    (void)state;
    refused(AGENCY "{ when_full: prak } }\n",
        "./agencies/p.yaml:4:46: error: \"when_full\" can't be \"prak\"; did you mean \"park\"?");
    refused(AGENCY "{ whenfull: park } }\n",
        "./agencies/p.yaml:4:35: error: unknown key \"whenfull\"; did you mean \"when_full\"?");
    refused(AGENCY "{ count: 0 } }\n", "./agencies/p.yaml:4:42: error: \"count\" is from 1 to ");
    refused(AGENCY "{ bytes: 1 } }\n", "./agencies/p.yaml:4:42: error: \"bytes\" is from 1MiB");
    refused(AGENCY "{ age: 5 } }\n", "./agencies/p.yaml:4:40: error: ");
    refused(AGENCY "park }\n", "./agencies/p.yaml:4:33: error: \"queue\" is ");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_queue_has_the_brokers_limits),
        cmocka_unit_test(an_agency_has_its_own),
        cmocka_unit_test(mistakes_are_told_with_their_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
