// Literals, names, calls, selections, indexes and what is built of parts.
#include "core/cel/compiler.h"

static struct ast *wrong_start(struct parser *parser) {
    const struct token *token = &parser->token;
    const char *text = (const char *)parser->compiler->source.data + token->offset;
    if (token->kind == TOKEN_END)
        compiler_problem(parser->compiler, parser->end, 0, "a value is missing at the end");
    else if (token->kind == TOKEN_RESERVED)
        compiler_problem(parser->compiler, token->offset, token->length, "\"%.*s\" is a reserved word of CEL",
            (int)token->length, text);
    else if (token->kind != TOKEN_BAD)
        compiler_problem(parser->compiler, token->offset, token->length, "a value is missing before \"%.*s\"",
            (int)token->length, text);
    return NULL;
}

static void set_literal(struct parser *parser, const struct token *token, struct cel_value *value) {
    bool negative = parser->negative;
    parser->negative = false;
    switch (token->kind) {
    case TOKEN_INT:
        *value = (struct cel_value){
            .kind = CEL_INT, .i64 = (int64_t)(negative ? 0 - token->number : token->number)};
        break;
    case TOKEN_UINT:
        *value = (struct cel_value){.kind = CEL_UINT, .u64 = token->number};
        break;
    case TOKEN_DOUBLE:
        *value = (struct cel_value){.kind = CEL_DOUBLE, .f64 = negative ? -token->real : token->real};
        break;
    case TOKEN_STRING:
        *value = (struct cel_value){.kind = CEL_STRING, .bytes = token->text};
        break;
    case TOKEN_BYTES:
        *value = (struct cel_value){.kind = CEL_BYTES, .bytes = token->text};
        break;
    case TOKEN_NULL:
        *value = (struct cel_value){.kind = CEL_NULL};
        break;
    default:
        *value = (struct cel_value){.kind = CEL_BOOL, .boolean = token->kind == TOKEN_TRUE};
        break;
    }
}

static struct ast *parse_literal(struct parser *parser) {
    struct token token = parser->token;
    if (token.kind == TOKEN_INT && !parser->negative && token.number > (uint64_t)INT64_MAX) {
        compiler_problem(parser->compiler, token.offset, token.length,
            "the number doesn't fit into an int; append u for a uint");
        return NULL;
    }
    struct ast *node =
        ast_new(parser, AST_LITERAL, parser->negative ? parser->negative_offset : token.offset);
    if (!node)
        return NULL;
    set_literal(parser, &token, &node->value);
    parser_advance(parser);
    return ast_close(parser, node);
}

// The expressions up to `close`, which is passed; a comma may stand before it where `trailing`.
static bool parse_args(
    struct parser *parser, struct ast *parent, enum token_kind close, const char *closing, bool trailing) {
    while (parser->token.kind != close) {
        struct ast *arg = parse_expression(parser);
        if (!arg)
            return false;
        ast_append(parent, arg);
        if (parser->token.kind != TOKEN_COMMA)
            break;
        parser_advance(parser);
        if (parser->token.kind == close && !trailing) {
            wrong_start(parser);
            return false;
        }
    }
    return parser_expect(parser, close, closing);
}

static struct ast *parse_list(struct parser *parser) {
    struct ast *node = ast_new(parser, AST_LIST, parser->token.offset);
    if (!node)
        return NULL;
    parser_advance(parser);
    if (!parse_args(parser, node, TOKEN_CLOSE_LIST, "\"]\" of the list", true))
        return NULL;
    return ast_close(parser, node);
}

static struct ast *parse_map(struct parser *parser) {
    struct ast *node = ast_new(parser, AST_MAP, parser->token.offset);
    if (!node)
        return NULL;
    parser_advance(parser);
    while (parser->token.kind != TOKEN_CLOSE_BRACE) {
        struct ast *key = parse_expression(parser);
        if (!key || !parser_expect(parser, TOKEN_COLON, "\":\" behind the map's key"))
            return NULL;
        ast_append(node, key);
        struct ast *value = parse_expression(parser);
        if (!value)
            return NULL;
        ast_append(node, value);
        if (parser->token.kind != TOKEN_COMMA)
            break;
        parser_advance(parser);
    }
    return parser_expect(parser, TOKEN_CLOSE_BRACE, "\"}\" of the map") ? ast_close(parser, node) : NULL;
}

static bool names_field(const struct token *token) {
    return token->kind == TOKEN_NAME || token->kind == TOKEN_QUOTED || token->kind == TOKEN_RESERVED;
}

static void set_name(struct ast *node, const struct token *token) {
    node->name = token->text;
    node->name_offset = token->offset;
    node->name_length = token->length;
}

static struct ast *parse_field(struct parser *parser) {
    struct token name = parser->token;
    if (!names_field(&name)) {
        parser_expect(parser, TOKEN_NAME, "a field's name");
        return NULL;
    }
    struct ast *node = ast_new(parser, AST_FIELD, name.offset);
    if (!node)
        return NULL;
    set_name(node, &name);
    parser_advance(parser);
    if (!parser_expect(parser, TOKEN_COLON, "\":\" behind the field's name"))
        return NULL;
    node->target = parse_expression(parser);
    return node->target ? ast_close(parser, node) : NULL;
}

// Type{field: value}
static struct ast *parse_new(struct parser *parser, struct ast *type) {
    struct ast *node = ast_new(parser, AST_NEW, type->offset);
    if (!node)
        return NULL;
    node->target = type;
    parser_advance(parser);
    while (parser->token.kind != TOKEN_CLOSE_BRACE) {
        struct ast *field = parse_field(parser);
        if (!field)
            return NULL;
        ast_append(node, field);
        if (parser->token.kind != TOKEN_COMMA)
            break;
        parser_advance(parser);
    }
    return parser_expect(parser, TOKEN_CLOSE_BRACE, "\"}\" of the message") ? ast_close(parser, node) : NULL;
}

// The arguments of `name`, of which the "(" is next. `node` is the call, with its target if it has one.
static struct ast *parse_call(struct parser *parser, struct ast *node) {
    parser_advance(parser);
    if (!parse_args(parser, node, TOKEN_CLOSE, "\")\" of the call", false) || !ast_close(parser, node))
        return NULL;
    return parse_macro(parser, node);
}

static struct ast *parse_name(struct parser *parser) {
    size_t offset = parser->token.offset;
    bool rooted = parser->token.kind == TOKEN_DOT;
    if (rooted)
        parser_advance(parser);
    struct token name = parser->token;
    if (name.kind != TOKEN_NAME)
        return wrong_start(parser);
    parser_advance(parser);
    struct ast *node = ast_new(parser, parser->token.kind == TOKEN_OPEN ? AST_CALL : AST_NAME, offset);
    if (!node)
        return NULL;
    set_name(node, &name);
    node->rooted = rooted;
    return node->kind == AST_CALL ? parse_call(parser, node) : ast_close(parser, node);
}

static struct ast *parse_parentheses(struct parser *parser) {
    size_t offset = parser->token.offset;
    parser_advance(parser);
    struct ast *node = parse_expression(parser);
    if (!node || !parser_expect(parser, TOKEN_CLOSE, "\")\""))
        return NULL;
    node->offset = offset;
    node->length = parser->end - offset;
    return node;
}

struct ast *parse_primary(struct parser *parser) {
    switch (parser->token.kind) {
    case TOKEN_INT:
    case TOKEN_UINT:
    case TOKEN_DOUBLE:
    case TOKEN_STRING:
    case TOKEN_BYTES:
    case TOKEN_NULL:
    case TOKEN_TRUE:
    case TOKEN_FALSE:
        return parse_literal(parser);
    case TOKEN_NAME:
    case TOKEN_DOT:
        return parse_name(parser);
    case TOKEN_OPEN:
        return parse_parentheses(parser);
    case TOKEN_OPEN_LIST:
        return parse_list(parser);
    case TOKEN_OPEN_BRACE:
        return parse_map(parser);
    default:
        return wrong_start(parser);
    }
}

static struct ast *parse_select(struct parser *parser, struct ast *target) {
    parser_advance(parser);
    struct token name = parser->token;
    if (!names_field(&name)) {
        parser_expect(parser, TOKEN_NAME, "a field's name");
        return NULL;
    }
    parser_advance(parser);
    bool call = parser->token.kind == TOKEN_OPEN && name.kind != TOKEN_QUOTED;
    struct ast *node = ast_new(parser, call ? AST_CALL : AST_SELECT, target->offset);
    if (!node)
        return NULL;
    set_name(node, &name);
    node->target = target;
    return call ? parse_call(parser, node) : ast_close(parser, node);
}

static struct ast *parse_index(struct parser *parser, struct ast *target) {
    struct ast *node = ast_new(parser, AST_CALL, target->offset);
    if (!node)
        return NULL;
    node->name = bytes_of_string("_[_]");
    node->name_offset = parser->token.offset;
    ast_append(node, target);
    parser_advance(parser);
    struct ast *index = parse_expression(parser);
    if (!index || !parser_expect(parser, TOKEN_CLOSE_LIST, "\"]\" of the index"))
        return NULL;
    ast_append(node, index);
    node->name_length = parser->end - node->name_offset;
    return ast_close(parser, node);
}

static bool names_type(const struct ast *node) {
    while (node->kind == AST_SELECT && !node->test)
        node = node->target;
    return node->kind == AST_NAME;
}

struct ast *parse_member(struct parser *parser) {
    bool grouped = parser->token.kind == TOKEN_OPEN; // a type stands in no parentheses
    struct ast *node = parse_primary(parser);
    while (node) {
        if (parser->token.kind == TOKEN_DOT)
            node = parse_select(parser, node);
        else if (parser->token.kind == TOKEN_OPEN_LIST)
            node = parse_index(parser, node);
        else if (parser->token.kind == TOKEN_OPEN_BRACE && !grouped && names_type(node))
            node = parse_new(parser, node);
        else
            return node;
    }
    return NULL;
}
