#include "core/schema/model.h"

#include "core/schema/encoding.h"
#include "core/schema/model_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

// Numbers of google/protobuf/descriptor.proto.
enum {
    SET_FILE = 1,
    FILE_NAME = 1,
    FILE_PACKAGE = 2,
    FILE_MESSAGE = 4,
    FILE_ENUM = 5,
    FILE_SERVICE = 6,
    FILE_EXTENSION = 7,
    FILE_OPTIONS = 8,
    FILE_SOURCE_INFO = 9,
    FILE_SYNTAX = 12,
};

static const char *const kind_names[] = {NULL, "double", "float", "int64", "uint64", "int32", "fixed64",
    "fixed32", "bool", "string", "group", "message", "bytes", "uint32", "enum", "sfixed32", "sfixed64",
    "sint32", "sint64"};

const char *model_kind_name(enum schema_kind kind) {
    return kind_names[kind];
}

int model_malformed(const struct model_loader *loader, const char *what) {
    return error_set(loader->error, -EINVAL, "file \"%s\": %s can't be read",
        loader->file ? loader->file->name : "", what);
}

const char *model_text(struct model_loader *loader, struct bytes text) {
    return arena_string(&loader->model->arena, text);
}

size_t model_count(struct bytes raw, uint32_t number) {
    struct descriptor_field field;
    size_t count = 0;
    while (descriptor_next(&raw, &field) > 0)
        count += field.number == number && field.wire == ENCODING_LEN;
    return count;
}

void *model_array(struct model_loader *loader, struct bytes raw, uint32_t number, size_t item_size) {
    return arena_alloc(&loader->model->arena, (model_count(raw, number) + 1) * item_size);
}

int model_add(struct model_loader *loader, struct model_list *list, const char *name, void *item) {
    if (list->count >= CATALOGUE_MESSAGES + CATALOGUE_ENUMS)
        return model_malformed(loader, "more types than a catalogue may have");
    if (schema_grow(&list->items, &list->capacity, list->count + 1, sizeof(void *)) != 0 ||
        map_put(list->by_name, bytes_of_string(name), item) != 0)
        return error_no_memory(loader->error);
    list->items[list->count++] = item;
    return 0;
}

// ---- Files ----

static const struct {
    uint32_t number;
    const char *name;
} options[] = {{1, "java_package"}, {8, "java_outer_classname"}, {9, "optimize_for"},
    {10, "java_multiple_files"}, {11, "go_package"}, {16, "cc_generic_services"},
    {17, "java_generic_services"}, {18, "py_generic_services"}, {27, "java_string_check_utf8"},
    {31, "cc_enable_arenas"}, {36, "objc_class_prefix"}, {37, "csharp_namespace"}, {39, "swift_prefix"},
    {40, "php_class_prefix"}, {41, "php_namespace"}, {44, "php_metadata_namespace"}, {45, "ruby_package"}};

#define OPTIONS (sizeof options / sizeof options[0])

static const char *option_value(struct model_loader *loader, const struct descriptor_field *field) {
    char number[24];
    if (field->wire == ENCODING_LEN)
        return model_text(loader, field->bytes);
    snprintf(number, sizeof number, "%llu", (unsigned long long)field->value);
    return model_text(loader, bytes_of_string(number));
}

static int read_options(struct model_loader *loader, struct bytes raw, struct model_file *file) {
    struct descriptor_field field;
    struct model_option *found = arena_alloc(&loader->model->arena, OPTIONS * sizeof *found);
    int rc;
    if (!found)
        return error_no_memory(loader->error);
    while ((rc = descriptor_next(&raw, &field)) > 0)
        for (size_t i = 0; i < OPTIONS; i++) {
            if (options[i].number != field.number || file->option_count == OPTIONS)
                continue;
            struct model_option *option = &found[file->option_count++];
            *option = (struct model_option){.name = options[i].name,
                .value = option_value(loader, &field),
                .place = model_element_place(loader, FILE_OPTIONS, field.number)};
            if (!option->value)
                return error_no_memory(loader->error);
        }
    file->options = found;
    return rc == 0 ? 0 : model_malformed(loader, "its options");
}

static int read_types(struct model_loader *loader, const char *package, struct bytes raw) {
    struct descriptor_field field;
    uint32_t messages = 0, enums = 0, services = 0;
    int rc = 0;
    for (struct bytes rest = raw; rc == 0 && descriptor_next(&rest, &field) > 0;) {
        if (field.wire != ENCODING_LEN)
            continue;
        if (field.number == FILE_MESSAGE) {
            model_enter(loader, FILE_MESSAGE, messages++);
            rc = model_read_message(loader, package, field.bytes);
            model_leave(loader);
        } else if (field.number == FILE_ENUM) {
            model_enter(loader, FILE_ENUM, enums++);
            rc = model_read_enum(loader, package, field.bytes);
            model_leave(loader);
        } else if (field.number == FILE_SERVICE) {
            model_enter(loader, FILE_SERVICE, services++);
            rc = model_read_service(loader, package, field.bytes);
            model_leave(loader);
        }
    }
    return rc == 0 ? model_read_extensions(loader, package, raw, FILE_EXTENSION) : rc;
}

static int read_head(struct model_loader *loader, struct bytes raw, struct model_file *file,
    struct bytes *file_options, struct bytes *source_info) {
    struct descriptor_field field;
    struct bytes name = {0}, package = {0}, syntax = {0};
    int rc;
    while ((rc = descriptor_next(&raw, &field)) > 0) {
        if (field.wire != ENCODING_LEN)
            continue;
        if (field.number == FILE_NAME)
            name = field.bytes;
        else if (field.number == FILE_PACKAGE)
            package = field.bytes;
        else if (field.number == FILE_SYNTAX)
            syntax = field.bytes;
        else if (field.number == FILE_OPTIONS)
            *file_options = field.bytes;
        else if (field.number == FILE_SOURCE_INFO)
            *source_info = field.bytes;
    }
    if (rc != 0)
        return model_malformed(loader, "a file");
    file->name = model_text(loader, name);
    file->package = model_text(loader, package);
    file->proto3 = bytes_equal_string(syntax, "proto3");
    return file->name && file->package ? 0 : error_no_memory(loader->error);
}

static int read_file(struct model_loader *loader, struct bytes raw) {
    struct model_file *file = arena_alloc(&loader->model->arena, sizeof *file);
    struct bytes file_options = {0}, source_info = {0};
    if (!file)
        return error_no_memory(loader->error);
    int rc = read_head(loader, raw, file, &file_options, &source_info);
    if (rc != 0)
        return rc;
    loader->file = file;
    loader->places = map_new();
    if (!loader->places)
        return error_no_memory(loader->error);
    rc = model_read_places(loader, source_info);
    file->package_place = model_place(loader, FILE_PACKAGE);
    file->syntax_place = model_place(loader, FILE_SYNTAX);
    if (rc == 0)
        rc = read_options(loader, file_options, file);
    if (rc == 0)
        rc = model_add(loader, &loader->model->files, file->name, file);
    if (rc == 0)
        rc = read_types(loader, file->package, raw);
    map_destroy(&loader->places);
    return rc;
}

// ---- The whole ----

static bool open_list(struct model_list *list) {
    list->by_name = map_new();
    return list->by_name != NULL;
}

static void close_list(struct model_list *list) {
    map_destroy(&list->by_name);
    free(list->items);
}

int model_load(struct bytes descriptor_set, struct model **out, struct error *error) {
    struct model *model = calloc(1, sizeof *model);
    if (!model)
        return error_no_memory(error);
    struct model_loader loader = {.model = model, .error = error};
    struct descriptor_field field;
    int rc = 0, next = 0;
    if (!open_list(&model->files) || !open_list(&model->messages) || !open_list(&model->enums) ||
        !open_list(&model->services) || !open_list(&model->extensions))
        rc = error_no_memory(error);
    while (rc == 0 && (next = descriptor_next(&descriptor_set, &field)) > 0)
        if (field.number == SET_FILE && field.wire == ENCODING_LEN)
            rc = read_file(&loader, field.bytes);
    if (rc == 0 && next < 0)
        rc = error_set(error, -EINVAL, "the descriptor set can't be read");
    if (rc != 0) {
        model_destroy(&model);
        return rc;
    }
    *out = model;
    return 0;
}

void model_destroy(struct model **self) {
    struct model *model = *self;
    if (!model)
        return;
    close_list(&model->files);
    close_list(&model->messages);
    close_list(&model->enums);
    close_list(&model->services);
    close_list(&model->extensions);
    arena_destroy(&model->arena);
    free(model);
    *self = NULL;
}

#define ACCESS(what, list)                                                                                   \
    size_t model_##what##_count(const struct model *model) {                                                 \
        return model->list.count;                                                                            \
    }                                                                                                        \
    const struct model_##what *model_##what##_at(const struct model *model, size_t i) {                      \
        return model->list.items[i];                                                                         \
    }                                                                                                        \
    const struct model_##what *model_##what(const struct model *model, const char *name) {                   \
        return map_get(model->list.by_name, bytes_of_string(name));                                          \
    }

ACCESS(file, files)
ACCESS(message, messages)
ACCESS(enum, enums)
ACCESS(service, services)

size_t model_extension_count(const struct model *model) {
    return model->extensions.count;
}

const struct model_field *model_extension_at(const struct model *model, size_t i) {
    return model->extensions.items[i];
}

const struct model_field *model_extension(const struct model *model, const char *full_name) {
    return map_get(model->extensions.by_name, bytes_of_string(full_name));
}
