// Scalars from JSON: numbers also in quotes, names of enums, base64.
#include "core/schema/json_known.h"
#include "core/schema/json_read.h"
#include "core/schema/json_text.h"
#include "core/schema/nearest.h"
#include "core/schema/put.h"

#include <errno.h>
#include <float.h>
#include <math.h>

static bool is_unsigned(enum schema_kind kind) {
    return kind == SCHEMA_UINT32 || kind == SCHEMA_UINT64 || kind == SCHEMA_FIXED32 || kind == SCHEMA_FIXED64;
}

static bool is_64(enum schema_kind kind) {
    return kind == SCHEMA_INT64 || kind == SCHEMA_SINT64 || kind == SCHEMA_SFIXED64 ||
           kind == SCHEMA_UINT64 || kind == SCHEMA_FIXED64;
}

static const char *range_of(enum schema_kind kind) {
    if (is_unsigned(kind))
        return is_64(kind) ? "0 to 18446744073709551615" : "0 to 4294967295";
    return is_64(kind) ? "-9223372036854775808 to 9223372036854775807" : "-2147483648 to 2147483647";
}

static int raw_integer(
    struct json_reader *r, const struct schema_field *field, struct bytes text, uint64_t *raw) {
    bool negative;
    uint64_t magnitude;
    int rc = json_read_integer(text, &negative, &magnitude);
    if (rc == 0 && negative)
        rc =
            magnitude > (uint64_t)INT64_MAX + 1 ? -ERANGE : put_raw_int(field, (int64_t)(0 - magnitude), raw);
    else if (rc == 0)
        rc = put_raw_uint(field, magnitude, raw);
    if (rc == 0)
        return 0;
    return json_fail(&r->lex, "expected an integer from %s, found %s", range_of(field->kind),
        rc == -ERANGE ? "one beyond" : "something else");
}

static int raw_double(
    struct json_reader *r, const struct schema_field *field, struct bytes text, bool quoted, uint64_t *raw) {
    double value;
    if (quoted && bytes_equal_string(text, "NaN"))
        return put_raw_double(field, NAN, raw);
    if (quoted && bytes_equal_string(text, "Infinity"))
        return put_raw_double(field, INFINITY, raw);
    if (quoted && bytes_equal_string(text, "-Infinity"))
        return put_raw_double(field, -INFINITY, raw);
    int rc = json_read_double(text, &value);
    if (rc == 0 && field->kind == SCHEMA_FLOAT && !isfinite((float)value))
        rc = -ERANGE;
    if (rc == 0)
        return put_raw_double(field, value, raw);
    if (rc == -ERANGE)
        return json_fail(&r->lex, "the number is too large for this field");
    return json_fail(&r->lex, "expected a number, \"NaN\", \"Infinity\" or \"-Infinity\"");
}

static int unknown_enum(struct json_reader *r, const struct schema_enum *type, struct bytes name) {
    struct nearest nearest = nearest_start(name);
    for (size_t i = 0; i < type->value_count; i++)
        nearest_offer(&nearest, type->values[i].name);
    return json_fail(&r->lex, "\"%.*s\" is no value of %s%s%s%s", name.size < 64 ? (int)name.size : 64,
        (const char *)name.data, type->full_name, nearest.best ? "; did you mean \"" : "",
        nearest.best ? nearest.best : "", nearest.best ? "\"?" : "");
}

static int raw_enum(
    struct json_reader *r, const struct schema_field *field, struct bytes text, bool quoted, uint64_t *raw) {
    bool negative;
    uint64_t magnitude;
    const struct schema_enum_value *value = quoted ? schema_enum_named(field->enumeration, text) : NULL;
    if (value)
        return put_raw_int(field, value->number, raw);
    if (quoted)
        return unknown_enum(r, field->enumeration, text);
    if (json_read_integer(text, &negative, &magnitude) != 0 || magnitude > (uint64_t)INT32_MAX + negative)
        return json_fail(
            &r->lex, "expected the name or number of a value of %s", field->enumeration->full_name);
    int64_t number = negative ? -(int64_t)magnitude : (int64_t)magnitude;
    if (field->enumeration->closed && !schema_enum_numbered(field->enumeration, (int32_t)number))
        return json_fail(&r->lex, "%lld is no value of %s", (long long)number, field->enumeration->full_name);
    return put_raw_int(field, number, raw);
}

static int read_bool(struct json_reader *r, uint64_t *raw) {
    char c = json_peek(&r->lex);
    if (c != 't' && c != 'f')
        return json_fail(&r->lex, "expected true or false, found %s", json_found(&r->lex));
    *raw = c == 't';
    return json_literal(&r->lex, c == 't' ? "true" : "false");
}

static int read_raw(struct json_reader *r, const struct schema_field *field, uint64_t *raw) {
    struct bytes text;
    if (field->kind == SCHEMA_BOOL)
        return read_bool(r, raw);
    if (json_known_null(field) && json_peek(&r->lex) == 'n') {
        *raw = 0;
        return json_literal(&r->lex, "null");
    }
    char c = json_peek(&r->lex);
    if (c != '"' && c != '0')
        return json_fail(&r->lex, "expected %s, found %s",
            field->kind == SCHEMA_ENUM ? "the name of an enum's value" : "a number", json_found(&r->lex));
    int rc = c == '"' ? json_lex_string(&r->lex, &text) : json_number(&r->lex, &text);
    if (rc != 0)
        return rc;
    if (field->kind == SCHEMA_ENUM)
        return raw_enum(r, field, text, c == '"', raw);
    if (field->kind == SCHEMA_DOUBLE || field->kind == SCHEMA_FLOAT)
        return raw_double(r, field, text, c == '"', raw);
    return raw_integer(r, field, text, raw);
}

static int read_bytes(struct json_reader *r, const struct schema_field *field) {
    struct bytes text;
    size_t mark = 0;
    int rc = json_lex_string(&r->lex, &text);
    if (rc != 0)
        return rc;
    if (field->kind == SCHEMA_STRING)
        return json_wrote(r, view_put_bytes(r->out, field, text));
    rc = json_begin(r, field->number, &mark);
    if (rc == 0)
        rc = json_read_base64(text, r->out);
    if (rc == -EINVAL)
        return json_fail(&r->lex, "expected base64");
    return rc == 0 ? json_finish(r, mark) : json_wrote(r, rc);
}

static int read_group(struct json_reader *r, const struct schema_field *field) {
    int rc = json_wrote(r, view_put_tag(r->out, field->number, 3));
    if (rc == 0)
        rc = json_read_message(r, field->message, false);
    return rc == 0 ? json_wrote(r, view_put_tag(r->out, field->number, 4)) : rc;
}

int json_read_value(struct json_reader *r, const struct schema_field *field, bool bare) {
    uint64_t raw = 0;
    size_t mark = 0;
    int rc;
    switch (field->kind) {
    case SCHEMA_STRING:
    case SCHEMA_BYTES:
        return read_bytes(r, field);
    case SCHEMA_GROUP:
        return read_group(r, field);
    case SCHEMA_MESSAGE:
        rc = json_begin(r, field->number, &mark);
        if (rc == 0)
            rc = json_read_message(r, field->message, false);
        return rc == 0 ? json_finish(r, mark) : rc;
    default:
        rc = read_raw(r, field, &raw);
        return rc == 0 ? json_wrote(r, put_raw(r->out, field, raw, bare)) : rc;
    }
}

int json_read_key_value(struct json_reader *r, const struct schema_field *field, struct bytes text) {
    uint64_t raw = 0;
    if (field->kind == SCHEMA_STRING)
        return json_wrote(r, view_put_bytes(r->out, field, text));
    if (field->kind == SCHEMA_BOOL) {
        raw = bytes_equal_string(text, "true");
        if (!raw && !bytes_equal_string(text, "false"))
            return json_fail(&r->lex, "expected \"true\" or \"false\" as a key");
    } else {
        int rc = raw_integer(r, field, text, &raw);
        if (rc != 0)
            return rc;
    }
    return json_wrote(r, put_raw(r->out, field, raw, false));
}
