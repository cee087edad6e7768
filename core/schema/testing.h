// What the tests of this folder share: the types of testdata/, and messages made by hand.
#pragma once

#include "core/schema/view.h"
#include "test/support/alloc_fail.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define TESTDATA HUTONG_BUILD_DIR "/core/schema/testdata.binpb"

static struct catalogue *catalogue;

static inline int load_testdata(void **state) {
    (void)state;
    struct error error = {0};
    int rc = catalogue_load_file(TESTDATA, &catalogue, &error);
    if (rc != 0)
        print_error("%s\n", error.text);
    return rc;
}

static inline int free_testdata(void **state) {
    (void)state;
    catalogue_destroy(&catalogue);
    return 0;
}

static inline const struct schema_message *type_named(const char *name) {
    const struct schema_message *type = catalogue_message(catalogue, bytes_of_string(name));
    assert_non_null(type);
    return type;
}

static inline const struct schema_field *field_named(const struct schema_message *type, const char *name) {
    const struct schema_field *field = schema_field_named(type, bytes_of_string(name));
    if (!field)
        fail_msg("%s has no field %s", type->full_name, name);
    return field;
}

// "08 96 01", with texts in single quotes: "4a 03 'abc'".
static inline void put_hex(struct buffer *out, const char *hex) {
    while (*hex) {
        if (*hex == ' ') {
            hex++;
        } else if (*hex == '\'') {
            for (hex++; *hex != '\''; hex++)
                assert_int_equal(buffer_append_byte(out, (uint8_t)*hex), 0);
            hex++;
        } else {
            char two[3] = {hex[0], hex[1], 0};
            assert_int_equal(buffer_append_byte(out, (uint8_t)strtoul(two, NULL, 16)), 0);
            hex += 2;
        }
    }
}

static inline void put_text(
    struct buffer *out, const struct schema_message *type, const char *field, const char *text) {
    assert_int_equal(view_put_bytes(out, field_named(type, field), bytes_of_string(text)), 0);
}

static inline void put_int(
    struct buffer *out, const struct schema_message *type, const char *field, int64_t value) {
    assert_int_equal(view_put_int(out, field_named(type, field), value), 0);
}

static inline void put_message(
    struct buffer *out, const struct schema_message *type, const char *field, const struct buffer *message) {
    assert_int_equal(view_put_bytes(out, field_named(type, field), buffer_bytes(message)), 0);
}
