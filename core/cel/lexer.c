#include "core/cel/lexer.h"

#include <ctype.h>

struct lexer {
    struct ast *ast;
    const uint8_t *text;
    size_t size;
    size_t start;
    size_t at;
};

static uint8_t peek(const struct lexer *lexer, size_t ahead) {
    return lexer->at + ahead < lexer->size ? lexer->text[lexer->at + ahead] : 0;
}

static bool is_letter(uint8_t c) {
    return isalpha(c) || c == '_';
}

static bool is_word(uint8_t c) {
    return isalnum(c) || c == '_';
}

static struct token token(const struct lexer *lexer, enum token_kind kind) {
    struct ast_span span = {(uint32_t)lexer->start, (uint32_t)(lexer->at - lexer->start)};
    return (struct token){kind, span, bytes_of(lexer->text + lexer->start, lexer->at - lexer->start)};
}

static struct token bad(struct lexer *lexer, const char *text) {
    struct token out = token(lexer, TOKEN_BAD);
    problem_add(&lexer->ast->problems, out.span, "%s", text);
    return out;
}

static void skip_blanks(struct lexer *lexer) {
    for (;;) {
        uint8_t c = peek(lexer, 0);
        if (lexer->at < lexer->size && (c == ' ' || (c >= '\t' && c <= '\r'))) {
            lexer->at++;
        } else if (c == '/' && peek(lexer, 1) == '/') {
            while (lexer->at < lexer->size && peek(lexer, 0) != '\n')
                lexer->at++;
        } else {
            return;
        }
    }
}

static enum token_kind word_kind(struct bytes word) {
    static const char *const reserved[] = {"as", "break", "const", "continue", "else", "for", "function",
        "if", "import", "let", "loop", "package", "namespace", "return", "var", "void", "while"};
    static const struct {
        const char *word;
        enum token_kind kind;
    } own[] = {{"true", TOKEN_TRUE}, {"false", TOKEN_FALSE}, {"null", TOKEN_NULL}, {"in", TOKEN_IN}};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (bytes_equal_string(word, own[i].word))
            return own[i].kind;
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (bytes_equal_string(word, reserved[i]))
            return TOKEN_RESERVED;
    return TOKEN_NAME;
}

static struct token lex_word(struct lexer *lexer) {
    while (is_word(peek(lexer, 0)))
        lexer->at++;
    struct token out = token(lexer, TOKEN_NAME);
    out.kind = word_kind(out.text);
    return out;
}

static void skip_digits(struct lexer *lexer) {
    while (isdigit(peek(lexer, 0)))
        lexer->at++;
}

// The dot of "1.size()" belongs to no number.
static bool skip_fraction(struct lexer *lexer) {
    if (peek(lexer, 0) != '.' || !isdigit(peek(lexer, 1)))
        return false;
    lexer->at++;
    skip_digits(lexer);
    return true;
}

static bool skip_exponent(struct lexer *lexer) {
    size_t sign = peek(lexer, 1) == '+' || peek(lexer, 1) == '-';
    if ((peek(lexer, 0) | 0x20) != 'e' || !isdigit(peek(lexer, 1 + sign)))
        return false;
    lexer->at += 1 + sign;
    skip_digits(lexer);
    return true;
}

static struct token lex_number(struct lexer *lexer) {
    bool real = false;
    if (peek(lexer, 0) == '0' && (peek(lexer, 1) | 0x20) == 'x' && isxdigit(peek(lexer, 2))) {
        lexer->at += 2;
        while (isxdigit(peek(lexer, 0)))
            lexer->at++;
    } else {
        skip_digits(lexer);
        real = skip_fraction(lexer);
        real = skip_exponent(lexer) || real;
    }
    bool u = !real && (peek(lexer, 0) | 0x20) == 'u';
    lexer->at += u;
    if (is_word(peek(lexer, 0))) {
        while (is_word(peek(lexer, 0)))
            lexer->at++;
        return bad(lexer, "not a number");
    }
    return token(lexer, u ? TOKEN_UINT : real ? TOKEN_DOUBLE : TOKEN_INT);
}

// The length of a prefix of r, b (either case, either order) before a quote, or -1: no text starts here.
static int text_prefix(const struct lexer *lexer) {
    bool raw = false, bytes = false;
    for (size_t i = 0; i < 3; i++) {
        uint8_t c = peek(lexer, i);
        if (c == '"' || c == '\'')
            return (int)i;
        if ((c | 0x20) == 'r' && !raw)
            raw = true;
        else if ((c | 0x20) == 'b' && !bytes)
            bytes = true;
        else
            return -1;
    }
    return -1;
}

static bool has_letter(const struct lexer *lexer, int prefix, uint8_t letter) {
    for (int i = 0; i < prefix; i++)
        if ((peek(lexer, (size_t)i) | 0x20) == letter)
            return true;
    return false;
}

static bool at_quotes(const struct lexer *lexer, uint8_t quote, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (peek(lexer, i) != quote)
            return false;
    return true;
}

static struct token lex_text(struct lexer *lexer, int prefix) {
    bool raw = has_letter(lexer, prefix, 'r'), bytes = has_letter(lexer, prefix, 'b');
    lexer->at += (size_t)prefix;
    uint8_t quote = peek(lexer, 0);
    size_t quotes = at_quotes(lexer, quote, 3) ? 3 : 1;
    lexer->at += quotes;
    while (!at_quotes(lexer, quote, quotes)) {
        uint8_t c = peek(lexer, 0);
        if (lexer->at >= lexer->size || (quotes == 1 && (c == '\n' || c == '\r')))
            return bad(lexer, "this text has no closing quote");
        lexer->at += !raw && c == '\\' && lexer->at + 1 < lexer->size ? 2 : 1;
    }
    lexer->at += quotes;
    return token(lexer, bytes ? TOKEN_BYTES : TOKEN_STRING);
}

static struct token lex_quoted(struct lexer *lexer) {
    lexer->at++;
    while (is_word(peek(lexer, 0)) || (peek(lexer, 0) != 0 && strchr(".-/ ", peek(lexer, 0)) != NULL))
        lexer->at++;
    if (peek(lexer, 0) != '`' || lexer->at == lexer->start + 1) {
        lexer->at += peek(lexer, 0) == '`';
        return bad(lexer, "a field name in backticks has letters, digits, \"_.-/\" and blanks");
    }
    lexer->at++;
    struct token out = token(lexer, TOKEN_QUOTED);
    out.text = bytes_of(out.text.data + 1, out.text.size - 2);
    return out;
}

// Tells what people may have meant by an operator of another language.
static struct token lex_wrong(struct lexer *lexer) {
    uint8_t c = peek(lexer, 0);
    lexer->at++;
    if (c == '=' || c == '&' || c == '|') {
        char text[64];
        snprintf(text, sizeof text, "\"%c\" is no operator; did you mean \"%c%c\"?", c, c, c);
        return bad(lexer, text);
    }
    while (lexer->at < lexer->size && (peek(lexer, 0) & 0xC0) == 0x80)
        lexer->at++;
    if (c >= 0x80)
        return bad(
            lexer, "this character may stand in a text only; names are of ASCII letters, digits and \"_\"");
    return bad(lexer, c == '\\' || c == '#' || c == '$' || c == '@' || c == ';' || c == '~' || c == '^'
                          ? "this character has no meaning here"
                          : "a character that can't be read");
}

static struct token lex_operator(struct lexer *lexer) {
    static const char *const operators[] = {"==", "!=", "<=", ">=", "&&", "||", "<", ">", "+", "-", "*", "/",
        "%", "!", "?", ":", ".", ",", "(", ")", "[", "]", "{", "}"};
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        size_t size = strlen(operators[i]);
        if (size <= lexer->size - lexer->at && memcmp(lexer->text + lexer->at, operators[i], size) == 0) {
            lexer->at += size;
            return token(lexer, TOKEN_OPERATOR);
        }
    }
    return lex_wrong(lexer);
}

static struct token lex(struct lexer *lexer) {
    if (lexer->at >= lexer->size)
        return token(lexer, TOKEN_END);
    uint8_t c = peek(lexer, 0);
    int prefix = text_prefix(lexer);
    if (prefix >= 0)
        return lex_text(lexer, prefix);
    if (is_letter(c))
        return lex_word(lexer);
    if (isdigit(c) || (c == '.' && isdigit(peek(lexer, 1))))
        return lex_number(lexer);
    return c == '`' ? lex_quoted(lexer) : lex_operator(lexer);
}

struct token lexer_next(struct ast *ast, size_t *at) {
    struct lexer lexer = {.ast = ast, .text = ast->source.data, .size = ast->source.size, .at = *at};
    skip_blanks(&lexer);
    lexer.start = lexer.at;
    struct token out = lex(&lexer);
    *at = lexer.at;
    return out;
}
