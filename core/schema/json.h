// Messages to JSON and back: the proto3 JSON mapping (protobuf.dev/programming-guides/json), with the
// well-known types Timestamp, Duration, the wrappers, Struct/Value/ListValue, FieldMask, Any and Empty.
#pragma once

#include "core/schema/view.h"

struct json_options {
    bool proto_names;   // field names as in the .proto file instead of lowerCamelCase
    bool with_defaults; // write fields without presence even when they have their default
    bool indent;        // two blanks a level; otherwise one line
};

// Appends JSON text; `options` NULL: none. An Any's type must be in the catalogue. The bytes are checked on
// the way. 0, VIEW_REFUSED with the text, -ENOMEM, -EMSGSIZE.
int json_from_message(const struct schema_message *type, struct bytes message,
    const struct json_options *options, struct buffer *out, struct error *error);

// Parses `json` (UTF-8, at most 8 MiB, depth 64; duplicate keys refused; int64 exact; both name forms) and
// appends wire bytes. 0, VIEW_REFUSED with "at resident.birth_date: …, expected …", -ENOMEM.
int json_to_message(
    const struct schema_message *type, struct bytes json, struct buffer *out, struct error *error);
