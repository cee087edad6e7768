// Well-known types and maps, to JSON.
#include "core/base/map.h"
#include "core/base/utf8.h"
#include "core/schema/json_known.h"
#include "core/schema/json_text.h"
#include "core/schema/json_write.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

// A map's key is always a text, of its own where it is no string.
static int write_key(struct json_writer *w, const struct schema_field *key, const struct view_value *value) {
    char text[32];
    switch (key->kind) {
    case SCHEMA_STRING:
        if (!utf8_bytes(value->bytes)) // proto2 lets them pass
            return json_refuse(w, "a key is not UTF-8");
        return json_write_key(w, value->bytes);
    case SCHEMA_BOOL:
        return json_write_key(w, bytes_of_string(value->boolean ? "true" : "false"));
    case SCHEMA_UINT32:
    case SCHEMA_UINT64:
    case SCHEMA_FIXED32:
    case SCHEMA_FIXED64:
        snprintf(text, sizeof text, "%llu", (unsigned long long)value->u64);
        return json_write_key(w, bytes_of_string(text));
    default:
        snprintf(text, sizeof text, "%lld", (long long)value->i64);
        return json_write_key(w, bytes_of_string(text));
    }
}

static struct bytes key_bytes(const struct schema_field *key, const struct view_value *value) {
    return key->kind == SCHEMA_STRING ? value->bytes : bytes_of(&value->u64, sizeof value->u64);
}

static void *as_pointer(uint32_t record) {
    return (void *)((uintptr_t)record + 1);
}

// Visits the entries: first each key notes its last entry in `last`, then with `write` those go out.
static int each_entry(struct json_writer *w, const struct schema_field *field, uint32_t first,
    struct map *last, bool write, bool *any) {
    const struct schema_field *key = &field->message->fields[0], *value = &field->message->fields[1];
    int rc = 0;
    for (uint32_t i = first; rc == 0 && i != GATHER_NONE;) {
        struct gather_frame frame;
        uint32_t one, next = w->gather.records[i].next;
        size_t mark = w->gather.record_count;
        if (gather_one(&w->gather, i, &one) != 0 || gather_open(&w->gather, field->message, one, &frame) != 0)
            return -ENOMEM;
        struct view_value key_value = json_value_of(w, &frame, key);
        if (!write) {
            rc = map_put(last, key_bytes(key, &key_value), as_pointer(i));
        } else if (map_get(last, key_bytes(key, &key_value)) == as_pointer(i)) {
            rc = json_write_next(w, any);
            if (rc == 0)
                rc = write_key(w, key, &key_value);
            if (rc == 0)
                rc = json_write_value(w, value, gather_field(&w->gather, &frame, value->index));
        }
        gather_close(&w->gather, &frame);
        w->gather.record_count = mark;
        i = next;
    }
    return rc;
}

// Of entries with the same key the last counts.
int json_write_map(struct json_writer *w, const struct schema_field *field, uint32_t first) {
    bool any = false;
    struct map *last = map_new();
    if (!last)
        return -ENOMEM;
    int rc = each_entry(w, field, first, last, false, &any);
    if (rc == 0)
        rc = json_write_open(w, '{');
    if (rc == 0)
        rc = each_entry(w, field, first, last, true, &any);
    if (rc == 0)
        rc = json_write_close(w, '}', any);
    map_destroy(&last);
    return rc;
}

static int write_time(
    struct json_writer *w, const struct schema_message *type, const struct gather_frame *frame) {
    struct json_time time = {.seconds = json_value_of(w, frame, &type->fields[0]).i64,
        .nanos = (int32_t)json_value_of(w, frame, &type->fields[1]).i64};
    bool timestamp = json_known(type) == JSON_TIMESTAMP;
    int rc = timestamp ? json_put_timestamp(w->out, time) : json_put_duration(w->out, time);
    if (rc == -ERANGE)
        return json_refuse(
            w, timestamp ? "a timestamp is within the years 1 to 9999, with nanos from 0 to 999999999"
                         : "a duration is within 10,000 years, with nanos of the same sign");
    return rc;
}

// "birth_date" becomes "birthDate"; a path that would not come back is refused.
static int put_mask_path(struct json_writer *w, struct bytes path, struct buffer *text) {
    int rc = text->size ? buffer_append_byte(text, ',') : 0;
    if (path.size == 0 || memchr(path.data, ',', path.size))
        return json_refuse(w, "a field mask's path is empty or has a comma");
    for (size_t i = 0; rc == 0 && i < path.size; i++) {
        uint8_t c = path.data[i];
        if (c == '_') {
            c = ++i < path.size ? path.data[i] : 0;
            if (c < 'a' || c > 'z')
                return json_refuse(w, "a field mask's path can't be written in lowerCamelCase");
            c = (uint8_t)(c - 'a' + 'A');
        } else if (c >= 'A' && c <= 'Z') {
            return json_refuse(w, "a field mask's path can't be written in lowerCamelCase");
        }
        rc = buffer_append_byte(text, c);
    }
    return rc;
}

static int write_mask(struct json_writer *w, const struct gather_frame *frame) {
    struct buffer text = {0};
    int rc = 0;
    for (uint32_t i = gather_field(&w->gather, frame, 0); rc == 0 && i != GATHER_NONE;
        i = w->gather.records[i].next)
        rc = put_mask_path(w, gather_content(&w->gather, i), &text);
    if (rc == 0)
        rc = json_put_string(w->out, buffer_bytes(&text));
    buffer_destroy(&text);
    return rc;
}

static int write_list_value(
    struct json_writer *w, const struct schema_message *type, const struct gather_frame *frame) {
    bool any = false;
    int rc = json_write_open(w, '[');
    for (uint32_t i = gather_field(&w->gather, frame, 0); rc == 0 && i != GATHER_NONE;
        i = w->gather.records[i].next) {
        uint32_t one;
        size_t mark = w->gather.record_count;
        rc = json_write_next(w, &any);
        if (rc == 0)
            rc = gather_one(&w->gather, i, &one);
        if (rc == 0)
            rc = json_write_message(w, type->fields[0].message, one);
        w->gather.record_count = mark;
    }
    return rc == 0 ? json_write_close(w, ']', any) : rc;
}

static int write_value(
    struct json_writer *w, const struct schema_message *type, const struct gather_frame *frame) {
    for (size_t i = 0; i < type->field_count; i++) {
        const struct schema_field *field = &type->fields[i];
        uint32_t record = gather_field(&w->gather, frame, i);
        if (record == GATHER_NONE || field->number == VALUE_NULL)
            continue;
        if (field->number == VALUE_NUMBER && !isfinite(json_value_of(w, frame, field).f64))
            return json_refuse(w, "a number in a google.protobuf.Value must be finite");
        return json_write_value(w, field, record);
    }
    return buffer_append_string(w->out, "null");
}

// The message inside: checked first, as nobody has looked into these bytes yet.
static int write_any_message(
    struct json_writer *w, const struct schema_message *type, struct bytes bytes, bool *any) {
    struct view_limits limits = view_default_limits;
    struct error error;
    uint32_t first;
    size_t mark = w->gather.record_count;
    if (w->depth > limits.depth)
        return json_refuse(w, "messages are nested too deep");
    limits.depth -= w->depth;
    int rc = view_check(type, bytes, &limits, &error);
    if (rc == VIEW_REFUSED)
        return json_refuse(w, "%s", error.text);
    if (rc == 0)
        rc = gather_root(&w->gather, bytes, &first);
    if (rc == 0 && json_known(type) == JSON_PLAIN) {
        rc = json_write_fields(w, type, first, any);
    } else if (rc == 0) {
        rc = json_write_next(w, any);
        if (rc == 0)
            rc = json_write_key(w, bytes_of_string("value"));
        if (rc == 0)
            rc = json_write_message(w, type, first);
    }
    w->gather.record_count = mark;
    return rc;
}

static int write_any(
    struct json_writer *w, const struct schema_message *type, const struct gather_frame *frame) {
    struct bytes url = json_value_of(w, frame, &type->fields[0]).bytes;
    struct bytes bytes = json_value_of(w, frame, &type->fields[1]).bytes;
    bool any = false;
    if (url.size == 0 && bytes.size == 0)
        return buffer_append_string(w->out, "{}");
    const struct schema_message *inside = json_any_type(type->catalogue, url);
    if (!inside)
        return json_refuse(w, "the catalogue has no type \"%.*s\"", url.size < 100 ? (int)url.size : 100,
            url.size ? (const char *)url.data : "");
    int rc = json_write_open(w, '{');
    if (rc == 0)
        rc = json_write_next(w, &any);
    if (rc == 0)
        rc = json_write_key(w, bytes_of_string("@type"));
    if (rc == 0)
        rc = json_put_string(w->out, url);
    if (rc == 0)
        rc = write_any_message(w, inside, bytes, &any);
    return rc == 0 ? json_write_close(w, '}', any) : rc;
}

int json_write_known(struct json_writer *w, const struct schema_message *type, uint32_t first) {
    struct gather_frame frame;
    int rc = gather_open(&w->gather, type, first, &frame);
    if (rc != 0)
        return rc;
    uint32_t record = gather_field(&w->gather, &frame, 0);
    switch (json_known(type)) {
    case JSON_TIMESTAMP:
    case JSON_DURATION:
        rc = write_time(w, type, &frame);
        break;
    case JSON_FIELD_MASK:
        rc = write_mask(w, &frame);
        break;
    case JSON_STRUCT:
        rc = json_write_map(w, &type->fields[0], record);
        break;
    case JSON_VALUE:
        rc = write_value(w, type, &frame);
        break;
    case JSON_LIST:
        rc = write_list_value(w, type, &frame);
        break;
    case JSON_ANY:
        rc = write_any(w, type, &frame);
        break;
    default:
        rc = json_write_value(w, &type->fields[0], record);
        break;
    }
    gather_close(&w->gather, &frame);
    return rc;
}
