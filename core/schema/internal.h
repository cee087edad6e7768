// How a catalogue is built: descriptor.c finds the types in the set, link.c gives them their fields, index.c
// the tables for look-ups.
#pragma once

#include "core/base/map.h"
#include "core/schema/arena.h"
#include "core/schema/catalogue.h"

#define CATALOGUE_BYTES (16u << 20)
#define CATALOGUE_MESSAGES 10000u
#define CATALOGUE_ENUMS 10000u
#define CATALOGUE_FIELDS 1000u
#define CATALOGUE_VALUES 10000u
#define CATALOGUE_NESTING 32u
#define CATALOGUE_FILES 10000u

struct catalogue {
    struct arena arena; // all that follows lies in it, but for maps and `sorted`
    struct map *messages;
    struct map *enums;
    struct schema_message **sorted; // by name
    size_t message_count;
    size_t message_capacity;
};

struct schema_file {
    const char *name;
    const char *package;
    bool proto3;
    struct bytes raw; // the FileDescriptorProto
};

// A message that is known by name and has no fields yet.
struct draft {
    struct schema_message *message;
    const struct schema_file *file;
    struct bytes raw;            // the DescriptorProto
    struct schema_field *fields; // the message's own, until it is finished
};

struct loader {
    struct catalogue *catalogue;
    struct map *files; // by name
    struct draft *drafts;
    size_t draft_count;
    size_t draft_capacity;
    struct error *error;
};

// A field of a descriptor: a number for varints, bytes for what has a length; anything else is passed over.
struct descriptor_field {
    uint32_t number;
    uint32_t wire;
    uint64_t value;
    struct bytes bytes;
};
// Moves `rest` on. 1: there is one; 0: the end; -EINVAL: malformed.
int descriptor_next(struct bytes *rest, struct descriptor_field *out);

int descriptor_find_types(struct loader *loader, struct bytes descriptor_set);
int link_message(struct loader *loader, struct draft *draft);
void link_requires(struct catalogue *catalogue);

int index_message(
    struct arena *arena, struct schema_message *message); // once fields and field_count are final
int index_enum(struct arena *arena, struct schema_enum *enumeration);

extern const struct schema_message schema_unknown; // without fields: what an unknown group holds

// Makes the message known under its name. -EINVAL: the name is taken, or there are too many.
int catalogue_add_message(struct catalogue *catalogue, struct schema_message *message, struct error *error);
int catalogue_add_enum(struct catalogue *catalogue, struct schema_enum *enumeration, struct error *error);
const char *schema_json_name(struct arena *arena, struct bytes name); // lowerCamelCase, in the arena
bool schema_packable(enum schema_kind kind);
uint32_t schema_wire(enum schema_kind kind);

// Grows an array so that `needed` items fit. 0 or -ENOMEM.
int schema_grow(void *items, size_t *capacity, size_t needed, size_t item_size);
