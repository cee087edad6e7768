// What is refused, and what can't be written. What is read stands in view_test.c.
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

static void refuse(const struct schema_message *type, const char *hex, const char *text) {
    struct buffer message = {0};
    put_hex(&message, hex);
    struct error error = {0};
    int rc = view_check(type, buffer_bytes(&message), NULL, &error);
    if (rc != VIEW_REFUSED || !strstr(error.text, text))
        fail_msg("%s: expected \"%s\", got %d \"%s\"", hex, text, rc, error.text);
    buffer_destroy(&message);
}

static void wrong_bytes_are_refused(void **state) {
    (void)state;
    refuse(all, "28", "test.three.All: at an_int32, byte 1: its varint is cut short");
    refuse(all, "28 ffffffffffffffffff02", "at an_int32, byte 1: its varint has more");
    refuse(all, "28 ffffffffffffffffffff01", "more than 64 bits");
    refuse(all, "80", "at byte 0: a field's tag is cut short");
    refuse(all, "00 00", "a field's number is 0");
    refuse(all, "05 00000000", "a field's number is 0");
    refuse(all, "8080808010 00", "a field's tag has more than 32 bits");
    refuse(all, "a88080808000 05", "a field's tag has more than 32 bits");
    refuse(all, "2e 01", "unknown field is malformed");
    refuse(all, "2f 01", "unknown field is malformed");
    refuse(all, "c705 01", "no wire type 7");
    refuse(all, "2c", "a group ends that did not start");
    refuse(all, "c305 28 01", "a group does not end");
    refuse(all, "c305 cc05", "a group ends that did not start");
    refuse(all, "4a 05 'abcd'", "at a_string, byte 0: its length");
    refuse(all, "4a 808080808000", "its length is malformed");
    refuse(all, "4a ffffffff7f", "its length");
    refuse(all, "28 01 4a 01 ff", "at a_string, byte 2: the text is not UTF-8");
    refuse(all, "5a 05 1a 03 0a 01 ff", "at inner.inner.name, byte 4: the text is not UTF-8");
    refuse(all, "09 00", "at a_double, byte 0: its value is cut short");
    refuse(all, "15 00", "at a_float");
    refuse(all, "9a02 01 80", "at int32s, byte 3: its varint is cut short");
    refuse(all, "aa02 03 000000", "at fixed32s, byte 3: its packed values are cut short");
    refuse(all, "5a 02 0a 05", "at inner.name");
    refuse(all, "5a 01 5c", "at inner, byte 2: a group ends");
    refuse(legacy, "08 01 33 0a 01 's'", "at place, byte 6: a group does not end");
    refuse(legacy, "10 01", "at id: this field is required");
}

static void bad_text_is_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {"80", "80808080", "bf808080", "c0 80", "c1 bf", "c3", "e0 80 80",
        "e4 b8", "ed a0 80", "f0 80 80 80", "f4 90 80 80", "f5 80 80 80", "f0 9f 98", "ff", "e4 b8 41",
        "'aaaaaaaa' 80", "'aaaaaaaaaaa' e4 b8"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct buffer text = {0}, message = {0};
        put_hex(&text, wrong[i]);
        assert_int_equal(view_put_bytes(&message, field_named(all, "a_string"), buffer_bytes(&text)), 0);
        assert_int_equal(view_check(all, buffer_bytes(&message), NULL, NULL), VIEW_REFUSED);
        buffer_clear(&message);
        put_int(&message, legacy, "id", 1); // proto2 has no rule for texts
        assert_int_equal(view_put_bytes(&message, field_named(legacy, "text"), buffer_bytes(&text)), 0);
        assert_int_equal(view_check(legacy, buffer_bytes(&message), NULL, NULL), 0);
        buffer_destroy(&text);
        buffer_destroy(&message);
    }
}

static int check_text(const uint8_t *text, size_t size) {
    struct buffer message = {0};
    assert_int_equal(view_put_bytes(&message, field_named(all, "a_string"), bytes_of(text, size)), 0);
    int rc = view_check(all, buffer_bytes(&message), NULL, NULL);
    buffer_destroy(&message);
    return rc;
}

// Texts are tested in pieces of several sizes; no byte may fall between them.
static void bad_text_is_found_everywhere(void **state) {
    (void)state;
    static const char *const characters[] = {"\xc3\xa9", "\xe5\x8c\xba", "\xf0\x9f\x98\x80"};
    for (size_t size = 1; size < 70; size++)
        for (size_t at = 0; at < size; at++) {
            uint8_t text[70];
            memset(text, 'a', sizeof text);
            text[at] = 0x80;
            assert_int_equal(check_text(text, size), VIEW_REFUSED);
            for (size_t i = 0; i < 3; i++) {
                size_t whole = strlen(characters[i]), room = size - at;
                memset(text, 'a', sizeof text);
                memcpy(text + at, characters[i], room < whole ? room : whole);
                assert_int_equal(check_text(text, size), room < whole ? VIEW_REFUSED : 0);
            }
        }
}

static void required_fields_are_asked_of_the_merged_message(void **state) {
    (void)state;
    struct error error = {0};
    refuse(legacy, "08 01 42 02 10 01", "at part.key: this field is required");
    refuse(legacy, "08 01 42 07 0a 01 'k' 1a 02 10 01", "at part.part.key");
    refuse(legacy, "08 01 4a 03 0a 01 'k' 4a 00", "at parts.key");
    refuse(legacy, "08 01 52 04 0a 01 'm' 12 00", "length");
    refuse(legacy, "08 01 52 05 0a 01 'm' 12 00", "at by_name.value.key");
    refuse(legacy, "08 01 62 00", "at choice_part.key");
    static const char *const right[] = {"08 01 42 02 10 01 42 03 0a 01 'k'", // in two pieces
        "08 01 62 00 5a 01 'x'", // another member of the oneof came
        "42 03 0a 01 'k' 08 01"};
    for (size_t i = 0; i < 3; i++) {
        struct buffer message = {0};
        put_hex(&message, right[i]);
        if (view_check(legacy, buffer_bytes(&message), NULL, &error) != 0)
            fail_msg("%s", error.text);
        buffer_destroy(&message);
    }
}

static struct buffer nested(size_t depth) {
    struct buffer inner = {0};
    const struct schema_message *type = type_named("test.three.Inner");
    for (size_t i = 0; i < depth; i++) {
        struct buffer outer = {0};
        put_message(&outer, i + 1 < depth ? type : all, "inner", &inner);
        buffer_destroy(&inner);
        inner = outer;
    }
    return inner;
}

static void limits_hold(void **state) {
    (void)state;
    struct error error = {0};
    struct buffer message = nested(64);
    assert_int_equal(view_check(all, buffer_bytes(&message), NULL, &error), 0);
    buffer_destroy(&message);
    message = nested(65);
    assert_int_equal(view_check(all, buffer_bytes(&message), NULL, &error), VIEW_REFUSED);
    assert_non_null(strstr(error.text, "nested too deep"));
    buffer_destroy(&message);
    for (int i = 0; i < 65; i++) // unknown groups count too
        put_hex(&message, "c305");
    assert_int_equal(view_check(all, buffer_bytes(&message), NULL, &error), VIEW_REFUSED);
    assert_non_null(strstr(error.text, "nested too deep"));
    buffer_clear(&message);
    put_hex(&message, "28 01 28 01 9a02 02 01 01");
    struct view_limits limits = {.bytes = 100, .depth = 4, .elements = 5};
    assert_int_equal(view_check(all, buffer_bytes(&message), &limits, &error), 0);
    limits.elements = 4;
    assert_int_equal(view_check(all, buffer_bytes(&message), &limits, &error), VIEW_REFUSED);
    limits.elements = 2;
    assert_int_equal(view_check(all, buffer_bytes(&message), &limits, &error), VIEW_REFUSED);
    limits = (struct view_limits){.bytes = 8, .depth = 4, .elements = 5};
    assert_int_equal(view_check(all, buffer_bytes(&message), &limits, &error), VIEW_REFUSED);
    assert_non_null(strstr(error.text, "has 9 bytes; at most 8"));
    buffer_destroy(&message);
    assert_int_equal(view_check(all, (struct bytes){0}, NULL, &error), 0);
}

static void writing_holds_ranges(void **state) {
    (void)state;
    struct buffer out = {0};
    assert_int_equal(view_put_int(&out, field_named(all, "an_int32"), INT32_MAX + 1LL), -ERANGE);
    assert_int_equal(view_put_int(&out, field_named(all, "a_sint32"), INT32_MIN - 1LL), -ERANGE);
    assert_int_equal(view_put_int(&out, field_named(all, "a_uint32"), -1), -ERANGE);
    assert_int_equal(view_put_uint(&out, field_named(all, "a_uint32"), 1ULL << 32), -ERANGE);
    assert_int_equal(view_put_uint(&out, field_named(all, "an_int64"), UINT64_MAX), -ERANGE);
    assert_int_equal(view_put_int(&out, field_named(all, "a_string"), 1), -EINVAL);
    assert_int_equal(view_put_double(&out, field_named(all, "a_string"), 1), -EINVAL);
    assert_int_equal(view_put_bytes(&out, field_named(all, "an_int32"), bytes_of("a", 1)), -EINVAL);
    assert_int_equal(out.size, 0);
    out.limit = 4;
    assert_int_equal(view_put_bytes(&out, field_named(all, "a_string"), bytes_of("abc", 3)), -EMSGSIZE);
    assert_int_equal(out.size, 0);
    assert_int_equal(view_put_bytes(&out, field_named(all, "a_string"), bytes_of("ab", 2)), 0);
    buffer_destroy(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_bytes_are_refused),
        cmocka_unit_test(bad_text_is_refused),
        cmocka_unit_test(bad_text_is_found_everywhere),
        cmocka_unit_test(required_fields_are_asked_of_the_merged_message),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(writing_holds_ranges),
    };
    return cmocka_run_group_tests(tests, setup, free_testdata);
}
