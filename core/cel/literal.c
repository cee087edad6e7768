// Literals to values.
#include "core/cel/lexer.h"
#include "core/schema/utf8.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

static unsigned digit_of(uint8_t c) {
    return isdigit(c) ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

// Decimal or with 0x; false over 64 bits.
static bool read_unsigned(struct bytes text, uint64_t *out) {
    uint64_t base = text.size > 2 && (text.data[1] | 0x20) == 'x' ? 16 : 10, value = 0;
    for (size_t i = base == 16 ? 2 : 0; i < text.size; i++)
        if (__builtin_mul_overflow(value, base, &value) ||
            __builtin_add_overflow(value, digit_of(text.data[i]), &value))
            return false;
    *out = value;
    return true;
}

static bool too_large(struct ast *ast, const struct token *token, const char *what) {
    problem_add(&ast->problems, token->span, "%s", what);
    return false;
}

static bool literal_int(struct ast *ast, const struct token *token, bool minus, struct cel_value *out) {
    uint64_t value;
    if (!read_unsigned(token->text, &value) || value > (uint64_t)INT64_MAX + minus)
        return too_large(ast, token, "this number is beyond int (64 bits with sign)");
    *out = (struct cel_value){.kind = CEL_INT, .i64 = minus ? (int64_t)(0 - value) : (int64_t)value};
    return true;
}

static bool literal_double(struct ast *ast, const struct token *token, bool minus, struct cel_value *out) {
    char text[512];
    if (token->text.size >= sizeof text)
        return too_large(ast, token, "this number has too many digits");
    memcpy(text, token->text.data, token->text.size);
    text[token->text.size] = '\0';
    double value = strtod(text, NULL);
    if (isinf(value))
        return too_large(ast, token, "this number is beyond double");
    *out = (struct cel_value){.kind = CEL_DOUBLE, .f64 = minus ? -value : value};
    return true;
}

bool literal_number(struct ast *ast, const struct token *token, bool minus, struct cel_value *out) {
    if (token->kind == TOKEN_INT)
        return literal_int(ast, token, minus, out);
    if (token->kind == TOKEN_DOUBLE)
        return literal_double(ast, token, minus, out);
    uint64_t value;
    if (!read_unsigned(bytes_of(token->text.data, token->text.size - 1), &value))
        return too_large(ast, token, "this number is beyond uint (64 bits)");
    *out = (struct cel_value){.kind = CEL_UINT, .u64 = value};
    return true;
}

struct decoder {
    struct ast *ast;
    const uint8_t *at;
    const uint8_t *end;
    uint8_t *out;
    size_t size;
    bool bytes;
};

static bool wrong_escape(struct decoder *decoder, const uint8_t *start, const char *text) {
    size_t length = (size_t)(decoder->at - start);
    struct ast_span span = {(uint32_t)(start - decoder->ast->source.data), (uint32_t)length};
    problem_add(&decoder->ast->problems, span, "%s", text);
    return false;
}

static bool read_digits(struct decoder *decoder, unsigned count, uint32_t base, uint32_t *out) {
    uint32_t value = 0;
    for (unsigned i = 0; i < count; i++, decoder->at++) {
        if (decoder->at >= decoder->end || !isxdigit(*decoder->at) || digit_of(*decoder->at) >= base)
            return false;
        value = value * base + digit_of(*decoder->at);
    }
    *out = value;
    return true;
}

// In bytes an escape is one byte, in a string one character.
static bool emit_code(struct decoder *decoder, uint32_t code, bool byte) {
    if (byte && decoder->bytes) {
        decoder->out[decoder->size++] = (uint8_t)code;
        return true;
    }
    if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
        return false;
    decoder->size += utf8_put(code, decoder->out + decoder->size);
    return true;
}

static bool decode_digits(struct decoder *decoder, const uint8_t *start, uint8_t c) {
    bool octal = isdigit(c);
    unsigned count = octal ? 3 : c == 'u' ? 4 : c == 'U' ? 8 : 2;
    uint32_t code;
    if ((c == 'u' || c == 'U') && decoder->bytes)
        return wrong_escape(decoder, start, "bytes have no \\u and \\U; write \\x and two hex digits");
    decoder->at -= octal;
    if (!read_digits(decoder, count, octal ? 8 : 16, &code) || (octal && code > 0xFF))
        return wrong_escape(decoder, start,
            octal      ? "\\ takes three octal digits, 000 to 377"
            : c == 'u' ? "\\u takes four hex digits"
            : c == 'U' ? "\\U takes eight hex digits"
                       : "\\x takes two hex digits");
    if (!emit_code(decoder, code, octal || count == 2))
        return wrong_escape(decoder, start, "this is no Unicode character");
    return true;
}

static bool decode_escape(struct decoder *decoder) {
    static const char from[] = "abfnrtv\\'\"`?", to[] = "\a\b\f\n\r\t\v\\'\"`?";
    const uint8_t *start = decoder->at++;
    uint8_t c = *decoder->at++; // a lexed text never ends in a backslash
    const char *plain = c ? strchr(from, c) : NULL;
    if (plain) {
        decoder->out[decoder->size++] = (uint8_t)to[plain - from];
        return true;
    }
    if ((c >= '0' && c <= '3') || c == 'x' || c == 'X' || c == 'u' || c == 'U')
        return decode_digits(decoder, start, c);
    return wrong_escape(decoder, start, "no such escape; a backslash itself is \\\\, or write r\"…\"");
}

static bool decode(struct decoder *decoder) {
    while (decoder->at < decoder->end) {
        if (*decoder->at != '\\')
            decoder->out[decoder->size++] = *decoder->at++;
        else if (!decode_escape(decoder))
            return false;
    }
    return true;
}

// What lies between the quotes, and whether escapes count.
static struct bytes content(const struct token *token, bool *raw) {
    const uint8_t *p = token->text.data;
    *raw = false;
    for (; *p != '"' && *p != '\''; p++)
        *raw = *raw || (*p | 0x20) == 'r';
    size_t size = token->text.size - (size_t)(p - token->text.data);
    size_t quotes = size >= 6 && p[1] == p[0] && p[2] == p[0] ? 3 : 1;
    return bytes_of(p + quotes, size - 2 * quotes);
}

bool literal_text(struct ast *ast, const struct token *token, struct cel_value *out) {
    bool raw;
    struct bytes inside = content(token, &raw);
    out->kind = token->kind == TOKEN_BYTES ? CEL_BYTES : CEL_STRING;
    struct decoder decoder = {.ast = ast, .at = inside.data, .end = inside.data + inside.size};
    decoder.bytes = out->kind == CEL_BYTES;
    decoder.out = arena_alloc(ast->arena, inside.size + 4);
    if (!decoder.out) {
        ast->no_memory = true;
        return false;
    }
    if (raw && inside.size)
        memcpy(decoder.out, inside.data, decoder.size = inside.size);
    else if (!decode(&decoder))
        return false;
    out->bytes = bytes_of(decoder.out, decoder.size);
    return true;
}
