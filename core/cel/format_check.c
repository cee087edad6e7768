// What can be said of a format before there are values.
#include "core/cel/check.h"
#include "core/cel/format.h"

// Where the part stands in the source, if the literal is written as it reads; else the whole literal.
static void problem_at(
    struct compiler *compiler, const struct ast *literal, const struct format_part *part, const char *text) {
    const uint8_t *source = compiler->source.data + literal->offset;
    struct bytes value = literal->value.bytes;
    const uint8_t *found = value.size ? memmem(source, literal->length, value.data, value.size) : NULL;
    if (found && part->text.size > 0)
        compiler_problem(compiler, literal->offset + (size_t)(found - source) + part->at, part->text.size,
            "%s \"%.*s\"; there is %%s %%d %%f %%.2f %%e %%b %%o %%x %%X, and %%%% for a percent sign", text,
            BYTES_ARGS(part->text));
    else
        compiler_problem(compiler, literal->offset, literal->length,
            "the format is wrong at its byte %zu: %s \"%.*s\"", part->at + 1, text, BYTES_ARGS(part->text));
}

static void check_value(struct compiler *compiler, const struct ast *value, char verb) {
    char name[TYPE_NAME];
    if (!type_unknown(value->type) && !value->type->nullable && !format_takes(verb, value->type->kind))
        compiler_problem(compiler, value->offset, value->length,
            "error during formatting: %%%c takes %s, not a value of type %s", verb, format_wanted(verb),
            check_type_name(value, name));
}

void format_check(struct compiler *compiler, const struct ast *call) {
    const struct ast *list = call->args;
    const struct ast *value = list->kind == AST_LIST ? list->args : NULL;
    struct format_part part;
    enum format_step step;
    size_t at = 0;
    size_t verbs = 0;
    if (call->target->kind != AST_LITERAL)
        return;
    while ((step = format_next(call->target->value.bytes, &at, &part)) != FORMAT_END) {
        if (step == FORMAT_WRONG) {
            problem_at(compiler, call->target, &part, part.problem);
            return;
        }
        if (step == FORMAT_TEXT)
            continue;
        verbs++;
        if (value)
            check_value(compiler, value, part.verb);
        value = value ? value->next : NULL;
    }
    if (list->kind == AST_LIST && list->count < verbs)
        compiler_problem(compiler, list->offset, list->length,
            "index %zu out of range: the format has %zu verbs, but the list %zu values", list->count, verbs,
            list->count);
    else if (list->kind == AST_LIST && list->count > verbs)
        compiler_problem(compiler, list->offset, list->length,
            "the list has %zu values, but the format only %zu verbs", list->count, verbs);
}
