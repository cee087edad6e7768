// Tokens of an expression (CEL language definition, "Syntax": lexis).
#pragma once

#include "core/cel/ast.h"

enum token_kind {
    TOKEN_END,
    TOKEN_NAME,
    TOKEN_QUOTED,   // a field name in backticks
    TOKEN_RESERVED, // a word that is no name, but may be a field: "for", "package", …
    TOKEN_INT,
    TOKEN_UINT,
    TOKEN_DOUBLE,
    TOKEN_STRING,
    TOKEN_BYTES,
    TOKEN_TRUE,
    TOKEN_FALSE,
    TOKEN_NULL,
    TOKEN_IN,
    TOKEN_OPERATOR, // and brackets; `text` says which
    TOKEN_BAD,      // reported
};

struct token {
    enum token_kind kind;
    struct ast_span span;
    struct bytes text; // as in the source; of QUOTED without its backticks
};

// The token at `*at`, which moves behind it.
struct token lexer_next(struct ast *ast, size_t *at);

// Turns a literal token into a value; `minus`: a number with a minus before it. Texts with escapes go to the
// arena. False when reported, or without memory.
bool literal_number(struct ast *ast, const struct token *token, bool minus, struct cel_value *out);
bool literal_text(struct ast *ast, const struct token *token, struct cel_value *out);
