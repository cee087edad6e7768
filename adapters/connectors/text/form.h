// How legacy systems write values as text, for the connectors that read and write text: dates in their own
// pattern, money in yuan.
#pragma once

#include "core/base/buffer.h"
#include "core/cel/cel.h"

enum form_kind {
    FORM_STRING, // as it is
    FORM_INT,
    FORM_DOUBLE,
    FORM_BOOL, // true false, 1 0, Y N, 是 否
    FORM_DATE, // by `pattern` to and from "YYYY-MM-DD"
    FORM_TIME, // by `pattern`, in the process' time zone, to and from a UTC time (RFC 3339)
    FORM_YUAN, // "1234.50" to and from 123450 fen (an integer)
};
extern const char *const form_names[]; // in the order of form_kind, ends with NULL

struct form {
    enum form_kind kind;
    const char *pattern; // DATE, TIME: of strptime(3) and strftime(3); NULL: "%Y-%m-%d", "%Y-%m-%d %H:%M:%S".
                         // Borrowed.
};

enum {
    FORM_BAD = 1, // the text is not of the form; the error says what is wanted
};

// What a text says. STRING, DATE and TIME: CEL_STRING, borrowed from the input or from `scratch`; INT and
// YUAN: CEL_INT; DOUBLE: CEL_DOUBLE; BOOL: CEL_BOOL. FORM_BAD, -ENOMEM.
int form_read(const struct form *form, struct bytes text, struct buffer *scratch, struct cel_value *out,
    struct error *error);
enum cel_kind form_value_kind(enum form_kind kind);

// Appends a value as text: strings, numbers, booleans ("true"), times (RFC 3339), null as nothing; DATE, TIME
// and YUAN take what form_read gives, and DATE and TIME also a CEL_TIMESTAMP. FORM_BAD, -ENOMEM.
int form_write(
    const struct form *form, const struct cel_value *value, struct buffer *out, struct error *error);
// Whether form_write can write values of this static kind; DYN is for the time of writing.
bool form_takes(enum form_kind form, enum cel_kind kind);
