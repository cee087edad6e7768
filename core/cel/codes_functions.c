// codes() and in_codes(): the code lists and maps of conf/codes.
#include "core/cel/functions.h"
#include "core/codes/codes.h"

#define SHOWN 40 // bytes of a code that a message shows

// The time in the third argument, or that of the message. 1970 as a time of its own isn't "now".
static int64_t time_of(
    const struct node *node, const struct cel_activation *activation, const struct cel_value *args) {
    if (node->count < 3)
        return activation->time;
    return args[2].time.seconds == CODES_CURRENT ? CODES_CURRENT + 1 : args[2].time.seconds;
}

FUNCTION(fn_codes) {
    struct bytes to;
    struct bytes code = args[1].bytes;
    if (code_map_get(node->call.bound, code, time_of(node, activation, args), &to) == 0)
        value_set_bytes(out, CEL_STRING, to);
    else
        value_fail(activation, out, CEL_FAULT_UNMAPPED, "unmapped code \"%.*s\" in map %.*s",
            code.size > SHOWN ? SHOWN : (int)code.size, (const char *)code.data, BYTES_ARGS(args[0].bytes));
}

FUNCTION(fn_in_codes) {
    value_set_bool(out, code_list_contains(node->call.bound, args[1].bytes, time_of(node, activation, args)));
}
