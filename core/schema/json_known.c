#include "core/schema/json_known.h"

#define PREFIX "google.protobuf."

static bool has(const struct schema_message *type, uint32_t number, enum schema_kind kind, bool repeated) {
    const struct schema_field *field = schema_field_numbered(type, number);
    return field && field->kind == kind && field->repeated == repeated;
}

static bool has_message(const struct schema_message *type, uint32_t number, const char *name, bool repeated) {
    const struct schema_field *field = schema_field_numbered(type, number);
    return field && field->kind == SCHEMA_MESSAGE && field->repeated == repeated &&
           strcmp(field->message->full_name, name) == 0;
}

static bool time_shape(const struct schema_message *type) {
    return type->field_count == 2 && has(type, 1, SCHEMA_INT64, false) && has(type, 2, SCHEMA_INT32, false);
}

static bool mask_shape(const struct schema_message *type) {
    return type->field_count == 1 && has(type, 1, SCHEMA_STRING, true);
}

static bool struct_shape(const struct schema_message *type) {
    const struct schema_field *fields = schema_field_numbered(type, 1);
    return type->field_count == 1 && fields && fields->map && has(fields->message, 1, SCHEMA_STRING, false) &&
           has_message(fields->message, 2, PREFIX "Value", false);
}

static bool value_shape(const struct schema_message *type) {
    return type->field_count == 6 && type->oneof_count == 1 && has(type, VALUE_NULL, SCHEMA_ENUM, false) &&
           has(type, VALUE_NUMBER, SCHEMA_DOUBLE, false) && has(type, VALUE_STRING, SCHEMA_STRING, false) &&
           has(type, VALUE_BOOL, SCHEMA_BOOL, false) &&
           has_message(type, VALUE_STRUCT, PREFIX "Struct", false) &&
           has_message(type, VALUE_LIST, PREFIX "ListValue", false);
}

static bool list_shape(const struct schema_message *type) {
    return type->field_count == 1 && has_message(type, 1, PREFIX "Value", true);
}

static bool any_shape(const struct schema_message *type) {
    return type->field_count == 2 && has(type, 1, SCHEMA_STRING, false) && has(type, 2, SCHEMA_BYTES, false);
}

static bool wrapper_shape(const struct schema_message *type) {
    return type->field_count == 1 && type->fields[0].number == 1 && !type->fields[0].repeated &&
           !type->fields[0].message && type->fields[0].kind != SCHEMA_ENUM;
}

enum json_known json_known(const struct schema_message *type) {
    static const struct {
        const char *name;
        enum json_known known;
        bool (*shape)(const struct schema_message *type);
    } table[] = {
        {"Timestamp", JSON_TIMESTAMP, time_shape},
        {"Duration", JSON_DURATION, time_shape},
        {"FieldMask", JSON_FIELD_MASK, mask_shape},
        {"Struct", JSON_STRUCT, struct_shape},
        {"Value", JSON_VALUE, value_shape},
        {"ListValue", JSON_LIST, list_shape},
        {"Any", JSON_ANY, any_shape},
        {"BoolValue", JSON_WRAPPER, wrapper_shape},
        {"Int32Value", JSON_WRAPPER, wrapper_shape},
        {"Int64Value", JSON_WRAPPER, wrapper_shape},
        {"UInt32Value", JSON_WRAPPER, wrapper_shape},
        {"UInt64Value", JSON_WRAPPER, wrapper_shape},
        {"FloatValue", JSON_WRAPPER, wrapper_shape},
        {"DoubleValue", JSON_WRAPPER, wrapper_shape},
        {"StringValue", JSON_WRAPPER, wrapper_shape},
        {"BytesValue", JSON_WRAPPER, wrapper_shape},
    };
    if (strncmp(type->full_name, PREFIX, sizeof PREFIX - 1) != 0)
        return JSON_PLAIN;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (strcmp(type->full_name + sizeof PREFIX - 1, table[i].name) == 0)
            return table[i].shape(type) ? table[i].known : JSON_PLAIN;
    return JSON_PLAIN;
}

bool json_known_null(const struct schema_field *field) {
    return field->kind == SCHEMA_ENUM && strcmp(field->enumeration->full_name, PREFIX "NullValue") == 0;
}

const struct schema_message *json_any_type(const struct catalogue *catalogue, struct bytes url) {
    size_t slash = url.size;
    while (slash && url.data[slash - 1] != '/')
        slash--;
    return slash ? catalogue_message(catalogue, bytes_of(url.data + slash, url.size - slash)) : NULL;
}
