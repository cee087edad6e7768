#include "core/cel/types.h"

#include "core/cel/value.h"

#include <stdio.h>

static const char *const kind_names[] = {[CEL_NULL] = "null",
    [CEL_BOOL] = "bool",
    [CEL_INT] = "int",
    [CEL_UINT] = "uint",
    [CEL_DOUBLE] = "double",
    [CEL_STRING] = "string",
    [CEL_BYTES] = "bytes",
    [CEL_TIMESTAMP] = "timestamp",
    [CEL_DURATION] = "duration",
    [CEL_LIST] = "list",
    [CEL_MAP] = "map",
    [CEL_MESSAGE] = "message",
    [CEL_ENUM] = "enum",
    [CEL_TYPE] = "type",
    [CEL_CITIZEN_NUMBER] = "citizen_number",
    [CEL_CREDIT_CODE] = "credit_code",
    [CEL_DIVISION] = "division",
    [CEL_ERROR] = "error",
    [CEL_DYN] = "dyn",
    [CEL_PARAM] = "a type parameter",
    [CEL_ABSTRACT] = "an abstract type"};

#define BASIC(k) [k] = {.kind = (k)}
#define NULLABLE(k) [k] = {.kind = (k), .nullable = true}

const char *cel_kind_name(enum cel_kind kind) {
    return kind_names[kind];
}

static const struct cel_type basics[] = {BASIC(CEL_NULL), BASIC(CEL_BOOL), BASIC(CEL_INT), BASIC(CEL_UINT),
    BASIC(CEL_DOUBLE), BASIC(CEL_STRING), BASIC(CEL_BYTES), BASIC(CEL_TIMESTAMP),
    BASIC(CEL_DURATION), [CEL_LIST] = {.kind = CEL_LIST, .element = &basics[CEL_DYN]},
    [CEL_MAP] = {.kind = CEL_MAP, .key = &basics[CEL_DYN], .element = &basics[CEL_DYN]}, BASIC(CEL_MESSAGE),
    BASIC(CEL_ENUM), BASIC(CEL_TYPE), BASIC(CEL_CITIZEN_NUMBER), BASIC(CEL_CREDIT_CODE), BASIC(CEL_DIVISION),
    BASIC(CEL_ERROR), BASIC(CEL_DYN), BASIC(CEL_PARAM)};

// google.protobuf.Struct
static const struct cel_type json_object = {
    .kind = CEL_MAP, .key = &basics[CEL_STRING], .element = &basics[CEL_DYN]};

static const struct cel_type nullables[] = {NULLABLE(CEL_NULL), NULLABLE(CEL_BOOL), NULLABLE(CEL_INT),
    NULLABLE(CEL_UINT), NULLABLE(CEL_DOUBLE), NULLABLE(CEL_STRING), NULLABLE(CEL_BYTES),
    NULLABLE(CEL_TIMESTAMP), NULLABLE(CEL_DURATION)};

const struct cel_type *type_basic(enum cel_kind kind) {
    return &basics[kind];
}

const struct cel_type *type_nothing(void) {
    return &basics[CEL_PARAM];
}

const struct cel_type *type_nullable(enum cel_kind kind) {
    return &nullables[kind];
}

const struct cel_type *type_keep(struct compiler *compiler, const struct cel_type *type) {
    struct cel_type *kept = compiler_keep(compiler, sizeof *kept);
    if (kept)
        *kept = *type;
    return kept;
}

const struct cel_type *type_list(struct compiler *compiler, const struct cel_type *element) {
    struct cel_type type = {.kind = CEL_LIST, .element = element};
    return element ? type_keep(compiler, &type) : NULL;
}

const struct cel_type *type_map(
    struct compiler *compiler, const struct cel_type *key, const struct cel_type *value) {
    struct cel_type type = {.kind = CEL_MAP, .key = key, .element = value};
    return key && value ? type_keep(compiler, &type) : NULL;
}

const struct cel_type *type_enum(struct compiler *compiler, const struct schema_enum *enumeration) {
    struct cel_type type = {.kind = CEL_ENUM, .enumeration = enumeration};
    return type_keep(compiler, &type);
}

enum known known_of(const struct schema_message *message) {
    static const enum known all[] = {
        [SCHEMA_KNOWN_NOT] = KNOWN_NOT,
        [SCHEMA_KNOWN_TIMESTAMP] = KNOWN_TIMESTAMP,
        [SCHEMA_KNOWN_DURATION] = KNOWN_DURATION,
        [SCHEMA_KNOWN_ANY] = KNOWN_ANY,
        [SCHEMA_KNOWN_STRUCT] = KNOWN_STRUCT,
        [SCHEMA_KNOWN_VALUE] = KNOWN_VALUE,
        [SCHEMA_KNOWN_LIST] = KNOWN_LIST,
        [SCHEMA_KNOWN_WRAPPER] = KNOWN_WRAPPER,
    };
    return all[schema_known(message)];
}

bool known_null(enum known known) {
    return known == KNOWN_WRAPPER || known == KNOWN_ANY || known == KNOWN_VALUE;
}

enum cel_kind kind_of_field(const struct schema_field *field) {
    switch (field->kind) {
    case SCHEMA_BOOL:
        return CEL_BOOL;
    case SCHEMA_DOUBLE:
    case SCHEMA_FLOAT:
        return CEL_DOUBLE;
    case SCHEMA_STRING:
        return CEL_STRING;
    case SCHEMA_BYTES:
        return CEL_BYTES;
    case SCHEMA_ENUM:
        return CEL_ENUM;
    case SCHEMA_UINT32:
    case SCHEMA_UINT64:
    case SCHEMA_FIXED32:
    case SCHEMA_FIXED64:
        return CEL_UINT;
    case SCHEMA_MESSAGE:
    case SCHEMA_GROUP:
        return CEL_MESSAGE;
    default:
        return CEL_INT;
    }
}

const struct cel_type *type_message(struct compiler *compiler, const struct schema_message *message) {
    struct cel_type type = {.kind = CEL_MESSAGE, .message = message};
    switch (known_of(message)) {
    case KNOWN_TIMESTAMP:
        return type_basic(CEL_TIMESTAMP);
    case KNOWN_DURATION:
        return type_basic(CEL_DURATION);
    case KNOWN_WRAPPER:
        return type_nullable(kind_of_field(&message->fields[0]));
    case KNOWN_ANY:
    case KNOWN_VALUE:
        return type_basic(CEL_DYN);
    case KNOWN_STRUCT:
        return &json_object;
    case KNOWN_LIST:
        return type_basic(CEL_LIST);
    default:
        return type_keep(compiler, &type);
    }
}

static const struct cel_type *element_type(struct compiler *compiler, const struct schema_field *field) {
    enum cel_kind kind = kind_of_field(field);
    if (kind == CEL_MESSAGE)
        return type_message(compiler, field->message);
    return kind == CEL_ENUM ? type_enum(compiler, field->enumeration) : type_basic(kind);
}

const struct cel_type *type_of_field(struct compiler *compiler, const struct schema_field *field) {
    if (field->map)
        return type_map(compiler, element_type(compiler, &field->message->fields[0]),
            element_type(compiler, &field->message->fields[1]));
    const struct cel_type *element = element_type(compiler, field);
    return field->repeated ? type_list(compiler, element) : element;
}

bool type_unknown(const struct cel_type *type) {
    return type->kind == CEL_DYN || type->kind == CEL_ERROR || type->kind == CEL_PARAM;
}

bool type_number(const struct cel_type *type) {
    return type->kind == CEL_INT || type->kind == CEL_UINT || type->kind == CEL_DOUBLE ||
           type->kind == CEL_ENUM;
}

bool kind_own(enum cel_kind kind) {
    return kind == CEL_CITIZEN_NUMBER || kind == CEL_CREDIT_CODE || kind == CEL_DIVISION;
}

// Of one name, and `same` holds for each pair of parameters.
static bool same_abstract(const struct cel_type *a, const struct cel_type *b,
    bool (*same)(const struct cel_type *a, const struct cel_type *b)) {
    if (strcmp(a->name, b->name) != 0 || a->parameter_count != b->parameter_count)
        return false;
    for (size_t i = 0; i < a->parameter_count; i++)
        if (!same(a->parameters[i], b->parameters[i]))
            return false;
    return true;
}

// Types are as deep as the expression or as the catalogue's, which both have a limit.
// NOLINTNEXTLINE(misc-no-recursion)
bool type_equal(const struct cel_type *a, const struct cel_type *b) {
    if (a == b)
        return true;
    if (a->kind != b->kind || a->nullable != b->nullable)
        return false;
    switch (a->kind) {
    case CEL_LIST:
        return type_equal(a->element, b->element);
    case CEL_MAP:
        return type_equal(a->key, b->key) && type_equal(a->element, b->element);
    case CEL_MESSAGE:
        return a->message == b->message;
    case CEL_ENUM:
        return a->enumeration == b->enumeration;
    case CEL_ABSTRACT:
        return same_abstract(a, b, type_equal);
    default:
        return true;
    }
}

static bool may_be_null(const struct cel_type *type) {
    return type->nullable || type->kind == CEL_NULL || type->kind == CEL_MESSAGE ||
           type->kind == CEL_TIMESTAMP || type->kind == CEL_DURATION;
}

// NOLINTNEXTLINE(misc-no-recursion)
bool type_comparable(const struct cel_type *a, const struct cel_type *b) {
    if (type_unknown(a) || type_unknown(b))
        return true;
    if (a->kind == CEL_NULL || b->kind == CEL_NULL)
        return may_be_null(a) && may_be_null(b);
    if (a->kind == CEL_ENUM && b->kind == CEL_ENUM)
        return a->enumeration == b->enumeration;
    if (type_number(a) && type_number(b))
        return true;
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case CEL_LIST:
        return type_comparable(a->element, b->element);
    case CEL_MAP:
        return type_comparable(a->key, b->key) && type_comparable(a->element, b->element);
    case CEL_MESSAGE:
        return a->message == b->message;
    case CEL_ABSTRACT:
        return same_abstract(a, b, type_comparable);
    default:
        return true;
    }
}

// NOLINTNEXTLINE(misc-no-recursion)
bool type_accepts(const struct cel_type *wanted, const struct cel_type *value) {
    if (type_unknown(wanted) || type_unknown(value))
        return true;
    if (value->kind == CEL_NULL)
        return may_be_null(wanted);
    if (wanted->kind == CEL_ENUM || value->kind == CEL_ENUM)
        return wanted->kind == CEL_INT || value->kind == CEL_INT ||
               (wanted->kind == value->kind && wanted->enumeration == value->enumeration);
    if (wanted->kind != value->kind)
        return false;
    switch (wanted->kind) {
    case CEL_LIST:
        return type_accepts(wanted->element, value->element);
    case CEL_MAP:
        return type_accepts(wanted->key, value->key) && type_accepts(wanted->element, value->element);
    case CEL_MESSAGE:
        return wanted->message == value->message;
    case CEL_ABSTRACT:
        return same_abstract(wanted, value, type_accepts);
    default:
        return true;
    }
}

// As snprintf, but what doesn't fit is cut.
static size_t put(char *out, size_t size, size_t at, const char *text) {
    for (; *text && at + 1 < size; text++)
        out[at++] = *text;
    out[at] = '\0';
    return at;
}

static size_t put_type(const struct cel_type *type, char *out, size_t size, size_t at);

// NOLINTNEXTLINE(misc-no-recursion)
static size_t put_abstract(const struct cel_type *type, char *out, size_t size, size_t at) {
    at = put(out, size, at, type->name);
    for (size_t i = 0; i < type->parameter_count; i++)
        at = put_type(type->parameters[i], out, size, put(out, size, at, i ? ", " : "("));
    return type->parameter_count ? put(out, size, at, ")") : at;
}

// NOLINTNEXTLINE(misc-no-recursion)
static size_t put_type(const struct cel_type *type, char *out, size_t size, size_t at) {
    if (type->kind == CEL_MESSAGE && type->message)
        return put(out, size, at, type->message->full_name);
    if (type->kind == CEL_ENUM && type->enumeration)
        return put(out, size, at, type->enumeration->full_name);
    if (type->kind == CEL_ABSTRACT)
        return put_abstract(type, out, size, at);
    at = put(out, size, at, type->kind == CEL_PARAM ? "dyn" : kind_names[type->kind]);
    if (type->kind == CEL_MAP || type->kind == CEL_LIST) {
        at = put(out, size, at, "(");
        if (type->kind == CEL_MAP)
            at = put(out, size, put_type(type->key, out, size, at), ", ");
        at = put(out, size, put_type(type->element, out, size, at), ")");
    }
    return type->nullable ? put(out, size, at, " or null") : at;
}

const char *cel_type_name(const struct cel_type *type, char *out, size_t size) {
    if (size > 0)
        put_type(type, out, size, put(out, size, 0, ""));
    return out;
}
