// Inside of json_to_message().
#pragma once

#include "core/schema/json.h"
#include "core/schema/json_lex.h"

struct json_reader {
    struct json_lex lex;
    struct buffer *out;
    size_t depth; // of messages, those in Any counted on
};

// The content of a message, without its length. `skip_type`: an "@type" member is not a field (in Any).
int json_read_message(struct json_reader *r, const struct schema_message *type, bool skip_type);
int json_read_known(struct json_reader *r, const struct schema_message *type);
// A value with its tag; `bare`: an element of a packed field, without.
int json_read_value(struct json_reader *r, const struct schema_field *field, bool bare);
int json_read_map(struct json_reader *r, const struct schema_field *field);
// Starts a record that has a length, at `*mark`; the end puts the length there.
int json_begin(struct json_reader *r, uint32_t number, size_t *mark);
int json_finish(struct json_reader *r, size_t mark);
// 0, or what a failed write means: -ENOMEM; too large is VIEW_REFUSED.
int json_wrote(struct json_reader *r, int rc);
// Adds a key that must be new to `keys`.
struct map;
int json_new_key(struct json_reader *r, struct map *keys, struct bytes key);
// A scalar from its text: a map's key.
int json_read_key_value(struct json_reader *r, const struct schema_field *field, struct bytes text);
