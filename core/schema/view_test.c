#include "core/schema/view.h"

#include "core/schema/testing.h"

static const struct schema_message *all;
static const struct schema_message *legacy;

static int setup(void **state) {
    int rc = load_testdata(state);
    if (rc == 0) {
        all = type_named("test.three.All");
        legacy = type_named("test.two.Legacy");
    }
    return rc;
}

// A path as "inner.inner.name".
static size_t add_path(struct paths *paths, const char *path) {
    const struct schema_field *fields[16];
    const struct schema_message *type = paths_root(paths);
    size_t count = 0, slot = 0;
    for (const char *p = path; *p;) {
        size_t size = strcspn(p, ".");
        fields[count] = schema_field_named(type, bytes_of(p, size));
        if (!fields[count]) {
            fail_msg("no field in %s", path);
            return 0;
        }
        type = fields[count++]->message;
        p += size + (p[size] == '.');
    }
    assert_int_equal(paths_add(paths, fields, count, &slot), 0);
    return slot;
}

struct reading { // one type, one path, one message
    struct paths *paths;
    struct scan *scan;
    struct buffer message;
    struct view_value value;
    size_t slot;
};

static struct reading start(const struct schema_message *type, const char *path) {
    struct reading r = {.paths = paths_new(type)};
    assert_non_null(r.paths);
    r.slot = add_path(r.paths, path);
    r.scan = scan_new(r.paths);
    assert_non_null(r.scan);
    return r;
}

static void run(struct reading *r) {
    struct error error = {0};
    assert_int_equal(view_check(paths_root(r->paths), buffer_bytes(&r->message), NULL, NULL), 0);
    for (int checked = 1; checked >= 0; checked--)
        if (scan_run(r->scan, buffer_bytes(&r->message), checked, &error) != 0)
            fail_msg("%s", error.text);
    r->value = *scan_value(r->scan, r->slot);
}

static void finish(struct reading *r) {
    scan_destroy(&r->scan);
    paths_destroy(&r->paths);
    buffer_destroy(&r->message);
}

static struct view_value read_one(const struct schema_message *type, const char *path, const char *hex) {
    static struct buffer kept; // texts in the result point into it
    struct reading r = start(type, path);
    buffer_clear(&kept);
    put_hex(&kept, hex);
    r.message = kept;
    run(&r);
    r.message = (struct buffer){0};
    finish(&r);
    if (!*hex)
        buffer_destroy(&kept);
    return r.value;
}

static void check_text(struct view_value value, const char *text) {
    assert_true(value.present);
    assert_true(bytes_equal_string(value.bytes, text));
}

static void scalars_are_read(void **state) {
    (void)state;
    assert_true(read_one(all, "a_double", "09 000000000000f83f").f64 == 1.5);
    assert_true(read_one(all, "a_float", "15 0000c0bf").f64 == -1.5);
    assert_int_equal(read_one(all, "an_int64", "18 ffffffffffffffffff01").i64, -1);
    assert_true(read_one(all, "a_uint64", "20 ffffffffffffffffff01").u64 == UINT64_MAX);
    assert_int_equal(read_one(all, "an_int32", "28 feffffffffffffffff01").i64, -2);
    assert_int_equal(read_one(all, "an_int32", "28 8180808010").i64, 1);
    assert_true(read_one(all, "a_fixed64", "31 0100000000000080").u64 == 0x8000000000000001u);
    assert_true(read_one(all, "a_fixed32", "3d ffffffff").u64 == 0xffffffffu);
    assert_true(read_one(all, "a_bool", "40 01").boolean);
    assert_true(read_one(all, "a_bool", "40 80808080808010").boolean);
    check_text(read_one(all, "a_string", "4a 06 'a' e58cba 'b' 7f"), "a\xe5\x8c\xba"
                                                                     "b\x7f");
    check_text(read_one(all, "a_bytes", "62 02 ff fe"), "\xff\xfe");
    assert_int_equal(read_one(all, "a_uint32", "68 ffffffffff01").u64, 0xffffffffu);
    assert_int_equal(read_one(all, "kind", "70 05").i64, 5); // open: an unknown number stays
    assert_int_equal(read_one(all, "a_sfixed32", "7d ffffffff").i64, -1);
    assert_int_equal(read_one(all, "a_sfixed64", "8101 feffffffffffffff").i64, -2);
    assert_int_equal(read_one(all, "a_sint32", "8801 01").i64, -1);
    assert_int_equal(read_one(all, "a_sint32", "8801 ffffffff0f").i64, INT32_MIN);
    assert_true(read_one(all, "a_sint64", "9001 ffffffffffffffffff01").i64 == INT64_MIN);
    check_text(read_one(all, "far_away", "faffffff0f 01 'x'"), "x");
    assert_int_equal(
        read_one(all, "a_string", "4a 0b f09f9880 e4b8ad c3a9 00 01").bytes.size, 11); // with U+0000
    read_one(all, "an_int32", "");
}

static void presence_follows_the_specification(void **state) {
    (void)state;
    assert_false(read_one(all, "an_int32", "").present);
    assert_false(read_one(all, "an_int32", "28 07 28 00").present); // the last is the default
    assert_true(read_one(all, "maybe_int32", "a801 00").present);
    assert_false(read_one(all, "a_string", "4a 00").present);
    assert_true(read_one(all, "maybe_string", "b201 00").present);
    assert_true(read_one(all, "inner", "5a 00").present);
    assert_true(read_one(all, "choice_int32", "a803 00").present);
    assert_true(read_one(legacy, "limit", "08 01 78 00").present);
    assert_true(read_one(all, "a_double", "09 0000000000000080").present); // -0.0 is no default
    assert_null(read_one(all, "a_string", "").bytes.data);
}

static void the_last_wins_and_messages_merge(void **state) {
    (void)state;
    assert_int_equal(read_one(all, "an_int32", "28 01 28 02").i64, 2);
    // inner { name: a number: 1 }, inner { name: b inner { name: x } }, inner { inner { number: 2 } }
    const char *three = "5a 05 0a 01 'a' 10 01 5a 08 0a 01 'b' 1a 03 0a 01 'x' 5a 04 1a 02 10 02";
    check_text(read_one(all, "inner.name", three), "b");
    assert_int_equal(read_one(all, "inner.number", three).i64, 1);
    check_text(read_one(all, "inner.inner.name", three), "x");
    assert_int_equal(read_one(all, "inner.inner.number", three).i64, 2);
    assert_int_equal(read_one(all, "inner.inner", three).occurrences, 2);
    struct reading r = start(all, "inner");
    put_hex(&r.message, three);
    run(&r);
    assert_int_equal(r.value.occurrences, 3);
    struct buffer whole = {0};
    assert_int_equal(scan_append_message(r.scan, &r.value, &whole), 0);
    assert_int_equal(whole.size, 5 + 8 + 4);
    struct view_cursor cursor = {0};
    struct view_value piece;
    size_t pieces = 0;
    while (scan_next(r.scan, field_named(all, "inner"), &r.value, &cursor, &piece))
        pieces++;
    assert_int_equal(pieces, 3);
    buffer_destroy(&whole);
    finish(&r);
}

static void oneofs_hold_one_member(void **state) {
    (void)state;
    // choice_string: a, then choice_int32: 7
    const char *two = "9a03 01 'a' a803 07";
    assert_false(read_one(all, "choice_string", two).present);
    assert_int_equal(read_one(all, "choice_int32", two).i64, 7);
    // choice_inner { name: a }, choice_int32, choice_inner { number: 2 }: the name is gone
    const char *back = "a203 03 0a 01 'a' a803 07 a203 02 10 02";
    assert_false(read_one(all, "choice_inner.name", back).present);
    assert_int_equal(read_one(all, "choice_inner.number", back).i64, 2);
    assert_int_equal(read_one(all, "choice_inner", back).occurrences, 1);
    assert_false(read_one(all, "choice_int32", back).present);
    // the same member twice is merged
    const char *same = "a203 03 0a 01 'a' a203 02 10 02";
    check_text(read_one(all, "choice_inner.name", same), "a");
    assert_int_equal(read_one(all, "choice_inner", same).occurrences, 2);
    // a wrong wire type is another field, and clears nothing
    check_text(read_one(all, "choice_string", "9a03 01 'a' aa03 00"), "a");
    // an unknown number of a closed enum neither
    check_text(read_one(legacy, "choice_text", "08 01 5a 01 'a' 70 09"), "a");
    assert_false(read_one(legacy, "choice_text", "08 01 5a 01 'a' 70 02").present);
    assert_false(read_one(legacy, "choice_text", "08 01 5a 01 'a' 6b 6c").present);
}

static size_t count_next(struct reading *r, const struct schema_field *field, int64_t *sum) {
    struct view_cursor cursor = {0};
    struct view_value element;
    size_t count = 0;
    *sum = 0;
    while (scan_next(r->scan, field, &r->value, &cursor, &element)) {
        *sum = *sum * 10 + element.i64;
        count++;
    }
    assert_false(scan_next(r->scan, field, &r->value, &cursor, &element));
    return count;
}

static void check_repeated(
    const struct schema_message *type, const char *path, const char *hex, size_t count, int64_t sum) {
    struct reading r = start(type, path);
    put_hex(&r.message, hex);
    run(&r);
    int64_t got;
    assert_int_equal(r.value.occurrences, count);
    assert_int_equal(r.value.present, count > 0);
    const char *last = strrchr(path, '.');
    const struct schema_field *field = field_named(type, last ? last + 1 : path);
    assert_int_equal(count_next(&r, field, &got), count);
    assert_int_equal(got, sum);
    finish(&r);
}

static void repeated_fields_are_walked(void **state) {
    (void)state;
    check_repeated(all, "int32s", "", 0, 0);
    check_repeated(all, "int32s", "9a02 00", 0, 0);
    check_repeated(all, "int32s", "9a02 03 01 02 03", 3, 123);
    check_repeated(all, "int32s", "9802 01 9802 02", 2, 12);                       // not packed
    check_repeated(all, "int32s", "9802 01 28 07 9a02 02 02 03 9802 04", 4, 1234); // mixed
    check_repeated(all, "loose_int32s", "8a03 09 01 02 03 04 05 06 07 08 09", 9, 123456789);
    check_repeated(all, "sfixed64s", "f202 10 0100000000000000 0200000000000000", 2, 12);
    check_repeated(all, "fixed32s", "ad02 01000000 ad02 02000000", 2, 12);
    check_repeated(legacy, "closeds", "08 01 20 01 20 07 20 02", 2, 12); // 7 is no number of the enum
    check_repeated(legacy, "packed_closeds", "08 01 2a 03 01 07 02", 2, 12);
    check_repeated(legacy, "packed_closeds", "08 01 2a 01 07", 0, 0);
}

static void repeated_texts_and_groups_are_walked(void **state) {
    (void)state;
    struct reading r = start(all, "inner.tags");
    put_hex(&r.message, "5a 06 22 01 'a' 22 01 'b' 5a 05 10 01 22 01 'c'"); // of two pieces of one message
    run(&r);
    assert_int_equal(r.value.occurrences, 3);
    struct view_cursor cursor = {0};
    struct view_value element;
    for (const char *p = "abc"; *p; p++) {
        assert_true(scan_next(
            r.scan, field_named(type_named("test.three.Inner"), "tags"), &r.value, &cursor, &element));
        assert_true(bytes_equal(element.bytes, bytes_of(p, 1)));
    }
    finish(&r);
    r = start(legacy, "entry");
    put_hex(&r.message, "08 01 3b 08 05 3c 3b 3c");
    run(&r);
    assert_int_equal(r.value.occurrences, 2);
    cursor = (struct view_cursor){0};
    assert_true(scan_next(r.scan, field_named(legacy, "entry"), &r.value, &cursor, &element));
    assert_int_equal(element.bytes.size, 2);
    assert_true(scan_next(r.scan, field_named(legacy, "entry"), &r.value, &cursor, &element));
    assert_int_equal(element.bytes.size, 0);
    assert_false(scan_next(r.scan, field_named(legacy, "entry"), &r.value, &cursor, &element));
    finish(&r);
}

static void groups_and_unknown_fields_are_passed(void **state) {
    (void)state;
    // place { street: s, numbers, deep { note: n } }
    const char *group = "08 01 33 0a 01 's' 10 01 1b 0a 01 'n' 1c 34";
    check_text(read_one(legacy, "place.street", group), "s");
    check_text(read_one(legacy, "place.deep.note", group), "n");
    assert_int_equal(read_one(legacy, "place", group).bytes.size, 10);
    // two groups merge
    check_text(read_one(legacy, "place.street", "08 01 33 0a 01 's' 34 33 10 01 34"), "s");
    // unknown: varint, 64 bits, length, group with fields and a group inside, 32 bits
    const char *unknown =
        "c005 01 c105 0102030405060708 c205 02 ffff c305 08 01 1b 1c 12 01 00 c405 c505 01020304 28 07";
    assert_int_equal(read_one(all, "an_int32", unknown).i64, 7);
    // wire types that don't fit are unknown fields
    assert_false(read_one(all, "an_int32", "2a 02 ffff").present);
    assert_false(read_one(all, "a_string", "48 05").present);
    assert_false(read_one(all, "inner", "5b 5c").present);
    assert_int_equal(read_one(all, "an_int32", "28 03 2d 01020304").i64, 3);
    assert_int_equal(read_one(all, "an_int32", "a880808000 05").i64, 5); // a tag longer than needed
}

static void check_known(const struct schema_message *type, const char *hex, const char *known) {
    struct buffer message = {0};
    struct buffer out = {0};
    struct buffer expected = {0};
    struct paths *paths = paths_new(type);
    struct scan *scan = scan_new(paths);
    put_hex(&message, hex);
    put_hex(&expected, known);
    assert_int_equal(scan_run(scan, buffer_bytes(&message), false, NULL), 0);
    assert_int_equal(scan_has_unknown(scan), !bytes_equal(buffer_bytes(&message), buffer_bytes(&expected)));
    assert_int_equal(view_append_known(type, buffer_bytes(&message), &out), 0);
    assert_true(bytes_equal(buffer_bytes(&out), buffer_bytes(&expected)));
    assert_int_equal(scan_run(scan, buffer_bytes(&out), false, NULL), 0);
    assert_false(scan_has_unknown(scan));
    scan_destroy(&scan);
    paths_destroy(&paths);
    buffer_destroy(&message);
    buffer_destroy(&out);
    buffer_destroy(&expected);
}

static void unknown_fields_are_left_out(void **state) {
    (void)state;
    check_known(all, "", "");
    check_known(all, "28 07 5a 05 0a 01 'a' 10 03 9a02 02 0102", "28 07 5a 05 0a 01 'a' 10 03 9a02 02 0102");
    // A varint, 64 bits, a length, a group with one inside, 32 bits; another wire type.
    check_known(all,
        "c005 01 c105 0102030405060708 c205 02 ffff c305 08 01 1b 1c 12 01 00 c405 c505 01020304 28 07 48 01 "
        "2a 01 00",
        "28 07");
    // In a message, in one inside of that, in the entry of a map, in elements.
    check_known(all, "5a 0b 0a 01 'a' 30 01 1a 04 30 02 22 00", "5a 07 0a 01 'a' 1a 02 22 00");
    check_known(all, "f203 0a 08 01 12 02 30 01 18 01 30 02", "f203 04 08 01 12 00");
    check_known(all, "ca02 02 30 01 ca02 02 10 01", "ca02 00 ca02 02 10 01");
    // In a group, and an extension.
    check_known(legacy, "08 01 33 0a 01 's' 38 01 1b 0a 01 'n' 10 02 1c 34 a206 01 'x'",
        "08 01 33 0a 01 's' 1b 0a 01 'n' 1c 34");
    struct buffer out = {0};
    assert_int_equal(view_append_known(all, bytes_of("\x5a\x05\x0a", 3), &out), -EINVAL);
    assert_int_equal(out.size, 0);
    buffer_destroy(&out);
}

static void paths_share_slots(void **state) {
    (void)state;
    struct paths *paths = paths_new(all);
    size_t name = add_path(paths, "inner.name");
    assert_int_equal(add_path(paths, "inner.name"), name);
    struct scan *scan = scan_new(paths); // a scan fits itself to paths that grow
    struct buffer message = {0};
    put_hex(&message, "5a 05 0a 01 'a' 10 03");
    assert_int_equal(scan_run(scan, buffer_bytes(&message), false, NULL), 0);
    size_t number = add_path(paths, "inner.number");
    size_t inner = add_path(paths, "inner");
    assert_int_equal(paths_size(paths), 3);
    assert_int_equal(scan_run(scan, buffer_bytes(&message), false, NULL), 0);
    check_text(*scan_value(scan, name), "a");
    assert_int_equal(scan_value(scan, number)->i64, 3);
    assert_int_equal(scan_value(scan, inner)->bytes.size, 5);
    size_t slot;
    const struct schema_field *wrong[] = {
        field_named(all, "inners"), field_named(type_named("test.three.Inner"), "name")};
    assert_int_equal(paths_add(paths, wrong, 2, &slot), -EINVAL); // repeated on the way
    assert_int_equal(paths_add(paths, wrong + 1, 1, &slot), -EINVAL);
    assert_int_equal(paths_add(paths, wrong, 0, &slot), -EINVAL);
    scan_destroy(&scan);
    paths_destroy(&paths);
    buffer_destroy(&message);
}

static void what_is_written_is_read(void **state) {
    (void)state;
    static const char *const ints[] = {
        "an_int32", "an_int64", "a_sint32", "a_sint64", "a_sfixed32", "a_sfixed64", "kind"};
    for (size_t i = 0; i < sizeof ints / sizeof ints[0]; i++) {
        static const int64_t values[] = {1, -1, INT32_MAX, INT32_MIN, 300};
        for (size_t j = 0; j < 5; j++) {
            struct reading r = start(all, ints[i]);
            put_int(&r.message, all, ints[i], values[j]);
            run(&r);
            assert_int_equal(r.value.i64, values[j]);
            finish(&r);
        }
    }
    struct reading r = start(all, "a_fixed32");
    assert_int_equal(view_put_uint(&r.message, field_named(all, "a_fixed32"), UINT32_MAX), 0);
    run(&r);
    assert_true(r.value.u64 == UINT32_MAX);
    finish(&r);
    r = start(all, "a_float");
    assert_int_equal(view_put_double(&r.message, field_named(all, "a_float"), 0.5), 0);
    run(&r);
    assert_true(r.value.f64 == 0.5);
    finish(&r);
    r = start(legacy, "place.street");
    put_hex(&r.message, "08 01");
    assert_int_equal(view_put_bytes(&r.message, field_named(legacy, "place"), bytes_of("\x0a\x01s", 3)), 0);
    run(&r);
    check_text(r.value, "s");
    finish(&r);
}

// Everything of this module that allocates, in one go.
static int allocate_all(const struct buffer *message, const struct schema_field *const *path) {
    size_t slot;
    struct paths *paths = paths_new(legacy);
    struct scan *scan = paths ? scan_new(paths) : NULL;
    int rc = scan ? paths_add(paths, path, 2, &slot) : -ENOMEM;
    if (rc == 0)
        rc = paths_add(paths, path, 1, &slot);
    if (rc == 0)
        rc = paths_add(paths, path + 2, 1, &slot);
    struct error error = {0};
    if (rc == 0)
        rc = scan_run(scan, buffer_bytes(message), false, &error);
    scan_destroy(&scan);
    paths_destroy(&paths);
    return rc;
}

static void views_survive_no_memory(void **state) {
    (void)state;
    struct buffer message = {0};
    put_hex(&message, "08 01 42 02 10 01 42 03 0a 01 'k' 42 02 10 01 4a 03 0a 01 'k'");
    for (int i = 0; i < 30; i++)
        put_hex(&message, "8001 01 08 01");
    const struct schema_field *path[] = {field_named(legacy, "part"),
        field_named(type_named("test.two.Part"), "count"), field_named(legacy, "numbers")};
    size_t failures = 0;
    for (int rc = -ENOMEM; rc != 0; failures++) {
        alloc_fail_after(failures);
        rc = allocate_all(&message, path);
        alloc_fail_never();
        assert_true(rc == 0 || rc == -ENOMEM);
    }
    assert_true(failures > 10);
    buffer_destroy(&message);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars_are_read),
        cmocka_unit_test(presence_follows_the_specification),
        cmocka_unit_test(the_last_wins_and_messages_merge),
        cmocka_unit_test(oneofs_hold_one_member),
        cmocka_unit_test(repeated_fields_are_walked),
        cmocka_unit_test(repeated_texts_and_groups_are_walked),
        cmocka_unit_test(groups_and_unknown_fields_are_passed),
        cmocka_unit_test(unknown_fields_are_left_out),
        cmocka_unit_test(paths_share_slots),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(views_survive_no_memory),
    };
    return cmocka_run_group_tests(tests, setup, free_testdata);
}
