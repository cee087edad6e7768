// Characters of texts. Strings are UTF-8 by rule; a byte that isn't (proto2 has no such rule) counts as one
// character. Private to core/cel.
#pragma once

#include "core/cel/program.h"

size_t text_step(struct bytes text, size_t at);                      // bytes of the character at the offset
size_t text_length(struct bytes text);                               // characters
bool text_offset(struct bytes text, int64_t character, size_t *out); // where a character, or the end, is
size_t text_find(struct bytes text, size_t from, struct bytes part); // SIZE_MAX: not there
// Long texts cost steps.
bool text_charge(struct cel_activation *activation, size_t size, struct cel_value *out);
void text_copy(struct cel_activation *activation, const char *text, size_t size, struct cel_value *out);
// What string() makes of a value: of any kind but a null, list, map or message.
void value_text(struct cel_activation *activation, const struct cel_value *value, struct cel_value *out);
