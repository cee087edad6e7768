// Texts of JSON, which are read and written many bytes at a time: each byte at each place.
#include "core/schema/json.h"
#include "core/schema/json_text.h"
#include "core/schema/testing.h"

#include <stdio.h>

static const struct schema_message *all;

static int setup(void **state) {
    int rc = load_testdata(state);
    if (rc == 0)
        all = type_named("test.three.All");
    return rc;
}

static void put_raw_text(struct buffer *out, const char *text) {
    assert_int_equal(buffer_append_string(out, text), 0);
}

// As the text stands in JSON, byte by byte.
static void put_plainly(struct buffer *out, struct bytes text) {
    static const char shorts[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    put_raw_text(out, "\"");
    for (size_t i = 0; i < text.size; i++) {
        char c = (char)text.data[i];
        const char *known = NULL;
        for (size_t k = 0; k + 1 < sizeof shorts; k += 2)
            known = shorts[k] == c ? &shorts[k + 1] : known;
        if (known)
            assert_int_equal(buffer_append_format(out, "\\%c", *known), 0);
        else
            assert_int_equal(buffer_append_format(out, c < 0x20 || c == 0x7f ? "\\u%04x" : "%c", c), 0);
    }
    put_raw_text(out, "\"");
}

static void check_text(struct bytes text) {
    struct buffer plain = {0}, written = {0}, json = {0}, expected = {0};
    put_plainly(&plain, text);
    assert_int_equal(json_put_string(&written, text), 0);
    assert_true(bytes_equal(buffer_bytes(&written), buffer_bytes(&plain)));
    assert_int_equal(buffer_append_format(&json, "{\"aString\":%s}", buffer_text(&plain)), 0);
    struct buffer message = {0};
    assert_int_equal(json_to_message(all, buffer_bytes(&json), &message, NULL), 0);
    assert_int_equal(
        view_put_bytes(&expected, schema_field_named(all, bytes_of_string("a_string")), text), 0);
    assert_true(bytes_equal(buffer_bytes(&message), buffer_bytes(&expected)));
    struct buffer *const used[] = {&plain, &written, &json, &expected, &message};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++)
        buffer_destroy(used[i]);
}

// Whatever is read many bytes at a time.
static void each_byte_counts_at_each_place(void **state) {
    (void)state;
    uint8_t text[40];
    for (uint8_t c = 0; c < 0x80; c++)
        for (size_t size = 1; size <= sizeof text; size++)
            for (size_t place = 0; place < size; place += size > 20 ? 3 : 1) {
                memset(text, 'x', sizeof text);
                text[place] = c;
                check_text(bytes_of(text, size));
            }
}

static void control_characters_are_refused_where_they_are(void **state) {
    (void)state;
    char json[64], why[64];
    struct buffer out = {0};
    struct error error = {0};
    for (int place = 0; place < 40; place++) {
        snprintf(json, sizeof json, "{\"aString\":\"%.*s\x1fzzzzzzzzzz", place,
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
        snprintf(why, sizeof why, "at a_string, line 1, column %d: a control character", place + 13);
        assert_int_equal(json_to_message(all, bytes_of_string(json), &out, &error), VIEW_REFUSED);
        if (!strstr(error.text, why))
            fail_msg("%s: expected \"%s\", got \"%s\"", json, why, error.text);
    }
    buffer_destroy(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_byte_counts_at_each_place),
        cmocka_unit_test(control_characters_are_refused_where_they_are),
    };
    return cmocka_run_group_tests(tests, setup, free_testdata);
}
