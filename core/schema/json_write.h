// Inside of json_from_message().
#pragma once

#include "core/schema/gather.h"
#include "core/schema/json.h"
#include "core/schema/trail.h"

struct json_writer {
    struct buffer *out;
    struct json_options options;
    struct gather gather;
    size_t level; // of indentation
    size_t depth; // of messages, those in Any counted on
    struct trail trail;
    char why[256]; // after VIEW_REFUSED
};

int json_write_message(struct json_writer *w, const struct schema_message *type, uint32_t first);
// A well-known type; with JSON_PLAIN it does not concern itself.
int json_write_known(struct json_writer *w, const struct schema_message *type, uint32_t first);
int json_write_fields(struct json_writer *w, const struct schema_message *type, uint32_t first, bool *any);
int json_write_value(struct json_writer *w, const struct schema_field *field, uint32_t record);
int json_write_map(struct json_writer *w, const struct schema_field *field, uint32_t first);

int json_write_open(struct json_writer *w, char bracket);
int json_write_close(struct json_writer *w, char bracket, bool any);
int json_write_next(struct json_writer *w, bool *any);       // before each member or element
int json_write_key(struct json_writer *w, struct bytes key); // with the colon
int json_refuse(struct json_writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

// A singular field off a frame, with its default where it is absent.
struct view_value json_value_of(
    const struct json_writer *w, const struct gather_frame *frame, const struct schema_field *field);
