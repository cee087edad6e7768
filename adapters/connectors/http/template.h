// A text with ${CEL} placeholders: a request's body, a URL, a header. What is put in is escaped for the place
// where it stands, so that no value can change the structure around it. Checked when it is loaded, problems
// at their place inside the text.
//
//   <CardNo>${msg.citizen_number}</CardNo> <Since>${msg.since | date "%Y/%m/%d"}</Since>
//
// Behind "|" stands a form of adapters/runtime/text.h: date or time with an optional pattern in quotes,
// decimal with the number of digits behind the point. "$${" is a plain "${".
#pragma once

#include "core/cel/cel.h"
#include "core/config/config.h"

enum template_kind {
    TEMPLATE_XML,    // in text and attribute values; elsewhere a placeholder is refused
    TEMPLATE_JSON,   // inside a string, or as a whole value (a text in quotes, a number, true, false, null)
    TEMPLATE_URL,    // percent-encoded (RFC 3986)
    TEMPLATE_HEADER, // a value with a control character is refused
};

struct template;

// Compiles a scalar; the document around the placeholders must be well-formed. NULL when there was a problem.
// Returns owned; the node and `env` are borrowed. `zone`: seconds east of UTC of the times that are written.
struct template *template_load(const struct config_node *scalar, enum template_kind kind,
    const struct cel_env *env, int32_t zone, struct report *report);
void template_destroy(struct template **self);

enum {
    TEMPLATE_REFUSED = 1, // an expression failed, or a value that has no place here
};

// Gives the value of a placeholder's expression. 0, a positive code, -ENOMEM.
typedef int template_eval(
    void *context, const struct cel_program *program, struct cel_value *out, struct error *error);

// Appends the text. 0, TEMPLATE_REFUSED with the placeholder's expression in the error's text, -ENOMEM,
// -EMSGSIZE.
int template_run(const struct template *template, template_eval *eval, void *context, struct buffer *out,
    struct error *error);
