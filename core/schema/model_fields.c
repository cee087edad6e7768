#include "core/schema/encoding.h"
#include "core/schema/model_internal.h"

#include <errno.h>

// Numbers of google/protobuf/descriptor.proto.
enum {
    FIELD_NAME = 1,
    FIELD_EXTENDEE = 2,
    FIELD_NUMBER = 3,
    FIELD_LABEL = 4,
    FIELD_TYPE = 5,
    FIELD_TYPE_NAME = 6,
    FIELD_DEFAULT = 7,
    FIELD_OPTIONS = 8,
    FIELD_ONEOF = 9,
    FIELD_JSON_NAME = 10,
    FIELD_OPTIONAL = 17,
    OPTIONS_CTYPE = 1,
    OPTIONS_PACKED = 2,
    OPTIONS_DEPRECATED = 3,
    OPTIONS_JSTYPE = 6,
    OPTIONS_BEHAVIOR = 1052,  // google.api.field_behavior
    OPTIONS_REQUIRED = 50601, // hutong.required
    BEHAVIOR_REQUIRED = 2,
    LABEL_REQUIRED = 2,
    LABEL_REPEATED = 3,
};

struct parts {
    struct bytes name, extendee, type_name, default_value, options, json_name;
    bool has_default;
    bool has_packed;
};

static void take_number(const struct descriptor_field *in, struct model_field *out) {
    switch (in->number) {
    case FIELD_NUMBER:
        out->number = (uint32_t)in->value;
        break;
    case FIELD_LABEL:
        out->required = in->value == LABEL_REQUIRED;
        out->repeated = in->value == LABEL_REPEATED;
        break;
    case FIELD_TYPE:
        out->kind = (enum schema_kind)in->value;
        break;
    case FIELD_ONEOF:
        out->oneof = (int32_t)(uint32_t)in->value;
        break;
    case FIELD_OPTIONAL:
        out->optional = in->value != 0;
        break;
    default:
        break;
    }
}

static void take_bytes(const struct descriptor_field *in, struct parts *out) {
    switch (in->number) {
    case FIELD_NAME:
        out->name = in->bytes;
        break;
    case FIELD_EXTENDEE:
        out->extendee = in->bytes;
        break;
    case FIELD_TYPE_NAME:
        out->type_name = in->bytes;
        break;
    case FIELD_DEFAULT:
        out->default_value = in->bytes;
        out->has_default = true;
        break;
    case FIELD_OPTIONS:
        out->options = in->bytes;
        break;
    case FIELD_JSON_NAME:
        out->json_name = in->bytes;
        break;
    default:
        break;
    }
}

static bool behaves_required(const struct descriptor_field *field) {
    const uint8_t *p = field->bytes.data, *end = p + field->bytes.size;
    uint64_t value = 0;
    if (field->wire == ENCODING_VARINT)
        return field->value == BEHAVIOR_REQUIRED;
    while (p && p < end) { // packed
        p = encoding_varint(p, end, &value);
        if (p && value == BEHAVIOR_REQUIRED)
            return true;
    }
    return false;
}

static void read_options(struct parts *parts, struct model_field *out) {
    struct descriptor_field field;
    struct bytes raw = parts->options;
    bool required = false, behaves = false;
    while (descriptor_next(&raw, &field) > 0) {
        behaves |= field.number == OPTIONS_BEHAVIOR && behaves_required(&field);
        if (field.wire != ENCODING_VARINT)
            continue;
        if (field.number == OPTIONS_REQUIRED)
            required = field.value != 0;
        else if (field.number == OPTIONS_CTYPE)
            out->ctype = (uint32_t)field.value;
        else if (field.number == OPTIONS_JSTYPE)
            out->jstype = (uint32_t)field.value;
        else if (field.number == OPTIONS_DEPRECATED)
            out->deprecated = field.value != 0;
        else if (field.number == OPTIONS_PACKED) {
            out->packed = field.value != 0;
            parts->has_packed = true;
        }
    }
    out->needed = out->required || required || behaves;
}

// "package.Type" of ".package.Type", or NULL where nothing is written.
static bool type_text(struct model_loader *loader, struct bytes name, const char **out) {
    if (name.size == 0)
        return true;
    if (name.data[0] == '.')
        name = bytes_of(name.data + 1, name.size - 1);
    return (*out = model_text(loader, name)) != NULL;
}

static bool read_texts(struct model_loader *loader, const char *scope, const struct parts *parts,
    bool extension, struct model_field *out) {
    out->name = model_text(loader, parts->name);
    out->json_name = parts->json_name.size ? model_text(loader, parts->json_name)
                                           : schema_json_name(&loader->model->arena, parts->name);
    if (parts->has_default && !(out->default_value = model_text(loader, parts->default_value)))
        return false;
    if (extension &&
        !(out->full_name = arena_join(&loader->model->arena, bytes_of_string(scope), parts->name)))
        return false;
    return out->name && out->json_name && type_text(loader, parts->type_name, &out->type_name) &&
           type_text(loader, parts->extendee, &out->extendee);
}

static void read_note(struct model_loader *loader, struct model_field *out) {
    out->note = model_note(loader);
    out->name_place = model_place(loader, FIELD_NAME);
    out->number_place = model_place(loader, FIELD_NUMBER);
    out->type_place = model_place(loader, out->type_name ? FIELD_TYPE_NAME : FIELD_TYPE);
    out->label_place = model_place(loader, FIELD_LABEL);
    out->default_place = model_place(loader, FIELD_DEFAULT);
}

static void derive(struct model_loader *loader, const struct parts *parts, struct model_field *out) {
    bool proto3 = loader->file->proto3;
    if (out->optional)
        out->oneof = -1;
    if (!parts->has_packed)
        out->packed = proto3;
    out->packed = out->packed && out->repeated && schema_packable(out->kind);
    out->presence = !out->repeated && (!proto3 || out->optional || out->oneof >= 0 || out->extendee ||
                                          out->kind == SCHEMA_MESSAGE || out->kind == SCHEMA_GROUP);
    if (out->kind != SCHEMA_MESSAGE || !out->repeated)
        return;
    const struct model_message *type = model_message(loader->model, out->type_name);
    out->entry = type && type->map_entry ? type : NULL;
}

int model_read_field(struct model_loader *loader, const char *scope, const struct model_message *message,
    struct bytes raw, struct model_field *out) {
    struct descriptor_field field;
    struct parts parts = {0};
    int rc;
    *out = (struct model_field){.oneof = -1, .file = loader->file};
    while ((rc = descriptor_next(&raw, &field)) > 0) {
        if (field.wire == ENCODING_VARINT)
            take_number(&field, out);
        else if (field.wire == ENCODING_LEN)
            take_bytes(&field, &parts);
    }
    bool named = out->kind == SCHEMA_MESSAGE || out->kind == SCHEMA_GROUP || out->kind == SCHEMA_ENUM;
    if (rc != 0 || out->kind < SCHEMA_DOUBLE || out->kind > SCHEMA_SINT64 ||
        (named && parts.type_name.size < 2))
        return model_malformed(loader, "a field");
    read_options(&parts, out);
    if (!read_texts(loader, scope, &parts, message == NULL, out))
        return error_no_memory(loader->error);
    read_note(loader, out);
    derive(loader, &parts, out);
    return 0;
}

int model_read_extensions(struct model_loader *loader, const char *scope, struct bytes raw, uint32_t number) {
    struct descriptor_field field;
    uint32_t index = 0;
    int rc = 0;
    while (rc == 0 && descriptor_next(&raw, &field) > 0) {
        if (field.number != number || field.wire != ENCODING_LEN)
            continue;
        struct model_field *out = arena_alloc(&loader->model->arena, sizeof *out);
        if (!out)
            return error_no_memory(loader->error);
        model_enter(loader, number, index++);
        rc = model_read_field(loader, scope, NULL, field.bytes, out);
        model_leave(loader);
        if (rc == 0)
            rc = model_add(loader, &loader->model->extensions, out->full_name, out);
    }
    return rc;
}
