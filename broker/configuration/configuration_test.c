#include "broker/configuration/configuration.h"

#include "test/support/alloc_fail.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include <cmocka.h>

#include "broker/policy/testing.h"

#define ROUTE(name, more)                                                                                    \
    "  - name: " name "\n    on: gov.public_security.v1.ResidenceRegistered\n    from: "                     \
    "public_security/population\n" more "    to:\n      - system: housing/tenancy\n        agreement: A-1\n" \
    "        as: gov.housing.v1.OccupancyNotice\n        map: { citizen_number: "                            \
    "msg.resident.citizen_number, "                                                                          \
    "unit_code: msg.address.unit_code, relation: '\"1\"', since: msg.registered_at }\n"

static struct tree tree;

static int set_up(void **state) {
    (void)state;
    tree_make(&tree);
    tree_write(&tree, "routes/b.yaml", "routes:\n" ROUTE("two", "") ROUTE("one", ""));
    tree_write(&tree, "routes/a.yaml", "routes: []\n");
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    tree_remove(&tree);
    return 0;
}

static struct configuration *load(const struct policy_settings *running, struct report *report) {
    char path[128];
    snprintf(path, sizeof path, "%s/broker.yaml", tree.folder);
    return configuration_load(path, running, report);
}

static struct configuration *load_fine(const struct policy_settings *running) {
    struct report *report = report_new(0);
    struct configuration *configuration = load(running, report);
    if (!configuration) {
        fail_msg("%s", tree_printed(&tree, report));
        abort(); // what the analyzer does not know of fail_msg()
    }
    report_destroy(&report);
    return configuration;
}

static Hutong__Bus__V1__ActivatedRecord *unpacked(const struct configuration *configuration) {
    Hutong__Bus__V1__ActivatedRecord *record = hutong__bus__v1__activated_record__unpack(
        NULL, configuration->record.size, configuration->record.data);
    assert_non_null(record);
    return record;
}

static void the_record_has_routes_and_files(void **state) {
    (void)state;
    struct configuration *configuration = load_fine(NULL);
    Hutong__Bus__V1__ActivatedRecord *record = unpacked(configuration);
    struct files files = {0};
    struct files disk = {0};
    char folder[128];
    assert_int_equal(record->n_routes, 2);
    assert_string_equal(record->routes[0]->name, "one");
    assert_string_equal(record->routes[1]->name, "two");
    assert_int_equal(configuration_unpack(record, &files), 0);
    snprintf(folder, sizeof folder, "%s/routes", tree.folder);
    assert_int_equal(files_read(folder, files_is_route, &disk, NULL), 0);
    assert_int_equal(files.count, 2);
    assert_string_equal(files.items[0].name, "a.yaml");
    assert_true(files_equal(&files, &disk));
    files_destroy(&files);
    files_destroy(&disk);
    hutong__bus__v1__activated_record__free_unpacked(record, NULL);
    configuration_destroy(&configuration);
}

// The digest after a change of one file.
static bool digest_moves(const uint8_t before[DIGEST_SIZE], const char *name, const char *text) {
    tree_write(&tree, name, text);
    struct configuration *configuration = load_fine(NULL);
    uint8_t again[DIGEST_SIZE];
    assert_int_equal(configuration_digest(configuration->policy, again), 0);
    assert_memory_equal(again, configuration->digest, DIGEST_SIZE);
    bool moved = memcmp(before, configuration->digest, DIGEST_SIZE) != 0;
    configuration_destroy(&configuration);
    return moved;
}

static void the_digest_covers_the_whole_set(void **state) {
    (void)state;
    struct configuration *configuration = load_fine(NULL);
    uint8_t digest[DIGEST_SIZE];
    memcpy(digest, configuration->digest, sizeof digest);
    configuration_destroy(&configuration);
    assert_false(digest_moves(digest, "routes/one.test.yaml", "cases: []\n"));
    assert_false(digest_moves(digest, "codes/README.md", "words\n"));
    assert_false(digest_moves(digest, "broker.yaml", TREE_BROKER "drain: 3s\n"));
    static const char *const files[][2] = {
        {"routes/a.yaml", "routes: [] # a comment\n"},
        {"agreements/b.yaml",
            "agreement: B-1\nprovider: public_security/population\nreceiver: housing/tenancy\n"
            "type: gov.housing.v1.OccupancyNotice\nfields: [since]\npurpose: p\nbasis: b\n"
            "from: 2020-01-01\nuntil: 2099-12-31\n"},
        {"agencies/civil_affairs.yaml", "agency: civil_affairs\ntitle: C\nsystems: []\n"},
        {"codes/c.yaml", "code_list: c\ntitle: C\nsource: test\nas_of: 2026-11-24\nentries:\n"
                         "  - { code: \"1\", name: n }\n"},
        {"agencies/housing.yaml",
            "agency: housing\ntitle: H\nsystems:\n"
            "  - { name: tenancy, title: T, keys: [\"rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7\"] }\n"},
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        assert_true(digest_moves(digest, files[i][0], files[i][1]));
}

static void a_mark_is_of_what_a_route_says(void **state) {
    (void)state;
    struct configuration *before = load_fine(NULL);
    tree_write(&tree, "routes/b.yaml",
        "# laid out in another way\nroutes:\n" ROUTE("one", "") "\n\n" ROUTE("two", "    when: 'true'\n"));
    struct configuration *after = load_fine(NULL);
    Hutong__Bus__V1__ActivatedRecord *old = unpacked(before);
    Hutong__Bus__V1__ActivatedRecord *new = unpacked(after);
    assert_true(old->routes[0]->mark == new->routes[0]->mark);
    assert_true(old->routes[1]->mark != new->routes[1]->mark);
    hutong__bus__v1__activated_record__free_unpacked(old, NULL);
    hutong__bus__v1__activated_record__free_unpacked(new, NULL);
    configuration_destroy(&before);
    configuration_destroy(&after);
}

static void settings_that_need_a_restart_stay(void **state) {
    (void)state;
    struct configuration *running = load_fine(NULL);
    assert_null(running->restart[0]);
    tree_write(&tree, "broker.yaml",
        "listen: tcp://127.0.0.1:7499\ncurve: false\nadmin: run/x.sock\ncatalogue: " HUTONG_BUILD_DIR
        "/catalogue.binpb\njournal: { retention: 5d }\nlimits: { message: 1MiB, credit_bytes: 2MiB }\n");
    struct configuration *next = load_fine(policy_settings(running->policy));
    const struct policy_settings *settings = policy_settings(next->policy);
    const struct policy_settings *before = policy_settings(running->policy);
    assert_string_equal(next->restart[0], "listen");
    assert_string_equal(next->restart[1], "admin");
    assert_string_equal(next->restart[2], "limits.message");
    assert_null(next->restart[3]);
    assert_string_equal(settings->listen, "tcp://127.0.0.1:7400");
    assert_ptr_not_equal(settings->listen, before->listen);
    assert_null(settings->admin);
    assert_int_equal(settings->message_bytes, 8 << 20);
    assert_int_equal(settings->credit_bytes, 8 << 20); // no less than the message that is in force
    assert_int_equal(settings->retention_us, 5ull * 86400 * 1000000);
    assert_false(policy_settings_same(settings, before));
    assert_true(policy_settings_same(before, before));
    configuration_destroy(&running);
    configuration_destroy(&next);
}

static void errors_load_nothing(void **state) {
    (void)state;
    struct report *report = report_new(0);
    tree_write(&tree, "routes/b.yaml", "routes:\n" ROUTE("one", "    when: msg.kin == 1\n") ROUTE("one", ""));
    assert_null(load(NULL, report));
    assert_int_equal(report_errors(report), 2);
    report_destroy(&report);
    tree_write(&tree, "broker.yaml", TREE_BROKER "routes: nowhere\n");
    report = report_new(0);
    assert_null(load(NULL, report));
    assert_int_equal(report_errors(report), 1);
    report_destroy(&report);
}

// A record with these files' message, compressed.
static int unpack_made(struct bytes plain, uint64_t size, bool squeeze) {
    uint8_t packed[256];
    uLongf packed_size = sizeof packed;
    struct files files = {0};
    Hutong__Bus__V1__ActivatedRecord record = HUTONG__BUS__V1__ACTIVATED_RECORD__INIT;
    assert_int_equal(compress(packed, &packed_size, plain.data, plain.size), Z_OK);
    record.files.data = squeeze ? packed : (uint8_t *)(uintptr_t)plain.data;
    record.files.len = squeeze ? packed_size : plain.size;
    record.files_size = size;
    int rc = configuration_unpack(&record, &files);
    assert_int_equal(files.count, 0);
    return rc;
}

static void a_record_that_is_wrong_gives_no_files(void **state) {
    (void)state;
    static const char outside[] = "\x0a\x0b\x0a\x09../x.yaml";
    static const char hidden[] = "\x0a\x09\x0a\x07.x.yaml";
    struct bytes plain = bytes_of(outside, sizeof outside - 1);
    Hutong__Bus__V1__ActivatedRecord none = HUTONG__BUS__V1__ACTIVATED_RECORD__INIT;
    struct files files = {0};
    assert_int_equal(configuration_unpack(&none, &files), -ENODATA);
    assert_int_equal(unpack_made(plain, plain.size, true), -EBADMSG); // a name that leads elsewhere
    assert_int_equal(unpack_made(bytes_of(hidden, sizeof hidden - 1), sizeof hidden - 1, true), -EBADMSG);
    assert_int_equal(unpack_made(plain, plain.size + 1, true), -EBADMSG);
    assert_int_equal(unpack_made(plain, plain.size - 1, true), -EBADMSG);
    assert_int_equal(unpack_made(plain, plain.size, false), -EBADMSG);
    assert_int_equal(unpack_made(plain, UINT64_MAX, true), -EBADMSG);
    assert_int_equal(unpack_made(bytes_of("\xff\xff", 2), 2, true), -EBADMSG);
}

// Each is an error in the report, or a set that is whole.
static void every_allocation_may_fail(void **state) {
    (void)state;
    struct configuration *running = load_fine(NULL);
    bool failed = true;
    for (size_t n = 0; failed; n += 1 + n / 16) {
        struct report *report = report_new(0);
        alloc_fail_after(n);
        struct configuration *configuration = load(policy_settings(running->policy), report);
        alloc_fail_never();
        failed = !configuration;
        assert_true(!failed || report_errors(report) > 0);
        configuration_destroy(&configuration);
        report_destroy(&report);
    }
    configuration_destroy(&running);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_record_has_routes_and_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_digest_covers_the_whole_set, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_mark_is_of_what_a_route_says, set_up, tear_down),
        cmocka_unit_test_setup_teardown(settings_that_need_a_restart_stay, set_up, tear_down),
        cmocka_unit_test_setup_teardown(errors_load_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_record_that_is_wrong_gives_no_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_allocation_may_fail, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
