// What the tests of config, and of what loads files through it, share.
#pragma once

#include "core/config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

// The report as text, in a buffer that the next call reuses.
static inline const char *printed(const struct report *report) {
    static struct buffer out;
    buffer_clear(&out);
    assert_int_equal(report_print(report, &out), 0);
    return buffer_text(&out);
}
