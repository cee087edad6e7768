// Lists, maps and whole messages; what must be filled, and what is never guessed.
#include "core/mapping/testing.h"

static void test_written_out_lists(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"strings: [msg.a_string, \"'x'\"]", "{\"strings\":[\"330106\",\"x\"]}"},
        {"strings: [msg.maybe_string, \"''\", 'null']", "{\"strings\":[\"\"]}"}, // absent ones are left out
        {"int32s: [0, 1, size(msg.strings)]", "{\"int32s\":[0,1,2]}"},
        {"int32s: [msg.maybe_int32]", "{}"},
        {"loose_int32s: [0, 1]", "{\"looseInt32s\":[0,1]}"},
        {"int32s: []", "{}"},
        {"kinds: [\"'KIND_MOVE'\", msg.kind]", "{\"kinds\":[\"KIND_MOVE\",\"KIND_VISIT\"]}"},
        {"inners: [{ name: msg.a_string }, msg.inner, { name: \"''\" }]",
            "{\"inners\":[{\"name\":\"330106\"},{\"name\":\"x\",\"tags\":[\"a\",\"b\"]}]}"},
        {"inner: { tags: [msg.a_string] }", "{\"inner\":{\"tags\":[\"330106\"]}}"},
        {"int32s: [1, 2147483648]", "int32s[1]: 2147483648 doesn't fit"},
        {"inners: [{ number: 1 }, { inner: { number: 1 / 0 } }]", "inners[1].inner.number: division by zero"},
        {"strings: [msg.a_string, 1]",
            "m.yaml:1:25: error: test.three.All.strings takes string, but this is int"},
        {"strings: [msg.strings]", "m.yaml:1:11: error: test.three.All.strings takes string, but this is "
                                   "list(string); one element is"},
        {"inners: [{ nam: msg.a_string }]",
            "m.yaml:1:12: error: test.three.Inner has no field \"nam\"; did you mean \"name\"?"},
        {"strings: [{ a: 1 }]", "m.yaml:1:11: error: strings is no message: expected an expression"},
        {"kinds: [\"'KIND_MOV'\"]", "m.yaml:1:11: error: test.three.Kind has no value \"KIND_MOV\"; did you"},
        {"a_string: [msg.a_string]", "m.yaml:1:11: error: expected an expression, not a sequence"},
        {"names: [msg.a_string]", "m.yaml:1:8: error: expected an expression, not a sequence"},
    };
    EXPECT("test.three.All", rows);
}

static void test_lists_of_others(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"inners: { for: i, in: msg.inners, map: { name: string(i.number), number: i.number } }",
            "{\"inners\":[{\"name\":\"0\"},{\"name\":\"7\",\"number\":\"7\"}]}"},
        {"inners: { for: i, in: msg.inners, map: { number: i.number } }",
            "{\"inners\":[{},{\"number\":\"7\"}]}"}, // as many as there are elements
        {"inners: { for: i, in: msg.inners, map: i }", "{\"inners\":[{},{\"number\":\"7\"}]}"},
        {"strings: { for: i, in: msg.int32s, map: string(i) + msg.a_string }",
            "{\"strings\":[\"1330106\",\"2330106\",\"3330106\"]}"},
        {"int32s: { for: i, in: msg.int32s, map: i - 1 }", "{\"int32s\":[0,1,2]}"},
        {"int32s: { for: i, in: 'msg.int32s.filter(x, x > 9)', map: i }", "{}"},
        {"inners: { for: i, in: 'dyn([\"a\", \"b\"])', map: { name: i } }",
            "{\"inners\":[{\"name\":\"a\"},{\"name\":\"b\"}]}"},
        {"inners: { for: i, in: msg.int32s, map: { tags: { for: t, in: msg.strings, map: t + string(i) } } }",
            "{\"inners\":[{\"tags\":[\"p1\",\"q1\"]},{\"tags\":[\"p2\",\"q2\"]},{\"tags\":[\"p3\",\"q3\"]}]"
            "}"},
        {"inners: { for: i, in: msg.int32s, map: { number: 6 / (i - 2) } }",
            "inners[1].number: division by zero"},
        {"int32s: { for: i, in: msg.int32s, map: 2147483645 + i }", "int32s[2]: 2147483648 doesn't fit"},
        {"inners: { for: i, in: dyn(1), map: { number: i } }",
            "inners: a list is needed, and this is a value"},
        {"inners: { for: i, in: 'msg.int32s.map(x, 1 / (x - 1))', map: { number: i } }",
            "inners: division by zero"},
        {"inners: { name: msg.a_string }", "m.yaml:1:9: error: inners is a list: expected an expression, a "
                                           "sequence, or \"for\", \"in\" and \"map\""},
        {"inners: { for: i, in: msg.inners }",
            "m.yaml:1:9: error: a list that is made of another needs \"map\""},
        {"inners: { for: i, in: msg.inners, map: { nam: i.name } }",
            "m.yaml:1:42: error: test.three.Inner has no field \"nam\"; did you mean \"name\"?"},
        {"inners: { for: i, in: msg.inners, map: { name: i.nam } }",
            "m.yaml:1:50: error: test.three.Inner has no field nam"},
        {"inners: { for: i, in: msg.a_string, map: { name: i } }",
            "m.yaml:1:23: error: \"in\" is a list, of which each element is mapped; this is string"},
        {"inners: { for: msg, in: msg.inners, map: { name: i } }",
            "m.yaml:1:16: error: there is a variable \"msg\" already; take another name"},
        {"inners: { for: 'true', in: msg.inners, map: { name: i } }",
            "m.yaml:1:16: error: \"true\" is a word of the language; take another name"},
        {"inners: { for: 1x, in: msg.inners, map: { name: i } }",
            "m.yaml:1:16: error: \"for\" is a name for the element"},
        {"inners: { for: i, in: msg.inners, map: { inner: { for: i, in: msg.inners, map: i } } }",
            "m.yaml:1:51: error: test.three.Inner has no field \"for\""},
    };
    EXPECT("test.three.All", rows);
}

static void test_written_out_maps(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"names: { a: msg.a_string, \"b c\": \"''\" }", "{\"names\":{\"a\":\"330106\",\"b c\":\"\"}}"},
        {"names: { a: msg.maybe_string }", "{}"},
        {"names: {}", "{}"},
        {"by_number: { 1: { name: msg.a_string }, -2: msg.inner }",
            "{\"byNumber\":{\"1\":{\"name\":\"330106\"},\"-2\":{\"name\":\"x\",\"tags\":[\"a\",\"b\"]}}}"},
        {"by_bool: { true: \"'KIND_MOVE'\", false: msg.kind }",
            "{\"byBool\":{\"true\":\"KIND_MOVE\",\"false\":\"KIND_VISIT\"}}"},
        {"by_uint64: { 18446744073709551615: 0.5 }", "{\"byUint64\":{\"18446744073709551615\":0.5}}"},
        {"by_number: { 0: { number: 1 / 0 } }", "by_number[0].number: division by zero"},
        {"names: { k: string(1 / 0) }", "names[\"k\"]: division by zero"},
        {"by_bool: { true: 9 }", "by_bool[true]: test.three.Kind has no value with the number 9"},
        {"names: { a: 1 }",
            "m.yaml:1:13: error: test.three.All.NamesEntry.value takes string, but this is int"},
        {"by_number: { a: { name: msg.a_string } }",
            "m.yaml:1:14: error: a key of by_number is a whole number that fits its type, not \"a\""},
        {"by_number: { 01: msg.inner }", "m.yaml:1:14: error: a key of by_number is a whole number"},
        {"by_number: { 2147483648: msg.inner }", "m.yaml:1:14: error: a key of by_number is a whole number"},
        {"by_uint64: { -1: 0.5 }", "m.yaml:1:14: error: a key of by_uint64 is a whole number"},
        {"by_bool: { yes: msg.kind }", "m.yaml:1:12: error: a key of by_bool is true or false, not \"yes\""},
        {"by_number: { 1: { nam: msg.a_string } }",
            "m.yaml:1:19: error: test.three.Inner has no field \"nam\"; did you mean \"name\"?"},
    };
    EXPECT("test.three.All", rows);
}

// Whatever way a number without a name takes.
static void test_nothing_is_guessed(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"kind: 3", "kind: test.three.Kind has no value with the number 3"},
        {"kinds: '[1, 3]'", "kinds: test.three.Kind has no value with the number 3"},
        {"kinds: ['1', '3']", "kinds[1]: test.three.Kind has no value with the number 3"},
        {"kinds: { for: i, in: msg.int32s, map: i }",
            "kinds[2]: test.three.Kind has no value with the number 3"},
        {"by_bool: '{true: 3}'", "by_bool: test.three.Kind has no value with the number 3"},
        {"choice_kind: 3", "choice_kind: test.three.Kind has no value with the number 3"},
        {"a_float: 1e39", "a_float: 1e+39 doesn't fit test.three.All.a_float"},
        {"a_float: 1.0 / 0.0", "{\"aFloat\":\"Infinity\"}"},
        {"inner: { number: 9223372036854775808u }", "inner.number: 9223372036854775808 doesn't fit"},
        {"strings: ['codes(\"relation\", msg.a_string)']", "strings[0]: unmapped code"},
        {"names: { a: 'codes(\"relation\", msg.a_string)' }", "names[\"a\"]: unmapped code"},
        {"strings: { for: s, in: msg.strings, map: 'codes(\"relation\", s)' }", "strings[0]: unmapped code"},
        {"kind: msg.alias", "m.yaml:1:7: error: test.three.All.kind takes test.three.Kind, but this is "
                            "test.three.Alias; write int(…) where the numbers mean the same"},
        {"kind: int(msg.alias)", "{}"},
    };
    EXPECT("test.three.All", rows);
}

static void test_required_by_option(void **state) {
    (void)state;
#define ALL "number: msg.a_string\ncount: 0\nwho: { name: msg.a_string }\n"
    static const struct row rows[] = {
        {ALL "others: [{ name: \"'a'\" }]\n",
            "{\"number\":\"330106\",\"who\":{\"name\":\"330106\"},\"others\":[{\"name\":\"a\"}]}"},
        {ALL, "m.yaml:1:1: error: test.required.Notice.others is required, but not mapped"},
        {"note: msg.a_string\nwho: msg.a_string\nothers: []\ncount: 0",
            "m.yaml:1:1: error: test.required.Notice.number is required, but not mapped"},
        {"number: msg.a_string\nwho: { name: msg.a_string }\nothers: []\n",
            "m.yaml:1:1: error: test.required.Notice.count is required, but not mapped"},
        {"number: msg.a_string\ncount: 0\nwho: { title: msg.a_string }\nothers: []\n",
            "m.yaml:3:6: error: test.required.Who.name is required, but not mapped"},
        {ALL "others: []\n", "others: this field is required, and nothing fills it"},
        {"number: msg.maybe_string\ncount: 0\nwho: { name: msg.a_string }\nothers: []\n",
            "number: this field is required, and nothing fills it"},
        {"number: \"''\"\ncount: 0\nwho: { name: msg.a_string }\nothers: []\n",
            "number: this field is required, and nothing fills it"},
        {"number: msg.a_string\ncount: 0\nwho: { name: msg.inner.inner.name }\nothers: []\n",
            "who.name: this field is required, and nothing fills it"},
        {ALL "others: { for: i, in: msg.inners, map: { name: i.name } }\n",
            "others[0].name: this field is required, and nothing fills it"},
    };
    EXPECT("test.required.Notice", rows);
    static const struct row legacy[] = {
        {"id: 0", "{\"id\":0}"}, // proto2 tells it from nothing
        {"id: msg.maybe_int32", "id: this field is required, and nothing fills it"},
        {"id: 1\npart: { count: 1 }", "m.yaml:2:7: error: test.two.Part.key is required, but not mapped"},
        {"id: 1\nparts: [{ count: 1 }]", "m.yaml:2:9: error: test.two.Part.key is required, but not mapped"},
        {"id: 1\nby_name: { a: { key: msg.a_string } }",
            "{\"id\":1,\"byName\":{\"a\":{\"key\":\"330106\"}}}"},
        {"id: 1\nclosed: 7", "closed: test.two.Closed has no value with the number 7"},
    };
    EXPECT("test.two.Legacy", legacy);
}

// One expression instead of fields.
static void test_whole_messages(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"msg.inner", "{\"name\":\"x\",\"tags\":[\"a\",\"b\"]}"},
        {"msg.inners[1]", "{\"number\":\"7\"}"},
        {"dyn(msg.inner)", "{\"name\":\"x\",\"tags\":[\"a\",\"b\"]}"},
        {"msg.inner.inner", "there is no test.three.Inner"},
        {"msg.inners[2]", "index out of range"},
        {"dyn(1)", "this is int, and no test.three.Inner"},
        {"msg.a_string", "m.yaml:1:1: error: this is string, but test.three.Inner is needed here; or a "
                         "mapping of its fields"},
        {"msg.inne", "m.yaml:1:5: error: test.three.All has no field inne"},
    };
    EXPECT("test.three.Inner", rows);
}

// Protobuf's older texts, and rows of databases, may hold any bytes.
static void test_bytes_that_are_no_text(void **state) {
    (void)state;
    size_t index;
    struct error error;
    const struct cel_value raw = {.kind = CEL_STRING, .bytes = bytes_of("\xff", 1)};
    struct cel_env *own = cel_env_new(catalogue, NULL, NULL);
    assert_int_equal(cel_env_declare(own, "raw", CEL_STRING, &index), 0);
    struct cel_activation *activation = cel_activation_new(own);
    cel_activation_set(activation, index, &raw);
    static const struct {
        const char *target, *yaml, *text;
    } rows[] = {
        {"test.three.All", "a_string: raw",
            "a_string: the text is not UTF-8, as test.three.All.a_string must be"},
        {"test.three.All", "strings: [raw]", "strings[0]: the text is not UTF-8"},
        {"test.three.All", "names: { a: raw }", "names[\"a\"]: the text is not UTF-8"},
        {"test.three.Known", "string_value: raw", "string_value: the text is not UTF-8"},
        {"test.three.Known", "value: raw", "value: JSON has no text that is not UTF-8"},
        {"test.three.Known", "struct: '{raw: 1}'", "struct: JSON has no text that is not UTF-8"},
        {"test.three.Known", "any: raw", "any: the text is not UTF-8"},
        {"test.three.Known", "any: '[{\"a\": raw}]'", "any: the text is not UTF-8"},
        {"test.three.Known", "any: '{raw: 1}'", "any: the text is not UTF-8"},
        {"test.two.Part", "key: raw", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct report *report = report_new(0);
        struct buffer out = {0};
        struct config_file *file = config_parse("m.yaml", bytes_of_string(rows[i].yaml), NULL, report);
        struct mapping *mapping = mapping_load(config_root(file), type_named(rows[i].target), own, report);
        assert_int_equal(
            mapping_run(mapping, activation, &out, NULL, &error), rows[i].text ? MAPPING_REFUSED : 0);
        assert_true(!rows[i].text || strncmp(error.text, rows[i].text, strlen(rows[i].text)) == 0);
        buffer_destroy(&out);
        mapping_destroy(&mapping);
        config_destroy(&file);
        report_destroy(&report);
    }
    cel_activation_destroy(&activation);
    cel_env_destroy(&own);
}

static void test_json_values(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"struct: '{\"a\": 1, \"b\": [true, \"x\", dyn(null)], \"c\": {\"d\": 0.5}}'",
            "{\"struct\":{\"a\":1,\"b\":[true,\"x\",null],\"c\":{\"d\":0.5}}}"},
        {"struct: '{}'", "{\"struct\":{}}"},
        {"list: '[1, 2u]'", "{\"list\":[1,2]}"},
        {"value: msg.a_string", "{\"value\":\"330106\"}"},
        {"value: 'false'", "{\"value\":false}"},
        {"values: [1, msg.a_string]", "{\"values\":[1,\"330106\"]}"},
        {"values: '[dyn(1), dyn(null)]'", "{\"values\":[1,null]}"},
        {"value: 9007199254740993", "value: JSON has no whole number beyond 2^53"},
        {"value: dyn(known.timestamp)",
            "value: a value of kind timestamp doesn't fit test.three.Known.value"},
        {"value: '[dyn(known.timestamp)]'", "value: JSON has no timestamp"},
        {"value: 1.0 / 0.0", "value: JSON has no number that is infinite or none"},
        {"struct: '{1: 2}'",
            "m.yaml:1:10: error: test.three.Known.struct takes map(string, dyn), but this is map(int"},
        {"struct: 'dyn({1: 2})'", "struct: JSON has no object with a key that is no string"},
        {"value: known.timestamp",
            "m.yaml:1:8: error: test.three.Known.value takes bool, number, string, list or map, but this is "
            "timestamp"},
        {"any: msg.inner", "{\"any\":{\"@type\":\"type.googleapis.com/"
                           "test.three.Inner\",\"name\":\"x\",\"tags\":[\"a\",\"b\"]}}"},
        {"value: '[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]'", // what nobody could read
            "value: lists and maps are nested more than 20 deep"},
        {"struct: { a: msg.a_string }", "m.yaml:1:9: error: struct is no message"},
    };
    EXPECT("test.three.Known", rows);
}

static void test_any(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"anys: [msg.inner, 'true ? null : 1', known.any]",
            "{\"anys\":[{\"@type\":\"type.googleapis.com/"
            "test.three.Inner\",\"name\":\"x\",\"tags\":[\"a\",\"b\"]"
            "}]}"},
        {"anys: { for: i, in: msg.strings, map: i }",
            "{\"anys\":[{\"@type\":\"type.googleapis.com/google.protobuf.StringValue\",\"value\":\"p\"},"
            "{\"@type\":\"type.googleapis.com/google.protobuf.StringValue\",\"value\":\"q\"}]}"},
        {"anys: '[1]'",
            "{\"anys\":[{\"@type\":\"type.googleapis.com/google.protobuf.Int64Value\",\"value\":\"1\"}"
            "]}"},
        {"any_by_name: { a: msg.inner }", "{\"anyByName\":{\"a\":{\"@type\":\"type.googleapis.com/"
                                          "test.three.Inner\",\"name\":\"x\",\"tags\":[\"a\",\"b\"]}}}"},
        {"any_by_name: '{\"a\": true}'", "{\"anyByName\":{\"a\":{\"@type\":\"type.googleapis.com/"
                                         "google.protobuf.BoolValue\",\"value\":true}}}"},
    };
    EXPECT("test.three.Packed", rows);
}

static void a_loop_has_an_end(void **state) {
    (void)state;
    struct report *report = report_new(0);
    struct config_file *file = config_parse(
        "m.yaml", bytes_of_string("inners: { for: i, in: '[1, 2, 3]', map: { number: i } }\n"), NULL, report);
    struct mapping *mapping = mapping_load(config_root(file), type_named("test.three.All"), env, report);
    struct cel_activation *activation = cel_activation_new(env);
    struct buffer out = {0};
    struct error error;
    assert_int_equal(mapping_run(mapping, activation, &out, NULL, &error), 0);
    assert_int_equal(cel_activation_spend(activation, CEL_BUDGET - 5, &error), 0);
    assert_int_equal(mapping_run(mapping, activation, &out, NULL, &error), MAPPING_REFUSED);
    assert_int_equal(strncmp(error.text, "inners[2]: ", 11), 0);
    cel_activation_destroy(&activation);
    buffer_destroy(&out);
    mapping_destroy(&mapping);
    config_destroy(&file);
    report_destroy(&report);
}

// Lists are read off the message when they are written: what is too much then is refused, and no want of
// memory.
static void a_list_that_is_too_much_is_refused(void **state) {
    (void)state;
    static const char *const maps[] = {
        "int32s: msg.int32s\n", "int32s: { for: i, in: msg.int32s, map: i }\n"};
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
        struct report *report = report_new(0);
        struct config_file *file = config_parse("m.yaml", bytes_of_string(maps[i]), NULL, report);
        struct mapping *mapping = mapping_load(config_root(file), type_named("test.three.All"), env, report);
        struct cel_activation *activation = cel_activation_new(env);
        struct scan *scan = scan_new(paths[0]);
        struct buffer out = {0};
        struct error error;
        assert_int_equal(scan_run(scan, bytes_of(message_all, sizeof message_all), false, &error), 0);
        cel_activation_set_scan(activation, 0, scan);
        assert_int_equal(cel_activation_spend(activation, CEL_BUDGET - 2, &error), 0);
        assert_int_equal(mapping_run(mapping, activation, &out, NULL, &error), MAPPING_REFUSED);
        assert_non_null(strstr(error.text, "the expression takes more steps than its limit allows"));
        buffer_destroy(&out);
        scan_destroy(&scan);
        cel_activation_destroy(&activation);
        mapping_destroy(&mapping);
        config_destroy(&file);
        report_destroy(&report);
    }
}

// The mapping of everything, for want of memory.
static void load_may_lack_memory(void **state) {
    (void)state;
    struct report *report = report_new(0);
    struct config_file *file = config_parse("m.yaml",
        bytes_of_string(
            "names: { a: msg.a_string, b: string(msg.an_int64) }\nby_number: { 1: { name: msg.a_string } }\n"
            "inners: { for: i, in: msg.inners, map: { name: i.name } }\nint32s: [1, 2]\n"
            "kind: \"'KIND_MOVE'\"\n"),
        NULL, report);
    bool complete = false;
    for (size_t n = 0; !complete; n++) {
        struct report *problems = report_new(0);
        alloc_fail_after(n);
        struct mapping *mapping =
            mapping_load(config_root(file), type_named("test.three.All"), env, problems);
        complete = alloc_count() <= n;
        alloc_fail_never();
        assert_int_equal(mapping != NULL, complete);
        assert_int_equal(report_errors(problems) == 0, complete);
        mapping_destroy(&mapping);
        report_destroy(&problems);
    }
    config_destroy(&file);
    report_destroy(&report);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written_out_lists),
        cmocka_unit_test(test_lists_of_others),
        cmocka_unit_test(test_written_out_maps),
        cmocka_unit_test(test_nothing_is_guessed),
        cmocka_unit_test(test_required_by_option),
        cmocka_unit_test(test_json_values),
        cmocka_unit_test(test_any),
        cmocka_unit_test(test_whole_messages),
        cmocka_unit_test(test_bytes_that_are_no_text),
        cmocka_unit_test(a_loop_has_an_end),
        cmocka_unit_test(a_list_that_is_too_much_is_refused),
        cmocka_unit_test(load_may_lack_memory),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
