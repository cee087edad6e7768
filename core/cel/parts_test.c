#include "core/cel/cel_testing.h"
#include "core/cel/parts.h"
#include "test/support/alloc_fail.h"

#include <errno.h>

struct told {
    const char *source;
    struct buffer text;
    int rc;
};

static void tell_read(struct told *told, const struct cel_read *read) {
    struct cel_value value;
    struct error error;
    int rc = cel_eval(read->program, world.activation, &value, &error);
    if (rc == CEL_FAILED)
        return;
    rc = rc ? rc : buffer_append_format(&told->text, "; %.*s is ", BYTES_ARGS(read->text));
    rc = rc ? rc : cel_value_show(&value, cel_program_type(read->program), world.activation, &told->text);
    told->rc = told->rc ? told->rc : rc;
}

static void tell(void *context, const struct cel_part *part, const struct error *error) {
    struct told *told = context;
    int rc = buffer_append_format(&told->text, "%s<%.*s>%s%s", told->text.size ? "\n" : "", (int)part->length,
        told->source + part->offset, error ? " failed: " : "", error ? error->text : "");
    told->rc = told->rc ? told->rc : rc;
    for (size_t i = 0; i < part->read_count && told->rc == 0; i++)
        tell_read(told, &part->reads[i]);
}

static int explain(const char *source, struct told *told) {
    struct cel_parts *parts = NULL;
    *told = (struct told){.source = source};
    int rc = cel_parts_new(world.env, bytes_of_string(source), &parts);
    assert_int_equal(rc == 0, parts != NULL);
    if (rc == 0) {
        world_activate();
        rc = cel_parts_blame(parts, world.activation, tell, told);
    }
    cel_parts_destroy(&parts);
    return rc ? rc : told->rc;
}

static const struct {
    const char *source;
    const char *blamed;
} cases[] = {
    {"msg.a_bool", ""},
    {"msg.a_bool || 1 / n == 0", ""},
    {"msg.a_string.startsWith('3301') && msg.kind != Kind.KIND_VISIT && n == 1",
        "<msg.kind != Kind.KIND_VISIT>; msg.kind is KIND_VISIT (1)"},
    {"n == 1 || (id == '1' || msg.a_string == \"汉\")",
        "<n == 1>; n is 42\n<id == '1'>; id is \"330106\"\n<msg.a_string == \"汉\">; msg.a_string is "
        "\"330106\""},
    {"n == 42 && (n == 1 || id == '2' && n == 3)", "<n == 1>; n is 42\n<id == '2'>; id is \"330106\""},
    {"!(n == 42)", "<!(n == 42)>; n is 42"},
    {"msg.a_bool ? n < 3 : n > 3", "<msg.a_bool ? n < 3 : n > 3>; msg.a_bool is true; n is 42"},
    {"has(msg.maybe_int32)", "<has(msg.maybe_int32)>; has(msg.maybe_int32) is false"},
    {"msg.int32s.exists(x, x > n)", "<msg.int32s.exists(x, x > n)>; msg.int32s is [1, 2, 3]; n is 42"},
    {"size(msg.strings) > 2 && n == 1", "<size(msg.strings) > 2>; msg.strings is [\"p\", \"q\"]; "
                                        "size(msg.strings) is 2"},
    {"codes('relation', id) == '10'",
        "<codes('relation', id) == '10'> failed: unmapped code \"330106\" in map relation; id is \"330106\""},
    {"n == 42 && 1 / (n - 42) == 1", "<1 / (n - 42) == 1> failed: division by zero; n is 42"},
    {"known.timestamp < timestamp('2020-01-01T00:00:00Z')",
        "<known.timestamp < timestamp('2020-01-01T00:00:00Z')>; known.timestamp is "
        "timestamp(\"2023-11-14T22:13:20.000000005Z\")"},
    {"msg.inner.tags == [] && true", "<msg.inner.tags == []>; msg.inner.tags is [\"a\", \"b\"]"},
    {"msg.names.size() == 2 || msg.by_number[1].name == 'm'",
        "<msg.names.size() == 2>; msg.names is {\"k\": \"v\"}; msg.names.size() is 1\n<msg.by_number[1].name "
        "== 'm'>; msg.by_number is {1: {\"name\":\"n\"}}"},
    {"msg.inners.size() == 3", "<msg.inners.size() == 3>; msg.inners is [{}, {\"number\":\"7\"}]; "
                               "msg.inners.size() is 2"},
    {"cel.bind(id, msg.a_string, id == 'x')", "<cel.bind(id, msg.a_string, id == 'x')>; msg.a_string is "
                                              "\"330106\""},
    {"msg.int32s.exists(n, id, n + id > 99)",
        "<msg.int32s.exists(n, id, n + id > 99)>; msg.int32s is [1, 2, 3]"},
    {"[1].exists(id, msg.a_bool && id > 3)", "<[1].exists(id, msg.a_bool && id > 3)>; msg.a_bool is true"},
};

static void test_blame(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct told told;
        assert_int_equal(explain(cases[i].source, &told), 0);
        assert_string_equal(told.text.size ? buffer_text(&told.text) : "", cases[i].blamed);
        buffer_destroy(&told.text);
    }
}

static void test_long_values_are_cut(void **state) {
    (void)state;
    struct told told;
    const char *source = "msg.int32s.map(x, x + n).filter(x, true) == [1,2,3,4,5,6,7,8,9,10,11].map(x, x)";
    assert_int_equal(explain(source, &told), 0);
    assert_non_null(strstr(buffer_text(&told.text), "msg.int32s is [1, 2, 3]"));
    buffer_destroy(&told.text);
    struct buffer out = {0};
    char text[400];
    memset(text, 'x', sizeof text);
    for (size_t i = 0; i < 3; i++)
        text[118 + i] = "汉"[i];
    const struct cel_value value = {.kind = CEL_STRING, .bytes = bytes_of(text, sizeof text)};
    assert_int_equal(cel_value_show(&value, NULL, world.activation, &out), 0);
    assert_int_equal(out.size, 120 + strlen("… (400 bytes)")); // 118 letters in quotes: no half character
    buffer_destroy(&out);
}

static void test_refused(void **state) {
    (void)state;
    struct cel_parts *parts = NULL;
    assert_int_equal(cel_parts_new(world.env, bytes_of_string("msg.nothing == 1"), &parts), CEL_REFUSED);
    assert_int_equal(cel_parts_new(world.env, bytes_of_string("n == 1 &&"), &parts), CEL_REFUSED);
    assert_int_equal(cel_parts_new(world.env, bytes_of_string(""), &parts), CEL_REFUSED);
    assert_null(parts);
}

static void test_without_memory(void **state) {
    (void)state;
    const char *source =
        "n == 42 && (msg.a_string == 'x' || msg.inners.size() == 3 || msg.names['z'] == 'q')";
    int rc = -ENOMEM;
    for (size_t n = 0; rc == -ENOMEM; n++) {
        struct told told;
        alloc_fail_after(n);
        struct cel_parts *parts = NULL;
        rc = cel_parts_new(world.env, bytes_of_string(source), &parts);
        alloc_fail_never();
        assert_int_equal(rc == 0, parts != NULL);
        if (rc == 0) {
            world_activate();
            told = (struct told){.source = source};
            assert_int_equal(cel_parts_blame(parts, world.activation, tell, &told), 0);
            buffer_destroy(&told.text);
        }
        cel_parts_destroy(&parts);
        assert_true(n < 2000);
    }
    assert_int_equal(rc, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blame),
        cmocka_unit_test(test_long_values_are_cut),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, world_build, world_destroy);
}
