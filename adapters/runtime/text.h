// How legacy systems write dates, times and amounts, to what messages hold, and back.
//
// A form is the type and, where it has one, the pattern of a text:
//   string   as it is
//   int      [+-]digits                          -> int64
//   double   as strtod() reads it, finite        -> double
//   bool     0 1 true false t f yes no y n 是 否  -> bool
//   decimal  "1,234.50" with scale 2             -> int64 123450 (fen); no more digits than the scale
//   date     20261124, 2026-11-24, 2026/11/24, 2026.11.24, 2026年11月24日; also the date of a time ->
//   "2026-11-24" time     20261124093000, 2026-11-24 09:30:00, 2026/11/24T09:30:00.25+08:00, …; a date alone
//   is its midnight
//                                                -> RFC 3339, "2026-11-24T09:30:00+08:00"
// Without a pattern all these spellings are read, and written is the first of date, "2026-11-24 09:30:00" of
// time. A pattern of %Y %m %d %H %M %S %% and other characters reads and writes exactly that. Days must
// exist; years 1 to 9999.
#pragma once

#include "core/base/buffer.h"
#include "core/base/error.h"
#include "core/cel/cel.h"
#include "core/config/config.h"

enum text_type {
    TEXT_STRING,
    TEXT_INT,
    TEXT_DOUBLE,
    TEXT_BOOL,
    TEXT_DECIMAL,
    TEXT_DATE,
    TEXT_TIME,
};
extern const char *const text_type_names[]; // in the order of text_type, ends with NULL

struct text_form {
    enum text_type type;
    unsigned scale;      // DECIMAL: digits behind the point, 0 to 9
    const char *pattern; // DATE, TIME: NULL for all usual spellings; borrowed
    int32_t zone;        // seconds east of UTC
};

enum {
    TEXT_BAD =
        1, // the text or value isn't of the form; the error says what it must look like, without the value
};

// The keys of a form in a YAML mapping, to be put among a connector's own.
#define TEXT_FORM_KEYS                                                                                       \
    {"type", CONFIG_OPTIONAL}, {"format", CONFIG_OPTIONAL}, {                                                \
        "scale", CONFIG_OPTIONAL                                                                             \
    }

// Reads `type`, `format`, `scale` from a mapping. False when reported. `form` holds `zone` and the default
// type before.
bool text_form_read(const struct config_node *mapping, struct text_form *form, struct report *report);

// A text of the system to what a message holds. Blanks around it don't count (but in a string). TEXT_INT,
// BOOL, DECIMAL fill `i64`, DOUBLE `f64`, the others append to `out` (UTF-8 in, UTF-8 out). 0, TEXT_BAD,
// -ENOMEM.
int text_read(const struct text_form *form, struct bytes text, int64_t *i64, double *f64, struct buffer *out,
    struct error *error);

// A value of an expression to the system's text, appended. A string value may hold a date or time in any
// spelling above; a timestamp is written in the form's zone. Null and "" (of other forms than string) append
// nothing. 0, TEXT_BAD, -ENOMEM.
int text_write(
    const struct text_form *form, const struct cel_value *value, struct buffer *out, struct error *error);
