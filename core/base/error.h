// What went wrong, for a person. Functions return 0, a positive code of their module that the caller must
// handle, or a negative errno (-ENOMEM, -EIO …) that is fatal to the operation and is forwarded; the text
// goes along here.
#pragma once

#include "core/base/bytes.h"

#define ERROR_TEXT_SIZE 512

struct error {
    int code; // what the function returned
    char text[ERROR_TEXT_SIZE];
};

// Fills `error` (which may be NULL) and returns `code`, so that a failure is one line: return
// error_set(error, -EINVAL, "…");
int error_set(struct error *error, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

// Puts "context: " before the text that is there (cut at the end where it is too long); returns error->code.
int error_prefix(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

// As error_set with -ENOMEM and the fixed text "out of memory".
int error_no_memory(struct error *error);
