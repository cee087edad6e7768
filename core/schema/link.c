#include "core/base/utf8.h"
#include "core/schema/encoding.h"
#include "core/schema/internal.h"

#include <errno.h>
#include <stdlib.h>

// Numbers of google/protobuf/descriptor.proto.
enum {
    MESSAGE_FIELD = 2,
    MESSAGE_OPTIONS = 7,
    MESSAGE_ONEOF = 8,
    OPTION_MESSAGE_SET = 1,
    OPTION_MAP_ENTRY = 7,
    OPTION_PACKED = 2,
    OPTION_BEHAVIOR = 1052,  // google.api.field_behavior, a repeated enum
    OPTION_REQUIRED = 50601, // hutong.required
    BEHAVIOR_REQUIRED = 2,
    FIELD_NAME = 1,
    FIELD_NUMBER = 3,
    FIELD_LABEL = 4,
    FIELD_TYPE = 5,
    FIELD_TYPE_NAME = 6,
    FIELD_OPTIONS = 8,
    FIELD_ONEOF_INDEX = 9,
    FIELD_JSON_NAME = 10,
    FIELD_PROTO3_OPTIONAL = 17,
    LABEL_REQUIRED = 2,
    LABEL_REPEATED = 3,
};

// A FieldDescriptorProto as it stands there.
struct raw_field {
    struct bytes name, json_name, type_name;
    uint64_t number, label, type, oneof;
    bool has_oneof, has_packed, packed, proto3_optional, needed;
};

// Extensions of the options stand there as any field does; an enum that is repeated may be packed.
static void read_behavior(const struct descriptor_field *field, struct raw_field *out) {
    out->needed |= field->wire == ENCODING_VARINT && field->value == BEHAVIOR_REQUIRED;
    for (size_t i = 0; field->wire == ENCODING_LEN && i < field->bytes.size; i++)
        out->needed |= field->bytes.data[i] == BEHAVIOR_REQUIRED; // all its values are small
}

static int read_options_of_field(struct bytes options, struct raw_field *out) {
    struct descriptor_field field;
    int rc;
    while ((rc = descriptor_next(&options, &field)) > 0) {
        if (field.number == OPTION_PACKED && field.wire == ENCODING_VARINT) {
            out->has_packed = true;
            out->packed = field.value != 0;
        } else if (field.number == OPTION_REQUIRED && field.wire == ENCODING_VARINT) {
            out->needed |= field.value != 0;
        } else if (field.number == OPTION_BEHAVIOR) {
            read_behavior(&field, out);
        }
    }
    return rc;
}

static int read_bytes(const struct descriptor_field *field, struct raw_field *out) {
    switch (field->number) {
    case FIELD_NAME:
        out->name = field->bytes;
        return 0;
    case FIELD_TYPE_NAME:
        out->type_name = field->bytes;
        return 0;
    case FIELD_JSON_NAME:
        out->json_name = field->bytes;
        return 0;
    case FIELD_OPTIONS:
        return read_options_of_field(field->bytes, out);
    default:
        return 0;
    }
}

static void read_number(const struct descriptor_field *field, struct raw_field *out) {
    switch (field->number) {
    case FIELD_NUMBER:
        out->number = field->value;
        break;
    case FIELD_LABEL:
        out->label = field->value;
        break;
    case FIELD_TYPE:
        out->type = field->value;
        break;
    case FIELD_ONEOF_INDEX:
        out->has_oneof = true;
        out->oneof = field->value;
        break;
    case FIELD_PROTO3_OPTIONAL:
        out->proto3_optional = field->value != 0;
        break;
    default:
        break;
    }
}

static int read_field(struct bytes raw, struct raw_field *out) {
    struct descriptor_field field;
    int rc;
    while ((rc = descriptor_next(&raw, &field)) > 0) {
        if (field.wire == ENCODING_VARINT)
            read_number(&field, out);
        else if (field.wire == ENCODING_LEN && (rc = read_bytes(&field, out)) != 0)
            return rc;
    }
    bool text = out->name.size && !memchr(out->name.data, 0, out->name.size) && utf8_bytes(out->name) &&
                utf8_bytes(out->json_name) &&
                !(out->json_name.size && memchr(out->json_name.data, 0, out->json_name.size));
    return rc == 0 && text ? 0 : -EINVAL;
}

static bool resolve_here(const struct catalogue *catalogue, struct bytes name, struct schema_field *field) {
    field->message = map_get(catalogue->messages, name);
    field->enumeration = map_get(catalogue->enums, name);
    return field->message || field->enumeration;
}

// A name with a leading dot is a full name; another one is looked up from the innermost scope outwards.
static int resolve(struct loader *loader, const char *scope, struct bytes name, struct schema_field *field) {
    struct catalogue *catalogue = loader->catalogue;
    if (name.size && name.data[0] == '.') {
        resolve_here(catalogue, bytes_of(name.data + 1, name.size - 1), field);
        return 0;
    }
    struct bytes outer = bytes_of_string(scope);
    for (;;) {
        char *full = arena_join(&catalogue->arena, outer, name);
        if (!full)
            return -ENOMEM;
        if (resolve_here(catalogue, bytes_of_string(full), field) || outer.size == 0)
            return 0;
        do
            outer.size--;
        while (outer.size && outer.data[outer.size] != '.');
    }
}

static int link_type(
    struct loader *loader, const struct draft *draft, struct raw_field *raw, struct schema_field *field) {
    bool named = raw->type == SCHEMA_MESSAGE || raw->type == SCHEMA_GROUP || raw->type == SCHEMA_ENUM ||
                 raw->type == 0;
    if (named && resolve(loader, draft->message->full_name, raw->type_name, field) != 0)
        return error_no_memory(loader->error);
    if (raw->type == 0)
        raw->type = field->message ? SCHEMA_MESSAGE : SCHEMA_ENUM;
    if (raw->type > SCHEMA_SINT64 || (raw->type == SCHEMA_GROUP && draft->file->proto3))
        return error_set(loader->error, -EINVAL, "type %llu can't be here", (unsigned long long)raw->type);
    field->kind = (enum schema_kind)raw->type;
    bool wants_message = field->kind == SCHEMA_MESSAGE || field->kind == SCHEMA_GROUP;
    if (named && (wants_message ? !field->message : !field->enumeration))
        return error_set(
            loader->error, -EINVAL, "its type \"%.*s\" is not in the set", BYTES_ARGS(raw->type_name));
    return 0;
}

static int link_label(struct loader *loader, const struct draft *draft, const struct raw_field *raw,
    struct schema_field *field) {
    bool message = field->kind == SCHEMA_MESSAGE || field->kind == SCHEMA_GROUP;
    field->repeated = raw->label == LABEL_REPEATED;
    field->required = raw->label == LABEL_REQUIRED;
    field->needed = field->required || raw->needed;
    if (field->required && draft->file->proto3)
        return error_set(loader->error, -EINVAL, "proto3 has no required fields");
    if (raw->has_oneof && (raw->oneof >= draft->message->oneof_count || raw->label > 1))
        return error_set(loader->error, -EINVAL, "its oneof does not exist, or it is repeated or required");
    field->oneof = raw->has_oneof ? (int32_t)raw->oneof : -1;
    field->packed = field->repeated && schema_packable(field->kind) &&
                    (raw->has_packed ? raw->packed : draft->file->proto3);
    field->presence =
        !field->repeated && (message || raw->has_oneof || raw->proto3_optional || !draft->file->proto3);
    return 0;
}

static int link_field(
    struct loader *loader, const struct draft *draft, struct raw_field *raw, struct schema_field *field) {
    struct arena *arena = &loader->catalogue->arena;
    field->parent = draft->message;
    field->name = arena_string(arena, raw->name);
    field->json_name =
        raw->json_name.size ? arena_string(arena, raw->json_name) : schema_json_name(arena, raw->name);
    if (!field->name || !field->json_name)
        return error_no_memory(loader->error);
    if (raw->number < 1 || raw->number > ENCODING_NUMBER_MAX)
        return error_set(loader->error, -EINVAL, "its number is not within 1 to %u", ENCODING_NUMBER_MAX);
    field->number = (uint32_t)raw->number;
    int rc = link_type(loader, draft, raw, field);
    return rc != 0 ? rc : link_label(loader, draft, raw, field);
}

static int read_options(struct loader *loader, const struct draft *draft, struct bytes options) {
    struct descriptor_field field;
    int rc;
    while ((rc = descriptor_next(&options, &field)) > 0) {
        if (field.wire != ENCODING_VARINT || field.value == 0)
            continue;
        if (field.number == OPTION_MAP_ENTRY)
            draft->message->map_entry = true;
        if (field.number == OPTION_MESSAGE_SET)
            return error_set(loader->error, -EINVAL, "message sets are not supported");
    }
    return rc == 0 ? 0 : error_set(loader->error, rc, "its options are malformed");
}

// First what is said of the message itself: how many fields and oneofs, its options.
static int link_counts(struct loader *loader, const struct draft *draft, size_t *fields) {
    struct descriptor_field field;
    for (struct bytes rest = draft->raw;
        descriptor_next(&rest, &field) > 0;) { // well-formed: it was read before
        if (field.wire != ENCODING_LEN)
            continue;
        *fields += field.number == MESSAGE_FIELD;
        draft->message->oneof_count += field.number == MESSAGE_ONEOF;
        int rc = field.number == MESSAGE_OPTIONS ? read_options(loader, draft, field.bytes) : 0;
        if (rc != 0)
            return rc;
    }
    if (*fields > CATALOGUE_FIELDS || draft->message->oneof_count > CATALOGUE_FIELDS)
        return error_set(loader->error, -EINVAL, "it has more than %u fields or oneofs", CATALOGUE_FIELDS);
    return 0;
}

static int by_number(const void *a, const void *b) {
    uint32_t left = ((const struct schema_field *)a)->number,
             right = ((const struct schema_field *)b)->number;
    return (left > right) - (left < right);
}

static int link_fields(
    struct loader *loader, const struct draft *draft, struct schema_field *fields, bool *synthetic) {
    struct descriptor_field field;
    size_t count = 0;
    for (struct bytes rest = draft->raw; descriptor_next(&rest, &field) > 0;) {
        if (field.number != MESSAGE_FIELD || field.wire != ENCODING_LEN)
            continue;
        struct raw_field raw = {0};
        int rc = read_field(field.bytes, &raw);
        if (rc != 0)
            return error_set(loader->error, rc, "a field is malformed or has no right name");
        rc = link_field(loader, draft, &raw, &fields[count++]);
        if (rc == -EINVAL)
            error_prefix(loader->error, "field \"%.*s\": ", BYTES_ARGS(raw.name));
        if (rc != 0)
            return rc;
        if (raw.has_oneof && raw.proto3_optional)
            synthetic[raw.oneof] = true;
    }
    qsort(fields, count, sizeof *fields, by_number);
    return 0;
}

static int read_oneof_name(struct loader *loader, struct bytes raw, const char **out) {
    struct descriptor_field field;
    struct bytes name = {0};
    int rc;
    while ((rc = descriptor_next(&raw, &field)) > 0)
        if (field.number == 1 && field.wire == ENCODING_LEN)
            name = field.bytes;
    if (rc != 0 || !utf8_bytes(name))
        return error_set(loader->error, -EINVAL, "a oneof is malformed");
    *out = arena_string(&loader->catalogue->arena, name);
    return *out ? 0 : error_no_memory(loader->error);
}

// Names the oneofs; those that only stand for a proto3 optional field go, and the others move up.
static int link_oneofs(struct loader *loader, const struct draft *draft, struct schema_field *fields,
    size_t count, const bool *synthetic) {
    struct schema_message *message = draft->message;
    const char **names = arena_alloc(&loader->catalogue->arena, (message->oneof_count + 1) * sizeof *names);
    if (!names)
        return error_no_memory(loader->error);
    struct descriptor_field field;
    size_t kept = 0, i = 0;
    for (struct bytes rest = draft->raw; descriptor_next(&rest, &field) > 0;) {
        if (field.number != MESSAGE_ONEOF || field.wire != ENCODING_LEN)
            continue;
        for (size_t f = 0; f < count; f++)
            if (fields[f].oneof == (int32_t)i)
                fields[f].oneof = synthetic[i] ? -1 : (int32_t)kept;
        int rc = synthetic[i++] ? 0 : read_oneof_name(loader, field.bytes, &names[kept++]);
        if (rc != 0)
            return rc;
    }
    message->oneof_count = kept;
    message->oneof_names = names;
    return 0;
}

static int link_all(struct loader *loader, struct draft *draft, size_t count) {
    struct schema_message *message = draft->message;
    struct schema_field *fields = arena_alloc(&loader->catalogue->arena, (count + 1) * sizeof *fields);
    bool *synthetic = fields ? calloc(message->oneof_count + 1, sizeof *synthetic) : NULL;
    if (!synthetic)
        return error_no_memory(loader->error);
    int rc = link_fields(loader, draft, fields, synthetic);
    if (rc == 0)
        rc = link_oneofs(loader, draft, fields, count, synthetic);
    free(synthetic);
    message->fields = draft->fields = fields;
    message->field_count = count;
    return rc;
}

// The fields of one message. Messages that hold each other may be linked in any order.
int link_message(struct loader *loader, struct draft *draft) {
    size_t count = 0;
    int rc = link_counts(loader, draft, &count);
    if (rc == 0)
        rc = link_all(loader, draft, count);
    if (rc == -EINVAL)
        error_prefix(
            loader->error, "file \"%s\": message \"%s\": ", draft->file->name, draft->message->full_name);
    return rc;
}

static bool require_step(struct schema_message *message) {
    for (size_t i = 0; i < message->field_count && !message->has_required; i++) {
        const struct schema_field *field = &message->fields[i];
        message->has_required = field->required || (field->message && field->message->has_required);
    }
    return message->has_required;
}

// Which types can need the check of required fields. Types that hold each other need several rounds; where
// these don't suffice all are marked, which costs time and is never wrong.
void link_requires(struct catalogue *catalogue) {
    for (int round = 0; round < 64; round++) {
        bool changed = false;
        for (size_t i = 0; i < catalogue->message_count; i++)
            if (!catalogue->sorted[i]->has_required)
                changed |= require_step(catalogue->sorted[i]);
        if (!changed)
            return;
    }
    for (size_t i = 0; i < catalogue->message_count; i++)
        catalogue->sorted[i]->has_required = true;
}
