#include "core/mapping/internal.h"

#include <stdio.h>

enum mapping_special mapping_special(const struct schema_message *message) {
    const char *name = message->full_name;
    if (strcmp(name, "google.protobuf.Timestamp") == 0)
        return MAPPING_TIMESTAMP;
    if (strcmp(name, "google.protobuf.Duration") == 0)
        return MAPPING_DURATION;
    size_t length = strlen(name);
    bool value =
        strncmp(name, "google.protobuf.", 16) == 0 && length > 5 && strcmp(name + length - 5, "Value") == 0;
    return value && message->field_count == 1 && !message->fields[0].repeated ? MAPPING_WRAPPER
                                                                              : MAPPING_PLAIN;
}

// The CEL kind that a scalar field takes, and how people write it.
static enum cel_kind kind_of(const struct schema_field *field, const char **name) {
    switch (field->kind) {
    case SCHEMA_STRING:
        *name = "string";
        return CEL_STRING;
    case SCHEMA_BYTES:
        *name = "bytes";
        return CEL_BYTES;
    case SCHEMA_BOOL:
        *name = "bool";
        return CEL_BOOL;
    case SCHEMA_DOUBLE:
    case SCHEMA_FLOAT:
        *name = "double";
        return CEL_DOUBLE;
    case SCHEMA_UINT64:
    case SCHEMA_UINT32:
    case SCHEMA_FIXED64:
    case SCHEMA_FIXED32:
        *name = "uint";
        return CEL_UINT;
    case SCHEMA_ENUM:
        *name = field->enumeration->full_name;
        return CEL_ENUM;
    case SCHEMA_MESSAGE:
    case SCHEMA_GROUP:
        *name = field->message->full_name;
        return CEL_MESSAGE;
    default:
        *name = "int";
        return CEL_INT;
    }
}

static bool message_fits(const struct schema_field *field, const struct cel_type *type) {
    switch (mapping_special(field->message)) {
    case MAPPING_TIMESTAMP:
        return type->kind == CEL_TIMESTAMP;
    case MAPPING_DURATION:
        return type->kind == CEL_DURATION;
    case MAPPING_WRAPPER: {
        char unused[8];
        return mapping_fits(&field->message->fields[0], type, unused, sizeof unused);
    }
    default:
        return type->kind == CEL_MESSAGE && type->message == field->message;
    }
}

static bool single_fits(
    const struct schema_field *field, const struct cel_type *type, char *wanted, size_t size) {
    const char *name;
    enum cel_kind kind = kind_of(field, &name);
    snprintf(wanted, size, "%s", name);
    if (type->kind == CEL_DYN || type->kind == CEL_NULL)
        return true;
    if (kind == CEL_MESSAGE)
        return message_fits(field, type);
    if (kind == CEL_ENUM)
        return type->kind == CEL_INT || (type->kind == CEL_ENUM && type->enumeration == field->enumeration);
    return type->kind == kind || (kind == CEL_INT && type->kind == CEL_ENUM);
}

bool mapping_fits(const struct schema_field *field, const struct cel_type *type, char *wanted, size_t size) {
    char inner[160];
    if (!field->repeated)
        return single_fits(field, type, wanted, size);
    if (field->map) {
        char key[160];
        const struct cel_type any = {.kind = CEL_DYN};
        bool fits = single_fits(&field->message->fields[0], type->key ? type->key : &any, key, sizeof key);
        fits &= single_fits(
            &field->message->fields[1], type->element ? type->element : &any, inner, sizeof inner);
        snprintf(wanted, size, "map(%s, %s)", key, inner);
        return type->kind == CEL_DYN || (type->kind == CEL_MAP && fits);
    }
    const struct cel_type any = {.kind = CEL_DYN};
    bool fits = single_fits(field, type->element ? type->element : &any, inner, sizeof inner);
    snprintf(wanted, size, "list(%s)", inner);
    return type->kind == CEL_DYN || (type->kind == CEL_LIST && fits);
}
