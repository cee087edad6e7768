#include "core/schema/json.h"

#include "core/schema/testing.h"

#include <math.h>

static const struct schema_message *all;
static const struct schema_message *known;
static const struct schema_message *legacy;

static int setup(void **state) {
    int rc = load_testdata(state);
    if (rc == 0) {
        all = type_named("test.three.All");
        known = type_named("test.three.Known");
        legacy = type_named("test.two.Legacy");
    }
    return rc;
}

static struct buffer read_json(const struct schema_message *type, const char *json) {
    struct buffer out = {0};
    struct error error = {0};
    if (json_to_message(type, bytes_of_string(json), &out, &error) != 0)
        fail_msg("%s: %s", json, error.text);
    assert_int_equal(view_check(type, buffer_bytes(&out), NULL, NULL), 0);
    return out;
}

// Reading `json` and writing it again gives `expected` (NULL: the same).
static void round_trip(const struct schema_message *type, const char *json, const char *expected) {
    struct buffer message = read_json(type, json), text = {0};
    struct error error = {0};
    if (json_from_message(type, buffer_bytes(&message), NULL, &text, &error) != 0)
        fail_msg("%s: %s", json, error.text);
    assert_string_equal(buffer_text(&text), expected ? expected : json);
    buffer_destroy(&message);
    buffer_destroy(&text);
}

static void refuse(const struct schema_message *type, const char *json, const char *why) {
    struct buffer out = {0};
    struct error error = {0};
    put_hex(&out, "2a");
    int rc = json_to_message(type, bytes_of_string(json), &out, &error);
    if (rc != VIEW_REFUSED || !strstr(error.text, why))
        fail_msg("%s: expected \"%s\", got %d \"%s\"", json, why, rc, error.text);
    assert_int_equal(out.size, 1); // untouched
    buffer_destroy(&out);
}

static void write_hex(const struct schema_message *type, const char *hex, const char *expected) {
    struct buffer message = {0}, text = {0};
    struct error error = {0};
    put_hex(&message, hex);
    int rc = json_from_message(type, buffer_bytes(&message), NULL, &text, &error);
    if (rc != 0 && !strstr(error.text, expected))
        fail_msg("%s: %s", hex, error.text);
    if (rc == 0)
        assert_string_equal(buffer_text(&text), expected);
    else
        assert_int_equal(text.size, 0);
    buffer_destroy(&message);
    buffer_destroy(&text);
}

static void scalars_go_both_ways(void **state) {
    (void)state;
    round_trip(all, "{}", NULL);
    round_trip(all, "{\"aDouble\":1.5,\"aFloat\":-0.1,\"anInt64\":\"-9223372036854775808\"}", NULL);
    round_trip(
        all, "{\"aUint64\":\"18446744073709551615\",\"anInt32\":-2147483648,\"aFixed64\":\"1\"}", NULL);
    round_trip(
        all, "{\"aFixed32\":4294967295,\"aBool\":true,\"aString\":\"西湖区\",\"aBytes\":\"/wA=\"}", NULL);
    round_trip(all, "{\"aUint32\":7,\"kind\":\"KIND_LOSS\",\"aSfixed32\":-1,\"aSfixed64\":\"-1\"}", NULL);
    round_trip(all, "{\"aSint32\":-5,\"aSint64\":\"-9223372036854775808\",\"alias\":\"ALIAS_FIRST\"}", NULL);
    round_trip(all, "{\"aDouble\":\"NaN\",\"aFloat\":\"-Infinity\"}", NULL);
    round_trip(all, "{\"kind\":12}", NULL);
    round_trip(all, "{\"kind\":1,\"alias\":\"ALIAS_SECOND\"}",
        "{\"kind\":\"KIND_VISIT\",\"alias\":\"ALIAS_FIRST\"}");
    round_trip(all, "{\"maybeInt32\":0,\"maybeString\":\"\",\"maybeBool\":false}", NULL);
    round_trip(all, "{\"anInt32\":0,\"aString\":\"\",\"aDouble\":0.0,\"aBytes\":\"\"}", "{}");
    round_trip(all, "{\"aDouble\":-0.0}", "{\"aDouble\":-0}");
    round_trip(all, " {\n\t\"an_int32\" : 1 ,\r\"@other\" : \"x\" } ", "{\"anInt32\":1,\"@other\":\"x\"}");
    round_trip(all, "{\"renamed\":\"x\"}", "{\"@other\":\"x\"}");
    round_trip(
        all, "{\"anInt32\":null,\"inner\":null,\"strings\":null,\"names\":null,\"choiceInt32\":null}", "{}");
}

static void numbers_are_exact(void **state) {
    (void)state;
    round_trip(all, "{\"anInt64\":9007199254740993}", "{\"anInt64\":\"9007199254740993\"}");
    round_trip(all, "{\"aUint64\":18446744073709551615}", "{\"aUint64\":\"18446744073709551615\"}");
    round_trip(all, "{\"anInt32\":1e3,\"aUint32\":\"12.50e1\"}", "{\"anInt32\":1000,\"aUint32\":125}");
    round_trip(all, "{\"anInt32\":100000e-5,\"aUint32\":0e99999999999}", "{\"anInt32\":1}");
    round_trip(all, "{\"aDouble\":0.1,\"aFloat\":16777217}", "{\"aDouble\":0.1,\"aFloat\":16777216}");
    round_trip(all, "{\"aDouble\":1.7976931348623157e308}", "{\"aDouble\":1.7976931348623157e+308}");
    round_trip(all, "{\"aDouble\":5e-324}", "{\"aDouble\":4.94065645841247e-324}");
    round_trip(all, "{\"aDouble\":\"12345678901234567890\"}", "{\"aDouble\":1.2345678901234567e+19}");
    refuse(all, "{\"anInt64\":9223372036854775808}", "expected an integer from -9223372036854775808");
    refuse(all, "{\"aUint64\":18446744073709551616}", "0 to 18446744073709551615, found one beyond");
    refuse(all, "{\"aUint64\":-1}", "found one beyond");
    refuse(all, "{\"anInt32\":2147483648}",
        "at an_int32, line 1, column 12: expected an integer from -2147483648");
    refuse(all, "{\"anInt32\":1.5}", "found something else");
    refuse(all, "{\"anInt32\":\"\"}", "found something else");
    refuse(all, "{\"anInt32\":\" 1\"}", "found something else");
    refuse(all, "{\"anInt32\":01}", "found something else");
    refuse(all, "{\"anInt32\":1e1000000000}", "found one beyond");
    refuse(all, "{\"anInt32\":true}", "expected a number, found true or false");
    refuse(all, "{\"aDouble\":1e309}", "too large");
    refuse(all, "{\"aFloat\":1e39}", "too large");
    refuse(all, "{\"aDouble\":\"nan\"}", "expected a number, \"NaN\"");
    refuse(all, "{\"aDouble\":1.}", "expected a number, \"NaN\"");
    refuse(all, "{\"aBool\":\"true\"}", "expected true or false, found a text");
    refuse(all, "{\"aBool\":1}", "expected true or false, found a number");
}

static void texts_are_escaped(void **state) {
    (void)state;
    round_trip(all, "{\"aString\":\"\\\"\\\\\\b\\f\\n\\r\\t\\u0000\\u001f\\u007f\"}", NULL);
    round_trip(all, "{\"aString\":\"\\u897f\\/\\ud83d\\ude00\"}", "{\"aString\":\"西/😀\"}");
    refuse(all, "{\"aString\":\"\\ud83d\"}", "half of a surrogate pair");
    refuse(all, "{\"aString\":\"\\ud83dx\\ude00\"}", "half of a surrogate pair");
    refuse(all, "{\"aString\":\"\\ude00\"}", "half of a surrogate pair");
    refuse(all, "{\"aString\":\"\\ud83d\\ud83d\"}", "half of a surrogate pair");
    refuse(all, "{\"aString\":\"\\u12g4\"}", "four hex digits");
    refuse(all, "{\"aString\":\"\\x\"}", "no known escape");
    refuse(all, "{\"aString\":\"a\nb\"}", "must be escaped");
    refuse(all, "{\"aString\":\"a", "does not end");
    refuse(all, "{\"aString\":\"\\", "does not end");
    refuse(all, "{\"aString\":\"\xff\"}", "not UTF-8");
    refuse(all, "{\"aString\":1}", "at a_string, line 1, column 12: expected a text, found a number");
    round_trip(all, "{\"aBytes\":\"-_8\"}", "{\"aBytes\":\"+/8=\"}");
    round_trip(all, "{\"aBytes\":\"YQ\"}", "{\"aBytes\":\"YQ==\"}");
    refuse(all, "{\"aBytes\":\"YQ=\"}", "expected base64");
    refuse(all, "{\"aBytes\":\"Y\"}", "expected base64");
    refuse(all, "{\"aBytes\":\"Y Q=\"}", "expected base64");
}

static void lists_and_maps_go_both_ways(void **state) {
    (void)state;
    round_trip(all, "{\"int32s\":[1,-2,3],\"kinds\":[\"KIND_MOVE\",7],\"looseInt32s\":[1,2]}", NULL);
    round_trip(all,
        "{\"doubles\":[1,\"NaN\"],\"bools\":[true,false],\"strings\":[\"\",\"a\"],\"bytess\":[\"YQ==\"]}",
        NULL);
    round_trip(all, "{\"fixed64s\":[\"2\"],\"fixed32s\":[1],\"sint64s\":[\"-3\"]}", NULL);
    round_trip(all, "{\"int32s\":[],\"strings\":[],\"names\":{}}", "{}");
    round_trip(all, "{\"inners\":[{},{\"name\":\"a\",\"inner\":{\"tags\":[\"x\"]}}]}", NULL);
    round_trip(
        all, "{\"names\":{\"\":\"\",\"a\":\"b\"},\"byNumber\":{\"-1\":{\"name\":\"x\"},\"0\":{}}}", NULL);
    round_trip(all,
        "{\"byBool\":{\"true\":\"KIND_VISIT\",\"false\":9},\"byUint64\":{\"18446744073709551615\":0.5}}",
        NULL);
    // packed as the field says
    struct buffer packed = read_json(all, "{\"int32s\":[1,2],\"looseInt32s\":[1]}");
    struct buffer expected = {0};
    put_hex(&expected, "9a02 02 01 02 8803 01");
    assert_true(bytes_equal(buffer_bytes(&packed), buffer_bytes(&expected)));
    buffer_destroy(&packed);
    buffer_destroy(&expected);
    refuse(all, "{\"int32s\":[1,null]}", "at int32s[1], line 1, column 14: an element can't be null");
    refuse(all, "{\"int32s\":1}", "at int32s, line 1, column 11: expected an array, found a number");
    refuse(all, "{\"inners\":[{\"name\":\"a\"},{\"inner\":{\"number\":\"x\"}}]}",
        "at inners[1].inner.number, line 1, column 44");
    refuse(
        all, "{\"names\":{\"a\":null}}", "at names[\"a\"], line 1, column 15: a map's value can't be null");
    refuse(all, "{\"names\":{\"a\":\"1\",\"\\u0061\":\"2\"}}", "at names[\"a\"]");
    refuse(all, "{\"byNumber\":{\"x\":{}}}", "at by_number[\"x\"]");
    refuse(all, "{\"byBool\":{\"1\":0}}", "expected \"true\" or \"false\"");
    refuse(all, "{\"names\":[]}", "expected an object, found an array");
}

static void messages_are_merged_when_written(void **state) {
    (void)state;
    write_hex(all, "28 01 28 02", "{\"anInt32\":2}");
    write_hex(all, "5a 05 0a 01 'a' 10 01 5a 02 10 02", "{\"inner\":{\"name\":\"a\",\"number\":\"2\"}}");
    write_hex(all, "9a03 01 'a' a803 07", "{\"choiceInt32\":7}");
    write_hex(all, "a203 03 0a 01 'a' a803 07 a203 02 10 02", "{\"choiceInner\":{\"number\":\"2\"}}");
    write_hex(all, "9802 01 9a02 02 02 03", "{\"int32s\":[1,2,3]}");
    write_hex(all, "9a02 00", "{}");
    write_hex(all, "ea03 06 0a 01 'k' 12 01 'a' ea03 06 0a 01 'k' 12 01 'b' ea03 00",
        "{\"names\":{\"k\":\"b\",\"\":\"\"}}");
    write_hex(all, "c005 01 2a 01 00", "{}"); // unknown, and a wrong wire type
    write_hex(all, "28", "varint is cut short");
}

static void proto2_goes_both_ways(void **state) {
    (void)state;
    round_trip(
        legacy, "{\"id\":1,\"place\":{\"street\":\"s\",\"numbers\":[1,2],\"deep\":{\"note\":\"n\"}}}", NULL);
    round_trip(legacy,
        "{\"id\":0,\"closed\":\"TWO\",\"closeds\":[\"ONE\"],\"entry\":[{\"value\":\"5\"},{}],\"limit\":0}",
        NULL);
    round_trip(legacy, "{\"id\":1,\"packedNumbers\":[1],\"numbers\":[2]}",
        "{\"id\":1,\"numbers\":[2],\"packedNumbers\":[1]}");
    write_hex(legacy, "08 01 18 07 20 07 20 01 2a 02 07 02",
        "{\"id\":1,\"closeds\":[\"ONE\"],\"packedCloseds\":[\"TWO\"]}");
    write_hex(legacy, "08 01 2a 01 07", "{\"id\":1}");
    write_hex(legacy, "08 01 12 01 ff", "at text: the text is not UTF-8");
    write_hex(legacy, "08 01 52 08 0a 01 ff 12 03 0a 01 'k'", "at by_name: a key is not UTF-8");
    refuse(legacy, "{}", "at id: this field is required");
    refuse(legacy, "{\"id\":1,\"part\":{}}", "at part.key: this field is required");
    refuse(legacy, "{\"id\":1,\"closed\":9}", "9 is no value of test.two.Closed");
    refuse(legacy, "{\"id\":1,\"[test.two.extra]\":\"x\"}", "has no field");
}

static void wrong_objects_are_refused(void **state) {
    (void)state;
    refuse(all, "", "empty");
    refuse(all, "[]", "expected an object, found an array");
    refuse(all, "{", "expected a key in quotes, found the end");
    refuse(all, "{\"anInt32\":1,}", "expected a key in quotes");
    refuse(all, "{\"anInt32\" 1}", "expected \":\", found a number");
    refuse(all, "{\"anInt32\":1 \"aBool\":true}", "expected \",\" or \"}\", found a text");
    refuse(all, "{} x", "expected the end, found something that is no JSON");
    refuse(all, "{}{}", "expected the end, found an object");
    refuse(all, "{\"aBool\":tru}", "expected true");
    refuse(all, "{anInt32:1}", "expected a key in quotes");
    refuse(all, "{\n  \"aStrin\": \"x\"\n}",
        "line 2, column 3: test.three.All has no field \"aStrin\"; did you mean \"aString\"?");
    refuse(all, "{\"weather\":1}", "test.three.All has no field \"weather\"");
    refuse(all, "{\"inner\":{\"nam\":\"x\"}}",
        "at inner, line 1, column 11: test.three.Inner has no field \"nam\"; did you mean \"name\"?");
    refuse(
        all, "{\"anInt32\":1,\"an_int32\":2}", "at an_int32, line 1, column 14: this field is there twice");
    refuse(all, "{\"choiceInt32\":1,\"choiceString\":\"x\"}",
        "only one of the oneof \"choice\" can be set, and \"choiceInt32\" is");
    refuse(all, "{\"kind\":\"KIND_VISITS\"}",
        "\"KIND_VISITS\" is no value of test.three.Kind; did you mean \"KIND_VISIT\"?");
    refuse(all, "{\"kind\":1.5}", "expected the name or number");
    refuse(all, "{\"kind\":2147483648}", "expected the name or number");
    refuse(all, "{\"西湖\":1,\"anInt32\":x}", "has no field \"西湖\"");
}

static void known_types_go_both_ways(void **state) {
    (void)state;
    round_trip(known, "{\"timestamp\":\"2026-03-01T08:30:00Z\"}", NULL);
    round_trip(known, "{\"timestamp\":\"1969-12-31T23:59:59.999999999Z\"}", NULL);
    round_trip(known, "{\"timestamp\":\"2024-02-29T00:00:00.500Z\"}", NULL);
    round_trip(known, "{\"timestamp\":\"2026-03-01T08:30:00.1+08:00\"}",
        "{\"timestamp\":\"2026-03-01T00:30:00.100Z\"}");
    round_trip(known, "{\"timestamp\":\"0001-01-01T00:00:00Z\"}", NULL);
    round_trip(known, "{\"timestamp\":\"9999-12-31T23:59:59.000001Z\"}", NULL);
    round_trip(known, "{\"timestamp\":\"1970-01-01T00:00:00Z\"}", NULL);
    round_trip(known, "{\"duration\":\"0s\"}", NULL);
    round_trip(known, "{\"duration\":\"-0.5s\"}", "{\"duration\":\"-0.500s\"}");
    round_trip(known, "{\"duration\":\"315576000000s\"}", NULL);
    round_trip(known, "{\"mask\":\"name,birthDate.year\"}", NULL);
    round_trip(known, "{\"mask\":\"\"}", NULL);
    round_trip(known, "{\"struct\":{\"a\":1,\"b\":[null,true,\"x\",{}],\"c\":{\"d\":-1.5}}}", NULL);
    round_trip(known, "{\"value\":null,\"list\":[],\"values\":[null,1,\"\",false]}",
        "{\"value\":null,\"list\":[],\"values\":[null,1,\"\",false]}");
    round_trip(known, "{\"choiceNull\":null}", NULL);
    round_trip(known, "{\"nullValue\":null}", "{}");
    round_trip(known, "{\"choiceValue\":null}", NULL);
    round_trip(known, "{\"empty\":{}}", NULL);
    round_trip(known,
        "{\"boolValue\":false,\"int32Value\":0,\"int64Value\":\"1\",\"uint32Value\":2,\"uint64Value\":\"3\"}",
        NULL);
    round_trip(known,
        "{\"floatValue\":0.5,\"doubleValue\":\"NaN\",\"stringValue\":\"\",\"bytesValue\":\"YQ==\"}", NULL);
    round_trip(known, "{\"timestamps\":[\"2026-03-01T08:30:00Z\"],\"durations\":{\"a\":\"1s\"}}", NULL);
}

static void any_goes_both_ways(void **state) {
    (void)state;
    round_trip(known, "{\"any\":{}}", NULL);
    round_trip(known,
        "{\"any\":{\"@type\":\"type.googleapis.com/test.three.Inner\",\"name\":\"a\",\"inner\":{}}}", NULL);
    round_trip(known, "{\"any\":{\"name\":\"a\",\"@type\":\"x/test.three.Inner\"}}",
        "{\"any\":{\"@type\":\"x/test.three.Inner\",\"name\":\"a\"}}");
    round_trip(known, "{\"any\":{\"@type\":\"x/google.protobuf.Duration\",\"value\":\"1s\"}}", NULL);
    round_trip(known, "{\"any\":{\"@type\":\"x/google.protobuf.Empty\"}}", NULL);
    round_trip(known,
        "{\"any\":{\"@type\":\"x/google.protobuf.Any\",\"value\":{\"@type\":\"x/test.three.Empty\"}}}", NULL);
    refuse(known, "{\"any\":{\"name\":\"a\"}}", "needs \"@type\"");
    refuse(known, "{\"any\":{\"@type\":\"x/no.Type\"}}", "the catalogue has no type \"x/no.Type\"");
    refuse(known, "{\"any\":{\"@type\":\"test.three.Inner\"}}", "the catalogue has no type");
    refuse(known, "{\"any\":{\"@type\":\"x/test.three.Inner\",\"@type\":\"x/test.three.Inner\"}}", "twice");
    refuse(known, "{\"any\":{\"@type\":\"x/test.three.Inner\",\"nam\":\"a\"}}", "has no field \"nam\"");
    refuse(known, "{\"any\":{\"@type\":\"x/google.protobuf.Duration\"}}", "expected a \"value\"");
    refuse(known, "{\"any\":{\"@type\":\"x/google.protobuf.Duration\",\"value\":\"1s\",\"x\":1}}",
        "one \"value\" only");
    refuse(known, "{\"any\":{\"@type\":\"x/test.two.Part\"}}", "required");
    write_hex(known, "3a 0b 0a 09 'x/no.Type'", "at any: the catalogue has no type \"x/no.Type\"");
    write_hex(known, "3a 18 0a 12 'x/test.three.Inner' 12 02 0a 05",
        "at any: test.three.Inner: at name, byte 0: its length");
}

static void wrong_known_types_are_refused(void **state) {
    (void)state;
    static const char *const times[] = {"2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z",
        "2026-01-32T00:00:00Z", "2026-01-01T24:00:00Z", "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00", "0000-01-01T00:00:00Z"};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        char json[100];
        snprintf(json, sizeof json, "{\"timestamp\":\"%s\"}", times[i]);
        refuse(known, json, "there is no such time");
    }
    static const char *const forms[] = {"2026-01-01", "2026-01-01T00:00:00", "2026-01-01 00:00:00Z",
        "26-01-01T00:00:00Z", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00.1234567890Z",
        "2026-01-01T00:00:00Zx", "2026-01-01T00:00:00+25:00", ""};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        char json[100];
        snprintf(json, sizeof json, "{\"timestamp\":\"%s\"}", forms[i]);
        refuse(known, json, "expected a time such as");
    }
    refuse(known, "{\"duration\":\"1\"}", "expected a duration such as");
    refuse(known, "{\"duration\":\"s\"}", "expected a duration such as");
    refuse(known, "{\"duration\":\"315576000001s\"}", "within 10,000 years");
    refuse(known, "{\"duration\":\"99999999999999999999999s\"}", "within 10,000 years");
    refuse(known, "{\"mask\":\"birth_date\"}", "lowerCamelCase");
    refuse(known, "{\"mask\":\",name\"}", "separated by commas");
    refuse(known, "{\"mask\":\"name,\"}", "separated by commas");
    refuse(known, "{\"mask\":\"a,,b\"}", "separated by commas");
    refuse(known, "{\"struct\":{\"a\":1,\"a\":2}}", "at struct[\"a\"]");
    refuse(known, "{\"value\":}", "expected a value, found something that is no JSON");
    refuse(known, "{\"timestamps\":[null]}", "can't be null");
    write_hex(known, "0a 0b 08 ffffffffffffffff7f", "length");
    write_hex(known, "0a 0a 08 ffffffffffffffff7f", "at timestamp: a timestamp is within");
    write_hex(known, "0a 0b 10 ffffffffffffffffff01", "at timestamp: a timestamp is within");
    write_hex(known, "12 04 08 01 10 ff", "varint");
    write_hex(known, "12 0d 08 01 10 ffffffffffffffffff01", "at duration: a duration is within");
    write_hex(known, "1a 03 0a 01 'A'", "at mask: a field mask's path");
    write_hex(known, "1a 05 0a 03 'a_1'", "at mask: a field mask's path");
    write_hex(known, "1a 05 0a 03 'a,b'", "at mask: a field mask's path is empty or has a comma");
    write_hex(known, "1a 02 0a 00", "at mask: a field mask's path is empty or has a comma");
    write_hex(
        known, "2a 09 11 000000000000f87f", "at value: a number in a google.protobuf.Value must be finite");
    write_hex(known, "2a 00", "{\"value\":null}");
}

static void options_are_followed(void **state) {
    (void)state;
    struct buffer message = read_json(
        all, "{\"anInt32\":1,\"inner\":{\"tags\":[\"x\"]},\"names\":{\"k\":\"v\"},\"inners\":[{}]}");
    struct buffer text = {0};
    struct json_options options = {.indent = true, .proto_names = true};
    assert_int_equal(json_from_message(all, buffer_bytes(&message), &options, &text, NULL), 0);
    assert_string_equal(buffer_text(&text),
        "{\n  \"an_int32\": 1,\n  \"inner\": {\n    \"tags\": [\n      \"x\"\n    ]\n  },\n"
        "  \"inners\": [\n    {}\n  ],\n  \"names\": {\n    \"k\": \"v\"\n  }\n}");
    buffer_clear(&text);
    buffer_destroy(&message);
    options = (struct json_options){.with_defaults = true};
    const struct schema_message *inner = type_named("test.three.Inner");
    assert_int_equal(json_from_message(inner, (struct bytes){0}, &options, &text, NULL), 0);
    assert_string_equal(buffer_text(&text), "{\"name\":\"\",\"number\":\"0\",\"tags\":[]}");
    text.limit = text.size + 10;
    struct error error = {0};
    assert_int_equal(json_from_message(inner, (struct bytes){0}, &options, &text, &error), -EMSGSIZE);
    buffer_destroy(&text);
}

static void limits_hold(void **state) {
    (void)state;
    struct buffer json = {0}, out = {0};
    struct error error = {0};
    for (int depth = 64; depth <= 65; depth++) {
        buffer_clear(&json);
        for (int i = 0; i < depth; i++)
            assert_int_equal(buffer_append_string(&json, "{\"inner\":"), 0);
        assert_int_equal(buffer_append_string(&json, "{"), 0);
        for (int i = 0; i <= depth; i++)
            assert_int_equal(buffer_append_string(&json, "}"), 0);
        assert_int_equal(
            json_to_message(all, buffer_bytes(&json), &out, &error), depth == 64 ? 0 : VIEW_REFUSED);
    }
    assert_non_null(strstr(error.text, "nested too deep"));
    assert_int_equal(view_check(all, buffer_bytes(&out), NULL, &error), 0);
    buffer_clear(&json);
    assert_int_equal(buffer_append_string(&json, "{\"value\":"), 0);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(buffer_append_byte(&json, '['), 0);
    assert_int_equal(json_to_message(known, buffer_bytes(&json), &out, &error), VIEW_REFUSED);
    buffer_clear(&json);
    assert_int_equal(buffer_append_string(&json, "{\"int32s\":[0"), 0);
    for (int i = 0; i < 1000000; i++)
        assert_int_equal(buffer_append(&json, ",0", 2), 0);
    assert_int_equal(json_to_message(all, buffer_bytes(&json), &out, &error), VIEW_REFUSED);
    assert_non_null(strstr(error.text, "more than 1000000 values"));
    buffer_destroy(&json);
    buffer_clear(&out);
    out.limit = 8;
    assert_int_equal(
        json_to_message(all, bytes_of_string("{\"aString\":\"123456789\"}"), &out, &error), VIEW_REFUSED);
    assert_non_null(strstr(error.text, "larger than is allowed"));
    assert_int_equal(out.size, 0);
    buffer_destroy(&out);
}

static int both_ways(struct bytes json) {
    struct buffer message = {0}, text = {0};
    struct error error = {0};
    int rc = json_to_message(known, json, &message, &error);
    if (rc == 0)
        rc = json_from_message(known, buffer_bytes(&message), NULL, &text, &error);
    if (rc == 0)
        assert_true(bytes_equal(buffer_bytes(&text), json));
    buffer_destroy(&message);
    buffer_destroy(&text);
    return rc;
}

static void json_survives_no_memory(void **state) {
    (void)state;
    struct bytes json =
        bytes_of_string("{\"timestamp\":\"2026-03-01T08:30:00Z\",\"mask\":\"a,b\","
                        "\"struct\":{\"a\":[null,{\"b\":1}],\"c\":\"\\n\"},"
                        "\"any\":{\"@type\":\"x/test.two.Part\",\"key\":\"k\",\"part\":{\"key\":\"l\"}},"
                        "\"bytesValue\":\"YQ==\",\"durations\":{\"a\":\"1s\"}}");
    size_t failures = 0;
    for (int rc = -ENOMEM; rc != 0; failures++) {
        alloc_fail_after(failures);
        rc = both_ways(json);
        alloc_fail_never();
        assert_true(rc == 0 || rc == -ENOMEM);
    }
    assert_true(failures > 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars_go_both_ways),
        cmocka_unit_test(numbers_are_exact),
        cmocka_unit_test(texts_are_escaped),
        cmocka_unit_test(lists_and_maps_go_both_ways),
        cmocka_unit_test(messages_are_merged_when_written),
        cmocka_unit_test(proto2_goes_both_ways),
        cmocka_unit_test(wrong_objects_are_refused),
        cmocka_unit_test(known_types_go_both_ways),
        cmocka_unit_test(any_goes_both_ways),
        cmocka_unit_test(wrong_known_types_are_refused),
        cmocka_unit_test(options_are_followed),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(json_survives_no_memory),
    };
    return cmocka_run_group_tests(tests, setup, free_testdata);
}
