#include "cli/schema_text.h"

#include <stdlib.h>
#include <string.h>

static void print_comment(const char *comment, const char *indent, FILE *to) {
    while (comment && *comment) {
        size_t size = strcspn(comment, "\n");
        fprintf(to, "%s//%.*s\n", indent, (int)size, comment);
        comment += size + (comment[size] == '\n');
    }
}

static void print_where(const struct model_file *file, struct model_note note, FILE *to) {
    if (note.place.line)
        fprintf(to, "// %s:%u\n", file->name, note.place.line);
    else
        fprintf(to, "// %s\n", file->name);
    print_comment(note.comment, "", to);
}

static void print_reserved(const struct model_range *ranges, size_t count, const char *word, FILE *to) {
    for (size_t i = 0; i < count; i++) {
        if (ranges[i].first == ranges[i].last)
            fprintf(to, "  %s %lld;\n", word, (long long)ranges[i].first);
        else if (ranges[i].last >= 536870911)
            fprintf(to, "  %s %lld to max;\n", word, (long long)ranges[i].first);
        else
            fprintf(to, "  %s %lld to %lld;\n", word, (long long)ranges[i].first, (long long)ranges[i].last);
    }
}

static void print_names(const struct model_reserved *reserved, FILE *to) {
    for (size_t i = 0; i < reserved->name_count; i++)
        fprintf(to, "  reserved \"%s\";\n", reserved->names[i]);
}

static const char *type_of(const struct model_field *field) {
    return field->type_name ? field->type_name : model_kind_name(field->kind);
}

static void print_type(const struct model_field *field, FILE *to) {
    if (field->entry && field->entry->field_count == 2)
        fprintf(to, "map<%s, %s>", type_of(&field->entry->fields[0]), type_of(&field->entry->fields[1]));
    else
        fprintf(to, "%s%s", field->kind == SCHEMA_GROUP ? "group " : "", type_of(field));
}

static const char *label_of(const struct model_field *field) {
    if (field->entry || field->oneof >= 0)
        return "";
    if (field->repeated)
        return "repeated ";
    return field->required ? "required " : field->optional || !field->file->proto3 ? "optional " : "";
}

// "birth_date" is birthDate without being told.
static bool usual_json_name(const struct model_field *field) {
    const char *json = field->json_name;
    bool upper = false;
    for (const char *p = field->name; *p; p++) {
        char c = *p;
        if (c == '_') {
            upper = true;
            continue;
        }
        if (upper && c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        upper = false;
        if (*json++ != c)
            return false;
    }
    return *json == '\0';
}

static void print_options(const struct model_field *field, FILE *to) {
    const char *before = " [";
    bool quoted = field->kind == SCHEMA_STRING || field->kind == SCHEMA_BYTES;
    if (field->default_value) {
        fprintf(
            to, "%sdefault = %s%s%s", before, quoted ? "\"" : "", field->default_value, quoted ? "\"" : "");
        before = ", ";
    }
    if (!usual_json_name(field)) {
        fprintf(to, "%sjson_name = \"%s\"", before, field->json_name);
        before = ", ";
    }
    if (field->needed && !field->required) {
        fprintf(to, "%s(hutong.required) = true", before);
        before = ", ";
    }
    if (field->deprecated) {
        fprintf(to, "%sdeprecated = true", before);
        before = ", ";
    }
    if (before[0] == ',')
        fputc(']', to);
}

static void print_field(const struct model_field *field, const char *indent, FILE *to) {
    print_comment(field->note.comment, indent, to);
    fprintf(to, "%s%s", indent, label_of(field));
    print_type(field, to);
    fprintf(to, " %s = %u", field->name, field->number);
    print_options(field, to);
    fputs(";\n", to);
}

static void print_oneof(const struct model_message *message, int32_t index, FILE *to) {
    print_comment(message->oneofs[index].note.comment, "  ", to);
    fprintf(to, "  oneof %s {\n", message->oneofs[index].name);
    for (size_t i = 0; i < message->field_count; i++)
        if (message->fields[i].oneof == index)
            print_field(&message->fields[i], "    ", to);
    fputs("  }\n", to);
}

static bool seen_before(const struct model_message *message, size_t index, bool enums) {
    const struct model_field *field = &message->fields[index];
    for (size_t i = 0; i < index; i++) {
        const struct model_field *other = &message->fields[i];
        if (enums ? other->kind == SCHEMA_ENUM && strcmp(other->type_name, field->type_name) == 0
                  : other->oneof == field->oneof)
            return true;
    }
    return false;
}

void schema_print_message(const struct model *model, const struct model_message *message, FILE *to) {
    print_where(message->file, message->note, to);
    fprintf(to, "message %s {\n", message->full_name);
    for (size_t i = 0; i < message->field_count; i++) {
        const struct model_field *field = &message->fields[i];
        if (field->oneof < 0)
            print_field(field, "  ", to);
        else if (!seen_before(message, i, false))
            print_oneof(message, field->oneof, to);
    }
    print_reserved(message->reserved.ranges, message->reserved.range_count, "reserved", to);
    print_names(&message->reserved, to);
    print_reserved(message->extensions, message->extension_count, "extensions", to);
    fputs("}\n", to);
    for (size_t i = 0; i < message->field_count; i++) {
        const struct model_enum *type =
            message->fields[i].kind == SCHEMA_ENUM ? model_enum(model, message->fields[i].type_name) : NULL;
        if (!type || seen_before(message, i, true))
            continue;
        fputc('\n', to);
        schema_print_enum(type, to);
    }
}

void schema_print_enum(const struct model_enum *type, FILE *to) {
    print_where(type->file, type->note, to);
    fprintf(to, "enum %s {\n", type->full_name);
    for (size_t i = 0; i < type->value_count; i++) {
        const struct model_value *value = &type->values[i];
        print_comment(value->note.comment, "  ", to);
        fprintf(to, "  %s = %d%s;\n", value->name, value->number,
            value->deprecated ? " [deprecated = true]" : "");
    }
    print_reserved(type->reserved.ranges, type->reserved.range_count, "reserved", to);
    print_names(&type->reserved, to);
    fputs("}\n", to);
}

void schema_print_service(const struct model_service *service, FILE *to) {
    print_where(service->file, service->note, to);
    fprintf(to, "service %s {\n", service->full_name);
    for (size_t i = 0; i < service->method_count; i++) {
        const struct model_method *method = &service->methods[i];
        print_comment(method->note.comment, "  ", to);
        fprintf(to, "  rpc %s(%s%s) returns (%s%s);\n", method->name,
            method->client_streaming ? "stream " : "", method->request,
            method->server_streaming ? "stream " : "", method->response);
    }
    fputs("}\n", to);
}

// ---- JSON ----

static void put(json_t *to, const char *key, json_t *value) {
    if (to && value)
        json_object_set_new(to, key, value);
    else
        json_decref(value);
}

static void put_text(json_t *to, const char *key, const char *text) {
    if (text)
        put(to, key, json_string(text));
}

static void put_flag(json_t *to, const char *key, bool set) {
    if (set)
        put(to, key, json_true());
}

static json_t *head(
    const char *kind, const char *name, const struct model_file *file, struct model_note note) {
    json_t *object =
        json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "kind", kind, "name", name, "package", file->package,
            "file", file->name, "line", (json_int_t)note.place.line, "column", (json_int_t)note.place.column);
    put_text(object, "comment", note.comment);
    return object;
}

static void put_reserved(json_t *to, const struct model_reserved *reserved) {
    json_t *numbers = json_array(), *names = json_array();
    for (size_t i = 0; i < reserved->range_count; i++)
        json_array_append_new(numbers,
            json_pack("[I, I]", (json_int_t)reserved->ranges[i].first, (json_int_t)reserved->ranges[i].last));
    for (size_t i = 0; i < reserved->name_count; i++)
        json_array_append_new(names, json_string(reserved->names[i]));
    put(to, "reserved_numbers", numbers);
    put(to, "reserved_names", names);
}

static json_t *field_json(const struct model_message *message, const struct model_field *field) {
    json_t *object =
        json_pack("{s:s, s:I, s:s, s:s}", "name", field->name, "number", (json_int_t)field->number, "kind",
            field->entry ? "map" : model_kind_name(field->kind), "json_name", field->json_name);
    if (field->entry && field->entry->field_count == 2) {
        put_text(object, "key", type_of(&field->entry->fields[0]));
        put_text(object, "value", type_of(&field->entry->fields[1]));
    } else {
        put_text(object, "type", field->type_name);
    }
    put_flag(object, "repeated", field->repeated && !field->entry);
    put_flag(object, "required", field->required);
    put_flag(object, "needed", field->needed);
    put_flag(object, "presence", field->presence);
    put_flag(object, "deprecated", field->deprecated);
    if (field->oneof >= 0)
        put_text(object, "oneof", message->oneofs[field->oneof].name);
    put_text(object, "default", field->default_value);
    put_text(object, "comment", field->note.comment);
    if (field->note.place.line)
        put(object, "line", json_integer(field->note.place.line));
    return object;
}

json_t *schema_message_json(const struct model *model, const struct model_message *message) {
    json_t *object = head("message", message->full_name, message->file, message->note);
    json_t *fields = json_array(), *enums = json_array();
    for (size_t i = 0; i < message->field_count; i++) {
        const struct model_enum *type =
            message->fields[i].kind == SCHEMA_ENUM ? model_enum(model, message->fields[i].type_name) : NULL;
        json_array_append_new(fields, field_json(message, &message->fields[i]));
        if (type && !seen_before(message, i, true))
            json_array_append_new(enums, schema_enum_json(type));
    }
    put(object, "fields", fields);
    put(object, "enums", enums);
    put_reserved(object, &message->reserved);
    return object;
}

json_t *schema_enum_json(const struct model_enum *type) {
    json_t *object = head("enum", type->full_name, type->file, type->note);
    json_t *values = json_array();
    for (size_t i = 0; i < type->value_count; i++) {
        json_t *value = json_pack(
            "{s:s, s:I}", "name", type->values[i].name, "number", (json_int_t)type->values[i].number);
        put_text(value, "comment", type->values[i].note.comment);
        put_flag(value, "deprecated", type->values[i].deprecated);
        json_array_append_new(values, value);
    }
    put_flag(object, "closed", !type->file->proto3);
    put(object, "values", values);
    put_reserved(object, &type->reserved);
    return object;
}

json_t *schema_service_json(const struct model_service *service) {
    json_t *object = head("service", service->full_name, service->file, service->note);
    json_t *methods = json_array();
    for (size_t i = 0; i < service->method_count; i++) {
        const struct model_method *method = &service->methods[i];
        json_t *one = json_pack("{s:s, s:s, s:s}", "name", method->name, "request", method->request,
            "response", method->response);
        put_flag(one, "client_streaming", method->client_streaming);
        put_flag(one, "server_streaming", method->server_streaming);
        put_text(one, "comment", method->note.comment);
        json_array_append_new(methods, one);
    }
    put(object, "methods", methods);
    return object;
}
