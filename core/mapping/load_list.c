// Lists and maps that are written out in YAML, or made of another list.
#include "core/mapping/internal.h"
#include "core/schema/put.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct config_key each_keys[] = {
    {"for", CONFIG_REQUIRED},
    {"in", CONFIG_REQUIRED},
    {"map", CONFIG_REQUIRED},
    {NULL, CONFIG_OPTIONAL},
};

static void no_memory(const struct config_node *node, const struct loader *loader) {
    config_error(node, loader->report, "out of memory");
}

static bool make_room(
    struct mapped_field *mapped, const struct config_node *node, const struct loader *loader) {
    if (node->count > MAPPING_ITEMS_LIMIT) {
        config_error(node, loader->report, "a list or map is written out with at most %d elements",
            MAPPING_ITEMS_LIMIT);
        return false;
    }
    mapped->items = calloc(node->count + 1, sizeof *mapped->items);
    if (mapped->items && mapped->form == MAPPED_ENTRIES)
        mapped->keys = calloc(node->count + 1, sizeof *mapped->keys);
    if (mapped->items && (mapped->keys || mapped->form != MAPPED_ENTRIES))
        return true;
    no_memory(node, loader);
    return false;
}

// ---- for: NAME, in: LIST, map: VALUE ----

static bool name_valid(struct bytes name) {
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && !(i > 0 && c >= '0' && c <= '9'))
            return false;
    }
    return name.size > 0;
}

// Identifiers of CEL that mean something else, or may once do.
static bool is_reserved(struct bytes name) {
    static const char *const words[] = {"as", "break", "const", "continue", "else", "false", "for",
        "function", "if", "import", "in", "let", "loop", "namespace", "null", "package", "return", "true",
        "var", "void", "while"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (bytes_equal_string(name, words[i]))
            return true;
    return false;
}

static void declare(struct mapped_field *mapped, const struct config_node *node, const struct cel_type *type,
    const struct loader *loader) {
    int rc = -ENOMEM;
    mapped->env = cel_env_new_inside(loader->env);
    if (mapped->env)
        rc = cel_env_declare_typed(mapped->env, (const char *)node->text.data, type, &mapped->variable);
    if (rc == -EEXIST) {
        config_error(node, loader->report, "there is a variable \"%.*s\" already; take another name",
            BYTES_ARGS(node->text));
        return;
    }
    if (rc < 0)
        no_memory(node, loader);
}

static void load_list(struct mapped_field *mapped, const struct config_node *node,
    const struct config_node *name, const struct loader *loader) {
    static const struct cel_type any = {.kind = CEL_DYN};
    char have[160];
    mapped->list = mapping_expression(node, loader->env, CEL_DYN, loader->report);
    if (!mapped->list)
        return;
    const struct cel_type *type = cel_program_type(mapped->list);
    if (type->kind == CEL_LIST || type->kind == CEL_DYN)
        declare(mapped, name, type->kind == CEL_LIST && type->element ? type->element : &any, loader);
    else
        config_error_whole(node, loader->report,
            "\"in\" is a list, of which each element is mapped; this is %s",
            cel_type_name(type, have, sizeof have));
}

// NOLINTNEXTLINE(misc-no-recursion): mappings nest 16 deep at most
static void load_each(
    struct mapped_field *mapped, const struct config_node *node, const struct loader *loader) {
    const struct config_node *name = config_get(node, "for");
    const struct config_node *list = config_get(node, "in");
    const struct config_node *map = config_get(node, "map");
    size_t before = report_errors(loader->report);
    mapped->form = MAPPED_EACH;
    config_expect_mapping(node, "a list that is made of another", each_keys, loader->report);
    if (config_is_null(name) || config_is_null(list) || config_is_null(map))
        return;
    if (name->kind != CONFIG_SCALAR || !name_valid(name->text))
        config_error(name, loader->report,
            "\"for\" is a name for the element: letters, digits and \"_\", not a digit first");
    else if (is_reserved(name->text))
        config_error(name, loader->report, "\"%.*s\" is a word of the language; take another name",
            BYTES_ARGS(name->text));
    if (report_errors(loader->report) > before)
        return;
    load_list(mapped, list, name, loader);
    if (report_errors(loader->report) > before)
        return;
    struct loader inner = *loader;
    inner.env = mapped->env;
    mapping_load_value(&mapped->value, mapped->field, true, map, &inner);
}

// NOLINTNEXTLINE(misc-no-recursion)
void mapping_load_list(
    struct mapped_field *mapped, const struct config_node *node, const struct loader *loader) {
    if (node->kind == CONFIG_SEQUENCE) {
        mapped->form = MAPPED_LIST;
        if (!make_room(mapped, node, loader))
            return;
        mapped->count = node->count;
        for (size_t i = 0; i < node->count; i++)
            mapping_load_value(&mapped->items[i], mapped->field, true, node->values[i], loader);
    } else if (config_get(node, "for") || config_get(node, "in")) {
        load_each(mapped, node, loader);
    } else {
        config_error(node, loader->report,
            "%s is a list: expected an expression, a sequence, or \"for\", \"in\" and \"map\"",
            mapped->field->name);
    }
}

// ---- Maps ----

static bool bool_key(struct bytes text, struct cel_value *out) {
    out->kind = CEL_BOOL;
    out->boolean = bytes_equal_string(text, "true");
    return out->boolean || bytes_equal_string(text, "false");
}

// Decimal, without signs or zeros that say nothing: so no key can stand twice.
static bool number_key(struct bytes text, bool is_signed, struct cel_value *out) {
    char *end;
    char copy[24];
    bool minus = text.size > 0 && text.data[0] == '-';
    size_t digit = minus ? 1 : 0;
    if (text.size == digit || text.size >= sizeof copy || text.data[digit] < '0' || text.data[digit] > '9' ||
        (text.data[digit] == '0' && text.size > 1) || (minus && !is_signed))
        return false;
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    errno = 0;
    out->kind = is_signed ? CEL_INT : CEL_UINT;
    if (is_signed)
        out->i64 = strtoll(copy, &end, 10);
    else
        out->u64 = strtoull(copy, &end, 10);
    return errno == 0 && *end == '\0';
}

// Whether the text is a key of a map with this type of keys.
static bool read_key(const struct schema_field *type, struct bytes text, struct cel_value *out) {
    enum schema_kind kind = type->kind;
    uint64_t unused;
    if (kind == SCHEMA_BOOL)
        return bool_key(text, out);
    bool is_signed =
        kind != SCHEMA_UINT32 && kind != SCHEMA_UINT64 && kind != SCHEMA_FIXED32 && kind != SCHEMA_FIXED64;
    if (!number_key(text, is_signed, out))
        return false;
    return (is_signed ? put_raw_int(type, out->i64, &unused) : put_raw_uint(type, out->u64, &unused)) == 0;
}

// The texts of all keys, one after the other, for as long as the mapping lives. False without memory (told).
static bool copy_texts(
    struct mapped_field *mapped, const struct config_node *node, const struct loader *loader) {
    size_t size = 1;
    for (size_t i = 0; i < node->count; i++)
        size += node->keys[i]->text.size;
    uint8_t *next = mapped->texts = malloc(size);
    if (!next) {
        no_memory(node, loader);
        return false;
    }
    for (size_t i = 0; i < node->count; i++) {
        struct bytes text = node->keys[i]->text;
        if (text.size)
            memcpy(next, text.data, text.size);
        mapped->keys[i] = (struct cel_value){.kind = CEL_STRING, .bytes = bytes_of(next, text.size)};
        next += text.size;
    }
    return true;
}

static void load_key(const struct schema_field *field, const struct config_node *key, struct cel_value *out,
    const struct loader *loader) {
    const struct schema_field *type = &field->message->fields[0];
    struct cel_value value = {0};
    if (read_key(type, key->text, &value))
        *out = value;
    else
        config_error(key, loader->report, "a key of %s is %s, not \"%.*s\"", field->name,
            type->kind == SCHEMA_BOOL ? "true or false" : "a whole number that fits its type",
            BYTES_ARGS(key->text));
}

// NOLINTNEXTLINE(misc-no-recursion)
void mapping_load_map(
    struct mapped_field *mapped, const struct config_node *node, const struct loader *loader) {
    bool texts = mapped->field->message->fields[0].kind == SCHEMA_STRING;
    mapped->form = MAPPED_ENTRIES;
    if (!make_room(mapped, node, loader) || (texts && !copy_texts(mapped, node, loader)))
        return;
    mapped->count = node->count;
    for (size_t i = 0; i < node->count; i++) {
        if (!texts)
            load_key(mapped->field, node->keys[i], &mapped->keys[i], loader);
        mapping_load_value(
            &mapped->items[i], &mapped->field->message->fields[1], true, node->values[i], loader);
    }
}
