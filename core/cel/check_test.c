// What is said of wrong expressions: every text, with its exact place.
#include "core/cel/value.h"
#include "core/codes/load.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct catalogue *catalogue;
static struct codes *codes;
static struct paths *paths;
static struct cel_env *env;

static int set_up(void **state) {
    struct error error;
    size_t index;
    (void)state;
    struct report *report = report_new(10);
    assert_int_equal(catalogue_load_file(HUTONG_BUILD_DIR "/catalogue.binpb", &catalogue, &error), 0);
    codes = codes_new();
    assert_int_equal(codes_load(codes, HUTONG_SOURCE_DIR "/conf/codes", report), 0);
    report_destroy(&report);
    paths = paths_new(
        catalogue_message(catalogue, bytes_of_string("gov.public_security.v1.ResidenceRegistered")));
    env = cel_env_new(catalogue, codes, NULL);
    assert_int_equal(cel_env_declare_message(env, "msg", paths, &index), 0);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    cel_env_destroy(&env);
    paths_destroy(&paths);
    codes_destroy(&codes);
    catalogue_destroy(&catalogue);
    return 0;
}

struct wrong {
    const char *source;
    struct {
        size_t offset;
        size_t length;
        const char *text;
    } problems[3];
};

static const struct wrong wrongs[] = {
    {"mgs.kind == Kind.VISIT", {{0, 3, "unknown name \"mgs\"; did you mean msg?"}}},
    {"adress.division == \"330106\"", {{0, 6, "unknown name \"adress\"; there is msg"}}},
    {"address.division == \"330106\"", {{0, 7, "unknown name \"address\"; did you mean msg.address?"}}},
    {"msg.adress.division == \"330106\"",
        {{4, 6, "gov.public_security.v1.ResidenceRegistered has no field adress; did you mean address?"}}},
    {"msg.address.divison == \"330106\"",
        {{12, 7, "gov.common.v1.StructuredAddress has no field divison; did you mean division?"}}},
    {"msg.kind == Kind.VISTI",
        {{17, 5, "gov.public_security.v1.ResidenceRegistered.Kind has no value VISTI; did you mean VISIT?"}}},
    {"msg.kind == Knd.VISIT", {{12, 3, "unknown name \"Knd\"; did you mean Kind?"}}},
    {"msg.kind == gov.public_security.v1.ResidenceRegistered.Kind.VISITS",
        {{60, 6,
            "gov.public_security.v1.ResidenceRegistered.Kind has no value VISITS; did you mean VISIT?"}}},
    {"msg.kind == \"VISIT\"", {{9, 2,
                                  "gov.public_security.v1.ResidenceRegistered.Kind can't be compared with "
                                  "string; name its value, such as Kind.VISIT"}}},
    {"\"VISIT\" == msg.kind",
        {{8, 2,
            "string can't be compared with gov.public_security.v1.ResidenceRegistered.Kind; name its value, "
            "such as Kind.VISIT"}}},
    {"msg.kind == Cause.MOVE_OUT",
        {{12, 5, "unknown name \"Cause\"; did you mean gov.public_security.v1.ResidentDeregistered.Cause?"}}},
    {"msg.kind == ResidentDeregistered.Cause.MOVE_OUT",
        {{9, 2,
            "gov.public_security.v1.ResidenceRegistered.Kind can't be compared with "
            "gov.public_security.v1.ResidentDeregistered.Cause"}}},
    {"msg.entry_number == 5", {{17, 2, "string can't be compared with int; convert with string() or int()"}}},
    {"msg.entry_number == null", {{17, 2,
                                     "string can't be compared with null; a plain field is never null: ask "
                                     "has(), or compare with its default"}}},
    {"msg.entry_number > 5",
        {{17, 1, "\">\" has no meaning for string and int; convert with string() or int()"}}},
    {"msg.entry_number + 5",
        {{17, 1, "\"+\" has no meaning for string and int; turn the other into a string with string()"}}},
    {"5 + msg.entry_number",
        {{2, 1, "\"+\" has no meaning for int and string; turn the other into a string with string()"}}},
    {"msg.kind + 1u", {{9, 1,
                          "\"+\" has no meaning for gov.public_security.v1.ResidenceRegistered.Kind and "
                          "uint; convert one of them with int(), uint() or double()"}}},
    {"-\"a\"", {{0, 1, "\"-\" has no meaning for string"}}},
    {"!1", {{0, 1, "\"!\" has no meaning for int; it takes a bool"}}},
    {"!msg.entry_number", {{0, 1, "\"!\" has no meaning for string; it takes a bool"}}},
    {"msg.kind && true", {{0, 8, "&& takes a bool, not gov.public_security.v1.ResidenceRegistered.Kind"}}},
    {"true && msg.address || \"x\"", {{8, 11, "&& takes a bool, not gov.common.v1.StructuredAddress"},
                                         {23, 3, "|| takes a bool, not string"}}},
    {"msg.address == \"x\"", {{12, 2, "gov.common.v1.StructuredAddress can't be compared with string"}}},
    {"msg.address == msg.resident",
        {{12, 2, "gov.common.v1.StructuredAddress can't be compared with gov.common.v1.Person"}}},
    {"msg.registered_at == \"2026-01-01\"", {{18, 2,
                                                "timestamp can't be compared with string; write the time as "
                                                "timestamp(\"2026-01-01T00:00:00Z\")"}}},
    {"msg.registered_at > \"2026-01-01T00:00:00Z\"",
        {{18, 1,
            "\">\" has no meaning for timestamp and string; write the time as "
            "timestamp(\"2026-01-01T00:00:00Z\")"}}},
    {"msg.registered_at > timestamp(\"2026-13-01T00:00:00Z\")",
        {{30, 22, "\"2026-13-01T00:00:00Z\" is no timestamp within range, such as 2026-01-01T00:00:00Z"}}},
    {"msg.registered_at.seconds > 5",
        {{18, 7, "timestamp has no fields; ask with functions such as getHours()"}}},
    {"msg.registered_at + 5", {{18, 1, "\"+\" has no meaning for timestamp and int"}}},
    {"msg.registered_at - duration(\"1d\") > timestamp(0)",
        {{29, 4, "\"1d\" is no duration within range, such as 1h30m or 1.5s"}}},
    {"msg.entry_number.startWith(\"a\")",
        {{17, 9, "unknown function \"startWith\"; did you mean startsWith()?"}}},
    {"msg.entry_number.startsWith(5)",
        {{17, 10, "no function string.startsWith(int); there is string.startsWith(string)"}}},
    {"msg.entry_number.startsWith(\"a\", \"b\")",
        {{17, 10, "no function string.startsWith(string, string); there is string.startsWith(string)"}}},
    {"startsWith(msg.entry_number, \"a\")",
        {{0, 10, "no function startsWith(string, string); there is string.startsWith(string)"}}},
    {"msg.entry_number.frobnicate()", {{17, 10, "unknown function \"frobnicate\""}}},
    {"frobnicate(1)", {{0, 10, "unknown function \"frobnicate\""}}},
    {"size(1)", {{0, 4, "no function size(int); there is size(string), size(bytes), size(list), size(map)"}}},
    {"size()", {{0, 4,
                   "no function size(); there is size(string), size(bytes), size(list), size(map), "
                   "string.size(), bytes.size(), list.size(), map.size()"}}},
    {"msg.entry_number.size(1)",
        {{17, 4,
            "no function string.size(int); there is size(string), size(bytes), size(list), size(map), "
            "string.size(), bytes.size(), list.size(), map.size()"}}},
    {"msg.entry_number.substring(\"a\")",
        {{17, 9, "no function string.substring(string); there is string.substring(int)"}}},
    {"\"a\" in \"abc\"",
        {{4, 2, "\"in\" has no meaning for string and string; on the right stands a list or a map"}}},
    {"\"a\" in [1, 2]", {{4, 2, "string is never in list(int)"}}},
    {"1 in {\"a\": 1}", {{2, 2, "int is never in map(string, int)"}}},
    {"msg.kind in [\"VISIT\"]",
        {{9, 2, "gov.public_security.v1.ResidenceRegistered.Kind is never in list(string)"}}},
    {"[1][“0”]", {{4, 3, "\"“\" is a Chinese quotation mark; write '\"'"}}},
    {"[1][\"0\"]", {{3, 5, "list(int) can't be indexed by string"}}},
    {"{\"a\": 1}[1]", {{8, 3, "map(string, int) has no keys of type int"}}},
    {"{1.5: 2}", {{1, 3, "a map's key is a bool, int, uint or string, not double"}}},
    {"msg.entry_number ? 1 : 2", {{0, 16, "the condition before \"?\" takes a bool, not string"}}},
    {"true ? 1 : \"a\"", {{5, 1, "both outcomes of a choice must be of one type, not int and string"}}},
    {"true ? msg.address : msg.resident", {{5, 1,
                                              "both outcomes of a choice must be of one type, not "
                                              "gov.common.v1.StructuredAddress and gov.common.v1.Person"}}},
    {"has(msg)", {{0, 8, "has() takes one field: has(msg.field)"}}},
    {"has(msg.adress)",
        {{8, 6, "gov.public_security.v1.ResidenceRegistered has no field adress; did you mean address?"}}},
    {"has(msg.entry_number, 1)", {{0, 24, "has() takes one field: has(msg.field)"}}},
    {"has(\"a\")", {{0, 8, "has() takes one field: has(msg.field)"}}},
    {"[1].all(x)", {{0, 10, "all() takes a name and a condition: list.all(x, x > 0)"}}},
    {"[1].all(x.y, true)", {{8, 3, "a macro's first argument is a name for the element, such as x"}}},
    {"[1].all(x, x)", {{11, 1, "the macro's condition is a bool, not int"}}},
    {"[1].all(x, y)", {{11, 1, "unknown name \"y\"; did you mean x?"}}},
    {"[1].map(x, 1, 2)", {{11, 1, "the macro's condition is a bool, not int"}}},
    {"[1].map(x)",
        {{0, 10, "map() takes a name and a value: list.map(x, x + 1); or a name, a condition and a value"}}},
    {"\"abc\".all(x, true)", {{6, 3, "all() works on a list or map, not on string"}}},
    {"5.exists(x, true)", {{2, 6, "exists() works on a list or map, not on int"}}},
    {"[1, 2].name",
        {{7, 4, "list(int) has no fields; take an element with [0], or ask with a macro such as exists()"}}},
    {"msg.address.division.length", {{21, 6, "string has no fields"}}},
    {"gov.common.v1.StructuredAdress{}",
        {{0, 30,
            "there is no message type gov.common.v1.StructuredAdress; did you mean "
            "gov.common.v1.StructuredAddress?"}}},
    {"has(msg.address){}", {{16, 1, "the expression ends before \"{\"; an operator is missing"}}},
    {"(gov.common.v1.StructuredAddress){}",
        {{33, 1, "the expression ends before \"{\"; an operator is missing"}}},
    {"Kind{}", {{0, 4, "there is no message type Kind"}}},
    {"gov.common.v1.StructuredAddress{divison: \"33\"}",
        {{32, 7, "gov.common.v1.StructuredAddress has no field divison; did you mean division?"}}},
    {"gov.common.v1.StructuredAddress{division: 33}",
        {{42, 2, "gov.common.v1.StructuredAddress.division takes string, not int"}}},
    {"gov.common.v1.StructuredAddress{division: null}",
        {{42, 4, "gov.common.v1.StructuredAddress.division takes string, not null"}}},
    {"gov.common.v1.StructuredAddress{division: \"1\", division: \"2\"}",
        {{47, 8, "the field division is given twice"}}},
    {"gov.public_security.v1.ResidenceRegistered{address: msg.resident, kind: msg.resident.name.text}",
        {{52, 12,
             "gov.public_security.v1.ResidenceRegistered.address takes gov.common.v1.StructuredAddress, not "
             "gov.common.v1.Person"},
            {72, 22,
                "gov.public_security.v1.ResidenceRegistered.kind takes "
                "gov.public_security.v1.ResidenceRegistered.Kind, not string"}}},
    {"[1].all(x, x, true)", {{11, 1, "a macro's two names must differ"}}},
    {"[1].transformList(i, i)",
        {{0, 23,
            "transformList() takes two names, maybe a condition, and a value: list.transformList(i, x, x + "
            "i)"}}},
    {"[1].transformList(i, 1, i)", {{21, 1, "a macro's second argument is a name for the value, such as v"}}},
    {"[1].exists(i, x, i)", {{17, 1, "the macro's condition is a bool, not int"}}},
    {"{1: 2}.transformMapEntry(k, v, v)",
        {{31, 1, "transformMapEntry() makes a map of maps such as {key: value}, not of int"}}},
    {"msg.entry_number.transformMap(k, v, v)",
        {{17, 12, "transformMap() works on a list or map, not on string"}}},
    {"cel.bind(x, 1)",
        {{0, 14, "cel.bind() takes a name, its value and an expression: cel.bind(x, msg.number, x * x)"}}},
    {"cel.bind(1, 1, 1)", {{9, 1, "cel.bind()'s first argument is a name for the value, such as x"}}},
    {"cel.bind(x, 1, x + \"a\")",
        {{17, 1, "\"+\" has no meaning for int and string; turn the other into a string with string()"}}},
    {"{\"a\": 1, \"b\"}", {{12, 1, "\":\" behind the map's key is missing before \"}\""}}},
    {"{\"a\" 1}", {{5, 1, "\":\" behind the map's key is missing before \"1\""}}},
    {"[1, 2", {{5, 0, "\"]\" of the list is missing at the end"}}},
    {"(1 + 2", {{6, 0, "\")\" is missing at the end"}}},
    {"f(1, 2", {{6, 0, "\")\" of the call is missing at the end"}}},
    {"f(1,)", {{4, 1, "a value is missing before \")\""}}},
    {"msg.", {{4, 0, "a field's name is missing at the end"}}},
    {"msg.5", {{3, 2, "the expression ends before \".5\"; an operator is missing"}}},
    {".5.5", {{2, 2, "the expression ends before \".5\"; an operator is missing"}}},
    {"1 +", {{3, 0, "a value is missing at the end"}}},
    {"1 + + 2", {{4, 1, "a value is missing before \"+\""}}},
    {"1 2", {{2, 1, "the expression ends before \"2\"; an operator is missing"}}},
    {"a b", {{2, 1, "the expression ends before \"b\"; an operator is missing"}}},
    {"1 = 2", {{2, 1, "\"=\" is no operator; write \"==\""}}},
    {"1 & 2", {{2, 1, "\"&\" is no operator; write \"&&\""}}},
    {"1 | 2", {{2, 1, "\"|\" is no operator; write \"||\""}}},
    {"1 # 2", {{2, 1, "a character that can't stand here"}}},
    {"价格 > 5",
        {{0, 3, "a name is written in ASCII; a field of another name is selected in backticks: row.`...`"}}},
    {"\"价格\" + mgs.a", {{11, 3, "unknown name \"mgs\"; did you mean msg?"}}},
    {"'abc", {{0, 4, "the text doesn't end: its closing quote ' is missing"}}},
    {"\"abc", {{0, 4, "the text doesn't end: its closing quote \" is missing"}}},
    {"\"\"\"abc", {{0, 6, "the text doesn't end: its closing quote \"\"\" is missing"}}},
    {"'a\\qb'", {{2, 2, "no such escape; a backslash itself is \\\\, or use a raw string: r\"\\d+\""}}},
    {"'\\u12'", {{1, 2, "an escape with digits is \\xHH, \\uHHHH, \\UHHHHHHHH or \\OOO up to \\377"}}},
    {"'\\U00110000'", {{1, 10, "the escape is no character"}}},
    {"b'\\u0041'", {{2, 2, "a bytes literal has no \\u; write the bytes as \\x.."}}},
    {"`abc", {{0, 4, "a name in backticks must end with a backtick and not be empty"}}},
    {"``.a", {{0, 1, "a name in backticks must end with a backtick and not be empty"}}},
    {"0x", {{0, 2, "not a number; numbers are 12, 12u, 0x1F, 1.5, 2e-3"}}},
    {"12abc", {{0, 5, "not a number; numbers are 12, 12u, 0x1F, 1.5, 2e-3"}}},
    {"1e", {{0, 2, "not a number; numbers are 12, 12u, 0x1F, 1.5, 2e-3"}}},
    {"99999999999999999999", {{0, 20, "the number doesn't fit into 64 bits"}}},
    {"9223372036854775808", {{0, 19, "the number doesn't fit into an int; append u for a uint"}}},
    {"18446744073709551616u", {{0, 21, "the number doesn't fit into 64 bits"}}},
    {"0x1FFFFFFFFFFFFFFFFF", {{0, 20, "the number doesn't fit into 64 bits"}}},
    {"if", {{0, 2, "\"if\" is a reserved word of CEL"}}},
    {"msg.if", {{4, 2, "gov.public_security.v1.ResidenceRegistered has no field if"}}},
    {"true ? 1", {{8, 0, "\":\" of the choice (condition ? one : other) is missing at the end"}}},
    {"true ? : 2", {{7, 1, "a value is missing before \":\""}}},
    {"msg.entry_number.matches(\"(\")",
        {{25, 3, "the pattern is wrong at its byte 2: missing closing parenthesis"}}},
    {"msg.entry_number.matches(\"[a-\")",
        {{25, 5, "the pattern is wrong at its byte 4: missing terminating ] for character class"}}},
    {"codes(\"gb4761_to_housng\", msg.relation)",
        {{6, 18, "there is no code map \"gb4761_to_housng\"; did you mean \"gb4761_to_housing\"?"}}},
    {"codes(\"nothing at all\", msg.relation)", {{6, 16, "there is no code map \"nothing at all\""}}},
    {"codes(msg.relation, \"a\")", {{6, 12, "the code map's name must be a literal string"}}},
    {"codes(\"gb4761_to_housing\", 5)",
        {{0, 5, "no function codes(string, int); there is codes(string, string)"}}},
    {"in_codes(\"gb4761_to\", msg.relation)",
        {{9, 11, "there is no code list \"gb4761_to\"; did you mean \"gb4761\"?"}}},
    {"msg.registered_at.getHours(\"Asia/Shangai\")",
        {{27, 14, "there is no time zone \"Asia/Shangai\"; did you mean \"Asia/Shanghai\"?"}}},
    {"local_date(msg.registered_at, \"8\")",
        {{30, 3,
            "there is no time zone \"8\"; one is \"UTC\", an offset such as \"+08:00\" or a name such as "
            "\"Asia/Shanghai\""}}},
    {"local_date(msg.registered_at)",
        {{0, 10, "no function local_date(timestamp); there is local_date(timestamp, string)"}}},
    {"timestamp(\"yesterday\")",
        {{10, 11, "\"yesterday\" is no timestamp within range, such as 2026-01-01T00:00:00Z"}}},
    {"duration(\"five minutes\")",
        {{9, 14, "\"five minutes\" is no duration within range, such as 1h30m or 1.5s"}}},
    {"int(true)", {{0, 3,
                      "no function int(bool); there is int(int), int(uint), int(double), int(string), "
                      "int(timestamp)"}}},
    {"bool(1)", {{0, 4, "no function bool(int); there is bool(bool), bool(string)"}}},
    {"string([1])", {{0, 6,
                        "no function string(list(int)); there is string(string), string(int), string(uint), "
                        "string(double), string(bool), string(bytes), string(timestamp), string(duration)"}}},
    {"null + 1", {{5, 1, "\"+\" has no meaning for null and int"}}},
    {"-null", {{0, 1, "\"-\" has no meaning for null"}}},
    {"[1] + {\"a\": 1}", {{4, 1, "\"+\" has no meaning for list(int) and map(string, int)"}}},
    {"1 < \"a\"", {{2, 1, "\"<\" has no meaning for int and string; convert with string() or int()"}}},
    {"[1] < [2]", {{4, 1, "\"<\" has no meaning for list(int) and list(int)"}}},
    {"msg.address < msg.address",
        {{12, 1,
            "\"<\" has no meaning for gov.common.v1.StructuredAddress and gov.common.v1.StructuredAddress"}}},
    {"type(1) == 1", {{8, 2, "type can't be compared with int"}}},
    {"msg.mgs.x.y", {{4, 3, "gov.public_security.v1.ResidenceRegistered has no field mgs"}}},
    {"mgs.a && mgs.b && msg.adress",
        {{0, 3, "unknown name \"mgs\"; did you mean msg?"}, {9, 3, "unknown name \"mgs\"; did you mean msg?"},
            {22, 6,
                "gov.public_security.v1.ResidenceRegistered has no field adress; did you mean address?"}}},
    {"msg.adress.x == msg.reltion",
        {{4, 6, "gov.public_security.v1.ResidenceRegistered has no field adress; did you mean address?"},
            {20, 7,
                "gov.public_security.v1.ResidenceRegistered has no field reltion; did you mean relation?"}}},
    {"msg.entry_number.matches(\"(a)\\\\1\")",
        {{25, 8, "the pattern is wrong at its byte 4: a pattern can't refer back to a group"}}},
    {"msg.entry_number.matches(\"a(?=b)\")", {{25, 8,
                                                 "the pattern is wrong at its byte 2: RE2, whose patterns "
                                                 "these are, has no look-around, conditions or recursion"}}},
    {"msg.entry_number.matches(\"a(?<!b)\")", {{25, 9,
                                                  "the pattern is wrong at its byte 2: RE2, whose patterns "
                                                  "these are, has no look-around, conditions or recursion"}}},
    {"msg.entry_number.matches(\"a++\")", {{25, 5,
                                              "the pattern is wrong at its byte 2: RE2, whose patterns these "
                                              "are, has no quantifier behind a quantifier"}}},
    {"msg.entry_number.matches(\"(*COMMIT)a\")",
        {{25, 12, "the pattern is wrong at its byte 1: RE2, whose patterns these are, has no verbs (*...)"}}},
    {"msg.entry_number.matches(\"(?R)\")", {{25, 6,
                                               "the pattern is wrong at its byte 1: RE2, whose patterns "
                                               "these are, has no look-around, conditions or recursion"}}},
    {"msg.entry_number.matches(\"[\\\\K]\")",
        {{25, 7, "the pattern is wrong at its byte 1: RE2, whose patterns these are, has no such escape"}}},
    {"msg.kind == \"visit\"", {{9, 2,
                                  "gov.public_security.v1.ResidenceRegistered.Kind can't be compared with "
                                  "string; name its value, such as Kind.VISIT"}}},
    {"msg.kind == “VISIT”", {{12, 3, "\"“\" is a Chinese quotation mark; write '\"'"}}},
    {"msg.kind = Kind.VISIT", {{9, 1, "\"=\" is no operator; write \"==\""}}},
    {"（msg.kind == 1）", {{0, 3, "\"（\" is a full-width parenthesis; write \"(\""}}},
    {"msg.kind in [Kind.VISIT， Kind.BIRTH]", {{23, 3, "\"，\" is a full-width comma; write \",\""}}},
    {"not msg.kind == 1", {{0, 3, "\"not\" is written !"}}},
    {"msg.kind == 1 and msg.kind == 2", {{14, 3, "\"and\" is no operator; write \"&&\""}}},
    {"msg.address.division == '330106' or true", {{33, 2, "\"or\" is no operator; write \"||\""}}},
    {"msg.address.division.startsWith('330106') ? true",
        {{48, 0, "\":\" of the choice (condition ? one : other) is missing at the end"}}},
    {"msg.address.division.starts_with('330106')",
        {{21, 11, "unknown function \"starts_with\"; did you mean startsWith()?"}}},
    {"msg.address.division.StartsWith('330106')",
        {{21, 10, "unknown function \"StartsWith\"; did you mean startsWith()?"}}},
    {"msg.address.division.length() > 5", {{21, 6, "unknown function \"length\"; did you mean size()?"}}},
    {"len(msg.address.division) > 5", {{0, 3, "unknown function \"len\"; did you mean size()?"}}},
    {"msg.resident.name == \"王\"", {{18, 2, "gov.common.v1.CitizenName can't be compared with string"}}},
    {"msg.resident.name.text.size() == \"2\"",
        {{30, 2, "int can't be compared with string; convert with string() or int()"}}},
    {"msg.Address.division == \"\"",
        {{4, 7, "gov.public_security.v1.ResidenceRegistered has no field Address; did you mean address?"}}},
    {"has(msg.address.divison) && has(mgs.address)",
        {{16, 7, "gov.common.v1.StructuredAddress has no field divison; did you mean division?"},
            {32, 3, "unknown name \"mgs\"; did you mean msg?"}}},
    {"msg.organ.code.size", {{15, 4, "string has no fields"}}},
    {"msg[\"kind\"]", {{3, 8,
                          "gov.public_security.v1.ResidenceRegistered can't be indexed by string; select a "
                          "field with a dot"}}},
    {"msg.registered_at.year == 2026",
        {{18, 4, "timestamp has no fields; ask with functions such as getHours()"}}},
    {"now > msg.registered_at", {{0, 3, "unknown name \"now\"; there is msg"}}},
    {"msg.kind.name == \"VISIT\"", {{9, 4, "gov.public_security.v1.ResidenceRegistered.Kind has no fields"}}},
    {"int(\"a\") == 1u && size([1]) == \"1\"",
        {{28, 2, "int can't be compared with string; convert with string() or int()"}}},
    {"[1, 2, 3][true]", {{9, 6, "list(int) can't be indexed by bool"}}},
    {"[\"a\"].exists(x, x.startWith(\"a\"))",
        {{18, 9, "unknown function \"startWith\"; did you mean startsWith()?"}}},
    {"[\"a\"].exists(x, x > 1)",
        {{18, 1, "\">\" has no meaning for string and int; convert with string() or int()"}}},
    {"[\"a\"].map(x, y + 1)", {{13, 1, "unknown name \"y\"; did you mean x?"}}},
    {"[msg.address].exists(a, a.divison == \"\")",
        {{26, 7, "gov.common.v1.StructuredAddress has no field divison; did you mean division?"}}},
    {"{\"a\": 1}.b == 1 && {1: 1}.b == 1", {{26, 1, "map(int, int) has no fields"}}},
    {"codes(\"gb4761_to_housing\")",
        {{0, 5,
            "no function codes(string); there is codes(string, string), codes(string, string, timestamp)"}}},
    {"codes(\"gb4761_to_housing\", msg.relation, 1)",
        {{0, 5, "no function codes(string, string, int); there is codes(string, string, timestamp)"}}},
    {"dyn(1, 2)", {{0, 3, "no function dyn(int, int); there is dyn(value)"}}},
    {"credit_code_valid('x')",
        {{0, 17, "unknown function \"credit_code_valid\"; did you mean credit_code()?"}}},
    {"division_within('x', '33')",
        {{0, 15, "unknown function \"division_within\"; did you mean division()?"}}},
    {"max(1, 2)", {{0, 3, "unknown function \"max\"; did you mean math.greatest()?"}}},
    {"division(msg.address.division).within(5)", {{31, 6,
                                                     "no function division.within(int); there is "
                                                     "division.within(division), division.within(string)"}}},
};

static void compare(const struct wrong *wrong, const struct cel_problems *problems) {
    size_t count = 0;
    while (count < 3 && wrong->problems[count].text)
        count++;
    if (problems->count != count)
        fail_msg("%s: %zu problems, the first: %s", wrong->source, problems->count, problems->items[0].text);
    for (size_t i = 0; i < count; i++) {
        const struct cel_problem *is = &problems->items[i];
        if (is->offset != wrong->problems[i].offset || is->length != wrong->problems[i].length ||
            strcmp(is->text, wrong->problems[i].text) != 0)
            fail_msg("%s\n is %zu+%zu %s\n not %zu+%zu %s", wrong->source, is->offset, is->length, is->text,
                wrong->problems[i].offset, wrong->problems[i].length, wrong->problems[i].text);
    }
}

static void test_wrong(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++) {
        struct cel_program *program = NULL;
        struct cel_problems problems;
        assert_int_equal(
            cel_compile(env, bytes_of_string(wrongs[i].source), NULL, &program, &problems), CEL_REFUSED);
        assert_null(program);
        compare(&wrongs[i], &problems);
        assert_int_equal(
            cel_compile(env, bytes_of_string(wrongs[i].source), NULL, &program, NULL), CEL_REFUSED);
    }
}

// ---- Limits ----

static const char *refusal(struct bytes source, const struct cel_limits *limits) {
    static struct cel_problems problems;
    struct cel_program *program = NULL;
    if (cel_compile(env, source, limits, &program, &problems) == 0) {
        cel_program_destroy(&program);
        return "";
    }
    return problems.items[0].text;
}

static const char *repeated(
    struct buffer *out, const char *before, const char *part, size_t count, const char *behind) {
    buffer_clear(out);
    assert_int_equal(buffer_append_string(out, before), 0);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(buffer_append_string(out, part), 0);
    assert_int_equal(buffer_append_string(out, behind), 0);
    return buffer_text(out);
}

static void test_limits(void **state) {
    (void)state;
    static const char deep[] = "the expression is nested deeper than 100 levels";
    static const struct {
        const char *part;
        const char *behind;
    } nests[] = {
        {"(", ""}, {"[", ""}, {"!", "true"}, {"- ", "n"}, {"{1: ", ""}, {"size(", ""}, {"true ? 1 : ", "2"}};
    struct buffer out = {0};
    struct cel_limits limits = {.source = 10};
    for (size_t i = 0; i < sizeof nests / sizeof *nests; i++)
        assert_string_equal(
            refusal(bytes_of_string(repeated(&out, "", nests[i].part, 1000, nests[i].behind)), NULL), deep);
    assert_string_equal(refusal(bytes_of_string(repeated(&out, "1", " + 1", 100, "")), NULL), deep);
    assert_string_equal(refusal(bytes_of_string(repeated(&out, "1", " + 1", 99, "")), NULL), "");
    assert_string_equal(refusal(bytes_of_string(repeated(&out, "msg", ".x", 100, "")), NULL), deep);
    assert_string_equal(refusal(bytes_of_string(repeated(&out, "[1]", "[0]", 100, "")), NULL), deep);
    assert_string_equal(refusal(bytes_of_string(repeated(&out, "true", " || true", 1000, "")), NULL), "");
    assert_string_equal(
        refusal(bytes_of_string("1 + 1 + 1 + 1"), &limits), "the expression is longer than 10 bytes");
    limits = (struct cel_limits){.nodes = 3, .source = 1000};
    assert_string_equal(
        refusal(bytes_of_string("1 + 1 + 1"), &limits), "the expression has more than 3 parts");
    limits = (struct cel_limits){.depth = 3};
    assert_string_equal(
        refusal(bytes_of_string("((((1))))"), &limits), "the expression is nested deeper than 3 levels");
    assert_string_equal(refusal(bytes_of("'\xe6\xb1'", 4), NULL), "the expression is not UTF-8 from here on");
    repeated(&out, "a", " && a", 100, "");
    assert_string_equal(refusal(buffer_bytes(&out), NULL), "unknown name \"a\"; there is msg");
    buffer_destroy(&out);
}

static void test_many_problems(void **state) {
    (void)state;
    struct buffer out = {0};
    struct cel_program *program;
    struct cel_problems problems;
    repeated(&out, "a", " && a", 100, "");
    assert_int_equal(cel_compile(env, buffer_bytes(&out), NULL, &program, &problems), CEL_REFUSED);
    assert_int_equal(problems.count, CEL_PROBLEMS);
    for (size_t i = 0; i < problems.count; i++)
        assert_int_equal(problems.items[i].offset, 5 * i);
    buffer_destroy(&out);
}

// ---- Types of what is right ----

static void test_types(void **state) {
    (void)state;
    static const char *const table[][2] = {
        {"1", "int"},
        {"1u", "uint"},
        {"1.0", "double"},
        {"''", "string"},
        {"b''", "bytes"},
        {"null", "null"},
        {"true", "bool"},
        {"[]", "list(dyn)"},
        {"[1, 2]", "list(int)"},
        {"[1, 'a']", "list(dyn)"},
        {"[[1]]", "list(list(int))"},
        {"{}", "map(dyn, dyn)"},
        {"{'a': 1u}", "map(string, uint)"},
        {"{'a': 1, 'b': ''}", "map(string, dyn)"},
        {"msg.kind", "gov.public_security.v1.ResidenceRegistered.Kind"},
        {"Kind.VISIT", "gov.public_security.v1.ResidenceRegistered.Kind"},
        {"msg.kind + 1", "int"},
        {"true ? msg.kind : 1", "int"},
        {"[msg.kind, 1]", "list(int)"},
        {"msg.address", "gov.common.v1.StructuredAddress"},
        {"true ? msg.address : null", "gov.common.v1.StructuredAddress"},
        {"true ? msg.relation : null", "string or null"},
        {"true ? null : 1", "int or null"},
        {"true ? dyn(1) : 1", "dyn"},
        {"msg.registered_at", "timestamp"},
        {"msg.registered_at - msg.registered_at", "duration"},
        {"msg.registered_at - duration('1h')", "timestamp"},
        {"msg.relation.split(',')", "list(string)"},
        {"msg.relation.split(',')[0]", "string"},
        {"{'a': 1}['a']", "int"},
        {"{'a': 1}.a", "int"},
        {"[1].map(x, string(x))", "list(string)"},
        {"[1].map(x, x > 1, [x])", "list(list(int))"},
        {"['a'].filter(x, x != '')", "list(string)"},
        {"{1: 'a'}.map(k, k)", "list(int)"},
        {"[1] + [2]", "list(int)"},
        {"[1] + ['a']", "list(dyn)"},
        {"dyn(1)", "dyn"},
        {"dyn(1) + 1", "int"},
        {"dyn(1) + dyn(1)", "dyn"},
        {"dyn([1])[0]", "dyn"},
        {"dyn(1).x.y", "dyn"},
        {"dyn(1) < 2", "bool"},
        {"type(1)", "type"},
        {"int", "type"},
        {"gov.common.v1.StructuredAddress", "type"},
        {"codes('gb4761_to_housing', msg.relation)", "string"},
        {"in_codes('gb4761', msg.relation)", "bool"},
        {"has(msg.address.division)", "bool"},
    };
    char name[200];
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct cel_program *program;
        struct cel_problems problems = {0};
        if (cel_compile(env, bytes_of_string(table[i][0]), NULL, &program, &problems) != 0)
            fail_msg("%s: %s", table[i][0], problems.items[0].text);
        cel_type_name(cel_program_type(program), name, sizeof name);
        if (strcmp(name, table[i][1]) != 0)
            fail_msg("%s is of type %s, not %s", table[i][0], name, table[i][1]);
        cel_program_destroy(&program);
    }
    struct cel_type type = {.kind = CEL_STRING};
    assert_string_equal(cel_type_name(&type, name, 4), "str");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_many_problems),
        cmocka_unit_test(test_types),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
