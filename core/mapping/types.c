// Which values fit which fields.
#include "core/mapping/internal.h"

#include <stdio.h>

enum mapping_special mapping_special(const struct schema_message *message) {
    static const enum mapping_special specials[] = {
        [SCHEMA_KNOWN_NOT] = MAPPING_PLAIN,
        [SCHEMA_KNOWN_TIMESTAMP] = MAPPING_TIMESTAMP,
        [SCHEMA_KNOWN_DURATION] = MAPPING_DURATION,
        [SCHEMA_KNOWN_ANY] = MAPPING_ANY,
        [SCHEMA_KNOWN_STRUCT] = MAPPING_STRUCT,
        [SCHEMA_KNOWN_VALUE] = MAPPING_JSON,
        [SCHEMA_KNOWN_LIST] = MAPPING_ARRAY,
        [SCHEMA_KNOWN_WRAPPER] = MAPPING_WRAPPER,
    };
    return specials[schema_known(message)];
}

// The CEL kind that a field takes, and how people write it.
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
        *name = "uint or int";
        return CEL_UINT;
    case SCHEMA_ENUM:
        *name = field->enumeration->full_name;
        return CEL_ENUM;
    case SCHEMA_MESSAGE:
    case SCHEMA_GROUP:
        *name = field->message->full_name;
        return CEL_MESSAGE;
    default:
        *name = "int or uint";
        return CEL_INT;
    }
}

static bool is_whole(enum cel_kind kind) {
    return kind == CEL_INT || kind == CEL_UINT || kind == CEL_ENUM;
}

static bool scalar_fits(enum cel_kind field, enum cel_kind value) {
    return field == value || (is_whole(field) && is_whole(value));
}

// What JSON has: a Timestamp or a message is none of it.
static bool json_fits(const struct cel_type *type) {
    switch (type->kind) {
    case CEL_NULL: // inside of a list or map; a field that is null is left out
    case CEL_BOOL:
    case CEL_INT:
    case CEL_UINT:
    case CEL_DOUBLE:
    case CEL_STRING:
    case CEL_LIST:
    case CEL_MAP:
    case CEL_ENUM:
        return true;
    default:
        return false;
    }
}

static bool message_fits(const struct schema_field *field, const struct cel_type *type) {
    const char *unused;
    if (type->kind == CEL_MESSAGE && type->message == field->message)
        return true;
    switch (mapping_special(field->message)) {
    case MAPPING_TIMESTAMP:
        return type->kind == CEL_TIMESTAMP;
    case MAPPING_DURATION:
        return type->kind == CEL_DURATION;
    case MAPPING_WRAPPER:
        return scalar_fits(kind_of(&field->message->fields[0], &unused), type->kind);
    case MAPPING_STRUCT:
        return type->kind == CEL_MAP &&
               (!type->key || type->key->kind == CEL_STRING || type->key->kind == CEL_DYN);
    case MAPPING_ARRAY:
        return type->kind == CEL_LIST;
    case MAPPING_JSON:
        return json_fits(type);
    case MAPPING_ANY:
        return true;
    default:
        return false;
    }
}

static const char *special_name(const struct schema_field *field, const char *name) {
    const char *inner = name;
    switch (mapping_special(field->message)) {
    case MAPPING_TIMESTAMP:
        return "timestamp";
    case MAPPING_DURATION:
        return "duration";
    case MAPPING_WRAPPER:
        kind_of(&field->message->fields[0], &inner);
        return inner;
    case MAPPING_STRUCT:
        return "map(string, dyn)";
    case MAPPING_ARRAY:
        return "list(dyn)";
    case MAPPING_JSON:
        return "bool, number, string, list or map";
    case MAPPING_ANY:
        return "any value";
    default:
        return name;
    }
}

static bool single_fits(
    const struct schema_field *field, const struct cel_type *type, char *wanted, size_t size) {
    const char *name;
    enum cel_kind kind = kind_of(field, &name);
    snprintf(wanted, size, "%s", kind == CEL_MESSAGE ? special_name(field, name) : name);
    if (type->kind == CEL_DYN || type->kind == CEL_NULL)
        return true;
    if (kind == CEL_MESSAGE)
        return message_fits(field, type);
    if (kind == CEL_ENUM && type->kind == CEL_ENUM)
        return type->enumeration == field->enumeration;
    return scalar_fits(kind, type->kind);
}

bool mapping_takes(const struct schema_field *field, const struct cel_value *value) {
    const char *unused;
    enum cel_kind kind = kind_of(field, &unused);
    if (kind != CEL_MESSAGE)
        return scalar_fits(kind, value->kind);
    struct cel_type type = {.kind = value->kind};
    if (value->kind == CEL_MESSAGE)
        type.message = value->message.type;
    return message_fits(field, &type);
}

// What stands in a list or map that is written to the field.
static bool repeated_fits(
    const struct schema_field *field, const struct cel_type *type, char *wanted, size_t size) {
    static const struct cel_type any = {.kind = CEL_DYN};
    char element[160];
    char key[160];
    const struct cel_type *have = type->element ? type->element : &any;
    if (!field->map) {
        bool fits = single_fits(field, have, element, sizeof element);
        snprintf(wanted, size, "list(%s)", element);
        return type->kind == CEL_DYN || (type->kind == CEL_LIST && fits);
    }
    bool fits = single_fits(&field->message->fields[0], type->key ? type->key : &any, key, sizeof key);
    fits &= single_fits(&field->message->fields[1], have, element, sizeof element);
    snprintf(wanted, size, "map(%s, %s)", key, element);
    return type->kind == CEL_DYN || (type->kind == CEL_MAP && fits);
}

bool mapping_fits(
    const struct schema_field *field, bool one, const struct cel_type *type, char *wanted, size_t size) {
    return one || !field->repeated ? single_fits(field, type, wanted, size)
                                   : repeated_fits(field, type, wanted, size);
}

// What makes a value of the field's kind of one of another.
static const char *conversion_hint(const struct schema_field *field, const struct cel_type *type) {
    bool number = type->kind == CEL_INT || type->kind == CEL_UINT || type->kind == CEL_DOUBLE;
    const char *unused;
    enum cel_kind wanted = kind_of(field, &unused);
    enum mapping_special special = wanted == CEL_MESSAGE ? mapping_special(field->message) : MAPPING_PLAIN;
    if (wanted == CEL_STRING && number)
        return "; a text has quotes inside YAML's, '\"12\"', and string(…) makes one of a number";
    if (type->kind != CEL_STRING)
        return "";
    if (special == MAPPING_TIMESTAMP)
        return "; timestamp(…) makes one of a text such as \"2026-03-01T08:00:00+08:00\"";
    if (special == MAPPING_DURATION)
        return "; duration(…) makes one of a text such as \"1h30m\"";
    if (wanted == CEL_INT || wanted == CEL_UINT)
        return "; int(…) makes one of a text";
    return "";
}

const char *mapping_hint(const struct schema_field *field, bool one, const struct cel_type *type) {
    if (field->kind == SCHEMA_ENUM && type->kind == CEL_ENUM)
        return "; write int(…) where the numbers mean the same, or map them with codes()";
    if (field->kind == SCHEMA_ENUM && type->kind == CEL_STRING)
        return "; one value is named in quotes, '\"NAME\"', and codes are mapped with int(codes(…))";
    if ((field->kind == SCHEMA_MESSAGE || field->kind == SCHEMA_GROUP) && type->kind == CEL_MESSAGE &&
        mapping_special(field->message) == MAPPING_PLAIN)
        return "; map it field by field, with a nested mapping";
    if ((one || !field->repeated) && type->kind == CEL_LIST)
        return "; one element is taken with [0]";
    return field->repeated && !one ? "" : conversion_hint(field, type);
}
