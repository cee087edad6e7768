#include "core/base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int error_set(struct error *error, int code, const char *format, ...) {
    if (!error)
        return code;
    va_list args;
    va_start(args, format);
    error->code = code;
    vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    return code;
}

int error_prefix(struct error *error, const char *format, ...) {
    if (!error)
        return 0;
    char old[ERROR_TEXT_SIZE];
    memcpy(old, error->text, sizeof old);
    va_list args;
    va_start(args, format);
    int n = vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof error->text) {
        size_t used = (size_t)n;
        size_t rest = strnlen(old, sizeof old - 1);
        if (rest > sizeof error->text - used - 1)
            rest = sizeof error->text - used - 1;
        memcpy(error->text + used, old, rest);
        error->text[used + rest] = '\0';
    }
    return error->code;
}

int error_no_memory(struct error *error) {
    return error_set(error, -ENOMEM, "out of memory");
}
