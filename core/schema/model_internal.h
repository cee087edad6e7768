// How a model is built: model.c keeps the lists, model_types.c and model_fields.c read descriptors,
// model_places.c the source info.
#pragma once

#include "core/schema/internal.h"
#include "core/schema/model.h"

#define MODEL_PATH 80u // numbers in the path of a place: two a level, and what is inside

struct model_list {
    void **items; // owned; what they point to lies in the arena
    size_t count;
    size_t capacity;
    struct map *by_name;
};

struct model {
    struct arena arena;
    struct model_list files;
    struct model_list messages;
    struct model_list enums;
    struct model_list services;
    struct model_list extensions;
};

struct model_loader {
    struct model *model;
    const struct model_file *file;
    struct map *places; // of the file: path to struct model_location
    uint32_t path[MODEL_PATH];
    size_t depth;
    struct error *error;
};

int model_malformed(const struct model_loader *loader, const char *what); // -EINVAL with the text
int model_add(
    struct model_loader *loader, struct model_list *list, const char *name, void *item); // 0 or -ENOMEM

// Texts and arrays in the arena; NULL, or false, without memory.
const char *model_text(struct model_loader *loader, struct bytes text);
void *model_array(struct model_loader *loader, struct bytes raw, uint32_t number, size_t item_size);
size_t model_count(struct bytes raw, uint32_t number);

// One step down in the path, and up again.
void model_enter(struct model_loader *loader, uint32_t number, uint32_t index);
void model_leave(struct model_loader *loader);

int model_read_places(struct model_loader *loader, struct bytes source_info);
struct model_note model_note(const struct model_loader *loader);                    // of the path
struct model_place model_place(const struct model_loader *loader, uint32_t number); // of a part of it
struct model_place model_element_place(const struct model_loader *loader, uint32_t number, uint32_t index);

int model_read_message(struct model_loader *loader, const char *scope, struct bytes raw);
int model_read_enum(struct model_loader *loader, const char *scope, struct bytes raw);
int model_read_service(struct model_loader *loader, const char *scope, struct bytes raw);
// `message` NULL: an extension in `scope`.
int model_read_field(struct model_loader *loader, const char *scope, const struct model_message *message,
    struct bytes raw, struct model_field *out);
int model_read_extensions(struct model_loader *loader, const char *scope, struct bytes raw, uint32_t number);
