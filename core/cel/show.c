// Values as texts for people.
#include "core/cel/collections.h"
#include "core/cel/parts.h"
#include "core/cel/value.h"
#include "core/schema/json.h"
#include "core/schema/json_text.h"

#include <math.h>

#define TEXT_LIMIT 120 // bytes of a text that are shown
#define ELEMENTS_LIMIT 10
#define DEPTH_LIMIT 4
#define ELLIPSIS "\u2026"

struct show {
    struct cel_activation *activation;
    struct buffer *out;
    unsigned depth;
};

// As much of a text as is shown, cut between characters.
static struct bytes cut(struct bytes text) {
    if (text.size <= TEXT_LIMIT)
        return text;
    size_t size = TEXT_LIMIT;
    while (size > 0 && (text.data[size] & 0xC0) == 0x80)
        size--;
    return bytes_of(text.data, size);
}

static int show_string(struct buffer *out, struct bytes text) {
    struct bytes shown = cut(text);
    int rc = json_put_string(out, shown);
    if (rc == 0 && shown.size < text.size)
        rc = buffer_append_format(out, ELLIPSIS " (%zu bytes)", text.size);
    return rc;
}

static int show_bytes(struct buffer *out, struct bytes bytes) {
    int rc = buffer_append_string(out, "b\"");
    for (size_t i = 0; rc == 0 && i < bytes.size && i < TEXT_LIMIT / 4; i++)
        rc = buffer_append_format(out, "\\x%02x", bytes.data[i]);
    rc = rc ? rc : buffer_append_byte(out, '"');
    if (rc == 0 && bytes.size > TEXT_LIMIT / 4)
        rc = buffer_append_format(out, ELLIPSIS " (%zu bytes)", bytes.size);
    return rc;
}

static int show_double(struct buffer *out, double value) {
    if (isnan(value))
        return buffer_append_string(out, "NaN");
    if (isinf(value))
        return buffer_append_string(out, value < 0 ? "-Infinity" : "Infinity");
    return json_put_double(out, value);
}

static int show_time(struct buffer *out, const struct cel_value *value) {
    struct json_time time = {value->time.seconds, value->time.nanos};
    bool stamp = value->kind == CEL_TIMESTAMP;
    int rc = buffer_append_string(out, stamp ? "timestamp(" : "duration(");
    rc = rc ? rc : stamp ? json_put_timestamp(out, time) : json_put_duration(out, time);
    return rc ? rc : buffer_append_byte(out, ')');
}

static int show_int(struct buffer *out, int64_t value, const struct cel_type *type) {
    const struct schema_enum *enumeration = type && type->kind == CEL_ENUM ? type->enumeration : NULL;
    const struct schema_enum_value *named = NULL;
    if (enumeration && value >= INT32_MIN && value <= INT32_MAX)
        named = schema_enum_numbered(enumeration, (int32_t)value);
    return named ? buffer_append_format(out, "%s (%lld)", named->name, (long long)value)
                 : buffer_append_format(out, "%lld", (long long)value);
}

static int show_message(struct show *show, const struct cel_value *value) {
    struct buffer wire = {0};
    struct buffer json = {0};
    struct json_options options = {.proto_names = true};
    int rc = cel_message_append(value, &wire);
    rc = rc ? rc : json_from_message(value->message.type, buffer_bytes(&wire), &options, &json, NULL);
    if (rc > 0) { // an Any of a type that the catalogue doesn't know
        buffer_clear(&json);
        rc = buffer_append_format(&json, "{" ELLIPSIS "} (%zu bytes)", wire.size);
    }
    struct bytes shown = cut(buffer_bytes(&json));
    rc = rc ? rc : buffer_append_bytes(show->out, shown);
    if (rc == 0 && shown.size < json.size)
        rc = buffer_append_format(show->out, ELLIPSIS " (%zu bytes)", json.size);
    buffer_destroy(&wire);
    buffer_destroy(&json);
    return rc;
}

// NOLINTBEGIN(misc-no-recursion): DEPTH_LIMIT
static int show_value(struct show *show, const struct cel_value *value, const struct cel_type *type);

static int show_rest(struct show *show, size_t size) {
    return size > ELEMENTS_LIMIT ? buffer_append_format(show->out, ", " ELLIPSIS " (%zu in all)", size) : 0;
}

static int show_list(struct show *show, const struct cel_list *list, const struct cel_type *type) {
    size_t size = cel_list_size(list);
    int rc = buffer_append_byte(show->out, '[');
    for (size_t i = 0; rc == 0 && i < size && i < ELEMENTS_LIMIT; i++) {
        struct cel_value element;
        rc = i ? buffer_append_string(show->out, ", ") : 0;
        rc = rc ? rc : cel_list_get(list, show->activation, i, &element);
        rc = rc ? rc : show_value(show, &element, type ? type->element : NULL);
    }
    rc = rc ? rc : show_rest(show, size);
    return rc ? rc : buffer_append_byte(show->out, ']');
}

static int show_map(struct show *show, const struct cel_map *map, const struct cel_type *type) {
    size_t size = cel_map_size(map);
    int rc = buffer_append_byte(show->out, '{');
    for (size_t i = 0; rc == 0 && i < size && i < ELEMENTS_LIMIT; i++) {
        struct cel_value key;
        struct cel_value value;
        rc = i ? buffer_append_string(show->out, ", ") : 0;
        rc = rc ? rc : cel_map_entry(map, show->activation, i, &key, &value);
        rc = rc ? rc : show_value(show, &key, type ? type->key : NULL);
        rc = rc ? rc : buffer_append_string(show->out, ": ");
        rc = rc ? rc : show_value(show, &value, type ? type->element : NULL);
    }
    rc = rc ? rc : show_rest(show, size);
    return rc ? rc : buffer_append_byte(show->out, '}');
}

static int show_inside(struct show *show, const struct cel_value *value, const struct cel_type *type) {
    if (show->depth == DEPTH_LIMIT)
        return buffer_append_string(show->out, ELLIPSIS);
    show->depth++;
    int rc = value->kind == CEL_LIST ? show_list(show, value->list, type) : show_map(show, value->map, type);
    show->depth--;
    return rc;
}

static int show_value(struct show *show, const struct cel_value *value, const struct cel_type *type) {
    switch (value->kind) {
    case CEL_BOOL:
        return buffer_append_string(show->out, value->boolean ? "true" : "false");
    case CEL_INT:
        return show_int(show->out, value->i64, type);
    case CEL_UINT:
        return buffer_append_format(show->out, "%lluu", (unsigned long long)value->u64);
    case CEL_DOUBLE:
        return show_double(show->out, value->f64);
    case CEL_STRING:
        return show_string(show->out, value->bytes);
    case CEL_BYTES:
        return show_bytes(show->out, value->bytes);
    case CEL_TIMESTAMP:
    case CEL_DURATION:
        return show_time(show->out, value);
    case CEL_LIST:
    case CEL_MAP:
        return show_inside(show, value, type);
    case CEL_MESSAGE:
        return show_message(show, value);
    case CEL_TYPE:
        return buffer_append_bytes(show->out, value->bytes);
    case CEL_ERROR:
        return buffer_append_format(show->out, "an error: %s", value->error->text);
    default:
        return buffer_append_string(show->out, "null");
    }
}
// NOLINTEND(misc-no-recursion)

int cel_value_show(const struct cel_value *value, const struct cel_type *type,
    struct cel_activation *activation, struct buffer *out) {
    struct show show = {.activation = activation, .out = out};
    return show_value(&show, value, type);
}
