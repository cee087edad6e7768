#include "core/schema/json_write.h"

#include "core/base/map.h"
#include "core/base/utf8.h"
#include "core/schema/internal.h"
#include "core/schema/json_known.h"
#include "core/schema/json_text.h"
#include "core/schema/value.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

int json_refuse(struct json_writer *w, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(w->why, sizeof w->why, format, args);
    va_end(args);
    return VIEW_REFUSED;
}

static int new_line(struct json_writer *w) {
    if (!w->options.indent)
        return 0;
    int rc = buffer_append_byte(w->out, '\n');
    for (size_t i = 0; rc == 0 && i < w->level; i++)
        rc = buffer_append(w->out, "  ", 2);
    return rc;
}

int json_write_open(struct json_writer *w, char bracket) {
    w->level++;
    return buffer_append_byte(w->out, (uint8_t)bracket);
}

int json_write_close(struct json_writer *w, char bracket, bool any) {
    w->level--;
    int rc = any ? new_line(w) : 0;
    return rc == 0 ? buffer_append_byte(w->out, (uint8_t)bracket) : rc;
}

int json_write_next(struct json_writer *w, bool *any) {
    int rc = *any ? buffer_append_byte(w->out, ',') : 0;
    *any = true;
    return rc == 0 ? new_line(w) : rc;
}

int json_write_key(struct json_writer *w, struct bytes key) {
    int rc = json_put_string(w->out, key);
    return rc == 0 ? buffer_append_string(w->out, w->options.indent ? ": " : ":") : rc;
}

static int write_double(struct json_writer *w, double value, bool single) {
    if (isnan(value))
        return buffer_append_string(w->out, "\"NaN\"");
    if (isinf(value))
        return buffer_append_string(w->out, value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    return single ? json_put_float(w->out, (float)value) : json_put_double(w->out, value);
}

static int write_enum(struct json_writer *w, const struct schema_field *field, int64_t number) {
    if (json_known_null(field))
        return buffer_append_string(w->out, "null");
    const struct schema_enum_value *value = schema_enum_numbered(field->enumeration, (int32_t)number);
    if (value)
        return json_put_string(w->out, bytes_of_string(value->name));
    return buffer_append_format(w->out, "%lld", (long long)number);
}

static int write_scalar(
    struct json_writer *w, const struct schema_field *field, const struct view_value *value) {
    int rc;
    switch (field->kind) {
    case SCHEMA_DOUBLE:
    case SCHEMA_FLOAT:
        return write_double(w, value->f64, field->kind == SCHEMA_FLOAT);
    case SCHEMA_BOOL:
        return buffer_append_string(w->out, value->boolean ? "true" : "false");
    case SCHEMA_ENUM:
        return write_enum(w, field, value->i64);
    case SCHEMA_INT64:
    case SCHEMA_SINT64:
    case SCHEMA_SFIXED64:
        return buffer_append_format(w->out, "\"%lld\"", (long long)value->i64);
    case SCHEMA_UINT64:
    case SCHEMA_FIXED64:
        return buffer_append_format(w->out, "\"%llu\"", (unsigned long long)value->u64);
    case SCHEMA_UINT32:
    case SCHEMA_FIXED32:
        return buffer_append_format(w->out, "%llu", (unsigned long long)value->u64);
    case SCHEMA_STRING:
        if (!utf8_bytes(value->bytes)) // proto2 lets them pass
            return json_refuse(w, "the text is not UTF-8");
        return json_put_string(w->out, value->bytes);
    case SCHEMA_BYTES:
        rc = buffer_append_byte(w->out, '"');
        if (rc == 0)
            rc = json_put_base64(w->out, value->bytes);
        return rc == 0 ? buffer_append_byte(w->out, '"') : rc;
    default:
        return buffer_append_format(w->out, "%lld", (long long)value->i64);
    }
}

static struct view_value decode(
    const struct json_writer *w, const struct schema_field *field, uint32_t record) {
    const struct gather_record *r = &w->gather.records[record];
    struct view_value value = {.present = true};
    value_read(r->raw.data, r->raw.data + r->raw.size, r->tag, field->kind, &value);
    return value;
}

struct view_value json_value_of(
    const struct json_writer *w, const struct gather_frame *frame, const struct schema_field *field) {
    uint32_t record = gather_field(&w->gather, frame, field->index);
    return record == GATHER_NONE ? (struct view_value){0} : decode(w, field, record);
}

int json_write_value(struct json_writer *w, const struct schema_field *field, uint32_t record) {
    if (field->message)
        return json_write_message(w, field->message, record);
    struct view_value value = record == GATHER_NONE ? (struct view_value){0} : decode(w, field, record);
    return write_scalar(w, field, &value);
}

static int write_packed(
    struct json_writer *w, const struct schema_field *field, struct bytes content, bool *any) {
    const uint8_t *p = content.data, *end = p + content.size;
    int rc = 0;
    while (rc == 0 && p && p < end) {
        struct view_value value = {0};
        p = value_read(p, end, schema_wire(field->kind), field->kind, &value);
        bool closed = field->kind == SCHEMA_ENUM && field->enumeration->closed;
        if (!p || (closed && !schema_enum_numbered(field->enumeration, (int32_t)value.i64)))
            continue;
        rc = json_write_next(w, any);
        if (rc == 0)
            rc = write_scalar(w, field, &value);
    }
    return rc;
}

static int write_element(
    struct json_writer *w, const struct schema_field *field, uint32_t record, bool *any) {
    struct gather_record r = w->gather.records[record];
    if (schema_packable(field->kind) && (r.tag & 7) == ENCODING_LEN) {
        struct bytes content = gather_content(&w->gather, record);
        return content.size ? write_packed(w, field, content, any) : 0;
    }
    int rc = json_write_next(w, any);
    if (rc != 0 || !field->message)
        return rc != 0 ? rc : json_write_value(w, field, record);
    uint32_t one;
    size_t mark = w->gather.record_count;
    rc = gather_one(&w->gather, record, &one);
    if (rc == 0)
        rc = json_write_message(w, field->message, one);
    w->gather.record_count = mark;
    return rc;
}

static int write_list(struct json_writer *w, const struct schema_field *field, uint32_t first) {
    bool any = false;
    int rc = json_write_open(w, '[');
    for (uint32_t i = first; rc == 0 && i != GATHER_NONE; i = w->gather.records[i].next)
        rc = write_element(w, field, i, &any);
    return rc == 0 ? json_write_close(w, ']', any) : rc;
}

// Whether the field goes out, and not as its default.
static bool is_set(const struct json_writer *w, const struct schema_field *field, uint32_t record) {
    if (record == GATHER_NONE)
        return false;
    if (field->repeated || field->presence)
        return true;
    struct view_value value = decode(w, field, record);
    return schema_packable(field->kind) ? value.u64 != 0 : value.bytes.size != 0;
}

static int write_field(struct json_writer *w, const struct schema_field *field, uint32_t record, bool *any) {
    bool set = is_set(w, field, record);
    if (!set && (field->presence || !w->options.with_defaults))
        return 0;
    int rc = json_write_next(w, any);
    if (rc == 0)
        rc = json_write_key(w, bytes_of_string(w->options.proto_names ? field->name : field->json_name));
    if (rc != 0)
        return rc;
    if (field->map)
        return json_write_map(w, field, record);
    return field->repeated ? write_list(w, field, record)
                           : json_write_value(w, field, set ? record : GATHER_NONE);
}

int json_write_fields(struct json_writer *w, const struct schema_message *type, uint32_t first, bool *any) {
    struct gather_frame frame;
    int rc = gather_open(&w->gather, type, first, &frame);
    if (rc != 0)
        return rc;
    for (size_t i = 0; rc == 0 && i < type->field_count; i++) {
        rc = write_field(w, &type->fields[i], gather_field(&w->gather, &frame, i), any);
        if (rc == VIEW_REFUSED)
            trail_prepend(&w->trail, type->fields[i].name);
    }
    gather_close(&w->gather, &frame);
    return rc;
}

// As deep as the message is nested, which has a limit, also through Any.
int json_write_message(struct json_writer *w, const struct schema_message *type, uint32_t first) {
    bool any = false;
    if (w->depth > view_default_limits.depth)
        return json_refuse(w, "messages are nested too deep");
    w->depth++;
    int rc;
    if (json_known(type) != JSON_PLAIN) {
        rc = json_write_known(w, type, first);
    } else {
        rc = json_write_open(w, '{');
        if (rc == 0)
            rc = json_write_fields(w, type, first, &any);
        if (rc == 0)
            rc = json_write_close(w, '}', any);
    }
    w->depth--;
    return rc;
}

int json_from_message(const struct schema_message *type, struct bytes message,
    const struct json_options *options, struct buffer *out, struct error *error) {
    struct json_writer w = {.out = out, .options = options ? *options : (struct json_options){0}};
    size_t before = out->size;
    uint32_t root;
    int rc = view_check(type, message, NULL, error);
    if (rc != 0)
        return rc;
    rc = gather_root(&w.gather, message, &root);
    if (rc == 0)
        rc = json_write_message(&w, type, root);
    gather_destroy(&w.gather);
    if (rc != 0)
        out->size = before;
    if (rc == -ENOMEM)
        return error_no_memory(error);
    if (rc == -EMSGSIZE)
        return error_set(error, rc, "%s: the JSON text is larger than is allowed here", type->full_name);
    if (rc != 0)
        return error_set(error, rc, "%s: %s%.*s%s%s", type->full_name, w.trail.size ? "at " : "",
            TRAIL_ARGS(&w.trail), w.trail.size ? ": " : "", w.why);
    return 0;
}
