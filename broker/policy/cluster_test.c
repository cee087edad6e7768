#include "broker/policy/testing.h"

static void loaded(const char *journal, void (*check)(const struct policy_cluster *cluster)) {
    struct tree tree;
    struct report *report = report_new(0);
    char text[1024];
    snprintf(text, sizeof text, TREE_BROKER "%s", journal);
    tree_make(&tree);
    tree_write(&tree, "broker.yaml", text);
    struct policy *policy = tree_load(&tree, report);
    assert_string_equal(tree_printed(&tree, report), "");
    check(&policy_settings(policy)->cluster);
    policy_destroy(&policy);
    report_destroy(&report);
    tree_remove(&tree);
}

static void refused(const char *journal, const char *expected) {
    struct tree tree;
    struct report *report = report_new(0);
    char text[1024];
    snprintf(text, sizeof text, TREE_BROKER "%s", journal);
    tree_make(&tree);
    tree_write(&tree, "broker.yaml", text);
    assert_null(tree_load(&tree, report));
    assert_non_null(strstr(tree_printed(&tree, report), expected));
    assert_int_equal(report_size(report), 1);
    report_destroy(&report);
    tree_remove(&tree);
}

static void is_unused(const struct policy_cluster *cluster) {
    assert_false(cluster->used);
}

static void has_defaults(const struct policy_cluster *cluster) {
    assert_true(cluster->used);
    assert_string_equal(cluster->brokers, "a:9092,b:9092");
    assert_string_equal(cluster->prefix, "hutong");
    assert_string_equal(cluster->name, "one");
    assert_int_equal(cluster->partitions, 12);
    assert_int_equal(cluster->replication, 3);
    assert_null(cluster->settings_file);
}

static void has_all(const struct policy_cluster *cluster) {
    assert_string_equal(cluster->prefix, "bus-2");
    assert_int_equal(cluster->partitions, 24);
    assert_int_equal(cluster->replication, 1);
    const char *file = strrchr(cluster->settings_file, '/');
    assert_string_equal(file, "/kafka.properties");
    assert_int_equal(cluster->settings_file[0], '/');
}

static void a_cluster_is_read(void **state) {
    (void)state;
    loaded("", is_unused);
    loaded("journal: { backend: file }\n", is_unused);
    loaded("journal: { backend: kafka, kafka: { brokers: 'a:9092,b:9092', name: one } }\n", has_defaults);
    loaded("journal: { backend: kafka, retention: 30d, kafka: { brokers: a:9092, name: one, prefix: bus-2, "
           "partitions: 24, replication: 1, settings_file: keys/kafka.properties } }\n",
        has_all);
}

#define ON_KAFKA "journal: { backend: kafka, kafka: { brokers: a:9092, name: one }"

static size_t batch_of(const char *journal) {
    struct tree tree;
    struct report *report = report_new(0);
    char text[1024];
    snprintf(text, sizeof text, TREE_BROKER "%s", journal);
    tree_make(&tree);
    tree_write(&tree, "broker.yaml", text);
    struct policy *policy = tree_load(&tree, report);
    assert_string_equal(tree_printed(&tree, report), "");
    size_t batch = policy_settings(policy)->journal_batch;
    policy_destroy(&policy);
    report_destroy(&report);
    tree_remove(&tree);
    return batch;
}

static void a_cluster_has_larger_batches(void **state) {
    (void)state;
    enum { MIB = 1 << 20 };
    assert_int_equal(batch_of(""), 2 * MIB);
    assert_int_equal(batch_of(ON_KAFKA " }\n"), 8 * MIB);
    assert_int_equal(batch_of(ON_KAFKA ", batch: 3MiB }\n"), 3 * MIB);
    assert_int_equal(batch_of("limits: { message: 1MiB }\n" ON_KAFKA ", batch_limit: 4MiB }\n"), 4 * MIB);
}

static void what_can_not_be_is_refused(void **state) {
    (void)state;
    refused("journal: { backend: kafka }\n",
        "error: the journal is on Kafka: write \"kafka: { brokers: HOST:PORT, name: OF-THIS-BROKER }\"");
    refused("journal: { kafka: { brokers: a:9092, name: one } }\n",
        "error: the journal is in files; did you mean \"backend: kafka\" too?");
    refused("journal: { backend: kafak }\n", "kafka");
    refused("journal: { backend: kafka, kafka: { brokers: a:9092 } }\n", "name");
    refused("journal: { backend: kafka, kafka: { brokers: a:9092, name: 'a b' } }\n",
        "error: \"a b\" is no name here: 1 to 60 letters, digits, \"-\" and \"_\"");
    refused(
        "journal: { backend: kafka, kafka: { brokers: a:9092, name: a, partitions: 0 } }\n", "partitions");
    refused("journal: { backend: kafka, folder: j, kafka: { brokers: a:9092, name: a } }\n",
        "error: \"folder\" is a setting of the journal in files, and this one is on Kafka");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cluster_is_read),
        cmocka_unit_test(a_cluster_has_larger_batches),
        cmocka_unit_test(what_can_not_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
