// Hutong's own functions: code lists and maps, numbers with a check character, divisions.
#include "core/cel/functions.h"
#include "core/codes/divisions.h"
#include "core/codes/numbers.h"

#define SHOWN 40 // bytes of a code that a message shows

FUNCTION(fn_codes) {
    struct bytes to;
    struct bytes code = args[1].bytes;
    if (code_map_get(node->call.bound, code, activation->time, &to) == 0)
        value_set_bytes(out, CEL_STRING, to);
    else
        value_fail(activation, out, CEL_FAULT_UNMAPPED, "unmapped code \"%.*s\" in map %.*s",
            code.size > SHOWN ? SHOWN : (int)code.size, (const char *)code.data, BYTES_ARGS(args[0].bytes));
}

FUNCTION(fn_in_codes) {
    value_set_bool(out, code_list_contains(node->call.bound, args[1].bytes, activation->time));
}

FUNCTION(fn_citizen_number_valid) {
    (void)node;
    (void)activation;
    value_set_bool(out, citizen_number_valid(args[0].bytes));
}

FUNCTION(fn_credit_code_valid) {
    (void)node;
    (void)activation;
    value_set_bool(out, credit_code_valid(args[0].bytes));
}

FUNCTION(fn_division_within) {
    (void)node;
    (void)activation;
    value_set_bool(out, division_within(args[0].bytes, args[1].bytes));
}
