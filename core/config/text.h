// UTF-8 and the columns that it takes on a terminal, for marks and excerpts. Private to core/config.
#pragma once

#include "core/base/buffer.h"

#include <stdbool.h>

#define TEXT_REPLACEMENT 0xFFFDu

// The character at `offset` (which is inside) and its bytes. At an invalid sequence (RFC 3629):
// TEXT_REPLACEMENT, 1 byte, and `*valid` false.
uint32_t text_decode(struct bytes text, size_t offset, size_t *size, bool *valid);

// Columns that a character takes: 0 combining, 2 East Asian wide and full width (Unicode 14), 1 any other.
unsigned text_width(uint32_t character);

// A control character, or one that changes the direction of what follows: it is shown as a replacement, so
// that a file can't steer the terminal of whom it is shown to.
bool text_unsafe(uint32_t character);

size_t text_encode(uint32_t character, uint8_t out[4]);
int text_append(struct buffer *out, uint32_t character);
// Appends `text` with invalid bytes and unsafe characters replaced; at most `limit` bytes, cut between
// characters.
int text_append_clean(struct buffer *out, struct bytes text, size_t limit);
size_t text_characters(struct bytes text); // counts them; of valid text
