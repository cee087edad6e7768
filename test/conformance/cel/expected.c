// The suite's error texts, which name a kind of error each in many ways, and the kinds of core/cel.
#include "test/conformance/cel/harness.h"

#define FAULT(name) (1u << CEL_FAULT_##name)
#define PROBLEM(name) (1u << (16 + CEL_PROBLEM_##name))

#define OVERLOAD (FAULT(NO_OVERLOAD) | PROBLEM(TYPE))
#define RANGE (FAULT(OVERFLOW) | FAULT(CONVERSION) | PROBLEM(VALUE))
#define ARGUMENT (FAULT(ARGUMENT) | FAULT(INDEX) | PROBLEM(VALUE))

struct expectation {
    const char *text; // its beginning
    uint32_t kinds;
};

static const struct expectation texts[] = {
    {"no such overload", OVERLOAD},
    {"no_such_overload", OVERLOAD},
    {"no matching overload", OVERLOAD},
    {"no_matching_overload", OVERLOAD},
    {"found no matching overload", OVERLOAD},
    {"unbound function", OVERLOAD | PROBLEM(NAME)},
    {"unsupported field type", OVERLOAD},
    {"range", RANGE},
    {"return error for overflow", FAULT(OVERFLOW)},
    {"overflow", FAULT(OVERFLOW)},
    {"divide by zero", FAULT(DIVISION)},
    {"division by zero", FAULT(DIVISION)},
    {"modulus by zero", FAULT(DIVISION)},
    {"no such key", FAULT(NO_KEY)},
    {"no_such_field", FAULT(NO_FIELD) | PROBLEM(NAME)},
    {"invalid_argument", ARGUMENT},
    {"index", ARGUMENT},
    {"negative offset", ARGUMENT},
    {"invalid substring range", ARGUMENT},
    {"error during formatting", ARGUMENT},
    {"could not parse formatting clause", ARGUMENT},
    {"unsupported key type", FAULT(ARGUMENT) | PROBLEM(TYPE)},
    {"bad key type", FAULT(ARGUMENT) | PROBLEM(TYPE)},
    {"Failed with repeated key", FAULT(ARGUMENT)},
    {"Type conversion error", FAULT(CONVERSION)},
    {"conversion", FAULT(CONVERSION)},
    {"invalid UTF-8", FAULT(CONVERSION)},
    {"invalid", FAULT(CONVERSION) | FAULT(ARGUMENT)},
    {"type '", OVERLOAD | FAULT(NO_FIELD)},
    {"undeclared reference", FAULT(UNSET) | PROBLEM(NAME)},
    {"unknown variable", FAULT(UNSET) | PROBLEM(NAME)},
};

// Where the suite's text is about something else than the error that the expression has.
static const struct expectation paths[] = {
    {"plumbing/eval_results/error_result", FAULT(DIVISION)}, // 1 / 0: "foo"
    {"logic/AND/error_right", FAULT(DIVISION)},              // true && 1/0 != 0: "no matching overload"
    {"logic/AND/error_left", FAULT(DIVISION)},
    {"logic/OR/error_right", FAULT(DIVISION)},
    {"logic/OR/error_left", FAULT(DIVISION)},
    // A Struct is a map, in which the key is missing, and an Any the message in it: "no_matching_overload"
    {"dynamic/struct/literal_no_field_access", FAULT(NO_KEY)},
    {"dynamic/value_struct/literal_no_field_access", FAULT(NO_KEY)},
    {"dynamic/any/literal_no_field_access", FAULT(NO_FIELD)},
};

static uint32_t kinds_for(const char *path, const char *text) {
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (strcmp(path, paths[i].text) == 0)
            return paths[i].kinds;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strncmp(text, texts[i].text, strlen(texts[i].text)) == 0)
            return texts[i].kinds;
    return 0;
}

bool expected_fault(const char *path, const char *text, enum cel_fault fault) {
    return (kinds_for(path, text) & 1u << fault) != 0;
}

bool expected_problem(const char *path, const char *text, enum cel_problem_kind kind) {
    return (kinds_for(path, text) & 1u << (16 + kind)) != 0;
}
