#include "core/schema/catalogue.h"

#include "core/base/utf8.h"
#include "core/schema/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

int schema_grow(void *items, size_t *capacity, size_t needed, size_t item_size) {
    void *old;
    memcpy(&old, items, sizeof old);
    if (needed <= *capacity)
        return 0;
    size_t larger = *capacity ? *capacity * 2 : 16;
    if (larger < needed)
        larger = needed;
    void *grown = realloc(old, larger * item_size);
    if (!grown)
        return -ENOMEM;
    memcpy(items, &grown, sizeof grown);
    *capacity = larger;
    return 0;
}

const char *schema_json_name(struct arena *arena, struct bytes name) {
    char *out = arena_alloc(arena, name.size + 1);
    if (!out)
        return NULL;
    bool upper = false;
    size_t n = 0;
    for (size_t i = 0; i < name.size; i++) {
        char c = (char)name.data[i];
        if (c == '_') {
            upper = true;
            continue;
        }
        out[n++] = upper && c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
        upper = false;
    }
    return out;
}

static bool taken(const struct catalogue *catalogue, struct bytes name) {
    return map_get(catalogue->messages, name) || map_get(catalogue->enums, name);
}

static enum schema_known known_by_name(const char *full_name) {
    static const char package[] = "google.protobuf.";
    static const struct {
        const char *name;
        enum schema_known known;
    } names[] = {{"Timestamp", SCHEMA_KNOWN_TIMESTAMP}, {"Duration", SCHEMA_KNOWN_DURATION},
        {"Any", SCHEMA_KNOWN_ANY}, {"Value", SCHEMA_KNOWN_VALUE}, {"Struct", SCHEMA_KNOWN_STRUCT},
        {"ListValue", SCHEMA_KNOWN_LIST}, {"BoolValue", SCHEMA_KNOWN_WRAPPER},
        {"BytesValue", SCHEMA_KNOWN_WRAPPER}, {"DoubleValue", SCHEMA_KNOWN_WRAPPER},
        {"FloatValue", SCHEMA_KNOWN_WRAPPER}, {"Int32Value", SCHEMA_KNOWN_WRAPPER},
        {"Int64Value", SCHEMA_KNOWN_WRAPPER}, {"StringValue", SCHEMA_KNOWN_WRAPPER},
        {"UInt32Value", SCHEMA_KNOWN_WRAPPER}, {"UInt64Value", SCHEMA_KNOWN_WRAPPER}};
    if (strncmp(full_name, package, sizeof package - 1) != 0)
        return SCHEMA_KNOWN_NOT;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(full_name + sizeof package - 1, names[i].name) == 0)
            return names[i].known;
    return SCHEMA_KNOWN_NOT;
}

int catalogue_add_message(struct catalogue *catalogue, struct schema_message *message, struct error *error) {
    struct bytes name = bytes_of_string(message->full_name);
    if (taken(catalogue, name))
        return error_set(error, -EINVAL, "type \"%s\" is there twice", message->full_name);
    if (catalogue->message_count == CATALOGUE_MESSAGES)
        return error_set(error, -EINVAL, "there are more than %u message types", CATALOGUE_MESSAGES);
    if (schema_grow(&catalogue->sorted, &catalogue->message_capacity, catalogue->message_count + 1,
            sizeof(struct schema_message *)) != 0 ||
        map_put(catalogue->messages, name, message) != 0)
        return error_no_memory(error);
    message->known = known_by_name(message->full_name);
    catalogue->sorted[catalogue->message_count++] = message;
    return 0;
}

int catalogue_add_enum(struct catalogue *catalogue, struct schema_enum *enumeration, struct error *error) {
    struct bytes name = bytes_of_string(enumeration->full_name);
    if (taken(catalogue, name))
        return error_set(error, -EINVAL, "type \"%s\" is there twice", enumeration->full_name);
    if (map_size(catalogue->enums) == CATALOGUE_ENUMS)
        return error_set(error, -EINVAL, "there are more than %u enums", CATALOGUE_ENUMS);
    return map_put(catalogue->enums, name, enumeration) == 0 ? 0 : error_no_memory(error);
}

static int by_full_name(const void *a, const void *b) {
    const struct schema_message *const *left = a, *const *right = b;
    return strcmp((*left)->full_name, (*right)->full_name);
}

static void sort_messages(struct catalogue *catalogue) {
    if (catalogue->message_count) // qsort() must not be given NULL
        qsort(catalogue->sorted, catalogue->message_count, sizeof(struct schema_message *), by_full_name);
}

static bool map_key(enum schema_kind kind) {
    return kind == SCHEMA_STRING ||
           (schema_packable(kind) && kind != SCHEMA_DOUBLE && kind != SCHEMA_FLOAT && kind != SCHEMA_ENUM);
}

static bool right_entry(const struct schema_message *entry) {
    const struct schema_field *fields = entry->fields;
    return entry->field_count == 2 && fields[0].number == 1 && fields[1].number == 2 && !fields[0].repeated &&
           !fields[1].repeated && !fields[0].required && !fields[1].required && fields[0].oneof < 0 &&
           fields[1].oneof < 0 && fields[1].kind != SCHEMA_GROUP && map_key(fields[0].kind);
}

// What needs all messages to have their fields: maps, indexes.
static int finish_message(struct catalogue *catalogue, struct schema_message *message,
    struct schema_field *fields, struct error *error) {
    for (size_t i = 0; i < message->field_count; i++) {
        struct schema_field *field = &fields[i];
        field->index = (uint32_t)i;
        field->map = field->repeated && field->kind == SCHEMA_MESSAGE && field->message->map_entry;
        if (field->map && !right_entry(field->message))
            return error_set(
                error, -EINVAL, "message \"%s\" is no right map entry", field->message->full_name);
    }
    int rc = index_message(&catalogue->arena, message);
    if (rc == -EINVAL)
        return error_set(error, rc, "message \"%s\": two fields have one name or number", message->full_name);
    return rc == 0 ? 0 : error_no_memory(error);
}

static int load_types(struct loader *loader, struct bytes descriptor_set) {
    int rc = descriptor_find_types(loader, descriptor_set);
    for (size_t i = 0; rc == 0 && i < loader->draft_count; i++)
        rc = link_message(loader, &loader->drafts[i]);
    for (size_t i = 0; rc == 0 && i < loader->draft_count; i++)
        rc = finish_message(
            loader->catalogue, loader->drafts[i].message, loader->drafts[i].fields, loader->error);
    if (rc != 0)
        return rc;
    sort_messages(loader->catalogue);
    link_requires(loader->catalogue);
    return 0;
}

static struct catalogue *catalogue_new(void) {
    struct catalogue *catalogue = calloc(1, sizeof *catalogue);
    if (!catalogue)
        return NULL;
    catalogue->messages = map_new();
    catalogue->enums = map_new();
    if (!catalogue->messages || !catalogue->enums)
        catalogue_destroy(&catalogue);
    return catalogue;
}

int catalogue_load(struct bytes descriptor_set, struct catalogue **out, struct error *error) {
    if (descriptor_set.size == 0 || descriptor_set.size > CATALOGUE_BYTES)
        return error_set(error, -EINVAL, "a descriptor set has 1 byte to %u MiB; this one has %zu bytes",
            CATALOGUE_BYTES >> 20, descriptor_set.size);
    struct catalogue *catalogue = catalogue_new();
    struct loader loader = {.catalogue = catalogue, .files = map_new(), .error = error};
    int rc = catalogue && loader.files ? load_types(&loader, descriptor_set) : error_no_memory(error);
    map_destroy(&loader.files);
    free(loader.drafts);
    if (rc != 0) {
        catalogue_destroy(&catalogue);
        return rc;
    }
    *out = catalogue;
    return 0;
}

static int read_file(FILE *file, struct buffer *out) {
    for (;;) {
        uint8_t *room = buffer_extend(out, 65536);
        if (!room)
            return out->size + 65536 > out->limit ? -EMSGSIZE : -ENOMEM;
        size_t count = fread(room, 1, 65536, file);
        out->size -= 65536 - count;
        if (count < 65536)
            return ferror(file) ? -EIO : 0;
    }
}

int catalogue_load_file(const char *path, struct catalogue **out, struct error *error) {
    FILE *file = fopen(path, "rbe");
    if (!file)
        return error_set(error, -EINVAL, "%s: %s", path, strerror(errno));
    struct buffer buffer = {.limit = CATALOGUE_BYTES + 65536 * 2};
    int rc = read_file(file, &buffer);
    fclose(file);
    if (rc == -ENOMEM)
        error_no_memory(error);
    else if (rc != 0)
        rc = error_set(
            error, -EINVAL, "%s: can't be read, or has more than %u MiB", path, CATALOGUE_BYTES >> 20);
    else if ((rc = catalogue_load(buffer_bytes(&buffer), out, error)) == -EINVAL)
        error_prefix(error, "%s: ", path);
    buffer_destroy(&buffer);
    return rc;
}

void catalogue_destroy(struct catalogue **self) {
    struct catalogue *catalogue = *self;
    if (!catalogue)
        return;
    map_destroy(&catalogue->messages);
    map_destroy(&catalogue->enums);
    free(catalogue->sorted);
    arena_destroy(&catalogue->arena);
    free(catalogue);
    *self = NULL;
}

static int define_field(struct arena *arena, const struct schema_message *message,
    const struct schema_column *column, size_t i, struct schema_field *field) {
    struct bytes name = bytes_of_string(column->name);
    if (name.size == 0 || !utf8_valid(name.data, name.size) || memchr(name.data, '.', name.size) ||
        column->kind < SCHEMA_DOUBLE || column->kind > SCHEMA_SINT64 || column->kind == SCHEMA_GROUP ||
        column->kind == SCHEMA_MESSAGE || column->kind == SCHEMA_ENUM)
        return -EINVAL;
    *field = (struct schema_field){.name = arena_string(arena, name),
        .json_name = schema_json_name(arena, name),
        .number = (uint32_t)i + 1,
        .kind = column->kind,
        .repeated = column->repeated,
        .packed = column->repeated && schema_packable(column->kind),
        .presence = !column->repeated,
        .oneof = -1,
        .parent = message};
    return field->name && field->json_name ? 0 : -ENOMEM;
}

int catalogue_define(struct catalogue *catalogue, const char *full_name, const struct schema_column *columns,
    size_t count, const struct schema_message **out, struct error *error) {
    struct arena *arena = &catalogue->arena;
    if (count > CATALOGUE_FIELDS)
        return error_set(error, -EINVAL, "type \"%s\" has more than %u columns", full_name, CATALOGUE_FIELDS);
    struct schema_message *message = arena_alloc(arena, sizeof *message);
    struct schema_field *fields = arena_alloc(arena, (count + 1) * sizeof *fields);
    if (!message || !fields)
        return error_no_memory(error);
    *message = (struct schema_message){.full_name = arena_string(arena, bytes_of_string(full_name)),
        .fields = fields,
        .field_count = count,
        .proto3 = true,
        .catalogue = catalogue};
    if (!message->full_name)
        return error_no_memory(error);
    for (size_t i = 0; i < count; i++) {
        int rc = define_field(arena, message, &columns[i], i, &fields[i]);
        if (rc == -EINVAL)
            return error_set(
                error, rc, "type \"%s\": column %zu has no right name or no scalar kind", full_name, i + 1);
        if (rc != 0)
            return error_no_memory(error);
    }
    int rc = finish_message(catalogue, message, fields, error);
    if (rc == 0)
        rc = catalogue_add_message(catalogue, message, error);
    if (rc != 0)
        return rc;
    sort_messages(catalogue);
    *out = message;
    return 0;
}
