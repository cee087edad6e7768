// Every kind of field: what it takes, what it makes of it, and what is refused, with the place.
#include "core/cel/cel_samples.h"
#include "core/mapping/mapping.h"
#include "core/schema/json.h"
#include "test/support/alloc_fail.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct catalogue *catalogue;
static struct codes *codes;
static struct paths *paths[2];
static struct cel_env *env;
static struct buffer text;

static const struct schema_message *type_named(const char *name) {
    const struct schema_message *type = catalogue_message(catalogue, bytes_of_string(name));
    assert_non_null(type);
    return type;
}

static int set_up(void **state) {
    (void)state;
    size_t index;
    struct error error;
    const char *path = HUTONG_BUILD_DIR "/core/schema/testdata.binpb";
    assert_int_equal(catalogue_load_file(path, &catalogue, &error), 0);
    codes = sample_codes();
    env = cel_env_new(catalogue, codes, "test.three");
    paths[0] = paths_new(type_named("test.three.All"));
    paths[1] = paths_new(type_named("test.three.Known"));
    assert_int_equal(cel_env_declare_message(env, "msg", paths[0], &index), 0);
    assert_int_equal(cel_env_declare_message(env, "known", paths[1], &index), 0);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    cel_env_destroy(&env);
    paths_destroy(&paths[0]);
    paths_destroy(&paths[1]);
    codes_destroy(&codes);
    catalogue_destroy(&catalogue);
    buffer_destroy(&text);
    return 0;
}

static int run(const struct mapping *mapping, struct buffer *out, struct error *error) {
    const struct bytes messages[] = {
        bytes_of(message_all, sizeof message_all), bytes_of(message_known, sizeof message_known)};
    struct scan *scans[2];
    struct cel_activation *activation = cel_activation_new(env);
    assert_non_null(activation);
    for (size_t i = 0; i < 2; i++) {
        scans[i] = scan_new(paths[i]);
        assert_int_equal(scan_run(scans[i], messages[i], false, error), 0);
        cel_activation_set_scan(activation, i, scans[i]);
    }
    int rc = mapping_run(mapping, activation, out, error);
    cel_activation_destroy(&activation);
    scan_destroy(&scans[0]);
    scan_destroy(&scans[1]);
    return rc;
}

// The JSON of what comes out, or the refusal, or the problems.
static const char *mapped(const char *target, const char *yaml) {
    struct report *report = report_new(0);
    struct buffer out = {0};
    struct error error = {0};
    buffer_clear(&text);
    struct config_file *file = config_parse("m.yaml", bytes_of_string(yaml), NULL, report);
    assert_non_null(file);
    struct mapping *mapping = mapping_load(config_root(file), type_named(target), env, report);
    assert_int_equal(mapping == NULL, report_errors(report) > 0);
    if (!mapping)
        assert_int_equal(report_print(report, &text), 0);
    else if (run(mapping, &out, &error) == 0)
        assert_int_equal(json_from_message(type_named(target), buffer_bytes(&out), NULL, &text, &error), 0);
    else
        buffer_append_string(&text, error.text);
    mapping_destroy(&mapping);
    config_destroy(&file);
    report_destroy(&report);
    buffer_destroy(&out);
    return buffer_text(&text);
}

struct row {
    const char *yaml;
    const char *out; // the whole of it; of a refusal or problem, its start
};

static void expect(const char *target, const struct row *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const char *is = mapped(target, rows[i].yaml);
        size_t size = rows[i].out[0] == '{' ? strlen(is) : strlen(rows[i].out);
        if (strncmp(is, rows[i].out, size > strlen(rows[i].out) ? size : strlen(rows[i].out)) != 0)
            fail_msg("%s\n  must be %s\n  but is %s", rows[i].yaml, rows[i].out, is);
    }
}
#define EXPECT(target, rows) expect(target, rows, sizeof(rows) / sizeof *(rows))

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
        {"test.two.Part", "key: raw", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct report *report = report_new(0);
        struct buffer out = {0};
        struct config_file *file = config_parse("m.yaml", bytes_of_string(rows[i].yaml), NULL, report);
        struct mapping *mapping = mapping_load(config_root(file), type_named(rows[i].target), own, report);
        assert_int_equal(mapping_run(mapping, activation, &out, &error), rows[i].text ? MAPPING_REFUSED : 0);
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
        {"struct: { a: msg.a_string }", "m.yaml:1:9: error: struct is no message"},
    };
    EXPECT("test.three.Known", rows);
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

static void a_loop_has_an_end(void **state) {
    (void)state;
    struct report *report = report_new(0);
    struct config_file *file = config_parse(
        "m.yaml", bytes_of_string("inners: { for: i, in: '[1, 2, 3]', map: { number: i } }\n"), NULL, report);
    struct mapping *mapping = mapping_load(config_root(file), type_named("test.three.All"), env, report);
    struct cel_activation *activation = cel_activation_new(env);
    struct buffer out = {0};
    struct error error;
    assert_int_equal(mapping_run(mapping, activation, &out, &error), 0);
    assert_int_equal(cel_activation_spend(activation, CEL_BUDGET - 5, &error), 0);
    assert_int_equal(mapping_run(mapping, activation, &out, &error), MAPPING_REFUSED);
    assert_int_equal(strncmp(error.text, "inners[2]: ", 11), 0);
    cel_activation_destroy(&activation);
    buffer_destroy(&out);
    mapping_destroy(&mapping);
    config_destroy(&file);
    report_destroy(&report);
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
        rc = mapping_run(mapping, activation, &out, &error);
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
        cmocka_unit_test(test_written_out_lists),
        cmocka_unit_test(test_lists_of_others),
        cmocka_unit_test(test_written_out_maps),
        cmocka_unit_test(test_nothing_is_guessed),
        cmocka_unit_test(test_required_by_option),
        cmocka_unit_test(test_json_values),
        cmocka_unit_test(test_whole_messages),
        cmocka_unit_test(test_bytes_that_are_no_text),
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_required),
        cmocka_unit_test(nothing_is_written_on_failure),
        cmocka_unit_test(too_large_is_refused),
        cmocka_unit_test(fields_are_told),
        cmocka_unit_test(expressions_have_a_kind),
        cmocka_unit_test(a_loop_has_an_end),
        cmocka_unit_test(run_may_lack_memory),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
