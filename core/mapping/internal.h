// Between loading, type rules and writing of a mapping; for nobody else.
#pragma once

#include "core/cel/value.h"
#include "core/mapping/mapping.h"

struct mapped_field {
    const struct schema_field *field;
    const struct config_node *at;
    // One of these: an expression; for a nested YAML mapping, a mapping of the field's message type; or
    // neither, and the value of an enum that was named in quotes.
    struct cel_program *program;
    struct mapping *nested;
    int32_t number;
};

struct mapping {
    const struct schema_message *target;
    struct mapped_field *fields; // by field number
    size_t count;
};

// What a message type means beyond its fields.
enum mapping_special {
    MAPPING_PLAIN,
    MAPPING_TIMESTAMP,
    MAPPING_DURATION,
    MAPPING_WRAPPER,
};
enum mapping_special mapping_special(const struct schema_message *message);

// Whether a value of this static type fits the field. Otherwise false, with what would be right in `wanted`.
bool mapping_fits(const struct schema_field *field, const struct cel_type *type, char *wanted, size_t size);
// Whether a value fits one element of the field, by its kind; not whether a number is small enough.
bool mapping_takes(const struct schema_field *field, const struct cel_value *value);

// Appends a value (tag included) to `out`. 0, MAPPING_REFUSED with the text, -ENOMEM, -EMSGSIZE.
int mapping_write(const struct schema_field *field, const struct cel_value *value,
    struct cel_activation *activation, struct buffer *out, struct error *error);
