#include "adapters/connectors/http/document.h"
#include "adapters/connectors/http/template_internal.h"

#include <errno.h>
#include <stdlib.h>

// Literal text, and the placeholder behind it.
struct part {
    struct bytes literal;      // borrowed from the node
    struct cel_program *value; // owned; NULL: text only
    struct bytes source;       // the expression, for messages
    enum template_place place;
    struct text_form form;
    char *pattern; // owned
};

struct template {
    enum template_kind kind;
    const struct config_node *node;
    int32_t zone;
    struct part *parts; // owned
    size_t count;
    size_t capacity;
};

void template_destroy(struct template **self) {
    struct template *template = *self;
    *self = NULL;
    if (!template)
        return;
    for (size_t i = 0; i < template->count; i++) {
        cel_program_destroy(&template->parts[i].value);
        free(template->parts[i].pattern);
    }
    free(template->parts);
    free(template);
}

static struct part *add_part(struct template *template) {
    if (template->count == template->capacity) {
        size_t capacity = template->capacity ? template->capacity * 2 : 8;
        struct part *parts = realloc(template->parts, capacity * sizeof *parts);
        if (!parts)
            return NULL;
        template->parts = parts;
        template->capacity = capacity;
    }
    struct part *part = &template->parts[template->count++];
    *part = (struct part){0};
    return part;
}

static int form_wrong(
    const struct template *template, const struct template_hole *hole, struct report *report) {
    config_error_inside(template->node, hole->form, hole->form_size, report,
        "no form; a form is date, time (with or without a pattern: date \"%%Y/%%m/%%d\") or decimal with "
        "digits: decimal 2");
    return -EINVAL;
}

// What stands behind the form's name: a pattern in quotes, or the digits of a decimal.
static int load_argument(struct part *part, const char *text, size_t size) {
    if (part->form.type == TEXT_DECIMAL) {
        part->form.scale = size == 1 ? (unsigned)(text[0] - '0') : 10;
        return part->form.scale <= 9 ? 0 : -EINVAL;
    }
    if (size == 0)
        return 0;
    if (size < 2 || text[0] != '"' || text[size - 1] != '"')
        return -EINVAL;
    part->pattern = strndup(text + 1, size - 2);
    part->form.pattern = part->pattern;
    return part->pattern ? 0 : -ENOMEM;
}

static int load_form(
    struct template *template, struct part *part, const struct template_hole *hole, struct report *report) {
    const char *text = (const char *)template->node->text.data + hole->form;
    size_t name = strcspn(text, " \"}");
    name = name < hole->form_size ? name : hole->form_size;
    size_t type = 0;
    while (text_type_names[type] &&
           !(strlen(text_type_names[type]) == name && strncmp(text_type_names[type], text, name) == 0))
        type++;
    if (type != TEXT_DATE && type != TEXT_TIME && type != TEXT_DECIMAL)
        return form_wrong(template, hole, report);
    part->form.type = (enum text_type)type;
    while (name < hole->form_size && text[name] == ' ')
        name++;
    int rc = load_argument(part, text + name, hole->form_size - name);
    return rc == -EINVAL ? form_wrong(template, hole, report) : rc;
}

static bool form_takes(const struct text_form *form, enum cel_kind kind) {
    switch (kind) {
    case CEL_DYN:
    case CEL_NULL:
        return true;
    case CEL_STRING:
        return form->type != TEXT_DECIMAL;
    case CEL_TIMESTAMP:
        return form->type == TEXT_DATE || form->type == TEXT_TIME || form->type == TEXT_STRING;
    case CEL_INT:
    case CEL_UINT:
        return form->type == TEXT_DECIMAL || form->type == TEXT_STRING;
    case CEL_BOOL:
    case CEL_DOUBLE:
    case CEL_ENUM:
        return form->type == TEXT_STRING;
    default:
        return false;
    }
}

static int load_value(struct template *template, struct part *part, const struct template_hole *hole,
    const struct cel_env *env, struct report *report) {
    struct cel_problems problems = {0};
    part->source = bytes_of(template->node->text.data + hole->expression, hole->expression_size);
    int rc = cel_compile(env, part->source, &cel_default_limits, &part->value, &problems);
    for (size_t i = 0; rc == CEL_REFUSED && i < problems.count && i < CEL_PROBLEMS; i++)
        config_error_inside(template->node, hole->expression + problems.items[i].offset,
            problems.items[i].length, report, "%s", problems.items[i].text);
    if (rc != 0)
        return rc;
    const struct cel_type *type = cel_program_type(part->value);
    if (form_takes(&part->form, type->kind))
        return 0;
    char name[128];
    config_error_inside(template->node, hole->expression, hole->expression_size, report,
        "a %s can't be written as %s", cel_type_name(type, name, sizeof name),
        text_type_names[part->form.type]);
    return -EINVAL;
}

static int load_hole(struct template *template, const struct template_hole *hole, struct template_scan *scan,
    struct part *part, const struct cel_env *env, struct report *report) {
    part->place = template_scan_place(scan);
    part->form = (struct text_form){.type = TEXT_STRING, .zone = template->zone};
    if (part->place == PLACE_NONE) {
        config_error_inside(template->node, hole->start, hole->end - hole->start, report, "a placeholder %s",
            template_scan_says(scan));
        return -EINVAL;
    }
    int rc = hole->form ? load_form(template, part, hole, report) : 0;
    return rc == 0 ? load_value(template, part, hole, env, report) : rc;
}

// All parts; problems of several placeholders are reported in one run.
static int load_parts(struct template *template, const struct cel_env *env, struct report *report) {
    struct bytes source = template->node->text;
    struct template_scan scan = {.kind = template->kind};
    struct template_hole hole;
    size_t at = 0;
    int worst = 0;
    for (size_t from = 0;;) {
        int found = template_next_hole(source, from, &hole, &at);
        if (found < 0) {
            config_error_inside(template->node, at, 2, report,
                "a placeholder that is never closed; \"$${\" is a plain \"${\"");
            return found;
        }
        struct part *part = add_part(template);
        if (!part)
            return -ENOMEM;
        size_t end = found == 0 ? hole.start : source.size;
        part->literal = bytes_of(source.data + from, end - from);
        template_scan_text(&scan, part->literal);
        if (found == 1)
            return worst;
        from = hole.end;
        if (hole.expression == 0) { // a plain one
            struct part *plain = add_part(template);
            if (!plain)
                return -ENOMEM;
            plain->literal = bytes_of_string("${");
            template_scan_text(&scan, plain->literal);
            continue;
        }
        int rc = load_hole(template, &hole, &scan, part, env, report);
        if (rc == -ENOMEM)
            return rc;
        worst = rc ? rc : worst;
    }
}

// The document with something harmless in each place must parse.
static int check_document(const struct template *template, struct report *report) {
    if (template->kind != TEMPLATE_XML && template->kind != TEMPLATE_JSON)
        return 0;
    struct buffer sample = {0};
    int rc = 0;
    for (size_t i = 0; i < template->count && rc == 0; i++) {
        rc = buffer_append_bytes(&sample, template->parts[i].literal);
        if (rc == 0 && template->parts[i].value)
            rc = buffer_append_byte(&sample, '0');
    }
    struct document *document = NULL;
    struct error error = {0};
    enum document_kind kind = template->kind == TEMPLATE_XML ? DOCUMENT_XML : DOCUMENT_JSON;
    if (rc == 0)
        rc = document_parse(kind, buffer_bytes(&sample), NULL, NULL, &document, &error);
    if (rc == DOCUMENT_BAD)
        config_error(template->node, report, "the text around the placeholders is %s", error.text);
    document_destroy(&document);
    buffer_destroy(&sample);
    return rc;
}

struct template *template_load(const struct config_node *scalar, enum template_kind kind,
    const struct cel_env *env, int32_t zone, struct report *report) {
    if (scalar->kind != CONFIG_SCALAR) {
        config_error(scalar, report, "expected a text with ${…} placeholders");
        return NULL;
    }
    struct template *template = calloc(1, sizeof *template);
    if (template)
        *template = (struct template){.kind = kind, .node = scalar, .zone = zone};
    int rc = template ? load_parts(template, env, report) : -ENOMEM;
    if (rc == 0)
        rc = check_document(template, report);
    if (rc == -ENOMEM)
        config_error(scalar, report, "out of memory");
    if (rc != 0)
        template_destroy(&template);
    return template;
}

// A JSON value of its own: numbers, booleans and null bare, all else in quotes.
static int put_json_value(const struct part *part, const struct cel_value *value, struct bytes text,
    struct buffer *out, struct error *error) {
    bool plain = part->form.type == TEXT_STRING;
    if (value->kind == CEL_NULL)
        return buffer_append_string(out, "null");
    if (value->kind == CEL_BOOL)
        return buffer_append_string(out, value->boolean ? "true" : "false");
    if (plain && (value->kind == CEL_INT || value->kind == CEL_UINT || value->kind == CEL_DOUBLE))
        return buffer_append_bytes(out, text);
    int rc = buffer_append_byte(out, '"');
    if (rc == 0)
        rc = template_escape(TEMPLATE_JSON, part->place, text, out, error);
    return rc ? rc : buffer_append_byte(out, '"');
}

static int run_part(const struct template *template, const struct part *part, template_eval *eval,
    void *context, struct buffer *out, struct error *error) {
    struct cel_value value;
    struct buffer text = {0};
    int rc = eval(context, part->value, &value, error);
    if (rc == 0)
        rc = text_write(&part->form, &value, &text, error);
    if (rc == 0)
        rc = part->place == PLACE_VALUE
                 ? put_json_value(part, &value, buffer_bytes(&text), out, error)
                 : template_escape(template->kind, part->place, buffer_bytes(&text), out, error);
    buffer_destroy(&text);
    if (rc == -ENOMEM)
        return error_no_memory(error);
    if (rc > 0) {
        error_prefix(error, "${%.*s}: ", BYTES_ARGS(part->source));
        return TEMPLATE_REFUSED;
    }
    return rc;
}

int template_run(const struct template *template, template_eval *eval, void *context, struct buffer *out,
    struct error *error) {
    int rc = 0;
    for (size_t i = 0; i < template->count && rc == 0; i++) {
        const struct part *part = &template->parts[i];
        rc = buffer_append_bytes(out, part->literal);
        if (rc != 0)
            return error_set(error, rc, "the text grew too long");
        if (part->value)
            rc = run_part(template, part, eval, context, out, error);
    }
    return rc;
}
