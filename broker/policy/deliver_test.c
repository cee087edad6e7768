#include "broker/policy/testing.h"

#define AGENCY "agency: police\ntitle: t\nsystems:\n  - { name: a, title: t, deliver: "

static struct policy_deliver loaded(const char *agency) {
    struct tree tree;
    struct report *report = report_new(0);
    tree_make(&tree);
    tree_write(&tree, "agencies/p.yaml", agency);
    struct policy *policy = tree_load(&tree, report);
    assert_string_equal(tree_printed(&tree, report), "");
    struct policy_deliver deliver = policy_system_named(policy, bytes_of_string("police/a"))->deliver;
    policy_destroy(&policy);
    report_destroy(&report);
    tree_remove(&tree);
    return deliver;
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

static void a_system_has_the_default(void **state) {
    (void)state;
    struct policy_deliver deliver = loaded("agency: police\ntitle: t\nsystems:\n  - { name: a, title: t }\n");
    assert_int_equal(deliver.retries, 10);
    assert_int_equal(deliver.backoff_min_ms, 1000);
    assert_int_equal(deliver.backoff_max_ms, 600000);
    assert_int_equal(deliver.expires_us, 7LL * 86400 * 1000000);
}

static void or_its_own(void **state) {
    (void)state;
    struct policy_deliver deliver = loaded(AGENCY "{ retries: 0, backoff: 5ms..7d, expires: 0 } }\n");
    assert_int_equal(deliver.retries, 0);
    assert_int_equal(deliver.backoff_min_ms, 5);
    assert_int_equal(deliver.backoff_max_ms, 604800000);
    assert_int_equal(deliver.expires_us, 0);
    deliver = loaded(AGENCY "{ retries: 3 } }\n");
    assert_int_equal(deliver.retries, 3);
    assert_int_equal(deliver.backoff_max_ms, 600000);
}

// Each key for itself: what the route says, else the system.
static void a_route_goes_before_it(void **state) {
    (void)state;
    const struct policy_system system = {
        .deliver = {.retries = 1, .backoff_min_ms = 2, .backoff_max_ms = 3, .expires_us = 4}};
    const struct policy_deliver says = {
        .retries = 10, .backoff_min_ms = 20, .backoff_max_ms = 30, .expires_us = 40};
    for (unsigned bits = 0; bits < 8; bits++) {
        struct policy_deliver route = says;
        route.says_retries = bits & 1;
        route.says_backoff = bits & 2;
        route.says_expires = bits & 4;
        struct policy_deliver of = policy_deliver_of(&system, &route);
        assert_int_equal(of.retries, bits & 1 ? 10 : 1);
        assert_int_equal(of.backoff_min_ms, bits & 2 ? 20 : 2);
        assert_int_equal(of.backoff_max_ms, bits & 2 ? 30 : 3);
        assert_int_equal(of.expires_us, bits & 4 ? 40 : 4);
    }
}

static void mistakes_are_told_with_their_place(void **state) {
    (void)state;
    refused(AGENCY "{ retrys: 1 } }\n",
        "./agencies/p.yaml:4:37: error: unknown key \"retrys\"; did you mean \"retries\"?");
    refused(AGENCY "{ retries: -1 } }\n",
        "./agencies/p.yaml:4:46: error: \"retries\" is from 0 to 1000000, not -1");
    refused(AGENCY "{ backoff: 1s..8d } }\n", "./agencies/p.yaml:4:46: error: \"backoff\" is from 1ms to 7d");
    refused(AGENCY "soon }\n", "./agencies/p.yaml:4:35: error: \"deliver\" is ");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_system_has_the_default),
        cmocka_unit_test(or_its_own),
        cmocka_unit_test(a_route_goes_before_it),
        cmocka_unit_test(mistakes_are_told_with_their_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
