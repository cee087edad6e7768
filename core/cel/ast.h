// From the source to a tree. The whole grammar of CEL is parsed; the checker says what it can't use.
#pragma once

#include "core/cel/cel.h"
#include "core/schema/arena.h"

struct compiler;
struct overload;

enum token_kind {
    TOKEN_BAD, // reported
    TOKEN_END,
    TOKEN_INT,
    TOKEN_UINT,
    TOKEN_DOUBLE,
    TOKEN_STRING,
    TOKEN_BYTES,
    TOKEN_NAME,
    TOKEN_QUOTED, // `a-b`, a field's name only
    TOKEN_RESERVED,
    TOKEN_NULL,
    TOKEN_TRUE,
    TOKEN_FALSE,
    TOKEN_IN,
    TOKEN_OR,
    TOKEN_AND,
    TOKEN_EQUAL,
    TOKEN_UNEQUAL,
    TOKEN_LESS,
    TOKEN_LESS_EQUAL,
    TOKEN_GREATER,
    TOKEN_GREATER_EQUAL,
    TOKEN_PLUS,
    TOKEN_MINUS,
    TOKEN_TIMES,
    TOKEN_DIVIDE,
    TOKEN_REMAINDER,
    TOKEN_NOT,
    TOKEN_QUESTION,
    TOKEN_COLON,
    TOKEN_DOT,
    TOKEN_COMMA,
    TOKEN_OPEN, // ( [ {
    TOKEN_CLOSE,
    TOKEN_OPEN_LIST,
    TOKEN_CLOSE_LIST,
    TOKEN_OPEN_BRACE,
    TOKEN_CLOSE_BRACE,
};

struct token {
    enum token_kind kind;
    size_t offset;
    size_t length;
    struct bytes text; // of STRING, BYTES without escapes, in the program's arena; of names, in the source
    uint64_t number;   // of INT (its magnitude, up to 2^63), UINT
    double real;
};

// Reads the token at `*position` and moves on. A problem is reported, once.
struct token lex_next(struct compiler *compiler, size_t *position);
// Reads the quoted text at `position` (prefixes included) into `token`; false after a problem.
bool lex_text(struct compiler *compiler, size_t position, struct token *token);

enum ast_kind {
    AST_LITERAL,
    AST_NAME,
    AST_SELECT, // target.name; with `test`: has(target.name)
    AST_CALL,   // name(args), target.name(args); operators too, as "_+_"
    AST_LIST,   // [args]
    AST_MAP,    // {args}: keys and values by turns
    AST_NEW,    // target{args}: args are AST_FIELD
    AST_FIELD,  // name: target
    AST_MACRO,  // target.all(name, args), target.all(name, second, args)
    AST_BIND,   // cel.bind(name, target, args)
};

enum ast_macro {
    MACRO_ALL,
    MACRO_EXISTS,
    MACRO_EXISTS_ONE,
    MACRO_MAP,    // args: what becomes of an element
    MACRO_FILTER, // args: condition
    MACRO_MAP_IF, // args: condition, what becomes of an element
    MACRO_VALUES, // transformMap(): what becomes of a value; the keys stay
    MACRO_VALUES_IF,
    MACRO_ENTRIES, // transformMapEntry(): a map, whose entries go into the result
    MACRO_ENTRIES_IF,
};

// What the checker found a name or selection to be.
enum ast_meaning {
    MEANS_NOTHING, // SELECT: of a map or of a value whose type is only known when evaluating
    MEANS_VARIABLE,
    MEANS_LOCAL,
    MEANS_CONSTANT, // an enum's value or a type: `value`
    MEANS_FIELD,
    MEANS_UNKNOWN, // nothing that is there: an error of the evaluation, where the env is dynamic
};

struct ast {
    enum ast_kind kind;
    size_t offset; // of the whole expression
    size_t length;
    size_t name_offset; // of the field, function or operator
    size_t name_length;
    struct bytes name;
    struct bytes second; // of MACRO: the name of the value beside the index or key; no data: none
    bool rooted;         // NAME with a leading dot
    bool test;
    enum ast_macro macro;
    struct cel_value value; // of LITERAL, and CONSTANT
    struct ast *target;
    struct ast *args; // linked by `next`
    struct ast *last;
    struct ast *next;
    size_t count;  // of args
    size_t height; // of the tree below, this node included

    const struct cel_type *type; // from here on: the checker's
    enum ast_meaning meaning;
    size_t index; // of a variable, or of a local
    const struct schema_field *field;
    const struct schema_message *message; // that NEW builds; of its target too
    const struct overload *overload;      // the only one that fits; NULL: to be found when evaluating
    const void *bound;                    // of codes(), in_codes(): struct code_map, struct code_list
};

// The tree, in the compiler's arena, or NULL after a problem or without memory (compiler->failure).
struct ast *parse(struct compiler *compiler);

struct parser {
    struct compiler *compiler;
    struct token token; // the next one
    size_t position;    // behind it
    size_t end;         // of the token before
    size_t depth;
    bool negative; // a minus belongs to the number that comes next
    size_t negative_offset;
};

struct ast *ast_new(struct parser *parser, enum ast_kind kind, size_t offset);
void ast_append(struct ast *parent, struct ast *arg);
// Ends the node at the last token and checks the tree's height; NULL after a problem.
struct ast *ast_close(struct parser *parser, struct ast *node);
void parser_advance(struct parser *parser);
bool parser_expect(struct parser *parser, enum token_kind kind, const char *what);
struct ast *parse_expression(struct parser *parser);
struct ast *parse_primary(struct parser *parser);
struct ast *parse_member(struct parser *parser);
// Turns a call into a macro where it is one. NULL after a problem.
struct ast *parse_macro(struct parser *parser, struct ast *call);
