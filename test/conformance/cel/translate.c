#include "test/conformance/cel/harness.h"

static struct cel_type *make(struct arena *arena, enum cel_kind kind) {
    struct cel_type *type = arena_alloc(arena, sizeof *type);
    if (type)
        type->kind = kind;
    return type;
}

static const struct cel_type *make_list(struct arena *arena, const struct cel_type *element) {
    struct cel_type *type = element ? make(arena, CEL_LIST) : NULL;
    if (type)
        type->element = element;
    return type;
}

static const struct cel_type *make_map(
    struct arena *arena, const struct cel_type *key, const struct cel_type *value) {
    struct cel_type *type = key && value ? make(arena, CEL_MAP) : NULL;
    if (type) {
        type->key = key;
        type->element = value;
    }
    return type;
}

static const struct cel_type *make_primitive(
    struct arena *arena, Cel__Expr__Type__PrimitiveType primitive, bool nullable) {
    static const enum cel_kind kinds[] = {[CEL__EXPR__TYPE__PRIMITIVE_TYPE__BOOL] = CEL_BOOL,
        [CEL__EXPR__TYPE__PRIMITIVE_TYPE__INT64] = CEL_INT,
        [CEL__EXPR__TYPE__PRIMITIVE_TYPE__UINT64] = CEL_UINT,
        [CEL__EXPR__TYPE__PRIMITIVE_TYPE__DOUBLE] = CEL_DOUBLE,
        [CEL__EXPR__TYPE__PRIMITIVE_TYPE__STRING] = CEL_STRING,
        [CEL__EXPR__TYPE__PRIMITIVE_TYPE__BYTES] = CEL_BYTES};
    struct cel_type *type = make(arena, kinds[primitive]);
    if (type)
        type->nullable = nullable;
    return type;
}

// The messages that are values of their own in CEL.
static const struct cel_type *make_known(struct arena *arena, const char *name) {
    static const struct {
        const char *name;
        enum cel_kind kind;
    } wrappers[] = {{"BoolValue", CEL_BOOL}, {"BytesValue", CEL_BYTES}, {"DoubleValue", CEL_DOUBLE},
        {"FloatValue", CEL_DOUBLE}, {"Int32Value", CEL_INT}, {"Int64Value", CEL_INT},
        {"StringValue", CEL_STRING}, {"UInt32Value", CEL_UINT}, {"UInt64Value", CEL_UINT}};
    for (size_t i = 0; i < sizeof wrappers / sizeof *wrappers; i++)
        if (strcmp(name, wrappers[i].name) == 0) {
            struct cel_type *type = make(arena, wrappers[i].kind);
            if (type)
                type->nullable = true;
            return type;
        }
    if (strcmp(name, "Timestamp") == 0 || strcmp(name, "Duration") == 0)
        return make(arena, name[0] == 'T' ? CEL_TIMESTAMP : CEL_DURATION);
    if (strcmp(name, "Any") == 0 || strcmp(name, "Value") == 0)
        return make(arena, CEL_DYN);
    if (strcmp(name, "ListValue") == 0)
        return make_list(arena, make(arena, CEL_DYN));
    if (strcmp(name, "Struct") == 0)
        return make_map(arena, make(arena, CEL_STRING), make(arena, CEL_DYN));
    return NULL;
}

static const struct cel_type *make_message(
    const struct catalogue *catalogue, struct arena *arena, const char *name) {
    static const char package[] = "google.protobuf.";
    bool google = strncmp(name, package, sizeof package - 1) == 0;
    const struct cel_type *known = google ? make_known(arena, name + sizeof package - 1) : NULL;
    const struct schema_message *message = catalogue_message(catalogue, bytes_of_string(name));
    struct cel_type *type = known || !message ? NULL : make(arena, CEL_MESSAGE);
    if (type)
        type->message = message;
    return known ? known : type;
}

// NOLINTBEGIN(misc-no-recursion): as deep as the suite's types
static const struct cel_type *make_abstract(
    const struct catalogue *catalogue, struct arena *arena, const Cel__Expr__Type__AbstractType *abstract) {
    const struct cel_type **parameters =
        arena_alloc(arena, (abstract->n_parameter_types + 1) * sizeof *parameters);
    struct cel_type *type = make(arena, CEL_ABSTRACT);
    for (size_t i = 0; parameters && i < abstract->n_parameter_types; i++)
        if (!(parameters[i] = translate_type(catalogue, arena, abstract->parameter_types[i])))
            return NULL;
    if (type) {
        type->name = abstract->name;
        type->parameters = parameters;
        type->parameter_count = abstract->n_parameter_types;
    }
    return parameters ? type : NULL;
}

const struct cel_type *translate_type(
    const struct catalogue *catalogue, struct arena *arena, const suite_type *type) {
    struct cel_type *made;
    switch (type->type_kind_case) {
    case CEL__EXPR__TYPE__TYPE_KIND_DYN:
        return make(arena, CEL_DYN);
    case CEL__EXPR__TYPE__TYPE_KIND_NULL:
        return make(arena, CEL_NULL);
    case CEL__EXPR__TYPE__TYPE_KIND_PRIMITIVE:
        return make_primitive(arena, type->primitive, false);
    case CEL__EXPR__TYPE__TYPE_KIND_WRAPPER:
        return make_primitive(arena, type->wrapper, true);
    case CEL__EXPR__TYPE__TYPE_KIND_WELL_KNOWN:
        if (type->well_known == CEL__EXPR__TYPE__WELL_KNOWN_TYPE__ANY)
            return make(arena, CEL_DYN);
        return make(arena,
            type->well_known == CEL__EXPR__TYPE__WELL_KNOWN_TYPE__TIMESTAMP ? CEL_TIMESTAMP : CEL_DURATION);
    case CEL__EXPR__TYPE__TYPE_KIND_LIST_TYPE:
        return make_list(arena, translate_type(catalogue, arena, type->list_type->elem_type));
    case CEL__EXPR__TYPE__TYPE_KIND_MAP_TYPE:
        return make_map(arena, translate_type(catalogue, arena, type->map_type->key_type),
            translate_type(catalogue, arena, type->map_type->value_type));
    case CEL__EXPR__TYPE__TYPE_KIND_MESSAGE_TYPE:
        return make_message(catalogue, arena, type->message_type);
    case CEL__EXPR__TYPE__TYPE_KIND_TYPE:
        return make(arena, CEL_TYPE);
    case CEL__EXPR__TYPE__TYPE_KIND_TYPE_PARAM:
        made = make(arena, CEL_PARAM);
        if (made)
            made->name = type->type_param;
        return made;
    case CEL__EXPR__TYPE__TYPE_KIND_ABSTRACT_TYPE:
        return make_abstract(catalogue, arena, type->abstract_type);
    default:
        return NULL;
    }
}

const struct schema_message *translate_any(
    const struct catalogue *catalogue, const Google__Protobuf__Any *any, struct bytes *bytes) {
    const char *slash = strrchr(any->type_url, '/');
    *bytes = bytes_of(any->value.data ? any->value.data : (const uint8_t *)"", any->value.len);
    return catalogue_message(catalogue, bytes_of_string(slash ? slash + 1 : any->type_url));
}

#define PARTS 256 // of a list or map in the suite

static bool translate_list(const struct catalogue *catalogue, struct cel_activation *activation,
    const Cel__Expr__ListValue *list, struct cel_value *out) {
    struct cel_value values[PARTS];
    if (list->n_values > PARTS)
        return false;
    for (size_t i = 0; i < list->n_values; i++)
        if (!translate_value(catalogue, activation, list->values[i], &values[i]))
            return false;
    return cel_list_make(activation, values, list->n_values, out) == 0;
}

static bool translate_map(const struct catalogue *catalogue, struct cel_activation *activation,
    const Cel__Expr__MapValue *map, struct cel_value *out) {
    struct cel_value entries[2 * PARTS];
    if (map->n_entries > PARTS)
        return false;
    for (size_t i = 0; i < map->n_entries; i++)
        if (!translate_value(catalogue, activation, map->entries[i]->key, &entries[2 * i]) ||
            !translate_value(catalogue, activation, map->entries[i]->value, &entries[2 * i + 1]))
            return false;
    return cel_map_make(activation, entries, map->n_entries, out) == 0;
}

static bool translate_object(const struct catalogue *catalogue, struct cel_activation *activation,
    const Google__Protobuf__Any *any, struct cel_value *out) {
    struct bytes bytes;
    const struct schema_message *message = translate_any(catalogue, any, &bytes);
    return message && cel_message_make(activation, message, bytes, out) == 0;
}

bool translate_value(const struct catalogue *catalogue, struct cel_activation *activation,
    const suite_value *value, struct cel_value *out) {
    switch (value->kind_case) {
    case CEL__EXPR__VALUE__KIND_NULL_VALUE:
        *out = (struct cel_value){.kind = CEL_NULL};
        return true;
    case CEL__EXPR__VALUE__KIND_BOOL_VALUE:
        *out = (struct cel_value){.kind = CEL_BOOL, .boolean = value->bool_value != 0};
        return true;
    case CEL__EXPR__VALUE__KIND_INT64_VALUE:
        *out = (struct cel_value){.kind = CEL_INT, .i64 = value->int64_value};
        return true;
    case CEL__EXPR__VALUE__KIND_UINT64_VALUE:
        *out = (struct cel_value){.kind = CEL_UINT, .u64 = value->uint64_value};
        return true;
    case CEL__EXPR__VALUE__KIND_DOUBLE_VALUE:
        *out = (struct cel_value){.kind = CEL_DOUBLE, .f64 = value->double_value};
        return true;
    case CEL__EXPR__VALUE__KIND_STRING_VALUE:
        *out = (struct cel_value){.kind = CEL_STRING, .bytes = bytes_of_data(value->string_value)};
        return true;
    case CEL__EXPR__VALUE__KIND_BYTES_VALUE:
        *out = (struct cel_value){.kind = CEL_BYTES, .bytes = bytes_of_data(value->bytes_value)};
        return true;
    case CEL__EXPR__VALUE__KIND_TYPE_VALUE:
        *out = (struct cel_value){.kind = CEL_TYPE, .bytes = bytes_of_string(value->type_value)};
        return true;
    case CEL__EXPR__VALUE__KIND_LIST_VALUE:
        return translate_list(catalogue, activation, value->list_value, out);
    case CEL__EXPR__VALUE__KIND_MAP_VALUE:
        return translate_map(catalogue, activation, value->map_value, out);
    case CEL__EXPR__VALUE__KIND_OBJECT_VALUE:
        return translate_object(catalogue, activation, value->object_value, out);
    default: // an enum of the strong kind
        return false;
    }
}
// NOLINTEND(misc-no-recursion)
