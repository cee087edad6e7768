// Every kind of field: what it takes, what it makes of it, and what is refused, with the place.
#include "core/mapping/testing.h"

static void test_scalars(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"a_string: msg.a_string", "{\"aString\":\"330106\"}"},
        {"a_string: \"'x' + msg.a_string\"", "{\"aString\":\"x330106\"}"},
        {"a_string: \"''\"", "{}"},
        {"maybe_string: \"''\"", "{\"maybeString\":\"\"}"},
        {"a_bytes: bytes(msg.inner.name)", "{\"aBytes\":\"eA==\"}"},
        {"a_bool: size(msg.strings) == 2", "{\"aBool\":true}"},
        {"a_bool: 'false'", "{}"},
        {"maybe_bool: 'false'", "{\"maybeBool\":false}"},
        {"an_int32: 2147483647", "{\"anInt32\":2147483647}"},
        {"an_int32: -2147483648", "{\"anInt32\":-2147483648}"},
        {"an_int32: 2147483648", "an_int32: 2147483648 doesn't fit test.three.All.an_int32"},
        {"a_sint32: -5", "{\"aSint32\":-5}"},
        {"a_sint32: -2147483649", "a_sint32: -2147483649 doesn't fit"},
        {"a_sfixed32: -7", "{\"aSfixed32\":-7}"},
        {"a_uint32: 7", "{\"aUint32\":7}"},
        {"a_uint32: 4294967295u", "{\"aUint32\":4294967295}"},
        {"a_uint32: 4294967296u", "a_uint32: 4294967296 doesn't fit"},
        {"a_uint32: -1", "a_uint32: -1 doesn't fit"},
        {"a_fixed32: 1u", "{\"aFixed32\":1}"},
        {"an_int64: 9223372036854775808u", "an_int64: 9223372036854775808 doesn't fit"},
        {"an_int64: msg.an_int64", "{\"anInt64\":\"-1\"}"},
        {"a_uint64: 18446744073709551615u", "{\"aUint64\":\"18446744073709551615\"}"},
        {"a_uint64: msg.an_int64", "a_uint64: -1 doesn't fit"},
        {"a_fixed64: 3", "{\"aFixed64\":\"3\"}"},
        {"a_sfixed64: -3", "{\"aSfixed64\":\"-3\"}"},
        {"a_sint64: -3", "{\"aSint64\":\"-3\"}"},
        {"a_double: msg.a_double", "{\"aDouble\":0.5}"},
        {"a_float: 1.5", "{\"aFloat\":1.5}"},
        {"a_double: double(size(msg.strings))", "{\"aDouble\":2}"},
        {"maybe_int32: 0", "{\"maybeInt32\":0}"},
        {"maybe_int32: msg.maybe_int32", "{}"},
        {"a_string: msg.maybe_string", "{}"},
        {"maybe_string: 'null'", "{}"},
        {"a_string: dyn(msg.a_string)", "{\"aString\":\"330106\"}"},
        {"a_string: dyn(1)", "a_string: a value of kind int doesn't fit test.three.All.a_string"},
        {"a_string: codes(\"relation\", \"01\")", "{\"aString\":\"10\"}"},
        {"a_string: codes(\"relation\", msg.a_string)", "a_string: unmapped code"},
        {"an_int32: 1 / (size(msg.strings) - 2)", "an_int32: "},
    };
    EXPECT("test.three.All", rows);
}

static void test_enums(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"kind: msg.kind", "{\"kind\":\"KIND_VISIT\"}"},
        {"kind: Kind.KIND_MOVE", "{\"kind\":\"KIND_MOVE\"}"},
        {"kind: '\"KIND_MOVE\"'", "{\"kind\":\"KIND_MOVE\"}"},
        {"kind: \"'KIND_LOSS'\"", "{\"kind\":\"KIND_LOSS\"}"},
        {"kind: \"'KIND_UNSPECIFIED'\"", "{}"},
        {"kind: 2", "{\"kind\":\"KIND_MOVE\"}"},
        {"kind: msg.an_int64", "{\"kind\":\"KIND_LOSS\"}"},
        {"kind: 4294967296", "kind: 4294967296 doesn't fit"},
        {"choice_kind: \"'KIND_UNSPECIFIED'\"", "{\"choiceKind\":\"KIND_UNSPECIFIED\"}"},
        {"an_int32: msg.kind", "{\"anInt32\":1}"},
        {"kinds: '[Kind.KIND_MOVE, msg.kind]'", "{\"kinds\":[\"KIND_MOVE\",\"KIND_VISIT\"]}"},
        {"kind: \"'KIND_MOV'\"",
            "m.yaml:1:9: error: test.three.Kind has no value \"KIND_MOV\"; did you mean \"KIND_MOVE\"?"},
        {"kind: msg.a_string",
            "m.yaml:1:7: error: test.three.All.kind takes test.three.Kind, but this is string"},
        {"kind: msg.alias",
            "m.yaml:1:7: error: test.three.All.kind takes test.three.Kind, but this is test.three.Alias"},
    };
    EXPECT("test.three.All", rows);
}

static void test_messages(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"inner: msg.inner", "{\"inner\":{\"name\":\"x\",\"tags\":[\"a\",\"b\"]}}"},
        {"inner: msg.inner.inner", "{}"},
        {"inner: msg.inners[1]", "{\"inner\":{\"number\":\"7\"}}"},
        {"inner: { name: msg.a_string, number: size(msg.int32s) }",
            "{\"inner\":{\"name\":\"330106\",\"number\":\"3\"}}"},
        {"inner:\n  inner:\n    inner: { name: msg.a_string }",
            "{\"inner\":{\"inner\":{\"inner\":{\"name\":\"330106\"}}}}"},
        {"inner: { name: msg.inner.inner.name }", "{}"},
        {"inner: { inner: { number: 1 / 0 } }", "inner.inner.number: "},
        {"inners: msg.inners", "{\"inners\":[{},{\"number\":\"7\"}]}"},
        {"inners: msg.inners.filter(i, i.number > 0)", "{\"inners\":[{\"number\":\"7\"}]}"},
        {"inners: '[msg.inner]'", "{\"inners\":[{\"name\":\"x\",\"tags\":[\"a\",\"b\"]}]}"},
        {"choice_inner: msg.inner", "{\"choiceInner\":{\"name\":\"x\",\"tags\":[\"a\",\"b\"]}}"},
        {"inner: msg.a_string",
            "m.yaml:1:8: error: test.three.All.inner takes test.three.Inner, but this is string"},
        {"inner: msg", "m.yaml:1:8: error: "},
        {"inner: { nam: msg.a_string }",
            "m.yaml:1:10: error: test.three.Inner has no field \"nam\"; did you mean \"name\"?"},
        {"inners: { name: msg.a_string }", "m.yaml:1:9: error: inners is a list"},
        {"a_string: { a: msg.a_string }", "m.yaml:1:11: error: a_string is no message"},
        {"choice_string: msg.a_string\nchoice_int32: 1",
            "m.yaml:2:1: error: another field of the same oneof"},
    };
    EXPECT("test.three.All", rows);
}

static void test_repeated(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"int32s: msg.int32s", "{\"int32s\":[1,2,3]}"},
        {"int32s: msg.int32s.map(x, x * 2)", "{\"int32s\":[2,4,6]}"},
        {"loose_int32s: msg.int32s", "{\"looseInt32s\":[1,2,3]}"},
        {"int32s: '[]'", "{}"},
        {"int32s: '[1, 2147483648]'", "int32s: 2147483648 doesn't fit"},
        {"sint32s: '[-1, 0]'", "{\"sint32s\":[-1,0]}"},
        {"doubles: '[0.5, 0.0]'", "{\"doubles\":[0.5,0]}"},
        {"bools: '[true, false]'", "{\"bools\":[true,false]}"},
        {"strings: msg.strings + ['']", "{\"strings\":[\"p\",\"q\",\"\"]}"},
        {"bytess: \"[b'x']\"", "{\"bytess\":[\"eA==\"]}"},
        {"strings: msg.names.map(k, msg.names[k])", "{\"strings\":[\"v\"]}"},
        {"strings: msg.int32s.map(x, string(x))", "{\"strings\":[\"1\",\"2\",\"3\"]}"},
        {"names: msg.names", "{\"names\":{\"k\":\"v\"}}"},
        {"names: '{\"a\": msg.a_string}'", "{\"names\":{\"a\":\"330106\"}}"},
        {"by_number: msg.by_number", "{\"byNumber\":{\"1\":{\"name\":\"n\"}}}"},
        {"by_bool: '{true: Kind.KIND_MOVE}'", "{\"byBool\":{\"true\":\"KIND_MOVE\"}}"},
        {"int32s: msg.a_string",
            "m.yaml:1:9: error: test.three.All.int32s takes list(int or uint), but this is string"},
        {"int32s: msg.strings",
            "m.yaml:1:9: error: test.three.All.int32s takes list(int or uint), but this is list(string)"},
        {"a_string: msg.strings",
            "m.yaml:1:11: error: test.three.All.a_string takes string, but this is list(string)"},
        {"names: msg.by_number",
            "m.yaml:1:8: error: test.three.All.names takes map(string, string), but this is map("},
    };
    EXPECT("test.three.All", rows);
}

static void test_known(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"timestamp: known.timestamp", "{\"timestamp\":\"2023-11-14T22:13:20.000000005Z\"}"},
        {"timestamp: timestamp(\"1970-01-01T00:00:00Z\")", "{\"timestamp\":\"1970-01-01T00:00:00Z\"}"},
        {"duration: known.duration + duration(\"500ms\")", "{\"duration\":\"90.500s\"}"},
        {"duration: duration(\"-1.5s\")", "{\"duration\":\"-1.500s\"}"},
        {"timestamps: '[known.timestamp]'", "{\"timestamps\":[\"2023-11-14T22:13:20.000000005Z\"]}"},
        {"int32_value: known.int32_value", "{\"int32Value\":7}"},
        {"int32_value: known.int64_value", "{}"},
        {"int32_value: 0", "{\"int32Value\":0}"},
        {"int32_value: 2147483648", "int32_value: 2147483648 doesn't fit"},
        {"string_value: msg.a_string", "{\"stringValue\":\"330106\"}"},
        {"string_value: known.string_value", "{\"stringValue\":\"\"}"},
        {"bool_value: msg.a_bool", "{\"boolValue\":true}"},
        {"uint64_value: 5u", "{\"uint64Value\":\"5\"}"},
        {"double_value: 0.5", "{\"doubleValue\":0.5}"},
        {"bytes_value: \"b'x'\"", "{\"bytesValue\":\"eA==\"}"},
        {"struct: known.struct", "{}"},
        {"value: known.value", "{}"},
        {"any: known.any", "{}"},
        {"any: known.timestamp",
            "{\"any\":{\"@type\":\"type.googleapis.com/google.protobuf.Timestamp\",\"value\":"
            "\"2023-11-14T22:13:20.000000005Z\"}}"},
        {"any: '[1, \"a\"]'",
            "{\"any\":{\"@type\":\"type.googleapis.com/google.protobuf.ListValue\",\"value\":[1,\"a\"]}}"},
        {"timestamp: msg.a_string",
            "m.yaml:1:12: error: test.three.Known.timestamp takes timestamp, but this is string"},
        {"timestamp: known.duration",
            "m.yaml:1:12: error: test.three.Known.timestamp takes timestamp, but this is duration"},
        {"timestamp: { seconds: '1' }", "m.yaml:1:12: error: timestamp is no message"},
        {"string_value: 1",
            "m.yaml:1:15: error: test.three.Known.string_value takes string, but this is int"},
    };
    EXPECT("test.three.Known", rows);
}

static void test_places(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"a_string: msg.a_strin", "m.yaml:1:15: error: "},
        {"a_string: \"'\\u6c49' + mgs.a\"", "m.yaml:1:23: error: "},
        {"a_string: '''汉字'' + mgs.a'", "m.yaml:1:21: error: "},
        {"a_string: >\n  msg.a_string +\n  mgs.a_string\n", "m.yaml:3:3: error: "},
        {"a_string: [1]", "m.yaml:1:11: error: expected an expression"},
        {"a_string:", "m.yaml:1:"},
        {"a_strin: msg.a_string", "m.yaml:1:1: error: test.three.All has no field \"a_strin\"; did you mean"},
        {"xyz: msg.a_string", "m.yaml:1:1: error: test.three.All has no field \"xyz\""},
        {"a_string: msg.a_double",
            "m.yaml:1:11: error: test.three.All.a_string takes string, but this is double"},
        {"[]", "m.yaml:1:1: error: expected a mapping"},
    };
    EXPECT("test.three.All", rows);
}

static void test_required(void **state) {
    (void)state;
    for (size_t i = 0; i < catalogue_message_count(catalogue); i++) {
        const struct schema_message *type = catalogue_message_at(catalogue, i);
        const struct schema_field *required = NULL;
        const struct schema_field *other = NULL;
        for (size_t f = 0; f < type->field_count; f++)
            *(type->fields[f].required ? &required : &other) = &type->fields[f];
        if (!required || !other || other->kind == SCHEMA_MESSAGE || other->repeated)
            continue;
        char yaml[128];
        snprintf(yaml, sizeof yaml, "%s: dyn(1)", other->name);
        assert_non_null(strstr(mapped(type->full_name, yaml), "is required, but not mapped"));
    }
}

static void nothing_is_written_on_failure(void **state) {
    (void)state;
    struct report *report = report_new(0);
    struct config_file *file = config_parse("m.yaml",
        bytes_of_string("a_string: msg.a_string\ninner: { name: msg.a_string, number: 1 / 0 }\n"), NULL,
        report);
    struct mapping *mapping = mapping_load(config_root(file), type_named("test.three.All"), env, report);
    struct buffer out = {0};
    struct error error = {0};
    assert_int_equal(buffer_append_string(&out, "before"), 0);
    assert_int_equal(run(mapping, &out, &error), MAPPING_REFUSED);
    assert_int_equal(out.size, 6);
    assert_int_equal(strncmp(error.text, "inner.number: ", 14), 0);
    out.limit = 10;
    assert_int_equal(run(mapping, &out, NULL), MAPPING_REFUSED);
    buffer_destroy(&out);
    mapping_destroy(&mapping);
    config_destroy(&file);
    report_destroy(&report);
}

static void too_large_is_refused(void **state) {
    (void)state;
    struct report *report = report_new(0);
    struct config_file *file = config_parse(
        "m.yaml", bytes_of_string("inner: { name: msg.a_string + msg.a_string }\n"), NULL, report);
    struct mapping *mapping = mapping_load(config_root(file), type_named("test.three.All"), env, report);
    for (size_t limit = 1; limit < 17; limit++) {
        struct buffer out = {.limit = limit};
        struct error error = {0};
        int rc = run(mapping, &out, &error);
        assert_int_equal(rc, limit < 16 ? MAPPING_REFUSED : 0);
        assert_int_equal(out.size, limit < 16 ? 0 : 16);
        assert_true(rc == 0 || strstr(error.text, "larger"));
        buffer_destroy(&out);
    }
    mapping_destroy(&mapping);
    config_destroy(&file);
    report_destroy(&report);
}

static void collect(void *context, const char *path, const struct config_node *at) {
    struct buffer *out = context;
    assert_non_null(at);
    assert_int_equal(buffer_append_format(out, "%s ", path), 0);
}

static void fields_are_told(void **state) {
    (void)state;
    struct report *report = report_new(0);
    struct config_file *file = config_parse("m.yaml",
        bytes_of_string(
            "inner: { inner: { name: \"'x'\" }, number: 1 }\na_string: \"'x'\"\nkind: 1\n"
            "inners: { for: i, in: msg.inners, map: { name: i.name } }\nnames: { a: msg.a_string }\n"
            "choice_inner: { tags: [msg.a_string, msg.a_string] }\n"),
        NULL, report);
    struct mapping *mapping = mapping_load(config_root(file), type_named("test.three.All"), env, report);
    struct buffer out = {0};
    mapping_each_field(mapping, collect, &out);
    assert_string_equal(buffer_text(&out),
        "a_string inner.number inner.inner.name kind inners.name choice_inner.tags choice_inner.tags names ");
    assert_ptr_equal(mapping_target(mapping), type_named("test.three.All"));
    buffer_destroy(&out);
    mapping_destroy(&mapping);
    config_destroy(&file);
    report_destroy(&report);
}

// Expressions of a wanted kind.
static void expressions_have_a_kind(void **state) {
    (void)state;
    static const struct {
        const char *source;
        enum cel_kind want;
        const char *problem; // NULL: fine
    } rows[] = {
        {"msg.a_bool", CEL_BOOL, NULL},
        {"msg.a_string", CEL_DYN, NULL},
        {"msg.kind", CEL_INT, NULL},
        {"dyn(1)", CEL_STRING, NULL},
        {"msg.a_string", CEL_BOOL, "1:4: error: this is string, but bool is needed here"},
        {"1 +", CEL_BOOL, "1:7: error: "},
        {"[msg.a_string]", CEL_BOOL, "1:4: error: expected an expression"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct report *report = report_new(0);
        char yaml[128];
        snprintf(yaml, sizeof yaml, "e: %s\n", rows[i].source);
        struct config_file *file = config_parse("m.yaml", bytes_of_string(yaml), NULL, report);
        struct cel_program *program =
            mapping_expression(config_get(config_root(file), "e"), env, rows[i].want, report);
        assert_int_equal(program == NULL, rows[i].problem != NULL);
        buffer_clear(&text);
        report_print(report, &text);
        assert_true(!rows[i].problem || strstr(buffer_text(&text), rows[i].problem));
        cel_program_destroy(&program);
        config_destroy(&file);
        report_destroy(&report);
    }
}

static void run_may_lack_memory(void **state) {
    (void)state;
    struct report *report = report_new(0);
    struct config_file *file = config_parse("m.yaml",
        bytes_of_string(
            "a_string: msg.a_string + 'x'\ninners: msg.inners.filter(i, i.number > 0)\nnames: msg.names\n"
            "inner: { name: string(msg.an_int64) }\nint32s: [1, size(msg.int32s)]\n"
            "by_number: { 1: { name: string(msg.an_int64) } }\n"
            "strings: { for: s, in: msg.strings, map: s + s }\n"),
        NULL, report);
    struct mapping *mapping = mapping_load(config_root(file), type_named("test.three.All"), env, report);
    struct scan *scan = scan_new(paths[0]);
    struct error error;
    assert_int_equal(scan_run(scan, bytes_of(message_all, sizeof message_all), false, &error), 0);
    int rc = -ENOMEM;
    for (size_t n = 0; rc != 0; n++) {
        struct cel_activation *activation = cel_activation_new(env);
        struct buffer out = {0};
        cel_activation_set_scan(activation, 0, scan);
        alloc_fail_after(n);
        rc = mapping_run(mapping, activation, &out, NULL, &error);
        alloc_fail_never();
        assert_true(rc == 0 || (rc == -ENOMEM && out.size == 0));
        assert_true(n < 1000);
        cel_activation_destroy(&activation);
        buffer_destroy(&out);
    }
    scan_destroy(&scan);
    mapping_destroy(&mapping);
    config_destroy(&file);
    report_destroy(&report);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scalars),
        cmocka_unit_test(test_enums),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_repeated),
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_required),
        cmocka_unit_test(nothing_is_written_on_failure),
        cmocka_unit_test(too_large_is_refused),
        cmocka_unit_test(fields_are_told),
        cmocka_unit_test(expressions_have_a_kind),
        cmocka_unit_test(run_may_lack_memory),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
