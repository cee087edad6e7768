#include "adapters/connectors/file/charset.h"

#include <errno.h>
#include <iconv.h>
#include <stdlib.h>

const char *const charset_names[] = {"utf-8", "gb18030", "gbk", NULL};
static const char *const display_names[] = {"UTF-8", "GB18030", "GBK"};

struct charset {
    enum charset_name name;
    iconv_t decoder; // GB18030 to UTF-8; NULL for UTF-8
    iconv_t encoder;
};

// Where glibc's table leaves GB 18030-2022. The standard moved 18 two-byte codes from the private use area to
// the real characters, and glibc followed (Python did not: there A6D9 is still U+E78D). But glibc refuses the
// four-byte codes that these characters had before 2022, and the private use characters that the two-byte
// codes had: both are in old data. As Unicode recommends (L2/23-003R), each is taken for the real character.
static const struct override {
    uint32_t character;
    uint32_t private_use;
    uint16_t two;
    uint8_t four[4];
} overrides[] = {
    {0xFE10, 0xE78D, 0xA6D9, {0x84, 0x31, 0x82, 0x36}},
    {0xFE12, 0xE78E, 0xA6DA, {0x84, 0x31, 0x82, 0x38}},
    {0xFE11, 0xE78F, 0xA6DB, {0x84, 0x31, 0x82, 0x37}},
    {0xFE13, 0xE790, 0xA6DC, {0x84, 0x31, 0x82, 0x39}},
    {0xFE14, 0xE791, 0xA6DD, {0x84, 0x31, 0x83, 0x30}},
    {0xFE15, 0xE792, 0xA6DE, {0x84, 0x31, 0x83, 0x31}},
    {0xFE16, 0xE793, 0xA6DF, {0x84, 0x31, 0x83, 0x32}},
    {0xFE17, 0xE794, 0xA6EC, {0x84, 0x31, 0x83, 0x33}},
    {0xFE18, 0xE795, 0xA6ED, {0x84, 0x31, 0x83, 0x34}},
    {0xFE19, 0xE796, 0xA6F3, {0x84, 0x31, 0x83, 0x35}},
    {0x9FB4, 0xE81E, 0xFE59, {0x82, 0x35, 0x90, 0x37}},
    {0x9FB5, 0xE826, 0xFE61, {0x82, 0x35, 0x90, 0x38}},
    {0x9FB6, 0xE82B, 0xFE66, {0x82, 0x35, 0x90, 0x39}},
    {0x9FB7, 0xE82C, 0xFE67, {0x82, 0x35, 0x91, 0x30}},
    {0x9FB8, 0xE832, 0xFE6D, {0x82, 0x35, 0x91, 0x31}},
    {0x9FB9, 0xE843, 0xFE7E, {0x82, 0x35, 0x91, 0x32}},
    {0x9FBA, 0xE854, 0xFE90, {0x82, 0x35, 0x91, 0x33}},
    {0x9FBB, 0xE864, 0xFEA0, {0x82, 0x35, 0x91, 0x34}},
};

// Six characters have two codes: the four-byte one is the standard's, the two-byte one reads the same and is
// all that GBK has. glibc writes the two-byte one; here GB18030 gets the standard's.
static const struct doubled {
    uint32_t character;
    uint8_t four[4];
} doubles[] = {
    {0x20087, {0x95, 0x32, 0x90, 0x31}},
    {0x20089, {0x95, 0x32, 0x90, 0x33}},
    {0x200CC, {0x95, 0x32, 0x97, 0x30}},
    {0x215D7, {0x95, 0x36, 0xB9, 0x37}},
    {0x2298F, {0x96, 0x30, 0xBA, 0x35}},
    {0x241FE, {0x96, 0x35, 0xB6, 0x30}},
};

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define NONE ((iconv_t) - 1)

struct charset *charset_new(enum charset_name name) {
    struct charset *charset = calloc(1, sizeof *charset);
    if (!charset)
        return NULL;
    charset->name = name;
    if (name == CHARSET_UTF8)
        return charset;
    charset->decoder = iconv_open("UTF-8", "GB18030");
    charset->encoder = iconv_open("GB18030", "UTF-8");
    if (charset->decoder == NONE || charset->encoder == NONE)
        charset_destroy(&charset);
    return charset;
}

void charset_destroy(struct charset **self) {
    struct charset *charset = *self;
    *self = NULL;
    if (!charset)
        return;
    if (charset->decoder) // one that couldn't be opened may be closed, too
        iconv_close(charset->decoder);
    if (charset->encoder)
        iconv_close(charset->encoder);
    free(charset);
}

enum charset_name charset_kind(const struct charset *charset) {
    return charset->name;
}

static bool continues(uint8_t byte) {
    return (byte & 0xC0) == 0x80;
}

// The length that the bytes of one UTF-8 character have, 0 when they are wrong (RFC 3629: no surrogate, no
// overlong form).
static size_t utf8_length(struct bytes bytes) {
    const uint8_t *p = bytes.data;
    if (p[0] < 0x80)
        return 1;
    size_t length = p[0] < 0xC2 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : p[0] < 0xF5 ? 4 : 0;
    if (length == 0 || length > bytes.size)
        return 0;
    for (size_t i = 1; i < length; i++)
        if (!continues(p[i]))
            return 0;
    if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) || (p[0] == 0xF0 && p[1] < 0x90) ||
        (p[0] == 0xF4 && p[1] > 0x8F))
        return 0;
    return length;
}

static uint32_t utf8_value(const uint8_t *p, size_t length) {
    uint32_t value = length == 1 ? p[0] : p[0] & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++)
        value = value << 6 | (p[i] & 0x3Fu);
    return value;
}

static size_t utf8_put(uint32_t value, uint8_t *out) // three or four bytes are all that the tables need
{
    if (value >= 0x10000) {
        out[0] = (uint8_t)(0xF0 | value >> 18);
        out[1] = (uint8_t)(0x80 | (value >> 12 & 0x3F));
        out[2] = (uint8_t)(0x80 | (value >> 6 & 0x3F));
        out[3] = (uint8_t)(0x80 | (value & 0x3F));
        return 4;
    }
    out[0] = (uint8_t)(0xE0 | value >> 12);
    out[1] = (uint8_t)(0x80 | (value >> 6 & 0x3F));
    out[2] = (uint8_t)(0x80 | (value & 0x3F));
    return 3;
}

static bool gb_lead(uint8_t byte) {
    return byte >= 0x81 && byte <= 0xFE;
}

static bool gb_digit(uint8_t byte) {
    return byte >= 0x30 && byte <= 0x39;
}

// As utf8_length, by the form of GB 18030; whether the code is assigned is the table's business.
static size_t gb_length(struct bytes bytes, bool four) {
    const uint8_t *p = bytes.data;
    if (p[0] < 0x80)
        return 1;
    if (!gb_lead(p[0]) || bytes.size < 2)
        return 0;
    if (p[1] >= 0x40 && p[1] != 0x7F && p[1] != 0xFF)
        return 2;
    bool whole = four && bytes.size >= 4 && gb_digit(p[1]) && gb_lead(p[2]) && gb_digit(p[3]);
    return whole ? 4 : 0;
}

static size_t character_length(const struct charset *charset, struct bytes bytes) {
    return charset->name == CHARSET_UTF8 ? utf8_length(bytes)
                                         : gb_length(bytes, charset->name == CHARSET_GB18030);
}

size_t charset_step(const struct charset *charset, struct bytes bytes) {
    size_t length = character_length(charset, bytes);
    return length ? length : 1;
}

// One character through iconv. Bytes written to `out` (of 8), or 0: not assigned.
static size_t convert(iconv_t converter, const uint8_t *from, size_t length, uint8_t *out) {
    char copy[8];
    memcpy(copy, from, length);
    char *in = copy;
    size_t in_left = length;
    char *to = (char *)out;
    size_t out_left = 8;
    if (iconv(converter, &in, &in_left, &to, &out_left) != 0 || in_left != 0) {
        iconv(converter, NULL, NULL, NULL, NULL);
        return 0;
    }
    return 8 - out_left;
}

static size_t decode_one(const struct charset *charset, const uint8_t *from, size_t length, uint8_t *out) {
    for (size_t i = 0; length == 4 && i < COUNT(overrides); i++)
        if (memcmp(overrides[i].four, from, 4) == 0)
            return utf8_put(overrides[i].character, out);
    return convert(charset->decoder, from, length, out);
}

// How the text names the offending bytes: "byte 0xFF", "bytes 0x81 0x20".
static int refuse_bytes(const struct charset *charset, struct bytes at, size_t length, struct error *error) {
    const char *name = display_names[charset->name];
    const uint8_t *p = at.data;
    if (p[0] == 0)
        return error_set(error, CHARSET_BAD, "a NUL byte is no text");
    if (length == 2)
        return error_set(error, CHARSET_BAD, "bytes 0x%02X 0x%02X are not assigned in %s", p[0], p[1], name);
    if (length == 4)
        return error_set(error, CHARSET_BAD, "bytes 0x%02X 0x%02X 0x%02X 0x%02X are not assigned in %s", p[0],
            p[1], p[2], p[3], name);
    if (at.size == 1)
        return error_set(error, CHARSET_BAD, "byte 0x%02X at the end is not %s", p[0], name);
    return error_set(error, CHARSET_BAD, "byte 0x%02X before 0x%02X is not %s", p[0], p[1], name);
}

static size_t ascii_run(struct bytes bytes) {
    size_t n = 0;
    while (n < bytes.size && bytes.data[n] < 0x80 && bytes.data[n] != 0)
        n++;
    return n;
}

// Converts the character at the start of `rest`: its length in `*length`, and UTF-8 in `out`. Returns the
// UTF-8's size, 0: wrong.
static size_t decode_next(const struct charset *charset, struct bytes rest, uint8_t *out, size_t *length) {
    *length = rest.data[0] == 0 ? 0 : character_length(charset, rest);
    if (*length == 0)
        return 0;
    if (charset->name != CHARSET_UTF8)
        return decode_one(charset, rest.data, *length, out);
    memcpy(out, rest.data, *length);
    return *length;
}

int charset_decode(
    const struct charset *charset, struct bytes bytes, struct buffer *out, size_t *at, struct error *error) {
    size_t before = out->size;
    size_t i = 0;
    int rc = 0;
    while (i < bytes.size && rc == 0) {
        struct bytes rest = {.data = bytes.data + i, .size = bytes.size - i};
        uint8_t utf8[8];
        size_t length = ascii_run(rest);
        if (length) {
            rc = buffer_append(out, rest.data, length);
            i += length;
            continue;
        }
        size_t size = decode_next(charset, rest, utf8, &length);
        rc = size ? buffer_append(out, utf8, size) : refuse_bytes(charset, rest, length, error);
        if (rc == CHARSET_BAD)
            *at = i;
        i += length;
    }
    if (rc != 0)
        out->size = before;
    return rc < 0 ? error_set(error, rc, rc == -ENOMEM ? "out of memory" : "text too long") : rc;
}

// The tables' say on writing `value`: 0 when they have none.
static size_t encode_override(const struct charset *charset, uint32_t value, uint8_t *out) {
    for (size_t i = 0; i < COUNT(overrides); i++)
        if (overrides[i].private_use == value) {
            out[0] = (uint8_t)(overrides[i].two >> 8);
            out[1] = (uint8_t)overrides[i].two;
            return 2;
        }
    for (size_t i = 0; charset->name == CHARSET_GB18030 && i < COUNT(doubles); i++)
        if (doubles[i].character == value) {
            memcpy(out, doubles[i].four, 4);
            return 4;
        }
    return 0;
}

static size_t encode_one(const struct charset *charset, const uint8_t *from, size_t length, uint8_t *out) {
    if (charset->name == CHARSET_UTF8) {
        memcpy(out, from, length);
        return length;
    }
    size_t size = length >= 3 ? encode_override(charset, utf8_value(from, length), out) : 0;
    if (size == 0)
        size = convert(charset->encoder, from, length, out);
    return size == 4 && charset->name == CHARSET_GBK ? 0 : size;
}

int charset_encode(
    const struct charset *charset, struct bytes text, struct buffer *out, struct error *error) {
    size_t before = out->size;
    size_t characters = 0;
    int rc = 0;
    for (size_t i = 0, length = 0; i < text.size && rc == 0; i += length) {
        struct bytes rest = {.data = text.data + i, .size = text.size - i};
        uint8_t encoded[8];
        characters++;
        length = utf8_length(rest);
        size_t size = length ? encode_one(charset, rest.data, length, encoded) : 0;
        if (length == 0)
            rc = error_set(error, CHARSET_BAD, "character %zu is no UTF-8", characters);
        else if (size == 0)
            rc = error_set(error, CHARSET_BAD, "character %zu, U+%04X, is not in %s", characters,
                (unsigned)utf8_value(rest.data, length), display_names[charset->name]);
        else
            rc = buffer_append(out, encoded, size);
    }
    if (rc != 0)
        out->size = before;
    return rc < 0 ? error_set(error, rc, rc == -ENOMEM ? "out of memory" : "text too long") : rc;
}
