#include "core/schema/json.h"
#include "test/conformance/cel/harness.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>

static bool same_double(double a, double b) {
    return (isnan(a) && isnan(b)) || (a == b && signbit(a) == signbit(b));
}

static bool same_json(struct bytes a, struct bytes b) {
    json_t *left = json_loadb((const char *)a.data, a.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    json_t *right = json_loadb((const char *)b.data, b.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    bool same = left && right && json_equal(left, right);
    json_decref(left);
    json_decref(right);
    return same;
}

// As JSON, which is made by other code than what made the message; fields and entries in another order are
// the same.
static bool same_message(const struct cel_value *a, const struct cel_value *b) {
    struct buffer texts[2] = {{0}, {0}};
    struct buffer bytes[2] = {{0}, {0}};
    struct error error;
    bool ok = a->message.type == b->message.type && cel_message_append(a, &bytes[0]) == 0 &&
              cel_message_append(b, &bytes[1]) == 0;
    bool json = ok;
    for (size_t i = 0; json && i < 2; i++)
        json = json_from_message(a->message.type, buffer_bytes(&bytes[i]), NULL, &texts[i], &error) == 0;
    if (ok)
        ok = json ? same_json(buffer_bytes(&texts[0]), buffer_bytes(&texts[1]))
                  : bytes_equal(buffer_bytes(&bytes[0]), buffer_bytes(&bytes[1]));
    for (size_t i = 0; i < 2; i++) {
        buffer_destroy(&texts[i]);
        buffer_destroy(&bytes[i]);
    }
    return ok;
}

// NOLINTBEGIN(misc-no-recursion): as deep as the suite's values
static bool same_list(struct cel_activation *activation, const struct cel_list *a, const struct cel_list *b) {
    struct cel_value items[2];
    if (cel_list_size(a) != cel_list_size(b))
        return false;
    for (size_t i = 0; i < cel_list_size(a); i++)
        if (cel_list_get(a, activation, i, &items[0]) != 0 ||
            cel_list_get(b, activation, i, &items[1]) != 0 || !same_value(activation, &items[0], &items[1]))
            return false;
    return true;
}

static bool has_entry(struct cel_activation *activation, const struct cel_map *map,
    const struct cel_value *key, const struct cel_value *value) {
    struct cel_value entry[2];
    for (size_t i = 0; i < cel_map_size(map); i++)
        if (cel_map_entry(map, activation, i, &entry[0], &entry[1]) == 0 &&
            same_value(activation, key, &entry[0]) && same_value(activation, value, &entry[1]))
            return true;
    return false;
}

static bool same_map(struct cel_activation *activation, const struct cel_map *a, const struct cel_map *b) {
    struct cel_value entry[2];
    if (cel_map_size(a) != cel_map_size(b))
        return false;
    for (size_t i = 0; i < cel_map_size(a); i++)
        if (cel_map_entry(a, activation, i, &entry[0], &entry[1]) != 0 ||
            !has_entry(activation, b, &entry[0], &entry[1]))
            return false;
    return true;
}

bool same_value(struct cel_activation *activation, const struct cel_value *a, const struct cel_value *b) {
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case CEL_NULL:
        return true;
    case CEL_BOOL:
        return a->boolean == b->boolean;
    case CEL_INT:
    case CEL_UINT:
        return a->u64 == b->u64;
    case CEL_DOUBLE:
        return same_double(a->f64, b->f64);
    case CEL_STRING:
    case CEL_BYTES:
    case CEL_TYPE:
        return bytes_equal(a->bytes, b->bytes);
    case CEL_TIMESTAMP:
    case CEL_DURATION:
        return a->time.seconds == b->time.seconds && a->time.nanos == b->time.nanos;
    case CEL_LIST:
        return same_list(activation, a->list, b->list);
    case CEL_MAP:
        return same_map(activation, a->map, b->map);
    case CEL_MESSAGE:
        return same_message(a, b);
    default:
        return false;
    }
}

// An enum is an int; a message or time may be null without saying so.
bool same_type(const struct cel_type *expected, const struct cel_type *type) {
    enum cel_kind kind = type->kind == CEL_ENUM ? CEL_INT : type->kind;
    bool plain = kind <= CEL_BYTES;
    if (kind != expected->kind || (plain && type->nullable != expected->nullable))
        return false;
    switch (kind) {
    case CEL_LIST:
        return same_type(expected->element, type->element);
    case CEL_MAP:
        return same_type(expected->key, type->key) && same_type(expected->element, type->element);
    case CEL_MESSAGE:
        return expected->message == type->message;
    case CEL_ABSTRACT:
        if (strcmp(expected->name, type->name) != 0 || expected->parameter_count != type->parameter_count)
            return false;
        for (size_t i = 0; i < type->parameter_count; i++)
            if (!same_type(expected->parameters[i], type->parameters[i]))
                return false;
        return true;
    default:
        return true;
    }
}

static void show_parts(struct cel_activation *activation, const struct cel_value *value, struct buffer *out) {
    struct cel_value part[2];
    bool map = value->kind == CEL_MAP;
    size_t size = map ? cel_map_size(value->map) : cel_list_size(value->list);
    for (size_t i = 0; i < size; i++) {
        buffer_append_string(out, i ? ", " : "");
        if (map && cel_map_entry(value->map, activation, i, &part[0], &part[1]) == 0) {
            show_value(activation, &part[0], out);
            buffer_append_string(out, ": ");
            show_value(activation, &part[1], out);
        } else if (!map && cel_list_get(value->list, activation, i, &part[0]) == 0) {
            show_value(activation, &part[0], out);
        }
    }
}

static void show_message(const struct cel_value *value, struct buffer *out) {
    struct buffer bytes = {0};
    struct error error;
    buffer_append_format(out, "%s ", value->message.type->full_name);
    if (cel_message_append(value, &bytes) == 0 &&
        json_from_message(value->message.type, buffer_bytes(&bytes), NULL, out, &error) != 0)
        buffer_append_format(out, "(%s)", error.text);
    buffer_destroy(&bytes);
}

void show_value(struct cel_activation *activation, const struct cel_value *value, struct buffer *out) {
    buffer_append_format(out, "%s ", cel_kind_name(value->kind));
    switch (value->kind) {
    case CEL_BOOL:
        buffer_append_string(out, value->boolean ? "true" : "false");
        break;
    case CEL_INT:
        buffer_append_format(out, "%" PRId64, value->i64);
        break;
    case CEL_UINT:
        buffer_append_format(out, "%" PRIu64, value->u64);
        break;
    case CEL_DOUBLE:
        buffer_append_format(out, "%.17g", value->f64);
        break;
    case CEL_STRING:
    case CEL_BYTES:
    case CEL_TYPE:
        buffer_append_format(out, "\"%.*s\"", BYTES_ARGS(value->bytes));
        break;
    case CEL_TIMESTAMP:
    case CEL_DURATION:
        buffer_append_format(out, "%" PRId64 ".%09d", value->time.seconds, value->time.nanos);
        break;
    case CEL_LIST:
    case CEL_MAP:
        show_parts(activation, value, out);
        break;
    case CEL_MESSAGE:
        show_message(value, out);
        break;
    default:
        break;
    }
}
// NOLINTEND(misc-no-recursion)
