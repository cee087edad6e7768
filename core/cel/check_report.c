#include "core/cel/check_report.h"

#include <stdio.h>
#include <strings.h>

struct text {
    char *out;
    size_t size;
    size_t at;
};

static void put(struct text *text, const char *part) {
    int n = snprintf(text->out + text->at, text->size - text->at, "%s", part);
    text->at += (size_t)n < text->size - text->at ? (size_t)n : text->size - text->at - 1;
}

// "string.startsWith(int)"
static void describe_call(const struct ast *node, const struct arguments *arguments, char *out, size_t size) {
    struct text text = {.out = out, .size = size};
    char name[TYPE_NAME];
    put(&text, "");
    size_t first = arguments->member ? 1 : 0;
    if (arguments->member) {
        put(&text, check_type_name(arguments->items[0], name));
        put(&text, ".");
    }
    snprintf(name, sizeof name, "%.*s(", BYTES_ARGS(node->name));
    put(&text, name);
    for (size_t i = first; i < arguments->count && i < CALL_ARGUMENTS; i++) {
        put(&text, i > first ? ", " : "");
        put(&text, check_type_name(arguments->items[i], name));
    }
    put(&text, arguments->count > CALL_ARGUMENTS ? ", ...)" : ")");
}

// Those of the same form and number of arguments, or else all, as far as there is room.
static void describe_usages(
    const struct overload *overload, const struct arguments *arguments, bool all, char *out, size_t size) {
    struct text text = {.out = out, .size = size};
    char usage[80];
    put(&text, "");
    for (const struct overload *o = overload; o; o = overload_next(o)) {
        bool near = overload_is_member(o) == arguments->member && overload_arity(o) == arguments->count;
        if (!near && !all)
            continue;
        overload_usage(o, usage, sizeof usage);
        if (text.at + strlen(usage) + 5 > size)
            break;
        put(&text, text.at ? ", " : "");
        put(&text, usage);
    }
}

void report_call(struct compiler *compiler, const struct ast *node, const struct overload *overload,
    const struct arguments *arguments) {
    char call[160];
    char usages[140];
    describe_call(node, arguments, call, sizeof call);
    describe_usages(overload, arguments, false, usages, sizeof usages);
    if (!usages[0])
        describe_usages(overload, arguments, true, usages, sizeof usages);
    compiler_mismatch(
        compiler, node->name_offset, node->name_length, "no function %s; there is %s", call, usages);
}

// The value that a text most likely means, or the first that is not "unspecified".
static const char *value_for(const struct schema_enum *enumeration, const struct ast *text) {
    struct bytes word = text->kind == AST_LITERAL ? text->value.bytes : (struct bytes){0};
    struct nearest nearest = nearest_start(word);
    for (size_t i = 0; i < enumeration->value_count; i++) {
        const char *name = enumeration->values[i].name;
        if (word.size && strlen(name) == word.size &&
            strncasecmp(name, (const char *)word.data, word.size) == 0)
            return name;
        nearest_offer(&nearest, name);
    }
    return nearest.best ? nearest.best : enumeration->values[enumeration->value_count > 1 ? 1 : 0].name;
}

static const char *enum_hint(const struct ast *value, const struct ast *other, char *out, size_t size) {
    const struct schema_enum *enumeration = value->type->enumeration;
    const char *dot = strrchr(enumeration->full_name, '.');
    if (other->type->kind != CEL_STRING || enumeration->value_count == 0)
        return "";
    snprintf(out, size, "; name its value, such as %s.%s", dot ? dot + 1 : enumeration->full_name,
        value_for(enumeration, other));
    return out;
}

static const char *compare_hint(const struct ast *left, const struct ast *right, char *out, size_t size) {
    const struct cel_type *a = left->type;
    const struct cel_type *b = right->type;
    if (a->kind == CEL_ENUM || b->kind == CEL_ENUM)
        return a->kind == CEL_ENUM ? enum_hint(left, right, out, size) : enum_hint(right, left, out, size);
    if (a->kind == CEL_NULL || b->kind == CEL_NULL)
        return "; a plain field is never null: ask has(), or compare with its default";
    if ((type_number(a) && b->kind == CEL_STRING) || (type_number(b) && a->kind == CEL_STRING))
        return "; convert with string() or int()";
    if ((a->kind == CEL_TIMESTAMP && b->kind == CEL_STRING) ||
        (b->kind == CEL_TIMESTAMP && a->kind == CEL_STRING))
        return "; write the time as timestamp(\"2026-01-01T00:00:00Z\")";
    return "";
}

static const char *operator_hint(
    const char *sign, const struct ast *left, const struct ast *right, char *out, size_t size) {
    bool string = left->type->kind == CEL_STRING || right->type->kind == CEL_STRING;
    if (strcmp(sign, "+") == 0 && string)
        return "; turn the other into a string with string()";
    if (type_number(left->type) && type_number(right->type))
        return "; convert one of them with int(), uint() or double()";
    if (strcmp(sign, "in") == 0)
        return "; on the right stands a list or a map";
    return sign[0] == '<' || sign[0] == '>' ? compare_hint(left, right, out, size) : "";
}

void report_operator(
    struct compiler *compiler, const struct ast *node, const char *sign, const struct arguments *arguments) {
    char left[TYPE_NAME];
    char right[TYPE_NAME];
    char hint[100];
    check_type_name(arguments->items[0], left);
    if (arguments->count == 1) {
        compiler_mismatch(compiler, node->name_offset, node->name_length, "\"%s\" has no meaning for %s%s",
            sign, left, strcmp(sign, "!") == 0 ? "; it takes a bool" : "");
        return;
    }
    check_type_name(arguments->items[1], right);
    if (strcmp(sign, "[]") == 0)
        compiler_mismatch(compiler, node->name_offset, node->name_length, "%s can't be indexed by %s%s", left,
            right, arguments->items[0]->type->kind == CEL_MESSAGE ? "; select a field with a dot" : "");
    else
        compiler_mismatch(compiler, node->name_offset, node->name_length,
            "\"%s\" has no meaning for %s and %s%s", sign, left, right,
            operator_hint(sign, arguments->items[0], arguments->items[1], hint, sizeof hint));
}

void report_unequal(struct compiler *compiler, const struct ast *node, const struct arguments *arguments) {
    char left[TYPE_NAME];
    char right[TYPE_NAME];
    char hint[100];
    compiler_mismatch(compiler, node->name_offset, node->name_length, "%s can't be compared with %s%s",
        check_type_name(arguments->items[0], left), check_type_name(arguments->items[1], right),
        compare_hint(arguments->items[0], arguments->items[1], hint, sizeof hint));
}

// What other languages call a function.
static const char *name_elsewhere(struct bytes name) {
    static const char *const names[][2] = {{"length", "size"}, {"len", "size"}, {"count", "size"},
        {"lower", "lowerAscii"}, {"toLowerCase", "lowerAscii"}, {"upper", "upperAscii"},
        {"toUpperCase", "upperAscii"}, {"strip", "trim"}, {"substr", "substring"}, {"includes", "contains"},
        {"any", "exists"}, {"every", "all"}, {"some", "exists"}, {"regex", "matches"}, {"float", "double"},
        {"str", "string"}, {"date", "local_date"}, {"year", "getFullYear"}, {"map_code", "codes"},
        {"code", "codes"}, {"citizen_number_valid", "citizen_number"}, {"credit_code_valid", "credit_code"},
        {"division_within", "division"}, {"sprintf", "format"}, {"printf", "format"},
        {"quote", "strings.quote"}, {"max", "math.greatest"}, {"min", "math.least"}, {"abs", "math.abs"},
        {"round", "math.round"}, {"floor", "math.floor"}, {"ceil", "math.ceil"}, {"sqrt", "math.sqrt"},
        {"sha256", "hash"}, {"hmac", "hash"}, {"pseudonym", "hash"}, {"isset", "has"}, {"exist", "has"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (bytes_equal_string(name, names[i][0]))
            return names[i][1];
    return NULL;
}

static struct nearest nearest_function(const struct ast *node) {
    struct nearest nearest = nearest_start(node->name);
    bool exist = node->target && bytes_equal_string(node->name, "exist"); // here the macro is meant
    const char *elsewhere = exist ? "exists" : name_elsewhere(node->name);
    if (elsewhere)
        nearest.best = elsewhere;
    else
        overload_offer(&nearest);
    return nearest;
}

static bool is_macro(const char *name) {
    static const char *const macros[] = {"all", "exists", "exists_one", "map", "filter"};
    for (size_t i = 0; i < sizeof macros / sizeof *macros; i++)
        if (strcmp(name, macros[i]) == 0)
            return true;
    return false;
}

bool report_means_macro(const struct ast *node) {
    const struct ast *name = node->args;
    struct nearest nearest = nearest_function(node);
    return node->target && node->count >= 2 && name->kind == AST_NAME && nearest.best &&
           is_macro(nearest.best);
}

void report_function(struct compiler *compiler, const struct ast *node) {
    struct nearest nearest = nearest_function(node);
    char suggestion[SUGGEST_SIZE];
    compiler_problem(compiler, node->name_offset, node->name_length, "unknown function \"%.*s\"%s",
        BYTES_ARGS(node->name), suggest_text(&nearest, "", "()", suggestion));
}
