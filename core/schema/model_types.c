#include "core/schema/encoding.h"
#include "core/schema/model_internal.h"

#include <errno.h>

// Numbers of google/protobuf/descriptor.proto.
enum {
    NAME = 1, // of all of them
    MESSAGE_FIELD = 2,
    MESSAGE_NESTED = 3,
    MESSAGE_ENUM = 4,
    MESSAGE_RANGE = 5,
    MESSAGE_EXTENSION = 6,
    MESSAGE_OPTIONS = 7,
    MESSAGE_ONEOF = 8,
    MESSAGE_RESERVED_RANGE = 9,
    MESSAGE_RESERVED_NAME = 10,
    OPTIONS_DEPRECATED = 3,
    OPTIONS_MAP_ENTRY = 7,
    ENUM_VALUE = 2,
    ENUM_OPTIONS = 3,
    ENUM_RESERVED_RANGE = 4,
    ENUM_RESERVED_NAME = 5,
    VALUE_NUMBER = 2,
    VALUE_OPTIONS = 3,
    VALUE_DEPRECATED = 1,
    RANGE_START = 1,
    RANGE_END = 2,
    SERVICE_METHOD = 2,
    METHOD_INPUT = 2,
    METHOD_OUTPUT = 3,
    METHOD_OPTIONS = 4,
    METHOD_CLIENT_STREAMING = 5,
    METHOD_SERVER_STREAMING = 6,
    METHOD_IDEMPOTENCY = 34,
};

static bool find_varint(struct bytes raw, uint32_t number, uint64_t *out) {
    struct descriptor_field field;
    bool found = false;
    while (descriptor_next(&raw, &field) > 0)
        if (field.number == number && field.wire == ENCODING_VARINT) {
            *out = field.value;
            found = true;
        }
    return found;
}

static bool is_set(struct bytes raw, uint32_t number) {
    uint64_t value = 0;
    return find_varint(raw, number, &value) && value;
}

static uint64_t varint_of(struct bytes raw, uint32_t number) {
    uint64_t value = 0;
    find_varint(raw, number, &value);
    return value;
}

static struct bytes bytes_in(struct bytes raw, uint32_t number) {
    struct descriptor_field field;
    struct bytes found = {0};
    while (descriptor_next(&raw, &field) > 0)
        if (field.number == number && field.wire == ENCODING_LEN)
            found = field.bytes;
    return found;
}

static const char *name_in(struct model_loader *loader, struct bytes raw, uint32_t number) {
    struct bytes name = bytes_in(raw, number);
    if (name.size && name.data[0] == '.') // a type's full name
        name = bytes_of(name.data + 1, name.size - 1);
    return model_text(loader, name);
}

static const char *full_name(struct model_loader *loader, const char *scope, struct bytes raw) {
    return arena_join(&loader->model->arena, bytes_of_string(scope), bytes_in(raw, NAME));
}

// `exclusive`: as messages have it, whose ranges end before their end; an enum's do not.
static const struct model_range *read_ranges(
    struct model_loader *loader, struct bytes raw, uint32_t number, bool exclusive, size_t *count) {
    struct descriptor_field field;
    struct model_range *ranges = model_array(loader, raw, number, sizeof *ranges);
    while (ranges && descriptor_next(&raw, &field) > 0) {
        if (field.number != number || field.wire != ENCODING_LEN)
            continue;
        struct model_range *range = &ranges[*count];
        range->first = (int32_t)(uint32_t)varint_of(field.bytes, RANGE_START);
        range->last = (int64_t)(int32_t)(uint32_t)varint_of(field.bytes, RANGE_END) - (exclusive ? 1 : 0);
        range->place = model_element_place(loader, number, (uint32_t)*count);
        *count += 1;
    }
    return ranges;
}

static const char *const *read_names(
    struct model_loader *loader, struct bytes raw, uint32_t number, size_t *count) {
    struct descriptor_field field;
    const char **names = model_array(loader, raw, number, sizeof *names);
    while (names && descriptor_next(&raw, &field) > 0)
        if (field.number == number && field.wire == ENCODING_LEN) {
            const char *name = model_text(loader, field.bytes);
            if (!name)
                return NULL;
            names[(*count)++] = name;
        }
    return names;
}

// ---- Enums ----

static int read_values(struct model_loader *loader, struct bytes raw, struct model_enum *out) {
    struct descriptor_field field;
    struct model_value *values = model_array(loader, raw, ENUM_VALUE, sizeof *values);
    while (values && descriptor_next(&raw, &field) > 0) {
        if (field.number != ENUM_VALUE || field.wire != ENCODING_LEN)
            continue;
        struct model_value *value = &values[out->value_count];
        model_enter(loader, ENUM_VALUE, (uint32_t)out->value_count++);
        value->name = name_in(loader, field.bytes, NAME);
        value->number = (int32_t)(uint32_t)varint_of(field.bytes, VALUE_NUMBER);
        value->deprecated = is_set(bytes_in(field.bytes, VALUE_OPTIONS), VALUE_DEPRECATED);
        value->note = model_note(loader);
        value->number_place = model_place(loader, VALUE_NUMBER);
        model_leave(loader);
        if (!value->name)
            return error_no_memory(loader->error);
    }
    out->values = values;
    return values ? 0 : error_no_memory(loader->error);
}

int model_read_enum(struct model_loader *loader, const char *scope, struct bytes raw) {
    struct model_enum *out = arena_alloc(&loader->model->arena, sizeof *out);
    if (!out)
        return error_no_memory(loader->error);
    out->file = loader->file;
    out->name = name_in(loader, raw, NAME);
    out->full_name = full_name(loader, scope, raw);
    out->note = model_note(loader);
    out->name_place = model_place(loader, NAME);
    out->deprecated = is_set(bytes_in(raw, ENUM_OPTIONS), OPTIONS_DEPRECATED);
    out->reserved.ranges = read_ranges(loader, raw, ENUM_RESERVED_RANGE, false, &out->reserved.range_count);
    out->reserved.names = read_names(loader, raw, ENUM_RESERVED_NAME, &out->reserved.name_count);
    if (!out->name || !out->full_name || !out->reserved.ranges || !out->reserved.names)
        return error_no_memory(loader->error);
    int rc = read_values(loader, raw, out);
    return rc == 0 ? model_add(loader, &loader->model->enums, out->full_name, out) : rc;
}

// ---- Services ----

static int read_method(struct model_loader *loader, struct bytes raw, struct model_method *out) {
    *out = (struct model_method){.name = name_in(loader, raw, NAME),
        .request = name_in(loader, raw, METHOD_INPUT),
        .response = name_in(loader, raw, METHOD_OUTPUT),
        .client_streaming = is_set(raw, METHOD_CLIENT_STREAMING),
        .server_streaming = is_set(raw, METHOD_SERVER_STREAMING),
        .idempotency = (uint32_t)varint_of(bytes_in(raw, METHOD_OPTIONS), METHOD_IDEMPOTENCY),
        .note = model_note(loader),
        .request_place = model_place(loader, METHOD_INPUT),
        .response_place = model_place(loader, METHOD_OUTPUT)};
    return out->name && out->request && out->response ? 0 : error_no_memory(loader->error);
}

int model_read_service(struct model_loader *loader, const char *scope, struct bytes raw) {
    struct descriptor_field field;
    struct model_service *out = arena_alloc(&loader->model->arena, sizeof *out);
    struct model_method *methods = model_array(loader, raw, SERVICE_METHOD, sizeof *methods);
    if (!out || !methods)
        return error_no_memory(loader->error);
    *out = (struct model_service){.file = loader->file,
        .full_name = full_name(loader, scope, raw),
        .methods = methods,
        .note = model_note(loader)};
    int rc = out->full_name ? 0 : error_no_memory(loader->error);
    for (struct bytes rest = raw; rc == 0 && descriptor_next(&rest, &field) > 0;) {
        if (field.number != SERVICE_METHOD || field.wire != ENCODING_LEN)
            continue;
        model_enter(loader, SERVICE_METHOD, (uint32_t)out->method_count);
        rc = read_method(loader, field.bytes, &methods[out->method_count++]);
        model_leave(loader);
    }
    return rc == 0 ? model_add(loader, &loader->model->services, out->full_name, out) : rc;
}

// ---- Messages ----

static int read_nested(struct model_loader *loader, const char *scope, struct bytes raw) {
    struct descriptor_field field;
    uint32_t messages = 0, enums = 0;
    int rc = 0;
    for (struct bytes rest = raw; rc == 0 && descriptor_next(&rest, &field) > 0;) {
        if (field.wire != ENCODING_LEN)
            continue;
        if (field.number == MESSAGE_NESTED) {
            model_enter(loader, MESSAGE_NESTED, messages++);
            rc = model_read_message(loader, scope, field.bytes);
            model_leave(loader);
        } else if (field.number == MESSAGE_ENUM) {
            model_enter(loader, MESSAGE_ENUM, enums++);
            rc = model_read_enum(loader, scope, field.bytes);
            model_leave(loader);
        }
    }
    return rc == 0 ? model_read_extensions(loader, scope, raw, MESSAGE_EXTENSION) : rc;
}

static int read_oneofs(struct model_loader *loader, struct bytes raw, struct model_message *out) {
    struct descriptor_field field;
    struct model_oneof *oneofs = model_array(loader, raw, MESSAGE_ONEOF, sizeof *oneofs);
    while (oneofs && descriptor_next(&raw, &field) > 0) {
        if (field.number != MESSAGE_ONEOF || field.wire != ENCODING_LEN)
            continue;
        struct model_oneof *oneof = &oneofs[out->oneof_count];
        model_enter(loader, MESSAGE_ONEOF, (uint32_t)out->oneof_count++);
        oneof->name = name_in(loader, field.bytes, NAME);
        oneof->note = model_note(loader);
        model_leave(loader);
        if (!oneof->name)
            return error_no_memory(loader->error);
    }
    out->oneofs = oneofs;
    return oneofs ? 0 : error_no_memory(loader->error);
}

static int read_fields(struct model_loader *loader, struct bytes raw, struct model_message *out) {
    struct descriptor_field field;
    struct model_field *fields = model_array(loader, raw, MESSAGE_FIELD, sizeof *fields);
    int rc = 0;
    if (!fields)
        return error_no_memory(loader->error);
    for (struct bytes rest = raw; rc == 0 && descriptor_next(&rest, &field) > 0;) {
        if (field.number != MESSAGE_FIELD || field.wire != ENCODING_LEN)
            continue;
        model_enter(loader, MESSAGE_FIELD, (uint32_t)out->field_count);
        rc = model_read_field(loader, out->full_name, out, field.bytes, &fields[out->field_count++]);
        model_leave(loader);
    }
    if (rc != 0)
        return rc;
    out->fields = fields;
    // protoc puts the oneofs that it makes behind the written ones.
    for (size_t i = 0; i < out->field_count; i++)
        out->oneof_count -= fields[i].optional && out->oneof_count > 0;
    return 0;
}

int model_read_message(struct model_loader *loader, const char *scope, struct bytes raw) {
    struct model_message *out = arena_alloc(&loader->model->arena, sizeof *out);
    if (!out)
        return error_no_memory(loader->error);
    if (loader->depth > 2 * (size_t)CATALOGUE_NESTING)
        return model_malformed(loader, "a type that is nested too deep");
    struct bytes options = bytes_in(raw, MESSAGE_OPTIONS);
    out->file = loader->file;
    out->name = name_in(loader, raw, NAME);
    out->full_name = full_name(loader, scope, raw);
    out->note = model_note(loader);
    out->name_place = model_place(loader, NAME);
    out->map_entry = is_set(options, OPTIONS_MAP_ENTRY);
    out->deprecated = is_set(options, OPTIONS_DEPRECATED);
    out->reserved.ranges = read_ranges(loader, raw, MESSAGE_RESERVED_RANGE, true, &out->reserved.range_count);
    out->reserved.names = read_names(loader, raw, MESSAGE_RESERVED_NAME, &out->reserved.name_count);
    out->extensions = read_ranges(loader, raw, MESSAGE_RANGE, true, &out->extension_count);
    if (!out->name || !out->full_name || !out->reserved.ranges || !out->reserved.names || !out->extensions)
        return error_no_memory(loader->error);
    // Nested types first: a map's field looks for its entry.
    int rc = read_nested(loader, out->full_name, raw);
    if (rc == 0)
        rc = read_oneofs(loader, raw, out);
    if (rc == 0)
        rc = read_fields(loader, raw, out);
    return rc == 0 ? model_add(loader, &loader->model->messages, out->full_name, out) : rc;
}
