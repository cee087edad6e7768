// Values that came out of expressions, for those who take them apart: mappings and connectors. Lists, maps
// and messages lie in the activation's arena or in the message's own bytes, and live until the activation's
// reset.
#pragma once

#include "core/base/buffer.h"
#include "core/cel/cel.h"

// What kind of error came out.
enum cel_fault {
    CEL_FAULT_MEMORY, // of the machine
    CEL_FAULT_NO_OVERLOAD,
    CEL_FAULT_NO_KEY,
    CEL_FAULT_NO_FIELD,
    CEL_FAULT_INDEX,
    CEL_FAULT_OVERFLOW,
    CEL_FAULT_DIVISION,
    CEL_FAULT_CONVERSION,
    CEL_FAULT_ARGUMENT,
    CEL_FAULT_UNMAPPED, // codes(): the map has no entry
    CEL_FAULT_UNSET,    // a variable without a value
    CEL_FAULT_LIMIT,    // steps, memory or pattern matching
};

struct cel_error {
    enum cel_fault fault;
    const char *text;
};

// The kind of the error after which cel_eval() or cel_eval_bool() returned CEL_FAILED last.
enum cel_fault cel_activation_fault(const struct cel_activation *activation);

// Values for cel_activation_set(), in the activation's memory until its reset. 0; -ENOMEM (also when its
// limit is reached); -EINVAL for keys of a wrong kind or that stand twice, or bytes that are no such message.
int cel_list_make(struct cel_activation *activation, const struct cel_value *values, size_t count,
    struct cel_value *out); // the values are copied; what they borrow is not
// `entries`: `count` keys and values by turns.
int cel_map_make(
    struct cel_activation *activation, const struct cel_value *entries, size_t count, struct cel_value *out);
// What a message stands for: a number for an Int32Value, a map for a Struct, and so on. `bytes` (borrowed)
// have been checked.
int cel_message_make(struct cel_activation *activation, const struct schema_message *type, struct bytes bytes,
    struct cel_value *out);

size_t cel_list_size(const struct cel_list *list);
// The i-th element, from 0; of kind CEL_ERROR where a message holds a time that is none, and where reading
// the list takes more steps or memory than the limits allow. 0, -ERANGE behind the end, -ENOMEM.
int cel_list_get(
    const struct cel_list *list, struct cel_activation *activation, size_t i, struct cel_value *out);

// Keys differ from each other (bool, int, uint, string).
size_t cel_map_size(const struct cel_map *map);
// The i-th entry, in the order in which the keys came. 0, -ERANGE behind the end, -ENOMEM.
int cel_map_entry(const struct cel_map *map, struct cel_activation *activation, size_t i,
    struct cel_value *key, struct cel_value *value);

// Appends a message value's wire bytes. 0, -ENOMEM, -EMSGSIZE, -EINVAL for a value of another kind.
int cel_message_append(const struct cel_value *message, struct buffer *out);
// Appends the value as the field, tag and all, as Type{field: value} has it: a list or map as a repeated
// field, a map as a Struct, any value as an Any, null as a field that isn't set. 0; CEL_FAILED with the text
// for a value that doesn't fit; -ENOMEM. `out` is untouched on failure.
int cel_put_field(struct cel_activation *activation, const struct schema_field *field,
    const struct cel_value *value, struct buffer *out, struct error *error);
// The same of one element of a repeated field, also of null where it is a value (a google.protobuf.Value).
int cel_put_element(struct cel_activation *activation, const struct schema_field *field,
    const struct cel_value *value, struct buffer *out, struct error *error);
// Whether the field, if it has no presence, would only repeat its default with this value.
bool cel_field_default(const struct schema_field *field, const struct cel_value *value);
// Whether a message value was there, and is not the default that stands for an absent field.
bool cel_message_present(const struct cel_value *message);

// Whether two values are equal in CEL: numbers across their kinds, lists and maps by what they hold, messages
// field by field. `activation`: whose arena may be used. False too when the limits don't allow to find out.
bool cel_equal(struct cel_activation *activation, const struct cel_value *a, const struct cel_value *b);

// Whether the program only selects a field that tells "set" from "default" (a message, a proto3 optional, a
// column of a row), and the field is not set: its value is a default that nobody wrote.
bool cel_program_absent(const struct cel_program *program, const struct cel_activation *activation);

// Whether the program only selects a text that was found to be UTF-8 when its message was checked; `*out` is
// then the text, borrowed from the message. What cel_eval() gives, without looking at it again.
bool cel_program_text(
    const struct cel_program *program, const struct cel_activation *activation, struct bytes *out);

// A kind as people write it: "string", "list".
const char *cel_kind_name(enum cel_kind kind);
