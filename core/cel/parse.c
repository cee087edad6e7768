// Operators, by precedence; parse_primary.c has the rest.
#include "core/cel/compiler.h"

void parser_advance(struct parser *parser) {
    parser->end = parser->token.offset + parser->token.length;
    if (parser->token.kind != TOKEN_BAD && parser->token.kind != TOKEN_END)
        parser->token = lex_next(parser->compiler, &parser->position);
}

// What stands where something else should, reported once.
bool parser_expect(struct parser *parser, enum token_kind kind, const char *what) {
    const struct token *token = &parser->token;
    struct compiler *compiler = parser->compiler;
    if (token->kind == kind) {
        parser_advance(parser);
        return true;
    }
    if (token->kind == TOKEN_END)
        compiler_problem(compiler, parser->end, 0, "%s is missing at the end", what);
    else if (token->kind != TOKEN_BAD)
        compiler_problem(compiler, token->offset, token->length, "%s is missing before \"%.*s\"", what,
            (int)token->length, (const char *)compiler->source.data + token->offset);
    return false;
}

struct ast *ast_new(struct parser *parser, enum ast_kind kind, size_t offset) {
    struct compiler *compiler = parser->compiler;
    if (compiler->nodes++ >= compiler->limits->nodes) {
        compiler_limit(
            compiler, offset, 1, "the expression has more than %zu parts", compiler->limits->nodes);
        return NULL;
    }
    struct ast *node = compiler_tree(compiler, sizeof *node);
    if (node) {
        node->kind = kind;
        node->offset = offset;
        node->height = 1;
    }
    return node;
}

void ast_append(struct ast *parent, struct ast *arg) {
    if (parent->last)
        parent->last->next = arg;
    else
        parent->args = arg;
    parent->last = arg;
    parent->count++;
}

struct ast *ast_close(struct parser *parser, struct ast *node) {
    size_t below = node->target ? node->target->height : 0;
    for (const struct ast *arg = node->args; arg; arg = arg->next)
        below = arg->height > below ? arg->height : below;
    node->height = below + 1;
    node->length = parser->end - node->offset;
    if (node->height <= parser->compiler->limits->depth)
        return node;
    compiler_limit(parser->compiler, node->offset, node->length,
        "the expression is nested deeper than %zu levels", parser->compiler->limits->depth);
    return NULL;
}

static struct ast *operation(
    struct parser *parser, const char *name, const struct token *sign, struct ast *left) {
    struct ast *node = ast_new(parser, AST_CALL, left ? left->offset : sign->offset);
    if (!node)
        return NULL;
    node->name = bytes_of_string(name);
    node->name_offset = sign->offset;
    node->name_length = sign->length;
    if (left)
        ast_append(node, left);
    return node;
}

// Signs in a row are counted as depth, as each is a call of its own.
static struct ast *parse_unary(struct parser *parser) {
    struct token sign = parser->token;
    if (sign.kind != TOKEN_NOT && sign.kind != TOKEN_MINUS)
        return parse_member(parser);
    if (++parser->depth > parser->compiler->limits->depth) {
        compiler_limit(parser->compiler, sign.offset, 1, "the expression is nested deeper than %zu levels",
            parser->compiler->limits->depth);
        return NULL;
    }
    parser_advance(parser);
    // -9223372036854775808 is one number, as its positive half doesn't fit; so is -1.
    enum token_kind kind = parser->token.kind;
    if (sign.kind == TOKEN_MINUS && (kind == TOKEN_INT || kind == TOKEN_DOUBLE)) {
        parser->depth--;
        parser->negative = true;
        parser->negative_offset = sign.offset;
        return parse_member(parser);
    }
    struct ast *node = operation(parser, sign.kind == TOKEN_NOT ? "!_" : "-_", &sign, NULL);
    struct ast *operand = node ? parse_unary(parser) : NULL;
    parser->depth--;
    if (!operand)
        return NULL;
    ast_append(node, operand);
    return ast_close(parser, node);
}

struct sign_name {
    enum token_kind kind;
    const char *name;
};

static const char *name_of(const struct sign_name *names, enum token_kind kind) {
    for (; names->name; names++)
        if (names->kind == kind)
            return names->name;
    return NULL;
}

// a - b - c is (a - b) - c.
static struct ast *parse_chain(
    struct parser *parser, const struct sign_name *names, struct ast *(*operand)(struct parser *)) {
    struct ast *left = operand(parser);
    const char *name;
    while (left && (name = name_of(names, parser->token.kind)) != NULL) {
        struct token sign = parser->token;
        parser_advance(parser);
        struct ast *node = operation(parser, name, &sign, left);
        struct ast *right = node ? operand(parser) : NULL;
        if (!right)
            return NULL;
        ast_append(node, right);
        left = ast_close(parser, node);
    }
    return left;
}

static struct ast *parse_product(struct parser *parser) {
    static const struct sign_name names[] = {
        {TOKEN_TIMES, "_*_"}, {TOKEN_DIVIDE, "_/_"}, {TOKEN_REMAINDER, "_%_"}, {TOKEN_END, NULL}};
    return parse_chain(parser, names, parse_unary);
}

static struct ast *parse_sum(struct parser *parser) {
    static const struct sign_name names[] = {{TOKEN_PLUS, "_+_"}, {TOKEN_MINUS, "_-_"}, {TOKEN_END, NULL}};
    return parse_chain(parser, names, parse_product);
}

static struct ast *parse_relation(struct parser *parser) {
    static const struct sign_name names[] = {{TOKEN_EQUAL, "_==_"}, {TOKEN_UNEQUAL, "_!=_"},
        {TOKEN_LESS, "_<_"}, {TOKEN_LESS_EQUAL, "_<=_"}, {TOKEN_GREATER, "_>_"},
        {TOKEN_GREATER_EQUAL, "_>=_"}, {TOKEN_IN, "_in_"}, {TOKEN_END, NULL}};
    return parse_chain(parser, names, parse_sum);
}

// a && b && c is one call with three arguments, so that long conditions are not deep.
static struct ast *parse_logic(
    struct parser *parser, enum token_kind kind, const char *name, struct ast *(*operand)(struct parser *)) {
    struct ast *left = operand(parser);
    if (!left || parser->token.kind != kind)
        return left;
    struct ast *node = operation(parser, name, &parser->token, left);
    while (node && parser->token.kind == kind) {
        parser_advance(parser);
        struct ast *right = operand(parser);
        if (!right)
            return NULL;
        ast_append(node, right);
    }
    return node ? ast_close(parser, node) : NULL;
}

static struct ast *parse_and(struct parser *parser) {
    return parse_logic(parser, TOKEN_AND, "_&&_", parse_relation);
}

static struct ast *parse_or(struct parser *parser) {
    return parse_logic(parser, TOKEN_OR, "_||_", parse_and);
}

static struct ast *parse_choice(struct parser *parser) {
    struct ast *condition = parse_or(parser);
    if (!condition || parser->token.kind != TOKEN_QUESTION)
        return condition;
    struct ast *node = operation(parser, "_?_:_", &parser->token, condition);
    parser_advance(parser);
    struct ast *yes = node ? parse_or(parser) : NULL;
    if (!yes)
        return NULL;
    ast_append(node, yes);
    if (!parser_expect(parser, TOKEN_COLON, "\":\" of the choice (condition ? one : other)"))
        return NULL;
    struct ast *no = parse_expression(parser);
    if (!no)
        return NULL;
    ast_append(node, no);
    return ast_close(parser, node);
}

// Every way deeper into the source passes here or parse_unary().
struct ast *parse_expression(struct parser *parser) {
    struct compiler *compiler = parser->compiler;
    if (++parser->depth > compiler->limits->depth) {
        compiler_limit(compiler, parser->token.offset, 1, "the expression is nested deeper than %zu levels",
            compiler->limits->depth);
        return NULL;
    }
    struct ast *node = parse_choice(parser);
    parser->depth--;
    return node;
}

// Words of other languages, where an operator is missing.
static const char *operator_for(struct bytes word) {
    static const char *const words[][2] = {{"and", "&&"}, {"or", "||"}, {"AND", "&&"}, {"OR", "||"},
        {"is", "=="}, {"eq", "=="}, {"ne", "!="}, {"then", "?"}, {"else", ":"}, {"LIKE", "matches()"},
        {"like", "matches()"}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (bytes_equal_string(word, words[i][0]))
            return words[i][1];
    return NULL;
}

static void report_rest(struct compiler *compiler, const struct token *token, const struct ast *root) {
    struct bytes word = bytes_of(compiler->source.data + token->offset, token->length);
    const char *instead = operator_for(word);
    if (root->kind == AST_NAME &&
        (bytes_equal_string(root->name, "not") || bytes_equal_string(root->name, "NOT")))
        compiler_problem(compiler, root->offset, root->length, "\"not\" is written !");
    else if (instead)
        compiler_problem(compiler, token->offset, token->length, "\"%.*s\" is no operator; write \"%s\"",
            BYTES_ARGS(word), instead);
    else
        compiler_problem(compiler, token->offset, token->length,
            "the expression ends before \"%.*s\"; an operator is missing", BYTES_ARGS(word));
}

struct ast *parse(struct compiler *compiler) {
    struct parser parser = {.compiler = compiler};
    parser.token = lex_next(compiler, &parser.position);
    if (parser.token.kind == TOKEN_END) {
        compiler_problem(compiler, 0, compiler->source.size, "the expression is empty");
        return NULL;
    }
    struct ast *root = parse_expression(&parser);
    if (!root || parser.token.kind == TOKEN_BAD)
        return NULL;
    if (parser.token.kind != TOKEN_END) {
        report_rest(compiler, &parser.token, root);
        return NULL;
    }
    return root;
}
