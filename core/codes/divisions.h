// Administrative divisions: codes of 2, 4, 6 digits (GB/T 2260), 9 (GB/T 10114), 12 (statistical division
// code), each the beginning of those below it. Zeros at the end, as in 330000, 330100, 330106000000, mean all
// of the province, city or county.
#pragma once

#include "core/codes/codes.h"

// Only digits, in one of the five lengths.
bool division_well_formed(struct bytes code);

// 1 a province, 2 a city or prefecture, 3 a county or district, 4 a town or street, 5 a village or community;
// 0 when not well formed.
unsigned division_level(struct bytes code);

// The division around it, into `out`; returns its size: 9 digits of a town, 6 above it (2 where `code` had
// 4). 0 for a province and what is not well formed; `out` is then untouched.
#define DIVISION_SIZE 12
size_t division_parent(struct bytes code, char out[DIVISION_SIZE]);

// Whether `code` is `ancestor` or lies in it: 330106002051 is within 330106, 330100, 330000, 33. False when
// either is not well formed.
bool division_within(struct bytes code, struct bytes ancestor);

// Whether the first six digits of `code` are in force in `list` (conf/codes: gb2260) at `time`.
bool division_known(const struct code_list *list, struct bytes code, int64_t time);

// Follows replaced_by from the entry that was in force at `time` to one that is in force without an end:
// 330104 of 2020 gives 330102. NULL when the code was unknown then or nothing took over.
const struct code_entry *division_successor(const struct code_list *list, struct bytes code, int64_t time);
