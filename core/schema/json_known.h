// The well-known types that JSON writes in their own way (the proto3 JSON mapping).
#pragma once

#include "core/schema/catalogue.h"

enum json_known {
    JSON_PLAIN, // a message like any other
    JSON_TIMESTAMP,
    JSON_DURATION,
    JSON_FIELD_MASK,
    JSON_STRUCT,
    JSON_VALUE,
    JSON_LIST,
    JSON_ANY,
    JSON_WRAPPER,
};

// By name, and only when the fields are those of Google's file.
enum json_known json_known(const struct schema_message *type);
bool json_known_null(const struct schema_field *field); // an enum field of google.protobuf.NullValue

enum { // fields of google.protobuf.Value
    VALUE_NULL = 1,
    VALUE_NUMBER = 2,
    VALUE_STRING = 3,
    VALUE_BOOL = 4,
    VALUE_STRUCT = 5,
    VALUE_LIST = 6,
};

// The message type that an Any's URL names ("type.googleapis.com/gov.x.Y"), or NULL.
const struct schema_message *json_any_type(const struct catalogue *catalogue, struct bytes url);
