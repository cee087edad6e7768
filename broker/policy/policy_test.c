#include "broker/policy/testing.h"

#include "test/support/alloc_fail.h"

#define KEY "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
#define KEY2 "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"

// Loads the tree with `text` in the file `name`; the first line of what is reported is `expected`, and
// nothing else.
static void only(const char *name, const char *text, const char *expected) {
    struct tree tree;
    char line[1024];
    struct report *report = report_new(0);
    tree_make(&tree);
    tree_write(&tree, name, text);
    struct policy *policy = tree_load(&tree, report);
    const char *all = tree_printed(&tree, report);
    snprintf(line, sizeof line, "%.*s", (int)strcspn(all, "\n"), all);
    assert_string_equal(line, expected);
    assert_int_equal(report_size(report), 1);
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
    assert_int_equal(settings->queue_age_us, 30LL * 86400 * 1000000);
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
        "credit_bytes: 2MiB, queue_count: 100, queue_bytes: 1GiB, queue_age: 1h, queue_when_full: park, "
        "queue_window: 50, queue_held: 60 }\n");
    struct policy *policy = tree_load(&tree, report);
    assert_string_equal(tree_printed(&tree, report), "");
    const struct policy_settings *settings = policy_settings(policy);
    snprintf(path, sizeof path, "%s/run/admin.sock", tree.folder);
    assert_string_equal(settings->admin, path);
    assert_string_equal(settings->journal, "/var/j");
    assert_int_equal(settings->segment_size, 128 << 20);
    assert_int_equal(settings->journal_limit, 100LL << 30);
    assert_int_equal(settings->retention_us, 30LL * 86400 * 1000000);
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
    assert_int_equal(settings->queue_age_us, 3600LL * 1000000);
    assert_true(settings->queue_park);
    assert_int_equal(settings->queue_window, 50);
    assert_int_equal(settings->queue_held, 60);
    assert_int_equal(settings->drain_ms, 0);
    assert_string_equal(settings->log_level, "debug");
    policy_destroy(&policy);
    report_destroy(&report);
    tree_remove(&tree);
}

// Where `text` of broker.yaml in `folder` of the tree says that the routes are.
static void routes_are_at(
    const struct tree *tree, const char *text, const char *folder, const char *expected) {
    char path[128];
    char file[64];
    snprintf(file, sizeof file, "%s/broker.yaml", folder);
    tree_write(tree, file, text);
    snprintf(path, sizeof path, "%s/%s", tree->folder, file);
    struct report *report = report_new(0);
    struct policy *policy = policy_load(path, report);
    assert_non_null(policy);
    const char *routes = policy_settings(policy)->routes;
    assert_int_equal(strncmp(routes, tree->folder, strlen(tree->folder)), 0);
    assert_string_equal(routes + strlen(tree->folder), expected);
    policy_destroy(&policy);
    report_destroy(&report);
}

static void a_path_upwards_is_shortened(void **state) {
    (void)state;
    struct tree tree;
    char link[128];
    tree_make(&tree);
    snprintf(link, sizeof link, "%s/codes/link", tree.folder);
    assert_int_equal(symlink("../keys", link), 0);
#define ELSEWHERE TREE_BROKER "agencies: ../agencies\nagreements: ../agreements\ncodes: ../routes\n"
    routes_are_at(&tree, ELSEWHERE "routes: ../routes\n", "keys", "/routes");
    routes_are_at(&tree, ELSEWHERE "routes: ../keys/../routes\n", "keys", "/keys/../routes");
    // Above a link lies something else than its own folder says.
    routes_are_at(&tree, ELSEWHERE "routes: ../routes\n", "codes/link", "/codes/link/../routes");
    unlink(link);
    tree_remove(&tree);
}

static void mistakes_in_broker_yaml(void **state) {
    (void)state;
    only("broker.yaml", TREE_BROKER "drian: 1s\n",
        "./broker.yaml:4:1: error: unknown key \"drian\"; did you mean \"drain\"?");
    only("broker.yaml", TREE_BROKER "journal:\n  segmentsize: 1GiB\n",
        "./broker.yaml:5:3: error: unknown key \"segmentsize\"; did you mean \"segment_size\"?");
    only("broker.yaml", TREE_BROKER "limits: 5\n",
        "./broker.yaml:4:9: error: \"limits\" is a mapping with the keys message, batch_bytes, "
        "batch_messages, connections, "
        "credit_messages, credit_bytes, queue_count, queue_bytes, queue_age, queue_when_full, queue_window, "
        "queue_held; this is a text");
    only("broker.yaml", TREE_BROKER "limits: { message: 9MiB }\n",
        "./broker.yaml:4:20: error: \"message\" is from 1KiB to 8MiB, not 9MiB");
    only("broker.yaml", TREE_BROKER "limits: { credit_bytes: 1MiB }\n",
        "./broker.yaml:4:25: error: with so little credit (1048576 bytes) the largest message (8388608 "
        "bytes) could never "
        "be sent");
    only("broker.yaml", TREE_BROKER "journal: { batch_limit: 4MiB }\n",
        "./broker.yaml:4:25: error: a batch of the journal (4194304 bytes) must hold the largest message "
        "(8388608 bytes) "
        "and 64 KiB more; make \"batch_limit\" larger or \"message\" smaller");
    only("broker.yaml", TREE_BROKER "journal: { segment_size: 2GiB }\n", // the journal would refuse it
        "./broker.yaml:4:26: error: \"segment_size\" is from 1MiB to 1GiB, not 2GiB");
    only("broker.yaml", TREE_BROKER "journal: { limit: 100MiB }\n",
        "./broker.yaml:4:19: error: the journal needs room for at least four segments: 268435456 bytes");
    only("broker.yaml", TREE_BROKER "admin: 10.0.0.1:8080\n",
        "./broker.yaml:4:8: error: \"10.0.0.1:8080\" is no place for the admin interface; write the path of "
        "a UNIX socket, "
        "or 127.0.0.1:PORT");
    only("broker.yaml", TREE_BROKER "log_level: verbose\n",
        "./broker.yaml:4:12: error: \"log_level\" can't be \"verbose\"; it is one of debug, info, warning, "
        "error");
    only("broker.yaml", "",
        "./broker.yaml: error: this is no configuration of a broker; it begins with \"listen: "
        "tcp://127.0.0.1:7400\"");
}

static void endpoints_are_checked(void **state) {
    (void)state;
#define WITH(listen, curve)                                                                                  \
    "listen: " listen "\ncurve: " curve "\ncatalogue: " HUTONG_BUILD_DIR "/catalogue.binpb\n"
    only("broker.yaml", WITH("0.0.0.0:7400", "false"),
        "./broker.yaml:1:9: error: \"0.0.0.0:7400\" is no endpoint; did you mean \"tcp://0.0.0.0:7400\"?");
    only("broker.yaml", WITH("tcp://0.0.0.0:74000", "false"),
        "./broker.yaml:1:9: error: \"tcp://0.0.0.0:74000\" is no endpoint; write tcp://ADDRESS:PORT, as in "
        "tcp://127.0.0.1:7400, or ipc://PATH");
    only("broker.yaml", WITH("tcp://0.0.0.0:7400", "false"),
        "./broker.yaml:2:8: error: without CURVE anyone who reaches the port may speak for any system; "
        "listen on 127.0.0.1 "
        "or ipc:// then");
    struct tree tree;
    char expected[128];
    struct report *report = report_new(0);
    tree_make(&tree);
    tree_write(&tree, "broker.yaml", WITH("ipc://bus.sock", "false"));
    struct policy *policy = tree_load(&tree, report);
    assert_string_equal(tree_printed(&tree, report), "");
    snprintf(expected, sizeof expected, "ipc://%s/bus.sock", tree.folder);
    assert_string_equal(policy_settings(policy)->listen, expected);
    policy_destroy(&policy);
    report_destroy(&report);
    tree_remove(&tree);
}

#define AGENCY "agency: police\ntitle: t\nsystems:\n"

static void mistakes_in_agencies(void **state) {
    (void)state;
    only("agencies/p.yaml", AGENCY "  - { name: Pop, title: t }\n",
        "./agencies/p.yaml:4:13: error: \"Pop\" is no name, which has lower-case letters, digits and \"_\"; "
        "did "
        "you mean \"pop\"?");
    only("agencies/p.yaml", AGENCY "  - { name: a, title: t, titel: t }\n",
        "./agencies/p.yaml:4:26: error: unknown key \"titel\"; did you mean \"title\"?");
    only("agencies/p.yaml", AGENCY "  - { name: b, title: t }\n  - { name: b, title: t }\n",
        "./agencies/p.yaml:5:13: error: there is a system police/b already, at ./agencies/p.yaml:4");
    only("agencies/p.yaml", "agency: police\ntitle: t\nsystems: { name: a, title: t }\n",
        "./agencies/p.yaml:3:10: error: \"systems\" is a list ([a, b], or a line with \"- \" for each); this "
        "is "
        "a mapping");
}

static void keys_identify_systems(void **state) {
    (void)state;
    struct tree tree;
    struct report *report = report_new(0);
    tree_make(&tree);
    tree_write(&tree, "keys/b",
        "#   ****\nmetadata\n    name = \"police/b\"\ncurve\n    public-key = \"" KEY2 "\"\n");
    tree_write(&tree, "agencies/p.yaml",
        AGENCY "  - { name: a, title: t, keys: [\"" KEY
               "\"] }\n  - { name: b, title: t, key_files: [keys/b] }\n");
    struct policy *policy = tree_load(&tree, report);
    assert_string_equal(tree_printed(&tree, report), "");
    assert_string_equal(policy_system_by_key(policy, KEY)->address, "police/a");
    assert_string_equal(policy_system_by_key(policy, KEY2)->address, "police/b");
    assert_null(policy_system_by_key(policy, "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf8"));
    assert_null(policy_system_by_key(policy, ""));
    policy_destroy(&policy);
    report_destroy(&report);
    tree_remove(&tree);
}

static void mistakes_in_keys(void **state) {
    (void)state;
    only("agencies/p.yaml",
        AGENCY "  - { name: a, title: t, keys: [\"" KEY "\"] }\n  - name: b\n    title: t\n    keys:\n"
               "      - \"" KEY "\"\n",
        "./agencies/p.yaml:8:9: error: this key belongs to police/a already (./agencies/p.yaml:4); a key is "
        "one system's "
        "identity: make another with \"hutong keys\"");
    only("agencies/p.yaml", AGENCY "  - { name: a, title: t, keys: [abc] }\n",
        "./agencies/p.yaml:4:33: error: this is no CURVE public key; it has 40 characters of Z85 text");
    only("agencies/p.yaml", AGENCY "  - { name: a, title: t, key_files: [keys/a] }\n",
        "./agencies/p.yaml:4:38: warning: no key file ./keys/a: police/a can't connect until it is there");
    only("agencies/p.yaml", AGENCY "  - { name: a, title: t, key_files: keys/a }\n",
        "./agencies/p.yaml:4:37: error: \"key_files\" is a list ([a, b], or a line with \"- \" for each); "
        "this "
        "is a text");
}

static void rights_are_listed_or_by_package(void **state) {
    (void)state;
    struct tree tree;
    struct report *report = report_new(0);
    tree_make(&tree);
    tree_write(&tree, "agencies/p.yaml",
        AGENCY "  - { name: a, title: t, may_publish: [gov.housing.v1.LeaseFiled] }\n");
    struct policy *policy = tree_load(&tree, report);
    assert_string_equal(tree_printed(&tree, report), "");
    const struct catalogue *catalogue = policy_catalogue(policy);
    const struct schema_message *lease =
        catalogue_message(catalogue, bytes_of_string("gov.housing.v1.LeaseFiled"));
    const struct schema_message *mark =
        catalogue_message(catalogue, bytes_of_string("gov.housing.v1.TenancyMarked"));
    const struct policy_system *listed = policy_system_named(policy, bytes_of_string("police/a"));
    const struct policy_system *package = policy_system_named(policy, bytes_of_string("housing/tenancy"));
    const struct policy_system *other =
        policy_system_named(policy, bytes_of_string("public_security/population"));
    assert_true(policy_may_publish(listed, lease));
    assert_false(policy_may_publish(listed, mark));
    assert_true(policy_may_publish(package, lease));
    assert_false(policy_may_publish(other, lease));
    assert_ptr_equal(policy_system_at(policy, listed->index), listed);
    assert_null(policy_system_at(policy, policy_system_count(policy)));
    assert_string_equal(policy_nearest_system(policy, bytes_of_string("housing/tenency")), "housing/tenancy");
    policy_destroy(&policy);
    report_destroy(&report);
    tree_remove(&tree);
    only("agencies/p.yaml", AGENCY "  - { name: a, title: t, may_publish: [gov.housing.v1.LeaseFild] }\n",
        "./agencies/p.yaml:4:40: error: no type \"gov.housing.v1.LeaseFild\" in the catalogue; did you mean "
        "\"gov.housing.v1.LeaseFiled\"?");
}

#define AGREEMENT(provider, receiver, type, fields, from, until)                                             \
    "agreement: B-2\nprovider: " provider "\nreceiver: " receiver "\ntype: " type "\nfields: " fields        \
    "\npurpose: p\nbasis: b\nfrom: " from "\nuntil: " until "\n"
#define NOTICE "gov.housing.v1.OccupancyNotice"

#define TEN "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static void mistakes_in_agreements(void **state) {
    (void)state;
    only("agreements/b.yaml",
        "agreement: " HUNDRED
        "x\nprovider: public_security/population\nreceiver: housing/tenancy\ntype: " NOTICE
        "\nfields: [unit_code]\npurpose: p\nbasis: b\nfrom: 2026-01-01\nuntil: 2026-12-31\n",
        "./agreements/b.yaml:1:12: error: a number of 101 bytes; an agreement's has at most 100");
    only("agreements/b.yaml",
        AGREEMENT("public_security", "housing/tenency", NOTICE, "[since]", "2026-01-01", "2026-01-01"),
        "./agreements/b.yaml:3:11: error: no system \"housing/tenency\"; did you mean \"housing/tenancy\"?");
    only("agreements/b.yaml",
        AGREEMENT("police", "housing/tenancy", NOTICE, "[since]", "2026-01-01", "2026-01-01"),
        "./agreements/b.yaml:2:11: error: no system \"police\" and no such agency");
    only("agreements/b.yaml",
        AGREEMENT("public_security", "housing/tenancy", "gov.housing.v1.OcupancyNotice", "[since]",
            "2026-01-01", "2026-01-02"),
        "./agreements/b.yaml:4:7: error: no type \"gov.housing.v1.OcupancyNotice\" in the catalogue; did you "
        "mean "
        "\"gov.housing.v1.OccupancyNotice\"?");
    only("agreements/b.yaml",
        AGREEMENT("public_security", "housing/tenancy", NOTICE, "[sinse]", "2026-01-01", "2026-01-02"),
        "./agreements/b.yaml:5:10: error: gov.housing.v1.OccupancyNotice has no field \"sinse\"; did you "
        "mean \"since\"?");
    only("agreements/b.yaml",
        AGREEMENT("public_security", "housing/tenancy", NOTICE, "[\"*\"]", "2026-01-01", "2026-01-02"),
        "./agreements/b.yaml:5:10: error: an agreement lists what it discloses: name each field (a message "
        "field stands for "
        "all inside it)");
    only("agreements/b.yaml",
        AGREEMENT("housing", "housing/tenancy", "gov.housing.v1.LeaseFiled", "[tenancy.tenant.name.txt]",
            "2026-01-01", "2026-01-02"),
        "./agreements/b.yaml:5:30: error: gov.common.v1.CitizenName has no field \"txt\"; did you mean "
        "\"text\"?");
    only("agreements/b.yaml",
        AGREEMENT("public_security", "housing/tenancy", NOTICE, "[since, since]", "2026-01-01", "2026-01-02"),
        "./agreements/b.yaml:5:17: error: \"since\" is in the list already");
    only("agreements/b.yaml",
        AGREEMENT(
            "public_security", "housing/tenancy", NOTICE, "[since, unit_code.x]", "2026-01-01", "2026-01-02"),
        "./agreements/b.yaml:5:26: error: \"unit_code\" has no fields inside");
    only("agreements/b.yaml",
        AGREEMENT("public_security", "housing/tenancy", NOTICE, "[since]", "2026-01-02", "2026-01-01"),
        "./agreements/b.yaml:9:8: error: the agreement would end before it begins");
    only("agreements/b.yaml",
        AGREEMENT("public_security", "housing/tenancy", NOTICE, "[]", "2026-01-01", "2026-01-02"),
        "./agreements/b.yaml:5:9: error: an agreement without fields discloses nothing; list them, or remove "
        "it");
}

static void an_agreement_covers_what_it_lists(void **state) {
    (void)state;
    struct tree tree;
    char missing[POLICY_PATH_SIZE];
    struct report *report = report_new(0);
    tree_make(&tree);
    tree_write(&tree, "agreements/b.yaml",
        AGREEMENT("housing/tenancy", "public_security/population", "gov.housing.v1.LeaseFiled",
            "[tenancy.period, tenancy.tenant.name.text, tenancy.tenant.name.former, "
            "tenancy.tenant.name.pinyin, kind]",
            "2026-01-01", "2026-12-31"));
    struct policy *policy = tree_load(&tree, report);
    assert_string_equal(tree_printed(&tree, report), "");
    const struct policy_agreement *agreement = policy_agreement(policy, bytes_of_string("B-2"));
    const struct schema_message *type =
        catalogue_message(policy_catalogue(policy), bytes_of_string(agreement->type));
    assert_int_equal(agreement->from, 1767225600);
    assert_int_equal(agreement->until, 1798761600); // the end of its last day
    assert_true(policy_covers(agreement, type, "tenancy.period", missing));
    assert_true(policy_covers(agreement, type, "tenancy.period.end_date", missing));
    assert_true(policy_covers(agreement, type, "tenancy.tenant.name", missing));
    assert_true(policy_covers(agreement, type, "kind", missing));
    assert_false(policy_covers(agreement, type, "tenancy.tenant", missing));
    assert_string_equal(missing, "tenancy.tenant.citizen_number");
    assert_false(policy_covers(agreement, type, "tenancy.periodic", missing));
    assert_false(policy_covers(agreement, type, "serial", missing));
    assert_string_equal(missing, "serial");
    assert_false(policy_covers(agreement, type, "", missing));
    assert_string_equal(missing, "tenancy.lease_number");
    assert_null(policy_agreement(policy, bytes_of_string("B-3")));
    assert_string_equal(policy_nearest_agreement(policy, bytes_of_string("b-3")), "B-2");
    policy_destroy(&policy);
    report_destroy(&report);
    tree_remove(&tree);
}

static void many_mistakes_are_told_in_one_run(void **state) {
    (void)state;
    struct tree tree;
    struct report *report = report_new(0);
    tree_make(&tree);
    tree_write(&tree, "broker.yaml", TREE_BROKER "drian: 1s\n");
    tree_write(&tree, "agencies/p.yaml",
        "agency: housing\ntitle: t\ncredit_code: 11330106002497001B\nsystems: []\n");
    tree_write(&tree, "agreements/b.yaml", "agreement: A-1\n: x\n");
    tree_write(&tree, "agreements/c.yaml", "");
    assert_null(tree_load(&tree, report));
    const char *all = tree_printed(&tree, report);
    assert_non_null(strstr(all, "unknown key \"drian\""));
    assert_non_null(strstr(
        all, "./agencies/p.yaml:1:9: error: the agency housing is in ./agencies/housing.yaml already"));
    assert_non_null(
        strstr(all, "./agencies/p.yaml:3:14: error: this is no unified social credit code (GB 32100)"));
    assert_non_null(strstr(all, "./agreements/b.yaml:2:1: error: "));
    assert_non_null(strstr(all, "./agreements/c.yaml: error: the file is empty"));
    report_destroy(&report);
    tree_remove(&tree);
}

static void without_memory_nothing_is_returned(void **state) {
    (void)state;
    struct tree tree;
    tree_make(&tree);
    tree_write(&tree, "agencies/p.yaml",
        AGENCY "  - { name: a, title: t, keys: [\"" KEY "\"], may_publish: [gov.housing.v1.LeaseFiled] }\n");
    bool complete = false;
    for (size_t n = 0; !complete; n += n < 200 ? 1 : 7) {
        struct report *report = report_new(0);
        alloc_fail_after(n);
        struct policy *policy = tree_load(&tree, report);
        complete = alloc_count() <= n;
        alloc_fail_never();
        assert_true(complete == (policy != NULL));
        assert_true(complete == (report_errors(report) == 0));
        policy_destroy(&policy);
        report_destroy(&report);
    }
    tree_remove(&tree);
}

#define HASH_KEY "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static struct policy *with_hash_key(const struct tree *tree, bool for_check, const char *expected) {
    char path[128];
    struct report *report = report_new(0);
    snprintf(path, sizeof path, "%s/broker.yaml", tree->folder);
    struct policy *policy = for_check ? policy_load_for_check(path, NULL, report) : policy_load(path, report);
    if (!strstr(tree_printed(tree, report), expected) || (!*expected && report_size(report)))
        fail_msg("%s\n  does not say %s", tree_printed(tree, report), expected);
    report_destroy(&report);
    return policy;
}

static void the_key_of_hash_is_read(void **state) {
    (void)state;
    struct tree tree;
    char path[160];
    static const uint8_t zeros[32];
    tree_make(&tree);
    struct policy *policy = with_hash_key(&tree, false, "");
    assert_null(policy_hash_key(policy));
    policy_destroy(&policy);

    tree_write(&tree, "broker.yaml", TREE_BROKER "hash_key_file: keys/hash.key\n");
    assert_null(with_hash_key(&tree, false,
        "./broker.yaml:4:16: error: the key of hash() can't be loaded: ./keys/hash.key: No such file or "
        "directory"));
    policy = with_hash_key(
        &tree, true, "warning: ./keys/hash.key: No such file or directory; hash() has a key of zeros here");
    assert_memory_equal(policy_hash_key(policy), zeros, sizeof zeros);
    policy_destroy(&policy);

    tree_write(&tree, "keys/hash.key", HASH_KEY "\n");
    snprintf(path, sizeof path, "%s/keys/hash.key", tree.folder);
    assert_int_equal(chmod(path, 0644), 0);
    policy = with_hash_key(
        &tree, true, "error: the key of hash() can't be loaded: ./keys/hash.key: others may read");
    policy_destroy(&policy);
    assert_int_equal(chmod(path, 0600), 0);
    policy = with_hash_key(&tree, false, "");
    assert_int_equal(policy_hash_key(policy)[31], 0xff);
    policy_destroy(&policy);
    tree_write(&tree, "keys/hash.key", "secret");
    assert_null(with_hash_key(&tree, false, "a secret is 64 hexadecimal digits"));
    tree_remove(&tree);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_key_of_hash_is_read),
        cmocka_unit_test(the_shipped_configuration_loads),
        cmocka_unit_test(what_is_not_said_has_a_default),
        cmocka_unit_test(what_is_said_is_taken),
        cmocka_unit_test(a_path_upwards_is_shortened),
        cmocka_unit_test(mistakes_in_broker_yaml),
        cmocka_unit_test(endpoints_are_checked),
        cmocka_unit_test(mistakes_in_agencies),
        cmocka_unit_test(keys_identify_systems),
        cmocka_unit_test(mistakes_in_keys),
        cmocka_unit_test(rights_are_listed_or_by_package),
        cmocka_unit_test(mistakes_in_agreements),
        cmocka_unit_test(an_agreement_covers_what_it_lists),
        cmocka_unit_test(many_mistakes_are_told_in_one_run),
        cmocka_unit_test(without_memory_nothing_is_returned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
