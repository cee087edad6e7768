// google.protobuf.Struct, Value and ListValue: what JSON has, as messages.
#include "core/base/utf8.h"
#include "core/mapping/internal.h"
#include "core/schema/encoding.h"
#include "core/schema/put.h"

#include <errno.h>
#include <math.h>

#define DEPTH 20 // of lists and maps in each other: an object is three messages, of which 64 may be nested

// Numbers of google/protobuf/struct.proto.
enum {
    STRUCT_FIELDS = 1,
    ENTRY_KEY = 1,
    ENTRY_VALUE = 2,
    VALUE_NULL = 1,
    VALUE_NUMBER = 2,
    VALUE_STRING = 3,
    VALUE_BOOL = 4,
    VALUE_STRUCT = 5,
    VALUE_LIST = 6,
    LIST_VALUES = 1,
};

struct writer {
    struct cel_activation *activation;
    struct buffer *out;
    struct error *error;
    unsigned depth;
};

static int write_value(struct writer *writer, const struct cel_value *value);

static int refuse(const struct writer *writer, const char *what) {
    return error_set(writer->error, MAPPING_REFUSED, "JSON has no %s", what);
}

static int put_text(const struct writer *writer, uint32_t number, struct bytes text) {
    if (!utf8_bytes(text)) // from proto2, or a row
        return refuse(writer, "text that is not UTF-8");
    int rc = view_put_tag(writer->out, number, ENCODING_LEN);
    rc = rc ? rc : view_put_varint(writer->out, text.size);
    return rc ? rc : buffer_append_bytes(writer->out, text);
}

static int put_number(const struct writer *writer, double number) {
    uint8_t bytes[8];
    uint64_t raw;
    if (!isfinite(number))
        return refuse(writer, "number that is infinite or none");
    memcpy(&raw, &number, sizeof raw);
    store_u64(bytes, raw);
    int rc = view_put_tag(writer->out, VALUE_NUMBER, ENCODING_I64);
    return rc ? rc : buffer_append(writer->out, bytes, sizeof bytes);
}

static int put_bit(const struct writer *writer, uint32_t number, bool bit) {
    int rc = view_put_tag(writer->out, number, ENCODING_VARINT);
    return rc ? rc : view_put_varint(writer->out, bit);
}

// A whole number that a double can't hold would become another one.
static int put_whole(const struct writer *writer, const struct cel_value *value) {
    double number = value->kind == CEL_UINT ? (double)value->u64 : (double)value->i64;
    bool same = value->kind == CEL_UINT ? value->u64 <= 1ULL << 53
                                        : value->i64 <= 1LL << 53 && value->i64 >= -(1LL << 53);
    return same ? put_number(writer, number) : refuse(writer, "whole number beyond 2^53");
}

// NOLINTBEGIN(misc-no-recursion): as deep as DEPTH
static int write_inside(struct writer *writer, uint32_t number, const struct cel_value *value,
    int (*write)(struct writer *writer, const struct cel_value *value)) {
    int rc = view_put_tag(writer->out, number, ENCODING_LEN);
    size_t mark = writer->out->size;
    rc = rc ? rc : write(writer, value);
    return rc ? rc : put_length(writer->out, mark);
}

static int write_entry(struct writer *writer, const struct cel_value *key, const struct cel_value *value) {
    if (key->kind != CEL_STRING)
        return refuse(writer, "object with a key that is no string");
    int rc = view_put_tag(writer->out, STRUCT_FIELDS, ENCODING_LEN);
    size_t mark = writer->out->size;
    rc = rc ? rc : put_text(writer, ENTRY_KEY, key->bytes);
    rc = rc ? rc : write_inside(writer, ENTRY_VALUE, value, write_value);
    return rc ? rc : put_length(writer->out, mark);
}

static int write_object(struct writer *writer, const struct cel_value *value) {
    size_t count = cel_map_size(value->map);
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        struct cel_value key;
        struct cel_value one;
        rc = cel_map_entry(value->map, writer->activation, i, &key, &one);
        rc = rc ? rc : write_entry(writer, &key, &one);
    }
    return rc;
}

static int write_array(struct writer *writer, const struct cel_value *value) {
    size_t count = cel_list_size(value->list);
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        struct cel_value one;
        rc = cel_list_get(value->list, writer->activation, i, &one);
        rc = rc ? rc : write_inside(writer, LIST_VALUES, &one, write_value);
    }
    return rc;
}

static int write_nested(struct writer *writer, const struct cel_value *value) {
    if (writer->depth == DEPTH)
        return error_set(
            writer->error, MAPPING_REFUSED, "lists and maps are nested more than %d deep", DEPTH);
    writer->depth++;
    int rc = value->kind == CEL_MAP ? write_inside(writer, VALUE_STRUCT, value, write_object)
                                    : write_inside(writer, VALUE_LIST, value, write_array);
    writer->depth--;
    return rc;
}

static int write_value(struct writer *writer, const struct cel_value *value) {
    switch (value->kind) {
    case CEL_NULL:
        return put_bit(writer, VALUE_NULL, false);
    case CEL_BOOL:
        return put_bit(writer, VALUE_BOOL, value->boolean);
    case CEL_INT:
    case CEL_UINT:
        return put_whole(writer, value);
    case CEL_DOUBLE:
        return put_number(writer, value->f64);
    case CEL_STRING:
        return put_text(writer, VALUE_STRING, value->bytes);
    case CEL_MAP:
    case CEL_LIST:
        return write_nested(writer, value);
    case CEL_ERROR:
        return error_set(writer->error, MAPPING_REFUSED, "%s", value->error->text);
    default:
        return refuse(writer, cel_kind_name(value->kind));
    }
}
// NOLINTEND(misc-no-recursion)

int mapping_write_json(const struct schema_message *type, const struct cel_value *value,
    struct cel_activation *activation, struct buffer *out, struct error *error) {
    struct writer writer = {.activation = activation, .out = out, .error = error};
    switch (mapping_special(type)) {
    case MAPPING_STRUCT:
        return write_object(&writer, value);
    case MAPPING_ARRAY:
        return write_array(&writer, value);
    default:
        return write_value(&writer, value);
    }
}
