#include "core/config/text.h"

static bool continues(struct bytes text, size_t at) {
    return at < text.size && (text.data[at] & 0xC0) == 0x80;
}

static uint32_t decode_long(struct bytes text, size_t offset, size_t *size) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t lead = text.data[offset];
    size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4)
        return TEXT_REPLACEMENT;
    uint32_t character = lead & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) {
        if (!continues(text, offset + i))
            return TEXT_REPLACEMENT;
        character = character << 6 | (text.data[offset + i] & 0x3Fu);
    }
    bool surrogate = character >= 0xD800 && character <= 0xDFFF;
    if (character < least[length] || character > 0x10FFFF || surrogate)
        return TEXT_REPLACEMENT;
    *size = length;
    return character;
}

uint32_t text_decode(struct bytes text, size_t offset, size_t *size, bool *valid) {
    *valid = true;
    *size = 1;
    if (text.data[offset] < 0x80)
        return text.data[offset];
    uint32_t character = decode_long(text, offset, size);
    *valid = *size > 1; // a replacement character that was written takes three bytes
    return character;
}

bool text_unsafe(uint32_t character) {
    return character < 0x20 || (character >= 0x7F && character < 0xA0) ||
           (character >= 0x200E && character <= 0x200F) || (character >= 0x2028 && character <= 0x202E) ||
           (character >= 0x2066 && character <= 0x2069) || character == 0xFEFF;
}

size_t text_encode(uint32_t character, uint8_t out[4]) {
    if (character < 0x80) {
        out[0] = (uint8_t)character;
        return 1;
    }
    size_t length = character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--) {
        out[i] = (uint8_t)(0x80 | (character & 0x3F));
        character >>= 6;
    }
    out[0] = (uint8_t)(0xF00u >> length | character);
    return length;
}

int text_append(struct buffer *out, uint32_t character) {
    uint8_t encoded[4];
    return buffer_append(out, encoded, text_encode(character, encoded));
}

int text_append_clean(struct buffer *out, struct bytes text, size_t limit) {
    int rc = 0;
    size_t end = out->size + limit;
    for (size_t at = 0; rc == 0 && at < text.size;) {
        size_t size;
        bool valid;
        uint32_t character = text_decode(text, at, &size, &valid);
        if (out->size + 4 > end)
            return text_append(out, 0x2026);
        rc = text_append(out, text_unsafe(character) ? TEXT_REPLACEMENT : character);
        at += size;
    }
    return rc;
}

size_t text_characters(struct bytes text) {
    size_t count = 0;
    for (size_t i = 0; i < text.size; i++)
        count += (text.data[i] & 0xC0) != 0x80;
    return count;
}
