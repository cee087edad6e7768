// Between loading, type rules and writing of a mapping; for nobody else.
#pragma once

#include "core/cel/value.h"
#include "core/mapping/mapping.h"

#define MAPPING_NESTING_LIMIT 16
#define MAPPING_ITEMS_LIMIT 1000 // of a YAML sequence, or of a YAML mapping for a map field

// One value of a field. One of these: an expression; for a nested YAML mapping, a mapping of the field's
// message type; or neither, and the value of an enum that was named in quotes.
struct mapped_value {
    struct cel_program *program; // owned
    struct mapping *nested;      // owned
    int32_t number;
};

enum mapped_form {
    MAPPED_VALUE,   // `value`, which for a list or map is an expression of that type
    MAPPED_LIST,    // `items`, one for each element
    MAPPED_ENTRIES, // `items`, each under its key
    MAPPED_EACH,    // `value`, once for each element of `list`
};

struct mapped_field {
    const struct schema_field *field;
    const struct config_node *at;
    enum mapped_form form;
    struct mapped_value value;
    struct mapped_value *items; // owned
    struct cel_value *keys;     // owned
    uint8_t *texts;             // of the keys; owned
    size_t count;
    struct cel_program *list; // owned
    struct cel_env *env;      // owned; with the element's variable
    size_t variable;
};

struct mapping {
    const struct schema_message *target;
    struct cel_program *whole; // owned; the target itself, without any fields
    const struct config_node *at;
    struct mapped_field *fields; // by field number
    size_t count;
};

// What loading passes down.
struct loader {
    const struct cel_env *env;
    struct report *report;
    unsigned depth;
};

struct mapping *mapping_load_fields(
    const struct config_node *node, const struct schema_message *target, const struct loader *loader);
// load_value.c. `one`: an element, or the value of a map's entry, where the field is repeated.
void mapping_load_value(struct mapped_value *out, const struct schema_field *field, bool one,
    const struct config_node *node, const struct loader *loader);
// load_list.c: what a YAML sequence or mapping says of a repeated field.
void mapping_load_list(
    struct mapped_field *mapped, const struct config_node *node, const struct loader *loader);
void mapping_load_map(
    struct mapped_field *mapped, const struct config_node *node, const struct loader *loader);

// What a message type means beyond its fields.
enum mapping_special {
    MAPPING_PLAIN,
    MAPPING_TIMESTAMP,
    MAPPING_DURATION,
    MAPPING_WRAPPER,
    MAPPING_STRUCT, // a JSON object
    MAPPING_JSON,   // google.protobuf.Value: anything that JSON has
    MAPPING_ARRAY,  // google.protobuf.ListValue
    MAPPING_ANY,    // google.protobuf.Any: any value
};
enum mapping_special mapping_special(const struct schema_message *message);

// Whether a value of this static type fits the field, or one element of it. Otherwise false, with what would
// be right in `wanted`.
bool mapping_fits(
    const struct schema_field *field, bool one, const struct cel_type *type, char *wanted, size_t size);
// What to do about a type that doesn't fit: "; …", or "".
const char *mapping_hint(const struct schema_field *field, bool one, const struct cel_type *type);
// Whether a value fits one element of the field, by its kind; not whether a number is small enough.
bool mapping_takes(const struct schema_field *field, const struct cel_value *value);

// Appends a value (tag included) to `out`. 0, MAPPING_REFUSED with the text, -ENOMEM, -EMSGSIZE.
int mapping_write(const struct schema_field *field, const struct cel_value *value,
    struct cel_activation *activation, struct buffer *out, struct error *error);
// The same of one element of a repeated field, also of one that is a default; `bare`: inside a packed field.
int mapping_write_one(const struct schema_field *field, const struct cel_value *value, bool bare,
    struct cel_activation *activation, struct buffer *out, struct error *error);
// The content of a Struct, Value or ListValue.
int mapping_write_json(const struct schema_message *type, const struct cel_value *value,
    struct cel_activation *activation, struct buffer *out, struct error *error);
