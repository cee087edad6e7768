// What the tests of expressions and their fuzzer share: two messages and a code map.
#pragma once

#include "core/codes/codes.h"

// test.three.All: a_double 0.5, an_int64 -1, a_bool true, a_string "330106", inner {name "x", tags "a" "b"},
// kind 1, int32s 1 2 3, strings "p" "q", inners {} {number 7}, names {"k": "v"}, by_number {1: {name "n"}}.
static const uint8_t message_all[] = {0x09, 0, 0, 0, 0, 0, 0, 0xe0, 0x3f, 0x18, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0x01, 0x40, 0x01, 0x4a, 0x06, '3', '3', '0', '1', '0', '6', 0x5a, 0x09, 0x0a,
    0x01, 'x', 0x22, 0x01, 'a', 0x22, 0x01, 'b', 0x70, 0x01, 0x9a, 0x02, 0x03, 0x01, 0x02, 0x03, 0xba, 0x02,
    0x01, 'p', 0xba, 0x02, 0x01, 'q', 0xca, 0x02, 0x00, 0xca, 0x02, 0x02, 0x10, 0x07, 0xea, 0x03, 0x06, 0x0a,
    0x01, 'k', 0x12, 0x01, 'v', 0xf2, 0x03, 0x07, 0x08, 0x01, 0x12, 0x03, 0x0a, 0x01, 'n'};
// test.three.Known: timestamp 1700000000 s 5 ns, duration 90 s, int32_value 7, string_value "".
static const uint8_t message_known[] = {0x0a, 0x08, 0x08, 0x80, 0xe2, 0xcf, 0xaa, 0x06, 0x10, 0x05, 0x12,
    0x02, 0x08, 0x5a, 0x62, 0x02, 0x08, 0x07, 0x92, 0x01, 0x00};

// The list "sex" and the map "relation", each with the code "01"; it maps to "10". Returns owned, or NULL.
static inline struct codes *sample_codes(void) {
    struct code_map *map;
    struct code_list *list;
    const struct code_entry entry = {.code = bytes_of_string("01"),
        .name = bytes_of_string("10"),
        .from = CODES_ALWAYS_FROM,
        .until = CODES_ALWAYS_UNTIL};
    struct codes *codes = codes_new();
    if (!codes || codes_add_list(codes, bytes_of_string("sex"), &list, NULL) != 0 ||
        code_list_add(list, &entry, NULL) != 0 ||
        codes_add_map(codes, bytes_of_string("relation"), NULL, NULL, &map, NULL) != 0 ||
        code_map_add(map, &entry, NULL) != 0)
        codes_destroy(&codes);
    return codes;
}
