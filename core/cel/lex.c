#include "core/base/full_width.h"
#include "core/cel/compiler.h"
#include "core/cel/number.h"

#include <errno.h>

static bool is_digit(uint8_t c) {
    return c >= '0' && c <= '9';
}

static bool is_hex(uint8_t c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool starts_name(uint8_t c) {
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// 0 behind the end: no token has a NUL.
static uint8_t at(const struct compiler *compiler, size_t position) {
    return position < compiler->source.size ? compiler->source.data[position] : 0;
}

static size_t pass_blanks(const struct compiler *compiler, size_t position) {
    for (;;) {
        uint8_t c = at(compiler, position);
        if (c == '/' && at(compiler, position + 1) == '/') {
            while (position < compiler->source.size && at(compiler, position) != '\n')
                position++;
        } else if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f') {
            position++;
        } else {
            return position;
        }
    }
}

static void bad(struct compiler *compiler, struct token *token, const char *why) {
    compiler_problem(compiler, token->offset, token->length, "%s", why);
    token->kind = TOKEN_BAD;
}

static void read_integer(struct compiler *compiler, struct token *token, size_t digits, int base) {
    const uint8_t *text = compiler->source.data + token->offset;
    size_t end = token->length - (token->kind == TOKEN_UINT ? 1 : 0);
    uint64_t value = 0;
    for (size_t i = digits; i < end; i++) {
        uint8_t c = text[i];
        uint64_t digit = is_digit(c) ? (uint64_t)(c - '0') : (uint64_t)((c | 0x20) - 'a' + 10);
        if (__builtin_mul_overflow(value, (uint64_t)base, &value) ||
            __builtin_add_overflow(value, digit, &value)) {
            bad(compiler, token, "the number doesn't fit into 64 bits");
            return;
        }
    }
    if (token->kind == TOKEN_INT && value > (uint64_t)INT64_MAX + 1)
        bad(compiler, token, "the number doesn't fit into an int; append u for a uint");
    token->number = value;
}

static void read_double(struct compiler *compiler, struct token *token) {
    struct bytes text = bytes_of(compiler->source.data + token->offset, token->length);
    if (!number_parse(text, &token->real))
        bad(compiler, token, "the number doesn't fit into a double");
}

// The end of ".5", "e-3" behind digits; `position` itself where there is neither.
static size_t pass_fraction(const struct compiler *compiler, size_t position) {
    size_t p = position;
    if (at(compiler, p) == '.' && is_digit(at(compiler, p + 1)))
        for (p++; is_digit(at(compiler, p)); p++) {
        }
    if ((at(compiler, p) | 0x20) == 'e') {
        size_t e = p + 1;
        if (at(compiler, e) == '+' || at(compiler, e) == '-')
            e++;
        if (is_digit(at(compiler, e)))
            for (p = e; is_digit(at(compiler, p)); p++) {
            }
    }
    return p;
}

static size_t read_number(struct compiler *compiler, size_t position, struct token *token) {
    size_t p = position;
    bool hex = at(compiler, p) == '0' && (at(compiler, p + 1) | 0x20) == 'x' && is_hex(at(compiler, p + 2));
    if (hex)
        p += 2;
    while (hex ? is_hex(at(compiler, p)) : is_digit(at(compiler, p)))
        p++;
    size_t fraction = hex ? p : pass_fraction(compiler, p);
    token->kind = TOKEN_INT;
    if (fraction > p) {
        token->kind = TOKEN_DOUBLE;
        p = fraction;
    } else if ((at(compiler, p) | 0x20) == 'u') {
        token->kind = TOKEN_UINT;
        p++;
    }
    while (starts_name(at(compiler, p)) || is_digit(at(compiler, p))) {
        p++;
        token->kind = TOKEN_BAD;
    }
    token->length = p - position;
    if (token->kind == TOKEN_BAD)
        bad(compiler, token, "not a number; numbers are 12, 12u, 0x1F, 1.5, 2e-3");
    else if (token->kind == TOKEN_DOUBLE)
        read_double(compiler, token);
    else
        read_integer(compiler, token, hex ? 2 : 0, hex ? 16 : 10);
    return p;
}

static enum token_kind word_kind(struct bytes word) {
    static const char *const reserved[] = {"as", "break", "const", "continue", "else", "for", "function",
        "if", "import", "let", "loop", "package", "namespace", "return", "var", "void", "while"};
    static const struct {
        const char *word;
        enum token_kind kind;
    } words[] = {{"null", TOKEN_NULL}, {"true", TOKEN_TRUE}, {"false", TOKEN_FALSE}, {"in", TOKEN_IN}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (bytes_equal_string(word, words[i].word))
            return words[i].kind;
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (bytes_equal_string(word, reserved[i]))
            return TOKEN_RESERVED;
    return TOKEN_NAME;
}

static size_t read_name(struct compiler *compiler, size_t position, struct token *token) {
    size_t p = position;
    while (starts_name(at(compiler, p)) || is_digit(at(compiler, p)))
        p++;
    token->length = p - position;
    token->text = bytes_of(compiler->source.data + position, token->length);
    token->kind = word_kind(token->text);
    return p;
}

static size_t read_quoted_name(struct compiler *compiler, size_t position, struct token *token) {
    size_t p = position + 1;
    while (p < compiler->source.size && at(compiler, p) != '`' && at(compiler, p) != '\n')
        p++;
    token->length = p - position;
    if (at(compiler, p) != '`' || token->length < 2) {
        bad(compiler, token, "a name in backticks must end with a backtick and not be empty");
        return p;
    }
    token->kind = TOKEN_QUOTED;
    token->text = bytes_of(compiler->source.data + position + 1, token->length - 1);
    token->length++;
    return p + 1;
}

static void foreign(struct compiler *compiler, struct token *token) {
    struct bytes rest =
        bytes_of(compiler->source.data + token->offset, compiler->source.size - token->offset);
    struct full_width sign;
    char words[120];
    token->kind = TOKEN_BAD;
    if (full_width_at(rest, &sign)) {
        token->length = sign.size;
        full_width_say(rest, &sign, words, sizeof words);
        compiler_problem(compiler, token->offset, token->length, "%s", words);
    } else if (rest.data[0] >= 0x80) {
        compiler_problem(compiler, token->offset, token->length,
            "a name is written in ASCII; a field of another name is selected in backticks: row.`...`");
    } else {
        bad(compiler, token, "a character that can't stand here");
    }
}

static size_t read_sign(struct compiler *compiler, size_t position, struct token *token) {
    static const struct {
        const char *sign;
        enum token_kind kind;
    } signs[] = {{"||", TOKEN_OR}, {"&&", TOKEN_AND}, {"==", TOKEN_EQUAL}, {"!=", TOKEN_UNEQUAL},
        {"<=", TOKEN_LESS_EQUAL}, {">=", TOKEN_GREATER_EQUAL}, {"<", TOKEN_LESS}, {">", TOKEN_GREATER},
        {"+", TOKEN_PLUS}, {"-", TOKEN_MINUS}, {"*", TOKEN_TIMES}, {"/", TOKEN_DIVIDE},
        {"%", TOKEN_REMAINDER}, {"!", TOKEN_NOT}, {"?", TOKEN_QUESTION}, {":", TOKEN_COLON}, {".", TOKEN_DOT},
        {",", TOKEN_COMMA}, {"(", TOKEN_OPEN}, {")", TOKEN_CLOSE}, {"[", TOKEN_OPEN_LIST},
        {"]", TOKEN_CLOSE_LIST}, {"{", TOKEN_OPEN_BRACE}, {"}", TOKEN_CLOSE_BRACE}};
    bool three = at(compiler, position + 1) == '=' && at(compiler, position + 2) == '=';
    if (three && (at(compiler, position) == '=' || at(compiler, position) == '!')) {
        token->length = 3;
        bad(compiler, token,
            at(compiler, position) == '=' ? "\"===\" is no operator; write \"==\""
                                          : "\"!==\" is no operator; write \"!=\"");
        return position + 3;
    }
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        const char *sign = signs[i].sign;
        if (at(compiler, position) != (uint8_t)sign[0] ||
            (sign[1] && at(compiler, position + 1) != (uint8_t)sign[1]))
            continue;
        token->kind = signs[i].kind;
        token->length = sign[1] ? 2 : 1;
        return position + token->length;
    }
    for (token->length = 1; (at(compiler, position + token->length) & 0xc0) == 0x80; token->length++) {
    }
    switch (at(compiler, position)) {
    case '=':
        bad(compiler, token, "\"=\" is no operator; write \"==\"");
        break;
    case '&':
        bad(compiler, token, "\"&\" is no operator; write \"&&\"");
        break;
    case '|':
        bad(compiler, token, "\"|\" is no operator; write \"||\"");
        break;
    default:
        foreign(compiler, token);
    }
    return position + token->length;
}

// "text", 'text', and either with the prefixes r, b in any order and case.
static bool starts_text(const struct compiler *compiler, size_t position) {
    for (size_t i = 0; i < 3; i++) {
        uint8_t c = at(compiler, position + i);
        if (c == '"' || c == '\'')
            return true;
        if ((c | 0x20) != 'r' && (c | 0x20) != 'b')
            return false;
        if (i == 1 && (c | 0x20) == (at(compiler, position) | 0x20))
            return false;
    }
    return false;
}

struct token lex_next(struct compiler *compiler, size_t *position) {
    size_t p = pass_blanks(compiler, *position);
    struct token token = {.kind = TOKEN_END, .offset = p};
    uint8_t c = at(compiler, p);
    if (p >= compiler->source.size) {
    } else if (starts_text(compiler, p)) {
        if (!lex_text(compiler, p, &token))
            token.kind = TOKEN_BAD;
        p += token.length;
    } else if (is_digit(c) || (c == '.' && is_digit(at(compiler, p + 1)))) {
        p = read_number(compiler, p, &token);
    } else if (starts_name(c)) {
        p = read_name(compiler, p, &token);
    } else if (c == '`') {
        p = read_quoted_name(compiler, p, &token);
    } else {
        p = read_sign(compiler, p, &token);
    }
    *position = p;
    return token;
}
