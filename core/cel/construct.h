// Messages made of values: Type{field: value}. Private to core/cel.
#pragma once

#include "core/cel/collections.h"

// Bytes that are being put together. Functions return false with an error in `error`.
struct construct {
    struct cel_activation *activation;
    struct buffer *out;
    struct cel_value *error;
    size_t depth; // of JSON's lists and maps that are open
};

// The field with its tag: a list or map for a repeated one, null where it is then left out.
bool construct_field(
    struct construct *construct, const struct schema_field *field, const struct cel_value *value);
// One value of the field, or without its tag (an element of a packed field).
bool construct_single(
    struct construct *construct, const struct schema_field *field, const struct cel_value *value, bool bare);
// What a message of google.protobuf says for a value: the content, without tag and length.
bool construct_any(struct construct *construct, const struct cel_value *value);
bool construct_json(struct construct *construct, const struct cel_value *value);
bool construct_struct(struct construct *construct, const struct cel_map *map);
bool construct_list(struct construct *construct, const struct cel_list *list);

// A record that has a length: its tag, then (between begin and end) the content.
bool construct_begin(struct construct *construct, uint32_t number, size_t *mark);
bool construct_end(struct construct *construct, size_t mark);
bool construct_bytes(struct construct *construct, uint32_t number, struct bytes bytes);
bool construct_append(struct construct *construct, const struct cel_value *message); // its content
bool construct_time(struct construct *construct, const struct cel_value *value);
// Whether the write went well (0); otherwise the error that it means is set.
bool construct_wrote(struct construct *construct, int rc);
bool construct_refuse(
    struct construct *construct, const struct schema_field *field, const struct cel_value *value);
