// The checker's parts. A node with a problem has the type CEL_ERROR, of which nothing more is said.
#pragma once

#include "core/cel/compiler.h"
#include "core/cel/types.h"

#define TYPE_NAME 128 // of a type in a message

void check_node(struct compiler *compiler, struct ast *node);
void check_name(struct compiler *compiler, struct ast *node);
void check_select(struct compiler *compiler, struct ast *node);
void check_new(struct compiler *compiler, struct ast *node);
void check_macro(struct compiler *compiler, struct ast *node);
void check_bind(struct compiler *compiler, struct ast *node);
// The message type that a chain of names means; NULL after a problem, or where the env is dynamic.
const struct schema_message *check_type(struct compiler *compiler, struct ast *node);
// A function that is only declared; false: there is none of the name.
bool check_declared(struct compiler *compiler, struct ast *node);
void check_call(struct compiler *compiler, struct ast *node);
// Makes a call of math.abs of one of abs on math.
void check_qualified(struct compiler *compiler, struct ast *node);
// What literals fix or break: code maps and lists, time zones, formats.
void check_bound(struct compiler *compiler, struct ast *node);
// The same of Hutong's own functions: true when it is one of them.
bool check_own(struct compiler *compiler, struct ast *node);
bool literal_string(const struct ast *node);

// Sets the node's type; NULL (no memory) and problems make it CEL_ERROR.
void check_set(struct ast *node, const struct cel_type *type);
const char *check_type_name(const struct ast *node, char out[TYPE_NAME]);
