// Values in google.protobuf's Any, Value, Struct and ListValue. The field numbers are those of the .proto
// files.
#include "core/base/utf8.h"
#include "core/cel/construct.h"
#include "core/cel/text.h"
#include "core/cel/types.h"
#include "core/schema/encoding.h"
#include "core/schema/json.h"
#include "core/schema/json_text.h"

#include <stdio.h>

static bool put_varint(struct construct *construct, uint32_t number, uint64_t value) {
    int rc = view_put_tag(construct->out, number, ENCODING_VARINT);
    return construct_wrote(construct, rc ? rc : view_put_varint(construct->out, value));
}

static bool put_double(struct construct *construct, uint32_t number, double value) {
    uint8_t bytes[8];
    uint64_t raw;
    memcpy(&raw, &value, sizeof raw);
    store_u64(bytes, raw);
    int rc = view_put_tag(construct->out, number, ENCODING_I64);
    return construct_wrote(construct, rc ? rc : buffer_append(construct->out, bytes, sizeof bytes));
}

// Nobody checks what is inside of an Any afterwards.
static bool put_text(struct construct *construct, uint32_t number, struct bytes text) {
    static const struct cel_error no_text = {CEL_FAULT_CONVERSION, "the text is not UTF-8"};
    if (utf8_bytes(text))
        return construct_bytes(construct, number, text);
    value_fail_static(construct->error, &no_text);
    return false;
}

static bool no_overload(struct construct *construct) {
    value_no_overload(construct->error);
    return false;
}

// ---- Any: the name of a type, and its message ----

static const char *any_name(const struct cel_value *value) {
    switch (value->kind) {
    case CEL_NULL:
        return "google.protobuf.Value";
    case CEL_BOOL:
        return "google.protobuf.BoolValue";
    case CEL_INT:
        return "google.protobuf.Int64Value";
    case CEL_UINT:
        return "google.protobuf.UInt64Value";
    case CEL_DOUBLE:
        return "google.protobuf.DoubleValue";
    case CEL_STRING:
        return "google.protobuf.StringValue";
    case CEL_BYTES:
        return "google.protobuf.BytesValue";
    case CEL_TIMESTAMP:
        return "google.protobuf.Timestamp";
    case CEL_DURATION:
        return "google.protobuf.Duration";
    case CEL_LIST:
        return "google.protobuf.ListValue";
    case CEL_MAP:
        return "google.protobuf.Struct";
    case CEL_MESSAGE:
        return value->message.type->full_name;
    default:
        return NULL;
    }
}

static bool any_content(struct construct *construct, const struct cel_value *value) {
    switch (value->kind) {
    case CEL_NULL:
        return put_varint(construct, 1, 0);
    case CEL_BOOL:
        return !value->boolean || put_varint(construct, 1, 1);
    case CEL_INT:
    case CEL_UINT:
        return value->u64 == 0 || put_varint(construct, 1, value->u64);
    case CEL_DOUBLE:
        return load_u64(&value->f64) == 0 || put_double(construct, 1, value->f64);
    case CEL_STRING:
        return value->bytes.size == 0 || put_text(construct, 1, value->bytes);
    case CEL_BYTES:
        return value->bytes.size == 0 || construct_bytes(construct, 1, value->bytes);
    case CEL_TIMESTAMP:
    case CEL_DURATION:
        return construct_time(construct, value);
    case CEL_LIST:
        return construct_list(construct, value->list);
    case CEL_MAP:
        return construct_struct(construct, value->map);
    default:
        return construct_append(construct, value);
    }
}

bool construct_any(struct construct *construct, const struct cel_value *value) {
    static const char prefix[] = "type.googleapis.com/";
    const char *name = any_name(value);
    size_t mark;
    if (!name)
        return no_overload(construct);
    return construct_begin(construct, 1, &mark) &&
           construct_wrote(construct, buffer_append_string(construct->out, prefix)) &&
           construct_wrote(construct, buffer_append_string(construct->out, name)) &&
           construct_end(construct, mark) && construct_begin(construct, 2, &mark) &&
           any_content(construct, value) && construct_end(construct, mark);
}

// ---- JSON: as the JSON mapping of protobuf has it ----

enum { VALUE_NULL = 1, VALUE_NUMBER, VALUE_STRING, VALUE_BOOL, VALUE_STRUCT, VALUE_LIST };

#define EXACT ((int64_t)1 << 53) // beyond it not each whole number is a double

// As JSON writes times, but for the quotes.
static bool json_text(struct construct *construct, const struct cel_value *value) {
    struct buffer text = {0};
    struct json_time time = {value->time.seconds, value->time.nanos};
    int rc = value->kind == CEL_TIMESTAMP ? json_put_timestamp(&text, time) : json_put_duration(&text, time);
    bool ok = construct_wrote(construct, rc) &&
              construct_bytes(construct, VALUE_STRING, bytes_of(text.data + 1, text.size - 2));
    buffer_destroy(&text);
    return ok;
}

static bool json_int(struct construct *construct, const struct cel_value *value) {
    char text[24];
    bool wide = value->kind == CEL_UINT;
    bool exact = wide ? value->u64 < (uint64_t)EXACT : value->i64 > -EXACT && value->i64 < EXACT;
    if (exact)
        return put_double(construct, VALUE_NUMBER, wide ? (double)value->u64 : (double)value->i64);
    int n = wide ? snprintf(text, sizeof text, "%llu", (unsigned long long)value->u64)
                 : snprintf(text, sizeof text, "%lld", (long long)value->i64);
    return construct_bytes(construct, VALUE_STRING, bytes_of(text, (size_t)n));
}

static bool json_base64(struct construct *construct, struct bytes bytes) {
    size_t mark;
    return text_charge(construct->activation, bytes.size, construct->error) &&
           construct_begin(construct, VALUE_STRING, &mark) &&
           construct_wrote(construct, json_put_base64(construct->out, bytes)) &&
           construct_end(construct, mark);
}

// By way of the JSON text, which core/schema makes and reads.
static bool json_message(struct construct *construct, const struct cel_value *value) {
    struct buffer bytes = {0};
    struct buffer text = {0};
    struct error error = {0};
    int rc = cel_message_append(value, &bytes);
    const struct schema_message *type =
        catalogue_message(value->message.type->catalogue, bytes_of_string("google.protobuf.Value"));
    rc = rc ? rc : json_from_message(value->message.type, buffer_bytes(&bytes), NULL, &text, &error);
    rc = rc ? rc : type ? json_to_message(type, buffer_bytes(&text), construct->out, &error) : VIEW_REFUSED;
    buffer_destroy(&bytes);
    buffer_destroy(&text);
    if (rc != VIEW_REFUSED)
        return construct_wrote(construct, rc);
    value_fail(construct->activation, construct->error, CEL_FAULT_CONVERSION,
        "conversion error: no JSON of %s: %s", value->message.type->full_name, error.text);
    return false;
}

// NOLINTBEGIN(misc-no-recursion): as deep as the values are, which the expression's and the messages' depth
// limit
static bool json_parts(struct construct *construct, const struct cel_value *value) {
    bool map = value->kind == CEL_MAP;
    size_t mark;
    if (construct->depth == view_default_limits.depth) {
        value_fail(construct->activation, construct->error, CEL_FAULT_LIMIT,
            "the value is nested deeper than %zu levels", view_default_limits.depth);
        return false;
    }
    construct->depth++;
    bool ok = construct_begin(construct, map ? VALUE_STRUCT : VALUE_LIST, &mark) &&
              (map ? construct_struct(construct, value->map) : construct_list(construct, value->list)) &&
              construct_end(construct, mark);
    construct->depth--;
    return ok;
}

bool construct_json(struct construct *construct, const struct cel_value *value) {
    switch (value->kind) {
    case CEL_NULL:
        return put_varint(construct, VALUE_NULL, 0);
    case CEL_BOOL:
        return put_varint(construct, VALUE_BOOL, value->boolean);
    case CEL_DOUBLE:
        return put_double(construct, VALUE_NUMBER, value->f64);
    case CEL_INT:
    case CEL_UINT:
        return json_int(construct, value);
    case CEL_STRING:
        return put_text(construct, VALUE_STRING, value->bytes);
    case CEL_BYTES:
        return json_base64(construct, value->bytes);
    case CEL_TIMESTAMP:
    case CEL_DURATION:
        return json_text(construct, value);
    case CEL_LIST:
    case CEL_MAP:
        return json_parts(construct, value);
    case CEL_MESSAGE:
        return json_message(construct, value);
    case CEL_ERROR:
        *construct->error = *value;
        return false;
    default:
        return no_overload(construct);
    }
}

bool construct_struct(struct construct *construct, const struct cel_map *map) {
    size_t entry;
    size_t mark;
    if (!activation_charge(construct->activation, map->size, construct->error))
        return false;
    for (size_t i = 0; i < map->size; i++) {
        const struct cel_value *key = &map->entries[i].key;
        if (key->kind != CEL_STRING) {
            value_fail(construct->activation, construct->error, CEL_FAULT_ARGUMENT,
                "bad key type: a JSON object's key is a string, not %s", cel_kind_name(key->kind));
            return false;
        }
        if (!construct_begin(construct, 1, &entry) || !put_text(construct, 1, key->bytes) ||
            !construct_begin(construct, 2, &mark) || !construct_json(construct, &map->entries[i].value) ||
            !construct_end(construct, mark) || !construct_end(construct, entry))
            return false;
    }
    return true;
}

bool construct_list(struct construct *construct, const struct cel_list *list) {
    size_t mark;
    if (!activation_charge(construct->activation, list->size, construct->error))
        return false;
    const struct cel_value *values = list_values(construct->activation, list, construct->error);
    if (list->size && !values)
        return false;
    for (size_t i = 0; i < list->size; i++)
        if (!construct_begin(construct, 1, &mark) || !construct_json(construct, &values[i]) ||
            !construct_end(construct, mark))
            return false;
    return true;
}
// NOLINTEND(misc-no-recursion)
