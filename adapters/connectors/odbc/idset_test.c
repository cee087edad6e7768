#include "adapters/connectors/odbc/diagnosis.h"
#include "adapters/connectors/odbc/idset.h"
#include "adapters/connectors/odbc/sql.h"
#include "test/support/alloc_fail.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
// cmocka needs these above
#include <cmocka.h>

static void ids_in_any_order_join(void **state) {
    (void)state;
    struct idset set;
    idset_init(&set);
    static const int64_t ids[] = {5, 3, 4, 9, 0, 10, 7, 3};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        assert_int_equal(idset_add(&set, ids[i], i), 0);
    assert_int_equal(set.count, 4); // 0, 3-5, 7, 9-10
    assert_true(idset_has(&set, 4) && idset_has(&set, 0) && idset_has(&set, 10));
    assert_false(idset_has(&set, 1) || idset_has(&set, 6) || idset_has(&set, 8) || idset_has(&set, 11));
    assert_int_equal(idset_highest(&set), 10);
    idset_remove_last(&set, 4);
    assert_false(idset_has(&set, 4));
    assert_true(idset_has(&set, 3) && idset_has(&set, 5));
    idset_destroy(&set);
}

// Against a plain array, with every way to the bytes and back.
static void random_ids_against_an_array(void **state) {
    (void)state;
    bool in[200] = {false};
    struct idset set;
    unsigned seed = 7;
    idset_init(&set);
    for (int n = 0; n < 2000; n++) {
        int64_t id = rand_r(&seed) % 200;
        if (in[id] && rand_r(&seed) % 4 == 0 && id > set.floor) {
            idset_remove_last(&set, id);
            in[id] = false;
        } else {
            assert_int_equal(idset_add(&set, id, 0), 0);
            in[id] = true;
        }
        struct buffer bytes = {0};
        assert_int_equal(idset_write(&set, &bytes), 0);
        assert_true(idset_read(&set, buffer_bytes(&bytes), 0));
        buffer_destroy(&bytes);
        for (int64_t i = 0; i < 200; i++)
            assert_int_equal(idset_has(&set, i), in[i]);
    }
    idset_destroy(&set);
}

static void the_floor_passes_a_gap_after_its_grace(void **state) {
    (void)state;
    struct idset set;
    idset_init(&set);
    idset_add(&set, 0, 100);
    idset_add(&set, 2, 100);
    idset_add(&set, 3, 150);
    idset_raise(&set, 120, 50);
    assert_int_equal(set.floor, 0);
    idset_add(&set, 1, 130); // came late
    idset_raise(&set, 140, 50);
    assert_int_equal(set.floor, 3);
    idset_add(&set, 6, 200);
    idset_raise(&set, 249, 50);
    assert_int_equal(set.floor, 3);
    idset_raise(&set, 250, 50);
    assert_int_equal(set.floor, 6);
    assert_int_equal(set.count, 0);
    idset_destroy(&set);
}

static void bytes_that_are_no_set(void **state) {
    (void)state;
    struct idset set;
    idset_init(&set);
    static const uint8_t cut[] = {0x81}, zero[] = {0x00, 0x00, 0x01}, half[] = {0x00, 0x05};
    static const uint8_t large[] = {0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x00};
    assert_false(idset_read(&set, bytes_of(cut, sizeof cut), 0));
    assert_false(idset_read(&set, bytes_of(zero, sizeof zero), 0));
    assert_false(idset_read(&set, bytes_of(half, sizeof half), 0));
    assert_false(idset_read(&set, bytes_of(large, sizeof large), 0));
    assert_false(idset_read(&set, bytes_of(NULL, 0), 0));
    assert_int_equal(set.count, 0);
}

static void no_memory(void **state) {
    (void)state;
    struct idset set;
    struct sql_text sql;
    idset_init(&set);
    alloc_fail_after(0);
    assert_int_equal(idset_add(&set, 5, 0), -ENOMEM);
    alloc_fail_never();
    assert_false(idset_has(&set, 5));
    for (int n = 1; n < 4; n++) {
        alloc_fail_after((size_t)n - 1);
        int rc = sql_parse(bytes_of_string("SELECT :a"), &sql);
        alloc_fail_never();
        if (rc == 0)
            sql_destroy(&sql);
        else
            assert_int_equal(rc, -ENOMEM);
    }
    idset_destroy(&set);
}

static void named_parameters(void **state) {
    (void)state;
    struct sql_text sql;
    const char *source = "UPDATE t SET a = :one, b = ':no''x:no' /* :no */, \"c:no\" = d::text -- :no\n"
                         " WHERE e = :two_2 AND f = :one AND g = 'x :";
    assert_int_equal(sql_parse(bytes_of_string(source), &sql), 0);
    assert_int_equal(sql.count, 3);
    assert_true(bytes_equal_string(sql.parameters[0].name, "one"));
    assert_true(bytes_equal_string(sql.parameters[1].name, "two_2"));
    assert_true(bytes_equal_string(sql.parameters[2].name, "one"));
    assert_int_equal(sql.parameters[0].offset, 17);
    assert_string_equal(sql.text, "UPDATE t SET a = ?, b = ':no''x:no' /* :no */, \"c:no\" = d::text -- :no\n"
                                  " WHERE e = ? AND f = ? AND g = 'x :");
    sql_destroy(&sql);
}

static void states_have_a_meaning(void **state) {
    (void)state;
    static const struct {
        enum db_product product;
        const char *state;
        long native;
        int class;
        bool lost;
    } cases[] = {{DB_OTHER, "08S01", 0, CONNECTOR_RETRY, true},
        {DB_OTHER, "40P01", 0, CONNECTOR_RETRY, false}, {DB_OTHER, "40001", 0, CONNECTOR_RETRY, false},
        {DB_OTHER, "HYT00", 0, CONNECTOR_RETRY, false}, {DB_OTHER, "57P01", 0, CONNECTOR_RETRY, true},
        {DB_OTHER, "53300", 0, CONNECTOR_RETRY, false}, {DB_OTHER, "23505", 0, CONNECTOR_REJECT, false},
        {DB_OTHER, "22001", 0, CONNECTOR_REJECT, false}, {DB_OTHER, "P0001", 0, CONNECTOR_REJECT, false},
        {DB_OTHER, "42S02", 0, DB_WRONG, false}, {DB_OTHER, "ZZZZZ", 0, CONNECTOR_RETRY, false},
        {DB_SQLITE, "HY000", 5, CONNECTOR_RETRY, false}, {DB_SQLITE, "HY000", 19, CONNECTOR_REJECT, false},
        {DB_SQLITE, "HY000", 2067, CONNECTOR_REJECT, false}, {DB_SQLITE, "HY000", 1, DB_WRONG, false},
        {DB_MYSQL, "HY000", 1205, CONNECTOR_RETRY, false}, {DB_MYSQL, "HY000", 2013, CONNECTOR_RETRY, true},
        {DB_MYSQL, "HY000", 1366, CONNECTOR_REJECT, false}, {DB_MYSQL, "HY000", 1146, DB_WRONG, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool lost = false;
        assert_int_equal(
            diagnosis_class(cases[i].product, cases[i].state, cases[i].native, &lost), cases[i].class);
        assert_int_equal(lost, cases[i].lost);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_in_any_order_join),
        cmocka_unit_test(random_ids_against_an_array),
        cmocka_unit_test(the_floor_passes_a_gap_after_its_grace),
        cmocka_unit_test(bytes_that_are_no_set),
        cmocka_unit_test(no_memory),
        cmocka_unit_test(named_parameters),
        cmocka_unit_test(states_have_a_meaning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
