// citizen_number (GB 11643), credit_code (GB 32100), division (GB/T 2260): texts with functions of their own.
// A text becomes one unseen, so that valid() can be asked; the other functions fail where it isn't.
#include "core/cel/functions.h"
#include "core/cel/text.h"
#include "core/codes/divisions.h"
#include "core/codes/numbers.h"

#define WRAP(name, kind)                                                                                     \
    FUNCTION(name) {                                                                                         \
        (void)node;                                                                                          \
        (void)activation;                                                                                    \
        value_set_bytes(out, kind, args[0].bytes);                                                           \
    }

WRAP(fn_citizen_number, CEL_CITIZEN_NUMBER)
WRAP(fn_credit_code, CEL_CREDIT_CODE)
WRAP(fn_division, CEL_DIVISION)

#define ASK(name, question)                                                                                  \
    FUNCTION(name) {                                                                                         \
        (void)node;                                                                                          \
        (void)activation;                                                                                    \
        value_set_bool(out, question);                                                                       \
    }

ASK(fn_citizen_number_valid, citizen_number_valid(args[0].bytes))
ASK(fn_credit_code_valid, credit_code_valid(args[0].bytes))
ASK(fn_division_valid, division_well_formed(args[0].bytes))
ASK(fn_within, division_within(args[0].bytes, args[1].bytes))

// Whether it is right; the message doesn't show it: it says who a person is.
static bool right(
    struct cel_activation *activation, enum number_fault fault, const char *what, struct cel_value *out) {
    if (fault != NUMBER_OK)
        value_fail(activation, out, CEL_FAULT_ARGUMENT, "the %s %s", what, number_fault_text(fault));
    return fault == NUMBER_OK;
}

FUNCTION(fn_birth_date) {
    (void)node;
    char date[NUMBER_DATE_SIZE];
    if (!right(activation, citizen_number_check(args[0].bytes), "citizen number", out))
        return;
    citizen_number_birth_date(args[0].bytes, date);
    text_copy(activation, date, sizeof date, out);
}

// By GB/T 2261.1.
FUNCTION(fn_sex) {
    (void)node;
    if (right(activation, citizen_number_check(args[0].bytes), "citizen number", out))
        value_set_bytes(out, CEL_STRING, bytes_of_string(citizen_number_male(args[0].bytes) ? "1" : "2"));
}

FUNCTION(fn_citizen_number_division) {
    (void)node;
    if (right(activation, citizen_number_check(args[0].bytes), "citizen number", out))
        value_set_bytes(out, CEL_DIVISION, bytes_of(args[0].bytes.data, 6));
}

FUNCTION(fn_credit_code_division) {
    (void)node;
    if (right(activation, credit_code_check(args[0].bytes), "credit code", out))
        value_set_bytes(out, CEL_DIVISION, bytes_of(args[0].bytes.data + 2, 6));
}

static const struct cel_error no_division = {
    CEL_FAULT_ARGUMENT, "the division is not of 2, 4, 6, 9 or 12 digits"};

FUNCTION(fn_level) {
    (void)node;
    (void)activation;
    unsigned level = division_level(args[0].bytes);
    if (level == 0)
        value_fail_static(out, &no_division);
    else
        value_set_int(out, level);
}

FUNCTION(fn_parent) {
    (void)node;
    static const struct cel_error topmost = {CEL_FAULT_ARGUMENT, "a province lies in no other division"};
    char parent[DIVISION_SIZE];
    size_t size = division_parent(args[0].bytes, parent);
    if (size == 0) {
        value_fail_static(out, division_level(args[0].bytes) ? &topmost : &no_division);
        return;
    }
    text_copy(activation, parent, size, out);
    if (out->kind == CEL_STRING)
        out->kind = CEL_DIVISION;
}
