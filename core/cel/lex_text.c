#include "core/base/utf8.h"
#include "core/cel/compiler.h"

// One string or bytes literal while it is read.
struct text {
    struct compiler *compiler;
    struct token *token;
    size_t position;
    bool raw;
    bool bytes;
    bool triple;
    uint8_t quote;
    uint8_t *out; // as long as the source: an escape is never shorter than what it means
    size_t size;
};

static uint8_t at(const struct text *text, size_t ahead) {
    size_t p = text->position + ahead;
    return p < text->compiler->source.size ? text->compiler->source.data[p] : 0;
}

static bool problem(struct text *text, size_t length, const char *why) {
    size_t left = text->compiler->source.size - text->position;
    compiler_problem(text->compiler, text->position, length < left ? length : left, "%s", why);
    return false;
}

static void read_prefix(struct text *text) {
    for (; at(text, 0) != '"' && at(text, 0) != '\''; text->position++) {
        text->raw |= (at(text, 0) | 0x20) == 'r';
        text->bytes |= (at(text, 0) | 0x20) == 'b';
    }
    text->quote = at(text, 0);
    text->triple = at(text, 1) == text->quote && at(text, 2) == text->quote;
    text->position += text->triple ? 3 : 1;
}

static int digit_value(uint8_t c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        return (c | 0x20) - 'a' + 10;
    return 16;
}

// Digits of a code behind the backslash; false where one is none.
static bool read_code(struct text *text, size_t from, size_t digits, uint32_t base, uint32_t *out) {
    uint32_t code = 0;
    for (size_t i = from; i < from + digits; i++) {
        uint32_t digit = (uint32_t)digit_value(at(text, i));
        if (digit >= base)
            return false;
        code = code * base + digit;
    }
    *out = code;
    return true;
}

static bool put_code(struct text *text, size_t length, uint32_t code, bool byte) {
    if (byte && text->bytes) {
        text->out[text->size++] = (uint8_t)code;
    } else if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
        return problem(text, length, "the escape is no character");
    } else {
        text->size += utf8_put(code, text->out + text->size);
    }
    text->position += length;
    return true;
}

static bool read_numeric(struct text *text) {
    uint32_t code = 0;
    uint8_t c = at(text, 1);
    bool ok;
    size_t length = 4;
    if (c == 'x' || c == 'X') {
        ok = read_code(text, 2, 2, 16, &code);
    } else if (c == 'u' || c == 'U') {
        if (text->bytes)
            return problem(text, 2, "a bytes literal has no \\u; write the bytes as \\x..");
        length = c == 'u' ? 6 : 10;
        ok = read_code(text, 2, length - 2, 16, &code);
    } else {
        ok = c <= '3' && read_code(text, 1, 3, 8, &code);
    }
    if (!ok)
        return problem(text, 2, "an escape with digits is \\xHH, \\uHHHH, \\UHHHHHHHH or \\OOO up to \\377");
    return put_code(text, length, code, c != 'u' && c != 'U');
}

static bool read_escape(struct text *text) {
    static const char from[] = "abfnrtv\\?\"'`", to[] = "\a\b\f\n\r\t\v\\?\"'`";
    uint8_t c = at(text, 1);
    const char *simple = c ? strchr(from, c) : NULL;
    if (simple) {
        text->out[text->size++] = (uint8_t)to[simple - from];
        text->position += 2;
        return true;
    }
    if ((c >= '0' && c <= '3') || (c | 0x20) == 'x' || (c | 0x20) == 'u')
        return read_numeric(text);
    return problem(text, 2, "no such escape; a backslash itself is \\\\, or use a raw string: r\"\\d+\"");
}

static bool at_end(const struct text *text) {
    if (at(text, 0) != text->quote)
        return false;
    return !text->triple || (at(text, 1) == text->quote && at(text, 2) == text->quote);
}

static bool unfinished(struct text *text) {
    size_t start = text->token->offset;
    text->token->length = text->compiler->source.size - start;
    compiler_problem(text->compiler, start, text->position - start,
        "the text doesn't end: its closing quote %s is missing",
        text->triple ? (text->quote == '"' ? "\"\"\"" : "'''") : (text->quote == '"' ? "\"" : "'"));
    return false;
}

static bool read_content(struct text *text) {
    while (!at_end(text)) {
        uint8_t c = at(text, 0);
        if (text->position >= text->compiler->source.size)
            return unfinished(text);
        if ((c == '\n' || c == '\r') && !text->triple)
            return unfinished(text);
        if (c == '\\' && !text->raw) {
            if (!read_escape(text))
                return false;
        } else {
            text->out[text->size++] = c;
            text->position++;
        }
    }
    text->position += text->triple ? 3 : 1;
    return true;
}

bool lex_text(struct compiler *compiler, size_t position, struct token *token) {
    struct text text = {.compiler = compiler, .token = token, .position = position};
    token->length = compiler->source.size - position; // when it is wrong, nothing behind it can be read
    read_prefix(&text);
    if (!compiler->text)
        compiler->text = compiler_tree(compiler, compiler->source.size + 4);
    text.out = compiler->text;
    if (!text.out || !read_content(&text))
        return false;
    token->kind = text.bytes ? TOKEN_BYTES : TOKEN_STRING;
    token->length = text.position - position;
    token->text = compiler_keep_bytes(compiler, bytes_of(text.out, text.size));
    return token->text.data != NULL;
}
