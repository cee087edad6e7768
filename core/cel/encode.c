// strings.quote(), and base64 (RFC 4648, section 4).
#include "core/cel/encode.h"

#include "core/cel/functions.h"
#include "core/cel/text.h"

// ---- quote ----

// What stands for a character that can't stand in quotes as it is; 0: it can.
static char escape_of(uint8_t c) {
    static const char from[] = "\a\b\f\n\r\t\v\\\"";
    static const char to[] = "abfnrtv\\\"";
    const char *at = c ? strchr(from, c) : NULL;
    return at ? to[at - from] : '\0';
}

FUNCTION(fn_quote) {
    (void)node;
    struct bytes text = args[0].bytes;
    size_t size = text.size + 2;
    for (size_t i = 0; i < text.size; i++)
        size += escape_of(text.data[i]) != '\0';
    uint8_t *copy = text_charge(activation, size, out) ? activation_alloc(activation, size, out) : NULL;
    size_t n = 0;
    if (!copy)
        return;
    copy[n++] = '"';
    for (size_t i = 0; i < text.size; i++) {
        char escape = escape_of(text.data[i]);
        if (escape)
            copy[n++] = '\\';
        copy[n++] = escape ? (uint8_t)escape : text.data[i];
    }
    copy[n] = '"';
    value_set_bytes(out, CEL_STRING, bytes_of(copy, size));
}

// ---- base64 ----

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

FUNCTION(fn_base64_encode) {
    (void)node;
    struct bytes bytes = args[0].bytes;
    size_t size = (bytes.size + 2) / 3 * 4;
    uint8_t *text = text_charge(activation, size, out) ? activation_alloc(activation, size + 1, out) : NULL;
    if (!text)
        return;
    for (size_t i = 0, n = 0; i < bytes.size; i += 3, n += 4) {
        size_t left = bytes.size - i;
        uint32_t three = (uint32_t)bytes.data[i] << 16;
        three |= left > 1 ? (uint32_t)bytes.data[i + 1] << 8 : 0;
        three |= left > 2 ? (uint32_t)bytes.data[i + 2] : 0;
        for (size_t j = 0; j < 4; j++)
            text[n + j] = j <= left ? (uint8_t)alphabet[three >> (18 - 6 * j) & 63] : '=';
    }
    value_set_bytes(out, CEL_STRING, bytes_of(text, size));
}

static int digit_of(uint8_t c) {
    const char *at = c ? strchr(alphabet, c) : NULL;
    return at ? (int)(at - alphabet) : -1;
}

// The padding may be left out, but not be wrong.
static struct bytes unpadded(struct bytes text) {
    size_t size = text.size;
    while (text.size % 4 == 0 && size > 0 && text.size - size < 2 && text.data[size - 1] == '=')
        size--;
    return bytes_of(text.data, size);
}

bool base64_check(struct bytes text, size_t *at) {
    text = unpadded(text);
    for (*at = 0; *at < text.size; ++*at)
        if (digit_of(text.data[*at]) < 0)
            return false;
    if (text.size % 4 == 1)
        return false;
    // Bits behind the last byte are 0, so that a value has one text.
    size_t spare = text.size % 4 == 2 ? 4 : text.size % 4 == 3 ? 2 : 0;
    *at = text.size - (spare > 0);
    return spare == 0 || (digit_of(text.data[*at]) & ((1 << spare) - 1)) == 0;
}

FUNCTION(fn_base64_decode) {
    (void)node;
    size_t wrong;
    struct bytes text = args[0].bytes;
    if (!text_charge(activation, text.size, out))
        return;
    if (!base64_check(text, &wrong)) {
        value_fail(
            activation, out, CEL_FAULT_CONVERSION, "the text is not base64 at its byte %zu", wrong + 1);
        return;
    }
    text = unpadded(text);
    uint8_t *bytes = activation_alloc(activation, text.size + 1, out);
    uint32_t bits = 0;
    size_t n = 0;
    if (!bytes)
        return;
    for (size_t i = 0; i < text.size; i++) {
        bits = bits << 6 | (uint32_t)digit_of(text.data[i]);
        if (i % 4 > 0)
            bytes[n++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
    }
    value_set_bytes(out, CEL_BYTES, bytes_of(bytes, n));
}
