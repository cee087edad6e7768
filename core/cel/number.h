// Doubles as texts and back, whatever locale the process runs in. Private to core/cel.
#pragma once

#include "core/base/bytes.h"

#define NUMBER_PRECISION 100 // digits behind the point, at most
#define NUMBER_TEXT 512      // room for any double with them, and a NUL

// The shortest text that reads back as the same number; "NaN", "+Inf", "-Inf". Returns its size.
size_t number_print(double value, char out[NUMBER_TEXT]);
// "1234.500" (verb 'f') or "1.234500e+03" (verb 'e') of a finite number; halves go to the even neighbour.
// Returns the size.
size_t number_print_fixed(double value, char verb, int precision, char out[NUMBER_TEXT]);
// "1", "-1.5", "1e3", "NaN", "Infinity". False for anything else, and for what is too large.
bool number_parse(struct bytes text, double *out);
