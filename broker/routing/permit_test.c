// Whether what was made once may still be given today.
#include "broker/policy/disclosed.h"
#include "broker/routing/permit.h"
#include "broker/routing/testing.h"

#define NOTICE "gov.housing.v1.OccupancyNotice"
#define REGISTERED "gov.public_security.v1.ResidenceRegistered"

static const char two[] =
    "routes:\n  - name: notices\n    on: " REGISTERED "\n    from: " POPULATION
    "\n    to:\n      - system: housing/tenancy\n        agreement: A-1\n"
    "        as: " NOTICE "\n        map:\n          citizen_number: msg.resident.citizen_number\n"
    "    deliver: { retries: 7, backoff: 2s..4s, expires: 1h }\n"
    "  - name: whole\n    on: " REGISTERED "\n    from: " POPULATION
    "\n    to:\n      - system: housing/registry\n        agreement: A-2\n";

static const struct policy_system *system_of(const struct bench *bench, const char *address) {
    return policy_system_named(bench->policy, bytes_of_string(address));
}

static bool permits(const struct bench *bench, const char *route, const char *from, const char *to,
    const char *type, int64_t now_us, struct permit *out, struct error *why) {
    return routes_permit(bench->routes, bytes_of_string(route), system_of(bench, from), system_of(bench, to),
        type_named(bench, type), now_us, out, why);
}

static void a_route_gives_what_it_makes(void **state) {
    (void)state;
    struct bench bench;
    struct permit permit;
    struct error why;
    bench_open_with(&bench, two);
    assert_true(permits(&bench, "notices", POPULATION, "housing/tenancy", NOTICE, NOW_US, &permit, &why));
    assert_string_equal(permit.route, "notices");
    assert_string_equal(permit.agreement->id, "A-1");
    assert_true(permit.retries == 7 && permit.backoff_min_ms == 2000 && permit.backoff_max_ms == 4000);
    assert_true(permit.expires_us == 3600000000);
    assert_true(permits(&bench, "whole", POPULATION, "housing/registry", REGISTERED, NOW_US, &permit, &why));
    assert_string_equal(permit.agreement->id, "A-2");
    bench_close(&bench);
}

static void anything_else_is_not_given(void **state) {
    (void)state;
    struct bench bench;
    struct permit permit;
    struct error why;
    bench_open_with(&bench, two);
    assert_false(permits(&bench, "notice", POPULATION, "housing/tenancy", NOTICE, NOW_US, &permit, &why));
    assert_string_equal(why.text, "there is no route \"notice\" any more");
    assert_false(permits(&bench, "notices", POPULATION, "housing/registry", NOTICE, NOW_US, &permit, &why));
    assert_string_equal(
        why.text, "route \"notices\" gives no " NOTICE " of " POPULATION " to housing/registry today");
    assert_false(
        permits(&bench, "notices", "housing/registry", "housing/tenancy", NOTICE, NOW_US, &permit, &why));
    assert_false(
        permits(&bench, "notices", POPULATION, "housing/tenancy", REGISTERED, NOW_US, &permit, &why));
    int64_t later = 4102444800LL * 1000000; // 2100
    assert_false(permits(&bench, "notices", POPULATION, "housing/tenancy", NOTICE, later, &permit, &why));
    assert_string_equal(why.text, "agreement A-1 is not in force");
    bench_close(&bench);
}

// ---- What a payload discloses ----

static bool covers(
    const struct bench *bench, const char *agreement, const char *type, const char *json, char *missing) {
    struct buffer payload = {0};
    struct error error;
    const struct schema_message *message = type_named(bench, type);
    assert_int_equal(json_to_message(message, bytes_of_string(json), &payload, &error), 0);
    bool covered = policy_covers_payload(policy_agreement(bench->policy, bytes_of_string(agreement)), message,
        buffer_bytes(&payload), missing);
    buffer_destroy(&payload);
    return covered;
}

static void each_field_must_be_listed(void **state) {
    (void)state;
    struct bench bench;
    char missing[POLICY_PATH_SIZE];
    bench_open_with(&bench, two);
    tree_write(&bench.tree, "agreements/c.yaml",
        "agreement: A-3\nprovider: public_security\nreceiver: housing/registry\ntype: " REGISTERED
        "\nfields: [resident.citizen_number, address, kind]\npurpose: p\nbasis: b\nfrom: 2020-01-01\n"
        "until: 2098-12-31\n");
    struct report *report = report_new(0);
    matcher_destroy(&bench.matcher);
    routes_destroy(&bench.routes);
    policy_destroy(&bench.policy);
    bench.policy = tree_load(&bench.tree, report);
    assert_non_null(bench.policy);
    report_destroy(&report);
    assert_true(covers(&bench, "A-1", NOTICE, "{\"citizenNumber\": \"1\", \"unitCode\": \"U\"}", missing));
    assert_true(covers(&bench, "A-3", REGISTERED,
        "{\"resident\": {\"citizenNumber\": \"1\"}, \"address\": {\"unitCode\": \"U\"}, \"kind\": 1}",
        missing));
    assert_true(covers(&bench, "A-3", REGISTERED, "{}", missing));
    assert_false(covers(&bench, "A-3", REGISTERED,
        "{\"resident\": {\"citizenNumber\": \"1\", \"birthDate\": \"2000-01-01\"}}", missing));
    assert_string_equal(missing, "resident.birth_date");
    assert_false(covers(&bench, "A-3", REGISTERED, "{\"kind\": 1, \"householdNumber\": \"h\"}", missing));
    assert_string_equal(missing, "household_number");
    bench_close(&bench);
}

// What the catalogue doesn't know no agreement lists; bytes that were cut are given to nobody.
static void unknown_and_broken_bytes_are_not_covered(void **state) {
    (void)state;
    struct bench bench;
    char missing[POLICY_PATH_SIZE];
    bench_open_with(&bench, two);
    const struct policy_agreement *agreement = policy_agreement(bench.policy, bytes_of_string("A-1"));
    const struct schema_message *type = type_named(&bench, NOTICE);
    static const struct bytes payloads[] = {{(const uint8_t *)"\xfa\x7f\x01x", 4},
        {(const uint8_t *)"\x0a\x05x", 3}, {(const uint8_t *)"\x0b", 1}, {(const uint8_t *)"\xff", 1}};
    struct policy_agreement some = *agreement;
    some.field_count = 1; // else the agreement lists the whole message
    for (size_t i = 0; i < sizeof payloads / sizeof payloads[0]; i++)
        assert_false(policy_covers_payload(&some, type, payloads[i], missing));
    bench_close(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_route_gives_what_it_makes),
        cmocka_unit_test(anything_else_is_not_given),
        cmocka_unit_test(each_field_must_be_listed),
        cmocka_unit_test(unknown_and_broken_bytes_are_not_covered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
